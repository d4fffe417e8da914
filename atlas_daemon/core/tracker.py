"""News of our orders: statuses step by the table, fills are booked as increases. Nothing is sent.

News may come twice, late, out of order, or before the answer to our own request: what adds
nothing yields nothing. A look at an open order is asked for on every tick where one is due.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from . import events as e
from .asking import ask_figures, may_ask
from .effects import Effect, FetchOrder, ReopenStream
from .orders import BROKER_NEWS, Order, OrderNews, OrderStatus, step
from .policy import Policy
from .state import State
from .values import ORDER_ID_PREFIX, ZERO, BrokerOrderId

UNREAD_EVERY = timedelta(seconds=10)
"""Frames that cannot be read go on record at most so often, with how many they were."""
LOOK_UPS_PER_TICK = 2
"""Open orders are asked after in turn: 120 a minute of the broker's 200."""


def on_daemon_started(
    state: State, event: e.DaemonStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """What was being sent when the last process ended is in doubt; what is open is asked after."""
    for order in state.open_orders():
        if order.status is OrderStatus.SENDING:
            yield from _own_step(order, OrderNews.UNCONFIRMED, "restarted before the answer")
        yield from _look_up(order)


def on_order_reported(
    state: State, event: e.OrderReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Bring one of our orders up to what the broker says of it as a whole."""
    if event.source == "stream":
        yield from _stream_speaks(state)
    order = state.orders.get(event.order_id)
    if order is None:
        yield from _unmatched(state, event)
        return
    yield from _disputes(order, event)
    increase = event.filled_qty - order.filled_qty
    if increase > 0 and event.filled_avg_price is not None:
        value = event.filled_avg_price * event.filled_qty - order.filled_value
        price = value / increase
        if price <= 0:  # averages are rounded: a gap this small has no price of its own
            price = event.filled_avg_price
        yield _booked(order, increase, price, event.filled_qty)
        yield from _overfilled(order, event.filled_qty)
    elif increase > 0:
        # Shares moved at a price nobody told: not booked on a guess, asked after.
        yield from _look_up(order)
        return
    yield from _stepped(state, order, event.status, event.broker_order_id, event.detail)


def on_order_filled(
    state: State, event: e.OrderFilled, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Book one execution; where executions before it were missed, book those with it."""
    yield from _stream_speaks(state)
    order = state.orders.get(event.order_id)
    if order is None:
        yield from _unmatched(state, event)
        return
    known = order.executions.get(event.execution_id)
    if known is not None and known != (event.qty, event.price):
        yield from _execution_disputed(order, event, known)
        return
    if known is None and event.filled_qty > order.filled_qty:
        booked = _booked_with_what_was_missed(order, event)
        if not booked:
            yield from _look_up(order)
            return
        yield from booked
        yield from _overfilled(order, event.filled_qty)
    yield from _stepped(state, order, event.status, event.broker_order_id)


def on_submit_refused(
    state: State, event: e.SubmitRefused, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The broker said no. To a second request under the same id it is no word on the first."""
    order = state.orders.get(event.order_id)
    if order is None:
        return  # the stream told its end first, and its run is closed
    if order.status is OrderStatus.SENDING and order.sends > 1:
        yield _stepped_to(order, OrderStatus.UNKNOWN, event.reason)
        yield from _look_up(order)
        return
    reason = f"{event.http_status}/{event.code}: {event.reason}"
    yield from _own_step(order, OrderNews.REFUSED, reason)


def on_submit_withheld(
    state: State, event: e.SubmitWithheld, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The order never left; where an earlier request under its id did, that one is in doubt."""
    order = state.orders.get(event.order_id)
    if order is None:
        return  # the stream told its end first, and its run is closed
    news = OrderNews.WITHHELD if order.sends == 1 else OrderNews.UNCONFIRMED
    yield from _own_step(order, news, event.why)


def on_submit_unconfirmed(
    state: State, event: e.SubmitUnconfirmed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Ask by id: the order may or may not exist."""
    order = state.orders.get(event.order_id)
    if order is None:
        return  # the stream told its end first, and its run is closed
    yield from _own_step(order, OrderNews.UNCONFIRMED, event.detail)
    yield from _look_up(order)


def on_order_not_found(
    state: State, event: e.OrderNotFound, policy: Policy
) -> Iterator[e.Event | Effect]:
    """An unknown order lapses when it was not found twice, long enough apart and after its request.

    Once is no proof: the look-up may have overtaken the request.
    """
    order = state.orders.get(event.order_id)
    if order is None or order.status is not OrderStatus.UNKNOWN:
        return  # what the broker knew once it cannot have lost (S045)
    late = [
        at
        for at in state.figures.not_found.get(event.order_id, ())
        if at - order.sent_at > policy.answer_wait
    ]
    if late and late[-1] - late[0] >= policy.lapse_gap:
        evidence = f"not found at {late[0]:%H:%M:%S} and {late[-1]:%H:%M:%S} UTC"
        yield from _own_step(order, OrderNews.LAPSED, evidence)


def on_frame_unread(
    state: State, event: e.FrameUnread, policy: Policy
) -> Iterator[e.Event | Effect]:
    """It may have been news: ask after every open order, and where none is after the account.

    What undoes an execution (trade_bust) is of an order that is done. A flood is told as one.
    """
    told = list(_tell_unread(state, f"the latest: {event.detail}"))
    yield from told
    if told and not any(state.open_orders()) and may_ask(state, policy):
        yield from ask_figures(state, {policy.benchmark})


def _tell_unread(state: State, what: str) -> Iterator[e.Event | Effect]:
    count = state.figures.unread
    told_at = [at for at, alert in state.alerts if alert.key == "frame"]
    if not count or (told_at and state.now - told_at[-1] < UNREAD_EVERY):
        return
    yield e.AlertRaised("warning", "frame", f"unreadable stream frames: {count}, {what}")
    for order in state.open_orders():
        yield from _look_up(order)


def on_cancel_requested(
    state: State, event: e.CancelRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Step the order; what sends the request is yielded by whoever wants the cancel."""
    order = state.orders[event.order_id]
    if not order.is_done:
        yield from _own_step(order, OrderNews.CANCEL_ASKED, "")


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Poll open orders behind the stream, faster while it is down or an answer is overdue.

    The longest not asked after first, a few at a time, so that all get their turn (S047).
    """
    is_blind = state.figures.stream != "listening"
    yield from _doubt_of_stream(state, policy)
    yield from _tell_unread(state, "the latest a while ago")
    due = []
    for order in state.open_orders():
        seen_at = state.figures.looked_up.get(order.draft.order_id, order.changed_at)
        is_urgent = is_blind or order.is_in_doubt or order.status is OrderStatus.CANCELING
        every = policy.poll_blind_every if is_urgent else policy.poll_every
        if _is_under_way(state, order, policy):
            continue
        if order.status is OrderStatus.SENDING:
            yield from _own_step(order, OrderNews.UNCONFIRMED, "no answer came")
        if state.now - seen_at >= every:
            due.append((seen_at, order))
    for _, order in sorted(due, key=lambda pair: pair[0])[:LOOK_UPS_PER_TICK]:
        yield from _look_up(order)


def _doubt_of_stream(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    """A look-up told news long ago that the listening stream still has not brought (S112).

    One that stays mute is given up for a new connection, which may be a better one.
    """
    figures = state.figures
    if figures.stream == "doubted" and figures.stream_at is not None:
        if state.now - figures.stream_at >= policy.stream_patience:
            yield ReopenStream(figures.stream_detail)
        return
    waits = [i for i, at in figures.unstreamed.items() if state.now - at >= policy.stream_grace]
    if waits:
        yield e.StreamDoubted(f"it did not bring the news of {', '.join(sorted(waits)[:3])}")


def _stream_speaks(state: State) -> Iterator[e.Event | Effect]:
    if state.figures.stream == "doubted":
        yield e.StreamReported("listening", "it brings news again")


def _is_under_way(state: State, order: Order, policy: Policy) -> bool:
    """True where this very process still waits for the request's own answer."""
    started_at = state.figures.started_at
    return (
        order.status is OrderStatus.SENDING
        and state.now - order.sent_at < policy.answer_wait
        and (started_at is None or order.sent_at >= started_at)
    )


def _booked(
    order: Order, qty: Decimal, price: Decimal, filled_qty: Decimal, execution_id: str = ""
) -> e.FillBooked:
    draft = order.draft
    return e.FillBooked(
        order_id=draft.order_id,
        symbol=draft.symbol,
        side=draft.side,
        qty=qty,
        price=price,
        filled_qty=filled_qty,
        is_complete=filled_qty >= draft.qty,
        execution_id=execution_id,
    )


def _booked_with_what_was_missed(order: Order, event: e.OrderFilled) -> list[e.FillBooked]:
    """Return the bookings of an execution, and before it of those that were missed.

    Empty where only the broker's own word on the order can say what they cost.
    """
    increase, id_ = event.filled_qty - order.filled_qty, event.execution_id
    if increase == event.qty:
        return [_booked(order, increase, event.price, event.filled_qty, id_)]
    if event.filled_avg_price is None:
        return []
    value = event.filled_avg_price * event.filled_qty - order.filled_value
    missed, cost = increase - event.qty, value - event.qty * event.price
    if missed > 0 and cost > 0:
        before = _booked(order, missed, cost / missed, event.filled_qty - event.qty)
        return [before, _booked(order, event.qty, event.price, event.filled_qty, id_)]
    # A part of this one was booked by a look-up, or averages are rounded: it has no figures here.
    price = value / increase if value > 0 else event.price
    return [_booked(order, increase, price, event.filled_qty)]


def _execution_disputed(
    order: Order, event: e.OrderFilled, known: tuple[Decimal, Decimal]
) -> Iterator[e.Event | Effect]:
    """The same execution with other figures (S080): not booked, told once, asked after."""
    if event.execution_id in order.disputed:
        return
    order_id, (qty, price) = order.draft.order_id, known
    yield e.ExecutionDisputed(order_id, event.execution_id, qty, price, event.qty, event.price)
    text = (
        f"execution {event.execution_id} of {order_id} was {qty:f} at {price:f} "
        f"and is told as {event.qty:f} at {event.price:f}: not booked"
    )
    yield e.AlertRaised("critical", "execution", text)
    yield from _look_up(order)


def _overfilled(order: Order, filled_qty: Decimal) -> Iterator[e.Event | Effect]:
    """More shares than ordered (S089) are booked as they are; nothing more on that symbol."""
    draft = order.draft
    if filled_qty <= draft.qty:
        return
    yield e.OrderOverfilled(draft.order_id, draft.symbol, draft.qty, filled_qty)
    text = (
        f"{draft.order_id} of {draft.qty:f} filled {filled_qty:f}; "
        f"{draft.symbol} is frozen until adopted"
    )
    yield e.AlertRaised("critical", "order", text)


def _stepped(
    state: State,
    order: Order,
    broker_status: str,
    broker_order_id: BrokerOrderId | None,
    reason: str = "",
) -> Iterator[e.Event | Effect]:
    news = BROKER_NEWS.get(broker_status)
    if news is None:
        if broker_status != order.broker_status:
            text = f"order {order.draft.order_id} has the unknown status {broker_status!r}"
            yield e.AlertRaised("warning", "order status", text)
        news = OrderNews.WORKING
    after = step(order.draft.order_id, order.status, news)
    if order.is_done and order.status is after:
        return
    is_news = after is not order.status or (
        broker_order_id is not None and order.broker_order_id is None
    )
    if not is_news and (order.is_done or broker_status == order.broker_status):
        return
    if not order.is_done and news is OrderNews.WORKING and _is_older(order, broker_status):
        return
    yield e.OrderStepped(order.draft.order_id, after, broker_status, broker_order_id, reason)
    if order.is_done and after is not order.status:
        text = f"order {order.draft.order_id} was {order.status} and is {after}"
        yield e.AlertRaised("error", "order", text)


_RANK = {"pending_new": 0, "accepted": 1, "new": 2, "partially_filled": 3}


def _is_older(order: Order, broker_status: str) -> bool:
    """True where the news is an earlier word than the one we have: it adds nothing."""
    had, told = _RANK.get(order.broker_status), _RANK.get(broker_status)
    return had is not None and told is not None and told < had and not order.is_in_doubt


def _own_step(order: Order, news: OrderNews, reason: str) -> Iterator[e.Event | Effect]:
    after = step(order.draft.order_id, order.status, news)
    if after is not order.status:
        yield _stepped_to(order, after, reason)


def _stepped_to(order: Order, status: OrderStatus, reason: str) -> e.OrderStepped:
    return e.OrderStepped(order.draft.order_id, status, "", None, reason)


def _look_up(order: Order) -> Iterator[e.Event | Effect]:
    yield e.LookUpRequested(order.draft.order_id)
    yield FetchOrder(order.draft.order_id)


def _disputes(order: Order, event: e.OrderReported) -> Iterator[e.Event | Effect]:
    draft = order.draft
    differs = [
        f"{name} {theirs}, ours {ours}"
        for name, ours, theirs in (
            ("symbol", draft.symbol, event.symbol),
            ("side", draft.side, event.side),
            ("qty", draft.qty, event.qty),
        )
        if theirs is not None and ours != theirs
    ]
    if differs and order.broker_order_id is None:
        detail = "; ".join(differs)
        yield e.OrderDisputed(draft.order_id, detail)
        yield e.AlertRaised("critical", "order", f"order {draft.order_id} differs: {detail}")


def _unmatched(state: State, event: e.OrderReported | e.OrderFilled) -> Iterator[e.Event | Effect]:
    """News of an order that is not in the state: foreign, or of a run closed long ago."""
    is_ours = event.order_id.startswith(ORDER_ID_PREFIX)
    if is_ours and state.figures.first_matched_at is None:
        return  # left by a former process: the next snapshot lists it, and it is adopted
    if str(event.broker_order_id) in state.foreign or event.filled_qty > ZERO:
        return  # told already; what it moved shows when the positions are compared
    is_end = BROKER_NEWS.get(event.status) not in (None, OrderNews.WORKING, OrderNews.CANCELING)
    if is_end or any(event.order_id.startswith(f"atlas-{run_id}-") for run_id in state.run_ids):
        return
    qty = event.qty if isinstance(event, e.OrderReported) else event.order_qty
    yield e.ForeignOrderFound(
        event.broker_order_id,
        event.order_id,
        event.symbol,
        event.side,
        qty,
        is_ours,
    )
