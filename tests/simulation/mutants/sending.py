"""Bugs about an order on its way: ids, lost answers, what counts as a no."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from atlas_daemon import outlet
from atlas_daemon.core import events as e
from atlas_daemon.core import orders
from atlas_daemon.core.orders import OrderNews, OrderStatus
from atlas_daemon.core.values import Approved, OrderId
from atlas_daemon.edges.alpaca import transport
from tests.simulation.mutants.planting import (
    evolved,
    heard,
    next_attempt,
    planted,
    routed,
    silent,
)
from tests.simulation.mutants.worlds import Focused, KilledSending

TWICE = "the order goes out twice"
UNHEARD = Focused(
    chances={
        "late_request": 0.3,
        "reply_lost": 0.3,
        "lagging_lookup": 0.9,
        "stream_drop": 0.95,
        "slow_fill": 0.9,
    },
    method="POST",
)
"""Orders arrive, and for half a minute nobody says so."""
DOUBT = Focused(
    chances={"reset": 0.2, "lagging_lookup": 0.95, "stream_drop": 0.95, "slow_fill": 0.9}
)
"""Many requests end in a reset, and half of those arrive."""
STUCK = Focused(chances={"stuck_order": 0.4, "partial_fill": 0.5})
PARTS = Focused(chances={"partial_fill": 0.9, "slow_fill": 0.3})


def refused(event: e.SubmitUnconfirmed) -> e.SubmitRefused:
    return e.SubmitRefused(event.order_id, "other", 422, None, event.detail)


def taken_for_a_no(what: str) -> Callable[[e.Event], e.Event]:
    """Return what makes a refusal of an unconfirmed order whose detail has the word `what`."""

    def change(event: e.Event) -> e.Event:
        is_meant = isinstance(event, e.SubmitUnconfirmed) and what in event.detail
        return refused(event) if is_meant else event  # type: ignore[arg-type]

    return change


def trusted(handler: Any) -> Any:
    """Change the handler of a refusal: it is the last word on the order, whatever was before."""

    def on_refused(state: Any, event: Any, policy: Any) -> Iterator[Any]:
        order = state.orders.get(event.order_id)
        if order is not None and not order.is_done:
            yield e.OrderStepped(event.order_id, OrderStatus.REFUSED, "", None, event.reason)

    return on_refused


@planted(
    "a new id after a timeout", TWICE, world=Focused(chances={"reply_lost": 0.15, "slow_fill": 0.5})
)
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


@planted("a timeout is a failure", TWICE, world=DOUBT)
def timeout_fails() -> Iterator[None]:
    with heard(taken_for_a_no("")):
        yield


@planted(
    "a 5xx is a no", TWICE, world=Focused(chances={"error_504_after_accept": 0.2, "slow_fill": 0.5})
)
def server_error_fails() -> Iterator[None]:
    with heard(taken_for_a_no("HTTP 5")):
        yield


@planted(
    "a body that cannot be read is a no",
    TWICE,
    world=Focused(chances={"body_cut": 0.2, "slow_fill": 0.5}),
)
def unreadable_fails() -> Iterator[None]:
    def change(event: e.Event) -> e.Event:
        is_network = isinstance(event, e.SubmitUnconfirmed) and any(
            word in event.detail for word in ("HTTP", "Error", "unique", "Timeout")
        )
        return event if is_network else taken_for_a_no("")(event)

    with heard(change):
        yield


@planted(
    "a connection that was reset never carried the order",
    TWICE,
    world=Focused(chances={"reset": 0.2, "slow_fill": 0.5}),
)
def reset_is_unsent() -> Iterator[None]:
    classify = transport.classify

    def never_left(*words: Any, may_have_arrived: bool = True, **more: Any) -> Any:
        is_reset = isinstance(more.get("failure"), ConnectionError | OSError)
        return classify(*words, may_have_arrived=may_have_arrived and not is_reset, **more)

    with patch.object(transport, "classify", never_left):
        yield


@planted("422 must be unique is a rejection", TWICE, world=UNHEARD)
def unique_is_rejection() -> Iterator[None]:
    with heard(taken_for_a_no("unique")), routed(e.SubmitRefused, trusted):
        yield


@planted(
    "a second request that is held back means that the first never left",
    TWICE,
    world=Focused(chances={**UNHEARD.chances, "connection_refused": 0.15}, method="POST"),
)
def second_withheld() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_withheld(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            if order is not None and not order.is_done:
                yield e.OrderStepped(event.order_id, OrderStatus.WITHHELD, "", None, event.why)

        return on_withheld

    with routed(e.SubmitWithheld, change):
        yield


@planted(
    "one not-found is proof enough",
    TWICE,
    world=Focused(chances={"reset": 0.2, "slow_fill": 0.3, "partial_fill": 0.5}),
)
def lapsed_at_once() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_not_found(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            order = state.orders.get(event.order_id)
            if order is not None and order.status is OrderStatus.UNKNOWN:
                yield e.OrderStepped(event.order_id, OrderStatus.LAPSED, "", None, "not found")

        return on_not_found

    with routed(e.OrderNotFound, change, "tracker"):
        yield


@planted(
    "an order in doubt does not stand in the way of another",
    TWICE,
    world=DOUBT,
)
def doubt_is_done() -> Iterator[None]:
    with patch.object(orders, "DONE", orders.DONE | {OrderStatus.UNKNOWN}):
        yield


@planted("the id is made when the order is sent", "an order of ours that the journal does not know")
def late_id() -> Iterator[None]:
    request = outlet.Outlet._request

    async def sent(self: Any, approved: Approved) -> Any:
        draft = approved.draft
        name = OrderId(f"{draft.order_id}{self._clock.now():%S%f}")
        self._sending[name] = approved
        return await request(self, replace(approved, draft=replace(draft, order_id=name)))

    with patch.object(outlet.Outlet, "_request", sent):
        yield


@planted(
    "a POST is sent again like a GET",
    TWICE,
    world=Focused(chances={"reset": 0.2, "slow_fill": 0.5}),
)
def repeated_post() -> Iterator[None]:
    send = transport.Transport.send

    async def again(
        self: Any, method: str, url: str, payload: Any, budget: Any, **more: Any
    ) -> Any:
        for delay_s in transport.RETRY_S:
            try:
                return await send(self, method, url, payload, budget, **more)
            except outlet.OutcomeUnknownError:
                if method != "POST":
                    raise
            await self._sleep(delay_s)  # and with no id of ours the broker makes one each time
            payload = {**payload, "client_order_id": f"{payload['client_order_id']}{delay_s:.0f}"}
        return await send(self, method, url, payload, budget, **more)

    with patch.object(transport.Transport, "send", again):
        yield


@planted("what was being sent at the end is sent again at the start", TWICE, world=KilledSending())
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


@planted(
    "what was being sent at the end counts as never sent",
    TWICE,
    world=KilledSending(chances={"slow_fill": 0.9, "stream_drop": 0.9}),
)
def forgotten_at_start() -> Iterator[None]:
    def change(started: Any) -> Any:
        def after(state: Any, event: Any) -> Any:
            withheld = {
                i: replace(o, status=OrderStatus.WITHHELD) if o.is_in_doubt else o
                for i, o in state.orders.items()
            }
            return started(replace(state, orders=withheld), event)

        return after

    with evolved(e.DaemonStarted, change):
        yield


@planted(
    "a cancel asked for is a cancel done", "buys go out while sells may still fill", world=STUCK
)
def cancel_is_done() -> Iterator[None]:
    steps = orders.STEPS[OrderStatus.WORKING]
    with patch.dict(steps, {OrderNews.CANCEL_ASKED: OrderStatus.CANCELED}):  # type: ignore[arg-type]
        yield


@planted("a pending cancel is a cancel", "buys go out while sells may still fill", world=STUCK)
def pending_is_done() -> Iterator[None]:
    with patch.dict(orders.BROKER_NEWS, {"pending_cancel": OrderNews.CANCELED}):
        yield


@planted("partially filled is filled", "the rest is forgotten while it fills", world=PARTS)
def partial_is_filled() -> Iterator[None]:
    with patch.dict(orders.BROKER_NEWS, {"partially_filled": OrderNews.FILLED}):
        yield


@planted("an order that rests is not pulled at its timeout", "the run never ends", world=STUCK)
def never_pulled() -> Iterator[None]:
    with routed(e.Ticked, silent, "submitter"):
        yield
