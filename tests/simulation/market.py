"""The market and the account: what becomes of orders, of shares and of money.

It lives on the timeline, outside the daemon: what reached it happens whoever is alive. It knows no
faults of the network; those of the market (partial, slow, rejected ...) are asked of `Faults`.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from atlas_daemon.core.sessions import NYSE
from tests.simulation.faults import Faults
from tests.simulation.loop import Timeline

ENDED = frozenset({"filled", "canceled", "expired", "rejected"})
NEW_YORK = ZoneInfo("America/New_York")
ZERO = Decimal(0)
SPREAD = Decimal("0.01")
LAG_S = 4.0
"""Positions and cash may be told as they were so long ago: less than the daemon's grace."""


@dataclass
class Order:
    """An order as the broker keeps it."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    kind: str
    limit: Decimal | None
    at: datetime
    status: str = "pending_new"
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    updated_at: datetime | None = None
    executions: int = 0
    cancels_refused: int = 0

    @property
    def is_open(self) -> bool:
        return self.status not in ENDED

    @property
    def left(self) -> Decimal:
        return self.qty - self.filled_qty

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    def wire(self) -> dict[str, object]:
        average = self.filled_value / self.filled_qty if self.filled_qty else None
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            "symbol": self.symbol,
            "side": self.side,
            "qty": f"{self.qty:f}",
            "filled_qty": f"{self.filled_qty:f}",
            "filled_avg_price": None if average is None else f"{average:.6f}",
            "type": self.kind,
            "order_class": "",
            "time_in_force": "day",
            "asset_class": "us_equity",
            "limit_price": None if self.limit is None else f"{self.limit:f}",
            "status": self.status,
            "submitted_at": stamp(self.at),
            "created_at": stamp(self.at),
            "updated_at": stamp(self.updated_at or self.at),
        }


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Market:
    """One account. `tell` is given every stream event, `note` every word for the story."""

    timeline: Timeline
    faults: Faults
    chance: random.Random
    cash: Decimal
    held: dict[str, Decimal]
    prices: dict[str, Decimal]
    tell: Callable[[dict[str, object]], None] = lambda event: None
    note: Callable[..., None] = lambda *words: None
    on_accept: Callable[[Order], None] = lambda order: None
    on_fill: Callable[[Order, Decimal, Decimal], None] = lambda order, qty, price: None
    orders: dict[str, Order] = field(default_factory=dict)
    burnt: set[str] = field(default_factory=set)
    activities: list[tuple[datetime, dict[str, object]]] = field(default_factory=list)
    """What moved the account, each with the moment since when it is told."""
    touched: set[str] = field(default_factory=set)
    """Symbols that somebody or something else than the daemon moved."""
    is_suspended: bool = False
    moved_at: datetime | None = None
    """When shares or money moved last."""
    _past: list[tuple[float, Decimal, dict[str, Decimal]]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.timeline.moment()

    @property
    def equity(self) -> Decimal:
        return self.cash + sum((q * self.prices[s] for s, q in self.held.items()), ZERO)

    def open_orders(self) -> Iterator[Order]:
        return (order for order in self.orders.values() if order.is_open)

    def ours(self) -> Iterator[Order]:
        return (o for o in self.orders.values() if o.client_order_id.startswith("atlas-"))

    def available(self, symbol: str) -> Decimal:
        resting = (o.left for o in self.open_orders() if o.symbol == symbol and o.side == "sell")
        return self.held.get(symbol, ZERO) - sum(resting, ZERO)

    def shown(self) -> tuple[Decimal, dict[str, Decimal]]:
        """Return cash and positions as they are told: sometimes as they were a moment ago."""
        now_s = self.timeline.now_s
        self._past = [past for past in self._past if now_s - past[0] < LAG_S]
        if self._past and self.hits("lagging_positions"):
            return self._past[0][1:]
        return self.cash, self.held

    def move(self, symbol: str, qty: Decimal, amount: Decimal) -> None:
        """Move shares and money. Both may be less than nothing."""
        self._past.append((self.timeline.now_s, self.cash, dict(self.held)))
        self.moved_at, self.cash = self.now, self.cash + amount
        held = self.held.get(symbol, ZERO) + qty
        if held:
            self.held[symbol] = held
        else:
            self.held.pop(symbol, None)

    def post(self, row: dict[str, object], after_s: float = 0.0) -> None:
        """Let an activity be told from `after_s` seconds from now on."""
        at = self.now + timedelta(seconds=after_s)
        self.activities.append((at, {"status": "executed", **row}))
        self.activities.sort(key=lambda posted: posted[0])

    # What happens to orders.

    def accept(
        self, client_id: str, symbol: str, side: str, qty: Decimal, kind: str,
        limit: Decimal | None,
    ) -> Order:  # fmt: skip
        """Take an order in; it comes alive a moment later."""
        order = Order(
            f"b-{len(self.orders) + 1:04d}", client_id, symbol, side, qty, kind, limit, self.now
        )
        self.orders[client_id] = order
        self.burnt.add(client_id)
        self.note("broker", "accepts", client_id, f"{qty:f}")
        self.on_accept(order)
        self.timeline.after(self._delay(0.02, 0.3), lambda: self._awake(order))
        return order

    def rest(self, symbol: str, side: str, qty: Decimal, client_id: str) -> Order:
        """Put a foreign order in the book: it rests until somebody cancels it."""
        order = Order(
            f"f-{len(self.orders) + 1:04d}", client_id, symbol, side, qty, "limit", Decimal(1),
            self.now, status="new",
        )  # fmt: skip
        self.orders[client_id] = order
        self.note("broker", "has a foreign order", client_id, symbol)
        self._say("new", order)
        return order

    def trade_by_hand(self, symbol: str, side: str, qty: Decimal, client_id: str) -> None:
        """Fill an order of somebody else's at once."""
        self.touched.add(symbol)
        order = self.rest(symbol, side, qty, client_id)
        self._fill(order, qty)

    def end(self, order: Order, status: str) -> None:
        """End an order; nothing where it has ended."""
        if order.is_open:
            self._step(order, status, status)

    def begin_cancel(self, order: Order) -> None:
        """Cancel in a while, or not at all."""
        # Timeouts come after the faults have ended: a cancel may fail later, and twice at most.
        may_fail = order.cancels_refused < 2 and not order.id.startswith("f-")
        if may_fail and self.faults.hits("cancel_refused", 0.0):
            order.cancels_refused += 1
            self.timeline.after(
                self._delay(0.05, 1), lambda: self._say("order_cancel_rejected", order)
            )
            return
        if order.status != "pending_cancel":
            self._step(order, "pending_cancel", "pending_cancel")
        self.timeline.after(self._delay(0.02, 3), lambda: self.end(order, "canceled"))

    def _awake(self, order: Order) -> None:
        if not order.is_open:
            return
        if self.hits("reject"):
            self.end(order, "rejected")
            return
        if order.status == "pending_new":
            self._step(order, "new", "new")
        session = NYSE.session_at(self.now)
        if session is None:
            coming = NYSE.next_session(self.now.astimezone(NEW_YORK).date())
            if coming.opens_at < self.now:
                coming = NYSE.session_after(coming.day)
            self.timeline.at(coming.opens_at + timedelta(seconds=1), lambda: self._awake(order))
            return
        self.timeline.at(session.closes_at, lambda: self.end(order, "expired"))
        if self.hits("broker_cancel"):
            self.timeline.after(self._delay(0.5, 20), lambda: self.end(order, "canceled"))
        if self.hits("stuck_order"):
            return
        wait_s = self._delay(20, 500) if self.hits("slow_fill") else self._delay(0.05, 2)
        self.timeline.after(wait_s, lambda: self._trade(order))

    def _trade(self, order: Order) -> None:
        if not order.is_open:
            return
        if order.limit is not None and (self._price(order) - order.limit) * order.sign > 0:
            self.timeline.after(self._delay(5, 15), lambda: self._trade(order))
            return
        if order.left > 1 and self.hits("partial_fill"):
            self._fill(order, Decimal(self.chance.randint(1, int(order.left) - 1)))
            self.timeline.after(self._delay(0.05, 15), lambda: self._trade(order))
            return
        self._fill(order, order.left)

    def _price(self, order: Order) -> Decimal:
        return self.prices[order.symbol] + SPREAD * order.sign

    def _fill(self, order: Order, qty: Decimal) -> None:
        price = self._price(order)
        order.filled_qty += qty
        order.filled_value += qty * price
        order.executions += 1
        self.move(order.symbol, order.sign * qty, -order.sign * qty * price)
        is_last = not order.left
        if order.status != "pending_cancel" or is_last:
            order.status = "filled" if is_last else "partially_filled"
        order.updated_at = self.now
        execution = f"{order.id}-x{order.executions}"
        late_s = self._delay(3, 60) if self.hits("late_posting") else 0.0
        self.post(
            {
                "id": f"{self.now:%Y%m%d%H%M%S%f}::{execution}",
                "activity_type": "FILL",
                "transaction_time": stamp(self.now),
                "type": "fill" if is_last else "partial_fill",
                "price": f"{price:f}",
                "qty": f"{qty:f}",
                "side": order.side,
                "symbol": order.symbol,
                "order_id": order.id,
                "cum_qty": f"{order.filled_qty:f}",
                "leaves_qty": f"{order.left:f}",
                "order_status": order.status,
            },
            late_s,
        )
        self.on_fill(order, qty, price)
        self._say(
            "fill" if is_last else "partial_fill",
            order,
            price=f"{price:f}",
            qty=f"{qty:f}",
            position_qty=f"{self.held.get(order.symbol, ZERO):f}",
            execution_id=execution,
        )

    def _step(self, order: Order, status: str, event: str) -> None:
        order.status, order.updated_at = status, self.now
        self._say(event, order)

    def _say(self, event: str, order: Order, **more: str) -> None:
        self.note("broker", event, order.client_order_id, f"{order.filled_qty:f}/{order.qty:f}")
        self.tell({"event": event, "timestamp": stamp(self.now), "order": order.wire(), **more})

    def hits(self, name: str) -> bool:
        """True where a fault of the market or of what it tells happens."""
        return self.faults.hits(name, self.timeline.now_s)

    def _delay(self, least_s: float, most_s: float) -> float:
        return self.chance.uniform(least_s, most_s)
