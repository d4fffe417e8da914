"""`atlasd transition`: the dry run on the account that real money is in. It only reads.

Lives here: who is asked, in which order, and the proof that nothing was sent. May not live here:
what is said of the steps (`transition_steps`) and how it looks (`transition_view`).
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from atlas_daemon.cli.onlooker import onlooker
from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Credentials, Settings, load_credentials
from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.core.values import AccountMode, Position, Symbol

if TYPE_CHECKING:
    from atlas_daemon.cli.todays_plan import BrainFor
    from atlas_daemon.config.definitions import AccountSection
    from atlas_daemon.core.state import State
    from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
    from atlas_daemon.rehearsal.scenes import Desk

GATE_SAID_NO = 3
SKEW_MAX_S = 60
"""Beyond it the daemon buys nothing; up to it the difference is only said."""


@plain_errors
def transition(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Dry run on the live account: who it is, what would happen at the next slot, what is left.

    Reads only, and proves it. Exit 0 where all was seen and the plan passes, 3 where a gate
    refuses it, 1 where something is not known, 78 where endpoint, keys and number disagree.
    """
    from atlas_daemon.cli.transition_view import show

    settings = settings_for(config)
    seen = asyncio.run(look(settings, Asked(os.environ)))
    if as_json:
        typer.echo(json.dumps(seen, ensure_ascii=False))
    else:
        show(seen)
    if seen["problems"]:
        raise typer.Exit(1)
    if seen["plan"] is not None and not seen["plan"]["passes"]:
        raise typer.Exit(GATE_SAID_NO)


@dataclass(frozen=True, slots=True)
class Asked:
    """Where keys, time and signals come from. `brain_for` None asks the strategy's child."""

    environ: Mapping[str, str]
    wall: Callable[[], datetime] | None = None
    brain_for: "BrainFor | None" = None


async def look(settings: Settings, asked: Asked) -> dict[str, Any]:
    """Return all that was seen, as JSON's values. Raises AtlasError before anything is asked.

    ConfigError where endpoint, keys and number do not name one account.
    """
    from atlas_daemon.doctor.readonly import Tally, ThriftyBudget
    from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError

    if not settings.broker.trading_url:
        raise ConfigError(
            "no broker is configured (account.mode = local without broker.trading_url): a "
            "transition looks at an account"
        )
    keys = load_credentials(settings, asked.environ)
    tally, budget = Tally(), ThriftyBudget()
    more = {"session": tally.open_session, "budget": budget, "sleep": budget.sleep}
    client = onlooker("transition", settings, keys, **more)
    try:
        seen = await Look(settings, asked, keys, client).seen()
    except OutcomeUnknownError as error:
        url = settings.broker.trading_url
        raise AtlasError(f"no answer from the broker at {url}: {error.unknown.detail}") from error
    finally:
        await client.close()
    gets, others = tally.left["GET"], sum(tally.left.values()) - tally.left["GET"]
    seen["proof"] |= {"gets": gets, "others": others}
    return seen


class Look:
    """One look at the account, through a client that can only read."""

    def __init__(
        self, settings: Settings, asked: Asked, keys: Credentials, client: "AlpacaTradingClient"
    ) -> None:
        self._settings, self._asked, self._keys, self._client = settings, asked, keys, client
        self._problems: list[str] = []

    async def seen(self) -> dict[str, Any]:
        """Return what there is to be seen. First of all: ConfigError for a foreign account."""
        from atlas_daemon.claim import refuse_foreign_number
        from atlas_daemon.cli.transition_steps import steps
        from atlas_daemon.rehearsal import scenes

        settings, client = self._settings, self._client
        account = await client.get_account()
        refuse_foreign_number(settings, account.number)
        wall = (self._asked.wall or _wall)()
        told = await client.get_clock()
        is_local = settings.mode is AccountMode.LOCAL
        now = told.timestamp if is_local else wall
        desk = await scenes.read_desk(client)
        suspended = (await client.get_configurations()).suspend_trade
        state = self._state(now)
        skew_s = 0.0 if is_local else (wall - told.timestamp).total_seconds()
        if abs(skew_s) > SKEW_MAX_S:
            self._problems.append(f"clock: this machine's is {skew_s:+.0f} s from the broker's")
        slot = await self._slot(state, now)
        ramp = self._ramp(state, now)
        plan, why_no_plan = await self._plan(desk, state, now)
        sent = await client.list_orders(status="all", after=told.timestamp)
        if sent:
            self._problems.append(
                f"proof: {len(sent)} orders reached the account while this looked, and not from "
                f"here: {', '.join(order.client_order_id for order in sent[:5])}"
            )
        seen = {
            "label": label_of(settings),
            "is_live": settings.mode is AccountMode.LIVE,
            "at": now.isoformat(timespec="seconds"),
            "identity": {
                "endpoint": settings.broker.trading_url,
                "keys": f"{self._keys.key_id[:2]} ({self._keys.source})",
                "number": account.number,
                "pinned": settings.account.number or None,
            },
            "account": {
                "status": account.status,
                "equity": str(account.equity),
                "cash": str(account.cash),
                "buying_power": str(account.buying_power),
                "suspend_trade": suspended,
                "is_blocked": account.trading_blocked or account.account_blocked,
            },
            "positions": self._positions(desk, state),
            "open_orders": [
                f"{o.side} {o.qty} {o.symbol} ({o.client_order_id})" for o in desk.open_orders
            ],
            "clock_skew_s": round(skew_s, 1),
            "is_open": told.is_open,
            "bars": settings.data.source,
            "slot": slot,
            "ramp": ramp,
            "plan": plan,
            "why_no_plan": why_no_plan,
            "problems": self._problems,
            "proof": {"orders_since": [order.client_order_id for order in sent]},
        }
        return seen | {"steps": steps(settings, state, seen)}

    def _state(self, now: datetime) -> "State":
        """Return what the account's journal says, or the state of an account that has none yet."""
        from atlas_daemon.rehearsal.scenes import recorded

        return recorded(self._settings.journal_path, now)

    def _positions(self, desk: "Desk", state: "State") -> list[dict[str, Any]]:
        """Return each holding, and whether the daemon would ever touch it."""
        account = self._settings.account
        return [
            {
                "symbol": str(p.symbol),
                "qty": f"{p.qty:f}",
                "value": str(p.value),
                "managed": _managed(p, account, state.book.bought),
            }
            for p in desk.positions
        ]

    async def _slot(self, state: "State", now: datetime) -> dict[str, Any] | None:
        """Return the next slot, and whether broker and table agree on the sessions up to it."""
        from atlas_daemon.core.moments import NEW_YORK, new_york_day
        from atlas_daemon.core.sessions import NYSE
        from atlas_daemon.doctor.on_daemon import next_slot_of

        slot = next_slot_of(state, self._settings, now)
        if slot is None:
            return None
        first, last = new_york_day(now), slot.last.day
        theirs = {s.day: s for s in await self._client.get_calendar(first, last)}
        ours = {s.day: s for s in NYSE.sessions_between(first, last)}
        if theirs != ours:
            self._problems.append("calendar: the broker's sessions differ from ours")
        due = slot.due_at.astimezone(NEW_YORK)
        return {
            "name": slot.name,
            "session": slot.session.day.isoformat(),
            "due": f"{due:%Y-%m-%d %H:%M}",
            "days": (slot.session.day - first).days,
        }

    def _ramp(self, state: "State", now: datetime) -> dict[str, Any] | None:
        """Return scale, clean days and certificate; None outside live."""
        from atlas_daemon.core.events import Entry
        from atlas_daemon.core.evolve import evolve
        from atlas_daemon.core.ramp_view import ramp_of
        from atlas_daemon.promoter.certificate import certificate_path, read_certificate

        settings = self._settings
        path = certificate_path(settings)
        word = read_certificate(path, settings, self._keys.secret, now)
        at = max(now, state.now)
        return ramp_of(evolve(state, Entry(state.seq + 1, at, None, word)), settings.policy())

    async def _plan(
        self, desk: "Desk", state: "State", now: datetime
    ) -> tuple[dict[str, Any] | None, str]:
        """Return the plan of a slot that were due in the next session, or why there is none."""
        from atlas_daemon.cli.todays_plan import child_brain, rehearsed_day
        from atlas_daemon.edges.quotes import LatestQuotes
        from atlas_daemon.rehearsal import scenes
        from atlas_daemon.rehearsal.document import document
        from atlas_daemon.rehearsal.dry_run import rehearse

        settings, client = self._settings, self._client
        policy = settings.policy()
        when = scenes.on_date(rehearsed_day(now), policy)
        brain = (self._asked.brain_for or child_brain)(
            settings, self._keys, self._asked.environ, None
        )
        try:
            answer = await brain.compute(when.signal.day, desk.symbols, now)
            quotes = LatestQuotes(client, settings.data.quotes_feed)
            scene = await scenes.real_scene(when, desk, answer, client, quotes, state)
            dry_run = rehearse(scene, answer, policy, settings.account.name, settings.mode)
        except AtlasError as error:
            why = " ".join(str(error).split())
            self._problems.append(f"plan: {why}")
            return None, why
        return document(dry_run, label_of(settings), None), ""


def _managed(
    position: Position, account: "AccountSection", bought: Mapping[Symbol, Decimal]
) -> str:
    """Say whose a holding is: ours, or why it is left alone."""
    if position.asset_class != "us_equity":
        return "left alone: no stock"
    if position.symbol in account.protected:
        return "left alone: protected"
    if account.manage == "all":
        return 'managed: account.manage = "all"'
    if position.symbol in bought:
        return f"managed: {bought[position.symbol]:f} bought by the daemon"
    return 'left alone: account.manage = "bought", and the daemon did not buy it'


def _wall() -> datetime:
    return datetime.now(UTC)
