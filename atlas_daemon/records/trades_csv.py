"""The trades file: rows as a pure function of journal entries. No disk here.

| what happened | action | status |
|---|---|---|
| a request left (again) | BUY, SELL | submitted |
| shares moved | FILL | partially_filled, filled |
| seen cancelled | CANCEL | canceled |
| the broker or a rule of ours said no | REJECT | rejected |
| the day ended | EXPIRE | expired |
| replaced at the broker | REPLACE | replaced |
| the answer was lost | UNKNOWN | unknown |
| surely never arrived, asked twice | LAPSE | lapsed |
| surely never left | WITHHELD | withheld |

`qty` is the order's quantity, in a FILL row this execution's. `price` is this execution's in a FILL
row, else the limit or the expected price. `fill_qty` is this execution's in a FILL row, else what
had been filled by then (CANCEL, EXPIRE, REPLACE). `fill_price` and `commission` stand in FILL rows
only, so that slippage counts nothing twice. `order_id` is the broker's, where known.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.values import ZERO, Draft, OrderId

from .lines import cell, number, stamp

COMMISSION = ZERO
"""Alpaca takes none on US stocks; regulatory fees come by the day, as account activities."""


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """What the entries so far say of an order: enough to tell the next one as a row or a line."""

    draft: Draft
    status: str = OrderStatus.SENDING
    broker_order_id: str = ""
    filled_qty: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the file: the fields are its columns, in their order, as text."""

    timestamp: str
    symbol: str
    action: str
    qty: str
    price: str = ""
    order_type: str = ""
    order_id: str = ""
    status: str
    error: str = ""
    expected_price: str = ""
    fill_price: str = ""
    fill_qty: str = ""
    commission: str = ""
    client_order_id: str = ""
    run: str = ""


COLUMNS = tuple(field.name for field in fields(Row))

# Ends and doubts of an order that are rows of their own; a fill is told by its executions.
_ACTIONS: Mapping[str, tuple[str, str]] = {
    OrderStatus.CANCELED: ("CANCEL", "canceled"),
    OrderStatus.REJECTED: ("REJECT", "rejected"),
    OrderStatus.REFUSED: ("REJECT", "rejected"),
    OrderStatus.EXPIRED: ("EXPIRE", "expired"),
    OrderStatus.REPLACED: ("REPLACE", "replaced"),
    OrderStatus.UNKNOWN: ("UNKNOWN", "unknown"),
    OrderStatus.LAPSED: ("LAPSE", "lapsed"),
    OrderStatus.WITHHELD: ("WITHHELD", "withheld"),
}
_FILLED_BY_THEN = frozenset({"CANCEL", "EXPIRE", "REPLACE"})


def seen(orders: Mapping[OrderId, OrderSeen], entry: Entry) -> OrderSeen | None:
    """Return what is known of the entry's order after it; None where it is about none."""
    event = entry.event
    if isinstance(event, e.OrderApproved):
        draft = event.approved.draft
        known = orders.get(draft.order_id)
        return OrderSeen(draft) if known is None else replace(known, draft=draft)
    if not isinstance(event, e.OrderSubmitted | e.OrderStepped | e.FillBooked):
        return None
    known = orders.get(event.order_id)
    if known is None:
        return None
    match event:
        case e.OrderSubmitted():
            return replace(known, status=OrderStatus.SENDING)
        case e.OrderStepped():
            broker_order_id = event.broker_order_id or known.broker_order_id
            return replace(known, status=event.status, broker_order_id=broker_order_id)
        case e.FillBooked():
            return replace(known, filled_qty=known.filled_qty + event.qty)


TOLD_BY_ROWS = frozenset({e.OrderRefused, e.OrderSubmitted, e.OrderStepped, e.FillBooked})
"""Events that may have rows."""


def rows(entry: Entry, orders: Mapping[OrderId, OrderSeen]) -> list[Row]:
    """Return the rows of one entry. `orders` is what was seen of the orders before it."""
    event = entry.event
    match event:
        case e.OrderRefused():
            error = f"{event.rule}: {event.detail} (actual {event.actual}, limit {event.limit})"
            return [_of_draft(entry.at, event.draft, "REJECT", "rejected", error=error)]
        case e.OrderSubmitted():
            known = orders.get(event.order_id)
            return [] if known is None else [_submitted(entry.at, known)]
        case e.OrderStepped():
            known = orders.get(event.order_id)
            return [] if known is None else _stepped(entry.at, event, known)
        case e.FillBooked():
            return [_filled(entry.at, event, orders.get(event.order_id))]
        case _:
            return []


def _submitted(at: datetime, known: OrderSeen) -> Row:
    row = _of_draft(at, known.draft, known.draft.side.upper(), "submitted")
    return replace(row, order_id=known.broker_order_id)


def _stepped(at: datetime, event: e.OrderStepped, known: OrderSeen) -> list[Row]:
    told = _ACTIONS.get(event.status)
    if told is None or event.status == known.status:
        return []
    action, status = told
    row = _of_draft(at, known.draft, action, status, error=event.reason)
    return [
        replace(
            row,
            order_id=event.broker_order_id or known.broker_order_id,
            fill_qty=number(known.filled_qty) if action in _FILLED_BY_THEN else "",
        )
    ]


def _filled(at: datetime, event: e.FillBooked, known: OrderSeen | None) -> Row:
    draft = None if known is None else known.draft
    return Row(
        timestamp=stamp(at),
        symbol=event.symbol,
        action="FILL",
        qty=number(event.qty),
        price=number(event.price),
        order_type="" if draft is None else draft.order_type.value,
        order_id="" if known is None else known.broker_order_id,
        status="filled" if event.is_complete else "partially_filled",
        expected_price="" if draft is None else number(draft.expected_price),
        fill_price=number(event.price),
        fill_qty=number(event.qty),
        commission=number(COMMISSION),
        client_order_id=event.order_id,
        run="" if draft is None else draft.run_id,
    )


def _of_draft(at: datetime, draft: Draft, action: str, status: str, *, error: str = "") -> Row:
    limit = draft.limit_price
    return Row(
        timestamp=stamp(at),
        symbol=draft.symbol,
        action=action,
        qty=number(draft.qty),
        price=number(draft.expected_price if limit is None else limit),
        order_type=draft.order_type.value,
        status=status,
        error=error,
        expected_price=number(draft.expected_price),
        client_order_id=draft.order_id,
        run=draft.run_id,
    )


def header() -> str:
    """Return the file's first line."""
    return _text([COLUMNS])


def text_of(found: Iterable[Row]) -> str:
    """Return rows as lines of the file; a cell with a comma, a quote or a line end is quoted."""
    return _text([cell(str(getattr(row, name))) for name in COLUMNS] for row in found)


def _text(lines: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
