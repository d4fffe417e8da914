"""Reference endpoints under /v2: clock, calendar, assets."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from aiohttp import web

from atlas_daemon.paper import query, refusals, wire
from atlas_daemon.paper.gate import DESK, reply
from atlas_daemon.paper.matching import NEW_YORK

_SETTLES_WITHIN = timedelta(days=10)
_LAST_DAY = date(2029, 12, 31)


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each reference endpoint."""
    return [
        web.get("/v2/clock", show_clock),
        web.get("/v2/calendar", list_calendar),
        web.get("/v2/assets", list_assets),
        web.get("/v2/assets/{symbol}", one_asset),
    ]


async def show_clock(request: web.Request) -> web.Response:
    """GET /v2/clock; a header of ours tells a local daemon how fast this clock runs."""
    desk = request.app[DESK]
    now, calendar = desk.exchange.now, desk.exchange.calendar
    response = reply(
        {
            "is_open": calendar.session_at(now) is not None,
            "next_close": wire.new_york(calendar.next_close(now)),
            "next_open": wire.new_york(calendar.next_open(now)),
            "timestamp": wire.new_york(now),
        }
    )
    response.headers["X-Atlas-Clock-Speed"] = f"{desk.clock.speed:g}"
    return response


async def list_calendar(request: web.Request) -> web.Response:
    """GET /v2/calendar: sessions of [start, end]; without them those of the coming year."""
    desk = request.app[DESK]
    today = desk.exchange.now.astimezone(NEW_YORK).date()
    first = min(query.day(request.query, "start") or today, _LAST_DAY)
    last = min(query.day(request.query, "end") or first + timedelta(days=365), _LAST_DAY)
    if last < first:
        raise refusals.invalid("end must not be before start")
    days = desk.exchange.calendar.sessions(first, last)
    if not days:
        return reply([])
    following = desk.exchange.calendar.sessions(days[0].day, days[-1].day + _SETTLES_WITHIN)
    settles = {today.day: later.day for today, later in pairwise(following)}
    return reply([wire.calendar_day(day, settles.get(day.day, day.day)) for day in days])


async def list_assets(request: web.Request) -> web.Response:
    """GET /v2/assets."""
    market = request.app[DESK].exchange.market
    status = query.word(request.query, "status", "active", ("active", "inactive", "all"))
    kind = request.query.get("asset_class", "us_equity") or "us_equity"
    if status == "inactive" or kind != "us_equity":
        return reply([])
    symbols = market.symbols()
    return reply([wire.asset(symbol, market.fractionable(symbol)) for symbol in symbols])


async def one_asset(request: web.Request) -> web.Response:
    """GET /v2/assets/{symbol or id}."""
    exchange = request.app[DESK].exchange
    text = request.match_info["symbol"]
    symbol = text.upper()
    if len(text) == 36:
        symbol = next((s for s in exchange.market.symbols() if wire.asset_id(s) == text), text)
    if not exchange.knows(symbol):
        raise refusals.not_found(f"asset not found for {text}")
    return reply(wire.asset(symbol, exchange.market.fractionable(symbol)))
