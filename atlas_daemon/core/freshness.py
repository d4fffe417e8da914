"""How old what we know of the regime is, and what is to be asked again. Questions only."""

from datetime import date, datetime, timedelta
from functools import lru_cache

from . import jobs
from .moments import new_york_day
from .policy import Policy
from .runs import Slot, open_slots
from .sessions import NYSE
from .state import State

AGE_SHOWN_MAX = 99
"""Sessions: beyond it an age is only called old."""


def sessions_old(as_of: date, now: datetime) -> int:
    """Return how many sessions were completed after that of `as_of`, at most `AGE_SHOWN_MAX`.

    A day to come is no day that anything can be known of: as old as can be.
    """
    if as_of > new_york_day(now):
        return AGE_SHOWN_MAX
    return _sessions_after(as_of, NYSE.last_completed(now).day)


@lru_cache(maxsize=64)
def _sessions_after(as_of: date, last: date) -> int:
    count, day = 0, last
    while day > as_of and count < AGE_SHOWN_MAX and day > NYSE.first:
        count, day = count + 1, NYSE.session_before(day).day
    return count


def regime_age(state: State) -> int | None:
    """Return the age of the last known regime in sessions; None where none was ever heard."""
    return None if state.regime is None else sessions_old(state.regime.as_of, state.now)


def slot_of_day(state: State, day: date, policy: Policy) -> Slot | None:
    """Return the slot that may run on `day`: falling due, or to be caught up."""
    for slot in open_slots(state, policy):
        if slot.session.day <= day <= slot.last.day:
            return slot
    return None


def refresh_wanted(state: State, policy: Policy) -> date | None:
    """Return the session of which signals and regime are to be asked for; None where they are.

    After a close until the source spoke of that session; and before a slot's open once more.
    """
    due_at = _fired_at(state, jobs.REGIME_REFRESH)
    if due_at is None:
        return None
    outlook, signal_day = state.outlook, NYSE.last_completed(due_at).day
    day, at = outlook.refreshed_day, outlook.refreshed_at
    if day is None or at is None or at > state.now or day < signal_day:
        return signal_day
    if at < due_at and is_morning_of_slot(state, due_at, policy):
        return signal_day
    return None


def is_morning_of_slot(state: State, due_at: datetime, policy: Policy) -> bool:
    """True where `due_at` lies before the open of a session in which an open slot may run."""
    session = NYSE.session_of(new_york_day(due_at))
    if session is None or due_at >= session.opens_at:
        return False
    return slot_of_day(state, session.day, policy) is not None


def examination_due(state: State, policy: Policy) -> datetime | None:
    """Return since when the doctor is to look; None where he has."""
    since = _fired_at(state, jobs.REHEARSAL)
    morning = _fired_at(state, jobs.REGIME_REFRESH)
    if morning is not None and is_morning_of_slot(state, morning, policy):
        since = morning if since is None else max(since, morning)
    if since is None or (state.examined is not None and since <= state.examined.at <= state.now):
        return None
    return since


def _fired_at(state: State, job: str) -> datetime | None:
    """Return when a job was last due; None also where that was on a clock that ran ahead."""
    at = state.jobs.get(job)
    return None if at is None or at > state.now else at


def is_clock_trusted(state: State) -> bool:
    """True where our clock was compared with the broker's since it last jumped, and agrees."""
    figures = state.figures
    dispute = figures.clock_dispute
    return not figures.is_clock_doubted and (dispute is None or not dispute.is_blocking)


def backoff(tries: int, first: timedelta, most: timedelta) -> timedelta:
    """Return how long to wait after so many tries: twice as long each time."""
    times: int = 2 ** min(max(tries - 1, 0), 16)
    return min(first * times, most)
