"""What the broker tells wrongly: answers that lag, a clock that is off, quotes that cannot be.

An answer is changed on its way out, after it was made; what the exchange knows stays true. Each
of these faults is a condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import ZERO, Side
from atlas_daemon.paper.faults.fault import Fault
from atlas_daemon.paper.faults.faults import Faults

STALE_BY = timedelta(hours=1)
UNKNOWN_STATUS = "status_of_the_future"


def told(
    desk: Desk, account: Account, request: web.Request, response: web.StreamResponse
) -> web.StreamResponse:
    """The answer as it is told while faults are armed. Raises RefusedError (a look-up's 404)."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    if response.content_type != "application/json" or response.status >= 300:
        return response
    change = _change(desk, account, request)
    if change is None:
        return response
    body = change(msgspec.json.decode(response.body))
    response.body = msgspec.json.encode(body)
    return response


def _change(desk: Desk, account: Account, request: web.Request) -> Callable[[Any], Any] | None:
    """What is done to the answer of a path; None where nothing is wrong with it."""
    faults, path, now = desk.faults, request.path, desk.exchange.now
    if path.startswith("/v2/orders"):
        return _orders(faults, path, request.method, now)
    if path == "/v2/positions" and (lag := faults.condition("positions_lag")):
        before = _since(now, lag)
        return lambda rows: _positions(desk, account, rows, before)
    if path.startswith("/v2/account/activities") and (lag := faults.condition("activities_lag")):
        since = _since(now, lag)
        return lambda rows: [row for row in rows if _moment(row) <= since]
    if path == "/v2/clock" and (skew := desk.console.clock_skew):
        return lambda row: {**row, "timestamp": wire.new_york(now + skew)}
    if path == "/v2/calendar" and (odd := faults.condition("odd_calendar")):
        today = now.astimezone(NEW_YORK).date()
        return lambda rows: list(_calendar(rows, odd, odd.day or today))
    if path.startswith("/v2/assets") and (assets := faults.conditions("untradable_asset")):
        return lambda body: _assets(body, {fault.symbol for fault in assets})
    if path.startswith("/v2/stocks") and (quotes := faults.conditions("bad_quotes")):
        return lambda body: _quotes(body, quotes, request.match_info.get("symbol", ""))
    return None


def _since(now: datetime, lag: Fault) -> datetime:
    return now - timedelta(seconds=lag.seconds or 0)


def _moment(row: dict[str, Any]) -> datetime:
    """When a row of an answer came to be."""
    text = row.get("transaction_time") or row.get("created_at") or row.get("submitted_at")
    return datetime.fromisoformat(str(text))


# Orders.


def _orders(faults: Faults, path: str, method: str, now: datetime) -> Callable[[Any], Any] | None:
    is_odd = faults.condition("unknown_order_status") is not None
    lag = faults.condition("list_lag" if path == "/v2/orders" else "lookup_lag")
    if method != "GET":
        lag = None
    if not is_odd and lag is None:
        return None

    def change(body: Any) -> Any:
        rows = body if isinstance(body, list) else [body]
        if lag is not None:
            rows = [row for row in rows if _moment(row) <= _since(now, lag)]
            if not rows and not isinstance(body, list):
                raise refusals.not_found("order not found")
        if is_odd:
            rows = [{**row, "status": UNKNOWN_STATUS} if "status" in row else row for row in rows]
        return rows if isinstance(body, list) else rows[0]

    return change


# Positions.


def _positions(
    desk: Desk, account: Account, rows: list[dict[str, Any]], since: datetime
) -> list[dict[str, Any]]:
    """The positions without what has filled since then."""
    moved: dict[str, tuple[Decimal, Decimal]] = {}
    for entry in reversed(account.activities):
        if entry.at <= since:
            break
        if entry.kind == "FILL" and entry.symbol is not None:
            qty, _ = moved.get(entry.symbol, (ZERO, ZERO))
            sign = 1 if entry.side == Side.BUY else -1
            moved[entry.symbol] = qty + sign * (entry.qty or ZERO), entry.price or ZERO
    if not moved:
        return rows
    shown = [row for row in rows if row["symbol"] not in moved]
    for symbol, (qty, price) in moved.items():
        held = account.positions.get(symbol)
        before = account.existing_qty(symbol) - qty
        if before > 0:
            entry_price = held.avg_entry_price if held else price
            trade = desk.exchange.market.trade(symbol, since)
            known = Position(symbol, before, entry_price)
            current = trade.price if trade else None
            shown.append(wire.position(known, before, current, None))
    return sorted(shown, key=lambda row: str(row["symbol"]))


# Reference and data.


def _calendar(rows: list[dict[str, Any]], odd: Fault, day: date) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["date"] != day.isoformat():
            yield row
        elif odd.close:
            yield {**row, "close": odd.close}


def _assets(body: Any, symbols: set[str]) -> Any:
    if isinstance(body, list):
        return [_assets(row, symbols) for row in body]
    if body.get("symbol") not in symbols:
        return body
    return {**body, "tradable": False, "status": "inactive"}


def _quotes(node: Any, faults: list[Fault], symbol: str) -> Any:
    """Spoil each quote and trade in an answer; `symbol` is whose they are."""
    if not isinstance(node, dict):
        return node
    struck = [fault for fault in faults if fault.symbol in ("", symbol)]
    is_quote, is_trade = "ap" in node and "bp" in node, "p" in node and "t" in node
    if struck and (is_quote or is_trade):
        for fault in struck:
            node = _spoilt(node, fault.how)
        return node
    found = {}
    for key, value in node.items():
        # Keys are symbols or the words of the format, which begin in lower case.
        whose = key if key[:1].isupper() else symbol
        found[key] = _quotes(value, faults, whose)
    return {key: value for key, value in found.items() if value != {}}


def _spoilt(node: dict[str, Any], how: str) -> dict[str, Any]:
    if how == "missing" or not node:
        return {}
    if how == "stale":
        at = datetime.fromisoformat(str(node["t"])) - STALE_BY
        return {**node, "t": wire.moment(at)}
    if how == "zero":
        return {**node, **{key: 0 for key in ("ap", "bp", "p") if key in node}}
    if "bp" in node:
        return {**node, "bp": round(node["ap"] * 1.02, 2)}
    return node
