"""`evolve`: the only place where state changes, one small function for each kind of event.

Recovery is this function folded over the journal, so nothing here may ever decide anything.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from . import events as e
from .clocks import is_of_future
from .evolve_book import BOOK_CHANGES, with_closed_orders
from .evolve_clock import CLOCK_CHANGES, none_to_come, with_clock
from .evolve_figures import FIGURE_CHANGES, answered, with_figures
from .evolve_halt import HALT_CHANGES, with_flatten
from .evolve_ramp import RAMP_CHANGES, with_alert_told, with_ramp
from .evolve_regime import REGIME_CHANGES, with_digest, with_outlook
from .frozen import replace
from .orders import Order, OrderStatus
from .state import (
    ALERTS_MAX,
    MARKS_MAX,
    Figures,
    Halt,
    Mark,
    Phase,
    Run,
    RunRecord,
    State,
)
from .values import ZERO, Draft, Mode, Side, Symbol

Change = Callable[[State, Any], State]


def evolve(state: State, entry: e.Entry) -> State:
    """Return the state after one entry."""
    born_at = state.born_at if state.born_at is not None else entry.at
    state = with_clock(state, entry.at)
    state = replace(state, now=entry.at, seq=entry.seq, born_at=born_at)
    change = _CHANGES.get(type(entry.event))
    if change is not None:
        state = change(state, entry.event)
    return with_ramp(state, entry.event)


# One function for each kind of event that changes something, in the order of the catalogue.


def _daemon_started(state: State, event: e.DaemonStarted) -> State:
    state = none_to_come(state)
    halt = state.halt
    if event.is_latched and halt is None:
        halt = Halt("latch file", "found at start", state.now)
    return replace(
        with_digest(state, event.config_digest),
        account_name=event.account_name,
        account_mode=event.account_mode,
        account_number=event.account_number or state.account_number,
        mode=Mode.HALTED if halt else Mode.STARTING,
        mode_reason="halted" if halt else "starting",
        halt=halt,
        figures=Figures(started_at=state.now, is_clock_doubted=True, clock_doubted_at=state.now),
    )


def _snapshot_reported(state: State, event: e.SnapshotReported) -> State:
    figures = state.figures
    had = figures.snapshot
    # The answer to an earlier question came later; a clock that was set back is no such thing.
    is_late = had is not None and event.asked_at < had.asked_at <= state.now
    if is_late or is_of_future(event.asked_at, state.now):
        return with_figures(state, is_first_look=False)
    number = state.account_number or event.account.number
    return with_figures(
        replace(state, account_number=number),
        snapshot=event,
        heard_at=state.now,
        is_first_look=figures.snapshot is None and figures.first_matched_at is None,
        failures=answered(state, "snapshot", "credentials"),
        clean_since=figures.clean_since or state.now,
        agreed_since=_agreed_since(state, event) if state.frozen else {},
    )


def _agreed_since(state: State, event: e.SnapshotReported) -> dict[Symbol, datetime]:
    theirs, since = {p.symbol: p.qty for p in event.positions}, state.figures.agreed_since
    return {
        symbol: since.get(symbol, event.asked_at)
        for symbol in state.frozen
        if theirs.get(symbol, ZERO) == state.book.positions.get(symbol, ZERO)
    }


def _mode_changed(state: State, event: e.ModeChanged) -> State:
    trading_at = state.now if event.mode is Mode.TRADING else state.trading_at
    return replace(state, mode=event.mode, mode_reason=event.reason, trading_at=trading_at)


def _calendar_disputed(state: State, event: e.CalendarDisputed) -> State:
    return replace(state, calendar_dispute=event.detail)


def _calendar_agreed(state: State, event: e.CalendarAgreed) -> State:
    return with_figures(
        replace(state, calendar_dispute=""), sessions_agreed=(event.first, event.last)
    )


def _slot_missed(state: State, event: e.SlotMissed) -> State:
    return replace(state, slots={**state.slots, event.slot: "missed"})


def _run_started(state: State, event: e.RunStarted) -> State:
    run = Run(
        event.run_id,
        event.trigger,
        event.slot,
        event.order_day,
        event.signal_day,
        state.now,
        event.order_day,
        phase_at=state.now,
    )
    # Whatever the run's trigger: it is planned under the regime of this day.
    outlook = replace(state.outlook, pending=None)
    run = with_outlook(state, run)
    run_ids = state.run_ids | {event.run_id}
    state = replace(_fresh_figures(state), run=run, run_ids=run_ids, outlook=outlook)
    return with_flatten(state, event)


def _fresh_figures(state: State) -> State:
    # What can be traded, and what the strategy wants, is asked for anew by each session's run.
    return with_figures(state, signals_asked_at=None, assets={}, assets_asked=frozenset())


def _run_continued(state: State, event: e.RunContinued) -> State:
    assert state.run is not None
    run = replace(
        state.run,
        order_day=event.order_day,
        signal_day=event.signal_day,
        phase=Phase.DUE,
        phase_at=state.now,
        session_round=0,
        signals=state.run.signals if state.run.has_filled else None,
        dropped={},
        trimmed={},
    )
    return replace(_fresh_figures(state), run=with_outlook(state, run))


def _run_planned(state: State, event: e.RunPlanned) -> State:
    assert state.run is not None
    run = replace(
        state.run,
        plan=event,
        round=event.round,
        session_round=state.run.session_round + 1,
        agreed={},
    )
    return replace(state, run=run)


def _line_dropped(state: State, event: e.LineDropped) -> State:
    if state.run is None:
        return state
    why = f"{event.rule}: {event.detail}"
    return replace(
        state,
        run=replace(state.run, dropped={**state.run.dropped, event.symbol: why}),
    )


def _order_trimmed(state: State, event: e.OrderTrimmed) -> State:
    run = state.run
    if run is None:
        return state
    why = f"cut from {event.wanted_qty:f} to {event.qty:f} by {event.rule}"
    return replace(state, run=replace(run, trimmed={**run.trimmed, event.symbol: why}))


def _order_refused(state: State, event: e.OrderRefused) -> State:
    run = state.run
    if run is None:
        return state
    return replace(state, run=replace(run, tried=run.tried | {event.draft.symbol}))


def _phase_started(state: State, event: e.PhaseStarted) -> State:
    assert state.run is not None
    return replace(
        state,
        run=replace(state.run, phase=Phase(event.phase), phase_at=state.now, tried=frozenset()),
    )


def _order_approved(state: State, event: e.OrderApproved) -> State:
    draft = event.approved.draft
    order = state.orders.get(draft.order_id)
    if order is None:
        order = Order(draft, OrderStatus.SENDING, state.now, state.now, state.now, sends=0)
    else:  # the same order, said yes to again after the broker did not know it
        order = replace(order, draft=draft, approved_at=state.now)
    return _with_order(_agreed(state, draft), order)


def _agreed(state: State, draft: Draft) -> State:
    # What was cut, or sized again on a drifted price, is the line's target from here on.
    run = state.run
    if run is None or run.plan is None or draft.side is not Side.BUY:
        return state
    if not draft.order_id.startswith(f"{run.prefix}r{run.round}-"):
        return state
    lines = [line for line in run.plan.lines if line.symbol == draft.symbol]
    agreed = {line.symbol: line.current_qty + draft.qty for line in lines}
    return replace(state, run=replace(run, agreed={**run.agreed, **agreed}))


def _order_submitted(state: State, event: e.OrderSubmitted) -> State:
    order = state.orders[event.order_id]
    return _with_order(
        state,
        replace(
            order,
            status=OrderStatus.SENDING,
            sends=event.sends,
            sent_at=state.now,
            changed_at=state.now,
        ),
    )


def _order_stepped(state: State, event: e.OrderStepped) -> State:
    order = state.orders[event.order_id]
    return _with_order(
        state,
        replace(
            order,
            status=OrderStatus(event.status),
            broker_status=event.broker_status or order.broker_status,
            broker_order_id=event.broker_order_id or order.broker_order_id,
            reason=event.reason or order.reason,
            changed_at=state.now,
        ),
    )


def _cancel_requested(state: State, event: e.CancelRequested) -> State:
    order = state.orders[event.order_id]
    return _with_order(state, replace(order, is_cancel_wanted=True, changed_at=state.now))


def _run_finished(state: State, event: e.RunFinished) -> State:
    run = state.run
    assert run is not None
    record = RunRecord(
        run.run_id,
        run.order_day,
        state.now,
        event.outcome,
        event.is_final,
        event.reason,
        event.report,
    )
    if not event.is_final:
        parked = replace(run, phase=Phase.PARKED, phase_at=state.now)
        return replace(state, run=parked, last_run=record)
    slots = state.slots
    if run.slot is not None:
        slots = {**slots, run.slot: event.outcome}
    state = with_figures(with_closed_orders(state), looked_up={}, not_found={})
    return replace(state, run=None, slots=slots, last_run=record)


def _alert_raised(state: State, event: e.AlertRaised) -> State:
    if event.key == "frame":
        state = with_figures(state, unread=0)
    state = with_alert_told(state, event)
    return replace(state, alerts=(*state.alerts, (state.now, event))[-ALERTS_MAX:])


def _equity_marked(state: State, event: e.EquityMarked) -> State:
    mark = Mark(event.day, state.now, event.equity, event.benchmark)
    return replace(state, marks=(*state.marks, mark)[-MARKS_MAX:])


def _with_order(state: State, order: Order) -> State:
    return replace(state, orders={**state.orders, order.draft.order_id: order})


_CHANGES: Mapping[type[e.Event], Change] = {
    **FIGURE_CHANGES,
    **BOOK_CHANGES,
    **HALT_CHANGES,
    **REGIME_CHANGES,
    **CLOCK_CHANGES,
    **RAMP_CHANGES,
    e.DaemonStarted: _daemon_started,
    e.SnapshotReported: _snapshot_reported,
    e.ModeChanged: _mode_changed,
    e.CalendarDisputed: _calendar_disputed,
    e.CalendarAgreed: _calendar_agreed,
    e.SlotMissed: _slot_missed,
    e.RunStarted: _run_started,
    e.RunContinued: _run_continued,
    e.RunPlanned: _run_planned,
    e.LineDropped: _line_dropped,
    e.OrderTrimmed: _order_trimmed,
    e.OrderRefused: _order_refused,
    e.PhaseStarted: _phase_started,
    e.OrderApproved: _order_approved,
    e.OrderSubmitted: _order_submitted,
    e.OrderStepped: _order_stepped,
    e.CancelRequested: _cancel_requested,
    e.RunFinished: _run_finished,
    e.AlertRaised: _alert_raised,
    e.EquityMarked: _equity_marked,
}
