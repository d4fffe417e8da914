"""Bugs planted on purpose: each must be caught by the simulation within a few seeds.

A mutant is what somebody might write who does not know the rule. It lives here as a patch of one
function; the daemon itself knows nothing of it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from atlas_daemon import bus, outlet
from atlas_daemon.core import events as e
from atlas_daemon.core import evolve, orders, planner, routes
from atlas_daemon.core.effects import CancelAllOrders
from atlas_daemon.core.orders import Order, OrderNews, OrderStatus
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Approved, Draft, OrderId
from atlas_daemon.edges.alpaca import client, wire
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.journal import Journal
from atlas_daemon.journal import file as journal_file
from tests.simulation.scenario import Result, run_seed

SEEDS_MAX = 120
Mutant = Callable[[], contextlib.AbstractContextManager[object]]
MUTANTS: dict[str, Mutant] = {}


def planted(name: str) -> Callable[[Callable[[], Iterator[None]]], Mutant]:
    """Register a mutant under the words of the bug."""

    def register(make: Callable[[], Iterator[None]]) -> Mutant:
        MUTANTS[name] = contextlib.contextmanager(make)
        return MUTANTS[name]

    return register


@contextlib.contextmanager
def routed(kind: type[e.Event], change: Callable[..., Any], only: str = "") -> Iterator[None]:
    """Wrap each handler of an event (or the one in room `only`) by `change(handler)`."""
    was = routes.ROUTES[kind]
    now = tuple(change(h) if not only or h.__module__.endswith(only) else h for h in was)
    assert now != was, f"nothing in {only} hears {kind.__name__}"
    with patch.dict(routes.ROUTES, {kind: now}):
        yield


@contextlib.contextmanager
def heard(change: Callable[[e.Event], e.Event]) -> Iterator[None]:
    """Change what the outlet tells of its requests."""
    init = outlet.Outlet.__init__

    def wrapped(self: Any, *, hear: Any, **more: Any) -> None:
        init(self, hear=lambda event: hear(change(event)), **more)

    with patch.object(outlet.Outlet, "__init__", wrapped):
        yield


def next_attempt(order: Order) -> Draft:
    """The same order under a number of its own."""
    stem, _, number = order.draft.order_id.rpartition("-")
    return replace(order.draft, order_id=OrderId(f"{stem}-{int(number) + 1}"))


def silent(handler: object) -> Callable[..., tuple[()]]:
    return lambda state, event, policy: ()


@planted("a new id after a timeout")
def new_id() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def again(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            if order is not None and not order.is_done:
                yield e.OrderStepped(event.order_id, OrderStatus.LAPSED, "", None, "timeout")
                yield e.OrderDrafted(next_attempt(order))

        return again

    with routed(e.SubmitUnconfirmed, change):
        yield


@planted("a timeout is a failure")
def timeout_fails() -> Iterator[None]:
    def change(event: e.Event) -> e.Event:
        if isinstance(event, e.SubmitUnconfirmed):
            return e.SubmitRefused(event.order_id, "other", 0, None, event.detail)
        return event

    with heard(change):
        yield


@planted("422 must be unique is a rejection")
def unique_is_rejection() -> Iterator[None]:
    def change(event: e.Event) -> e.Event:
        if isinstance(event, e.SubmitUnconfirmed) and "unique" in event.detail:
            return e.SubmitRefused(event.order_id, "other", 422, 40010001, event.detail)
        return event

    def forgotten(handler: Any) -> Any:  # what the stream said before is overruled by it as well
        def refused(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders[event.order_id]
            if not order.is_done:
                yield e.OrderStepped(event.order_id, OrderStatus.REFUSED, "", None, event.reason)

        return refused

    with heard(change), routed(e.SubmitRefused, forgotten):
        yield


@planted("nothing is asked after: the stream is trusted alone")
def stream_alone() -> Iterator[None]:
    with routed(e.Ticked, silent, "tracker"):
        yield


@planted("no look at the broker when the stream comes back")
def no_reconcile() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_stream(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            if event.condition == "listening" and state.figures.matched_at is not None:
                yield e.BookMatched()

        return on_stream

    with routed(e.StreamReported, change, "reconciler"), routed(e.Ticked, silent, "tracker"):
        yield


@planted("fills are summed, whoever told them before")
def summed() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_filled(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            if order is not None:
                total = order.filled_qty + event.qty
                is_complete = total >= order.draft.qty
                yield e.FillBooked(
                    event.order_id, event.symbol, event.side, event.qty, event.price, total,
                    is_complete, event.execution_id,
                )  # fmt: skip
            yield from handler(state, event, policy)

        return on_filled

    with routed(e.OrderFilled, change):
        yield


@planted("buys go out as soon as the sells are accepted")
def early_buys() -> Iterator[None]:
    def settle(state: Any, run: Any) -> Iterator[Any]:
        if all(order.status is not OrderStatus.SENDING for order in state.open_orders()):
            yield e.PhaseStarted(run.run_id, Phase.BUYING, run.round)

    with patch.object(planner, "_settle_sells", settle):
        yield


@planted("the latch is kept in memory only")
def latch_in_memory() -> Iterator[None]:
    fold = bus.fold

    def without_halt(entries: Any, state: Any) -> Any:
        return replace(fold(entries, state), halt=None)

    with (
        patch.object(LatchFile, "write", lambda *words: ""),
        patch.object(bus, "fold", without_halt),
    ):
        yield


@planted("a cancel asked for is a cancel done")
def cancel_is_done() -> Iterator[None]:
    steps = orders.STEPS[OrderStatus.WORKING]
    with patch.dict(steps, {OrderNews.CANCEL_ASKED: OrderStatus.CANCELED}):  # type: ignore[arg-type]
        yield


@planted("a list that failed is an empty one")
def failed_is_empty() -> Iterator[None]:
    ask = client.AlpacaTradingClient.get_positions

    async def positions(self: Any) -> Any:
        try:
            return await ask(self)
        except outlet.BROKER_ERRORS:
            return ()

    with patch.object(client.AlpacaTradingClient, "get_positions", positions):
        yield


@planted("the journal is written after the order is sent")
def written_behind() -> Iterator[None]:
    append = Journal.append

    def later(self: Any, entries: Any) -> Any:
        waits = [*getattr(self, "waits", ()), *entries]
        sends = any(isinstance(entry.event, e.OrderSubmitted) for entry in entries)
        self.waits = waits if sends else []
        return self._head if sends else append(self, waits)

    with patch.object(Journal, "append", later):
        yield


@planted("commits are not synced")
def not_synced() -> Iterator[None]:
    def set_up(path: object, connection: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")

    with (
        patch.object(journal_file, "set_up", set_up),
        patch("atlas_daemon.journal.journal.set_up", set_up),
    ):
        yield


@planted("the fence does not see a stop")
def open_fence() -> Iterator[None]:
    with patch.object(outlet.Fence, "why_closed", lambda self, approved: None):
        yield


@planted("one not-found is proof enough")
def lapsed_at_once() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_not_found(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            if order is not None and order.status is OrderStatus.UNKNOWN:
                yield e.OrderStepped(event.order_id, OrderStatus.LAPSED, "", None, "not found")

        return on_not_found

    with routed(e.OrderNotFound, change, "tracker"):
        yield


@planted("partially filled is filled")
def partial_is_filled() -> Iterator[None]:
    with patch.dict(orders.BROKER_NEWS, {"partially_filled": OrderNews.FILLED}):
        yield


@planted("buying power is cash")
def on_margin() -> Iterator[None]:
    read = wire.account

    def lent(body: bytes) -> Any:
        account = read(body)
        return replace(account, cash=account.buying_power)

    with patch.object(wire, "account", lent):
        yield


@planted("the broker's figures are copied over a moving book")
def copied_figures() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_snapshot(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            theirs = {p.symbol: p.qty for p in event.positions if p.qty}
            if state.book.is_known and theirs != dict(state.book.positions):
                cash, held = event.account.cash, tuple(sorted(theirs.items()))
                yield e.BookAdopted(cash, held, is_whole=True, why="copied")
            yield from handler(state, event, policy)

        return on_snapshot

    with routed(e.SnapshotReported, change, "reconciler"):
        yield


@planted("the halt is called complete at once")
def complete_at_once() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_stop(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            for answer in handler(state, event, policy):
                yield answer
                if isinstance(answer, CancelAllOrders):
                    yield e.HaltCompleted()

        return on_stop

    with routed(e.StopRequested, change):
        yield


@planted("a restart takes the halt off")
def restart_resumes() -> Iterator[None]:
    was = evolve._CHANGES[e.DaemonStarted]

    def started(state: Any, event: Any) -> Any:
        return was(replace(state, halt=None), replace(event, is_latched=False))

    with (
        patch.dict(evolve._CHANGES, {e.DaemonStarted: started}),  # type: ignore[arg-type]
        patch.object(LatchFile, "is_on", lambda self: False),
    ):
        yield


@planted("what was being sent at the end is sent again at the start")
def sent_again() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_started(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            for order in state.open_orders():
                if order.status is OrderStatus.SENDING:
                    until = state.now + policy.max_price_age
                    yield e.OrderApproved(Approved(next_attempt(order), state.now, until))
            yield from handler(state, event, policy)

        return on_started

    with routed(e.DaemonStarted, change, "tracker"):
        yield


def hunt(name: str, seeds_max: int = SEEDS_MAX) -> tuple[Result | None, float]:
    """Run seeds until the mutant is caught; None where it is not."""
    began_s = time.process_time()
    with MUTANTS[name]():
        for seed in range(seeds_max):
            result = run_seed(seed)
            if result.breaches:
                return result, time.process_time() - began_s
    return None, time.process_time() - began_s


def table(say: Callable[[str], object]) -> int:
    """Hunt all; one line each. Returns how many live."""
    lives = 0
    say(f"{'planted bug':<56} {'seed':>5} {'CPU s':>6}  caught by")
    for name in MUTANTS:
        result, spent_s = hunt(name)
        lives += result is None
        seed = "never" if result is None else str(result.seed)
        by = "" if result is None else result.breaches[0].split(" ", 1)[1][:90]
        say(f"{name:<56} {seed:>5} {spent_s:6.1f}  {by}")
    return lives
