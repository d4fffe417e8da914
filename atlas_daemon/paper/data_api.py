"""Market data endpoints, served beside the trading API: bars, quotes, trades, snapshots, actions.

Only what was known at the broker's time is told; never a bar of the running session.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime, time, timedelta

from aiohttp import web

from atlas_daemon.paper import query, refusals, wire
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.gate import DESK, reply
from atlas_daemon.paper.market import ADJUSTMENTS, MarketBar, MarketQuote, MarketTrade
from atlas_daemon.paper.matching import NEW_YORK
from atlas_daemon.paper.orders import id_of

FEEDS = ("", "sip", "iex", "delayed_sip", "otc", "boats", "overnight")
BARS_MAX = 10_000
_ONE_DAY = ("1Day", "1D", "1day")
_SIP_REFUSED = "subscription does not permit querying recent SIP data"


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each data endpoint."""
    return [
        web.get("/v2/stocks/bars", many_bars),
        web.get("/v2/stocks/quotes/latest", latest_quotes),
        web.get("/v2/stocks/trades/latest", latest_trades),
        web.get("/v2/stocks/bars/latest", latest_bars),
        web.get("/v2/stocks/snapshots", snapshots),
        web.get("/v2/stocks/{symbol}/bars", one_symbols_bars),
        web.get("/v2/stocks/{symbol}/quotes/latest", latest_quote),
        web.get("/v2/stocks/{symbol}/trades/latest", latest_trade),
        web.get("/v2/stocks/{symbol}/snapshot", one_snapshot),
        web.get("/v1/corporate-actions", corporate_actions),
    ]


async def many_bars(request: web.Request) -> web.Response:
    """GET /v2/stocks/bars: several symbols, one page; a page may end within a symbol."""
    page, token = _bars_page(request, _symbols(request))
    return reply({"bars": page, "next_page_token": token})


async def one_symbols_bars(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/bars."""
    symbol = request.match_info["symbol"].upper()
    page, token = _bars_page(request, [symbol])
    return reply({"bars": page.get(symbol, []), "next_page_token": token, "symbol": symbol})


def _bars_page(
    request: web.Request, symbols: list[str]
) -> tuple[dict[str, list[wire.Json]], str | None]:
    desk, asked = request.app[DESK], request.query
    timeframe = asked.get("timeframe", "")
    if timeframe not in _ONE_DAY:
        raise refusals.malformed(f"invalid timeframe: {timeframe[:40]} (served here: 1Day)")
    adjustment = query.word(asked, "adjustment", "raw", ADJUSTMENTS)
    limit = query.whole(asked, "limit", 1000, BARS_MAX)
    ascending = query.word(asked, "sort", "asc", ("asc", "desc")) == "asc"
    query.day(asked, "asof")
    now = desk.exchange.now
    start = query.moment(asked, "start")
    end = query.moment(asked, "end")
    _check_feed(desk, asked, end or now)
    first = start or datetime.combine(now.astimezone(NEW_YORK).date(), time(), NEW_YORK)
    window = _days_between(first, end or now)
    resume_symbol, resume_day = _read_token(asked.get("page_token", ""))
    page: dict[str, list[wire.Json]] = {}
    count = 0
    for symbol in sorted(set(symbols)):
        if symbol < resume_symbol or window is None:
            continue
        bars = desk.exchange.market.bars(symbol, *window, adjustment, now)
        for bar in bars if ascending else reversed(bars):
            seen = bar.day <= resume_day if ascending else bar.day >= resume_day
            if symbol == resume_symbol and seen:
                continue
            if count == limit:
                last_symbol = next(reversed(page))
                return page, _token(last_symbol, str(page[last_symbol][-1]["t"])[:10])
            page.setdefault(symbol, []).append(_bar(bar))
            count += 1
    return page, None


async def latest_quotes(request: web.Request) -> web.Response:
    """GET /v2/stocks/quotes/latest."""
    desk = _fed(request)
    quotes = {s: _quote(q) for s in _symbols(request) if (q := _quote_of(desk, s))}
    return reply({"quotes": quotes})


async def latest_quote(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/quotes/latest."""
    symbol = request.match_info["symbol"].upper()
    quote = _quote_of(_fed(request), symbol)
    if quote is None:
        raise refusals.RefusedError(404, {"message": f"no quote found for {symbol}"})
    return reply({"quote": _quote(quote), "symbol": symbol})


async def latest_trades(request: web.Request) -> web.Response:
    """GET /v2/stocks/trades/latest."""
    desk = _fed(request)
    trades = {s: _trade(t) for s in _symbols(request) if (t := _trade_of(desk, s))}
    return reply({"trades": trades})


async def latest_trade(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/trades/latest."""
    symbol = request.match_info["symbol"].upper()
    trade = _trade_of(_fed(request), symbol)
    if trade is None:
        raise refusals.RefusedError(404, {"message": f"no trade found for {symbol}"})
    return reply({"symbol": symbol, "trade": _trade(trade)})


async def latest_bars(request: web.Request) -> web.Response:
    """GET /v2/stocks/bars/latest: the last completed session's."""
    desk = _fed(request)
    bars = {s: _bar(days[-1]) for s in _symbols(request) if (days := _last_bars(desk, s))}
    return reply({"bars": bars})


async def snapshots(request: web.Request) -> web.Response:
    """GET /v2/stocks/snapshots: keyed by symbol at the top; unknown symbols are left out."""
    desk = _fed(request)
    known = [s for s in _symbols(request) if desk.exchange.knows(s)]
    return reply({symbol: _snapshot(desk, symbol) for symbol in known})


async def one_snapshot(request: web.Request) -> web.Response:
    """GET /v2/stocks/{symbol}/snapshot."""
    desk, symbol = _fed(request), request.match_info["symbol"].upper()
    if not desk.exchange.knows(symbol):
        raise refusals.RefusedError(404, {"message": f"no snapshot found for {symbol}"})
    return reply({**_snapshot(desk, symbol), "symbol": symbol})


async def corporate_actions(request: web.Request) -> web.Response:
    """GET /v1/corporate-actions: grouped by kind, up to what is known today."""
    desk, asked = request.app[DESK], request.query
    today = desk.exchange.now.astimezone(NEW_YORK).date()
    first = query.day(asked, "start") or today
    last = query.day(asked, "end") or today
    limit = query.whole(asked, "limit", 100, 1000)
    symbols = frozenset(query.names(asked, "symbols"))
    kinds = frozenset(name.lower() for name in query.names(asked, "types"))
    skip = _read_offset(asked.get("page_token", ""))
    found = [
        action
        for action in desk.exchange.market.actions(first, last)
        if (not symbols or action.symbol in symbols) and (not kinds or action.kind in kinds)
    ]
    grouped: dict[str, list[wire.Json]] = {}
    for action in found[skip : skip + limit]:
        body: wire.Json = {
            "id": id_of("action", action.kind, action.symbol, action.ex_day),
            "symbol": action.symbol,
            "ex_date": action.ex_day.isoformat(),
            "process_date": action.ex_day.isoformat(),
            "record_date": action.ex_day.isoformat(),
        }
        if action.ratio is not None:
            new, old = action.ratio.as_integer_ratio()
            body |= {"new_rate": new, "old_rate": old, "payable_date": action.ex_day.isoformat()}
        if action.amount is not None:
            body |= {"rate": float(action.amount), "special": False, "foreign": False}
        grouped.setdefault(f"{action.kind}s", []).append(body)
    more = len(found) > skip + limit
    token = base64.urlsafe_b64encode(str(skip + limit).encode()).decode() if more else None
    return reply({"corporate_actions": grouped, "next_page_token": token})


def _fed(request: web.Request) -> Desk:
    """The desk, once the feed asked for is allowed."""
    desk = request.app[DESK]
    _check_feed(desk, request.query, desk.exchange.now)
    return desk


def _check_feed(desk: Desk, asked: query.Query, end: datetime) -> None:
    if asked.get("feed", "") not in FEEDS:
        raise refusals.malformed(f"invalid feed: {asked.get('feed', '')[:40]}")
    young = desk.exchange.now - timedelta(minutes=desk.config.sip_delay_min)
    if asked.get("feed") == "sip" and desk.config.sip_delay_min and end > young:
        raise refusals.RefusedError(403, {"message": _SIP_REFUSED})


def _symbols(request: web.Request) -> list[str]:
    symbols = query.names(request.query, "symbols")
    if not symbols:
        raise refusals.malformed("symbols is required")
    return symbols


def _days_between(start: datetime, end: datetime) -> tuple[date, date] | None:
    """The daily bars whose stamp (New York midnight) lies within [start, end]."""
    local_start, local_end = start.astimezone(NEW_YORK), end.astimezone(NEW_YORK)
    first = local_start.date()
    if datetime.combine(first, time(), NEW_YORK) < start:
        first += timedelta(days=1)
    last = local_end.date()
    return (first, last) if first <= last else None


def _quote_of(desk: Desk, symbol: str) -> MarketQuote | None:
    return desk.exchange.market.quote(symbol, desk.exchange.now)


def _trade_of(desk: Desk, symbol: str) -> MarketTrade | None:
    return desk.exchange.market.trade(symbol, desk.exchange.now)


def _last_bars(desk: Desk, symbol: str) -> list[MarketBar]:
    """The last completed sessions, as traded."""
    now = desk.exchange.now
    today = now.astimezone(NEW_YORK).date()
    return desk.exchange.market.bars(symbol, today - timedelta(days=10), today, "raw", now)[-2:]


def _snapshot(desk: Desk, symbol: str) -> wire.Json:
    quote, trade, days = _quote_of(desk, symbol), _trade_of(desk, symbol), _last_bars(desk, symbol)
    return {
        "dailyBar": _bar(days[-1]) if days else None,
        "latestQuote": _quote(quote) if quote else None,
        "latestTrade": _trade(trade) if trade else None,
        "minuteBar": None,
        "prevDailyBar": _bar(days[-2]) if len(days) > 1 else None,
    }


def _bar(bar: MarketBar) -> wire.Json:
    midnight = datetime.combine(bar.day, time(), NEW_YORK).astimezone(UTC)
    return {
        "c": float(bar.close),
        "h": float(bar.high),
        "l": float(bar.low),
        "n": max(bar.volume // 100, 1),
        "o": float(bar.open),
        "t": wire.moment(midnight),
        "v": bar.volume,
        "vw": round(float(bar.high + bar.low + bar.close) / 3, 6),
    }


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


def _token(symbol: str, day: str) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{day}".encode()).decode()


def _read_token(token: str) -> tuple[str, date]:
    """Where a page ended: symbol and day; the beginning for an empty token."""
    if not token:
        return "", date.min
    symbol, _, day = _decoded(token).partition("|")
    try:
        return symbol, date.fromisoformat(day)
    except ValueError:
        raise refusals.malformed("invalid page_token") from None


def _read_offset(token: str) -> int:
    text = _decoded(token) if token else "0"
    if not text.isdigit() or len(text) > 9:
        raise refusals.malformed("invalid page_token")
    return int(text)


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        raise refusals.malformed("invalid page_token") from None
