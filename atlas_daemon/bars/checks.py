"""Whether bars can be trusted: what fails a check is named and left out, never repaired.

Pure functions over a frame; no file and no network here.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from atlas_daemon.bars.frame import Bars, Flags, day_number, day_of

MISSING_SESSIONS_MAX = 5
"""A series may lack so many sessions of the window (ticker changes cost one); more is a hole."""
JUMP_MAX = 0.45
"""One-session moves beyond this without a booked action are noted: mostly real, sometimes a split
that the source missed."""
PRICE_SLACK = 0.005
"""How far a close may stand above its day's high, as a fraction: an official close from the auction
may, by a little; more is a bad row."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks say of a frame."""

    refused: tuple[tuple[str, str], ...]
    """Symbols that may not be used, each with the first reason found."""
    notes: tuple[str, ...]
    """What a person should know, though nothing is refused for it."""


def examine(
    bars: Bars,
    symbols: Iterable[str],
    signal_day: date,
    is_session: Callable[[date], bool] | None = None,
) -> Findings:
    """Check the series of `symbols`, whose last bar must be the one of `signal_day`.

    `is_session`: the exchange's calendar, where one is at hand; bars on other days are refused.
    """
    off_days = _off_days(bars, is_session)
    twice = dict(bars.duplicates)
    refused = []
    for symbol in symbols:
        column = bars.column(symbol)
        if column is None:
            reason = "no series of that name"
        elif symbol in twice:
            reason = f"more than one bar on {twice[symbol]}"
        else:
            reason = _flaw(bars, column, signal_day, off_days) or ""
        if reason:
            refused.append((symbol, reason))
    usable = set(symbols) - {symbol for symbol, _ in refused}
    return Findings(tuple(refused), tuple(_jumps(bars, usable)))


def _off_days(bars: Bars, is_session: Callable[[date], bool] | None) -> Flags:
    if is_session is None:
        return np.zeros(len(bars.sessions), dtype=np.bool_)
    return np.array([not is_session(day_of(day)) for day in bars.sessions], dtype=np.bool_)


def _flaw(bars: Bars, column: int, signal_day: date, off_days: Flags) -> str | None:
    """Return the first reason not to trust a series, None where there is none."""
    present = bars.present[:, column]
    rows = np.flatnonzero(present)
    if not len(rows):
        return "no bars" + (f" from {day_of(bars.sessions[0])} on" if len(bars.sessions) else "")
    if bars.sessions[rows[-1]] != day_number(signal_day):
        last = day_of(bars.sessions[rows[-1]])
        return f"last bar is {last}, not the signal session {signal_day}"
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
    if missing > MISSING_SESSIONS_MAX:
        return f"{missing} sessions missing since {day_of(bars.sessions[rows[0]])}"
    return None


def _jumps(bars: Bars, symbols: Collection[str]) -> Iterable[str]:
    """Name moves beyond `JUMP_MAX` from one bar to the next without a booked action."""
    named = []
    for symbol in sorted(symbols):
        column = bars.column(symbol)
        assert column is not None
        rows = np.flatnonzero(bars.present[:, column])
        closes = bars.close_total[rows, column]
        moves = closes[1:] / closes[:-1] - 1
        odd = (np.abs(moves) > JUMP_MAX) & ~bars.action[rows[1:], column]
        named += [
            f"{symbol} {moves[at]:+.0%} on {day_of(bars.sessions[rows[at + 1]])}"
            for at in np.flatnonzero(odd)
        ]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        yield f"jumps without a corporate action: {', '.join(named[:5])}{more}"
