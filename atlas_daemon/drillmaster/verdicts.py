"""What must be true of both sides' record, whatever went wrong: one function for each promise.

Each yields checks with their figures and knows nothing of how the record came about, so that a
record made up for a test is judged as a real one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from atlas_daemon.config.digests import code_digest
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Side

from .books import Books

CENT = Decimal("0.01")
SHARE = Decimal(1)
"""What an achieved position may differ from its target."""
ENDS = ("filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at")
NOT_TAKEN_AGAIN = (409, 422)
"""How a broker answers an order whose id it has already."""
NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to be so, and what was seen."""

    name: str
    is_good: bool
    text: str
    """With its figures."""


def never_twice(books: Books) -> Iterator[Check]:
    """No id there twice, none sent again after it was taken, no two live orders of a symbol."""
    ids = Counter(str(order["client_order_id"]) for order in books.orders)
    twice = {order_id for order_id, count in ids.items() if count > 1}
    twice |= {post.order_id for post in books.posts if post.status in NOT_TAKEN_AGAIN}
    yield Check(
        "sent twice",
        not twice,
        f"orders sent twice: {len(twice)}{_named(twice)} of {len(books.orders)} at the broker",
    )
    beside = [*_side_by_side(books.orders)]
    yield Check(
        "side by side",
        not beside,
        f"orders of one symbol side by side: {len(beside)}{_named(beside)}",
    )


def never_lost(books: Books) -> Iterator[Check]:
    """Each execution is booked once and whole, and each order of ours is in the journal."""
    booked: dict[str, Decimal] = {}
    for fill in books.all(e.FillBooked):
        booked[fill.order_id] = booked.get(fill.order_id, Decimal(0)) + fill.qty
    for adopted in books.all(e.OrderAdopted):  # what it had filled then came with it
        booked.setdefault(adopted.order_id, books.executed.get(adopted.order_id, Decimal(0)))
    everywhere = {*booked, *books.executed}
    lost = {i for i in everywhere if booked.get(i, 0) < books.executed.get(i, 0)}
    too_often = {i for i in everywhere if booked.get(i, 0) > books.executed.get(i, 0)}
    shares = sum(books.executed.values(), Decimal(0))
    yield Check(
        "fills lost",
        not lost and bool(books.executed),
        f"fills lost: {len(lost)}{_named(lost)} of {shares:f} shares in {len(books.executed)}"
        " orders",
    )
    yield Check("fills booked twice", not too_often, f"booked twice: {len(too_often)}"
                f"{_named(too_often)}")  # fmt: skip
    written = {x.order_id for x in books.all(e.OrderSubmitted)}
    written |= {x.order_id for x in books.all(e.OrderAdopted)}
    unknown = {str(order["client_order_id"]) for order in books.orders} - written
    yield Check(
        "written first",
        not unknown,
        f"orders that the journal lacks: {len(unknown)}{_named(unknown)}",
    )


def books_agree(books: Books) -> Iterator[Check]:
    """Our book is the broker's, to the share and the cent; no debt, nothing open, chain whole.

    And whose they are: what goes on record is said of this process's code.
    """
    state = books.state()
    ours = {str(symbol): qty for symbol, qty in state.book.positions.items() if qty}
    differing = [
        f"{symbol} {ours.get(symbol, 0)} / {books.positions.get(symbol, 0)}"
        for symbol in sorted({*ours, *books.positions})
        if ours.get(symbol, Decimal(0)) != books.positions.get(symbol, Decimal(0))
    ]
    cash = abs(state.book.cash - books.cash)
    parts = sum(1 for fill in books.all(e.FillBooked) if fill.qty % 1)
    tolerance = CENT + parts * CENT / 2  # an execution of a part of a share is rounded to a cent
    yield Check(
        "books",
        not differing and cash <= tolerance,
        f"positions that differ from the broker's: {len(differing)}{_named(differing)} of "
        f"{len(books.positions)}, cash by {cash:.2f}",
    )
    yield Check("debt", books.cash >= 0, f"cash {books.cash:,.2f}")
    yield Check("left open", books.open_orders == 0, f"orders left open: {books.open_orders}")
    fault = books.journal_fault or f"chain of {len(books.entries)} entries intact"
    yield Check("journal", not books.journal_fault, fault)
    others = sorted(code[:12] for code in books.codes - {code_digest()})
    yield Check(
        "code", not others, f"daemons of other code than this: {len(others)}{_named(others)}"
    )
    told = books.complaints[0] if books.complaints else "none"
    yield Check("exceptions", not books.complaints, f"exceptions of its own: {told}")


def on_target(books: Books) -> Iterator[Check]:
    """The run is done for ever and what is held is what its last plan wanted, within a share."""
    ends = [end for end in books.all(e.RunFinished) if end.is_final]
    outcome = f"{ends[-1].run_id} {ends[-1].outcome}" if ends else "no run ended"
    yield Check("run", bool(ends) and ends[-1].outcome == "done", f"run {outcome}")
    plans = books.all(e.RunPlanned)
    wanted: Mapping[str, Decimal] = (
        {str(line.symbol): line.target_qty for line in plans[-1].lines} if plans else {}
    )
    off = [
        f"{symbol} {books.positions.get(symbol, 0)} for {wanted.get(symbol, 0)}"
        for symbol in sorted({*wanted, *books.positions})
        if abs(books.positions.get(symbol, Decimal(0)) - wanted.get(symbol, Decimal(0))) > SHARE
    ]
    there = sum(1 for qty in wanted.values() if qty)
    yield Check(
        "targets",
        bool(wanted) and not off,
        f"positions off their target: {len(off)}{_named(off)} of {len(wanted)} lines "
        f"({there} held)",
    )


def sells_first(books: Books) -> Iterator[Check]:
    """No buy was sent while a sell of ours was open."""
    early = [
        str(buy["client_order_id"])
        for buy in books.orders
        if buy["side"] == Side.BUY
        and any(
            sell["side"] == Side.SELL
            and _moment(sell["submitted_at"]) < _moment(buy["submitted_at"]) < _ended_at(sell)
            for sell in books.orders
        )
    ]
    yield Check("sells first", not early, f"buys amid open sells: {len(early)}{_named(early)}")


def whole(books: Books) -> Iterator[Check]:
    """Every promise of a rebalance that ends at its target."""
    for promise in (never_twice, never_lost, sells_first, on_target, books_agree):
        yield from promise(books)


def _side_by_side(orders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    last: dict[str, Mapping[str, Any]] = {}
    for order in sorted(orders, key=lambda each: str(each["submitted_at"])):
        before = last.get(order["symbol"])
        if before is not None and _ended_at(before) > _moment(order["submitted_at"]):
            yield f"{before['client_order_id']} and {order['client_order_id']}"
        last[order["symbol"]] = order


def _ended_at(order: Mapping[str, Any]) -> datetime:
    """The moment of its end; far ahead where it is open."""
    ends = [_moment(order[name]) for name in ENDS if order.get(name)]
    return min(ends, default=datetime.max.replace(tzinfo=_moment(order["submitted_at"]).tzinfo))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _named(what: Iterable[str]) -> str:
    """The first few, in brackets; nothing where there are none."""
    names = sorted(what)
    more = ", ..." if len(names) > NAMED_MAX else ""
    return f" ({', '.join(names[:NAMED_MAX])}{more})" if names else ""
