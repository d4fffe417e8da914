"""The broker's day in New York: before the session, the session, after it, night; and its bells.

Pure functions of calendar and moment. Nothing here knows orders.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum

from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar, TradingDay

_EARLY_OPENS_AT = time(4)
_AGED_ORDERS_END_AT = time(16, 15)
_LATE_CLOSES_AT = time(20)
_HALF_DAY_LATE_CLOSES_AT = time(17)
_GTC_LIVES = timedelta(days=90)


class Phase(StrEnum):
    """Which orders may trade now: none, extended ones (early, late), or all."""

    CLOSED = "closed"
    EARLY = "early"
    REGULAR = "regular"
    LATE = "late"


def phase_at(calendar: Calendar, at: datetime) -> Phase:
    """The phase that begins at or before `at` and is not over."""
    if calendar.session_at(at) is not None:
        return Phase.REGULAR
    last = calendar.last_opened(at)
    if last is not None and at < late_close(last):
        return Phase.LATE
    opens_at = calendar.next_open(at)
    return Phase.EARLY if at >= _same_day(opens_at, _EARLY_OPENS_AT) else Phase.CLOSED


def next_bell(calendar: Calendar, at: datetime) -> datetime:
    """The first moment after `at` at which something ends or begins.

    On a trading day: 04:00, the open, the close, 16:15 (aged orders end), 20:00 (half days: 17:00).
    """
    session = calendar.session_at(at)
    if session is not None:
        return session.closes_at
    last = calendar.last_opened(at)
    if last is not None:
        bells = (_same_day(last.opens_at, _AGED_ORDERS_END_AT), late_close(last))
        following = next((bell for bell in bells if at < bell), None)
        if following is not None:
            return following
    opens_at = calendar.next_open(at)
    early = _same_day(opens_at, _EARLY_OPENS_AT)
    return early if at < early else opens_at


def late_close(session: TradingDay) -> datetime:
    """When extended trading of a session's day ends: 20:00, on a half day 17:00."""
    clock = _LATE_CLOSES_AT if session.is_full else _HALF_DAY_LATE_CLOSES_AT
    return _same_day(session.opens_at, clock)


def next_late_close(calendar: Calendar, at: datetime) -> datetime:
    """The end of extended trading that a DAY order sent at `at` lives to see."""
    last = calendar.last_opened(at)
    if last is not None and at < late_close(last):
        return late_close(last)
    following = calendar.session_at(calendar.next_open(at))
    if following is None:
        raise ArithmeticError(f"calendar: no session begins at {calendar.next_open(at)}")
    return late_close(following)


def aged_at(at: datetime) -> datetime:
    """When a GTC order sent at `at` is cancelled for its age."""
    return _same_day(at + _GTC_LIVES, _AGED_ORDERS_END_AT)


def _same_day(at: datetime, clock: time) -> datetime:
    """That time of day on the New York date of a moment, in the moment's own zone."""
    day = at.astimezone(NEW_YORK).date()
    return datetime.combine(day, clock, NEW_YORK).astimezone(at.tzinfo)
