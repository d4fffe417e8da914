"""A verdict is red where the record of either side shows a promise broken, and green elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from atlas_daemon.config.digests import code_digest
from atlas_daemon.core import events as e
from atlas_daemon.drillmaster.books import Books
from atlas_daemon.drillmaster.verdicts import whole
from atlas_daemon.drillmaster.wire import Post
from tests.drillmaster.seen import (
    BUY,
    OTHER_BUY,
    SELL,
    good,
    reds,
    twice_booked,
    with_order,
    with_posts,
    without,
)


def test_a_rebalance_without_a_flaw_is_green_with_its_figures() -> None:
    checks = {check.name: check for check in whole(good())}
    assert reds(checks.values()) == set()
    assert checks["sent twice"].text == "orders sent twice: 0 of 3 at the broker"
    assert checks["fills lost"].text.startswith("fills lost: 0 of ")
    assert checks["targets"].text == "positions off their target: 0 of 3 lines (2 held)"


def _doubled(books: Books) -> Books:
    return replace(books, orders=(*books.orders, books.orders[-1]))


def _side_by_side(books: Books) -> Books:
    one = next(order for order in books.orders if order["client_order_id"] == BUY)
    return replace(books, orders=(*books.orders, {**one, "client_order_id": f"{BUY}x"}))


def _held(books: Books, **changes: int) -> Books:
    more = {symbol: Decimal(qty) for symbol, qty in changes.items()}
    return replace(books, positions={**books.positions, **more})


SPOILED: dict[str, tuple[Callable[[Books], Books], set[str]]] = {
    "an id twice at the broker": (_doubled, {"sent twice", "side by side"}),
    "an id sent again after it was taken": (
        lambda books: with_posts(books, Post(BUY, 9.0, status=422)),
        {"sent twice"},
    ),
    "two live orders of a symbol": (_side_by_side, {"side by side", "written first"}),
    "a fill that nobody booked": (
        lambda books: without(books, e.FillBooked, OTHER_BUY),
        {"fills lost", "books"},
    ),
    "a fill booked twice": (
        lambda books: twice_booked(books, BUY),
        {"fills booked twice", "books"},
    ),
    "an order that the journal lacks": (
        lambda books: without(books, e.OrderSubmitted, SELL),
        {"written first"},
    ),
    "no fills at all": (
        lambda books: replace(books, executed={}),
        {"fills lost", "fills booked twice"},
    ),
    "a buy amid an open sell": (
        lambda books: with_order(books, SELL, filled_at=None),
        {"sells first"},
    ),
    "a position off its target": (lambda books: _held(books, AAPL=1), {"targets", "books"}),
    "something held that nobody wanted": (lambda books: _held(books, INTC=9), {"targets", "books"}),
    "a run that did not end": (lambda books: without(books, e.RunFinished), {"run"}),
    "no plan": (lambda books: without(books, e.RunPlanned), {"targets"}),
    "cash that is not the broker's": (
        lambda books: replace(books, cash=books.cash + 1),
        {"books"},
    ),
    "a debt": (lambda books: replace(books, cash=Decimal(-1)), {"books", "debt"}),
    "an order left open": (lambda books: replace(books, open_orders=1), {"left open"}),
    "a journal whose chain is broken": (
        lambda books: replace(books, journal_fault="entry 7 was altered"),
        {"journal"},
    ),
    "a daemon of other code": (
        lambda books: replace(books, codes=frozenset({code_digest(), "0dd" * 21})),
        {"code"},
    ),
    "a daemon that fell over": (
        lambda books: replace(books, complaints=("KeyError: 'x'",)),
        {"exceptions"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("flaw", SPOILED)
def test_each_flaw_makes_its_own_check_red(flaw: str) -> None:
    spoil, wanted = SPOILED[flaw]
    found = reds(whole(spoil(good())))
    assert wanted <= found, flaw
    assert found <= wanted | {"run", "targets"}, "and hardly another"


def test_every_check_of_a_rebalance_can_be_red() -> None:
    names = {check.name for check in whole(good())}
    assert names == set().union(*(wanted for _, wanted in SPOILED.values()))
