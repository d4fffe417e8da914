"""What an answer about the broker's time says of ours. Arithmetic only."""

from datetime import datetime, timedelta
from decimal import ROUND_CEILING

from . import events as e

ANSWER_MAX = timedelta(seconds=60)
"""An answer that seems to have taken longer, or no time at all, was overtaken by a clock's step."""
SET_BACK_MIN = timedelta(minutes=5)
"""A clock that is set back by more is not waited for."""
ZERO = timedelta(0)


def skew_of(event: e.ClockReported) -> timedelta | None:
    """Return how far the broker's clock is ahead of ours; None where the answer tells nothing.

    The time that the request took is nobody's fault: what lies within it counts for agreement.
    """
    if not ZERO <= event.heard_at - event.asked_at <= ANSWER_MAX * pace_of(event):
        return None
    if event.told_at < event.asked_at:
        return event.told_at - event.asked_at
    return max(event.told_at - event.heard_at, ZERO)


def pace_of(event: e.ClockReported) -> int:
    """Return how much faster than ours the broker's clock runs, rounded up, at least 1."""
    return max(int(event.speed.to_integral_value(ROUND_CEILING)), 1)


def is_of_future(asked_at: datetime, now: datetime) -> bool:
    """True for what was asked on a clock that was set back since: its answer proves nothing."""
    return asked_at - now > SET_BACK_MIN
