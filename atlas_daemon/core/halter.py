"""The emergency stop: halt first, then pull every order until none is seen, and stay halted.

The latch is on disk before the first cancel leaves. A stop is complete only when the broker lists
no open order *and* none of ours is sending or unknown. Then what is held is sold, where the policy
says so; and where the stop could not be written, the broker's own latch is set.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from . import events as e
from .asking import alert_once, ask_figures, cancel, may_ask
from .effects import (
    CancelAllOrders,
    CancelOrder,
    Effect,
    RemoveLatch,
    SuspendTrading,
    WriteLatch,
)
from .moments import NEW_YORK, new_york_day
from .policy import Policy
from .runs import is_flattening, managed_positions, report_of, run_id_for
from .sessions import NYSE
from .state import CRASHES_MAX, Phase, Run, State
from .values import OpenOrder, OrderId

PULL_EVERY = timedelta(seconds=3)
"""Cancels are repeated so often: 20 requests a minute are kept back for them."""
SUSPEND_EVERY = timedelta(seconds=10)
CRASH_WINDOW = timedelta(minutes=10)
FLATTEN_AGAIN_AFTER = timedelta(minutes=1)
SUSPENDED = "broker suspend_trade"


def on_stop_requested(
    state: State, event: e.StopRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Halt. A second request changes nothing but makes sure of latch and cancels again."""
    if state.halt is not None:
        yield WriteLatch(event.by, event.reason)
        if not is_flattening(state):  # its sells are what the stop asks for
            yield from _pull(state, policy)
            yield from _park(state, f"stopped by {event.by}")
        return
    yield from _halt(state, event.by, event.reason, policy)


def on_resume_requested(
    state: State, event: e.ResumeRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Take the latch off. Nothing starts by it but what was open or is due."""
    if state.halt is None:
        yield e.RequestDenied("resume", "halted", "trading is not halted")
        return
    run = state.run
    if run is not None and run.trigger == "stop":
        for order in state.open_orders():
            yield e.CancelRequested(order.draft.order_id, "resumed")
            yield CancelOrder(order.draft.order_id, order.broker_order_id)
        yield from _close(state, run, f"resumed by {event.by} before all was sold", policy)
    yield RemoveLatch()
    yield e.TradingResumed(event.by)
    yield e.AlertRaised("warning", "halt", f"resumed by {event.by}")
    snapshot = state.figures.snapshot
    is_suspended = snapshot is not None and snapshot.account.suspended_by_user
    if state.suspension or (is_suspended and event.lifts_suspension):
        yield e.SuspendTradeRequested(is_on=False)
        yield SuspendTrading(is_on=False)
    elif is_suspended:
        text = (
            "suspend_trade is set at the broker, and not by us on record: take it off there, or "
            "stop and resume with --lift-suspension"
        )
        yield e.AlertRaised("critical", "suspend", text)
    yield from ask_figures(state, {policy.benchmark})


def on_daemon_started(
    state: State, event: e.DaemonStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A latch found at start halts as the signal does; the journal's own makes the file anew."""
    if state.halt is None:
        if (why := _crash_loop(state)) is not None:
            yield from _halt(state, "crash loop", why, policy)
        return
    yield WriteLatch(state.halt.by, state.halt.reason)
    if is_flattening(state):
        return  # it goes on where it was
    yield from _pull(state, policy)
    yield from _park(state, "halted")


def on_account_seen(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """At the start the broker's own latch halts as the file does: it may stand in for it."""
    if state.halt is not None or not state.figures.is_first_look:
        return
    is_ours = event.account.number == state.account_number
    if is_ours and event.account.suspended_by_user and state.suspension != "clearing":
        yield from _halt(state, SUSPENDED, "it was set at the start", policy)


def on_snapshot_reported(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """While halted: complete where nothing is open; one that is found late is pulled as well."""
    halt = state.halt
    if halt is None or event.account.number != state.account_number:
        return
    if state.figures.snapshot is not event:
        return  # the answer to an earlier question came later
    strays = _strays(state, event.open_orders, policy)
    if strays:
        yield from _name_cancelled(state, strays)
    if halt.is_complete:
        if not is_flattening(state):
            for order in state.open_orders():
                if not order.is_cancel_wanted:
                    yield from cancel(order, "found open while halted")
        yield from _pull_lost(state, strays)
        return
    if strays or any(state.open_orders()) or event.asked_at < halt.at:
        return
    yield e.HaltCompleted()
    yield e.AlertRaised("warning", "halt", "halt complete: no open order is left")


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask and pull again until nothing is seen; then sell, and make the stop last."""
    yield from _suspend_again(state)
    halt = state.halt
    if halt is None:
        return
    if "latch" in halt.missing:
        yield WriteLatch(halt.by, halt.reason)
    snapshot = state.figures.snapshot
    listed = _strays(state, snapshot.open_orders if snapshot is not None else (), policy)
    if halt.is_complete:
        if listed and may_ask(state, policy):
            yield from ask_figures(state, {policy.benchmark})
        if not _flatten_waits(state, policy):
            yield from _suspend(state)
            return
        yield from _flatten(state, policy)
        return
    is_asking = may_ask(state, policy)
    if is_asking:
        yield from ask_figures(state, {policy.benchmark})
    is_clear = snapshot is not None and not snapshot.open_orders and not any(state.open_orders())
    if not is_clear and (is_asking or state.now - _pulled_at(state) >= PULL_EVERY):
        yield e.CancelsRepeated()
        yield from _pull(state, policy)


def on_suspend_trade_changed(
    state: State, event: e.SuspendTradeChanged, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The account says otherwise until it is asked again."""
    yield from ask_figures(state, {policy.benchmark})


def on_latch_written(
    state: State, event: e.LatchWritten, policy: Policy
) -> Iterator[e.Event | Effect]:
    """What could not be written before is on the disk now."""
    if state.halt is not None and event.what in state.halt.missing:
        yield e.HaltDurabilityChanged(event.what, is_held=True)


def on_latch_failed(
    state: State, event: e.LatchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The stop holds in memory only: say so, loudly, once."""
    if event.what == "removal":
        text = f"the latch cannot be taken off: {event.detail}"
        yield from alert_once(state, "critical", "latch", text)
    elif state.halt is not None and event.what not in state.halt.missing:
        yield e.HaltDurabilityChanged(event.what, is_held=False, detail=event.detail)
        text = f"the stop is NOT DURABLE: the {event.what} cannot be written: {event.detail}"
        yield e.AlertRaised("critical", "latch", text)


# Halting.


def _halt(state: State, by: str, reason: str, policy: Policy) -> Iterator[e.Event | Effect]:
    yield WriteLatch(by, reason)
    yield e.TradingHalted(by, reason)
    yield e.AlertRaised("critical", "halt", f"halted by {by}: {reason}")
    snapshot = state.figures.snapshot
    if snapshot is not None:
        yield from _name_cancelled(state, _strays(state, snapshot.open_orders, policy))
    yield from _pull(state, policy)
    yield from _park(state, f"stopped by {by}")


def _pull(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    for order in state.open_orders():
        if not order.is_cancel_wanted:
            yield e.CancelRequested(order.draft.order_id, "halted")
    if policy.stop_scope_account:
        yield CancelAllOrders()
        return
    for order in state.open_orders():
        yield CancelOrder(order.draft.order_id, order.broker_order_id)
    snapshot = state.figures.snapshot
    if snapshot is not None:
        yield from _pull_lost(state, _strays(state, snapshot.open_orders, policy))


def _pull_lost(state: State, listed: Iterable[OpenOrder]) -> Iterator[e.Event | Effect]:
    """Cancel, one by one, what is listed and not in our state: foreign, or with our prefix."""
    for order in listed:
        if (order_id := OrderId(order.client_order_id)) not in state.orders:
            yield CancelOrder(order_id, order.broker_order_id)


def _pulled_at(state: State) -> datetime:
    figures = state.figures
    assert state.halt is not None
    return max(at for at in (state.halt.at, figures.pulled_at, figures.started_at) if at)


def _park(state: State, why: str) -> Iterator[e.Event | Effect]:
    run = state.run
    if run is not None and run.phase is not Phase.PARKED:
        reason = f"{why}; goes on after resume"
        yield e.RunFinished(run.run_id, "aborted", is_final=False, reason=reason, report=None)


def _strays(state: State, listed: Iterable[OpenOrder], policy: Policy) -> list[OpenOrder]:
    """Return the listed orders that the stop cancels: all but the sells of its own run."""
    prefix = state.run.prefix if state.run is not None and is_flattening(state) else None
    return [
        order
        for order in listed
        if (policy.stop_scope_account or order.is_ours)
        and not (prefix and order.client_order_id.startswith(prefix))
    ]


def _name_cancelled(state: State, orders: Iterable[OpenOrder]) -> Iterator[e.Event | Effect]:
    names = [
        f"{order.side} {order.qty} {order.symbol} ({order.client_order_id})"
        for order in orders
        if not order.is_ours
    ]
    if names:
        text = f"the stop cancels foreign orders: {', '.join(names)}"
        yield from alert_once(state, "critical", "halt", text)


def _crash_loop(state: State) -> str | None:
    crashes = state.crashes
    if len(crashes) < CRASHES_MAX or crashes[-1][0] - crashes[0][0] > CRASH_WINDOW:
        return None
    minutes = CRASH_WINDOW.total_seconds() / 60
    count = f"{CRASHES_MAX} ends by an exception of our own within {minutes:.0f} minutes"
    return f"{count}, the last: {crashes[-1][1]}"


# Selling what is held, after the cancels.


def _flatten_waits(state: State, policy: Policy) -> bool:
    """True where holdings are still to be sold, now or in a later session."""
    halt = state.halt
    assert halt is not None
    if not policy.flatten_on_stop or "journal" in halt.missing:
        return False  # a sell that cannot be written is not sent
    if halt.flatten is None:
        return bool(managed_positions(state, policy))
    if state.run is not None and state.run.run_id == halt.flatten:
        return True
    last = state.last_run
    return last is not None and last.run_id == halt.flatten and last.outcome == "refused"


def _flatten(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    """Begin the run that sells, in an open session; the run that was parked is closed by it."""
    run, halt, last = state.run, state.halt, state.last_run
    snapshot = state.figures.snapshot
    if halt is None or snapshot is None or (run is not None and run.run_id == halt.flatten):
        return
    if snapshot.account.number != state.account_number or state.figures.is_shutting_down:
        return
    session = NYSE.session_at(state.now)
    if session is None:
        coming = NYSE.next_session(new_york_day(state.now))
        if coming.opens_at <= state.now:
            coming = NYSE.session_after(coming.day)
        opens = coming.opens_at.astimezone(NEW_YORK)
        text = f"flatten waits: the market is closed until {opens:%Y-%m-%d %H:%M} New York"
        yield from alert_once(state, "critical", "flatten", text)
        return
    if state.suspension:  # set while the stop could not be written; it would refuse the sells
        if state.suspension != "clearing":
            yield e.SuspendTradeRequested(is_on=False)
            yield e.AlertRaised("warning", "suspend", "suspend_trade is cleared for the flatten")
            yield SuspendTrading(is_on=False)
        return
    refused_at = last.finished_at if halt.flatten is not None and last is not None else None
    if refused_at is not None and state.now - refused_at < FLATTEN_AGAIN_AFTER:
        return
    if run is not None:
        yield from _close(state, run, "what is held is sold by a stop", policy)
    run_id = run_id_for(state, "stop", session.day)
    signal_day = NYSE.session_before(session.day).day
    yield e.AlertRaised("critical", "flatten", f"{run_id} sells what is held")
    yield e.RunStarted(run_id, "stop", None, order_day=session.day, signal_day=signal_day)


def _close(state: State, run: Run, why: str, policy: Policy) -> Iterator[e.Event | Effect]:
    report = report_of(state, run, policy, run.plan.regime) if run.plan is not None else None
    yield e.RunFinished(run.run_id, "aborted", is_final=True, reason=why, report=report)


# The broker's own latch.


def _suspend(state: State) -> Iterator[e.Event | Effect]:
    """Where the stop cannot be written, and nothing is to be cancelled or sold any more."""
    halt = state.halt
    if halt is None or halt.is_durable or state.suspension:
        return
    yield e.SuspendTradeRequested(is_on=True)
    text = "suspend_trade is set at the broker: the stop cannot be written here"
    yield e.AlertRaised("critical", "suspend", text)
    yield SuspendTrading(is_on=True)


def _suspend_again(state: State) -> Iterator[e.Event | Effect]:
    asked_at = state.figures.suspension_asked_at
    if state.suspension not in ("wanted", "clearing"):
        return
    if asked_at is None or state.now - asked_at >= SUSPEND_EVERY:
        is_on = state.suspension == "wanted"
        yield e.SuspendTradeRequested(is_on)
        yield SuspendTrading(is_on)
