"""The changes of state of a stop: halted, complete, durable or not, resumed; crashes counted.

Nothing here decides anything.
"""

from collections.abc import Mapping

from . import events as e
from .evolve_figures import Change, answered, with_figures
from .frozen import replace
from .state import CRASHES_MAX, Halt, State
from .values import Mode


def with_flatten(state: State, event: e.RunStarted) -> State:
    """Return the state whose halt remembers the run that sells; as it was for any other run."""
    if event.trigger != "stop" or state.halt is None:
        return state
    return replace(state, halt=replace(state.halt, flatten=event.run_id))


def _trading_halted(state: State, event: e.TradingHalted) -> State:
    return replace(
        state,
        halt=Halt(event.by, event.reason, state.now),
        mode=Mode.HALTED,
        mode_reason=f"halted by {event.by}: {event.reason}",
    )


def _halt_completed(state: State, event: e.HaltCompleted) -> State:
    if state.halt is None:
        return state
    return replace(state, halt=replace(state.halt, is_complete=True))


def _halt_durability_changed(state: State, event: e.HaltDurabilityChanged) -> State:
    halt = state.halt
    if halt is None:
        return state
    missing = halt.missing - {event.what} if event.is_held else halt.missing | {event.what}
    return replace(state, halt=replace(halt, missing=missing))


def _cancels_repeated(state: State, event: e.CancelsRepeated) -> State:
    return with_figures(state, pulled_at=state.now)


def _suspend_trade_requested(state: State, event: e.SuspendTradeRequested) -> State:
    state = replace(state, suspension="wanted" if event.is_on else "clearing")
    return with_figures(state, suspension_asked_at=state.now)


def _suspend_trade_changed(state: State, event: e.SuspendTradeChanged) -> State:
    state = with_figures(state, failures=answered(state, "suspend_trade"))
    if not event.is_on:
        return replace(state, suspension="")
    # An answer that comes after the resume does not take its request back.
    return state if state.suspension == "clearing" else replace(state, suspension="on")


def _trading_resumed(state: State, event: e.TradingResumed) -> State:
    # What happened while nobody traded is looked at before anything leaves again.
    state = with_figures(state, matched_at=None)
    return replace(
        state,
        halt=None,
        crashes=(),
        mode=Mode.STARTING,
        mode_reason=f"resumed by {event.by}",
    )


def _daemon_crashed(state: State, event: e.DaemonCrashed) -> State:
    crashes = (*state.crashes, (state.now, event.detail))
    return replace(state, crashes=crashes[-CRASHES_MAX:])


HALT_CHANGES: Mapping[type[e.Event], Change] = {
    e.TradingHalted: _trading_halted,
    e.HaltCompleted: _halt_completed,
    e.HaltDurabilityChanged: _halt_durability_changed,
    e.CancelsRepeated: _cancels_repeated,
    e.SuspendTradeRequested: _suspend_trade_requested,
    e.SuspendTradeChanged: _suspend_trade_changed,
    e.TradingResumed: _trading_resumed,
    e.DaemonCrashed: _daemon_crashed,
}
"""Looked up by `evolve`, with its own."""
