"""`atlasd backup` and `atlasd restore`: an account's state as one file, and back."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings, load_credentials
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError, ConfigError, UsageError
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.spelling import moment_text
from atlas_daemon.core.state import State


@plain_errors
def backup(
    place: Annotated[
        Path | None, typer.Argument(help="A folder, or the file to write; else the folder here.")
    ] = None,
    logs: Annotated[bool, typer.Option("--logs", help="The log folder too.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write journal, latch, regime labels and what else the daemon keeps into one file.

    A running daemon goes on. Keys and tokens are not in it: keep those elsewhere.
    """
    from atlas_daemon.archivist import pack

    settings = settings_for(config)
    now = datetime.now(UTC)
    target = Path.cwd() if place is None else Path.cwd() / place
    if target.is_dir():
        account = f"{settings.account.mode}-{settings.account.name}"
        target /= f"atlas-{account}-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    packed = pack(settings, target, now, has_logs=logs)
    kept = packed.manifest
    if as_json:
        document = {
            "path": str(packed.path),
            "size": packed.size,
            "head": {"seq": kept.head_seq, "hash": kept.head_hash},
            "files": sorted(kept.files),
        }
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(
        f"{label_of(settings)}  {packed.path}: {packed.size} bytes, {len(kept.files)} files, "
        f"journal head {kept.head_seq}:{kept.head_hash}"
    )


@plain_errors
def restore(
    source: Annotated[
        Path | None, typer.Argument(help="A file that `atlasd backup` wrote.")
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place", help="The state is here, and older than it was: a disk put back."
        ),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup in place on a machine that has no state of the account yet.

    With --in-place a state folder that was put back by other means learns of the time since. The
    broker is asked for every order since, so that nothing is sent twice: the keys must be
    there. No daemon may run on this account anywhere while this goes on.
    """
    if (source is None) is not in_place:
        raise UsageError("restore takes a FILE or --in-place")
    settings = settings_for(config)
    if not settings.broker.trading_url:
        raise ConfigError("broker.trading_url: the local broker must run to be asked; name it")
    if in_place and not settings.journal_path.exists():
        raise AtlasError(f"{settings.state_dir} has no journal")
    done = asyncio.run(_restored(settings, source))
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    typer.echo(f"{label_of(settings)}  restored to {settings.state_dir}, {_told(done)}")
    for key in done["differing"]:
        typer.echo(f"  {key} is not as it was when the backup was made")


def _told(done: dict[str, Any]) -> str:
    head, since = done["head"], done["orders_since"]
    told = f"journal head {head['seq']}:{head['hash']} of {done['saved_at']}"
    if not since:
        return f"{told}; the broker has no order of ours that it lacked"
    runs = ", ".join(done["runs_since"])
    return f"{told}; {len(since)} orders sent since were taken over from the broker (runs {runs})"


async def _restored(settings: Settings, source: Path | None) -> dict[str, Any]:
    """Do it under the account's lock; `source` is None where the state lies in its place."""
    from atlas_daemon.archivist import DRAFT, put_in_place, unpack
    from atlas_daemon.edges.folders import make_folder
    from atlas_daemon.edges.lock import AccountLock
    from atlas_daemon.outlet import BROKER_ERRORS

    make_folder(settings.state_dir)
    lock = AccountLock(settings.lock_path)
    lock.take(f"{settings.account.mode}-{settings.account.name}")
    try:
        if source is None:
            return await _learned(settings, settings.journal_path)
        unpacked = unpack(settings, source)
        done = await _learned(settings, unpacked.journal_path)
        put_in_place(settings, unpacked)
        return {**done, "differing": list(unpacked.differing)}
    except BROKER_ERRORS as error:
        raise AtlasError(f"the broker does not answer, nothing is restored: {error}") from error
    finally:
        shutil.rmtree(settings.state_dir / DRAFT, ignore_errors=True)
        settings.lock_path.unlink(missing_ok=True)  # ours: the daemon's user could not open it
        lock.release()


async def _learned(settings: Settings, journal_path: Path) -> dict[str, Any]:
    """Let a journal learn what the broker knows of the time since its last entry."""
    from atlas_daemon.assembly import World, make_client, make_clock
    from atlas_daemon.claim import refuse_foreign_number
    from atlas_daemon.journal import Journal

    world = World(console=False)
    client = make_client(settings, load_credentials(settings, os.environ), world)
    try:
        clock = await make_clock(settings, world, client)
        refuse_foreign_number(settings, (await client.get_account()).number)
        with Journal.open(
            journal_path, account_mode=settings.mode, account_name=settings.account.name
        ) as journal:
            (seq, digest), saved_at = journal.head(), ""
            for entry in journal.read(max(0, seq - 1)):
                saved_at = moment_text(entry.at)
            learned = await _catch_up(journal, client, clock.now(), settings.live.scale)
    finally:
        await client.close()
    adopted = [x for x in learned if isinstance(x, e.OrderAdopted)]
    return {
        "saved_at": saved_at,
        "head": {"seq": seq, "hash": digest},
        "orders_since": [x.order_id for x in adopted],
        "runs_since": list(dict.fromkeys(x.run_id for x in adopted)),
        "differing": [],
    }


async def _catch_up(
    journal: Any, client: Any, now: datetime, first_scale: Decimal
) -> list[e.Event]:
    """Write into a restored journal what the broker knows and it does not."""
    from atlas_daemon.archivist import asked_since, events_since, scale_anew, unknown_orders
    from atlas_daemon.archivist.manifest import ForeignBackupError

    state, known = State(now=now), set[str]()
    for entry in journal.read():
        known.update(_order_ids(entry.event))
        state = evolve(state, entry)
    number = (await client.get_account()).number
    if journal.account()[2] not in ("", number):
        text = f"the backup is of account {journal.account()[2]}, the keys of {number}"
        raise ForeignBackupError(text)
    since = asked_since(state)
    if since is None:
        return []
    orders = unknown_orders(await client.list_orders("all", after=since), known)
    learned = list(events_since(state, orders))
    first, at = state.seq + 1, max(now, state.now)
    for n, event in enumerate(learned):
        state = evolve(state, e.Entry(first + n, at, None, event))
    learned += scale_anew(state, first_scale)
    journal.append([e.Entry(first + n, at, None, event) for n, event in enumerate(learned)])
    return learned


def _order_ids(event: e.Event) -> Iterator[str]:
    if isinstance(event, e.OrderSubmitted | e.OrderAdopted):
        yield event.order_id
