"""What is due, from the journal and the time of the turn: slots, catching up, the end of a try.

Whoever beats the metronome decides nothing; a slot is consumed by success only, once ever.
"""

from collections.abc import Iterator
from datetime import date

from . import events as e
from .effects import Effect
from .moments import NEW_YORK, new_york_day
from .policy import Policy
from .runs import (
    Slot,
    is_flattening,
    managed_in_book,
    next_slot,
    open_slots,
    report_of,
    run_id_for,
)
from .sessions import NYSE
from .state import Phase, Run, State
from .values import Mode, Regime, RunId, Session


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """End what is too late, go on with what is unfinished, start what is due."""
    if state.figures.is_shutting_down:
        return
    yield from _close_missed(state, policy)
    if state.run is not None:
        yield from _end_of_day(state, state.run, policy)
        return
    if (slot := due_slot(state, policy)) is not None:
        session = tradable_session(state, policy)
        if session is not None:
            signal_day = NYSE.session_before(session.day).day
            run_id = RunId(slot.name)
            yield e.RunStarted(run_id, "slot", slot.name, session.day, signal_day)
            return
    yield from _go_to_cash(state, policy)


def on_rebalance_requested(
    state: State, event: e.RebalanceRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Start a run of the operator's own, or say why not. Without force only a due slot runs."""
    if (no := _why_not(state, policy)) is not None:
        yield e.RequestDenied("rebalance", *no)
        return
    session = tradable_session(state, policy)
    assert session is not None
    signal_day = NYSE.session_before(session.day).day
    if not event.force:
        if due_slot(state, policy) is None:
            coming = next_slot(state, policy)
            when = f"the next slot is {coming.session.day}" if coming else "no slot is known"
            yield e.RequestDenied("rebalance", "due", f"nothing is due; {when}")
        return  # a due slot is started by the same turn's tick
    run_id = run_id_for(state, "force", session.day)
    yield e.RunStarted(run_id, "force", None, order_day=session.day, signal_day=signal_day)


def on_regime_reported(
    state: State, event: e.RegimeReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """CRASH between runs goes to cash, where the policy says so and anything is held."""
    yield from _go_to_cash(state, policy)


def _go_to_cash(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    # Heard while closed, halted or reducing, a CRASH still stands when that is over. Once a
    # session: what could not be sold is tried again in the next one.
    seen = state.regime
    if seen is None or seen.regime is not Regime.CRASH or not policy.crash_reacts:
        return
    session = tradable_session(state, policy)
    if state.run is not None or session is None or not managed_in_book(state, policy):
        return
    run_id = RunId(f"crash-{session.day:%Y%m%d}")
    if run_id in state.run_ids:
        return
    signal_day = NYSE.session_before(session.day).day
    yield e.RunStarted(run_id, "crash", None, order_day=session.day, signal_day=signal_day)


def due_slot(state: State, policy: Policy) -> Slot | None:
    """Return the slot that is due now and not closed, where there is one."""
    for slot in open_slots(state, policy):
        if slot.due_at <= state.now < slot.last.closes_at:
            return slot
    return None


def tradable_session(state: State, policy: Policy) -> Session | None:
    """Return the running session where a run may start in it: open for a while, time enough."""
    session = NYSE.session_at(state.now)
    if session is None or state.mode is not Mode.TRADING or state.calendar_dispute:
        return None
    if state.now < session.opens_at + policy.open_delay:
        return None
    if session.closes_at - state.now < policy.min_session_left:
        return None
    return session


def _why_not(state: State, policy: Policy) -> tuple[str, str] | None:
    if state.halt is not None:
        return "halted", f"halted by {state.halt.by}; atlasd resume takes the latch off"
    if state.run is not None:
        return "one run", f"{state.run.run_id} is {state.run.phase}"
    session = NYSE.session_at(state.now)
    if session is None:
        coming = NYSE.next_session(new_york_day(state.now))
        if coming.opens_at <= state.now:
            coming = NYSE.session_after(coming.day)
        opens = coming.opens_at.astimezone(NEW_YORK)
        return (
            "market_hours",
            f"the market is closed; it opens {opens:%Y-%m-%d %H:%M} New York",
        )
    if state.mode is not Mode.TRADING:
        return "mode", f"{state.mode}: {state.mode_reason}"
    if state.calendar_dispute:
        return "calendar", state.calendar_dispute
    if tradable_session(state, policy) is None:
        left_s = (session.closes_at - state.now).total_seconds()
        least_s = policy.min_session_left.total_seconds()
        if left_s < least_s:
            return "min_session_left", f"{left_s:.0f} s are left, limit {least_s:.0f} s"
        return "open_delay", "the session has only just opened"
    return None


def _close_missed(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    for slot in open_slots(state, policy):
        if state.now < slot.last.closes_at:
            return
        run = state.run
        if run is not None and run.slot == slot.name:
            continue
        why = f"not started by the close of {slot.last.day}"
        yield e.SlotMissed(slot.name, why)
        yield e.AlertRaised("critical", "slot", f"slot {slot.name} missed: {why}")


def _end_of_day(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    """Go on with a parked run when it may; close one whose time is over; park at the close."""
    last_day = _last_day(run.first_day, policy)
    if run.phase is not Phase.PARKED:
        session = NYSE.session_of(run.order_day)
        is_over = session is None or state.now >= session.closes_at
        if is_over and not any(state.open_orders()):
            yield e.RunFinished(
                run.run_id, "degraded", is_final=False, reason="the session ended", report=None
            )
            yield e.AlertRaised("error", "run", f"{run.run_id}: the session ended before it did")
        return
    if new_york_day(state.now) > last_day:
        record = state.last_run
        report = record.report if record is not None else None
        if run.trigger == "stop":
            report = report_of(state, run, policy, Regime.CRASH)  # what is left by now
        off = "; ".join(report.discrepancies) if report is not None else "nothing is known"
        text = f"{run.run_id}: manual intervention required: {off}"
        yield e.RunFinished(run.run_id, "degraded", is_final=True, reason=text, report=report)
        yield e.AlertRaised("critical", "run", text)
        return
    if run.trigger == "stop":  # goes on while halted, in any open session
        session_now = NYSE.session_at(state.now) if is_flattening(state) else None
    else:
        session_now = tradable_session(state, policy)
    if session_now is None:
        return
    was_stopped = state.last_run is not None and state.last_run.outcome == "aborted"
    if session_now.day > run.order_day or was_stopped:
        signal_day = NYSE.session_before(session_now.day).day
        yield e.RunContinued(run.run_id, session_now.day, signal_day)


def _last_day(first_day: date, policy: Policy) -> date:
    day = first_day
    for _ in range(policy.catch_up_sessions):
        day = NYSE.session_after(day).day
    return day
