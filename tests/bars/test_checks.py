from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.bars import checks
from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.files import load_bars
from atlas_daemon.bars.frame import Bars, day_number
from tests.bars.builders import a_bar, a_series, sessions, write_bars

DAYS = sessions(10)
END = DAYS[-1]


def frame(tmp_path, rows):
    # MKT trades every day, so that the frame has every session.
    rows = [*a_series("MKT", [50.0] * 10), *rows]
    return load_bars(write_bars(tmp_path / "bars.parquet", rows), None, DAYS[0], END)


def with_flaw(at, **columns):
    rows = a_series("AAA", [100.0] * 10)
    rows[at] |= columns
    return rows


def test_a_sound_series_is_not_refused(tmp_path):
    findings = examine(frame(tmp_path, a_series("AAA", [100.0] * 10)), ["AAA", "MKT"], END)
    assert findings.refused == ()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (a_series("AAA", [1.0] * 9, last=DAYS[-2]), f"last bar is {DAYS[-2]}, not the signal"),
        (with_flaw(4, close=0.0), f"a price that is empty, zero or negative on {DAYS[4]}"),
        (with_flaw(4, close=-1.0), f"a price that is empty, zero or negative on {DAYS[4]}"),
        (with_flaw(4, close=None), f"a price that is empty, zero or negative on {DAYS[4]}"),
        (with_flaw(4, high=float("nan")), "a price that is empty, zero or negative"),
        (with_flaw(4, high=float("inf")), "an infinite price"),
        (with_flaw(4, close=100.51), f"a close above the day's high on {DAYS[4]}"),
        (with_flaw(4, volume=-1.0), f"a volume that is empty or negative on {DAYS[4]}"),
        (with_flaw(4, volume=None), "a volume that is empty or negative"),
        (with_flaw(9, volume=0.0), f"no share traded on {END}"),
        ([*a_series("AAA", [1.0] * 10), a_bar(DAYS[3])], f"more than one bar on {DAYS[3]}"),
        ([a_bar(DAYS[0]), a_bar(END)], f"8 sessions missing since {DAYS[0]}"),
    ],
)
def test_what_fails_a_check_is_refused_with_its_reason(tmp_path, rows, reason):
    findings = examine(frame(tmp_path, rows), ["AAA", "MKT"], END)
    assert [symbol for symbol, _ in findings.refused] == ["AAA"]
    assert findings.refused[0][1].startswith(reason)


@pytest.mark.parametrize(
    "rows",
    [
        with_flaw(4, volume=0.0),
        with_flaw(4, close=100.49),
        [bar for bar in a_series("AAA", [1.0] * 10) if bar["date"] not in DAYS[2:7]],
    ],
    ids=[
        "zero volume before the signal session",
        "a close just above the high",
        "five sessions missing",
    ],
)
def test_small_flaws_pass(tmp_path, rows):
    assert examine(frame(tmp_path, rows), ["AAA"], END).refused == ()


def test_symbols_without_a_series_are_refused(tmp_path):
    bars = load_bars(
        write_bars(tmp_path / "bars.csv", a_series("AAA", [1.0])), {"AAA", "ZZZ"}, END, END
    )
    refused = dict(examine(bars, ["AAA", "ZZZ", "QQQ"], END).refused)
    assert refused == {"ZZZ": f"no bars from {END} on", "QQQ": "no series of that name"}


def test_bars_on_a_day_that_is_no_session_are_refused_where_a_calendar_is_given(tmp_path):
    bars = frame(tmp_path, a_series("AAA", [1.0] * 10))
    closed = DAYS[5]
    refused = examine(bars, ["AAA"], END, lambda day: day != closed).refused
    assert refused == (("AAA", f"a bar though it is no session on {closed}"),)


def test_a_jump_without_an_action_is_refused_and_one_with_it_is_not(tmp_path):
    jump = a_series("AAA", [100.0] * 5 + [200.0] * 5)
    bars = frame(tmp_path, jump)
    reason = f"a jump of +100% on {DAYS[5]} without a corporate action"
    assert examine(bars, ["AAA"], END).refused == (("AAA", reason),)
    booked = replace(bars, action=np.ones_like(bars.action))
    assert examine(booked, ["AAA"], END).refused == ()


@pytest.mark.parametrize(("after", "is_refused"), [(144.9, False), (145.1, True), (54.9, True)])
def test_a_jump_is_a_move_of_more_than_45_percent(tmp_path, after, is_refused):
    bars = frame(tmp_path, a_series("AAA", [100.0] * 9 + [after]))
    assert bool(examine(bars, ["AAA"], END).refused) is is_refused


def test_sessions_that_no_symbol_has_are_missing_where_a_calendar_knows_them(tmp_path):
    # The whole source has a hole of six sessions: among the symbols alone nobody misses anything.
    there = {*DAYS[:2], *DAYS[8:]}
    rows = [bar for bar in a_series("AAA", [1.0] * 10) if bar["date"] in there]
    bars = load_bars(write_bars(tmp_path / "bars.parquet", rows), None, DAYS[0], END)
    known = lambda first, last: [day for day in DAYS if first <= day <= last]  # noqa: E731
    assert examine(bars, ["AAA"], END).refused == ()
    refused = examine(bars, ["AAA"], END, None, known).refused
    assert refused == (("AAA", f"6 sessions missing since {DAYS[0]}"),)


def test_what_the_source_itself_finds_is_refused(tmp_path):
    bars = frame(tmp_path, [*a_series("AAA", [1.0] * 10), *a_series("OLD", [1.0] * 9, DAYS[-2])])
    told = bars.saying({"AAA": "spin off on a day"}, {"OLD": "renamed to NEW on a day"}, ())
    assert dict(examine(told, ["AAA", "OLD"], END).refused) == {
        "AAA": "spin off on a day",
        "OLD": f"last bar is {DAYS[-2]}, not the signal session {END}: renamed to NEW on a day",
    }


def test_checks_of_no_symbols_find_nothing(tmp_path):
    assert examine(frame(tmp_path, []), [], date(2024, 1, 31)).refused == ()


ODDITIES = st.tuples(
    st.sampled_from(["close", "high", "traded", "volume", "gone", "jump", "booked jump"]),
    st.integers(0, 9),
    st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e9]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ODDITIES, max_size=3), st.booleans(), st.integers(0, 9))
def test_what_is_sound_at_one_look_has_no_flaw_that_could_be_named(oddities, is_closed, off_day):
    """The quick look over all symbols at once agrees with the one that finds the words."""
    shape = (10, 1)
    columns = {name: np.full(shape, 100.0) for name in ("close", "high", "traded", "volume")}
    present, action = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for what, at, value in oddities:
        if what == "gone":
            present[at] = False
        elif "jump" in what:
            columns["close"][at:] *= 2
            columns["high"][at:] *= 2
            action[at] |= what == "booked jump"
        else:
            columns[what][at] = value
    for column in columns.values():
        column[~present] = np.nan
    action &= present
    bars = Bars(
        source="made up",
        sessions=np.array([day_number(day) for day in DAYS], dtype=np.int32),
        symbols=("AAA",),
        high_total=columns["high"],
        close_total=columns["close"],
        close_traded=columns["traded"],
        volume=columns["volume"],
        value=columns["volume"],
        present=present,
        action=action,
    )
    off_days = np.array([is_closed and at == off_day for at in range(10)])
    absent = np.zeros(0, dtype=np.int32)
    (sound,) = checks._sound(bars, END, off_days, absent)
    with np.errstate(all="ignore"):
        flaw = checks._flaw(bars, 0, END, off_days, absent)
    assert not (sound and flaw)
    if present.all():
        assert sound == (flaw is None)
