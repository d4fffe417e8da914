"""Account endpoints under /v2/account: figures, configurations, activities, portfolio history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

from aiohttp import web

from atlas_daemon.paper import query, refusals, wire
from atlas_daemon.paper.accounts import Account, Configuration
from atlas_daemon.paper.gate import DESK, account_of, json_body, reply
from atlas_daemon.paper.matching import NEW_YORK
from atlas_daemon.paper.orders import Activity

PAGE_MAX = 100
_TRADE_KINDS = ("FILL",)
_CHOICES: dict[str, tuple[object, ...]] = {
    "suspend_trade": (True, False),
    "no_shorting": (True, False),
    "fractional_trading": (True, False),
    "ptp_no_exception_entry": (True, False),
    "disable_overnight_trading": (True, False),
    "max_margin_multiplier": ("1", "2", "4"),
    "trade_confirm_email": ("all", "none"),
    "max_options_trading_level": (None, 0, 1, 2, 3),
}
_IGNORED = ("dtbp_check", "pdt_check")


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each account endpoint."""
    return [
        web.get("/v2/account", show_account),
        web.get("/v2/account/configurations", show_configurations),
        web.patch("/v2/account/configurations", change_configurations),
        web.get("/v2/account/activities", list_activities),
        web.get("/v2/account/activities/{kind}", list_activities),
        web.get("/v2/account/portfolio/history", portfolio_history),
    ]


async def show_account(request: web.Request) -> web.Response:
    """GET /v2/account."""
    desk, account = request.app[DESK], account_of(request)
    today = desk.exchange.now.astimezone(NEW_YORK).date()
    closed = account.closing_equity
    balance_asof = closed[-1][0] if closed else today - timedelta(days=1)
    return reply(wire.account(account, desk.exchange.figures(account), balance_asof))


async def show_configurations(request: web.Request) -> web.Response:
    """GET /v2/account/configurations."""
    return reply(wire.configuration(account_of(request)))


async def change_configurations(request: web.Request) -> web.Response:
    """PATCH /v2/account/configurations: what is not named (or null) stays."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise refusals.malformed()
    account = account_of(request)
    account.configuration = _changed(account.configuration, body)
    return reply(wire.configuration(account))


def _changed(settings: Configuration, body: dict[str, object]) -> Configuration:
    changes: dict[str, object] = {}
    for key, value in body.items():
        if value is None or key in _IGNORED:
            continue
        choices = _CHOICES.get(key)
        if choices is None:
            raise refusals.invalid(f"unknown configuration: {key[:40]}")
        if not any(
            value is choice or (value == choice and type(value) is type(choice))
            for choice in choices
        ):
            raise refusals.invalid(f"invalid {key}")
        changes[key] = value
    return replace(settings, **changes)  # type: ignore[arg-type]


async def list_activities(request: web.Request) -> web.Response:
    """GET /v2/account/activities[/{kind}]: newest first, paged by the last id seen."""
    account, asked = account_of(request), request.query
    kinds = _kinds(request)
    size = query.whole(asked, "page_size", PAGE_MAX, PAGE_MAX)
    direction = query.word(asked, "direction", "desc", ("asc", "desc"))
    after, until = query.moment_ns(asked, "after"), query.moment_ns(asked, "until")
    day = query.day(asked, "date")
    if day is not None and (after is not None or until is not None):
        raise refusals.invalid("date cannot be used with after or until")
    order_id = asked.get("order_id", "")
    page: list[wire.Json] = []
    for entry in _from_token(account, direction, asked.get("page_token", "")):
        at = wire.moment_ns(entry.at)
        if (
            (kinds and entry.kind not in kinds)
            or (after is not None and at <= after)
            or (until is not None and at >= until)
            or (day is not None and entry.at.astimezone(NEW_YORK).date() != day)
            or (order_id and entry.order_id != order_id)
        ):
            continue
        page.append(wire.activity(entry))
        if len(page) == size:
            break
    return reply(page)


def _kinds(request: web.Request) -> frozenset[str]:
    """The activity types asked for; empty means all."""
    kind = request.match_info.get("kind")
    listed = query.names(request.query, "activity_types")
    category = query.word(
        request.query, "category", "", ("", "trade_activity", "non_trade_activity")
    )
    if category and (kind or listed):
        raise refusals.invalid("category cannot be used with activity_types")
    if category == "trade_activity":
        return frozenset(_TRADE_KINDS)
    if category:
        others = {entry.kind for entry in account_of(request).activities}
        return frozenset(others - set(_TRADE_KINDS)) or frozenset({"none"})
    return frozenset([kind.upper()] if kind else listed)


def _from_token(account: Account, direction: str, token: str) -> Iterator[Activity]:
    """Activities in the direction asked, beginning after the one that the token names."""
    ordered = account.activities if direction == "asc" else reversed(account.activities)
    is_past = not token
    for entry in ordered:
        if is_past:
            yield entry
        elif entry.id == token:
            is_past = True


async def portfolio_history(request: web.Request) -> web.Response:
    """GET /v2/account/portfolio/history: daily equity at each close, and now."""
    desk, account = request.app[DESK], account_of(request)
    query.word(request.query, "timeframe", "1D", ("1D", "1Min", "5Min", "15Min", "1H"))
    start, end = query.day(request.query, "start"), query.day(request.query, "end")
    today = desk.exchange.now.astimezone(NEW_YORK).date()
    points = [*account.closing_equity]
    if not points or points[-1][0] != today:
        points.append((today, desk.exchange.figures(account).equity))
    points = [
        point
        for point in points
        if (start is None or point[0] >= start) and (end is None or point[0] <= end)
    ]
    base = points[0][1] if points else account.last_equity
    stamps = [int(datetime.combine(day, time(), NEW_YORK).timestamp()) for day, _ in points]
    gains = [equity - base for _, equity in points]
    return reply(
        {
            "timestamp": stamps,
            "equity": [float(equity) for _, equity in points],
            "profit_loss": [float(gain) for gain in gains],
            "profit_loss_pct": [float(gain / base) if base else 0.0 for gain in gains],
            "base_value": float(base.quantize(Decimal("0.01"))),
            "base_value_asof": points[0][0].isoformat() if points else today.isoformat(),
            "timeframe": "1D",
        }
    )
