"""A story as plain data for programs: moments RFC 3339 in UTC, figures as strings."""

from dataclasses import asdict
from typing import Any

from atlas_daemon.core.plain import moment, rounded, text

from .history import OrderTold
from .steps import Step
from .stories import Explanation


def document(told: Explanation) -> dict[str, Any]:
    """Return a story as JSON-ready data."""
    return {
        "kind": told.subject.kind,
        "name": told.subject.name,
        "title": told.title,
        "facts": dict(told.facts),
        "not_done": [asdict(undone) | {"text": undone.text} for undone in told.undone],
        "orders": [_order(order) for order in told.orders],
        "holdings": [
            {
                "seq": holding.moved.seq,
                "at": moment(holding.at),
                "before": text(holding.moved.before),
                "after": text(holding.moved.after),
                "text": holding.text,
            }
            for holding in told.holdings
        ],
        "steps": [_step(step) for step in told.steps],
        "notes": list(told.notes),
        "fault": told.fault,
    }


def _order(order: OrderTold) -> dict[str, Any]:
    return {
        "id": order.order_id,
        "broker_id": order.broker_order_id,
        "run": order.run_id,
        "symbol": order.symbol,
        "side": None if order.side is None else order.side.value,
        "qty": text(order.qty),
        "expected_price": text(order.expected_price),
        "filled_qty": text(order.filled_qty),
        "filled_avg_price": text(rounded(order.filled_avg_price)),
        "status": order.status,
        "reason": order.reason,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "seq": step.seq,
        "cause": step.cause,
        "at": moment(step.at),
        "type": step.kind,
        "level": step.level,
        "speaker": step.speaker,
        "text": step.text,
        "figures": list(step.figures),
    }
