import gzip
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.bars.files import load_bars
from atlas_daemon.core.brain import FailureKind, SignalsError
from tests.bars.builders import SHARED_BARS, a_bar, a_series, real_data, sessions, write_bars

D1, D2, D3, D4, D5 = sessions(5)


def traded(bars, symbol):
    return bars.close_traded[:, bars.column(symbol)].tolist()


def total(bars, symbol):
    return bars.close_total[:, bars.column(symbol)].tolist()


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_as_traded_closes_carry_every_later_split_and_no_earlier_one(tmp_path, name):
    # 4:1 on D2 inside the window, 10:1 on D5 after it.
    rows = [
        a_bar(D1, close=2.5, split=0.0),
        a_bar(D2, close=2.5, split=4.0),
        a_bar(D3, close=3.0, split=0.0),
        a_bar(D4, close=4.0, split=0.0),
        a_bar(D5, close=4.0, split=10.0),
    ]
    bars = load_bars(write_bars(tmp_path / name, rows), None, D1, D3)
    assert traded(bars, "AAA") == [100.0, 25.0, 30.0]
    assert total(bars, "AAA") == [2.5, 2.5, 3.0]
    assert bars.action[:, 0].tolist() == [False, True, False]


def test_without_a_split_column_as_traded_is_the_close(tmp_path):
    path = write_bars(tmp_path / "bars.csv", [a_bar(D1, close=2.5), a_bar(D2, close=3.0)])
    assert traded(load_bars(path, None, D1, D2), "AAA") == [2.5, 3.0]


def test_a_special_dividend_is_no_loss_in_total_return_and_a_fall_as_traded(tmp_path):
    rows = [
        a_bar(D1, close=123.66, adj_factor=0.1779, dividend=0.0),
        a_bar(D2, close=22.19, adj_factor=1.0, dividend=103.75),
    ]
    bars = load_bars(write_bars(tmp_path / "bars.parquet", rows), None, D1, D2)
    first, second = total(bars, "AAA")
    assert second / first == pytest.approx(1.0, abs=0.02)
    assert traded(bars, "AAA") == [123.66, 22.19]
    assert bars.action[:, 0].tolist() == [False, True]


def test_class_shares_get_alpacas_spelling(tmp_path):
    path = write_bars(tmp_path / "bars.csv", [a_bar(D1, "BRK-B")])
    assert load_bars(path, {"BRK.B"}, D1, D1).present.all()


def test_two_spellings_of_one_share_show_as_duplicates(tmp_path):
    path = write_bars(tmp_path / "bars.csv", [a_bar(D1, "BRK-B"), a_bar(D1, "BRK.B")])
    assert load_bars(path, None, D1, D1).duplicates == (("BRK.B", D1),)


def test_only_the_asked_symbols_and_window_are_loaded(tmp_path):
    rows = a_series("AAA", [1.0] * 5) + a_series("BBB", [2.0] * 5)
    bars = load_bars(write_bars(tmp_path / "bars.parquet", rows), {"BBB", "ZZZ"}, D2, D4)
    assert bars.symbols == ("BBB", "ZZZ")
    assert bars.present.tolist() == [[True, False]] * 3


def test_unsorted_rows_read_as_sorted_ones(tmp_path):
    rows = a_series("AAA", [1.0, 2.0, 3.0, 4.0, 5.0])
    path = write_bars(tmp_path / "bars.csv", [rows[at] for at in (3, 0, 4, 2, 1)])
    assert total(load_bars(path, None, D1, D5), "AAA") == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_single_precision_is_read_as_the_price_that_was_meant(tmp_path):
    path = write_bars(tmp_path / "bars.parquet", [a_bar(D1, close=61.527)], {"close": pa.float32()})
    assert traded(load_bars(path, None, D1, D1), "AAA") == [61.527]


def test_a_gzipped_csv_and_a_byte_order_mark_are_read(tmp_path):
    plain = write_bars(tmp_path / "bars.csv", [a_bar(D1, close=3.0)]).read_bytes()
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.replace(b'"', b"")))
    assert total(load_bars(path, None, D1, D1), "AAA") == [3.0]


def test_dates_may_be_text_or_moments_without_a_zone(tmp_path):
    text = write_bars(tmp_path / "text.parquet", [a_bar(str(D1))])
    moments = write_bars(tmp_path / "moments.parquet", [a_bar(D1)], {"date": pa.timestamp("ns")})
    for path in (text, moments):
        assert load_bars(path, None, D1, D1).present.all()


def test_row_groups_before_the_window_are_left_out_and_change_nothing(tmp_path):
    table = pa.Table.from_pylist(a_series("AAA", [1.0, 2.0, 3.0, 4.0, 5.0]))
    pa.parquet.write_table(table, tmp_path / "bars.parquet", row_group_size=1)
    assert total(load_bars(tmp_path / "bars.parquet", None, D4, D5), "AAA") == [4.0, 5.0]


def test_a_file_whose_row_groups_all_end_before_the_window_says_where_it_ends(tmp_path):
    table = pa.Table.from_pylist(a_series("AAA", [1.0, 2.0, 3.0], last=D3))
    pa.parquet.write_table(table, tmp_path / "bars.parquet", row_group_size=1)
    with pytest.raises(SignalsError, match=f"ends on {D3}: no bars for {D5}"):
        load_bars(tmp_path / "bars.parquet", None, D5, D5)


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ({"symbol": None}, "symbol is empty in a row"),
        ({"close": "dear"}, "'dear'"),
        ({"date": 20240131}, "date is int64; plain dates are wanted"),
        ({"date": "January"}, "'January'"),
        ({"volume": [1, 2]}, "cannot be read as bars"),
    ],
)
def test_a_column_of_another_kind_is_one_line_that_names_the_file(tmp_path, flaw, words):
    path = write_bars(tmp_path / "bars.parquet", [{**a_bar(D1), **flaw}])
    with pytest.raises(SignalsError) as caught:
        load_bars(path, None, D1, D1)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.kind is FailureKind.CONFIG


def test_total_return_is_computed_from_dividends_where_nothing_else_tells_it(tmp_path):
    days = sessions(3)
    rows = a_series("AAA", [100.0, 100.0, 80.0], dividend=0.0)
    rows[2]["dividend"] = 20.0
    unsorted = [rows[2], rows[0], rows[1]]
    bars = load_bars(write_bars(tmp_path / "bars.parquet", unsorted), None, days[0], days[2])
    assert bars.close_total[:, 0].tolist() == pytest.approx([80, 80, 80])
    assert bars.close_traded[:, 0].tolist() == [100, 100, 80]


def test_a_dividend_after_the_window_is_not_known_yet(tmp_path):
    days = sessions(3)
    rows = a_series("AAA", [100.0, 100.0, 80.0], dividend=0.0, split=0.0)
    rows[2] |= {"dividend": 20.0, "split": 2.0}  # which as-traded prices need to know
    bars = load_bars(write_bars(tmp_path / "bars.parquet", rows), None, days[0], days[1])
    assert bars.close_total[:, 0].tolist() == [100, 100]
    assert bars.close_traded[:, 0].tolist() == [200, 200]


def test_an_empty_number_is_not_a_number(tmp_path):
    path = write_bars(tmp_path / "bars.csv", [a_bar(D1, close=None, high=1.0), a_bar(D2)])
    bars = load_bars(path, None, D1, D2)
    assert np.isnan(bars.close_total[0, 0])
    assert bars.present[0, 0]


def good(tmp_path):
    return write_bars(tmp_path / "bars.csv", a_series("AAA", [1.0] * 3, last=D3))


def lacking(name):
    def write(tmp_path):
        row = {key: value for key, value in a_bar(D1).items() if key != name}
        return write_bars(tmp_path / "bars.parquet", [row])

    return write


def raw(name, content):
    def write(tmp_path):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def texts(*days):
    def write(tmp_path):
        return write_bars(tmp_path / "bars.parquet", [a_bar(day) for day in days])

    return write


def moments(hour):
    def write(tmp_path):
        rows = [a_bar(datetime(2024, 1, 29, hour))]  # noqa: DTZ001
        return write_bars(tmp_path / "bars.parquet", rows)

    return write


MIXED_ZONES = b"""\
2024-01-31T00:00:00-05:00,A,1,1,1,1,5
2024-01-30T00:00:00Z,A,1,1,1,1,5
"""
HEADER = b"date,symbol,open,high,low,close,volume\n"


@pytest.mark.parametrize(
    ("write", "end", "kind", "words"),
    [
        (lambda tmp: tmp / "none.csv", D3, "config", "no such file"),
        (lambda tmp: tmp, D3, "config", "no such file"),
        (raw("bars.xlsx", b"x"), D3, "config", ".parquet, .csv or .csv.gz"),
        (raw("bars.parquet", b"date,symbol\n"), D3, "config", "cannot be read as bars"),
        (raw("bars.csv.gz", b"plain"), D3, "config", "cannot be read as bars"),
        (raw("bars.csv", b"\xff\xfe\x00"), D3, "config", "cannot be read as bars"),
        (raw("bars.csv", b""), D3, "config", "lacks the column date, symbol, high"),
        (raw("bars.csv", HEADER), D3, "data", "has no rows"),
        (raw("bars.csv", HEADER + b"2024-01-31,A,1,1,1,abc,5\n"), D3, "config", "abc"),
        (raw("bars.csv", HEADER + b"2024-01-31,A,1,1\n"), D3, "config", "cannot be read"),
        (raw("bars.csv", HEADER + b"2024-01-31T00:00:00Z,A,1,1,1,1,5\n"), D3, "config", "date32"),
        (raw("bars.csv", HEADER + b",A,1,1,1,1,5\n"), D3, "config", "date is empty"),
        (raw("bars.csv", HEADER + MIXED_ZONES), D3, "config", "2024-01-31T00:00:00-05:00"),
        (texts("2024-01-29", "2024-01-29T00:00:00+00:00"), D3, "config", "+00:00"),
        (moments(5), D3, "config", "date has a time of day"),
        (lacking("date"), D3, "config", "lacks the column date"),
        (lacking("symbol"), D3, "config", "lacks the column symbol"),
        (lacking("high"), D3, "config", "lacks the column high"),
        (lacking("close"), D3, "config", "lacks the column close"),
        (lacking("volume"), D3, "config", "lacks the column volume"),
        (good, D5, "data", "ends on 2024-01-29: no bars for 2024-01-31"),
        (good, date(2020, 1, 2), "data", "starts on 2024-01-25: no bars for 2020-01-02"),
        (good, date(2024, 1, 27), "data", "has no bar of any symbol on 2024-01-27"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, write, end, kind, words):
    path = write(tmp_path)
    with pytest.raises(SignalsError) as caught:
        load_bars(path, None, date(2019, 1, 1), end)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.kind is FailureKind(kind)
    assert caught.value.exit_code == {"config": 78, "data": 1}[kind]


def test_dates_with_a_time_zone_are_refused(tmp_path):
    path = write_bars(
        tmp_path / "bars.parquet", [a_bar(D1)], {"date": pa.timestamp("ns", "America/New_York")}
    )
    with pytest.raises(SignalsError, match="carries the time zone America/New_York"):
        load_bars(path, None, D1, D1)


@settings(max_examples=25, deadline=None)
@given(
    closes=st.lists(st.floats(1, 1000), min_size=3, max_size=8),
    later=st.lists(st.floats(1, 1000), min_size=1, max_size=5),
)
def test_what_comes_after_the_window_changes_nothing(tmp_path_factory, closes, later):
    folder = tmp_path_factory.mktemp("bars")
    days = sessions(len(closes) + len(later))
    rows = [a_bar(d, close=c, split=0.0) for d, c in zip(days, closes + later, strict=True)]
    end = days[len(closes) - 1]
    whole = load_bars(write_bars(folder / "whole.parquet", rows), None, days[0], end)
    cut = load_bars(write_bars(folder / "cut.parquet", rows[: len(closes)]), None, days[0], end)
    for column in ("sessions", "close_total", "close_traded", "high_total", "volume", "value"):
        assert np.array_equal(getattr(whole, column), getattr(cut, column))


@real_data
@pytest.mark.parametrize(
    ("symbol", "day", "close"),
    [
        ("NVDA", date(2024, 1, 31), 615.27),
        ("NVDA", date(2024, 6, 7), 1208.88),
        ("NVDA", date(2024, 6, 10), 121.79),
        ("AAPL", date(2020, 8, 28), 499.23),
        ("AAPL", date(2020, 8, 31), 129.04),
        ("TSLA", date(2020, 8, 28), 2213.40),
        ("KDP", date(2018, 7, 9), 123.66),
        ("KDP", date(2018, 7, 10), 22.19),
        ("SPY", date(2020, 3, 16), 239.85),
    ],
)
def test_real_as_traded_closes(symbol, day, close):
    bars = load_bars(SHARED_BARS, {symbol}, day, day)
    assert bars.close_traded[0, 0] == pytest.approx(close, abs=0.006)


@real_data
@pytest.mark.parametrize(
    ("symbol", "before", "on"),
    [
        ("KDP", date(2018, 7, 9), date(2018, 7, 10)),
        ("NVDA", date(2024, 6, 7), date(2024, 6, 10)),
        ("AAPL", date(2020, 8, 28), date(2020, 8, 31)),
        ("TSLA", date(2020, 8, 28), date(2020, 8, 31)),
    ],
)
def test_real_total_return_has_no_cliff_at_a_split_or_special_dividend(symbol, before, on):
    bars = load_bars(SHARED_BARS, {symbol}, before, on)
    first, second = bars.close_total[:, 0]
    assert 0.85 < second / first < 1.15
    assert bars.action[-1, 0]
