"""The stop as people see it: complete or not, durable or not, what is unconfirmed and left."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from .plain import age, moment
from .policy import Policy
from .runs import managed_in_book, managed_positions
from .state import State
from .values import OrderId, Symbol

View = dict[str, Any]


def halt_of(state: State, policy: Policy, now: datetime, fault: str) -> View | None:
    """Return the stop as a status page shows it; None where trading is not halted.

    `fault` is why the journal takes no entries.
    """
    halt = state.halt
    if halt is None:
        return None
    return {
        "by": halt.by,
        "reason": halt.reason,
        "at": moment(halt.at),
        "age_s": age(halt.at, now),
        "is_complete": halt.is_complete,
        "is_durable": halt.is_durable and not fault,
        "open_orders": sum(1 for _ in state.open_orders()),
        "unconfirmed": unconfirmed(state, policy),
        "suspend_trade": state.suspension,
        "flatten": None
        if not policy.flatten_on_stop
        else {"run": halt.flatten, "left": len(_left(state, policy))},
    }


def unconfirmed(state: State, policy: Policy) -> int:
    """Return how many orders that the stop cancels were not seen gone yet, others' too."""
    snapshot = state.figures.snapshot
    listed = snapshot.open_orders if snapshot is not None and policy.stop_scope_account else ()
    others = [order for order in listed if OrderId(order.client_order_id) not in state.orders]
    return sum(1 for _ in state.open_orders()) + len(others)


def _left(state: State, policy: Policy) -> dict[Symbol, Decimal]:
    """What a flatten has still to sell: by the broker's latest word, else by our own book."""
    if state.figures.snapshot is None:
        return managed_in_book(state, policy)
    return managed_positions(state, policy)
