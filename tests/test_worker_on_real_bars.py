"""The golden figures: what the strategy wanted on real days, and that it never looked ahead."""

from datetime import date, timedelta
from decimal import Decimal

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from atlas_daemon.core.sessions import NYSE
from tests.bars.builders import SHARED_BARS, real_data
from tests.worker_requests import MEMBERS, answered, ratios

TECHNOLOGY = {
    date(2024, 1, 31): "NFLX .9732 CRM .9717 ADBE .9710 NVDA .9690 NOW .9690 ACN .9685 PANW .9655 "
    "INTU .9653 META .9601 MSFT .9573",
    date(2020, 3, 13): "",
}
MEMBERS_TOP = {
    date(2020, 3, 13): "DLR .998 GIS .960 EQIX .949 LLY .947 WEC .941 CLX .938",
    date(2024, 1, 31): "SYY .9934 TDG .9933 AMGN .9925 PG .9914 CL .9912 COR .9899",
    date(2024, 7, 31): "EVRG .9991 SO .9978 DTE .9971 NI .9965 CINF .9965 EBAY .9955",
}


def golden(text):
    words = text.split()
    return [(name, Decimal(ratio)) for name, ratio in zip(words[::2], words[1::2], strict=True)]


@real_data
@pytest.mark.parametrize(("day", "picks"), TECHNOLOGY.items(), ids=str)
def test_the_technology_picks_on_real_bars(day, picks):
    assert ratios(answered(SHARED_BARS, signal_day=day).picks) == golden(picks)


@real_data
def test_only_eight_of_technology_pass_on_2024_07_31():
    got = answered(SHARED_BARS, signal_day=date(2024, 7, 31))
    names = [pick.symbol for pick in got.picks]
    assert names == ["IBM", "TXN", "INTU", "NOW", "ORCL", "AAPL", "KLAC", "NFLX"]
    assert {pick.weight for pick in got.picks} == {Decimal("0.125")}
    assert "8 of 10 wanted lines pass the threshold; each is weighted among 8" in got.notes


@real_data
def test_momentum_weights_of_real_ratios_are_their_parts_of_the_sum():
    picks = answered(SHARED_BARS, weighting="momentum").picks
    total = sum(pick.ratio for pick in picks)
    assert all(abs(pick.weight - pick.ratio / total) < Decimal("0.000001") for pick in picks)
    assert Decimal("0.99999") < sum(pick.weight for pick in picks) <= 1
    assert picks[0].weight > Decimal("0.1") > picks[-1].weight


@real_data
def test_in_the_crash_of_2020_no_technology_passes_and_that_is_all_cash():
    got = answered(SHARED_BARS, signal_day=date(2020, 3, 13))
    assert got.picks == ()
    assert got.candidates == 29
    assert "no candidate passes: all cash (29 rated)" in got.notes
    assert got.refused == (("CRWD", "191 of 252 sessions of bars"),)


@real_data
def test_picks_are_priced_as_traded():
    got = answered(SHARED_BARS, held=("TSLA", "BRK-B"))
    assert got.closes["NVDA"] == Decimal("615.27")
    assert {"TSLA", "BRK.B", "SPY"} <= set(got.closes)
    assert got.closes["SPY"] == Decimal("482.88")


@real_data
@pytest.mark.parametrize(("day", "top"), MEMBERS_TOP.items(), ids=str)
def test_the_point_in_time_tops_on_real_bars(day, top):
    wanted = golden(top)
    got = answered(SHARED_BARS, signal_day=day, universe=f"file:{MEMBERS}")
    places = str(wanted[0][1])
    assert ratios(got.picks[: len(wanted)], places) == wanted


def ratio_as_traded(symbol, day):
    """The ratio on the prices that were printed: splits and dividends stay in."""
    since = day - timedelta(days=400)
    wanted = [("symbol", "=", symbol), ("date", ">=", since)]
    table = pq.read_table(SHARED_BARS, filters=wanted).to_pandas().sort_values("date")
    split = table["split"].astype(float).where(table["split"] > 0, 1.0)
    later = split[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    table = table.assign(top=table["high"] * later, now=table["close"] * later)
    window = table[table["date"] <= day].tail(252)
    return float(window["now"].iloc[-1] / window["top"].max())


@real_data
@pytest.mark.parametrize(
    ("symbol", "day", "before", "after", "close", "raw"),
    [
        # $103.75 of $123.66 were paid out; then 10:1, 4:1 and 5:1.
        ("KDP", date(2018, 7, 10), "0.9812", "0.9911", "22.19", "0.1752"),
        ("NVDA", date(2024, 6, 10), "0.9626", "0.9698", "121.79", "0.0970"),
        ("AAPL", date(2020, 8, 31), "0.9691", "0.9850", "129.04", "0.2505"),
        ("TSLA", date(2020, 8, 31), "0.9547", "0.9964", "498.32", "0.2149"),
    ],
)
def test_a_special_dividend_or_a_split_is_no_fall_as_it_would_be_on_raw_prices(
    symbol, day, before, after, close, raw
):
    ask = {"universe": symbol, "top_n": 1}
    (then,) = answered(SHARED_BARS, signal_day=NYSE.session_before(day).day, **ask).picks
    (now,) = answered(SHARED_BARS, signal_day=day, **ask).picks
    assert ratios([then, now]) == [(symbol, Decimal(before)), (symbol, Decimal(after))]
    assert now.close == Decimal(close)
    assert round(ratio_as_traded(symbol, day), 4) == float(raw)


@real_data
@pytest.mark.parametrize(
    ("universe", "signal_day", "closes", "splits"),
    [
        ("NVDA", date(2024, 6, 6), {"NVDA": "1209.98"}, {}),
        ("NVDA", date(2024, 6, 7), {"NVDA": "120.888"}, {"NVDA": 10}),
        (
            "AAPL,TSLA",
            date(2020, 8, 28),
            {"AAPL": "124.8075", "TSLA": "442.68"},
            {"AAPL": 4, "TSLA": 5},
        ),
    ],
)
def test_closes_count_in_the_shares_of_the_order_session(universe, signal_day, closes, splits):
    got = answered(SHARED_BARS, signal_day=signal_day, universe=universe)
    assert {pick.symbol: pick.close for pick in got.picks} == {
        symbol: Decimal(close) for symbol, close in closes.items()
    }
    assert all(got.closes[pick.symbol] == pick.close for pick in got.picks)
    assert got.splits == splits
    said = [note for note in got.notes if " splits " in note]
    assert len(said) == len(splits)


@real_data
def test_a_split_before_the_order_session_is_told_with_its_figures():
    got = answered(SHARED_BARS, signal_day=date(2024, 6, 7), universe="AMD", held=("NVDA",))
    note = "NVDA splits 10:1 after 2024-06-07: its close counts as 120.888 a new share"
    assert note in got.notes


@real_data
@pytest.mark.parametrize("universe", ["technology", "all"])
def test_cutting_the_real_file_at_the_signal_day_changes_no_pick(tmp_path, universe):
    day = date(2024, 7, 31)
    start = day - timedelta(days=450)
    table = pq.read_table(SHARED_BARS, filters=[("date", ">=", start)])
    pq.write_table(table, tmp_path / "whole.parquet")
    pq.write_table(table.filter(pc.less_equal(table["date"], day)), tmp_path / "cut.parquet")
    whole = answered(tmp_path / "whole.parquet", signal_day=day, universe=universe)
    cut = answered(tmp_path / "cut.parquet", signal_day=day, universe=universe)
    assert [(p.symbol, p.ratio, p.weight) for p in whole.picks] == [
        (p.symbol, p.ratio, p.weight) for p in cut.picks
    ]


@real_data
def test_the_file_as_it_was_on_the_signal_day_gives_the_same_answer(tmp_path):
    """Splits and dividends that came later are taken out, as a file of that day had them."""
    day = date(2024, 1, 31)
    table = pq.read_table(SHARED_BARS, filters=[("date", ">=", day - timedelta(days=450))])
    frame = table.to_pandas()
    later = frame[(frame["date"] > day) & (frame["split"] > 0)]
    product = later.groupby("symbol", observed=True)["split"].prod().astype(float)
    then = frame[frame["date"] <= day].copy()
    factor = then["symbol"].astype(str).map(product).fillna(1.0)
    last = then.groupby("symbol", observed=True)["adj_factor"].transform("last")
    then["adj_factor"] = then["adj_factor"].astype(float) / last
    for column in ("open", "high", "low", "close"):
        then[column] = then[column].astype(float) * factor
    then["volume"] = then["volume"] / factor
    then.to_parquet(tmp_path / "then.parquet")
    was = answered(tmp_path / "then.parquet", signal_day=day, held=("TSLA", "BRK.B", "WMT"))
    now = answered(SHARED_BARS, signal_day=day, held=("TSLA", "BRK.B", "WMT"))
    assert was.closes == now.closes
    assert ratios(was.picks) == ratios(now.picks)
