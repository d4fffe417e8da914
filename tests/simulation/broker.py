"""The simulated broker: orders, fills, positions, cash, and its answers as bytes.

It lives on the timeline, outside the daemon: what reached it happens whoever is alive. It knows no
faults of the network; those of the market (partial, slow, rejected ...) are asked of `Faults`.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from atlas_daemon.core.sessions import NYSE
from tests.simulation.faults import Faults
from tests.simulation.loop import Timeline

ENDED = frozenset({"filled", "canceled", "expired", "rejected"})
NEW_YORK = ZoneInfo("America/New_York")
ZERO = Decimal(0)
SPREAD = Decimal("0.01")
NUMBER = "PA3SIMULATED"
LAG = timedelta(seconds=30)
MARGIN = 4
"""Buying power is this much of the cash: the broker lends what we must never take."""

Answer = tuple[int, bytes]


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
class Broker:
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
    orders: dict[str, Order] = field(default_factory=dict)
    burnt: set[str] = field(default_factory=set)
    activities: list[dict[str, object]] = field(default_factory=list)
    is_suspended: bool = False

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

    # Requests. One method an endpoint; bytes out.

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        if path == "/v2/orders" and method == "POST":
            return self._submit(json.loads(body))
        if path == "/v2/orders" and method == "DELETE":
            return self._cancel_all()
        if path == "/v2/account/configurations" and method == "PATCH":
            self.is_suspended = bool(json.loads(body)["suspend_trade"])
            return _ok({"suspend_trade": self.is_suspended})
        if path.startswith("/v2/orders/") and method == "DELETE":
            return self._cancel_one(path.rsplit("/", 1)[1])
        if method != "GET":
            return _error(404, 40410000, "endpoint not found.")
        if path == "/v2/orders":
            return _ok(self._list(query))
        if path == "/v2/orders:by_client_order_id":
            return self._found(query["client_order_id"])
        if path.startswith("/v2/assets/"):
            return self._asset(path.rsplit("/", 1)[1])
        pages: dict[str, Callable[[], object]] = {
            "/v2/account": self._account,
            "/v2/positions": self._positions,
            "/v2/clock": self._clock,
            "/v2/calendar": lambda: self._calendar(query),
            "/v2/account/activities": lambda: self._activities(query),
            "/v2/account/configurations": lambda: {"suspend_trade": self.is_suspended},
            "/v2/stocks/quotes/latest": lambda: self._quotes(query),
            "/v2/stocks/trades/latest": lambda: self._trades(query),
        }
        if path not in pages:
            return _error(404, 40410000, "endpoint not found.")
        return _ok(pages[path]())

    def _submit(self, body: Mapping[str, str]) -> Answer:
        client_id, symbol, side = body["client_order_id"], body["symbol"], body["side"]
        qty = Decimal(body["qty"])
        if client_id in self.orders or client_id in self.burnt:
            return _error(422, 40010001, "client_order_id must be unique")
        if self.is_suspended:
            return _error(403, 40310000, "new orders are rejected by user request")
        if symbol not in self.prices:
            return _error(422, 40010001, f"asset not found for {symbol}")
        cost = qty * self.prices[symbol]
        if side == "sell" and qty > self.available(symbol):
            free = self.available(symbol)
            text = f"insufficient qty available for order (requested: {qty}, available: {free})"
            return _error(403, 40310000, text, existing_qty=str(self.held.get(symbol, ZERO)))
        if side == "buy" and (cost > self.cash * MARGIN or self._hits("refuse")):
            figures = {"buying_power": f"{self.cash}", "cost_basis": f"{cost}"}
            return _error(403, 40310000, "insufficient buying power", **figures)
        limit = Decimal(body["limit_price"]) if "limit_price" in body else None
        order = Order(
            f"b-{len(self.orders) + 1:04d}", client_id, symbol, side, qty, body["type"], limit,
            self.now,
        )  # fmt: skip
        self.orders[client_id] = order
        self.burnt.add(client_id)
        self.note("broker", "accepts", client_id, f"{qty:f}")
        self.on_accept(order)
        self.timeline.after(self._delay(0.02, 0.3), lambda: self._awake(order))
        return _ok(order.wire())

    def _cancel_one(self, broker_id: str) -> Answer:
        order = next((o for o in self.orders.values() if o.id == broker_id), None)
        if order is None:
            return _error(404, 40410000, "order not found")
        if not order.is_open:
            return _error(422, 42210000, f'order is already in "{order.status}" state')
        self._begin_cancel(order)
        return 204, b""

    def _cancel_all(self) -> Answer:
        asked = list(self.open_orders())
        for order in asked:
            self._begin_cancel(order)
        return 207, json.dumps([{"id": o.id, "status": 200} for o in asked]).encode()

    def _found(self, client_id: str) -> Answer:
        order = self.orders.get(client_id)
        if order is not None and self.now - order.at < LAG and self._hits("lagging_lookup"):
            order = None  # what answers questions has not heard of it yet
        return _error(404, 40410000, "order not found") if order is None else _ok(order.wire())

    def _list(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        wanted = query.get("status", "open")
        return [o.wire() for o in self.orders.values() if wanted == "all" or o.is_open]

    def _asset(self, symbol: str) -> Answer:
        if symbol not in self.prices:
            return _error(404, 40410000, f"asset not found for {symbol}")
        return _ok({"symbol": symbol, "tradable": True, "fractionable": True, "status": "active"})

    def _account(self) -> dict[str, object]:
        return {
            "id": "a-1",
            "account_number": NUMBER,
            "status": "ACTIVE",
            "equity": f"{self.equity:f}",
            "last_equity": f"{self.equity:f}",
            "cash": f"{self.cash:f}",
            "buying_power": f"{max(self.cash, ZERO) * MARGIN:f}",
            "trading_blocked": False,
            "account_blocked": False,
            "trade_suspended_by_user": self.is_suspended,
        }

    def _positions(self) -> list[dict[str, object]]:
        return [
            {
                "symbol": symbol,
                "qty": f"{qty:f}",
                "qty_available": f"{self.available(symbol):f}",
                "avg_entry_price": f"{self.prices[symbol]:f}",
                "current_price": f"{self.prices[symbol]:f}",
                "side": "long",
                "asset_class": "us_equity",
            }
            for symbol, qty in sorted(self.held.items())
        ]

    def _clock(self) -> dict[str, object]:
        session = NYSE.session_at(self.now)
        day = self.now.astimezone(NEW_YORK).date()
        coming = NYSE.session_after(day)
        return {
            "timestamp": stamp(self.now),
            "is_open": session is not None,
            "next_open": stamp(coming.opens_at),
            "next_close": stamp((session or coming).closes_at),
        }

    def _calendar(self, query: Mapping[str, str]) -> list[dict[str, str]]:
        first, last = date.fromisoformat(query["start"]), date.fromisoformat(query["end"])
        return [
            {
                "date": session.day.isoformat(),
                "open": f"{session.opens_at.astimezone(NEW_YORK):%H:%M}",
                "close": f"{session.closes_at.astimezone(NEW_YORK):%H:%M}",
            }
            for session in NYSE.sessions_between(first, last)
        ]

    def _activities(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        kinds = query.get("activity_types", "")
        rows = [
            row
            for row in self.activities
            if (not kinds or str(row["activity_type"]) in kinds.split(","))
            and str(row["transaction_time"]) > query.get("after", "")
        ]
        ids = [row["id"] for row in rows]
        token = query.get("page_token")
        start = ids.index(token) + 1 if token in ids else 0
        page = rows[start : start + int(query.get("page_size", "100"))]
        return page if query.get("direction") == "asc" else page[::-1]

    def _quotes(self, query: Mapping[str, str]) -> dict[str, object]:
        at = stamp(self.now)
        found = {
            s: {"t": at, "bp": str(p - SPREAD), "ap": str(p + SPREAD)}
            for s in query["symbols"].split(",")
            if (p := self.prices.get(s)) is not None
        }
        return {"quotes": found}

    def _trades(self, query: Mapping[str, str]) -> dict[str, object]:
        at = stamp(self.now)
        wanted = query["symbols"].split(",")
        return {
            "trades": {s: {"t": at, "p": str(self.prices[s])} for s in wanted if s in self.prices}
        }

    # What happens to orders.

    def rest(self, symbol: str, side: str, qty: Decimal, client_id: str) -> None:
        """Put a foreign order in the book: it rests until somebody cancels it."""
        order = Order(
            f"f-{len(self.orders) + 1:04d}", client_id, symbol, side, qty, "limit", Decimal(1),
            self.now, status="new",
        )  # fmt: skip
        self.orders[client_id] = order
        self.note("broker", "has a foreign order", client_id, symbol)
        self._say("new", order)

    def _awake(self, order: Order) -> None:
        if not order.is_open:
            return
        if self._hits("reject"):
            self._end(order, "rejected")
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
        self.timeline.at(session.closes_at, lambda: self._end(order, "expired"))
        if self._hits("broker_cancel"):
            self.timeline.after(self._delay(0.5, 20), lambda: self._end(order, "canceled"))
        if self._hits("stuck_order"):
            return
        wait_s = self._delay(20, 500) if self._hits("slow_fill") else self._delay(0.05, 2)
        self.timeline.after(wait_s, lambda: self._trade(order))

    def _trade(self, order: Order) -> None:
        if not order.is_open:
            return
        if order.left > 1 and self._hits("partial_fill"):
            self._fill(order, Decimal(self.chance.randint(1, int(order.left) - 1)))
            self.timeline.after(self._delay(0.05, 15), lambda: self._trade(order))
            return
        self._fill(order, order.left)

    def _fill(self, order: Order, qty: Decimal) -> None:
        price = self.prices[order.symbol] + SPREAD * order.sign
        order.filled_qty += qty
        order.filled_value += qty * price
        order.executions += 1
        self.cash -= order.sign * qty * price
        held = self.held.get(order.symbol, ZERO) + order.sign * qty
        self.held[order.symbol] = held
        if not held:
            del self.held[order.symbol]
        is_last = not order.left
        if order.status != "pending_cancel" or is_last:
            order.status = "filled" if is_last else "partially_filled"
        order.updated_at = self.now
        execution = f"{order.id}-x{order.executions}"
        self.activities.append(
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
            }
        )
        self._say(
            "fill" if is_last else "partial_fill",
            order,
            price=f"{price:f}",
            qty=f"{qty:f}",
            position_qty=f"{held:f}",
            execution_id=execution,
        )

    def _begin_cancel(self, order: Order) -> None:
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
        self.timeline.after(self._delay(0.02, 3), lambda: self._end(order, "canceled"))

    def _end(self, order: Order, status: str) -> None:
        if order.is_open:
            self._step(order, status, status)

    def _step(self, order: Order, status: str, event: str) -> None:
        order.status, order.updated_at = status, self.now
        self._say(event, order)

    def _say(self, event: str, order: Order, **more: str) -> None:
        self.note("broker", event, order.client_order_id, f"{order.filled_qty:f}/{order.qty:f}")
        self.tell({"event": event, "timestamp": stamp(self.now), "order": order.wire(), **more})

    def _hits(self, name: str) -> bool:
        return self.faults.hits(name, self.timeline.now_s)

    def _delay(self, least_s: float, most_s: float) -> float:
        return self.chance.uniform(least_s, most_s)


def _ok(content: object) -> Answer:
    return 200, json.dumps(content).encode()


def _error(status: int, code: int, message: str, **extras: str) -> Answer:
    return status, json.dumps({"code": code, "message": message, **extras}).encode()
