"""The operator's side door under /_admin, for tests and demos: state, clock, faults, money.

Not Alpaca's; open to this machine only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api.gate import DESK, json_body, reply
from atlas_daemon.paper.api.stream import SWITCHBOARD
from atlas_daemon.paper.console.script import Script
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import corporate, refusals
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.faults import scenario
from atlas_daemon.paper.faults.fault import FaultError, read_fault
from atlas_daemon.paper.faults.fault_kinds import KINDS
from atlas_daemon.paper.faults.faults import Armed

T = TypeVar("T")

_DOLLARS_MAX = Decimal(10) ** 12


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """POST /_admin/clock."""

    speed: float | None = None
    at: datetime | None = None


class LikeLiveChange(msgspec.Struct, forbid_unknown_fields=True):
    """POST /_admin/like-live: what is not named stays."""

    fees: bool | None = None
    dividends: bool | None = None
    interest: bool | None = None


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """POST /_admin/accounts/reset: the account of `key` (default: the first) begins anew."""

    key: str | None = None
    cash: Decimal | None = None
    new_keys: bool = False


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    """POST /_admin/accounts."""

    key: str
    secret: str
    cash: Decimal


class Happening(msgspec.Struct, forbid_unknown_fields=True):
    """POST /_admin/events: money moved (one of `MONEY_KINDS`), `halt` or `resume` of a symbol."""

    kind: str
    amount: Decimal | None = None
    symbol: str | None = None
    key: str | None = None
    description: str = ""


class WantedScenario(msgspec.Struct, forbid_unknown_fields=True):
    """POST /_admin/scenario."""

    name: str


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each admin endpoint."""
    return [
        web.get("/_admin/state", show_state),
        web.post("/_admin/clock", set_clock),
        web.get("/_admin/faults", list_faults),
        web.post("/_admin/faults", arm_fault),
        web.delete("/_admin/faults", clear_faults),
        web.delete("/_admin/faults/{number}", disarm_fault),
        web.post("/_admin/scenario", begin_scenario),
        web.post("/_admin/like-live", like_live),
        web.post("/_admin/accounts", open_account),
        web.post("/_admin/accounts/reset", reset_account),
        web.post("/_admin/events", happen),
    ]


async def show_state(request: web.Request) -> web.Response:
    """GET /_admin/state: time, speed, accounts in short, armed faults, the scenario."""
    desk = request.app[DESK]
    now = desk.settle()
    return reply(
        {
            "at": wire.moment(now),
            "speed": desk.clock.speed,
            "is_open": desk.exchange.engine.session is not None,
            "listeners": request.app[SWITCHBOARD].listeners(),
            "halted": sorted(desk.exchange.engine.halted),
            "faults": [_fault(armed) for armed in desk.faults.armed],
            "scenario": _script(desk.console.script) if desk.console.script else None,
            "accounts": [_short(account) for account in desk.exchange.by_key.values()],
        }
    )


def _short(account: Account) -> wire.Json:
    return {
        "id": account.id,
        "number": account.number,
        "key": account.key,
        "cash": refusals.plain(account.cash),
        "positions": {p.symbol: refusals.plain(p.qty) for p in account.positions.values()},
        "open_orders": len(account.open),
        "orders": len(account.orders),
        "activities": len(account.activities),
    }


async def set_clock(request: web.Request) -> web.Response:
    """POST /_admin/clock {"speed": ..., "at": ...}: forward only."""
    desk = request.app[DESK]
    change = await _read(request, ClockChange)
    if change.at is not None and change.at.tzinfo is None:
        raise refusals.malformed("at needs an offset")
    desk.settle()
    at = change.at.astimezone(UTC) if change.at is not None else None
    _valid(lambda: desk.clock.set(at=at, speed=change.speed))
    return reply({"at": wire.moment(desk.settle()), "speed": desk.clock.speed})


async def list_faults(request: web.Request) -> web.Response:
    """GET /_admin/faults: what is armed, how often each fired, and the vocabulary."""
    desk = request.app[DESK]
    desk.settle()
    return reply(
        {
            "armed": [_fault(armed) for armed in desk.faults.armed],
            "spent": [_fault(armed) for armed in desk.faults.spent],
            "kinds": [
                {
                    "kind": kind.name,
                    "shape": kind.shape,
                    "place": kind.place,
                    "needs": kind.needs,
                    "parameters": kind.parameters,
                    "text": kind.text,
                }
                for kind in KINDS.values()
            ],
        }
    )


async def arm_fault(request: web.Request) -> web.Response:
    """POST /_admin/faults {"kind": ..., ...}: arm one; 422 names the parameter that is wrong."""
    desk = request.app[DESK]
    body = await json_body(request)
    if not isinstance(body, dict):
        raise refusals.malformed("a fault is a JSON object")
    desk.settle()
    try:
        armed = desk.console.arm(read_fault(body))
    except FaultError as error:
        raise refusals.refusal(422, 40010001, str(error), key=error.key) from None
    desk.settle()
    desk.touch()
    return reply(_fault(armed))


async def clear_faults(request: web.Request) -> web.Response:
    """DELETE /_admin/faults: take all off, or with ?kind= those of a kind."""
    desk = request.app[DESK]
    kind = request.query.get("kind", "")
    if kind and kind not in KINDS:
        raise refusals.refusal(422, 40010001, f"kind: {kind[:60]!r} is unknown", key="kind")
    desk.settle()
    desk.console.clear(kind)
    return reply({"armed": len(desk.faults.armed)})


async def disarm_fault(request: web.Request) -> web.Response:
    """DELETE /_admin/faults/{number}."""
    desk = request.app[DESK]
    desk.settle()
    text = request.match_info["number"]
    if not text.isdigit() or not desk.console.disarm(int(text[:12])):
        raise refusals.not_found(f"no fault {text[:12]} is armed")
    return reply({"armed": len(desk.faults.armed)})


async def begin_scenario(request: web.Request) -> web.Response:
    """POST /_admin/scenario {"name": ...}: run a packaged scenario from now on."""
    desk = request.app[DESK]
    wanted = await _read(request, WantedScenario)
    if wanted.name not in scenario.names():
        raise refusals.refusal(422, 40010001, f"name: {wanted.name[:60]!r} is unknown", key="name")
    desk.settle()
    return reply(_script(desk.console.begin(scenario.load(wanted.name))))


def _fault(armed: Armed) -> wire.Json:
    return {
        "number": armed.number,
        **armed.fault.shown(),
        "armed_at": wire.moment(armed.armed_at) if armed.armed_at else None,
        "fired": armed.fired,
        "left": armed.left,
        "is_on": armed.is_on,
        "note": armed.note,
    }


def _script(script: Script) -> wire.Json:
    return {
        "name": script.scenario.name,
        "title": script.scenario.title,
        "story": script.scenario.story,
        "started_at": wire.moment(script.started_at),
        "steps": [
            {
                "when": running.step.when,
                "what": running.step.what,
                "due_at": wire.moment(running.due_at) if running.due_at else None,
                "taken_at": wire.moment(running.taken_at) if running.taken_at else None,
                "outcome": running.outcome,
            }
            for running in script.steps
        ],
    }


async def like_live(request: web.Request) -> web.Response:
    """POST /_admin/like-live {"fees": ..., "dividends": ..., "interest": ...}: on or off."""
    engine = request.app[DESK].exchange.engine
    change = await _read(request, LikeLiveChange)
    request.app[DESK].settle()
    for name, is_on in msgspec.structs.asdict(change).items():
        if is_on is not None:
            setattr(engine.like_live, name, is_on)
    acted = engine.like_live
    return reply({"dividends": acted.dividends, "fees": acted.fees, "interest": acted.interest})


async def open_account(request: web.Request) -> web.Response:
    """POST /_admin/accounts: one more account."""
    desk = request.app[DESK]
    wanted = await _read(request, NewAccount)
    if wanted.key in desk.exchange.by_key or not wanted.key:
        raise refusals.invalid("key must be new")
    _check_dollars(wanted.cash)
    desk.settle()
    return reply(_short(desk.exchange.open_account(wanted.key, wanted.secret, wanted.cash)))


async def reset_account(request: web.Request) -> web.Response:
    """POST /_admin/accounts/reset: everything gone, fresh cash, a new account number.

    With `new_keys` the answer is the only place that tells the new secret.
    """
    desk = request.app[DESK]
    wanted = await _read(request, Reset)
    _check_dollars(wanted.cash)
    desk.settle()
    account = _account(desk, wanted.key)
    fresh = desk.reset_account(account.key, wanted.cash, new_keys=wanted.new_keys)
    return reply(_short(fresh) | ({"secret": fresh.secret} if wanted.new_keys else {}))


async def happen(request: web.Request) -> web.Response:
    """POST /_admin/events: what befalls an account or a symbol from outside."""
    desk = request.app[DESK]
    event = await _read(request, Happening)
    now = desk.settle()
    engine = desk.exchange.engine
    if event.kind in ("halt", "resume"):
        if event.symbol is None or not desk.exchange.knows(event.symbol):
            raise refusals.invalid("symbol is not known")
        (engine.halted.add if event.kind == "halt" else engine.halted.discard)(event.symbol)
        return reply({"halted": sorted(engine.halted)})
    if event.kind not in corporate.MONEY_KINDS or event.amount is None:
        raise refusals.invalid(f"kind must be halt, resume or one of {corporate.MONEY_KINDS}")
    _check_dollars(abs(event.amount))
    account = _account(desk, event.key)
    activity = corporate.move_money(
        account,
        event.kind,
        event.amount,
        now,
        symbol=event.symbol,
        description=event.description,
    )
    desk.touch()
    return reply(wire.activity(activity))


def _check_dollars(amount: Decimal | None) -> None:
    """An amount that an account can hold. Raises RefusedError."""
    if amount is not None and not (amount.is_finite() and 0 <= amount <= _DOLLARS_MAX):
        raise refusals.invalid(f"amount must be within 0..{_DOLLARS_MAX:f}")


def _account(desk: Desk, key: str | None) -> Account:
    account = desk.exchange.by_key.get(key or desk.key)
    if account is None:
        raise refusals.not_found("account not found")
    return account


async def _read(request: web.Request, kind: type[T]) -> T:
    """The body as that kind of request. Raises RefusedError (400, 422)."""
    body = await json_body(request)
    try:
        return msgspec.convert(body, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise refusals.invalid(str(error)) from None


def _valid(act: Callable[[], None]) -> None:
    try:
        act()
    except ValueError as error:
        raise refusals.invalid(str(error)) from None
