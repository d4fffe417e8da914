"""What befalls single orders: rejected, stuck, slow, filled in parts, their cancels refused.

The engine asks at each step of an order's life; nothing is moved here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal

from atlas_daemon.paper.exchange.orders import Order
from atlas_daemon.paper.faults.faults import Faults

FOR_EVER = datetime.max.replace(tzinfo=UTC)
SHARE = Decimal(1) / 3


class OrderFaults:
    """The orders' part of the fault console. `on_admitted` is told of each order accepted."""

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self._held: dict[str, datetime] = {}
        self.on_admitted: Callable[[Order], None] = lambda order: None

    def admitted(self, order: Order) -> None:
        """Take note of an order that was accepted: it may be one that will be stuck, or slow."""
        self.on_admitted(order)
        for kind in ("stuck_order", "slow_fill"):
            fault = self._faults.for_order(kind, order.symbol, order.side)
            if fault is not None:
                until = FOR_EVER
                if fault.seconds is not None:
                    until = order.submitted_at + timedelta(seconds=fault.seconds)
                self._held[order.id] = max(until, self._held.get(order.id, until))

    def rejects(self, order: Order) -> bool:
        """True where an accepted order is now rejected."""
        return self._faults.for_order("reject_order", order.symbol, order.side) is not None

    def holds(self, order: Order, now: datetime) -> bool:
        """True where the order may not fill yet."""
        return bool(self._held) and self._held.get(order.id, now) > now

    def part(self, order: Order, wanted: Decimal) -> Decimal | None:
        """How much of the wanted shares this execution brings; None where nothing is wrong."""
        fault = self._faults.for_order("partial_fill", order.symbol, order.side)
        if fault is None:
            return None
        step = Decimal(1) if wanted == wanted.to_integral_value() else Decimal("0.000000001")
        part = (wanted * (fault.share or SHARE)).quantize(step, ROUND_UP)
        return min(part, wanted)

    def refuses_cancel(self, order: Order) -> bool:
        """True where a cancel that was taken is now rejected."""
        return self._faults.for_order("refuse_cancel", order.symbol, order.side) is not None

    def release(self) -> None:
        """Let every order fill that was held."""
        self._held.clear()
