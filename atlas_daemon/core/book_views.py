"""What our book and the account's disagree about, for `views`: foreign orders, cash, activities."""

from typing import Any

from .plain import moment, text
from .state import State

View = dict[str, Any]


def foreign_orders(state: State) -> list[View]:
    """Foreign orders: those still listed, or all that were ever seen where no list is known."""
    snapshot = state.figures.snapshot
    listed = None if snapshot is None else {str(o.broker_order_id) for o in snapshot.open_orders}
    return [
        {
            "broker_id": broker_id,
            "client_order_id": found.client_order_id,
            "symbol": found.symbol,
            "side": found.side.value,
            "qty": text(found.qty),
            "carries_our_prefix": found.carries_our_prefix,
        }
        for broker_id, found in state.foreign.items()
        if listed is None or broker_id in listed
    ]


def cash_dispute(state: State) -> View | None:
    """Return the two figures while no activity explains why they differ."""
    dispute = state.cash_dispute
    if dispute is None:
        return None
    return {
        "ours": text(dispute.ours),
        "theirs": text(dispute.theirs),
        "unexplained": text(dispute.theirs - dispute.ours),
    }


def activities(state: State) -> list[View]:
    """The latest activities that are on record, newest first."""
    return [
        {
            "at": moment(at),
            "kind": booked.activity.kind,
            "symbol": booked.activity.symbol,
            "cash": text(booked.cash + booked.cash_named),
            "moves": {move.symbol: text(move.qty) for move in booked.moves},
            "is_explained": booked.is_explained,
            "note": booked.note,
        }
        for at, booked in reversed(state.activities.latest)
    ]
