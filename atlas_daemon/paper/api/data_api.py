"""Market data endpoints, served beside the trading API: bars, quotes, trades, snapshots, actions.

Only what was known at the broker's time is told. Refusals are those of the data API: a message
without a code.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import actions, bars, query, ticks
from atlas_daemon.paper.api.gate import DESK, reply
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.market.market import MarketQuote, MarketTrade, TimedBar

HISTORICAL_FEEDS = ("sip", "iex", "boats", "otc")
LATEST_FEEDS = (*HISTORICAL_FEEDS, "delayed_sip", "overnight")
_ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
_SIP_REFUSED = "subscription does not permit querying recent SIP data"
_DELAY = timedelta(minutes=15)


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each data endpoint."""
    return [
        web.get("/v2/stocks/bars", many_bars),
        web.get("/v2/stocks/quotes", past_quotes),
        web.get("/v2/stocks/trades", past_trades),
        web.get("/v2/stocks/quotes/latest", latest_quotes),
        web.get("/v2/stocks/trades/latest", latest_trades),
        web.get("/v2/stocks/bars/latest", latest_bars),
        web.get("/v2/stocks/snapshots", snapshots),
        web.get("/v2/stocks/{symbol}/bars", one_symbols_bars),
        web.get("/v2/stocks/{symbol}/quotes", past_quotes),
        web.get("/v2/stocks/{symbol}/trades", past_trades),
        web.get("/v2/stocks/{symbol}/quotes/latest", latest_quote),
        web.get("/v2/stocks/{symbol}/trades/latest", latest_trade),
        web.get("/v2/stocks/{symbol}/bars/latest", latest_bar),
        web.get("/v2/stocks/{symbol}/snapshot", one_snapshot),
        web.get("/v1/corporate-actions", actions.corporate_actions),
    ]


async def many_bars(request: web.Request) -> web.Response:
    """GET /v2/stocks/bars: several symbols, one page; a page may end within a symbol."""
    page, token = _bars_page(request, bars.read_symbols(request.query))
    return reply({"bars": page, "next_page_token": token})


async def one_symbols_bars(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/bars."""
    symbol = bars.checked_symbol(request.match_info["symbol"])
    page, token = _bars_page(request, (symbol,))
    return reply({"bars": page.get(symbol, []), "next_page_token": token, "symbol": symbol})


def _bars_page(
    request: web.Request, symbols: tuple[str, ...]
) -> tuple[dict[str, list[wire.Json]], str | None]:
    desk, asked = request.app[DESK], request.query
    timeframe = bars.read_timeframe(asked.get("timeframe", ""))
    start, end = _span(desk, asked)
    wanted = bars.BarsRequest(
        symbols=symbols,
        timeframe=timeframe,
        start=start,
        end=end,
        limit=bars.read_number(asked, "limit", 1000, bars.BARS_MAX),
        adjustment=_adjustment(asked.get("adjustment", "")),
        ascending=_is_ascending(asked),
        resume=bars.read_token(asked.get("page_token", "")),
    )
    exchange = desk.exchange
    page, token = bars.page_of(exchange.market, exchange.calendar, wanted, exchange.now)
    return {symbol: [bars.shown(bar) for bar in rows] for symbol, rows in page.items()}, token


async def past_trades(request: web.Request) -> web.Response:
    """GET /v2/stocks/trades and /v2/stocks/{symbol}/trades."""
    exchange = request.app[DESK].exchange
    tape = ticks.Tape(exchange.market.trade, _trade)
    page = ticks.page_of(tape, exchange.calendar, _ticks_wanted(request), exchange.now)
    return reply(ticks.answer(request, page, "trades"))


async def past_quotes(request: web.Request) -> web.Response:
    """GET /v2/stocks/quotes and /v2/stocks/{symbol}/quotes."""
    exchange = request.app[DESK].exchange
    tape = ticks.Tape(exchange.market.quote, _quote)
    page = ticks.page_of(tape, exchange.calendar, _ticks_wanted(request), exchange.now)
    return reply(ticks.answer(request, page, "quotes"))


def _ticks_wanted(request: web.Request) -> ticks.TicksRequest:
    asked = request.query
    one = request.match_info.get("symbol")
    start, end = _span(request.app[DESK], asked)
    return ticks.TicksRequest(
        symbols=(bars.checked_symbol(one),) if one else bars.read_symbols(asked),
        start=start,
        end=end,
        limit=bars.read_number(asked, "limit", 1000, bars.BARS_MAX),
        ascending=_is_ascending(asked),
        resume=bars.read_token(asked.get("page_token", "")),
    )


def _span(desk: Desk, asked: query.Query) -> tuple[datetime, datetime]:
    """Start and end of what a historical feed is asked for. Raises RefusedError (400, 403)."""
    feed = asked.get("feed", "") or "sip"
    if feed not in HISTORICAL_FEEDS:
        raise bars.refused(f"invalid feed: {feed[:40]}")
    _check_currency(asked)
    _check_asof(asked)
    now = desk.exchange.now
    is_delayed = feed == "sip" and desk.config.sip_delay_min > 0
    newest = now - timedelta(minutes=desk.config.sip_delay_min) if is_delayed else now
    end = bars.read_moment(asked, "end", is_end=True) or newest
    today = bars.midnight(now.astimezone(NEW_YORK).date())
    start = bars.read_moment(asked, "start") or min(today, end)
    if end < start:
        raise bars.refused("end should not be before start")
    if end > newest and is_delayed:
        raise refusals.RefusedError(403, {"message": _SIP_REFUSED})
    return start, end


def _adjustment(text: str) -> str:
    """The market's word for a list of adjustments. Raises RefusedError (400)."""
    parts = frozenset(text.split(",")) if text else frozenset({"raw"})
    if not parts <= _ADJUSTMENTS:
        raise bars.refused(f"invalid adjustment: {text[:40]}")
    if "all" in parts or {"split", "dividend"} <= parts:
        return "all"
    return next((word for word in ("split", "dividend") if word in parts), "raw")


def _is_ascending(asked: query.Query) -> bool:
    sort = asked.get("sort", "") or "asc"
    if sort not in ("asc", "desc"):
        raise bars.refused(f"invalid sort: {sort[:40]}")
    return sort == "asc"


def _check_currency(asked: query.Query) -> None:
    currency = asked.get("currency", "") or "USD"
    if currency != "USD":
        raise bars.refused(f"invalid currency: {currency[:40]} (served here: USD)")


def _check_asof(asked: query.Query) -> None:
    if asked.get("asof", "") not in ("", "-"):
        bars.read_moment(asked, "asof")


async def latest_quotes(request: web.Request) -> web.Response:
    """GET /v2/stocks/quotes/latest."""
    desk, at = _fed(request)
    symbols = bars.read_symbols(request.query, is_latest=True)
    found = {s: desk.exchange.market.quote(s, at) for s in symbols}
    return reply({"quotes": {s: _quote(q) for s, q in found.items() if q}})


async def latest_quote(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/quotes/latest."""
    desk, at = _fed(request)
    symbol = _symbol(request)
    quote = desk.exchange.market.quote(symbol, at)
    if quote is None:
        raise _nothing("quote", symbol)
    return reply({"quote": _quote(quote), "symbol": symbol})


async def latest_trades(request: web.Request) -> web.Response:
    """GET /v2/stocks/trades/latest."""
    desk, at = _fed(request)
    symbols = bars.read_symbols(request.query, is_latest=True)
    found = {s: desk.exchange.market.trade(s, at) for s in symbols}
    return reply({"trades": {s: _trade(t) for s, t in found.items() if t}})


async def latest_trade(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/trades/latest."""
    desk, at = _fed(request)
    symbol = _symbol(request)
    trade = desk.exchange.market.trade(symbol, at)
    if trade is None:
        raise _nothing("trade", symbol)
    return reply({"symbol": symbol, "trade": _trade(trade)})


async def latest_bars(request: web.Request) -> web.Response:
    """GET /v2/stocks/bars/latest: the last minute; the last session of a market without minutes."""
    desk, at = _fed(request)
    symbols = bars.read_symbols(request.query, is_latest=True)
    found = {s: _latest_bar(desk, s, at) for s in symbols}
    return reply({"bars": {s: bars.shown(b) for s, b in found.items() if b}})


async def latest_bar(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/bars/latest."""
    desk, at = _fed(request)
    symbol = _symbol(request)
    bar = _latest_bar(desk, symbol, at)
    if bar is None:
        raise _nothing("bar", symbol)
    return reply({"bar": bars.shown(bar), "symbol": symbol})


async def snapshots(request: web.Request) -> web.Response:
    """GET /v2/stocks/snapshots: keyed by symbol at the top; unknown symbols are left out."""
    desk, at = _fed(request)
    symbols = bars.read_symbols(request.query, is_latest=True)
    return reply({s: _snapshot(desk, s, at) for s in symbols if desk.exchange.knows(s)})


async def one_snapshot(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/snapshot."""
    desk, at = _fed(request)
    symbol = _symbol(request)
    if not desk.exchange.knows(symbol):
        raise _nothing("snapshot", symbol)
    return reply({**_snapshot(desk, symbol, at), "symbol": symbol})


def _symbol(request: web.Request) -> str:
    return bars.checked_symbol(request.match_info["symbol"], is_latest=True)


def _nothing(what: str, symbol: str) -> refusals.RefusedError:
    return refusals.RefusedError(404, {"message": f"no {what} found for {symbol}"})


def _fed(request: web.Request) -> tuple[Desk, datetime]:
    """The desk, and the moment of which the feed asked for tells. Raises RefusedError."""
    desk, asked = request.app[DESK], request.query
    feed = asked.get("feed", "") or "iex"
    if feed not in LATEST_FEEDS:
        raise bars.refused(f"invalid feed: {feed[:40]}")
    _check_currency(asked)
    if feed == "sip" and desk.config.sip_delay_min > 0:
        raise refusals.RefusedError(403, {"message": _SIP_REFUSED})
    now = desk.exchange.now
    return desk, now - _DELAY if feed == "delayed_sip" else now


def _latest_bar(desk: Desk, symbol: str, at: datetime) -> TimedBar | None:
    market, calendar = desk.exchange.market, desk.exchange.calendar
    minute = bars.last_minute(market, calendar, symbol, at)
    if minute is not None:
        return minute
    days = _sessions(desk, symbol, at)
    return days[-1] if days else None


def _sessions(desk: Desk, symbol: str, at: datetime) -> list[TimedBar]:
    """The last two sessions as traded, the running one among them where minutes tell of it."""
    market, calendar = desk.exchange.market, desk.exchange.calendar
    today = at.astimezone(NEW_YORK).date()
    found = market.bars(symbol, today - timedelta(days=10), today, "raw", at)
    running = bars.running_bar(market, calendar, symbol, "raw", at)
    days = [bars.timed(bar) for bar in found[-2:]]
    return [*days, running][-2:] if running else days[-2:]


def _snapshot(desk: Desk, symbol: str, at: datetime) -> wire.Json:
    market, calendar = desk.exchange.market, desk.exchange.calendar
    quote, trade = market.quote(symbol, at), market.trade(symbol, at)
    days = _sessions(desk, symbol, at)
    minute = bars.last_minute(market, calendar, symbol, at)
    parts = {
        "dailyBar": bars.shown(days[-1]) if days else None,
        "latestQuote": _quote(quote) if quote else None,
        "latestTrade": _trade(trade) if trade else None,
        "minuteBar": bars.shown(minute) if minute else None,
        "prevDailyBar": bars.shown(days[-2]) if len(days) > 1 else None,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _quote(quote: MarketQuote) -> wire.Json:
    return {
        "ap": float(quote.ask),
        "as": quote.ask_size,
        "ax": "V",
        "bp": float(quote.bid),
        "bs": quote.bid_size,
        "bx": "V",
        "c": ["R"],
        "t": wire.moment(quote.at),
        "z": "C",
    }


def _trade(trade: MarketTrade) -> wire.Json:
    return {
        "c": ["@"],
        "i": int(trade.at.timestamp() * 1000) % 10**9,
        "p": float(trade.price),
        "s": trade.size,
        "t": wire.moment(trade.at),
        "x": "V",
        "z": "C",
    }
