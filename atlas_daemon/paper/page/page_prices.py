"""What the page's chart shows: the prices of a symbol over a day, a month or a year.

Read from the market the broker trades on; nothing is drawn here.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.orders import Activity
from atlas_daemon.paper.market.calendar import NEW_YORK, TradingDay
from atlas_daemon.paper.page.page_chart import Line, Mark, place_of

SPANS = {"day": 0, "month": 22, "year": 252}
"""Sessions shown; the day is the running session, or the last one."""
_STEP = timedelta(minutes=3)
_FILLS_LOOKED_AT = 500
_LABELS = 6


def price_line(desk: Desk, account: Account, symbol: str, span: str) -> Line:
    """The line of a symbol with the account's entry price and executions."""
    position = account.positions.get(symbol)
    entry = float(position.avg_entry_price) if position else None
    session = desk.exchange.calendar.last_opened(desk.exchange.now)
    if session is None:
        return Line(symbol, (), ())
    if span == "day":
        return _day(desk, account, symbol, session, entry)
    return _days(desk, account, symbol, session, entry, SPANS[span])


def _day(
    desk: Desk, account: Account, symbol: str, session: TradingDay, entry: float | None
) -> Line:
    market, now = desk.exchange.market, desk.exchange.now
    begin, end = session.opens_at, session.closes_at
    until = min(now, end)
    moments = [begin + n * _STEP for n in range((until - begin) // _STEP + 1)]
    trades = [(at, market.trade(symbol, at)) for at in (*moments, until)]
    before = market.trade(symbol, begin - timedelta(seconds=1))
    hours = [begin + timedelta(minutes=30 + 60 * n) for n in range((end - begin).seconds // 3600)]
    return Line(
        f"{symbol} on {session.day}",
        [(place_of(at, begin, end), float(trade.price)) for at, trade in trades if trade],
        [
            (place_of(at, begin, end), f"{at.astimezone(NEW_YORK):%H:%M}")
            for at in hours
            if at < end
        ],
        before=float(before.price) if before else None,
        entry=entry,
        marks=[
            _mark(fill, place_of(fill.at, begin, end))
            for fill in _fills(account, symbol)
            if begin <= fill.at <= end
        ],
    )


def _days(
    desk: Desk,
    account: Account,
    symbol: str,
    session: TradingDay,
    entry: float | None,
    count: int,
) -> Line:
    exchange = desk.exchange
    days = [
        day.day for day in exchange.calendar.sessions(_long_before(session, count), session.day)
    ]
    days = days[-count:]
    bars = exchange.market.bars(symbol, days[0], days[-1], "split", exchange.now)
    places = {day: n / (len(days) - 1) for n, day in enumerate(days)}
    points = [(places[bar.day], float(bar.close)) for bar in bars if bar.day in places]
    trade = exchange.market.trade(symbol, exchange.now)
    if trade is not None and (not points or points[-1][0] < 1):
        points.append((1.0, float(trade.price)))
    step = max(len(days) // _LABELS, 1)
    fills = [(fill, _day_of(fill.at)) for fill in _fills(account, symbol)]
    return Line(
        f"{symbol}, {len(days)} sessions up to {session.day}",
        points,
        [(places[day], f"{day:%d %b}") for day in days[step // 2 :: step]],
        entry=entry,
        marks=[_mark(fill, places[day]) for fill, day in fills if day in places],
    )


def _long_before(session: TradingDay, count: int) -> date:
    return session.day - timedelta(days=count * 3 // 2 + 10)


def _fills(account: Account, symbol: str) -> list[Activity]:
    latest = islice(reversed(account.activities), _FILLS_LOOKED_AT)
    return [entry for entry in latest if entry.kind == "FILL" and entry.symbol == symbol]


def _mark(fill: Activity, place: float) -> Mark:
    at = f"{fill.at.astimezone(NEW_YORK):%d %b %H:%M:%S}"
    price = fill.price or 0
    return Mark(place, float(price), fill.side or "", f"{fill.side} {fill.qty} at {price}, {at}")


def _day_of(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
