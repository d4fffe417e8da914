"""The changes of state that the regime, the jobs of the schedule and the doctor make.

Nothing here decides what follows from them; `evolve` looks them up with its own.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from . import events as e
from .evolve_figures import answered, with_figures
from .findings import reds
from .frozen import replace
from .moments import new_york_day
from .state import Examined, Phase, RegimeSeen, Run, State
from .values import ALLOCATION

Change = Callable[[State, Any], State]
FILE = "file:"
"""What a file's own word names as its source begins with."""


def _signals_reported(state: State, event: e.SignalsReported) -> State:
    seen = RegimeSeen(
        event.regime,
        event.regime_as_of,
        event.source,
        state.now,
        event.regime_raw,
        event.regime_confirmed,
        is_computed=True,
    )
    outlook = state.outlook
    if outlook.refreshed_day is None or event.signal_day >= outlook.refreshed_day:
        outlook = replace(outlook, signals=event)
    state = _refreshed(replace(_seen(state, seen), outlook=outlook), event)
    state = with_figures(state, failures=answered(state, "signals", "regime"))
    run = state.run
    is_waiting = run is not None and run.phase is Phase.DUE and not run.has_filled
    if run is None or not is_waiting or run.signal_day != event.signal_day:
        return state
    return replace(state, run=replace(run, signals=event))


def _regime_reported(state: State, event: e.RegimeReported) -> State:
    seen = RegimeSeen(
        event.regime,
        event.as_of,
        event.source,
        state.now,
        event.raw,
        event.confirmed,
        is_computed=event.signal_day is not None,
    )
    state = _seen(state, seen)
    if event.signal_day is None:
        if event.source.startswith(FILE):
            state = replace(state, outlook=replace(state.outlook, file_word=event))
        return state
    state = with_figures(state, failures=answered(state, "regime"))
    return _refreshed(state, event)


def _seen(state: State, seen: RegimeSeen) -> State:
    """A person's lower word stands until the source speaks of a session that began after it.

    A file's stands against an answer that was asked before the file said so.
    """
    had = state.regime
    if had is None or not seen.is_computed:
        return replace(state, regime=seen)
    is_files = had.source.startswith(FILE)
    is_known = had.is_computed or is_files
    if is_known and seen.as_of < had.as_of <= new_york_day(state.now):
        return state
    is_higher = ALLOCATION[seen.regime] >= ALLOCATION[had.regime]
    if is_files and is_higher and seen.as_of == had.as_of:
        return state
    is_persons = not had.is_computed and not is_files
    if is_persons and is_higher and seen.as_of <= new_york_day(had.heard_at):
        return replace(state, regime=replace(had, as_of=max(had.as_of, seen.as_of)))
    return replace(state, regime=seen)


def _refreshed(state: State, event: e.SignalsReported | e.RegimeReported) -> State:
    outlook = state.outlook
    assert event.signal_day is not None
    day = max(event.signal_day, outlook.refreshed_day or event.signal_day)
    if outlook.refreshed_day is not None and outlook.refreshed_day > new_york_day(state.now):
        day = event.signal_day  # what was asked on a clock that ran ahead counts no more
    outlook = replace(outlook, refreshed_day=day, refreshed_at=state.now)
    return with_figures(replace(state, outlook=outlook), regime_tries=0)


def _regime_changed(state: State, event: e.RegimeChanged) -> State:
    had = state.outlook.pending
    pending = event if event.reaction == "allocation" else None
    if pending is not None and had is not None:
        # Back where it was: nothing is to follow.
        pending = None if had.was is event.regime else dataclasses.replace(event, was=had.was)
    return replace(state, outlook=replace(state.outlook, confirmed=event.regime, pending=pending))


def with_outlook(state: State, run: Run) -> Run:
    """Return a run that waits for signals with those that were computed ahead for its session."""
    signals = state.outlook.signals
    if run.signals is not None or signals is None or signals.signal_day != run.signal_day:
        return run
    return replace(run, signals=signals)


def with_digest(state: State, digest: str) -> State:
    """Return the state under a configuration: what another one computed ahead is forgotten."""
    if digest == state.config_digest:
        return state
    outlook = replace(state.outlook, signals=None)
    return replace(state, config_digest=digest, outlook=outlook)


def _job_fired(state: State, event: e.JobFired) -> State:
    if state.figures.regime_tries or state.figures.doctor_tries:
        state = with_figures(state, regime_tries=0, doctor_tries=0)  # a new moment, a new chance
    return replace(state, jobs={**state.jobs, event.job: event.due_at})


def _doctor_reported(state: State, event: e.DoctorReported) -> State:
    had = state.examined.findings if state.examined is not None else ()
    red_before = frozenset(finding.check for finding in reds(had))
    examined = Examined(event.findings, state.now, event.reason, red_before)
    state = with_figures(state, failures=answered(state, "doctor"), doctor_tries=0)
    return replace(state, examined=examined)


def _regime_requested(state: State, event: e.RegimeRequested) -> State:
    tries = state.figures.regime_tries + 1
    return with_figures(state, regime_asked_at=state.now, regime_tries=tries)


def _doctor_requested(state: State, event: e.DoctorRequested) -> State:
    tries = state.figures.doctor_tries + 1
    return with_figures(state, doctor_asked_at=state.now, doctor_tries=tries)


def _policy_changed(state: State, event: e.PolicyChanged) -> State:
    return with_digest(state, event.config_digest)


REGIME_CHANGES: Mapping[type[e.Event], Change] = {
    e.SignalsReported: _signals_reported,
    e.RegimeReported: _regime_reported,
    e.RegimeChanged: _regime_changed,
    e.RegimeRequested: _regime_requested,
    e.JobFired: _job_fired,
    e.DoctorReported: _doctor_reported,
    e.DoctorRequested: _doctor_requested,
    e.PolicyChanged: _policy_changed,
}
"""Looked up by `evolve`, with its own."""
