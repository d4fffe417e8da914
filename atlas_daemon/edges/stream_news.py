"""The broker's news in the core's words: of the stream, and of an order by whatever answer."""

from collections.abc import Iterator

from atlas_daemon.core import events as e
from atlas_daemon.core.values import OrderId, Side
from atlas_daemon.edges.alpaca.frames import TradeUpdate
from atlas_daemon.edges.alpaca.stream import BadFrame, LinkStatus, StreamNews, StreamState
from atlas_daemon.edges.alpaca.wire import OrderBrief

EXECUTIONS = frozenset({"fill", "partial_fill"})
UNDONE = frozenset({"trade_bust", "trade_correct"})
"""An earlier execution was taken back or changed: what it moved must be looked at anew."""
KNOWN = EXECUTIONS | {
    "accepted",
    "calculated",
    "canceled",
    "done_for_day",
    "expired",
    "held",
    "new",
    "order_cancel_rejected",
    "order_replace_rejected",
    "partially_filled",
    "pending_cancel",
    "pending_new",
    "pending_replace",
    "pending_review",
    "rejected",
    "replaced",
    "restated",
    "stopped",
    "suspended",
}


def events_of(news: StreamNews) -> Iterator[e.Event]:
    """Yield what a piece of news is to the core; a busy place is a refused one."""
    match news:
        case StreamState(status=LinkStatus.BUSY, detail=detail):
            yield e.StreamReported("refused", f"another connection holds it: {detail}")
        case StreamState(status=status, detail=detail):
            yield e.StreamReported(str(status), detail)
        case BadFrame(detail=detail, excerpt=excerpt):
            yield e.FrameUnread(detail, excerpt)
        case TradeUpdate():
            yield from _update(news)


def side_of(text: str) -> Side:
    """Return the direction of the broker's side; whatever sells is a sell."""
    return Side.SELL if text.startswith("sell") else Side.BUY


def _update(update: TradeUpdate) -> Iterator[e.Event]:
    order = update.order
    if update.event in UNDONE or update.event not in KNOWN:
        yield e.FrameUnread(f"{update.event} of order {order.client_order_id}", update.event)
    is_execution = (
        update.event in EXECUTIONS
        and update.execution_id is not None
        and update.qty is not None
        and update.price is not None
    )
    if is_execution:
        assert update.execution_id and update.qty is not None and update.price is not None
        yield e.OrderFilled(
            order_id=OrderId(order.client_order_id),
            broker_order_id=order.id,
            symbol=order.symbol,
            side=side_of(order.side),
            order_qty=order.qty,
            execution_id=update.execution_id,
            qty=update.qty,
            price=update.price,
            filled_qty=order.filled_qty,
            filled_avg_price=order.filled_avg_price,
            status=order.status,
            filled_at=update.timestamp,
        )
        return
    yield reported(order, "stream")


def reported(order: OrderBrief, source: str) -> e.OrderReported:
    """Return an order of the broker's as the core hears of it; `source` says from where."""
    return e.OrderReported(
        order_id=OrderId(order.client_order_id),
        broker_order_id=order.id,
        symbol=order.symbol,
        side=side_of(order.side),
        qty=order.qty,
        status=order.status,
        filled_qty=order.filled_qty,
        filled_avg_price=order.filled_avg_price,
        source=source,
        reported_at=order.updated_at,
    )
