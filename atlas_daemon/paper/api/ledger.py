"""Account endpoints under /v2/account: figures, configurations, activities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import query
from atlas_daemon.paper.api.gate import DESK, account_of, json_body, reply
from atlas_daemon.paper.exchange import charges, past, refusals
from atlas_daemon.paper.exchange.accounts import Account, Configuration
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import ZERO

PAGE_MAX = 100
_DAY_NS = 24 * 3600 * 1_000_000_000
_KIND_NAMES = (
    "FILL TRANS MISC ACATC ACATS CFEE CGD CSD CSW DIV DIVCGL DIVCGS DIVFEE DIVFT DIVNRA DIVROC "
    "DIVTW DIVTXEX FEE INT INTNRA INTTW JNL JNLC JNLS MA NC OPASN OPCA OPCSH OPEXC OPEXP OPTRD "
    "PTC PTR REO REORG SPIN SPLIT FOPT OCT"
)
KINDS = frozenset(_KIND_NAMES.split())
"""Alpaca's activity types; TRANS and MISC stand for several."""
_TRANSFERS = frozenset({"CSD", "CSW"})
_GROUPS = {
    "TRANS": tuple(_TRANSFERS),
    "MISC": tuple(KINDS - _TRANSFERS - {"FILL", "DIV", "TRANS", "MISC"}),
}
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
    ]


async def show_account(request: web.Request) -> web.Response:
    """GET /v2/account."""
    desk, account = request.app[DESK], account_of(request)
    now = desk.exchange.now
    today = now.astimezone(NEW_YORK).date()
    closed = account.closing_equity
    balance_asof = closed[-1][0] if closed else today - timedelta(days=1)
    pending = ZERO
    if desk.exchange.engine.like_live.fees:
        pending = sum((fee.amount for fee in charges.fees_of(account, now)), ZERO)
    figures = desk.exchange.figures(account)
    midnight = datetime.combine(today, time(), NEW_YORK).astimezone(UTC)
    moved = _moved_today(account, midnight)
    return reply(wire.account(account, figures, balance_asof, pending, moved))


def _moved_today(account: Account, midnight: datetime) -> Decimal:
    """Dollars that came in and went out since then, trades and their fees apart."""
    moved = ZERO
    for entry in reversed(account.activities):
        if entry.at < midnight:
            break
        if entry.kind in _TRANSFERS:
            moved += entry.net_amount or ZERO
    return moved


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
    """GET /v2/account/activities[/{kind}]: newest first, paged by the last id seen.

    `after`, `until` and `date` are about when a line was written: the execution of a trade, the
    evening in which a fee was booked. Both bounds are exclusive; a `date` is one of UTC.
    """
    account, asked = account_of(request), request.query
    is_wanted = _filter(request)
    size = query.ranged(asked, "page_size", PAGE_MAX, 1, PAGE_MAX)
    direction = query.word(asked, "direction", "desc", ("asc", "desc"))
    after, until = query.moment_ns(asked, "after"), query.moment_ns(asked, "until")
    day = query.day(asked, "date")
    if day is not None and (after is not None or until is not None):
        raise refusals.invalid("date cannot be used with after or until")
    order_id = query.order_id(asked["order_id"]) if asked.get("order_id") else ""
    page: list[wire.Json] = []
    if day is not None:
        midnight = wire.moment_ns(datetime.combine(day, time(), UTC))
        after, until = midnight - 1, midnight + _DAY_NS
    token = asked.get("page_token", "")
    for entry in past.activities_within(account, token, direction, after, until):
        if (
            not is_wanted(entry.kind)
            or (after is not None and wire.moment_ns(entry.at) <= after)
            or (until is not None and wire.moment_ns(entry.at) >= until)
            or (order_id and entry.order_id != order_id)
        ):
            continue
        page.append(wire.activity(entry))
        if len(page) == size:
            break
    return reply(page)


def _filter(request: web.Request) -> Callable[[str], bool]:
    """Whether an activity type is asked for. Raises RefusedError for one that is none."""
    asked = request.query
    kind = request.match_info.get("kind")
    listed = [part for text in asked.getall("activity_types", []) for part in text.split(",")]
    wanted = [name.strip().upper() for name in ([kind] if kind else listed) if name.strip()]
    category = query.word(asked, "category", "", ("", "trade_activity", "non_trade_activity"))
    if category and wanted:
        raise refusals.invalid("category cannot be used with activity_types")
    for name in wanted:
        if name not in KINDS:
            raise refusals.invalid(f"invalid activity type: {name[:40]}")
    if category:
        return lambda kind: (kind == "FILL") == (category == "trade_activity")
    if not wanted:
        return lambda kind: True
    kinds = {one for name in wanted for one in _GROUPS.get(name, (name,))}
    return kinds.__contains__
