"""Orders and entries with sane defaults, and a clock that is set by hand."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.values import (
    Approved,
    BrokerOrderId,
    Draft,
    OrderId,
    OrderType,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.records import ExecutionLogger

OPEN = datetime(2027, 2, 1, 14, 35, 42, tzinfo=UTC)
"""2027-02-01 09:35:42 in New York."""


class HandClock:
    def __init__(self, at=OPEN):
        self.at = at

    def __call__(self):
        return self.at

    def pass_by(self, **delta):
        self.at += timedelta(**delta)


def a_logger(folder, clock=None, **kw):
    kw = {"console": io.StringIO(), "account_label": "[PAPER] LARGE"} | kw
    return ExecutionLogger(folder, clock=clock or HandClock(), **kw)


def a_draft(symbol="SPY", side=Side.BUY, qty="10", **kw):
    fields = {
        "order_id": OrderId(f"atlas-2027-02-r1-{side}-{symbol}-1"),
        "run_id": RunId("2027-02"),
        "order_type": OrderType.MARKET,
        "expected_price": Decimal("450.25"),
    } | kw
    return Draft(symbol=Symbol(symbol), side=side, qty=Decimal(qty), **fields)


def approved(draft):
    return e.OrderApproved(Approved(draft, OPEN, OPEN + timedelta(seconds=60)))


def submitted(draft, sends=1):
    return e.OrderSubmitted(draft.order_id, sends)


def stepped(draft, status, reason="", broker_id=None):
    number = None if broker_id is None else BrokerOrderId(broker_id)
    return e.OrderStepped(draft.order_id, status, status, number, reason)


def filled(draft, qty, price, so_far=None, complete=False):
    return e.FillBooked(
        draft.order_id,
        draft.symbol,
        draft.side,
        Decimal(qty),
        Decimal(price),
        Decimal(so_far or qty),
        complete,
        f"x-{qty}-{so_far}",
    )


def entries(*events, at=OPEN, first=1, every_s=1):
    return [
        e.Entry(first + n, at + timedelta(seconds=n * every_s), None, event)
        for n, event in enumerate(events)
    ]


def a_day(at=OPEN):
    """An order's whole life, and every kind of end."""
    buy, sell = a_draft(), a_draft("AAPL", Side.SELL, "4", expected_price=None)
    slow, lost = a_draft("MSFT"), a_draft("NVDA", qty="3")
    late, odd = a_draft("BRK.B"), a_draft("XOM")
    return entries(
        approved(sell),
        submitted(sell),
        stepped(sell, "working", broker_id="b-1"),
        filled(sell, "4", "187.5", complete=True),
        stepped(sell, "filled", broker_id="b-1"),
        approved(buy),
        submitted(buy),
        stepped(buy, "working", broker_id="b-2"),
        filled(buy, "6", "450.30"),
        filled(buy, "4", "450.40", "10", complete=True),
        approved(slow),
        submitted(slow),
        stepped(slow, "working", broker_id="b-3"),
        filled(slow, "2", "450.25"),
        e.CancelRequested(slow.order_id, "not filled within 300 s"),
        stepped(slow, "canceling"),
        stepped(slow, "canceled", broker_id="b-3"),
        approved(lost),
        submitted(lost),
        stepped(lost, "unknown", "timed out after 30 s"),
        submitted(lost, sends=2),
        stepped(lost, "unknown", "503"),
        stepped(lost, "lapsed", "not found twice"),
        e.OrderRefused(odd, "position_size", "16 %", "15 %", 'too big, "much"\nreally'),
        approved(late),
        submitted(late),
        e.SubmitRefused(late.order_id, "refused", 403, 40310000, "insufficient, buying power"),
        stepped(late, "refused", "insufficient, buying power"),
        at=at,
    )
