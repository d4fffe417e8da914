from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.files import load_bars
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


def test_a_sound_series_is_neither_refused_nor_noted(tmp_path):
    findings = examine(frame(tmp_path, a_series("AAA", [100.0] * 10)), ["AAA", "MKT"], END)
    assert findings.refused == ()
    assert findings.notes == ()


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


def test_jumps_without_an_action_are_noted_and_those_with_one_are_not(tmp_path):
    jump = a_series("AAA", [100.0] * 5 + [200.0] * 5)
    bars = frame(tmp_path, jump)
    assert examine(bars, ["AAA"], END).notes == (
        f"jumps without a corporate action: AAA +100% on {DAYS[5]}",
    )
    booked = replace(bars, action=np.ones_like(bars.action))
    assert examine(booked, ["AAA"], END).notes == ()
    assert examine(bars, ["AAA"], END).refused == ()


def test_many_jumps_are_one_note(tmp_path):
    rows = [bar for n in range(8) for bar in a_series(f"AA{n}", [1.0] * 9 + [2.0])]
    (note,) = examine(frame(tmp_path, rows), [f"AA{n}" for n in range(8)], END).notes
    assert note.endswith("and 3 more")


def test_checks_of_no_symbols_find_nothing(tmp_path):
    assert examine(frame(tmp_path, []), [], date(2024, 1, 31)).refused == ()
