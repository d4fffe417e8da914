"""History played back: as traded on the day, adjusted as it was known then."""

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

from atlas_daemon.paper.market.market import MarketDataError
from atlas_daemon.paper.market.replay import ReplayMarket
from tests.house.source import ROOT

D = Decimal
REAL = ROOT.parent / "shared" / "data" / "us_daily_2014_2026.parquet"
needs_real = pytest.mark.skipif(not REAL.exists(), reason=f"real prices are not at {REAL}")

HEAD = "date,symbol,open,high,low,close,volume,adj_factor,split,dividend\n"
# XY-Z: split-adjusted; 4:1 on the 4th, 1:2 on the 6th; a dividend of 0.10 (adjusted) on the 3rd.
ROWS = """\
2026-11-02,XY-Z,20.0,21.0,19.0,20.5,1000,0.995,0,0
2026-11-03,XY-Z,20.5,22.0,20.0,21.5,1000,1,0,0.10
2026-11-04,XY-Z,21.5,22.5,21.0,22.0,1000,1,4,0
2026-11-05,XY-Z,22.0,23.0,21.5,22.5,1000,1,0,0
2026-11-06,XY-Z,22.5,23.5,22.0,23.0,1000,1,0.5,0
2026-11-02,AB,0.50,0.51,0.49,0.5051,100,1,0,0
"""
OVER = datetime(2026, 11, 7, tzinfo=UTC)
FIRST, LAST = date(2026, 11, 2), date(2026, 11, 6)


@pytest.fixture
def write(tmp_path):
    def write(text, name="bars.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_as_traded_is_the_adjusted_close_times_all_later_splits(write):
    market = ReplayMarket(write(HEAD + ROWS), 1)
    bars = market.bars("XY.Z", FIRST, LAST, "raw", OVER)
    # later splits: 4 x 0.5 = 2, 2, 0.5, 0.5, 1
    assert [bar.close for bar in bars] == [D("41.00"), D("43.00"), D("11.00"), D("11.25"), D(23)]
    assert [bar.volume for bar in bars] == [500, 500, 2000, 2000, 1000]


def test_splits_after_the_window_still_scale_it(write):
    market = ReplayMarket(write(HEAD + ROWS), 1, last_day=date(2026, 11, 4))
    bars = market.bars("XY.Z", FIRST, LAST, "raw", OVER)
    assert [bar.close for bar in bars] == [D("41.00"), D("43.00"), D("11.00")]
    assert [action.ex_day.day for action in market.actions(FIRST, LAST)] == [3, 4]


@pytest.mark.parametrize(
    ("at", "seen"),
    [
        (datetime(2026, 11, 4, 3, tzinfo=UTC), [D("41"), D("43")]),
        (datetime(2026, 11, 5, 3, tzinfo=UTC), [D("10.25"), D("10.75"), D("11")]),
        (OVER, [D("20.5"), D("21.5"), D("22"), D("22.5"), D("23")]),
    ],
)
def test_split_adjusted_is_what_was_known_at_that_moment(write, at, seen):
    bars = ReplayMarket(write(HEAD + ROWS), 1).bars("XY.Z", FIRST, LAST, "split", at)
    assert [bar.close for bar in bars] == seen


def test_actions_are_as_traded(write):
    dividend, forward, reverse = ReplayMarket(write(HEAD + ROWS), 1).actions(FIRST, LAST)
    assert (dividend.kind, dividend.symbol, dividend.amount) == ("cash_dividend", "XY.Z", D("0.2"))
    assert (forward.kind, forward.ex_day.day, forward.ratio) == ("forward_split", 4, D(4))
    assert (reverse.kind, reverse.ex_day.day, reverse.ratio) == ("reverse_split", 6, D("0.5"))


def test_the_total_return_adjustment_by_hand(write):
    bars = ReplayMarket(write(HEAD + ROWS), 1).bars("XY.Z", FIRST, LAST, "all", OVER)
    # 20.50 x (1 - 0.20/41.00) = 20.40
    assert bars[0].close == D("20.4000")


def test_without_a_dividend_column_the_adjustment_factor_tells_the_dividend(write):
    text = "date,symbol,open,high,low,close,volume,adj_factor\n" + "".join(
        ",".join(row.split(",")[:8]) + "\n" for row in ROWS.splitlines()
    )
    market = ReplayMarket(write(text), 1)
    (dividend,) = market.actions(FIRST, LAST)
    assert dividend.amount == D("0.1025")  # 20.50 x (1 - 0.995)
    # Without a split column the file counts as as-traded.
    assert market.bars("XY.Z", FIRST, LAST, "raw", OVER)[0].close == D("20.50")


@pytest.mark.parametrize("asked", ["XY-Z", "XY.Z", "xy.z"])
def test_class_shares_are_asked_for_in_either_spelling_and_served_with_a_dot(write, asked):
    assert ReplayMarket(write(HEAD + ROWS), 1, [asked]).symbols() == ("XY.Z",)


def test_prices_below_a_dollar_keep_four_decimals(write):
    market = ReplayMarket(write(HEAD + ROWS), 1)
    assert market.bars("AB", FIRST, LAST, "raw", OVER)[0].close == D("0.5051")


def test_a_gzipped_csv_reads_the_same(write, tmp_path):
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress((HEAD + ROWS).encode()))
    plain = ReplayMarket(write(HEAD + ROWS), 1)
    assert ReplayMarket(packed, 1).trade("XY.Z", OVER) == plain.trade("XY.Z", OVER)


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ns"), pa.string()])
def test_a_parquet_file_may_hold_its_dates_in_any_usual_type(tmp_path, kind):
    table = pa.table(
        {
            "date": pa.array([FIRST, LAST]).cast(kind),
            "symbol": ["AB", "AB"],
            **{name: pa.array([2, 3], pa.float32()) for name in ("open", "high", "low", "close")},
            "volume": [10, 10],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "bars.parquet")
    market = ReplayMarket(tmp_path / "bars.parquet", 1, ["AB"], LAST, LAST)
    assert [bar.close for bar in market.bars("AB", FIRST, LAST, "raw", OVER)] == [D(2), D(3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "no rows between the beginning and the end"),
        ("", "Empty CSV file"),
        ("date,symbol,open,high,low,close\n2026-11-02,AB,1,1,1,1\n", "no column volume"),
        (HEAD + "tuesday,AB,1,1,1,1,1,1,0,0\n", "tuesday"),
        (HEAD + "2026-11-02,AB,1,1,1,cheap,1,1,0,0\n", "cheap"),
        (HEAD + "2026-11-02,AB,1,1,1,,1,1,0,0\n", "AB on 2026-11-02: prices or volume"),
        (HEAD + "2026-11-02,AB,1,1,1,-1,1,1,0,0\n", "AB on 2026-11-02: prices or volume"),
        (HEAD + "2026-11-02,AB,1,1,1,2,1,1,0,0\n", "AB on 2026-11-02: prices or volume"),
        (HEAD + "2026-11-02,AB,1,1,1,1,-1,1,0,0\n", "AB on 2026-11-02: prices or volume"),
        (HEAD + 2 * "2026-11-02,AB,1,1,1,1,1,1,0,0\n", "AB has two rows for 2026-11-02"),
        (HEAD + "2026-11-01,AB,1,1,1,1,1,1,0,0\n", "AB has a row for 2026-11-01, which is no"),
    ],
    ids=[
        "no rows",
        "nothing at all",
        "no volume column",
        "a word for a date",
        "a word for a price",
        "a missing price",
        "a negative price",
        "a close above the high",
        "a negative volume",
        "a session twice",
        "a Sunday",
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(write, text, said):
    path = write(text)
    with pytest.raises(MarketDataError) as caught:
        ReplayMarket(path, 1)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_foreign_format_and_a_broken_parquet_are_refused(write, tmp_path):
    with pytest.raises(MarketDataError, match=r"gone\.parquet: no such file"):
        ReplayMarket(tmp_path / "gone.parquet", 1)
    with pytest.raises(MarketDataError, match=r"neither \.parquet nor \.csv"):
        ReplayMarket(write("x", "bars.xlsx"), 1)
    with pytest.raises(MarketDataError, match=r"bars\.parquet: "):
        ReplayMarket(write("no parquet", "bars.parquet"), 1)


def test_a_window_or_a_symbol_that_the_file_lacks_is_refused(write):
    path = write(HEAD + ROWS)
    with pytest.raises(MarketDataError, match="no rows between 2026-11-09 and 2026-11-10"):
        ReplayMarket(path, 1, None, date(2026, 11, 9), date(2026, 11, 10))
    with pytest.raises(MarketDataError, match="no rows for NOPE"):
        ReplayMarket(path, 1, ["XY.Z", "NOPE"])
    with pytest.raises(MarketDataError, match="no rows between 2020-01-01 and 2020-12-31"):
        ReplayMarket(path, 1, None, date(2020, 1, 1), date(2020, 12, 31))


@pytest.fixture(scope="module")
def nvda():
    return ReplayMarket(REAL, 1, ["NVDA", "BRK.B", "SPY"], date(2024, 2, 1), date(2024, 7, 31))


@needs_real
@pytest.mark.parametrize(
    ("day", "close"), [(date(2024, 6, 7), D("1208.88")), (date(2024, 1, 31), D("615.27"))]
)
def test_nvda_as_traded_on_real_prices(nvda, day, close):
    (bar,) = nvda.bars("NVDA", day, day, "raw", datetime(2024, 7, 1, 15, tzinfo=UTC))
    assert bar.close == close


@needs_real
def test_nvda_split_adjusted_as_seen_after_its_split_and_before(nvda):
    day = date(2024, 6, 7)
    (after,) = nvda.bars("NVDA", day, day, "split", datetime(2024, 7, 1, 15, tzinfo=UTC))
    (before,) = nvda.bars("NVDA", day, day, "split", datetime(2024, 6, 9, 15, tzinfo=UTC))
    assert (after.close, before.close) == (D("120.888"), D("1208.88"))


@needs_real
def test_nvda_split_is_an_action_and_the_price_jumps_that_day(nvda):
    (split,) = [one for one in nvda.actions(date(2024, 6, 1), date(2024, 6, 30)) if one.ratio]
    assert (split.symbol, split.kind, split.ex_day) == ("NVDA", "forward_split", date(2024, 6, 10))
    assert split.ratio == D(10)
    before = nvda.trade("NVDA", datetime(2024, 6, 10, 7, 59, tzinfo=UTC))
    after = nvda.trade("NVDA", datetime(2024, 6, 10, 13, 30, tzinfo=UTC))
    assert before.price == D("1208.88")
    assert D(115) < after.price < D(125)


@needs_real
def test_class_shares_of_the_real_file_are_served_with_a_dot(nvda):
    assert nvda.symbols() == ("BRK.B", "NVDA", "SPY")


@needs_real
def test_the_index_keeps_its_long_history(nvda):
    at = datetime(2024, 2, 1, 15, tzinfo=UTC)
    assert len(nvda.bars("SPY", date.min, date.max, "raw", at)) == 2537
    assert 420 <= len(nvda.bars("NVDA", date.min, date.max, "raw", at)) < 440


@needs_real
def test_total_returns_agree_with_the_files_own_adjustment_factor():
    names = ["AAPL", "MSFT", "KDP", "NVDA", "TSLA", "XOM"]
    market = ReplayMarket(REAL, 1, names)
    at = datetime(2026, 2, 19, tzinfo=UTC)
    for name in names:
        rows = pyarrow.parquet.read_table(
            REAL, columns=["close", "adj_factor"], filters=pc.field("symbol") == name
        )
        wanted = np.prod([rows[c].to_numpy().astype(float) for c in rows.column_names], axis=0)
        bars = market.bars(name, date.min, date.max, "all", at)
        assert np.allclose([float(bar.close) for bar in bars], wanted, rtol=2e-3), name


@needs_real
def test_every_symbol_of_the_real_file_loads_for_a_rebalance_window():
    market = ReplayMarket(REAL, 1, None, date(2024, 2, 1), date(2024, 2, 29))
    assert len(market.symbols()) > 600
    open_minute = datetime(2024, 2, 1, 14, 35, tzinfo=UTC)
    quotes = [market.quote(symbol, open_minute) for symbol in market.symbols()]
    assert all(quote.bid < quote.ask for quote in quotes)
    assert sum(quote.at == open_minute for quote in quotes) > 580


@needs_real
def test_two_splits_of_one_day_and_later_ones_are_undone_together():
    eve, day = date(2020, 8, 28), date(2020, 8, 31)
    market = ReplayMarket(REAL, 1, ["AAPL", "TSLA"], day, day)
    at = datetime(2020, 8, 31, 12, tzinfo=UTC)
    closes = {one: market.bars(one, eve, eve, "raw", at)[0].close for one in market.symbols()}
    assert closes == {"AAPL": D("499.23"), "TSLA": D("2213.40")}
    splits = {one.symbol: one.ratio for one in market.actions(day, day)}
    assert splits == {"AAPL": D(4), "TSLA": D(5)}
