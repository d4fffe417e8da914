"""`atlasd doctor`: whether the next slot would succeed. Looks, rehearses, and sends nothing."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from atlas_daemon import __version__
from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.findings import Finding, Level, reds

if TYPE_CHECKING:
    from atlas_daemon.app import Daemon
    from atlas_daemon.cli.todays_plan import Chart, Today
    from atlas_daemon.doctor.on_plan import Played
    from atlas_daemon.stage import Backdrop

PLAY_S, PLAY_MORE_S = 11.0, 1.0
"""Seconds for the play, and for it to end by itself where it was too long."""
WIDTH_PIPED = 120
ORDER = (
    *("broker", "keys", "number", "account", "suspend_trade", "budget"),
    *("clock", "calendar", "sessions", "slot"),
    *("daemon", "config", "mode", "certificate", "stream", "latch", "alerts", "journal"),
    *("bars", "regime", "tradable", "orders", "plan", "changes", "rehearsal"),
    *("state_dir", "log_dir", "files", "python", "unit"),
)
"""How the findings are shown: the account, time, the daemon, the coming rebalance, the machine."""
STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.RED: "bold red"}


@plain_errors
def doctor(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Look at everything that the next slot needs, and rehearse it. Nothing is sent.

    Exit 0 where nothing is red, 1 where something is, 78 where the configuration is wrong.
    """
    settings = settings_for(config)
    with waiting():
        chart = asyncio.run(look(settings, config, os.environ))
    if as_json:
        typer.echo(json.dumps(as_document(settings, chart), ensure_ascii=False))
    else:
        show(settings, chart)
    if chart.is_misconfigured:
        raise typer.Exit(ConfigError.exit_code)
    if reds(chart.findings):
        raise typer.Exit(1)


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Tell a person at a terminal that it takes a while; on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("Looking ...") if console.is_terminal else contextlib.nullcontext():
        yield


async def look(settings: Settings, config: Path | None, environ: Mapping[str, str]) -> "Chart":
    """Return what is found: all that can be asked, then today's slot played to its end."""
    from atlas_daemon.cli.asker import Asker
    from atlas_daemon.cli.examination import WHOLE_S, examine
    from atlas_daemon.doctor.on_plan import on_played

    chart = await examine(settings, environ, lambda: datetime.now(UTC), Asker(WHOLE_S))
    if (today := chart.today) is not None:
        work = partial(played, settings, today, config)
        reply = await Asker(PLAY_S + PLAY_MORE_S).have(work, PLAY_S + PLAY_MORE_S)
        await chart.note("rehearsal", lambda: on_played(reply))
    places = {check: place for place, check in enumerate(ORDER)}
    chart.findings.sort(key=lambda finding: places.get(finding.check, len(places)))
    return chart


def played(settings: Settings, today: "Today", config: Path | None) -> "Played":
    """Return how the daemon's run of today ended on a local broker of its own.

    Raises AtlasError where it came to no end.
    """
    from atlas_daemon.doctor.play import Part, managed, play_slot, prices_for, stage_overrides

    positions = today.desk.positions
    with tempfile.TemporaryDirectory(prefix="atlas-", ignore_cleanup_errors=True) as folder:
        overrides = stage_overrides(today.session, Path(folder))
        part = Part(
            settings=settings_for(config, overrides),
            session=today.session,
            cash=today.desk.account.cash,
            holdings=managed(positions, today.bought),
            prices=prices_for(today.answer.closes, positions),
        )
        return play_slot(part, PlayerMaker(today), PLAY_S, time.monotonic)


class PlayerMaker:
    """Makes the daemon for the stage: the real one, with today's signals for a brain."""

    def __init__(self, today: "Today") -> None:
        self._today = today

    def __call__(self, settings: Settings, backdrop: "Backdrop") -> "Daemon":
        """Return the daemon, not yet open. It has the local broker's keys, never the account's."""
        from atlas_daemon.app import Daemon, World
        from atlas_daemon.config.credentials import LOCAL_KEY_ID, LOCAL_SECRET, Credentials
        from atlas_daemon.doctor.play import TodaysBrain

        world = World(
            clock=backdrop.clock,
            open_session=backdrop.open_session,
            jitter=lambda: 0.5,
            brain=TodaysBrain(self._today.answer),
            has_doors=False,
            environ={},
            console=False,
        )
        return Daemon(settings, Credentials(LOCAL_KEY_ID, LOCAL_SECRET, "the stage"), world)


def as_document(settings: Settings, chart: "Chart") -> dict[str, Any]:
    """Return all that was found as JSON's values."""
    counts = {level.value: 0 for level in Level}
    for finding in chart.findings:
        counts[finding.level.value] += 1
    return {
        "label": label_of(settings),
        "version": __version__,
        "at": chart.at.isoformat(timespec="seconds"),
        "counts": counts,
        "findings": [
            {
                "check": finding.check,
                "level": finding.level.value,
                "text": finding.text,
                "advice": finding.advice,
            }
            for finding in chart.findings
        ],
        "plan": chart.plan,
    }


def show(settings: Settings, chart: "Chart") -> None:
    """Print the findings as a table, and the verdict below it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else WIDTH_PIPED
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print(Text(f"{label_of(settings)}  doctor", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Check", "", "Found"):
        table.add_column(column, no_wrap=column != "Found")
    for finding in chart.findings:
        found = Text(finding.text)
        if finding.advice and finding.level is not Level.OK:
            found.append(f"\n-> {finding.advice}", style="dim")
        level = Text(finding.level.value, style=STYLES[finding.level])
        table.add_row(finding.check, level, found)
    console.print(table)
    for line in verdict(chart.findings):
        style = STYLES[Level.RED if reds(chart.findings) else Level.OK]
        console.print(Text(line, style=style))


def verdict(findings: list[Finding]) -> Iterator[str]:
    """Yield the last line."""
    red = reds(findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    noted = f"{warnings} warning{'s' * (warnings != 1)}"
    if red:
        names = ", ".join(dict.fromkeys(finding.check for finding in red))
        yield f"{len(red)} red: {names}; {noted}. Nothing was sent."
    else:
        yield f"Nothing is red; {noted}. Nothing was sent."
