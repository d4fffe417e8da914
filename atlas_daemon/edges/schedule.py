"""When jobs fire: APScheduler's triggers, in New York time, looked at on the daemon's own clock.

No timer of its own: the metronome looks once a beat, and what fired last is the journal's to know.
So a clock that steps, a machine that sleeps, a change of summer time or an odd zone of the machine
lose nothing: what was missed fires once, late, and says how often it was missed.
Whether anything is due is decided in the core.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from apscheduler.triggers.cron import CronTrigger

from atlas_daemon.core import jobs
from atlas_daemon.core.events import JobFired
from atlas_daemon.core.moments import NEW_YORK, new_york_day
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import slots_around
from atlas_daemon.core.sessions import NYSE, CalendarRangeError
from atlas_daemon.core.values import Session

AFTER_CLOSE = timedelta(minutes=20)
"""Bars of a session can be had 16 minutes after its close."""
BEFORE_OPEN = timedelta(minutes=60)
REPORT_AFTER_CLOSE = timedelta(minutes=60)
CALENDAR_AT, REHEARSAL_AT, UPKEEP_AT = (6, 30), (20, 0), (0, 10)
"""Hour and minute in New York: none of them is skipped or comes twice where the clocks change."""

AHEAD_MAX = timedelta(hours=1)
"""A last fire further in the future was on a wrong clock: it is counted from now on instead."""
BACK_MAX = timedelta(days=60)
"""Further back missed moments are not counted."""
AGAIN_AFTER = timedelta(seconds=60)
"""A fire that is not in the journal by then is told again."""


class Trigger(Protocol):
    """As APScheduler's triggers are asked: both moments aware, None where there is no next."""

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Return the first moment after the previous one, or else at or after `now`."""
        ...


class SessionTrigger:
    """Fires in each session of the exchange, at the moment that `moment_of` gives for it."""

    def __init__(self, moment_of: Callable[[Session], datetime]) -> None:
        self._moment_of = moment_of

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Return the next one; None beyond the calendar's last session."""
        after = previous_fire_time if previous_fire_time is not None else now
        try:
            session = NYSE.next_session(new_york_day(after) - timedelta(days=1))
            while (at := self._moment_of(session)) <= after:
                session = NYSE.session_after(session.day)
        except CalendarRangeError:
            return None
        return at


class SlotMorningTrigger:
    """Fires before the open of each session in which a slot falls due or may be caught up."""

    def __init__(self, policy: Callable[[], Policy]) -> None:
        self._policy = policy

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Return the next one; None where no slot is known."""
        after = previous_fire_time if previous_fire_time is not None else now
        try:
            for slot in slots_around(after, self._policy()):
                if slot.last.opens_at < after:
                    continue
                for session in NYSE.sessions_between(slot.session.day, slot.last.day):
                    if (at := session.opens_at - BEFORE_OPEN) > after:
                        return at
        except CalendarRangeError:
            return None
        return None


class Schedule:
    """The jobs and their triggers. `policy` returns the manners in force."""

    def __init__(self, policy: Callable[[], Policy]) -> None:
        self._triggers: Mapping[str, tuple[Trigger, ...]] = {
            jobs.CALENDAR_CHECK: (_daily(CALENDAR_AT),),
            jobs.REBALANCE_CHECK: (SessionTrigger(lambda s: s.opens_at + policy().open_delay),),
            jobs.REGIME_REFRESH: (
                SessionTrigger(lambda s: s.closes_at + AFTER_CLOSE),
                SlotMorningTrigger(policy),
            ),
            jobs.DAILY_REPORT: (SessionTrigger(lambda s: s.closes_at + REPORT_AFTER_CLOSE),),
            jobs.REHEARSAL: (_daily(REHEARSAL_AT),),
            jobs.LOG_UPKEEP: (_daily(UPKEEP_AT),),
        }
        self._next: dict[str, tuple[datetime, datetime | None]] = {}
        self._told: dict[str, tuple[datetime, datetime]] = {}
        self._anchors: dict[str, datetime] = {}

    def look(
        self, now: datetime, fired: Mapping[str, datetime], born_at: datetime | None
    ) -> Iterator[JobFired]:
        """Yield each job that fires now; `fired` is when each was last due, by the journal.

        A job that never fired counts from `born_at`: a fresh install has missed nothing. Only the
        regime is asked for at once: nobody waits for Monday's close to know Friday's.
        """
        if born_at is None:
            return
        for job in jobs.JOBS:
            since = self._since(job, fired.get(job) or _counts_from(job, born_at), now)
            due_at = self._next_after(job, since)
            if due_at is None or due_at > now:
                continue
            missed = -1
            while due_at is not None and due_at <= now:
                latest, missed = due_at, missed + 1
                due_at = self._soonest(job, latest)
            told_at, told = self._told.get(job, (born_at, born_at))
            if told == latest and timedelta(0) <= now - told_at < AGAIN_AFTER:
                continue  # it waits in the inbox
            self._told[job] = now, latest
            yield JobFired(job, latest, missed)

    def _since(self, job: str, fired_at: datetime, now: datetime) -> datetime:
        """Return from when on the next fire is looked for."""
        if fired_at - now > AHEAD_MAX:  # on a clock that was wrong, and is right again
            return self._anchors.setdefault(job, now)
        self._anchors.pop(job, None)
        return max(fired_at, now - BACK_MAX)

    def _next_after(self, job: str, since: datetime) -> datetime | None:
        """Return the first fire after `since`, worked out once: this is asked every second."""
        known = self._next.get(job)
        if known is None or known[0] != since:
            known = self._next[job] = since, self._soonest(job, since)
        return known[1]

    def _soonest(self, job: str, since: datetime) -> datetime | None:
        later = since + timedelta(microseconds=1)
        found = [t.get_next_fire_time(since, later) for t in self._triggers[job]]
        return min((at for at in found if at is not None), default=None)


def _counts_from(job: str, born_at: datetime) -> datetime:
    """Return from when a job counts that never fired."""
    if job != jobs.REGIME_REFRESH:
        return born_at
    try:
        refreshed_at = NYSE.last_completed(born_at).closes_at + AFTER_CLOSE
    except CalendarRangeError:
        return born_at
    return min(refreshed_at, born_at) - timedelta(microseconds=1)


def _daily(at: tuple[int, int]) -> Trigger:
    hour, minute = at
    trigger: Trigger = CronTrigger(hour=hour, minute=minute, timezone=NEW_YORK)
    return trigger
