"""`atlasd audit`: whether the journal is as it was written, and its entries for others to check."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.cli.reading import NoStateError
from atlas_daemon.config import Settings, load_credentials
from atlas_daemon.core.errors import AtlasError, ConfigError, UsageError

if TYPE_CHECKING:
    from atlas_daemon.auditor import Range, TradesVerdict
    from atlas_daemon.journal import Journal, Verdict
    from atlas_daemon.records.lines import Redactor

SECOND_LOOK_S = 1.0
"""A running daemon writes rows right after their entries: what differs is looked at again."""
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")

audit = typer.Typer(help="Verify the journal, or hand its entries out.", no_args_is_help=True)


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


@audit.command("verify")
@plain_errors
def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="A head kept elsewhere: it must be in the chain."),
    ] = None,
    has_csv: Annotated[
        bool, typer.Option("--csv", help="The trades files of the log folder too, row by row.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Recompute the journal's chain; name the first entry that is altered, missing or moved.

    Without --head a journal that was cut at its end or recomputed whole looks intact. A head is in
    each day's log, in each message and in each backup. Exit 0 intact, 1 not, 78 unreadable.
    """
    settings = settings_for(config)
    kept = _head(head)
    with _journal(settings) as journal:
        verdict = journal.verify(kept)
    trades = compared_trades(settings) if has_csv and verdict.is_intact else None
    if as_json:
        typer.echo(json.dumps(_document(verdict, kept, trades), indent=2))
    else:
        for line in _verdict_lines(verdict, kept, trades, is_csv_wanted=has_csv):
            typer.echo(f"{label_of(settings)}  {line}")
    if not verdict.is_intact or (trades is not None and trades.difference is not None):
        raise typer.Exit(1)


@audit.command("export")
@plain_errors
def export(
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="N|YYYY-MM-DD", help="First entry, or New York day."),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="N|YYYY-MM-DD", help="Last entry, or New York day."),
    ] = None,
    style: Annotated[Format, typer.Option("--format", help="jsonl or csv.")] = Format.JSONL,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; else standard output.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write entries with what their hashes are made of, so that anybody can check the chain.

    hash is sha256 in hex of prev_hash|seq|at|cause|type|payload, in UTF-8, cause empty where null;
    prev_hash is the hash of the line before, and 64 zeros before entry 1. payload is the text of
    the fields as it was hashed. Where is_redacted is true a secret was taken out of it.
    """
    from atlas_daemon.auditor import exported, lines_of

    settings = settings_for(config)
    wanted = _range(first, last)
    count, end = 0, ""
    with _journal(settings) as journal, _target(settings, out) as file:
        account = "-".join(journal.account()[:2])

        def counted() -> Iterator[Any]:
            nonlocal count, end
            for entry in exported(journal.rows(), wanted, _redactor(settings), account):
                count, end = count + 1, f"{entry.seq}:{entry.hash}"
                yield entry

        for line in lines_of(counted(), style):
            file.write(line)
    told = f"{count} entries" + (f", the last is {end}" if end else "")
    typer.echo(f"{label_of(settings)}  {told}" + (f"; {out}" if out else ""), err=out is None)


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"--head: {text[:90]!r} is no SEQ:HASH (an entry's number, 64 hex digits)")
    return int(found[1]), found[2]


def _range(first: str | None, last: str | None) -> "Range":
    from atlas_daemon.auditor import Range

    since, until = _bound("--from", first), _bound("--to", last)
    is_numbers = isinstance(since, int) and isinstance(until, int) and since > until
    is_days = isinstance(since, date) and isinstance(until, date) and since > until
    if is_numbers or is_days:
        raise UsageError(f"--from {first} is after --to {last}")
    return Range(since, until)


def _bound(option: str, text: str | None) -> int | date | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{option}: {text!r} is neither an entry's number nor a day (YYYY-MM-DD)"
        raise UsageError(message) from None


@contextmanager
def _journal(settings: Settings) -> "Iterator[Journal]":
    from atlas_daemon.journal import Journal

    if not settings.journal_path.exists():
        raise NoStateError(f"no state at {settings.state_dir}: has the daemon ever run?")
    with Journal.open_readonly(settings.journal_path) as journal:
        yield journal


@contextmanager
def _target(settings: Settings, out: Path | None) -> Iterator[TextIO]:
    """Yield where lines go; a file is put in place whole, readable by its owner only."""
    if out is None:
        yield sys.stdout
        return
    if out.is_dir() or settings.state_dir in out.absolute().parents:
        raise UsageError(f"--out: {out} is a folder, or in the state folder")
    draft = out.with_name(f".{out.name}.new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(out)
    except OSError as error:
        raise AtlasError(f"--out: {out} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _redactor(settings: Settings) -> "Redactor":
    from atlas_daemon.records.lines import Redactor

    try:
        found = load_credentials(settings, os.environ)
    except ConfigError:  # none here: what looks like a secret is hidden all the same
        return Redactor()
    return Redactor((found.secret, found.key_id))


def compared_trades(settings: Settings) -> "TradesVerdict":
    """Return the trades files against the journal; a daemon that writes gets a second look."""
    from atlas_daemon.auditor import compare_trades

    def look() -> "TradesVerdict":
        with _journal(settings) as journal:
            return compare_trades(settings.log_dir, journal.read(), _redactor(settings))

    trades = look()
    if trades.difference is not None and settings.control_socket_path.exists():
        time.sleep(SECOND_LOOK_S)
        trades = look()
    return trades


def _verdict_lines(
    verdict: "Verdict",
    kept: tuple[int, str] | None,
    trades: "TradesVerdict | None",
    *,
    is_csv_wanted: bool,
) -> Iterator[str]:
    if not verdict.is_intact:
        yield f"NOT INTACT: {verdict.fault}"
        yield f"{verdict.entries} entries follow from one another, up to {_named(verdict)}"
        if is_csv_wanted:
            yield "trades files not compared: the journal itself is not whole"
        return
    yield f"{verdict.entries} entries, each follows from the one before; head {_named(verdict)}"
    if kept is not None:
        yield f"the given head, entry {kept[0]}, is among them"
    else:
        yield "no head given: a journal cut or recomputed whole would look the same (--head)"
    if trades is not None and trades.difference is None:
        yield f"trades: {trades.rows} rows in {trades.files} files, as the journal tells them"
    elif trades is not None:
        yield f"NOT AS THE JOURNAL TELLS: {trades.difference}"


def _named(verdict: "Verdict") -> str:
    return f"{verdict.head_seq}:{verdict.head_hash}"


def _document(
    verdict: "Verdict", kept: tuple[int, str] | None, trades: "TradesVerdict | None"
) -> dict[str, Any]:
    off = None if trades is None else trades.difference
    return {
        "is_intact": verdict.is_intact,
        "entries": verdict.entries,
        "head": {"seq": verdict.head_seq, "hash": verdict.head_hash},
        "head_given": None if kept is None else {"seq": kept[0], "hash": kept[1]},
        "fault": None if verdict.is_intact else {"seq": verdict.fault_seq, "text": verdict.fault},
        "trades": None
        if trades is None
        else {
            "files": trades.files,
            "rows": trades.rows,
            "difference": None
            if off is None
            else {"file": off.file, "line": off.line, "column": off.column, "text": off.text},
        },
    }
