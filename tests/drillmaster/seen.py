"""Both sides' record of a rebalance of the core's world, to be judged as it is, or spoiled."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.drillmaster.books import Books
from atlas_daemon.drillmaster.verdicts import Check
from atlas_daemon.drillmaster.wire import Post
from tests.core.world import World
from tests.historian.journals import calm

BUY = "atlas-2024-02-r1-buy-AAPL-1"
OTHER_BUY = "atlas-2024-02-r1-buy-MSFT-1"
SELL = "atlas-2024-02-r1-sell-XOM-1"


@cache
def good() -> Books:
    """A rebalance in which all went well: XOM sold, AAPL and MSFT bought."""
    return books_of(calm())


def books_of(world: World) -> Books:
    """What a world's broker and its journal have."""
    sent = _moments(world, e.OrderSubmitted)
    ended = _moments(world, e.FillBooked)
    pulled = {
        x.event.order_id: x.at
        for x in world.journal
        if isinstance(x.event, e.OrderStepped) and x.event.status == OrderStatus.CANCELED
    }
    orders = [
        {
            "client_order_id": order.order_id,
            "symbol": str(order.symbol),
            "side": str(order.side),
            "status": order.status,
            "filled_qty": str(order.filled_qty),
            "submitted_at": sent[order.order_id].isoformat(),
            "canceled_at": pulled[order.order_id].isoformat() if order.order_id in pulled else None,
            "filled_at": ended[order.order_id].isoformat() if order.order_id in ended else None,
        }
        for order in world.orders.values()
    ]
    return Books(
        orders=orders,
        executed={o.order_id: o.filled_qty for o in world.orders.values() if o.filled_qty},
        positions={str(symbol): qty for symbol, qty in world.held.items() if qty},
        cash=world.cash,
        open_orders=0,
        entries=tuple(world.journal),
        journal_fault="",
        posts=tuple(
            Post(order_id, float(n), status=200, answered_at_s=n + 0.1)
            for n, order_id in enumerate(world.orders)
        ),
    )


def _moments(world: World, kind: type) -> dict[str, datetime]:
    """The last entry of a kind, by order."""
    return {x.event.order_id: x.at for x in world.journal if isinstance(x.event, kind)}


def reds(checks: Iterable[Check]) -> set[str]:
    """The names of what is not as it must be."""
    return {check.name for check in checks if not check.is_good}


def with_order(books: Books, order_id: str, **changes: Any) -> Books:
    """The broker's record with one order otherwise."""
    assert any(order["client_order_id"] == order_id for order in books.orders)
    orders = [
        {**order, **changes} if order["client_order_id"] == order_id else order
        for order in books.orders
    ]
    return replace(books, orders=orders)


def with_posts(books: Books, *posts: Post) -> Books:
    """The wire's record with more of them, sorted by time."""
    return replace(books, posts=tuple(sorted([*books.posts, *posts], key=lambda p: p.at_s)))


def without(books: Books, kind: type, order_id: str = "") -> Books:
    """The journal without the events of a kind, or of one order."""

    def goes(event: e.Event) -> bool:
        return isinstance(event, kind) and order_id in ("", getattr(event, "order_id", ""))

    assert any(goes(entry.event) for entry in books.entries)
    kept = [entry for entry in books.entries if not goes(entry.event)]
    return replace(books, entries=tuple(kept))


def with_event(books: Books, event: e.Event, later_s: float = 0.0) -> Books:
    """The journal with one more entry at its end."""
    last = books.entries[-1]
    entry = e.Entry(last.seq + 1, last.at + timedelta(seconds=later_s), None, event)
    return replace(books, entries=(*books.entries, entry))


def twice_booked(books: Books, order_id: str) -> Books:
    """The journal with the first fill of an order written twice."""
    entries: list[e.Entry] = []
    for entry in books.entries:
        entries.append(entry)
        fill = entry.event
        if isinstance(fill, e.FillBooked) and fill.order_id == order_id:
            entries.append(replace(entry, event=replace(fill, execution_id="again")))
            order_id = ""
    assert not order_id
    return replace(books, entries=tuple(entries))
