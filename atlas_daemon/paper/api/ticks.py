"""GET /v2/stocks/trades and /v2/stocks/quotes: the tape of past sessions, a print each second.

The same trades and quotes that the latest ones were at their time, paged as bars are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import bars
from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar, TradingDay
from atlas_daemon.paper.market.market import MarketQuote, MarketTrade

Tick = TypeVar("Tick", MarketQuote, MarketTrade)

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TicksRequest:
    """Prints of some symbols within [start, end]."""

    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    limit: int
    ascending: bool
    resume: tuple[str, datetime] | None
    """The symbol and the print that the page before ended with."""


@dataclass(frozen=True, slots=True)
class Tape(Generic[Tick]):
    """Where prints come from and how one is shown."""

    read: Callable[[str, datetime], Tick | None]
    show: Callable[[Tick], wire.Json]


def page_of(
    tape: Tape[Tick], calendar: Calendar, wanted: TicksRequest, now: datetime
) -> tuple[dict[str, list[wire.Json]], str | None]:
    """One page, and the token of the next one; None where this is the last."""
    page: dict[str, list[wire.Json]] = {}
    count = 0
    resume_symbol, resume_at = wanted.resume or ("", None)
    last: tuple[str, datetime] | None = None
    for symbol in sorted(wanted.symbols):
        if symbol < resume_symbol:
            continue
        seen = resume_at if symbol == resume_symbol else None
        for at in _seconds(tape, calendar, symbol, wanted, seen, now):
            tick = tape.read(symbol, at)
            if tick is None:
                continue
            if count == wanted.limit and last is not None:
                return page, bars.token_of(*last)
            page.setdefault(symbol, []).append(tape.show(tick))
            count, last = count + 1, (symbol, at)
    return page, None


def _seconds(
    tape: Tape[Tick],
    calendar: Calendar,
    symbol: str,
    wanted: TicksRequest,
    seen: datetime | None,
    now: datetime,
) -> Iterator[datetime]:
    """The moments at which a symbol printed, in the order asked for, after the one seen."""
    start, end = wanted.start, min(wanted.end, now)
    if seen is not None and wanted.ascending:
        start = max(start, seen + _SECOND)
    elif seen is not None:
        end = min(end, seen - _SECOND)
    if end < start:
        return
    first, last = start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
    sessions = calendar.sessions(first, last)
    for session in sessions if wanted.ascending else reversed(sessions):
        opened = tape.read(symbol, session.opens_at) if session.opens_at <= now else None
        # A symbol without volume keeps an older print: there is nothing of that day.
        if opened is None or opened.at < session.opens_at:
            continue
        yield from _within(session, start, end, ascending=wanted.ascending)


def _within(
    session: TradingDay, start: datetime, end: datetime, *, ascending: bool
) -> Iterator[datetime]:
    """Each second of a session that lies within [start, end]."""
    length = int((session.closes_at - session.opens_at).total_seconds())
    low = max(-((session.opens_at - start) // _SECOND), 0)
    high = min((end - session.opens_at) // _SECOND, length)
    numbers = range(low, high + 1) if ascending else range(high, low - 1, -1)
    return (session.opens_at + number * _SECOND for number in numbers)


def answer(
    request: web.Request, page: tuple[dict[str, list[wire.Json]], str | None], what: str
) -> wire.Json:
    """The body for several symbols, or for the one that the path names."""
    found, token = page
    symbol = request.match_info.get("symbol")
    if symbol is None:
        return {"next_page_token": token, what: found}
    rows = found.get(symbol.upper(), [])
    return {"next_page_token": token, "symbol": symbol.upper(), what: rows}
