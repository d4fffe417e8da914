"""What is due, from the journal and the time of the turn: slots, catching up, the end of a try.

Whoever beats the metronome decides nothing; a slot is consumed by success only, once ever.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from . import events as e
from . import jobs
from .certificate import LAPSED, why_uncertified
from .effects import Effect
from .freshness import is_clock_trusted
from .modes import lacks_certificate_only
from .moments import NEW_YORK, new_york_day
from .policy import Policy
from .runs import (
    CRASH_REASON,
    FIRST_TRADE,
    Slot,
    goes_to_cash,
    is_flattening,
    managed_in_book,
    next_slot,
    open_slots,
    report_of,
    run_id_for,
)
from .sessions import NYSE, CalendarRangeError
from .state import Phase, Run, RunRecord, State
from .values import Mode, Regime, RunId, Session

LAPSED_WAIT = timedelta(minutes=2)
"""A run that waited for a certificate goes on so late, and later after each round."""
BEGIN_PATIENCE = timedelta(minutes=2)
"""What keeps a slot from beginning is often over by then."""


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """End what is too late, go on with what is unfinished, start what is due."""
    if state.figures.is_shutting_down:
        return
    if not is_clock_trusted(state):  # it would call a slot missed that is still to come
        if state.run is None:
            yield from _tell_why_not(state, policy)
        return
    yield from _close_missed(state, policy)
    if state.run is not None and (slot := _slot_that_waits(state, state.run, policy)) is not None:
        yield from _make_way(state, state.run, slot, policy)
        return
    if state.run is not None:
        yield from _end_of_day(state, state.run, policy)
        return
    begun = list(_begin_what_is_due(state, policy))
    yield from begun or _tell_why_not(state, policy)


def on_job_fired(state: State, event: e.JobFired, policy: Policy) -> Iterator[e.Event | Effect]:
    """Begin what is due. Where it cannot begin the ticks go on trying, and say why."""
    is_ours = event.job == jobs.REBALANCE_CHECK and not state.figures.is_shutting_down
    if is_ours and state.run is None:
        yield from _begin_what_is_due(state, policy)


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
    if not event.force and not event.is_first_trade:
        if due_slot(state, policy) is None:
            coming = next_slot(state, policy)
            when = f"the next slot is {coming.session.day}" if coming else "no slot is known"
            yield e.RequestDenied("rebalance", "due", f"nothing is due; {when}")
        return  # a due slot is started by the same turn's tick
    trigger = FIRST_TRADE if event.is_first_trade else "force"
    run_id = run_id_for(state, trigger, session.day)
    yield e.RunStarted(run_id, trigger, None, order_day=session.day, signal_day=signal_day)


def on_regime_heard(
    state: State, event: e.RegimeReported | e.RegimeChanged, policy: Policy
) -> Iterator[e.Event | Effect]:
    """CRASH between runs goes to cash, another confirmed change to its allocation, by policy."""
    if state.run is None and not state.figures.is_shutting_down:
        yield from _follow_regime(state, policy)


def _begin_what_is_due(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    slot, session = due_slot(state, policy), tradable_session(state, policy)
    if slot is not None and session is not None:
        signal_day = NYSE.session_before(session.day).day
        run_id = RunId(slot.name)
        yield e.RunStarted(run_id, "slot", slot.name, session.day, signal_day)
        return
    yield from _follow_regime(state, policy)


def _tell_why_not(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    """Say once a session why a slot that is due does not begin."""
    slot, session, figures = due_slot(state, policy), NYSE.session_at(state.now), state.figures
    if slot is None or session is None:
        return
    since = session.opens_at + policy.open_delay
    if state.now - max(since, figures.started_at or since) < BEGIN_PATIENCE:
        return
    if figures.is_clock_doubted and "clock" not in figures.failures:
        return  # asked at this very moment
    if any(alert.key == "slot" and at >= since for at, alert in state.alerts):
        return
    if (no := _why_not(state, policy)) is not None:
        text = f"slot {slot.name} is due and cannot begin: {no[1]}"
        yield e.AlertRaised("error", "slot", text)


def _follow_regime(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    # Heard while closed, halted or reducing, it still stands when that is over. Once a session:
    # what could not be sold is tried again in the next one. Going to cash needs no certificate.
    session = tradable_session(state, policy, to_cash=True)
    if session is None:
        return
    may_buy = state.mode is Mode.TRADING
    trigger = ""
    if _is_crash_to_follow(state) and policy.crash_reacts and managed_in_book(state, policy):
        trigger = "crash"
    elif state.outlook.pending is not None and policy.regime_reacts and may_buy:
        trigger = "regime"
    run_id = RunId(f"{trigger}-{session.day:%Y%m%d}")
    last = state.last_run
    if trigger == "crash" and last is not None and not last.run_id.startswith(run_id):
        run_id = run_id_for(state, trigger, session.day)  # another run has bought since
    if not trigger or run_id in state.run_ids:
        return
    signal_day = NYSE.session_before(session.day).day
    yield e.RunStarted(run_id, trigger, None, order_day=session.day, signal_day=signal_day)


def _is_crash_to_follow(state: State) -> bool:
    """True under a confirmed CRASH, and under any that closed a run: its rest goes to cash."""
    seen, last = state.regime, state.last_run
    if seen is None or seen.regime is not Regime.CRASH:
        return False
    has_closed = last is not None and last.reason == CRASH_REASON
    return seen.acted_on is Regime.CRASH or has_closed


def due_slot(state: State, policy: Policy) -> Slot | None:
    """Return the slot that is due now and not closed, where there is one."""
    for slot in open_slots(state, policy):
        if slot.due_at <= state.now < slot.last.closes_at:
            return slot
    return None


def tradable_session(state: State, policy: Policy, *, to_cash: bool = False) -> Session | None:
    """Return the running session where a run may start in it: open for a while, time enough.

    A run that only sells (`to_cash`) may start without a certificate.
    """
    session = NYSE.session_at(state.now)
    may_run = state.mode is Mode.TRADING or (to_cash and lacks_certificate_only(state, policy))
    if session is None or not may_run or state.calendar_dispute:
        return None
    if state.figures.sessions_agreed is None or not is_clock_trusted(state):
        return None  # nobody has compared calendars and clocks yet
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
    if lacks_certificate_only(state, policy):
        return "certificate", f"{LAPSED}{why_uncertified(state, policy)}"
    if state.mode is not Mode.TRADING:
        return "mode", f"{state.mode}: {state.mode_reason}"
    if state.calendar_dispute:
        return "calendar", state.calendar_dispute
    if state.figures.sessions_agreed is None:
        return "calendar", "the broker's calendar was not compared with ours yet"
    if state.figures.is_clock_doubted:
        return "clock", "the broker's clock was not compared with ours yet"
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
        session_now = tradable_session(state, policy, to_cash=goes_to_cash(state, run))
    if session_now is None:
        return
    last = state.last_run
    waited = last is not None and (last.outcome == "aborted" or _may_again(state, run, last))
    if session_now.day > run.order_day or waited:
        signal_day = NYSE.session_before(session_now.day).day
        yield e.RunContinued(run.run_id, session_now.day, signal_day)


def _may_again(state: State, run: Run, last: RunRecord) -> bool:
    """True where the run waited for a certificate, and for long enough."""
    wait = LAPSED_WAIT * max(run.round, 1)
    return last.reason.startswith(LAPSED) and state.now - last.finished_at >= wait


def _slot_that_waits(state: State, run: Run, policy: Policy) -> Slot | None:
    """Return the slot that could begin now but for a parked run that is of no slot."""
    if run.phase is not Phase.PARKED or run.slot is not None or run.trigger == "stop":
        return None
    return due_slot(state, policy) if tradable_session(state, policy) is not None else None


def _make_way(state: State, run: Run, slot: Slot, policy: Policy) -> Iterator[e.Event | Effect]:
    """Close a run that is parked: what it wanted, the slot decides anew."""
    text = f"{run.run_id} is closed unfinished: slot {slot.name} is due"
    report = state.last_run.report if state.last_run is not None else None
    yield e.AlertRaised("warning", "run", text)
    yield e.RunFinished(run.run_id, "degraded", is_final=True, reason=text, report=report)


def _last_day(first_day: date, policy: Policy) -> date:
    """Return the last day of a run: an earlier one where the calendar ends before it."""
    day = first_day
    for _ in range(policy.catch_up_sessions):
        try:
            day = NYSE.session_after(day).day
        except CalendarRangeError:
            break
    return day
