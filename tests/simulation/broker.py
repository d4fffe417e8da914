"""The simulated broker's answers: one method an endpoint, requests in and bytes out.

What becomes of orders, shares and money stands in `market`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from atlas_daemon.core.sessions import NYSE
from tests.simulation.market import NEW_YORK, SPREAD, ZERO, Market, Order, stamp

__all__ = ["Answer", "Broker", "Order"]

NUMBER = "PA3SIMULATED"
LAG = timedelta(seconds=30)
MARGIN = 4
"""Buying power is this much of the cash: the broker lends what we must never take."""

Answer = tuple[int, bytes]


@dataclass
class Broker(Market):
    """The account as it is asked over the wire. `on_refuse` is told why an order was refused."""

    on_refuse: Callable[[Mapping[str, str], str], None] = lambda body, why: None
    gone: set[str] = field(default_factory=set)
    """Symbols that are no more: renamed or merged."""

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        """Return status and body of the answer to a request."""
        if path == "/v2/orders" and method == "POST":
            return self._submit(json.loads(body))
        if path == "/v2/orders" and method == "DELETE":
            return self._cancel_all()
        if path == "/v2/account/configurations" and method == "PATCH":
            self.is_suspended = bool(json.loads(body)["suspend_trade"])
            self.note("broker", "suspend_trade", str(self.is_suspended))
            self.faults.fired["suspend_trade"] += self.is_suspended
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
        if symbol not in self.prices or symbol in self.gone:
            return _error(422, 40010001, f"asset not found for {symbol}")
        cost = qty * self.prices[symbol]
        if side == "sell" and qty > self.available(symbol):
            free = self.available(symbol)
            self.on_refuse(body, f"insufficient qty ({free} available)")
            text = f"insufficient qty available for order (requested: {qty}, available: {free})"
            return _error(403, 40310000, text, existing_qty=str(self.held.get(symbol, ZERO)))
        if side == "buy" and (cost > self.cash * MARGIN or self.hits("refuse")):
            figures = {"buying_power": f"{self.cash}", "cost_basis": f"{cost}"}
            return _error(403, 40310000, "insufficient buying power", **figures)
        limit = Decimal(body["limit_price"]) if "limit_price" in body else None
        return _ok(self._wire(self.accept(client_id, symbol, side, qty, body["type"], limit)))

    def _cancel_one(self, broker_id: str) -> Answer:
        order = next((o for o in self.orders.values() if o.id == broker_id), None)
        if order is None:
            return _error(404, 40410000, "order not found")
        if not order.is_open:
            return _error(422, 42210000, f'order is already in "{order.status}" state')
        self.begin_cancel(order)
        return 204, b""

    def _cancel_all(self) -> Answer:
        asked = list(self.open_orders())
        for order in asked:
            self.begin_cancel(order)
        return 207, json.dumps([{"id": o.id, "status": 200} for o in asked]).encode()

    def _found(self, client_id: str) -> Answer:
        order = self.orders.get(client_id)
        if order is not None and self.now - order.at < LAG and self.hits("lagging_lookup"):
            order = None  # what answers questions has not heard of it yet
        if order is None:
            return _error(404, 40410000, "order not found")
        return _ok(self._wire(order))

    def _list(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        wanted = query.get("status", "open")
        return [self._wire(o) for o in self.orders.values() if wanted == "all" or o.is_open]

    def _wire(self, order: Order) -> dict[str, object]:
        """Return an order as it is told; sometimes in a word that nobody knows."""
        wire = order.wire()
        return {**wire, "status": "quantum_held"} if self.hits("odd_status") else wire

    def _asset(self, symbol: str) -> Answer:
        if symbol not in self.prices or symbol in self.gone:
            return _error(404, 40410000, f"asset not found for {symbol}")
        is_tradable = not self.hits("untradable")
        return _ok(
            {"symbol": symbol, "tradable": is_tradable, "fractionable": True, "status": "active"}
        )

    def _account(self) -> dict[str, object]:
        cash, held = self.shown()
        equity = cash + sum((q * self.prices[s] for s, q in held.items()), ZERO)
        return {
            "id": "a-1",
            "account_number": NUMBER,
            "status": "ACTIVE",
            "equity": f"{equity:f}",
            "last_equity": f"{equity:f}",
            "cash": f"{cash:f}",
            "buying_power": f"{max(cash, ZERO) * MARGIN:f}",
            "trading_blocked": self.hits("blocked"),
            "account_blocked": False,
            "trade_suspended_by_user": self.is_suspended,
        }

    def _positions(self) -> list[dict[str, object]]:
        _, held = self.shown()
        return [
            {
                "symbol": symbol,
                "qty": f"{qty:f}",
                "qty_available": f"{max(min(qty, self.available(symbol)), ZERO):f}",
                "avg_entry_price": f"{self.prices[symbol]:f}",
                "current_price": f"{self.prices[symbol]:f}",
                "side": "long",
                "asset_class": "us_equity",
            }
            for symbol, qty in sorted(held.items())
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
        days = [
            {
                "date": session.day.isoformat(),
                "open": f"{session.opens_at.astimezone(NEW_YORK):%H:%M}",
                "close": f"{session.closes_at.astimezone(NEW_YORK):%H:%M}",
            }
            for session in NYSE.sessions_between(first, last)
        ]
        return days[1:] if self.hits("odd_calendar") else days

    def _activities(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        kinds = query.get("activity_types", "")
        rows = [
            row
            for at, row in self.activities
            if at <= self.now
            and (not kinds or str(row["activity_type"]) in kinds.split(","))
            and stamp(at) > query.get("after", "")
        ]
        ids = [row["id"] for row in rows]
        token = query.get("page_token")
        start = ids.index(token) + 1 if token in ids else 0
        page = rows[start : start + int(query.get("page_size", "100"))]
        return page if query.get("direction") == "asc" else page[::-1]

    def _quotes(self, query: Mapping[str, str]) -> dict[str, object]:
        found = {}
        for symbol in query["symbols"].split(","):
            price = self.prices.get(symbol)
            if price is None:
                continue
            bid, ask, at = price - SPREAD, price + SPREAD, self.now
            if self.hits("odd_quote"):  # no bid, far apart, or old
                odd = self.chance.choice("bsa")
                bid = ZERO if odd == "b" else bid
                ask = ask * 2 if odd == "s" else ask
                at -= timedelta(hours=odd == "a")
            found[symbol] = {"t": stamp(at), "bp": str(bid), "ap": str(ask)}
        return {"quotes": found}

    def _trades(self, query: Mapping[str, str]) -> dict[str, object]:
        at = stamp(self.now)
        wanted = query["symbols"].split(",")
        return {
            "trades": {s: {"t": at, "p": str(self.prices[s])} for s in wanted if s in self.prices}
        }


def _ok(content: object) -> Answer:
    return 200, json.dumps(content).encode()


def _error(status: int, code: int, message: str, **extras: str) -> Answer:
    return status, json.dumps({"code": code, "message": message, **extras}).encode()
