import csv
import gzip
import re
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.bars.actions import Action
from atlas_daemon.bars.adjust import adjusted
from atlas_daemon.bars.frame import day_number
from atlas_daemon.bars.raw import rows_of
from tests.bars.builders import SHARED_BARS, real_data, sessions
from tests.bars.vendors import a_dividend, a_split

DAYS = sessions(6)
END = DAYS[-1]


def raw_bars(closes, symbol="AAA", volume=1000.0):
    days = DAYS[-len(closes) :]
    rows = [(0, day_number(d), c, c, c, c, volume) for d, c in zip(days, closes, strict=True)]
    return rows_of((symbol,), rows)


def frame(closes, actions, end=END):
    return adjusted("made-up bars", raw_bars(closes), actions, ["AAA"], end)


def test_without_actions_the_total_return_is_the_price():
    bars = frame([1.0, 2.0, 3.0], [])
    assert bars.close_total[:, 0].tolist() == bars.close_traded[:, 0].tolist() == [1, 2, 3]
    assert not bars.action.any()


def test_a_split_divides_what_was_before_and_leaves_what_was_traded():
    bars = frame([1200.0, 1210.0, 122.0], [a_split("AAA", END, 10.0)])
    assert bars.close_total[:, 0].tolist() == pytest.approx([120, 121, 122])
    assert bars.high_total[:, 0].tolist() == pytest.approx([120, 121, 122])
    assert bars.close_traded[:, 0].tolist() == [1200, 1210, 122]
    assert bars.volume[:, 0].tolist() == [10000, 10000, 1000]
    assert bars.value[:, 0].tolist() == [1_200_000, 1_210_000, 122_000]
    assert bars.action[:, 0].tolist() == [False, False, True]


def test_a_dividend_is_a_part_of_the_close_before_it():
    # $103.75 of $123.66: KDP on 2018-07-10.
    bars = frame([123.66, 22.19], [a_dividend("AAA", END, 103.75)])
    assert bars.close_total[0, 0] == pytest.approx(123.66 - 103.75)
    assert bars.volume[0, 0] == 1000


def test_a_dividend_on_the_day_of_a_split_is_paid_on_the_new_shares():
    actions = [a_split("AAA", END, 2.0), a_dividend("AAA", END, 1.0)]
    assert frame([100.0, 50.0], actions).close_total[0, 0] == pytest.approx(49)
    assert frame([100.0, 50.0], actions[::-1]).close_total[0, 0] == pytest.approx(49)


def test_two_dividends_of_a_day_are_one_sum():
    actions = [a_dividend("AAA", END, 1.0), a_dividend("AAA", END, 9.0)]
    assert frame([100.0, 90.0], actions).close_total[0, 0] == pytest.approx(90)


def test_a_spin_off_counts_as_what_the_other_shares_were_worth():
    spun = Action("AAA", "spin_off", END, END, ratio=0.5, cash=20.0, other="BBB")
    assert frame([100.0, 80.0], [spun]).close_total[0, 0] == pytest.approx(80)


def test_an_action_on_a_day_without_a_bar_counts_from_the_next_one_on():
    raw = raw_bars([100.0, 100.0, 50.0]).where(np.array([True, False, True]))
    bars = adjusted("made-up bars", raw, [a_split("AAA", DAYS[-2], 2.0)], ["AAA"], END)
    assert bars.close_total[:, 0].tolist() == pytest.approx([50, 50])
    assert bars.action[:, 0].tolist() == [False, True]


@pytest.mark.parametrize("day", [DAYS[-3], END + timedelta(days=1)])
def test_actions_before_the_first_bar_and_after_the_end_change_nothing(day):
    bars = frame([100.0, 90.0, 80.0], [a_split("AAA", day, 2.0), a_dividend("AAA", day, 1.0)])
    assert bars.close_total[:, 0].tolist() == [100, 90, 80]
    assert bars.flaws == {}


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (a_dividend("AAA", END, 100.0), "100 dollars paid on .*, no less than the close before"),
        (a_dividend("AAA", END, None), "cash dividend on .*: its total return cannot be computed"),
        (Action("AAA", "unit_split", END, END), "unit split on .*: its total return cannot be"),
        (Action("AAA", "spin_off", END, END, 0.5, None, "BBB"), "spin off on .*: its total return"),
    ],
)
def test_what_cannot_be_computed_is_a_flaw_of_its_symbol(action, words):
    flaws = frame([1.0, 1.0], [action]).flaws
    assert list(flaws) == ["AAA"]
    assert re.match(words, flaws["AAA"])


def test_an_ended_series_carries_the_reason():
    bars = frame([1.0], [Action("AAA", "name_change", END, END, other="ZZZ")])
    assert bars.ended == {"AAA": f"renamed to ZZZ on {END}"}


prices = st.floats(1, 1000)


@given(
    st.lists(prices, min_size=2, max_size=6),
    st.floats(0.1, 20),
    st.floats(0, 0.9),
    st.integers(1, 5),
)
def test_a_session_s_return_is_that_of_its_holder(closes, ratio, part, number):
    """One share before the ex-day is `ratio` shares and their dividends after it."""
    at = min(number, len(closes) - 1)
    day = DAYS[-len(closes) :][at]
    cash = part * closes[at - 1] / ratio
    bars = frame(closes, [a_split("AAA", day, ratio), a_dividend("AAA", day, cash)])
    told = bars.close_total[at, 0] / bars.close_total[at - 1, 0]
    # Vendors take the dividend off the close before; a holder who reinvests at it has as much.
    assert told == pytest.approx(closes[at] * ratio / (closes[at - 1] - cash * ratio))
    assert bars.close_total[-1, 0] == closes[-1]


SYMBOLS = ("AAPL", "AVGO", "BEN", "GE", "JNJ", "KDP", "NVDA", "SPY", "T", "TSLA")


@pytest.fixture(scope="module")
def told():
    """The vendor's rows of some symbols with splits, spin-offs and special dividends."""
    table = pq.read_table(SHARED_BARS, columns=["date", "symbol", *FIGURES])
    table = table.filter(pc.is_in(table["symbol"].cast("string"), pa.array(SYMBOLS)))
    return table.sort_by("date")


FIGURES = ("close", "adj_factor", "dividend", "split")


def series_of(told, symbol):
    rows = told.filter(pc.equal(told["symbol"], symbol)).to_pydict()
    return rows["date"], *(np.array(rows[name], dtype=np.float64) for name in FIGURES)


@real_data
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_total_return_is_the_vendors_on_real_splits_and_dividends(told, symbol):
    days, close, factor, dividend, split = series_of(told, symbol)
    split = np.where(split > 0, split, 1.0)
    later = np.append(np.cumprod(split[:0:-1])[::-1], 1.0)
    actions = [a_split(symbol, days[at], split[at]) for at in np.flatnonzero(split != 1)]
    actions += [
        a_dividend(symbol, days[at], dividend[at] * later[at])
        for at in np.flatnonzero(dividend > 0)
    ]
    figures = zip(days, close * later, strict=True)
    raw = rows_of((symbol,), [(0, day_number(d), c, c, c, c, 1.0) for d, c in figures])
    bars = adjusted("file", raw, actions, [symbol], days[-1])
    assert bars.flaws == {}
    assert len(actions) > 1
    assert np.abs(bars.close_total[:, 0] / (close * factor) - 1).max() < 2e-5


@real_data
def test_spys_total_return_is_market_dailys_adjusted_close(told):
    """Two files of two makers: dividends of one, adjusted closes of the other, 12 years."""
    known, _, _, dividend, _ = series_of(told, "SPY")
    dividends = zip(known, dividend, strict=True)
    actions = [a_dividend("SPY", day, cash) for day, cash in dividends if cash > 0]
    first, last = known[0], known[-1]
    with gzip.open(SHARED_BARS.with_name("market_daily.csv.gz"), "rt") as lines:
        rows = [row for row in csv.DictReader(lines) if row["symbol"] == "SPY"]
    rows = [row for row in rows if first <= date.fromisoformat(row["date"]) <= last]
    closes = [(day_number(date.fromisoformat(row["date"])), float(row["close"])) for row in rows]
    raw = rows_of(("SPY",), [(0, day, c, c, c, c, 1.0) for day, c in closes])
    bars = adjusted("file", raw, actions, ["SPY"], last)
    theirs = np.array([float(row["adj_close"]) for row in rows])
    ratio = bars.close_total[:, 0] / theirs
    assert len(ratio) == 3050
    assert np.abs(ratio / ratio[-1] - 1).max() < 2e-4
