"""From a yes to the broker, once; a resting order pulled at its timeout; a lost answer asked after.

An order whose answer was lost and that the broker, asked by id, does not know goes back to the
validator in a new turn: the same id, fresh figures. Where that cannot be, it stays unknown.
"""

from collections.abc import Iterator
from dataclasses import replace

from . import events as e
from .asking import cancel
from .clocks import is_of_future
from .effects import Effect, SubmitOrder
from .gates import mode_allows
from .orders import OrderStatus
from .policy import Policy
from .pricing import NoPrice, price_of
from .runs import is_flatten_sell
from .state import Phase, State
from .values import Side


def on_order_approved(
    state: State, event: e.OrderApproved, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Write that it is sent, and send it: in the same turn, so that a yes cannot grow old."""
    order_id = event.approved.draft.order_id
    yield e.OrderSubmitted(order_id, sends=state.orders[order_id].sends + 1)
    yield SubmitOrder(event.approved)


def on_order_refused(
    state: State, event: e.OrderRefused, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Tell: somebody may want to know before the report."""
    draft = event.draft
    yield e.AlertRaised(
        "warning", "refused", f"{draft.side} {draft.qty:f} {draft.symbol} refused: {event.detail}"
    )


def on_order_not_found(
    state: State, event: e.OrderNotFound, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Offer the same order, under the same id, to the validator again.

    Only where it surely is the same decision: same session, run open, price young, and no request
    of this id can still be on its way.
    """
    order = state.orders.get(event.order_id)
    if order is None or order.status is not OrderStatus.UNKNOWN or order.is_cancel_wanted:
        return
    if event.asked_at - order.sent_at < policy.answer_wait:
        return
    if is_of_future(event.asked_at, state.now):
        return
    run = state.run
    if run is None or not order.draft.order_id.startswith(f"{run.prefix}r{run.round}-"):
        return
    phase = Phase.BUYING if order.draft.side is Side.BUY else Phase.SELLING
    if run.phase is not phase or state.figures.is_shutting_down:
        return
    if state.halt is not None and not is_flatten_sell(state, order.draft):
        return
    draft = order.draft
    if not mode_allows(state, draft):
        return  # later, or lapsed
    if draft.side is Side.BUY:
        line = (
            next((x for x in run.plan.lines if x.symbol == draft.symbol), None)
            if run.plan
            else None
        )
        price = price_of(
            state.figures.quotes.get(draft.symbol), line.close if line else None, state.now, policy
        )
        if isinstance(price, NoPrice):
            return  # asked again with fresh quotes, or lapsed
        draft = replace(draft, expected_price=price.value, priced_at=price.at)
    yield e.OrderDrafted(draft)


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Pull what rests beyond the fill timeout, and ask again for cancels that were not seen."""
    for order in state.open_orders():
        if order.status is OrderStatus.CANCELING:
            if state.now - order.changed_at >= policy.answer_wait:
                yield from cancel(order, "its end was not seen")
        elif order.status is OrderStatus.WORKING:
            age = state.now - order.sent_at
            if age >= policy.fill_timeout:
                why = f"not filled within {policy.fill_timeout.total_seconds():.0f} s"
                yield from cancel(order, why)
            elif order.is_cancel_wanted:
                yield from cancel(order, "wanted before it was known")
