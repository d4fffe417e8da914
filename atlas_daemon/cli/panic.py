"""`atlasd panic`: the second rope, for the day when the daemon or its disk is what is broken.

Needs the account's keys and nothing else: no daemon, no journal, no configuration that loads.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_daemon.cli.desk import latch_at
from atlas_daemon.cli.options import ConfigOption, plain_errors, settings_for
from atlas_daemon.config import Credentials, find_credentials
from atlas_daemon.config.identity import trading_url_of
from atlas_daemon.config.sources import DOTENV_NAME
from atlas_daemon.core.errors import AtlasError, ConfigError, UsageError
from atlas_daemon.core.values import AccountMode

if TYPE_CHECKING:
    from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
    from atlas_daemon.edges.alpaca.wire import OrderRecord

LATCH_WAIT_S = 5.0
"""A disk that hangs must not hold the cancels back."""
ROUND_S = 1.0
REQUEST_S = 10.0
LOOKS = 2
"""Open orders must be seen gone so often in a row: one may have been under way."""
ROUNDS_BEFORE_SUSPENSION = 5
"""Where no latch holds the daemon it may go on sending: then suspend_trade does not wait."""


@dataclass(frozen=True, slots=True)
class Target:
    """The account to be stopped."""

    name: str
    mode: AccountMode
    number: str
    trading_url: str
    latch_path: Path
    is_place_sure: bool
    """The latch's place was configured, not guessed from the defaults."""
    credentials: Credentials

    @property
    def label(self) -> str:
        """Mode, name and number in one word for files."""
        return f"{self.mode}-{self.name} {self.number}".strip()


@plain_errors
def panic(
    cancel_only: Annotated[
        bool, typer.Option("--cancel-only", help="Cancel; leave latch and suspend_trade alone.")
    ] = False,
    suspend: Annotated[
        bool,
        typer.Option("--suspend", help="Set the broker's own latch (suspend_trade) in any case."),
    ] = False,
    name: Annotated[str | None, typer.Option(help="The account's name.")] = None,
    mode: Annotated[str | None, typer.Option(help="local, paper or live.")] = None,
    trading_url: Annotated[str | None, typer.Option(help="The broker's address.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="The daemon's state folder.")] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="Seconds after which it gives up watching.")
    ] = 120,
    config: ConfigOption = None,
) -> None:
    """Stop an account without its daemon: latch file, cancel all, watched until none is open.

    Exit 0 only where no order is open and something holds new ones back; 3 where the keys open
    another account than the pinned one (then nothing was cancelled); 1 otherwise.
    """
    if cancel_only and suspend:
        raise UsageError("--cancel-only and --suspend do not go together")
    logging.getLogger().addHandler(logging.NullHandler())  # each round says what happened
    target = _target(name, mode, trading_url, state_dir, config)
    typer.echo(f"[{target.mode.upper()}] {target.name} at {target.trading_url}")
    is_latched = cancel_only or _latch(target)
    wants_suspension = suspend or not (is_latched or cancel_only)
    open_orders, is_suspended = asyncio.run(_watch(target, wants_suspension, patience))
    if open_orders is None:
        raise AtlasError("nobody can say how many orders are open: the broker did not answer")
    if open_orders:
        raise AtlasError(f"{open_orders} orders are still open after {patience} s")
    if wants_suspension and not is_suspended:
        what = "suspend_trade is not set" if is_latched else "neither latch nor suspend_trade is on"
        raise AtlasError(f"no order is open, but {what}: the daemon may send new ones")
    typer.echo("no order is open")


def _target(
    name: str | None,
    mode: str | None,
    trading_url: str | None,
    state_dir: Path | None,
    config: Path | None,
) -> Target:
    """Return what is to be stopped: from the configuration, else from options and environment."""
    environ = os.environ
    try:
        settings = settings_for(
            config, {"account.name": name, "account.mode": mode, "broker.trading_url": trading_url}
        )
    except AtlasError as error:
        typer.echo(f"the configuration is not used: {' '.join(str(error).split())}", err=True)
    else:
        latch_path = settings.latch_path if state_dir is None else state_dir / "HALTED"
        origin = "account.mode"
        keys = find_credentials(
            settings.account.name,
            settings.mode,
            settings.dotenv_path,
            environ,
            settings.origin(origin),
        )
        if not settings.broker.trading_url:
            raise ConfigError("--trading-url is needed: no broker.trading_url in local mode")
        return Target(
            settings.account.name,
            settings.mode,
            settings.account.number,
            settings.broker.trading_url,
            latch_path,
            is_place_sure=True,
            credentials=keys,
        )
    name = (name or environ.get("ATLAS_ACCOUNT__NAME", "")).upper()
    mode = mode or environ.get("ATLAS_ACCOUNT__MODE", "")
    if not name or mode not in list(AccountMode):
        # Never a guess: the orders of another account would be cancelled and called none.
        raise UsageError("--name NAME and --mode local|paper|live are needed without configuration")
    given = trading_url or environ.get("ATLAS_BROKER__TRADING_URL", "")
    folder = state_dir or _folder_of(environ.get("ATLAS_PATHS__STATE_DIR"))
    folder = folder or _folder_of((environ.get("STATE_DIRECTORY") or "").partition(":")[0])
    default = Path(environ.get("HOME", "/")) / f".local/state/atlas/{mode}-{name}"
    return Target(
        name,
        AccountMode(mode),
        environ.get("ATLAS_ACCOUNT__NUMBER", ""),
        trading_url_of(AccountMode(mode), given, Path.cwd()),
        (folder or default) / "HALTED",
        is_place_sure=folder is not None,
        credentials=find_credentials(name, AccountMode(mode), Path.cwd() / DOTENV_NAME, environ),
    )


def _folder_of(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _latch(target: Target) -> bool:
    """Write the latch file, and say so; True where it is on the disk at a place that is sure."""
    failed = _in_time(lambda: latch_at(target.latch_path, target.label, "atlasd panic"))
    if failed:
        typer.echo(f"the latch cannot be written: {failed}; going on", err=True)
        return False
    if not target.is_place_sure:
        typer.echo(f"latch {target.latch_path} is on, if that is the daemon's folder", err=True)
        return False
    typer.echo(f"latch {target.latch_path} is on")
    return True


def _in_time(write: Callable[[], str]) -> str:
    said: list[str] = []
    # A thread that ends with the process: nothing else gets past a disk that does not answer.
    thread = threading.Thread(target=lambda: said.append(write()), daemon=True)
    thread.start()
    thread.join(LATCH_WAIT_S)
    return said[0] if said else f"no answer from the disk within {LATCH_WAIT_S:.0f} s"


async def _watch(target: Target, wants_suspension: bool, patience: int) -> tuple[int | None, bool]:
    """Cancel and look, round by round; return how many orders are open, and if it is suspended."""
    from atlas_daemon.edges.alpaca.pinned import PinnedClient

    client = PinnedClient(
        target.name,
        pinned=lambda: target.number,
        key_id=target.credentials.key_id,
        secret=target.credentials.secret,
        trading_url=target.trading_url,
        data_url=target.trading_url,
        timeout_s=REQUEST_S,
    )
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + patience
    number, seen_none, is_suspended = 0, 0, False
    open_orders: int | None = None
    try:
        while True:
            number += 1
            said = await _cancel_all(client)
            client.refuse_foreign("panic")  # raised here, as a round tells every other refusal
            if number == 1 and client.seen:
                pinned = "the pinned one" if target.number else "no number is pinned"
                typer.echo(f"the keys open account {client.seen}: {pinned}")
            orders = await _listed(client)
            open_orders = None if orders is None else len(orders)
            typer.echo(f"round {number}: {said}; {_named(orders)}")
            seen_none = seen_none + 1 if open_orders == 0 else 0
            is_time = seen_none >= LOOKS or number >= ROUNDS_BEFORE_SUSPENSION
            if wants_suspension and not is_suspended and is_time:
                is_suspended = await _suspend(client)
                seen_none = 0 if is_suspended else seen_none  # one may have slipped in before it
            if seen_none >= LOOKS and (is_suspended or not wants_suspension):
                return 0, is_suspended
            if loop.time() >= ends_at:
                return open_orders, is_suspended
            await asyncio.sleep(ROUND_S)
    finally:
        await client.close()


async def _cancel_all(client: "AlpacaTradingClient") -> str:
    from atlas_daemon.outlet import BROKER_ERRORS

    try:
        results = await client.cancel_all_orders()
    except BROKER_ERRORS as error:
        return f"the cancel was not taken ({_short(error)})"
    return f"cancel asked for {len(results)}"


async def _listed(client: "AlpacaTradingClient") -> "tuple[OrderRecord, ...] | None":
    from atlas_daemon.outlet import BROKER_ERRORS

    try:
        return await client.list_orders(status="open")
    except BROKER_ERRORS as error:
        typer.echo(f"open orders cannot be listed: {_short(error)}", err=True)
        return None


async def _suspend(client: "AlpacaTradingClient") -> bool:
    from atlas_daemon.outlet import BROKER_ERRORS

    try:
        await client.set_suspend_trade(True)
    except BROKER_ERRORS as error:
        typer.echo(f"suspend_trade cannot be set: {_short(error)}", err=True)
        return False
    typer.echo("suspend_trade is set: the broker refuses every order until it is taken off there")
    return True


def _named(orders: "tuple[OrderRecord, ...] | None") -> str:
    if orders is None:
        return "nobody can say what is open"
    names = ", ".join(f"{o.side} {o.qty} {o.symbol} ({o.client_order_id})" for o in orders)
    return f"{len(orders)} open" + (f": {names}" if names else "")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
