"""The operator's own acts: `atlasd stop`, `atlasd resume`, `atlasd adopt`."""

import getpass
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings
from atlas_daemon.control import ControlError, NoDaemonError, ask
from atlas_daemon.core.errors import AtlasError, UsageError
from atlas_daemon.edges.latch import LatchFile

STOP_WAIT_S = 20
"""How long the last open order's end is waited for."""

AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="The account's name, instead of typing it when asked."),
]


@plain_errors
def stop(
    reason: Annotated[
        str, typer.Option("--reason", help="Why; goes on record.")
    ] = "stopped by the operator",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Stop all trading at once: the latch on, every open order cancelled.

    Exit 0 where the stop is complete, 1 where orders are still open or could not be reached.
    """
    settings = settings_for(config)
    path = settings.control_socket_path
    try:
        done = ask(
            path, "stop", timeout_s=STOP_WAIT_S + 10, by=who(), reason=reason, wait_s=STOP_WAIT_S
        )
    except NoDaemonError:
        _latch(settings, reason)
        text = (
            f"no daemon runs; the latch {settings.latch_path} is on, and the next start is halted. "
            "Orders that are open at the broker were not cancelled"
        )
        _tell(settings, text, {"is_running": False, "latch": str(settings.latch_path)}, as_json)
        return
    except ControlError as error:
        # Whatever keeps the daemon from answering: it looks at this file before each order.
        _latch(settings, reason)
        raise AtlasError(
            f"{error}. The latch {settings.latch_path} is on; open orders may not be cancelled"
        ) from error
    _tell(settings, _stopped(done), {"is_running": True, **done}, as_json)
    if not (done["is_complete"] and done["is_durable"]):
        raise typer.Exit(1)


@plain_errors
def resume(
    account: AccountOption = None,
    lift_suspension: Annotated[
        bool, typer.Option("--lift-suspension", help="Clear the broker's own suspend_trade too.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take the latch off, so that the daemon trades again. Asks for the account's name."""
    settings = settings_for(config)
    name = confirmed_account(settings, account, "resume trading")
    try:
        done = ask(
            settings.control_socket_path,
            "resume",
            by=who(),
            account=name,
            lifts_suspension=lift_suspension,
        )
    except NoDaemonError:
        raise AtlasError(
            "no daemon runs, so nothing can be put on record: start it with `atlasd run`, then "
            f"resume (the latch {settings.latch_path} is "
            f"{'on' if LatchFile(settings.latch_path).is_on() else 'off'})"
        ) from None
    _tell(settings, f"resumed; the daemon is {done['mode']}", done, as_json)


@plain_errors
def adopt(
    symbol: Annotated[str | None, typer.Argument(help="The symbol to take over.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take over every symbol.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take the broker's quantity of a symbol as ours: it is managed from here on."""
    if (symbol is None) is not everything:
        raise UsageError("adopt takes a SYMBOL or --all")
    settings = settings_for(config)
    asked = {"all": True} if symbol is None else {"symbol": symbol}
    done = ask(settings.control_socket_path, "adopt", by=who(), **asked)
    held = ", ".join(f"{s} {qty}" for s, qty in done["positions"].items()) or "nothing"
    _tell(settings, f"adopted {held}", done, as_json)


def confirmed_account(settings: Settings, given: str | None, what: str) -> str:
    """Return the account's name as a person typed it. Raises UsageError for another one."""
    name = settings.account.name
    if given is None:
        if not is_terminal():
            raise UsageError(f"--account {name} is needed to {what} where nobody can be asked")
        given = str(typer.prompt(f"{label_of(settings)}: type the account's name to {what}"))
    if given.strip().upper() != name:
        raise UsageError(f"{given.strip()!r} is not the account's name: it is {name}")
    return name


def is_terminal() -> bool:
    """True where a person can answer."""
    return sys.stdin.isatty()


def who() -> str:
    """Return who gives the command, for the record."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _stopped(done: dict[str, object]) -> str:
    said = "already halted" if done["was_halted"] else "halted"
    said += f" by {done['by']}: {done['reason']}"
    if done["is_complete"]:
        said += "; no order is open"
    else:
        said += f"; NOT COMPLETE: {done['unconfirmed']} orders are not seen gone"
    return said if done["is_durable"] else f"{said}; NOT DURABLE: the latch is not on disk"


def latch_at(path: Path, account: str, reason: str) -> str:
    """Put a latch file there, its folder too where it is missing; return why that failed."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        failed = LatchFile(path, account).write(who(), " ".join(reason.split()), datetime.now(UTC))
        if not failed and os.geteuid() == 0:  # what root writes belongs to the folder's owner
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    except OSError as error:
        return f"{path.parent}: {error.strerror}"
    return failed


def _latch(settings: Settings, reason: str) -> None:
    account = f"{settings.account.mode}-{settings.account.name} {settings.account.number}".strip()
    if failed := latch_at(settings.latch_path, account, reason):
        raise AtlasError(f"the latch cannot be written: {failed}")


def _tell(settings: Settings, text: str, done: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    else:
        typer.echo(f"{label_of(settings)}  {' '.join(text.split())}")
