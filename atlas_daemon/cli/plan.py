"""`atlasd plan` (= `atlasd rebalance --dry-run`): what a rebalance would do, with nothing sent."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_daemon.cli.onlooker import onlooker
from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    day_of_option,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings
from atlas_daemon.config.credentials import Credentials, load_credentials
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.errors import AtlasError, ConfigError, UsageError
from atlas_daemon.core.values import AccountMode, Regime, Symbol

if TYPE_CHECKING:
    from atlas_daemon.rehearsal.dry_run import DryRun
    from atlas_daemon.rehearsal.scenes import When
    from atlas_daemon.rehearsal.stand_in import Scene

TOP_N_MAX = 1000
CASH_MAX = Decimal("1e12")
GATE_SAID_NO = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for, checked. None leaves it to the configuration."""

    day: date | None = None
    universe: str | None = None
    top_n: int | None = None
    regime: Regime | None = None
    holdings: Mapping[Symbol, Decimal] | None = None
    cash: Decimal | None = None


DateOption = Annotated[
    str | None,
    typer.Option("--date", help="Plan for the first session on or after this day (YYYY-MM-DD)."),
]
UniverseOption = Annotated[
    str | None,
    typer.Option("--universe", help="A name, all, symbols with commas, or file:members.csv."),
]
TopOption = Annotated[int | None, typer.Option("--top-n", help="How many lines at most.")]
RegimeOption = Annotated[
    str | None, typer.Option("--regime", help="Take this regime, whatever the source says.")
]
HoldingsOption = Annotated[
    str | None,
    typer.Option("--holdings", help="With --date: SYM=QTY,... or a csv file of symbol,qty."),
]
CashOption = Annotated[
    str | None, typer.Option("--cash", help="With --date: the account's cash in dollars.")
]


@plain_errors
def plan(
    date_: DateOption = None,
    universe: UniverseOption = None,
    top_n: TopOption = None,
    regime: RegimeOption = None,
    holdings: HoldingsOption = None,
    cash: CashOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what a rebalance would do: current, target, orders, gates, cash. Nothing is sent.

    Exit 0 where the plan passes every gate, 3 where one refuses it.
    """
    wanted = read_options(date_, universe, top_n, regime, holdings, cash)
    show_plan(wanted, as_json=as_json, config=config)


def read_options(
    date_: str | None,
    universe: str | None,
    top_n: int | None,
    regime: str | None,
    holdings: str | None,
    cash: str | None,
) -> Wanted:
    """Return the options checked. Raises UsageError, or ConfigError for a file of holdings."""
    from atlas_daemon.rehearsal.holdings import read_holdings

    if top_n is not None and not 1 <= top_n <= TOP_N_MAX:
        raise UsageError(f"--top-n: {top_n} is not between 1 and {TOP_N_MAX}")
    if regime is not None and regime not in set(Regime):
        raise UsageError(f"--regime: {regime!r} is none of {', '.join(Regime)}")
    if date_ is None and (holdings is not None or cash is not None):
        raise UsageError("--holdings and --cash make up an account for a --date: give that too")
    return Wanted(
        day=None if date_ is None else day_of_option("--date", date_),
        universe=universe,
        top_n=top_n,
        regime=None if regime is None else Regime(regime),
        holdings=None if holdings is None else read_holdings(holdings),
        cash=None if cash is None else _cash(cash),
    )


def show_plan(wanted: Wanted, *, as_json: bool, config: Path | None) -> None:
    """Make the dry run and print it; ends the command with 3 where a gate refuses the plan."""
    overrides = {"strategy.universe": wanted.universe, "strategy.top_n": wanted.top_n}
    settings = settings_for(config, overrides)
    dry_run = asyncio.run(make_dry_run(settings, wanted, os.environ))
    from atlas_daemon.rehearsal.document import document

    label = label_of(settings)
    if as_json:
        typer.echo(json.dumps(document(dry_run, label, wanted.day), ensure_ascii=False))
    else:
        from atlas_daemon.cli.plan_view import print_plan

        print_plan(dry_run, label, wanted.day)
    if not dry_run.passes:
        raise typer.Exit(GATE_SAID_NO)


async def make_dry_run(settings: Settings, wanted: Wanted, environ: Mapping[str, str]) -> "DryRun":
    """Return the dry run of these settings. Raises AtlasError."""
    from atlas_daemon.rehearsal.dry_run import rehearse

    if wanted.day is None:
        scene, answer = await _as_it_stands(settings, wanted, environ)
    else:
        scene, answer = await _made_up(settings, wanted, wanted.day, environ)
    return rehearse(scene, answer, settings.policy(), settings.account.name, settings.mode)


async def _made_up(
    settings: Settings, wanted: Wanted, day: date, environ: Mapping[str, str]
) -> tuple["Scene", SignalsAnswer]:
    from atlas_daemon.rehearsal import scenes

    if settings.data.source == "alpaca":
        if settings.mode is AccountMode.LOCAL and not settings.broker.data_url:
            raise ConfigError(
                "data.source = alpaca in local mode, and no broker is configured: set "
                'data.source = "file:PATH" (parquet or csv of daily bars)'
            )
        keys: Credentials | None = load_credentials(settings, environ)
    else:
        keys = None
    policy = settings.policy()
    when = scenes.on_date(day, policy)
    held = wanted.holdings or {}
    answer = await _signals(settings, wanted, when, tuple(held), datetime.now(UTC), keys, environ)
    cash, said = wanted.cash, "--cash"
    if cash is None and policy.capital > 0:
        cash, said = policy.capital, "account.capital"
    if cash is None:
        cash, said = scenes.CASH_DEFAULT, "made up: neither --cash nor account.capital is given"
    scene = scenes.made_up_scene(when, answer, cash, held)
    note = f"hypothetical account: {cash:,.2f} dollars of cash ({said}), {len(held)} held"
    return replace(scene, notes=(note, *scene.notes)), answer


async def _as_it_stands(
    settings: Settings, wanted: Wanted, environ: Mapping[str, str]
) -> tuple["Scene", SignalsAnswer]:
    if not settings.broker.trading_url:
        raise ConfigError(
            "no broker is configured (account.mode = local without broker.trading_url): run "
            "`atlasd demo` or `atlasd paper`, or give --date"
        )
    keys = load_credentials(settings, environ)
    # Needed only here; bars from a file need no network.
    from atlas_daemon.claim import refuse_foreign_number
    from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError
    from atlas_daemon.edges.quotes import LatestQuotes
    from atlas_daemon.rehearsal import scenes

    client = onlooker("plan", settings, keys)
    try:
        is_local = settings.mode is AccountMode.LOCAL
        # In local mode time is the broker's.
        now = (await client.get_clock()).timestamp if is_local else datetime.now(UTC)
        when = scenes.from_now(now, settings.policy())
        desk = await scenes.read_desk(client)
        refuse_foreign_number(settings, desk.account.number)
        answer = await _signals(settings, wanted, when, desk.symbols, now, keys, environ)
        told = scenes.recorded(settings.journal_path, now)
        quotes = LatestQuotes(client, settings.data.quotes_feed)
        scene = await scenes.real_scene(when, desk, answer, client, quotes, told)
    except OutcomeUnknownError as error:
        url = settings.broker.trading_url
        raise AtlasError(f"no answer from the broker at {url}: {error.unknown.detail}") from error
    finally:
        await client.close()
    notes = []
    if settings.account.manage == "bought":
        ours = sum(position.symbol in told.book.bought for position in desk.positions)
        notes.append(
            f"account.manage = bought: {ours} of {len(desk.positions)} positions were bought by "
            "us, the others stay as they are"
        )
    if settings.mode is AccountMode.LIVE and (why := _uncertified(settings, keys, now)):
        notes.append(f"certificate: {why}: a rebalance would not begin")
    if settings.latch_path.exists():
        notes.append("halted: a run waits until `atlasd resume`")
    return replace(scene, notes=(*notes, *scene.notes)), answer


def _uncertified(settings: Settings, keys: Credentials, now: datetime) -> str:
    from atlas_daemon.promoter.certificate import certificate_path, read_certificate

    return read_certificate(certificate_path(settings), settings, keys.secret, now).problem


async def _signals(
    settings: Settings,
    wanted: Wanted,
    when: "When",
    held: tuple[Symbol, ...],
    asked_at: datetime,
    keys: Credentials | None,
    environ: Mapping[str, str],
) -> SignalsAnswer:
    """Ask the slow brain, as the daemon does."""
    from atlas_daemon.edges.brain import ChildBrain
    from atlas_daemon.rehearsal.question import signals_request

    brain = ChildBrain(
        lambda day, symbols, at: signals_request(settings, day, symbols, at, wanted.regime),
        key_id=keys.key_id if keys else "",
        secret=keys.secret if keys else "",
        environ=environ,
    )
    try:
        return await brain.compute(when.signal.day, held, asked_at)
    except SignalsError as error:
        if str(error).startswith("regime.source"):
            text = f"{error} (or give --regime for this dry run)"
            raise SignalsError(text, error.kind) from error
        raise


def _cash(text: str) -> Decimal:
    try:
        cash = Decimal(text)
    except InvalidOperation:
        cash = Decimal("NaN")
    if not (cash.is_finite() and 0 <= cash <= CASH_MAX):
        raise UsageError(f"--cash: {text!r} is not an amount of dollars from 0 to {CASH_MAX:,.0f}")
    return cash
