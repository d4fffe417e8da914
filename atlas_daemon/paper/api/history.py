"""GET /v2/account/portfolio/history: what the account was worth, worked out backwards.

From what the account holds now its activities are undone one by one, so that any past moment can
be valued at the market's prices of that moment. Closing equity, where it was noted, is taken as it
is. Moments before the account was opened are worth 0.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import query
from atlas_daemon.paper.api.gate import DESK, account_of, reply
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.bookings import cash_moved, shares_moved
from atlas_daemon.paper.exchange.orders import CENT, ZERO, Activity
from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar, TradingDay
from atlas_daemon.paper.market.market import Market

_STEPS = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    "1D": timedelta(days=1),
}
_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
_PERIOD = re.compile(r"([1-9][0-9]{0,2})([DWMA])")
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_INTRADAY_MAX = timedelta(days=30)
_MINUTES_MAX = timedelta(days=7)
_RANGES = ("market_hours", "extended_hours", "continuous")
_EXTENDED_OPENS_AT = time(4)
_DAY_ENDS_AT = time(20)
_SHORT_DAY_ENDS_AT = time(17)


@dataclass(frozen=True, slots=True)
class Point:
    """One label of the series and the moment that it is valued at."""

    label: datetime
    valued_at: datetime
    day: date


@dataclass(frozen=True, slots=True)
class Window:
    """What a request asks for."""

    begins_at: datetime
    ends_at: datetime
    timeframe: str
    reporting: str


def routes() -> list[web.RouteDef]:
    """Method, path and handler."""
    return [web.get("/v2/account/portfolio/history", portfolio_history)]


async def portfolio_history(request: web.Request) -> web.Response:
    """GET /v2/account/portfolio/history."""
    desk, account, asked = request.app[DESK], account_of(request), request.query
    now = desk.exchange.now
    window = _window(asked, account, now)
    resets = query.word(asked, "pnl_reset", "per_day", ("per_day", "no_reset")) == "per_day"
    points = _points(window, desk.exchange.calendar, now)
    closed = dict(account.closing_equity)
    days = list(closed)
    equities = equity_at(account, desk.exchange.market, [p.valued_at for p in points])
    if window.timeframe == "1D":
        equities = [closed.get(p.day, e) for p, e in zip(points, equities, strict=True)]
    before = _last_before(days, points[0].day) if points else None
    base = (
        closed[before]
        if before
        else equity_at(account, desk.exchange.market, [account.created_at])[0]
    )
    gains = []
    for point, equity in zip(points, equities, strict=True):
        since = base
        if resets and window.timeframe != "1D" and (last := _last_before(days, point.day)):
            since = closed[last]
        is_alive = point.valued_at >= account.created_at
        gains.append((equity - since, since) if is_alive else (ZERO, since))
    body: wire.Json = {
        "timestamp": [int(point.label.timestamp()) for point in points],
        "equity": [float(equity.quantize(CENT)) for equity in equities],
        "profit_loss": [float(gain.quantize(CENT)) for gain, _ in gains],
        "profit_loss_pct": [round(float(gain / of), 4) if of else 0.0 for gain, of in gains],
        "base_value": float(base.quantize(CENT)),
    }
    if before:
        body["base_value_asof"] = before.isoformat()
    body["timeframe"] = window.timeframe
    body["cashflow"] = _cashflow(asked, account, points)
    return reply(body)


def equity_at(account: Account, market: Market, moments: Sequence[datetime]) -> list[Decimal]:
    """What the account was worth at each of some ascending moments, in dollars."""
    cash = account.cash
    shares = {p.symbol: p.qty for p in account.positions.values()}
    undone = len(account.activities)
    found: list[Decimal] = []
    for at in reversed(moments):
        while undone and account.activities[undone - 1].at > at:
            undone -= 1
            line = account.activities[undone]
            cash -= cash_moved(line)
            if line.symbol is not None and (moved := shares_moved(line)):
                shares[line.symbol] = shares.get(line.symbol, ZERO) - moved
        if at < account.created_at:
            found.append(ZERO)
            continue
        worth = cash
        for symbol, qty in shares.items():
            trade = market.trade(symbol, at) if qty else None
            if trade is not None:
                worth += qty * trade.price
        found.append(worth)
    return found[::-1]


def _window(asked: query.Query, account: Account, now: datetime) -> Window:
    """The span and its resolution. Raises RefusedError (422)."""
    start, end, period = (asked.get(key, "") for key in ("start", "end", "period"))
    if start and end and period:
        raise refusals.invalid("only two of period, start and end may be given")
    span = _span(period, account, now)
    ends_at = min(_instant("end", end), now) if end else None
    begins_at = _instant("start", start) if start else None
    if begins_at is None:
        ends_at = ends_at or now
        begins_at = ends_at - span
    elif ends_at is None:
        ends_at = min(begins_at + span, now)
    if begins_at > ends_at:
        raise refusals.invalid("start must not be after end")
    length = ends_at - begins_at
    default = "1Min" if length < _MINUTES_MAX else "15Min" if length < _INTRADAY_MAX else "1D"
    timeframe = asked.get("timeframe", "") or default
    if timeframe not in _STEPS:
        known = ", ".join(("15Min", "1H", "1D", "1Min", "5Min"))
        text = f"invalid timeframe provided: {timeframe[:20]}. Valid timeframes are {known}"
        raise refusals.invalid(text)
    longest = _MINUTES_MAX if timeframe == "1Min" else _INTRADAY_MAX
    if timeframe != "1D" and length > longest:
        raise refusals.invalid(f"{timeframe} is not available for more than {longest.days} days")
    is_extended = query.flag(asked, "extended_hours")
    reporting = query.word(
        asked, "intraday_reporting", "extended_hours" if is_extended else _RANGES[0], _RANGES
    )
    return Window(begins_at, ends_at, timeframe, reporting)


def _span(period: str, account: Account, now: datetime) -> timedelta:
    if period == "all":
        return max(now - account.created_at, timedelta(days=1))
    match = _PERIOD.fullmatch(period or "1M")
    if match is None:
        raise refusals.invalid(f"invalid period: {period[:40]}")
    return timedelta(days=int(match[1]) * _DAYS[match[2]])


def _instant(key: str, text: str) -> datetime:
    """A moment as RFC 3339, seconds since 1970, or a date (its midnight in UTC)."""
    try:
        if text.isdigit() and len(text) > 8:
            return datetime.fromtimestamp(int(text), UTC)
        at = datetime.fromisoformat(text.replace(" ", "+"))
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(at, _FIRST), _LAST)
    except (ValueError, OverflowError, OSError):
        raise refusals.invalid(f"invalid {key}: {text[:40]}") from None


def _points(window: Window, calendar: Calendar, now: datetime) -> list[Point]:
    first = window.begins_at.astimezone(NEW_YORK).date()
    last = window.ends_at.astimezone(NEW_YORK).date()
    step = _STEPS[window.timeframe]
    if window.timeframe != "1D" and window.reporting == "continuous":
        return _steps(window.begins_at, window.ends_at, step, window, now)
    points: list[Point] = []
    for session in calendar.sessions(first, last):
        if session.opens_at > now:
            break
        if window.timeframe == "1D":
            valued_at = min(session.closes_at, now)
            points.append(Point(_late_end(session), valued_at, session.day))
            continue
        opens_at, closes_at = session.opens_at, session.closes_at
        if window.reporting == "extended_hours":
            opens_at = datetime.combine(session.day, _EXTENDED_OPENS_AT, NEW_YORK).astimezone(UTC)
            closes_at = _late_end(session)
        points += _steps(opens_at, closes_at, step, window, now)
    return points


def _steps(
    opens_at: datetime, closes_at: datetime, step: timedelta, window: Window, now: datetime
) -> list[Point]:
    """Labels on a grid from `opens_at`, the last one included, each valued where its step ends."""
    end = min(closes_at, now)
    found: list[Point] = []
    at = opens_at
    while at <= min(end, window.ends_at):
        if at + step > window.begins_at:
            day = at.astimezone(NEW_YORK).date()
            found.append(Point(at, min(at + step, end), day))
        at += step
    return found


def _late_end(session: TradingDay) -> datetime:
    """When extended trading of a session's day ends: the label of its daily point."""
    clock = _DAY_ENDS_AT if session.is_full else _SHORT_DAY_ENDS_AT
    return datetime.combine(session.day, clock, NEW_YORK).astimezone(UTC)


def _last_before(days: Sequence[date], day: date) -> date | None:
    """The last of some ascending days that is before `day`."""
    index = bisect_left(days, day)
    return days[index - 1] if index else None


def _cashflow(
    asked: query.Query, account: Account, points: Sequence[Point]
) -> dict[str, list[float]]:
    """Dollars that came and went within each step, by activity type."""
    wanted = query.names(asked, "cashflow_types") or ["ALL"]
    if wanted == ["NONE"] or not points:
        return {}
    found: dict[str, list[Decimal]] = {}
    index = 0
    for line in _between(account.activities, points):
        while line.at > points[index].valued_at:
            index += 1
        if wanted == ["ALL"] or line.kind in wanted:
            row = found.setdefault(line.kind, [ZERO] * len(points))
            row[index] += line.net_amount or ZERO
    return {kind: [float(amount) for amount in row] for kind, row in sorted(found.items())}


def _between(lines: Sequence[Activity], points: Sequence[Point]) -> Iterable[Activity]:
    """Lines other than trades that moved money within the span of the points, ascending."""
    first = datetime.combine(points[0].day, time(), NEW_YORK)
    return (
        line
        for line in lines
        if line.kind != "FILL" and line.net_amount and first <= line.at <= points[-1].valued_at
    )
