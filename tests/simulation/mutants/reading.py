"""Bugs about what the broker says: the stream, lists, fills, and whoever trusts one of them."""

from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from typing import Any
from unittest.mock import patch

from atlas_daemon import outlet
from atlas_daemon.core import activities, reconciler
from atlas_daemon.core import events as e
from atlas_daemon.core.evolve_figures import ALIVE_NEWS
from atlas_daemon.core.orders import BROKER_NEWS, Order
from tests.simulation.mutants.planting import evolved, planted, routed, silent
from tests.simulation.mutants.worlds import Focused, World

TWICE = "a fill is booked twice: positions and cash are wrong"
MUTE = Focused(chances={"reset": 0.2, "lagging_lookup": 0.95, "stream_drop": 0.95})
LOST = "a fill is forgotten: positions and cash are wrong"


@planted("nothing is asked after: the stream is trusted alone", LOST, world=MUTE)
def stream_alone() -> Iterator[None]:
    with routed(e.Ticked, silent, "tracker"):
        yield


@planted(
    "no look at the broker when the stream comes back",
    LOST,
)
def no_reconcile() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_stream(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            if event.condition == "listening" and state.figures.matched_at is not None:
                yield e.BookMatched()

        return on_stream

    with routed(e.StreamReported, change, "reconciler"), routed(e.Ticked, silent, "tracker"):
        yield


@planted("fills are summed, whoever told them before", TWICE)
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


@planted(
    "a fill that comes after its order's end is dropped",
    LOST,
    world=Focused(chances={"stream_reorder": 0.9, "broker_cancel": 0.5, "partial_fill": 0.9}),
)
def late_fill_dropped() -> Iterator[None]:
    def fills(handler: Any) -> Any:
        def on_filled(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            if order is None or not order.is_done:
                yield from handler(state, event, policy)

        return on_filled

    def reports(handler: Any) -> Any:
        def on_reported(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            is_end = event.status in BROKER_NEWS and BROKER_NEWS[event.status] not in ALIVE_NEWS
            if order is not None and (is_end or order.is_done) and event.source == "stream":
                event = replace(event, filled_qty=order.filled_qty)
            if order is None or not order.is_done:
                yield from handler(state, event, policy)

        return on_reported

    with routed(e.OrderFilled, fills), routed(e.OrderReported, reports):
        yield


def _blank() -> dict[str, Any]:
    """Return the fields of an order's fills as they are before the first one."""
    return {
        f.name: f.default if f.default is not MISSING else f.default_factory()  # type: ignore[misc]
        for f in fields(Order)
        if f.name.startswith(("filled", "execution"))
    }


@planted(
    "what was filled before a restart is counted anew",
    TWICE,
    world=Focused(chances={"partial_fill": 0.9}, events={"kill": 40.0}),
)
def refilled() -> Iterator[None]:
    def change(started: Any) -> Any:
        def after(state: Any, event: Any) -> Any:
            orders = {i: replace(o, **_blank()) for i, o in state.orders.items()}
            return started(replace(state, orders=orders), event)

        return after

    with evolved(e.DaemonStarted, change):
        yield


@planted(
    "a list that failed is an empty one",
    "the daemon sees no holdings and buys them again",
    world=Focused(chances={"error_503": 0.65}),
)
def failed_is_empty() -> Iterator[None]:
    ask = outlet.AlpacaTradingClient.get_positions

    async def positions(self: Any) -> Any:
        try:
            return await ask(self)
        except outlet.BROKER_ERRORS:
            return ()

    with patch.object(outlet.AlpacaTradingClient, "get_positions", positions):
        yield


@planted(
    "an old snapshot is compared with a new book",
    "symbols are frozen for nothing",
    world=Focused(chances={"stream_drop": 0.95, "partial_fill": 0.9, "late_reply": 0.3}),
)
def stale_compared() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_snapshot(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            with patch.object(reconciler, "is_at_rest", lambda state, since: True):
                answers = list(handler(state, event, policy))
            yield from answers

        return on_snapshot

    with routed(e.SnapshotReported, change, "reconciler"):
        yield


@planted(
    "the broker's figures are copied over a moving book",
    TWICE,
    world=Focused(chances={"stream_delay": 0.8, "partial_fill": 0.9, "late_reply": 0.3}),
)
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


@planted("a trade on the account's list is never one of ours", TWICE)
def trades_twice() -> Iterator[None]:
    with (
        patch.object(activities, "_is_booked", lambda state, activity: False),
        patch.object(activities, "_is_perhaps_ours", lambda state, activity: False),
    ):
        yield


@planted(
    "a split is not read",
    "a quantity that nobody understands: the symbol is frozen",
    world=World(has_nights=True),
)
def unsplit() -> Iterator[None]:
    with patch.object(activities, "is_shares", lambda activity: False):
        yield


@planted(
    "fees, dividends and deposits are not read",
    "cash that nobody understands",
    world=World(has_nights=True),
)
def no_money() -> Iterator[None]:
    with patch.object(activities, "is_cash", lambda activity: False):
        yield


@planted(
    "a trade by hand is not read",
    "a quantity that nobody understands: the symbol is frozen",
    world=Focused(events={"manual_trade": 60.0}),
)
def no_hands() -> Iterator[None]:
    def on_record(self: Any, activity: Any) -> Any:
        return self.on_record(activity, "not ours")

    with patch.object(activities.Reckoning, "foreign_fill", on_record):
        yield


@planted(
    "an activity that was booked is booked again",
    "fees and deposits count twice",
    world=World(has_nights=True),
)
def booked_again() -> Iterator[None]:
    def forget(change: Any) -> Any:
        def after(state: Any, event: Any) -> Any:
            state = change(state, event)
            return replace(state, activities=replace(state.activities, heard={}))

        return after

    with evolved(e.ActivityBooked, forget), evolved(e.ActivitiesNoted, forget):
        yield
