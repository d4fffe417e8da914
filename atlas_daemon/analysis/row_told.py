"""An order of the report as plain data, with its prices, its moments and the parts of its cost."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from atlas_daemon.core.plain import moment, text
from atlas_daemon.core.values import ZERO

from . import execution
from .decided import OrderRead
from .shortfall import Parts, Row, raw_gap

PARTS = ("delay", "trading", "opportunity", "fees")


def parts_told(parts: Parts | None, notional: Decimal) -> dict[str, Any]:
    """Return dollars and basis points; None where nothing can be measured."""
    if parts is None:
        return dict.fromkeys((*PARTS, "total", "bps"))
    bps = parts.bps(notional)
    told: dict[str, Any] = {name: text(part) for name, part in zip(PARTS, parts.each, strict=True)}
    told["total"] = text(parts.total)
    told["bps"] = None
    if bps is not None:
        told["bps"] = {name: text(part) for name, part in zip(PARTS, bps, strict=True)}
        told["bps"]["total"] = text(sum(bps, ZERO))
    return told


def name_of(row: Row) -> str:
    """Return what a row is called: its order's id, or what it is a part of."""
    if row.order is not None:
        return str(row.order.order_id)
    return f"{row.run.run_id} {row.side} {row.symbol}"


def row_of(row: Row) -> dict[str, Any]:
    """Return one order, or the part of a decision that no order had."""
    order, decision = row.order, row.decision
    base = {
        "run": row.run.run_id,
        "order": None if order is None else order.order_id,
        "symbol": row.symbol,
        "side": row.side.value,
        "status": "no order" if order is None else order.status,
        "wanted_qty": text(row.rest_qty if order is None else order.wanted_qty),
        "qty": text(None if order is None else order.qty),
        "filled_qty": text(row.filled_qty),
        "carried_qty": text(row.carried_qty),
        "rest_qty": text(row.rest_qty),
        "rest_why": row.rest_why,
        "unpriced_qty": text(row.unpriced_qty),
        "decided_at": None if decision is None else moment(decision.at),
        "decision_price": text(row.prices.decision),
        "arrival_price": text(row.prices.arrival),
        "average_price": None if row.average is None else text(_short(row.average)),
        "end_price": text(row.prices.end),
        "end_at": None if row.end is None else moment(row.end.at),
        "end_source": None if row.end is None else row.end.source,
        "notional": text(row.notional),
        **parts_told(row.parts, row.notional),
        "slippage_bps": None,
        "raw_gap": None,
        "sends": 0,
        "sent_at": None,
        "first_fill_at": None,
        "filled_at": None,
        "done_at": None,
        "seconds_to_first_fill": None,
        "seconds_to_fill": None,
        "notes": list(row.notes),
    }
    return base if order is None else base | _times(row, order)


def _times(row: Row, order: OrderRead) -> dict[str, Any]:
    gap, bps = raw_gap(row), execution.slippage_bps(order)
    return {
        "slippage_bps": None if bps is None else round(bps, 4),
        "raw_gap": None if gap is None else text(_short(gap)),
        "sends": order.sends,
        "sent_at": moment(order.sent_at),
        "first_fill_at": moment(order.first_fill_at),
        "filled_at": moment(order.filled_at),
        "done_at": moment(order.done_at),
        "seconds_to_first_fill": _span(order.sent_at, order.first_fill_at),
        "seconds_to_fill": _span(order.sent_at, order.filled_at),
    }


def _span(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def _short(value: Decimal) -> Decimal:
    """Return at most six decimals, and no zeros at the end of them."""
    cut = round(value, 6)
    return cut.quantize(Decimal(1)) if cut == cut.to_integral_value() else cut.normalize()
