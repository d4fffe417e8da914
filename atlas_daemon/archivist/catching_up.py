"""What a restored journal must learn of the time since it was saved: the orders that were sent.

An older journal that knew nothing of a slot's orders would send the slot again. So each order at
the broker that carries our prefix and is not in it becomes entries: its run, the order itself,
what it filled, how it ended. What else happened (fees, dividends, trades by hand) a start finds by
itself, in the account's activities. Pure: who asks the broker and who writes live elsewhere.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.orders import BROKER_NEWS, OrderNews
from atlas_daemon.core.runs import parse_order_id
from atlas_daemon.core.scale import RESTORED, spelled
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import ZERO, BrokerOrderId, OrderId, RunId
from atlas_daemon.edges.alpaca.wire import OrderRecord

OUTCOME = "restored"
_CLOCKS_APART = timedelta(minutes=5)
"""An order is written before it is sent; the broker's clock may be behind by so much."""
_OPEN = frozenset({OrderNews.WORKING, OrderNews.CANCELING})


def asked_since(state: State) -> datetime | None:
    """Return from which moment on the broker is asked for orders; None for an empty journal."""
    if not state.seq:
        return None
    since = state.now - _CLOCKS_APART
    adopted_at = state.book.adopted_at
    return since if adopted_at is None else max(since, adopted_at)


def unknown_orders(orders: Iterable[OrderRecord], known: Collection[str]) -> list[OrderRecord]:
    """Return those of our making that the journal lacks, oldest first."""
    found = [
        order
        for order in orders
        if order.client_order_id not in known and parse_order_id(order.client_order_id)
    ]
    return sorted(found, key=_submitted_at)


def events_since(state: State, orders: Iterable[OrderRecord]) -> Iterator[e.Event]:
    """Yield what makes `state` know of `orders`, which `unknown_orders` gave.

    A run that was under way when the journal was saved goes on, unless a later one began. A run
    that the journal never heard of is closed for ever: how far it came only its orders say, and
    a second attempt at it would be a second rebalance.
    """
    by_run: dict[RunId, list[OrderRecord]] = {}
    for order in orders:
        by_run.setdefault(_run_of(order), []).append(order)
    run = state.run
    if run is not None and by_run.keys() <= {run.run_id}:
        for order in by_run.get(run.run_id, ()):
            yield from _order(order, run.run_id, is_wanted=True)
        return
    if run is not None:
        yield _finished(run.run_id, "a later run began before the journal was restored")
    for run_id, group in by_run.items():
        yield from _closed_run(run_id, group, is_known=run_id in state.run_ids)


def scale_anew(state: State, first: Decimal) -> Iterator[e.Event]:
    """Yield that the scale is at most `first` again, the configuration's, and no day is clean.

    Somebody may have lowered it, or something gone wrong, after the journal was saved. Only where
    real money was used.
    """
    ramp = state.ramp
    had = first if ramp.scale is None else ramp.scale
    if had <= first and not ramp.clean_days:
        return
    scale = min(had, first)
    yield e.ScaleChanged(RESTORED, had, scale, 0)
    text = f"restored: the scale is {spelled(scale)} (saved: {spelled(had)}), no session is clean"
    yield e.AlertRaised("warning", "scale", text)


def _closed_run(run_id: RunId, orders: list[OrderRecord], *, is_known: bool) -> Iterator[e.Event]:
    if not is_known:
        day = new_york_day(_submitted_at(orders[0]))
        trigger = run_id.partition("-")[0]
        slot = run_id if trigger.isdigit() else None
        signal_day = NYSE.session_before(day).day
        yield e.RunStarted(run_id, "slot" if slot else trigger, slot, day, signal_day)
    for order in orders:
        yield from _order(order, run_id, is_wanted=False)
    filled = sum(order.status == "filled" for order in orders)
    text = (
        f"run {run_id} is known from the broker only: {filled} of its {len(orders)} orders filled; "
        "it is closed: compare the positions with its target"
    )
    yield e.AlertRaised("critical", "restore", text)
    if not is_known:
        yield _finished(run_id, "known from the broker's orders only")


def _order(order: OrderRecord, run_id: RunId, *, is_wanted: bool) -> Iterator[e.Event]:
    named = parse_order_id(order.client_order_id)
    assert named is not None
    _, side, symbol = named
    order_id, broker_id = OrderId(order.client_order_id), BrokerOrderId(order.id)
    qty = order.filled_qty if order.qty is None else order.qty
    yield e.OrderAdopted(order_id, broker_id, run_id, symbol, side, qty, order.status)
    if order.filled_qty > ZERO and order.filled_avg_price is not None:
        yield e.FillBooked(
            order_id,
            symbol,
            side,
            order.filled_qty,
            order.filled_avg_price,
            order.filled_qty,
            is_complete=order.filled_qty >= qty,
        )
    news = BROKER_NEWS.get(order.status, OrderNews.WORKING)
    if news in _OPEN and not is_wanted:
        yield e.CancelRequested(order_id, "left open before the journal was restored")
    elif news not in _OPEN:
        yield e.OrderStepped(order_id, news.value, order.status, broker_id)


def _finished(run_id: RunId, reason: str) -> e.RunFinished:
    return e.RunFinished(run_id, OUTCOME, is_final=True, reason=reason, report=None)


def _run_of(order: OrderRecord) -> RunId:
    named = parse_order_id(order.client_order_id)
    assert named is not None
    return named[0]


def _submitted_at(order: OrderRecord) -> datetime:
    at = order.submitted_at or order.created_at
    assert at is not None, "the broker lists orders by their submission"
    return at
