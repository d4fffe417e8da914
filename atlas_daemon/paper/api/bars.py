"""Pages of bars: every timeframe of Alpaca's, several symbols in a row, a page that ends anywhere.

What a request asks for is read here too. Bars come from the market as sessions and as minutes;
weeks and months are put together from sessions. The running session's bar holds what has been
traded so far.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import query
from atlas_daemon.paper.exchange.refusals import RefusedError
from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar
from atlas_daemon.paper.market.market import Market, MarketBar, TimedBar

BARS_MAX = 10_000
SESSIONS_MAX = 60
"""Sessions whose minutes are worked out for one page; a page may end before its limit."""

_TIMEFRAME = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_MINUTES = {"Min": 1, "T": 1, "Hour": 60, "H": 60}
_MOST = {"Min": 59, "T": 59, "Hour": 23, "H": 23, "Day": 1, "D": 1, "Week": 1, "W": 1}
_MONTHS = (1, 2, 3, 4, 6, 12)
_SYMBOL = re.compile(r"[A-Z]+(\.[A-Z]+)?")
_MINUTE = timedelta(minutes=1)
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Moments beyond have no data, and no New York time near the ends of what can be told."""


@dataclass(frozen=True, slots=True)
class Timeframe:
    """How much one bar covers: so many minutes, or one session, week, or so many months."""

    unit: str
    count: int


@dataclass(frozen=True, slots=True)
class BarsRequest:
    """Bars of some symbols that begin within [start, end]."""

    symbols: tuple[str, ...]
    timeframe: Timeframe
    start: datetime
    end: datetime
    limit: int
    adjustment: str
    ascending: bool
    resume: tuple[str, datetime] | None
    """The symbol and the bar that the page before ended with."""


Page = tuple[dict[str, list[TimedBar]], str | None]


def refused(message: str) -> RefusedError:
    """The data API's 400: a message, no code."""
    return RefusedError(400, {"message": message})


def read_timeframe(text: str) -> Timeframe:
    """One of `[1-59]Min`, `[1-23]Hour`, `1Day`, `1Week`, `[1,2,3,4,6,12]Month`, or short.

    Raises RefusedError (400).
    """
    match = _TIMEFRAME.fullmatch(text)
    if match is None:
        raise refused(f"invalid timeframe: {text[:40]}")
    count, unit = int(match[1]), match[2]
    if count > _MOST.get(unit, 12) or (unit in ("Month", "M") and count not in _MONTHS):
        raise refused(f"invalid timeframe: {text[:40]}")
    if unit in _MINUTES:
        return Timeframe("minute", count * _MINUTES[unit])
    return Timeframe({"D": "day", "W": "week", "M": "month"}[unit[0]], count)


def read_symbols(asked: query.Query, *, is_latest: bool = False) -> tuple[str, ...]:
    """The symbols of a list, in order, each once. Raises RefusedError (400)."""
    found = tuple(dict.fromkeys(query.names(asked, "symbols")))
    if not found:
        text = "Invalid format for parameter symbols: query parameter 'symbols' is required"
        raise refused(text)
    return tuple(checked_symbol(one, is_latest=is_latest) for one in found)


def checked_symbol(symbol: str, *, is_latest: bool = False) -> str:
    """A symbol that could be one, in capitals. Raises RefusedError (400)."""
    symbol = symbol.upper()
    if not _SYMBOL.fullmatch(symbol):
        text = f"invalid symbol: {symbol[:40]}"
        raise refused(f"code=400, message={text}" if is_latest else text)
    return symbol


def read_moment(asked: query.Query, key: str, *, is_end: bool = False) -> datetime | None:
    """A date (New York's; as an end the whole of it) or RFC 3339. Raises RefusedError (400)."""
    text = asked.get(key, "").replace(" ", "+")
    if not text:
        return None
    try:
        if len(text) == 10:
            at = datetime.combine(date.fromisoformat(text), time(), NEW_YORK)
            if is_end:
                at += timedelta(days=1) - timedelta(microseconds=1)
        else:
            at = datetime.fromisoformat(text)
            if at.tzinfo is None:
                raise ValueError("no offset")
        return min(max(at.astimezone(UTC), _FIRST), _LAST)
    except (ValueError, OverflowError):
        text = f"error parsing '{text[:40]}' as RFC3339 or 2006-01-02 time"
        raise refused(f"Invalid format for parameter {key}: {text}") from None


def read_number(asked: query.Query, key: str, default: int, highest: int) -> int:
    """A whole number from 1 on. Raises RefusedError (400)."""
    text = asked.get(key, "") or str(default)
    if not text.isdecimal() or not 1 <= int(text[:9]) <= highest or len(text) > 9:
        raise refused(f"invalid {key}: {text[:40]} (must be between 1 and {highest})")
    return int(text)


def page_of(market: Market, calendar: Calendar, wanted: BarsRequest, now: datetime) -> Page:
    """One page, and the token of the next one; None where this is the last."""
    page: dict[str, list[TimedBar]] = {}
    count, sessions = 0, 0
    symbols = sorted(wanted.symbols)
    resume_symbol, resume_at = wanted.resume or ("", None)
    for symbol in symbols:
        if symbol < resume_symbol:
            continue
        seen = resume_at if symbol == resume_symbol else None
        last = seen
        for rows in _rows(market, calendar, symbol, wanted, seen, now):
            for bar in rows if wanted.ascending else reversed(rows):
                is_past = seen is not None and (
                    bar.at <= seen if wanted.ascending else bar.at >= seen
                )
                if is_past or not wanted.start <= bar.at <= wanted.end:
                    continue
                if count == wanted.limit:
                    return page, token_of(*_place(page, symbol, last))
                page.setdefault(symbol, []).append(bar)
                count, last = count + 1, bar.at
            sessions += 1
            if wanted.timeframe.unit == "minute" and sessions >= SESSIONS_MAX and last:
                return page, token_of(symbol, last)
    return page, None


def _place(
    page: dict[str, list[TimedBar]], symbol: str, last: datetime | None
) -> tuple[str, datetime]:
    """The symbol and moment of the bar that a page ends with."""
    if last is not None:
        return symbol, last
    symbol = next(reversed(page))
    return symbol, page[symbol][-1].at


def _rows(
    market: Market,
    calendar: Calendar,
    symbol: str,
    wanted: BarsRequest,
    seen: datetime | None,
    now: datetime,
) -> Iterator[list[TimedBar]]:
    """The bars of one symbol in portions, each ascending; portions in the order asked for."""
    start = max(wanted.start, seen) if seen and wanted.ascending else wanted.start
    end = min(wanted.end, seen) if seen and not wanted.ascending else wanted.end
    first, last = start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
    if wanted.timeframe.unit != "minute":
        first = _begin_of(wanted.timeframe)(first)
        yield _long_rows(market, calendar, symbol, wanted, (first, last), now)
        return
    sessions = calendar.sessions(first, last)
    size, adjustment = wanted.timeframe.count, wanted.adjustment
    for session in sessions if wanted.ascending else reversed(sessions):
        if session.opens_at > now:
            continue
        rows = market.minutes(symbol, session.day, size, adjustment, now)
        if rows is None:
            raise refused("invalid timeframe: this market has no minutes (served here: 1Day)")
        yield rows


def _long_rows(
    market: Market,
    calendar: Calendar,
    symbol: str,
    wanted: BarsRequest,
    span: tuple[date, date],
    now: datetime,
) -> list[TimedBar]:
    """Days, weeks or months, each stamped with the New York midnight that begins it."""
    # A week or a month is whole, however early the span ends.
    last = span[1] if wanted.timeframe.unit == "day" else span[1] + timedelta(days=366)
    bars = market.bars(symbol, span[0], last, wanted.adjustment, now)
    rows = [TimedBar(midnight(b.day), b.open, b.high, b.low, b.close, b.volume) for b in bars]
    running = running_bar(market, calendar, symbol, wanted.adjustment, now)
    if running is not None and span[0] <= running.at.astimezone(NEW_YORK).date() <= last:
        rows.append(running)
    if wanted.timeframe.unit == "day":
        return rows
    begin = _begin_of(wanted.timeframe)
    groups = groupby(rows, lambda bar: begin(bar.at.astimezone(NEW_YORK).date()))
    return [merged(group, midnight(day)) for day, group in groups]


def running_bar(
    market: Market, calendar: Calendar, symbol: str, adjustment: str, now: datetime
) -> TimedBar | None:
    """Today's bar while the session runs, of the minutes that are over; None otherwise."""
    session = calendar.session_at(now)
    if session is None:
        return None
    # A day has 1440 minutes: one bar, from midnight on.
    rows = market.minutes(symbol, session.day, 1440, adjustment, now)
    return rows[0] if rows else None


def last_minute(market: Market, calendar: Calendar, symbol: str, now: datetime) -> TimedBar | None:
    """The newest minute that is over, as traded; None where the market has no minutes."""
    session = calendar.last_opened(now)
    for _ in range(2):
        if session is None:
            return None
        rows = market.minutes(symbol, session.day, 1, "raw", now, 1)
        if rows:
            return rows[-1]
        # The first minute of a session is not over yet: the one before is the newest.
        session = calendar.last_opened(session.opens_at - _MINUTE)
    return None


def merged(bars: Iterable[TimedBar], at: datetime) -> TimedBar:
    """Several bars as one that begins at `at`."""
    rows = list(bars)
    return TimedBar(
        at,
        rows[0].open,
        max(row.high for row in rows),
        min(row.low for row in rows),
        rows[-1].close,
        sum(row.volume for row in rows),
    )


def timed(bar: MarketBar) -> TimedBar:
    """A session's bar, stamped with its New York midnight."""
    return TimedBar(midnight(bar.day), bar.open, bar.high, bar.low, bar.close, bar.volume)


def midnight(day: date) -> datetime:
    """The moment at which a New York date begins, in UTC."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def shown(bar: TimedBar) -> wire.Json:
    """A bar as the data API writes it."""
    return {
        "c": float(bar.close),
        "h": float(bar.high),
        "l": float(bar.low),
        "n": max(bar.volume // 100, 1),
        "o": float(bar.open),
        "t": wire.moment(bar.at),
        "v": bar.volume,
        "vw": round(float(bar.high + bar.low + bar.close) / 3, 6),
    }


def read_token(text: str) -> tuple[str, datetime] | None:
    """Where a page ended; None for the beginning. Raises RefusedError (400)."""
    if not text:
        return None
    try:
        symbol, _, at = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        moment = datetime.fromisoformat(at)
    except (binascii.Error, UnicodeError, ValueError):
        raise refused("invalid page_token") from None
    if moment.tzinfo is None:
        raise refused("invalid page_token")
    return symbol, moment


def token_of(symbol: str, at: datetime) -> str:
    """The token of a page that ended with that symbol's bar or print."""
    return base64.urlsafe_b64encode(f"{symbol}|{at.isoformat()}".encode()).decode()


def _begin_of(timeframe: Timeframe) -> Callable[[date], date]:
    """The first day of the bar that a day belongs to."""
    if timeframe.unit == "day":
        return lambda day: day
    if timeframe.unit == "week":
        return lambda day: day - timedelta(days=day.weekday())
    size = timeframe.count
    return lambda day: date(day.year, (day.month - 1) // size * size + 1, 1)
