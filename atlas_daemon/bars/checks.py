"""Whether bars can be trusted: what fails a check is named and left out, never repaired.

Pure functions over a frame; no file and no network here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from atlas_daemon.bars.frame import Bars, Days, Flags, day_number, day_of

MISSING_SESSIONS_MAX = 5
"""A series may lack so many sessions of the window (ticker changes cost one); more is a hole."""
JUMP_MAX = 0.45
"""A move beyond this from one bar to the next, without a booked action, is a split that the source
missed or a bad row. The few that are real are refused with them: nobody can tell them apart."""
PRICE_SLACK = 0.005
"""How far a close may stand above its day's high, as a fraction: an official close from the auction
may, by a little; more is a bad row."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks say of a frame."""

    refused: tuple[tuple[str, str], ...]
    """Symbols that may not be used, each with the first reason found."""


Sessions = Callable[[date, date], Sequence[date]]
"""The sessions that a calendar knows between two days, inclusive."""


def examine(
    bars: Bars,
    symbols: Iterable[str],
    signal_day: date,
    is_session: Callable[[date], bool] | None = None,
    sessions: Sessions | None = None,
) -> Findings:
    """Check the series of `symbols`, whose last bar must be the one of `signal_day`.

    `is_session` and `sessions`: the exchange's calendar, where one is at hand. Bars on other days
    are refused; a session that no symbol has is missed too.
    """
    absent = _absent(bars, signal_day, sessions)
    off_days = _off_days(bars, is_session)
    sound = _sound(bars, signal_day, off_days, absent)
    twice = dict(bars.duplicates)
    refused = []
    for symbol in symbols:
        column = bars.column(symbol)
        if column is None:
            reason = "no series of that name"
        elif symbol in twice:
            reason = f"more than one bar on {twice[symbol]}"
        else:
            found = None if sound[column] else _flaw(bars, column, signal_day, off_days, absent)
            reason = found or bars.flaws.get(symbol, "")
        if reason:
            refused.append((symbol, reason))
    return Findings(tuple(refused))


def _absent(bars: Bars, signal_day: date, sessions: Sessions | None) -> Days:
    """Return the sessions of the window that no symbol has a bar of, ascending."""
    if sessions is None or not len(bars.sessions):
        return np.zeros(0, dtype=np.int32)
    known = [day_number(day) for day in sessions(day_of(bars.sessions[0]), signal_day)]
    there = set(bars.sessions.tolist())
    return np.array([day for day in known if day not in there], dtype=np.int32)


def _off_days(bars: Bars, is_session: Callable[[date], bool] | None) -> Flags:
    if is_session is None:
        return np.zeros(len(bars.sessions), dtype=np.bool_)
    return np.array([not is_session(day_of(day)) for day in bars.sessions], dtype=np.bool_)


def _sound(bars: Bars, signal_day: date, off_days: Flags, absent: Days) -> Flags:
    """Return which columns have nothing that `_flaw` could name: all of them looked at at once."""
    present = bars.present
    if not len(present) or bars.sessions[-1] != day_number(signal_day) or len(absent):
        return np.zeros(len(bars.symbols), dtype=np.bool_)
    closes, highs, traded = bars.close_total, bars.high_total, bars.close_traded
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        good = (closes > 0) & (highs < np.inf) & (closes <= highs * (1 + PRICE_SLACK))
        good &= (traded > 0) & (traded < np.inf) & (bars.volume >= 0)
        small = np.abs(closes[1:] / closes[:-1] - 1) <= JUMP_MAX
    no_bar_is_odd = (good | ~present).all(axis=0) & ~(present & off_days[:, None]).any(axis=0)
    # A move from a bar to a session without one is no number, and so not small: no gap either.
    no_jump = (small | bars.action[1:] | ~present[:-1]).all(axis=0)
    is_traded = present[-1] & (bars.volume[-1] > 0)
    found: Flags = no_bar_is_odd & no_jump & is_traded
    return found


def _flaw(bars: Bars, column: int, signal_day: date, off_days: Flags, absent: Days) -> str | None:
    """Return the first reason not to trust a series, None where there is none."""
    present = bars.present[:, column]
    rows = np.flatnonzero(present)
    if not len(rows):
        return "no bars" + (f" from {day_of(bars.sessions[0])} on" if len(bars.sessions) else "")
    if bars.sessions[rows[-1]] != day_number(signal_day):
        last, why = day_of(bars.sessions[rows[-1]]), bars.ended.get(bars.symbols[column], "")
        return f"last bar is {last}, not the signal session {signal_day}" + (why and f": {why}")
    closes = bars.close_total[rows, column]
    highs = bars.high_total[rows, column]
    traded = bars.close_traded[rows, column]
    volume = bars.volume[rows, column]
    # Written as "not good" so that NaN, for which every comparison is false, counts as bad.
    tests = (
        (~((closes > 0) & (highs > 0) & (traded > 0)), "a price that is empty, zero or negative"),
        (~(np.isfinite(closes) & np.isfinite(highs) & np.isfinite(traded)), "an infinite price"),
        (closes > highs * (1 + PRICE_SLACK), "a close above the day's high"),
        (~(volume >= 0), "a volume that is empty or negative"),
        (off_days[rows], "a bar though it is no session"),
    )
    for bad, what in tests:
        if bad.any():
            return f"{what} on {day_of(bars.sessions[rows[np.argmax(bad)]])}"
    if volume[-1] == 0:
        return f"no share traded on {signal_day}: halted, or a bad row"
    missing = int((~present[rows[0] :] & ~off_days[rows[0] :]).sum())
    missing += int((absent > bars.sessions[rows[0]]).sum())
    if missing > MISSING_SESSIONS_MAX:
        return f"{missing} sessions missing since {day_of(bars.sessions[rows[0]])}"
    moves = closes[1:] / closes[:-1] - 1
    odd = np.flatnonzero((np.abs(moves) > JUMP_MAX) & ~bars.action[rows[1:], column])
    if len(odd):
        day = day_of(bars.sessions[rows[odd[-1] + 1]])
        return f"a jump of {moves[odd[-1]]:+.0%} on {day} without a corporate action"
    return None
