"""The changes of state that a clock makes: doubted where it jumps, put right where it goes back.

No moment of the state may lie in the future: whatever waits for it to pass would wait for hours.
Nothing here decides anything.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from . import events as e
from .clocks import SET_BACK_MIN, skew_of
from .evolve_figures import answered, with_figures
from .frozen import replace
from .moments import new_york_day
from .orders import Order
from .state import Figures, State

Change = Callable[[State, Any], State]
BACK_MAX, AHEAD_MAX = timedelta(seconds=5), timedelta(minutes=2)
"""How far our clock may go from one entry to the next: the metronome beats every second."""


def with_clock(state: State, at: datetime) -> State:
    """Return the state with a doubt of our clock where it jumped: it slept, or was set anew."""
    if -BACK_MAX <= at - state.now <= AHEAD_MAX:
        return state
    was = state.figures.set_back_from
    if state.now - at > SET_BACK_MIN:
        was = max(was or state.now, state.now)
    if was is state.figures.set_back_from and state.figures.is_clock_doubted:
        return state
    return with_figures(state, is_clock_doubted=True, clock_doubted_at=at, set_back_from=was)


def none_to_come(state: State) -> State:
    """Return the state with every lasting moment that lies in the future brought to now."""
    now, book, run, halt = state.now, state.book, state.run, state.halt
    seen, last, ramp = state.regime, state.last_run, state.ramp
    today = new_york_day(now)
    book = replace(
        book,
        changed_at=_until(book.changed_at, now),
        adopted_at=_until(book.adopted_at, now),
        adopted={symbol: min(at, now) for symbol, at in book.adopted.items()},
    )
    log = replace(state.activities, read_at=_until(state.activities.read_at, now))
    return replace(
        state,
        born_at=_until(state.born_at, now),
        trading_at=_until(state.trading_at, now),
        book=book,
        run=run and replace(run, phase_at=_until(run.phase_at, now)),
        halt=halt and replace(halt, at=min(halt.at, now)),
        regime=seen and replace(seen, heard_at=min(seen.heard_at, now)),
        last_run=last and replace(last, finished_at=min(last.finished_at, now)),
        activities=log,
        ramp=replace(ramp, counted_day=ramp.counted_day and min(ramp.counted_day, today)),
        orders={order_id: _order_until(order, now) for order_id, order in state.orders.items()},
        alerts=tuple((min(at, now), alert) for at, alert in state.alerts),
        marks=tuple(replace(mark, at=min(mark.at, now)) for mark in state.marks),
        flows=tuple(replace(flow, heard_at=min(flow.heard_at, now)) for flow in state.flows),
    )


def _order_until(order: Order, now: datetime) -> Order:
    if max(order.approved_at, order.changed_at, order.sent_at) <= now:
        return order
    return replace(
        order,
        approved_at=min(order.approved_at, now),
        changed_at=min(order.changed_at, now),
        sent_at=min(order.sent_at, now),
    )


def _until(at: datetime | None, now: datetime) -> datetime | None:
    return None if at is None else min(at, now)


def _clock_stepped(state: State, event: e.ClockStepped) -> State:
    """All is asked anew, as a start does; what is no moment stays."""
    had, now = state.figures, state.now
    figures = Figures(
        started_at=_until(had.started_at, now),
        quotes=had.quotes,
        stream=had.stream,
        stream_at=_until(had.stream_at, now),
        stream_detail=had.stream_detail,
        failures=had.failures,
        first_matched_at=_until(had.first_matched_at, now),
        unread=had.unread,
        refused_at=_until(had.refused_at, now),
        rival=had.rival,
        sessions_agreed=had.sessions_agreed,
        regime_tries=had.regime_tries,
        doctor_tries=had.doctor_tries,
        is_clock_doubted=True,
        clock_doubted_at=now,
        clock_dispute=had.clock_dispute,
        is_shutting_down=had.is_shutting_down,
    )
    return none_to_come(replace(state, figures=figures))


def _clock_requested(state: State, event: e.ClockRequested) -> State:
    return with_figures(state, clock_asked_at=state.now)


def _clock_reported(state: State, event: e.ClockReported) -> State:
    is_doubted = state.figures.is_clock_doubted and skew_of(event) is None
    return with_figures(state, failures=answered(state, "clock"), is_clock_doubted=is_doubted)


def _clock_disputed(state: State, event: e.ClockDisputed) -> State:
    return with_figures(state, clock_dispute=event)


def _clock_agreed(state: State, event: e.ClockAgreed) -> State:
    return with_figures(state, clock_dispute=None)


CLOCK_CHANGES: Mapping[type[e.Event], Change] = {
    e.ClockRequested: _clock_requested,
    e.ClockReported: _clock_reported,
    e.ClockDisputed: _clock_disputed,
    e.ClockAgreed: _clock_agreed,
    e.ClockStepped: _clock_stepped,
}
"""Looked up by `evolve`, with its own."""
