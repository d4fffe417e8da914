"""The chores of a day: the doctor's look and what he found, the daily report, the log files.

None of them touches an order; one that fails is told of, and comes again with its next moment.
"""

from collections.abc import Iterator
from datetime import timedelta

from . import events as e
from . import jobs
from .asking import alert_once
from .effects import Effect, KeepLogs, RunDoctor, SendDailyReport
from .findings import reds
from .freshness import examination_due, is_morning_of_slot
from .moments import new_york_day
from .policy import Policy
from .runs import Slot, next_slot
from .state import State

DOCTOR_WAIT = timedelta(minutes=15)
"""The doctor is asked again so late: longer than a rehearsal may take."""
DOCTOR_TRIES = 3
REPORT_LATE_MAX = timedelta(hours=18)
"""A report of a day that is longer over is told nobody."""
HOUR_BEFORE = "the hour before"


def on_job_fired(state: State, event: e.JobFired, policy: Policy) -> Iterator[e.Event | Effect]:
    """Let the report and the log files be seen to; the doctor is asked by the next tick."""
    if event.job == jobs.DAILY_REPORT and state.now - event.due_at <= REPORT_LATE_MAX:
        yield SendDailyReport(new_york_day(event.due_at))
    elif event.job == jobs.LOG_UPKEEP:
        yield KeepLogs(new_york_day(state.now))


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask for the doctor where a look is due; a few times where he does not come."""
    if state.figures.is_shutting_down or not state.jobs:
        return
    since = examination_due(state, policy)
    if since is None:
        return
    asked_at, tries = state.figures.doctor_asked_at, state.figures.doctor_tries
    is_asked = asked_at is not None and since <= asked_at <= state.now
    if is_asked and (tries >= DOCTOR_TRIES or state.now - (asked_at or since) < DOCTOR_WAIT):
        return
    is_morning = is_morning_of_slot(state, since, policy)
    reason = HOUR_BEFORE if is_morning else jobs.REHEARSAL
    yield e.DoctorRequested(reason)
    yield RunDoctor(reason)


def on_doctor_reported(
    state: State, event: e.DoctorReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Tell of what is red: nightly when a slot is near, the day before, an hour before."""
    assert state.examined is not None
    found, before = reds(event.findings), state.examined.red_before
    if not found:
        if before:
            yield e.AlertRaised("info", "doctor", "the doctor finds nothing red any more")
        return
    slot = next_slot(state, policy)
    days = _days_to(state, slot)
    is_new = not {finding.check for finding in found} <= before
    is_near = days is not None and days <= policy.doctor_days
    if not is_near and not is_new:
        return
    said = "; ".join(f"{finding.check}: {finding.text}" for finding in found)
    when = "" if slot is None or days is None else f" before slot {slot.name} ({_in_words(days)})"
    level = "warning" if not is_near or days is None else "error" if days > 1 else "critical"
    yield e.AlertRaised(level, "doctor", f"red{when}: {said}")


def on_fetch_failed(
    state: State, event: e.FetchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A chore that failed is told of, once in the same words."""
    said = {
        "doctor": "the doctor could not look",
        "report": "the daily report was not told",
        "logs": "the log files were not kept",
    }.get(event.what)
    if said is not None:
        level = "error" if event.what == "doctor" else "warning"
        yield from alert_once(state, level, event.what, f"{said}: {event.detail}")


def _days_to(state: State, slot: Slot | None) -> int | None:
    """Return the days from New York's today to the slot's; 0 or less where it is due."""
    return None if slot is None else (slot.session.day - new_york_day(state.now)).days


def _in_words(days: int) -> str:
    return "today" if days <= 0 else "tomorrow" if days == 1 else f"in {days} days"
