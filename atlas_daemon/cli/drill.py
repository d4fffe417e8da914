"""`atlasd drill`: the worst days, brought about on this host against a local broker, and judged.

The real account, its keys and its broker are never asked; its journal gets the evidence.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings
from atlas_daemon.config.digests import code_digest, sections_digest
from atlas_daemon.control import ControlError, ask
from atlas_daemon.core.errors import AtlasError, RefusedError, UsageError
from atlas_daemon.core.events import EvidenceReported
from atlas_daemon.core.evidence import TEXT_MAX

if TYPE_CHECKING:
    from atlas_daemon.core.brain import SignalsAnswer
    from atlas_daemon.drillmaster.ground import Ground
    from atlas_daemon.drillmaster.master import Drill, Verdict

KIND = "drill"
INTERRUPTED = 130
"""As a shell says it of a program that Ctrl-C ended."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@plain_errors
def drill(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which ones; else all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, as without a name.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show which there are, and end.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Kill, cut, refuse, crash, stop and fill the disk of a daemon on a local broker of its own.

    The installed package and configuration, in a scratch folder, for minutes. The verdicts go on
    the account's record. Exit 0 where all passed, 1 where one did not, 3 where refused.
    """
    from atlas_daemon.drillmaster.master import DRILLS

    if listed:
        _print_list(DRILLS.values(), as_json=as_json)
        return
    if names and every:
        raise UsageError("drill takes names or --all")
    if unknown := [name for name in names or () if name not in DRILLS]:
        raise UsageError(f"drill {unknown[0]}: must be one of {', '.join(DRILLS)}")
    chosen = [DRILLS[name] for name in dict.fromkeys(names or DRILLS)]
    settings = settings_for(config)
    refuse_amid_a_run(settings)
    try:
        with _endings_raised():
            verdicts, ground = _run(settings, chosen, as_json=as_json)
    except KeyboardInterrupt:
        sys.stderr.write("atlasd: interrupted: its processes and folders are gone\n")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        document = as_document(settings, ground, verdicts)
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    if not all(verdict.is_good for verdict in verdicts):
        raise typer.Exit(1)


def refuse_amid_a_run(settings: Settings) -> None:
    """Raise RefusedError while the account's own daemon is rebalancing: it needs this machine."""
    with contextlib.suppress(ControlError):
        status = ask(settings.control_socket_path, "status", timeout_s=5)
        if (run := status["run"]) is not None and run.get("phase") != "parked":
            raise RefusedError(
                f"{label_of(settings)} is rebalancing now (run {run['id']}): drill when it is done"
            )


def decide(settings: Settings, day: date, held: tuple[str, ...]) -> "SignalsAnswer":
    """Return what the strategy of `settings` wants as of `day`. Raises SignalsError."""
    from atlas_daemon.rehearsal.question import signals_request
    from atlas_daemon.worker import decide as answer

    return answer(signals_request(settings, day, held, datetime.now(UTC)), {})


def evidence_of(settings: Settings, verdict: "Verdict") -> EvidenceReported:
    """Return a verdict as it goes on record."""
    text = f"{verdict.text} ({verdict.seconds:.0f} s)"
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    if len(plain) > TEXT_MAX:
        plain = plain[: TEXT_MAX - 4] + " ..."
    return EvidenceReported(
        kind=KIND,
        name=verdict.name,
        is_good=verdict.is_good,
        text=plain,
        code_digest=code_digest(),
        config_digest=sections_digest(settings),
    )


def as_document(
    settings: Settings, ground: "Ground", verdicts: Sequence["Verdict"]
) -> dict[str, Any]:
    """Return all verdicts as JSON's values."""
    return {
        "label": label_of(settings),
        "ground": list(ground.notes),
        "code_digest": code_digest(),
        "config_digest": sections_digest(settings),
        "drills": [
            {
                "name": verdict.name,
                "is_good": verdict.is_good,
                "has_run": verdict.has_run,
                "seconds": round(verdict.seconds, 1),
                "text": verdict.text,
                "checks": [
                    {"name": check.name, "is_good": check.is_good, "text": check.text}
                    for check in verdict.checks
                ],
            }
            for verdict in verdicts
        ],
    }


def _run(
    settings: Settings, chosen: Sequence["Drill"], *, as_json: bool
) -> tuple[list["Verdict"], "Ground"]:
    """Run the drills one by one; each verdict is on record before the next begins."""
    from atlas_daemon.cli.drill_view import screen_for
    from atlas_daemon.cli.evidence import record_evidence
    from atlas_daemon.drillmaster.ground import find_ground
    from atlas_daemon.drillmaster.master import run_drill
    from atlas_daemon.drillmaster.processes import scratch_folder

    verdicts: list[Verdict] = []
    code_digest()  # of the code as it is before the first process starts: kept from here on
    with _room(), scratch_folder() as folder, screen_for(settings, chosen, quiet=as_json) as screen:
        ground_folder = folder / "ground"
        ground_folder.mkdir()
        ground = find_ground(settings, ground_folder, decide, datetime.now(UTC))
        screen.stands_on(ground)
        for number, one in enumerate(chosen):
            place = folder / str(number)
            place.mkdir()
            screen.begins(one)
            verdict = run_drill(one, settings, ground, place, screen.says, time.monotonic)
            verdicts.append(verdict)
            record_evidence(settings, evidence_of(settings, verdict))
            screen.ends(verdict)  # after: a reader who has gone takes no verdict off the record
        screen.is_over(verdicts)
    return verdicts, ground


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Say in one line where there is no room for a scratch folder."""
    try:
        yield
    except OSError as error:
        where = error.filename or os.environ.get("TMPDIR") or Path("/tmp")  # noqa: S108 - a name
        raise AtlasError(f"no scratch folder: {where}: {error.strerror or error}") from error


@contextlib.contextmanager
def _endings_raised() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, and nothing disturb its clean-up."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in ENDING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _print_list(drills: "Iterator[Drill] | Any", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"name": one.name, "title": one.title} for one in drills], indent=2))
        return
    for one in drills:
        typer.echo(f"{one.name:<14}{one.title}")
