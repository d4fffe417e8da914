"""Reference endpoints under /v2: clock, calendar, assets."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import query
from atlas_daemon.paper.api.gate import DESK, reply
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.settlement import WITHIN, SettlementDays
from atlas_daemon.paper.market.calendar import Calendar

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2029, 12, 31)
"""What Alpaca's calendar covers."""
EXCHANGES = ("AMEX", "ARCA", "BATS", "NYSE", "NASDAQ", "NYSEARCA", "OTC", "CRYPTO")
ATTRIBUTES = frozenset(
    {
        "ptp_no_exception",
        "ptp_with_exception",
        "ipo",
        "has_options",
        "options_late_close",
        "fractional_eh_enabled",
        "overnight_tradable",
        "overnight_halted",
    }
)


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
    """GET /v2/calendar: sessions of [start, end], both included; without them all there are.

    With `date_type=SETTLEMENT` the bounds are about the days on which trades settle.
    """
    asked = request.query
    first = max(_day(asked, "start") or FIRST_DAY, FIRST_DAY)
    last = min(_day(asked, "end") or LAST_DAY, LAST_DAY)
    kind = asked.get("date_type", "").upper() or "TRADING"
    if kind not in ("TRADING", "SETTLEMENT"):
        raise refusals.malformed(f"invalid date_type: {asked.get('date_type', '')[:40]}")
    if last < first:
        raise refusals.malformed("end must not be before start")
    is_settlement = kind == "SETTLEMENT"
    calendar = _calendar(request.app[DESK], first - WITHIN if is_settlement else first, last)
    days = calendar.sessions(first - WITHIN if is_settlement else first, last)
    settling = SettlementDays.around(calendar, first - WITHIN, last)
    rows = ((day, settling.of(day.day)) for day in days)
    return reply(
        [
            wire.calendar_day(day, settles)
            for day, settles in rows
            if not is_settlement or first <= settles <= last
        ]
    )


def _calendar(desk: Desk, first: date, last: date) -> Calendar:
    """The broker's own calendar, or Alpaca's whole one where that does not reach."""
    own = desk.exchange.calendar
    if own.first <= first and last + WITHIN <= own.last:
        return own
    return _whole_calendar()


@lru_cache(maxsize=1)
def _whole_calendar() -> Calendar:
    """Sixty years of sessions; read when they are first asked for, as it takes half a second."""
    return Calendar(FIRST_DAY, LAST_DAY)


def _day(asked: query.Query, key: str) -> date | None:
    """A date, or the date of a timestamp. Raises RefusedError (400)."""
    try:
        return query.day(asked, key)
    except refusals.RefusedError as refused:
        raise refusals.malformed(str(refused.body["message"])) from None


async def list_assets(request: web.Request) -> web.Response:
    """GET /v2/assets: by exchange and symbol, all of the attributes' names told by any of them."""
    desk, asked = request.app[DESK], request.query
    status = query.word(asked, "status", "all", ("active", "inactive", "all"))
    kind = query.word(asked, "asset_class", "us_equity", ("us_equity", "us_option", "crypto"))
    exchange = query.word(asked, "exchange", "", ("", *EXCHANGES))
    attributes = frozenset(name.lower() for name in query.names(asked, "attributes"))
    if attributes - ATTRIBUTES:
        raise refusals.invalid(f"invalid attribute: {min(attributes - ATTRIBUTES)[:40]}")
    if kind != "us_equity":
        return reply([])
    rows = [_asset(desk, symbol) for symbol in desk.exchange.market.symbols()]
    found = [
        row
        for row in rows
        if status in ("all", row["status"])
        and exchange in ("", row["exchange"])
        and (not attributes or attributes.intersection(_texts(row["attributes"])))
    ]
    return reply(sorted(found, key=lambda row: (str(row["exchange"]), str(row["symbol"]))))


async def one_asset(request: web.Request) -> web.Response:
    """GET /v2/assets/{symbol, id or cusip}."""
    desk = request.app[DESK]
    exchange = desk.exchange
    text = request.match_info["symbol"]
    symbol = text.upper()
    if not exchange.knows(symbol):
        names = (text.lower(), symbol)
        known = exchange.market.symbols()
        symbol = next((s for s in known if {wire.asset_id(s), wire.cusip(s)} & {*names}), "")
    if not symbol:
        raise refusals.not_found(f"asset not found for {text}")
    return reply(_asset(desk, symbol))


def _asset(desk: Desk, symbol: str) -> wire.Json:
    market = desk.exchange.market
    # A name that was given up keeps its history and trades no more.
    is_active = market.quote(symbol, desk.exchange.now) is not None
    return wire.asset(symbol, market.fractionable(symbol), is_active=is_active)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
