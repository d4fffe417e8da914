"""Journals to start from: an account of cash, and orders that rest at the broker."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.values import (
    AccountMode,
    Approved,
    BrokerOrderId,
    Draft,
    OrderId,
    OrderType,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.journal import Journal
from bench.words import ORDERS_OF_BURST, PRICE, resting_id, symbol_of

ACCOUNT = "BENCH"
CASH = Decimal(10_000_000)


def resting(at: datetime, qty: int) -> Iterator[e.Entry]:
    """Yield the entries of an account with ORDERS_OF_BURST buys at work, sent at `at`."""
    for seq, event in enumerate(_events(at, Decimal(qty)), 1):
        yield e.Entry(seq, at, seq - 1 or None, event)


def open_journal(path: Path) -> Journal:
    """Open a journal of the benches' account."""
    return Journal.open(path, account_mode=AccountMode.LOCAL, account_name=ACCOUNT)


def resting_names(qty: int) -> list[tuple[str, str, str]]:
    """Return id, symbol and quantity of the orders of `resting`, as the broker is told of them."""
    return [(resting_id(number), symbol_of(number), str(qty)) for number in range(ORDERS_OF_BURST)]


def _events(at: datetime, qty: Decimal) -> Iterator[e.Event]:
    yield e.DaemonStarted("bench", ACCOUNT, AccountMode.LOCAL, "PA3BENCH", "", is_latched=False)
    yield e.BookAdopted(CASH, (), is_whole=True, why="first start")
    for number, (name, symbol, _) in enumerate(resting_names(int(qty))):
        order_id = OrderId(name)
        draft = Draft(
            order_id,
            RunId("burst-1"),
            Symbol(symbol),
            Side.BUY,
            qty,
            OrderType.MARKET,
            Decimal(PRICE),
        )
        yield e.OrderApproved(Approved(draft, at, at + timedelta(seconds=60)))
        yield e.OrderSubmitted(order_id, sends=1)
        broker_id = BrokerOrderId(f"61e69015-8549-4bfd-b9c3-{number:012d}")
        yield e.OrderStepped(order_id, OrderStatus.WORKING, "new", broker_id)
