"""Whether a series of closes can carry the regime: what is odd is refused whole, never repaired.

One wrong bar of the market moves every position, so these checks are stricter than those of a
single candidate. Standard library only.
"""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from math import isfinite

from atlas_daemon.core.brain import SignalsError

MOVE_MAX = 0.25
"""The market's worst day was -20.5 % (1987-10-19); beyond this it is a bad row or a lost split."""
UNCHANGED_MAX = 5
"""Equal closes in a row: a feed that stands still."""
MISSING_MAX = 5
"""Single sessions without a bar; one costs the model nothing, more are a hole."""
GAP_DAYS_MAX = 10
"""Calendar days between bars where no calendar reaches; the longest closure since 1933 was 7."""


def refuse_unfit(
    name: str,
    days: Sequence[date],
    closes: Sequence[float],
    last: date,
    sessions: Callable[[date, date], Sequence[date]],
) -> tuple[str, ...]:
    """Raise `SignalsError` for the first flaw of the series; return what a person should know.

    `days` ascend; `last` is the session that must be the newest; `sessions` returns those that the
    calendar knows between two days.
    """
    if not days or days[-1] != last:
        held = f"its last bar is {days[-1]}" if days else "no bars"
        raise SignalsError(f"{name}: {held}, not the session {last}")
    for day, close in zip(days, closes, strict=True):
        if not (isfinite(close) and close > 0):
            raise SignalsError(f"{name}: the close of {day} is {close}")
    still = 1
    for (day, close), (next_day, next_close) in pairwise(zip(days, closes, strict=True)):
        if (next_day - day).days > GAP_DAYS_MAX:
            raise SignalsError(f"{name}: no bars between {day} and {next_day}")
        move = next_close / close - 1
        if abs(move) > MOVE_MAX:
            raise SignalsError(
                f"{name}: {move:+.0%} on {next_day}: a bad row, or a split that is not booked"
            )
        still = still + 1 if next_close == close else 1
        if still >= UNCHANGED_MAX:
            raise SignalsError(f"{name}: the same close {still} times up to {next_day}")
    return _missing(name, set(days), sessions(days[0], last))


def _missing(name: str, days: set[date], sessions: Sequence[date]) -> tuple[str, ...]:
    lost = [day for day in sessions if day not in days]
    together = [day for at, day in enumerate(sessions[1:]) if {day, sessions[at]} <= set(lost)]
    if len(lost) > MISSING_MAX or together:
        first = together[0] if together else lost[0]
        text = f"{name}: {len(lost)} sessions without a bar (one is {first})"
        raise SignalsError(text)
    if not lost:
        return ()
    return (f"{name} has no bar on {', '.join(map(str, lost))}",)
