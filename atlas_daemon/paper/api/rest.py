"""Trading endpoints: orders and positions under /v2.

Handlers read the request, ask the exchange and show the answer; they decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from decimal import Decimal
from itertools import islice

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import query
from atlas_daemon.paper.api.gate import DESK, account_of, json_body, reply
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import past, refusals
from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import Order

ORDERS_MAX = 500
_ASSET_CLASSES = frozenset({"US_EQUITY", "ALL"})


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each trading endpoint."""
    return [
        web.post("/v2/orders", place_order),
        web.get("/v2/orders", list_orders),
        web.delete("/v2/orders", cancel_orders),
        web.get("/v2/orders:by_client_order_id", order_by_client_id),
        web.get("/v2/orders/{order_id}", one_order),
        web.patch("/v2/orders/{order_id}", replace_order),
        web.delete("/v2/orders/{order_id}", cancel_order),
        web.get("/v2/positions", list_positions),
        web.delete("/v2/positions", close_positions),
        web.get("/v2/positions/{symbol}", one_position),
        web.delete("/v2/positions/{symbol}", close_position),
    ]


async def place_order(request: web.Request) -> web.Response:
    """POST /v2/orders."""
    desk = request.app[DESK]
    body = await json_body(request)
    order = desk.exchange.submit(account_of(request), body, desk.clock.now())
    return reply(_with_legs(account_of(request), order))


async def list_orders(request: web.Request) -> web.Response:
    """GET /v2/orders: newest first unless asked otherwise; `after` and `until` are exclusive."""
    account, asked = account_of(request), request.query
    status = query.word(asked, "status", "open", ("open", "closed", "all"))
    limit = query.whole(asked, "limit", 50, ORDERS_MAX)
    direction = query.word(asked, "direction", "desc", ("asc", "desc"))
    side = query.word(asked, "side", "", ("", "buy", "sell"))
    nested = query.flag(asked, "nested")
    classes = frozenset(query.names(asked, "asset_class"))
    if classes and not classes & _ASSET_CLASSES:
        return reply([])
    symbols = frozenset(query.names(asked, "symbols"))
    after = query.moment_ns(asked, "after")
    until = query.moment_ns(asked, "until")
    first, last = _seq_bounds(account, asked)
    ordered: Iterable[Order]
    if status == "open":
        pool = account.open.values()
        ordered = pool if direction == "asc" else reversed(pool)
    else:
        ordered = past.orders_within(account, direction, (first, last), after, until)
    found = (
        order
        for order in ordered
        if (status != "closed" or not order.is_open)
        and (not symbols or order.symbol in symbols)
        and (not side or order.side == side)
        and first < order.seq < last
        and (after is None or wire.moment_ns(order.submitted_at, order.salt) > after)
        and (until is None or wire.moment_ns(order.submitted_at, order.salt) < until)
    )
    if not nested:
        return reply([wire.order(order) for order in islice(found, limit)])
    tops = (order for order in found if not _is_within(account, order, status))
    return reply([_with_legs(account, order) for order in islice(tops, limit)])


def _is_within(account: Account, leg: Order, status: str) -> bool:
    """True for a leg that is shown within its parent, as the parent has the status asked for."""
    if leg.parent_id is None:
        return False
    parent = account.orders[leg.parent_id]
    return status == "all" or parent.is_open == (status == "open")


def _with_legs(account: Account, order: Order) -> wire.Json:
    return wire.order(order, [account.orders[leg_id] for leg_id in order.leg_ids])


def _seq_bounds(account: Account, asked: query.Query) -> tuple[float, float]:
    """Exclusive bounds on the running number from after_order_id and before_order_id."""
    if asked.get("after_order_id") and asked.get("before_order_id"):
        raise refusals.invalid("after_order_id cannot be used with before_order_id")
    bounds = [0.0, float("inf")]
    for index, key in enumerate(("after_order_id", "before_order_id")):
        text = asked.get(key, "")
        if not text:
            continue
        if "after" in asked or "until" in asked:
            raise refusals.invalid(f"{key} cannot be used with after or until")
        order = account.orders.get(query.order_id(text))
        if order is None:
            raise refusals.not_found(f"order not found for {text}")
        bounds[index] = float(order.seq)
    return bounds[0], bounds[1]


async def one_order(request: web.Request) -> web.Response:
    """GET /v2/orders/{order_id}."""
    order_id, account = query.order_id(request.match_info["order_id"]), account_of(request)
    order = request.app[DESK].exchange.order(account, order_id)
    is_nested = query.flag(request.query, "nested")
    return reply(_with_legs(account, order) if is_nested else wire.order(order))


async def order_by_client_id(request: web.Request) -> web.Response:
    """GET /v2/orders:by_client_order_id."""
    client_order_id, account = request.query.get("client_order_id", ""), account_of(request)
    order = account.by_client_id.get(client_order_id)
    if order is None:
        raise refusals.not_found(f"order not found for {client_order_id}")
    is_nested = query.flag(request.query, "nested")
    return reply(_with_legs(account, order) if is_nested else wire.order(order))


async def replace_order(request: web.Request) -> web.Response:
    """PATCH /v2/orders/{order_id}: a new order with a new id."""
    desk = request.app[DESK]
    order_id = query.order_id(request.match_info["order_id"])
    body = await json_body(request)
    if not isinstance(body, dict):
        raise refusals.malformed()
    account = account_of(request)
    return reply(wire.order(desk.exchange.replace(account, order_id, body, desk.clock.now())))


async def cancel_order(request: web.Request) -> web.Response:
    """DELETE /v2/orders/{order_id}: 204 means asked, not done."""
    desk = request.app[DESK]
    order_id = query.order_id(request.match_info["order_id"])
    desk.exchange.cancel(account_of(request), order_id, desk.clock.now())
    return web.Response(status=204)


async def cancel_orders(request: web.Request) -> web.Response:
    """DELETE /v2/orders: 207 with one line for each open order, refused ones with the reason."""
    desk = request.app[DESK]
    answers: list[wire.Json] = []
    for order, refused in desk.exchange.cancel_all(account_of(request), desk.clock.now()):
        line: wire.Json = {"id": order.id, "status": refused.status if refused else 200}
        if refused:
            line["body"] = refused.body
        answers.append(line)
    return reply(answers, 207)


async def list_positions(request: web.Request) -> web.Response:
    """GET /v2/positions."""
    desk, account = request.app[DESK], account_of(request)
    lastday_at = _last_close(desk)
    held = sorted(account.positions.values(), key=lambda position: position.symbol)
    return reply([_shown(desk, account, position, lastday_at) for position in held])


async def one_position(request: web.Request) -> web.Response:
    """GET /v2/positions/{symbol or asset id}."""
    desk, account = request.app[DESK], account_of(request)
    position = account.positions.get(_symbol(request))
    if position is None:
        raise refusals.not_found("position does not exist")
    return reply(_shown(desk, account, position, _last_close(desk)))


async def close_position(request: web.Request) -> web.Response:
    """DELETE /v2/positions/{symbol}: a market order; open orders are left as they are."""
    desk = request.app[DESK]
    qty = query.amount(request.query, "qty")
    percentage = query.amount(request.query, "percentage")
    if qty is not None and percentage is not None:
        raise refusals.invalid("only one of qty or percentage is accepted")
    if percentage is not None and percentage > 100:
        raise refusals.invalid("percentage must be between 0 and 100")
    order = desk.exchange.close_position(
        account_of(request), _symbol(request), desk.clock.now(), qty=qty, percentage=percentage
    )
    return reply(wire.order(order))


async def close_positions(request: web.Request) -> web.Response:
    """DELETE /v2/positions: 207; each position's order, or its own refusal."""
    desk, account = request.app[DESK], account_of(request)
    if query.flag(request.query, "cancel_orders"):
        for order, refused in desk.exchange.cancel_all(account, desk.clock.now()):
            # Only this call waits for its cancels: the sells that follow need the shares.
            if refused is None and order.is_open:
                desk.exchange.engine.finish_cancel(order)
    answers = []
    for symbol in sorted(account.positions):
        try:
            order = desk.exchange.close_position(account, symbol, desk.clock.now())
            status, body = 200, wire.order(order)
        except refusals.RefusedError as refused:
            status, body = refused.status, refused.body
        answers.append({"symbol": symbol, "status": status, "body": body})
    return reply(answers, 207)


def _symbol(request: web.Request) -> str:
    """The symbol that the path names, by itself or by asset id."""
    text = request.match_info["symbol"].upper()
    return request.app[DESK].exchange.symbol_named(text) or text


def _last_close(desk: Desk) -> datetime | None:
    """When the session before today's closed."""
    calendar, now = desk.exchange.calendar, desk.exchange.now
    midnight = datetime.combine(now.astimezone(NEW_YORK).date(), time(), NEW_YORK)
    before = calendar.last_opened(midnight)
    return before.closes_at if before else None


def _shown(
    desk: Desk, account: Account, position: Position, lastday_at: datetime | None
) -> wire.Json:
    market, now = desk.exchange.market, desk.exchange.now
    current = market.trade(position.symbol, now)
    lastday = market.trade(position.symbol, lastday_at) if lastday_at else None
    split = desk.exchange.engine.splits.get(position.symbol, Decimal(1))
    return wire.position(
        position,
        account.available_qty(position.symbol),
        current.price if current else None,
        lastday.price / split if lastday else None,
    )
