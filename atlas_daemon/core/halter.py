"""The emergency stop: halt first, then pull every order until none is seen, and stay halted.

The latch is on disk before the first cancel leaves. A stop is complete only when the broker lists
no open order *and* none of ours is sending or unknown.
"""

from collections.abc import Iterator

from . import events as e
from .asking import ask_figures, may_ask
from .effects import CancelAllOrders, CancelOrder, Effect, RemoveLatch, WriteLatch
from .policy import Policy
from .state import Phase, State


def on_stop_requested(
    state: State, event: e.StopRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Halt. A second request changes nothing but makes sure of latch and cancels again."""
    yield WriteLatch(event.by, event.reason)
    if state.halt is None:
        yield e.TradingHalted(event.by, event.reason)
        yield e.AlertRaised("critical", "halt", f"halted by {event.by}: {event.reason}")
    yield from _pull(state, policy)
    run = state.run
    if run is not None and run.phase is not Phase.PARKED:
        yield e.RunFinished(
            run.run_id,
            "aborted",
            is_final=False,
            reason=f"stopped by {event.by}; goes on after resume",
            report=None,
        )


def on_resume_requested(
    state: State, event: e.ResumeRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Take the latch off. Nothing starts by it but what was open or is due."""
    if state.halt is None:
        yield e.RequestDenied("resume", "halted", "trading is not halted")
        return
    yield RemoveLatch()
    yield e.TradingResumed(event.by)
    yield e.AlertRaised("warning", "halt", f"resumed by {event.by}")
    yield from ask_figures(state, {policy.benchmark})


def on_daemon_started(
    state: State, event: e.DaemonStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A latch found at start halts as the signal does; the journal's own makes the file anew."""
    if state.halt is None:
        return
    yield WriteLatch(state.halt.by, state.halt.reason)
    yield from _pull(state, policy)
    run = state.run
    if run is not None and run.phase is not Phase.PARKED:
        reason = "halted; goes on after resume"
        yield e.RunFinished(run.run_id, "aborted", is_final=False, reason=reason, report=None)


def on_snapshot_reported(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """While halted: complete where nothing is open, pull again what is."""
    halt = state.halt
    if halt is None:
        return
    listed = [order for order in event.open_orders if policy.stop_scope_account or order.is_ours]
    if listed or any(state.open_orders()) or event.asked_at < halt.at:
        return
    if not halt.is_complete:
        yield e.HaltCompleted()
        yield e.AlertRaised("warning", "halt", "halt complete: no open order is left")


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """While the halt is not complete: ask, and pull again, until nothing is seen."""
    halt = state.halt
    if halt is None or halt.is_complete or not may_ask(state, policy):
        return
    yield from ask_figures(state, {policy.benchmark})
    snapshot = state.figures.snapshot
    if snapshot is None or snapshot.open_orders or any(state.open_orders()):
        yield from _pull(state, policy)


def on_latch_failed(
    state: State, event: e.LatchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The stop holds in memory only: say so, loudly."""
    text = f"the stop is NOT DURABLE: the latch cannot be written: {event.detail}"
    yield e.AlertRaised("critical", "latch", text)


def _pull(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    for order in state.open_orders():
        if not order.is_cancel_wanted:
            yield e.CancelRequested(order.draft.order_id, "halted")
    if policy.stop_scope_account:
        yield CancelAllOrders()
        return
    for order in state.open_orders():
        yield CancelOrder(order.draft.order_id, order.broker_order_id)
