"""`atlasd status`: what is true now, from the daemon, or from its journal where none runs."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_daemon.cli.options import ConfigOption, JsonOption, plain_errors, settings_for
from atlas_daemon.cli.reading import Answer, ask_or_read
from atlas_daemon.cli.status_text import status_text
from atlas_daemon.config import Settings
from atlas_daemon.control.client import ANSWER_S
from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.views import status_of

if TYPE_CHECKING:
    from rich.console import Console

WATCH_S = 2.0
AGES_S = 30
"""Ages in what the journal says are made anew so often."""
WATCH_ANSWER_S = 3.0
"""A screen that watches waits no longer for an answer: it says that none came."""


@plain_errors
def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it live until q or Ctrl-C; arrows scroll.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show account, regime, positions, performance, the last rebalance and what is under way."""
    if watch and as_json:
        raise UsageError("--watch and --json do not go together")
    settings = settings_for(config)
    if as_json:
        answer = read_status(settings)
        is_running = not answer.note
        typer.echo(json.dumps({"is_running": is_running, **answer.view}, indent=2))
    elif not sys.stdout.isatty():
        if watch:
            repeat(lambda: typer.echo(text_of(settings)), time.sleep)
        else:
            typer.echo(text_of(settings), nl=False)
    else:
        from rich.console import Console

        console = Console(highlight=False, markup=False, emoji=False)
        if watch and not console.is_dumb_terminal:
            _watch(settings, console)
        elif watch:
            repeat(lambda: print_status(settings, console), time.sleep)
        else:
            print_status(settings, console)


def text_of(settings: Settings) -> str:
    """Return the status as text."""
    answer = read_status(settings)
    return status_text(answer.view, answer.note)


def print_status(settings: Settings, console: "Console") -> None:
    """Print the status on a terminal, as wide as it is, in its colours."""
    from atlas_daemon.cli.status_colours import coloured, wrapped

    answer = read_status(settings)
    text = status_text(answer.view, answer.note, console.width)
    for line in wrapped(console, coloured(text.splitlines()), console.width):
        console.print(line, soft_wrap=True)


def repeat(show: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Show it anew every `WATCH_S` seconds until it is interrupted."""
    try:
        while True:
            show()
            sleep(WATCH_S)
    except KeyboardInterrupt:
        return


def read_status(settings: Settings, timeout_s: float = ANSWER_S) -> Answer:
    """Return the status view. What the journal cannot say is taken from configuration and latch."""
    answer = ask_or_read(settings, "status", status_of, timeout_s=timeout_s)
    if answer.note:
        _complete(answer.view, answer.note, settings)
    return answer


def _watch(settings: Settings, console: "Console") -> None:
    from atlas_daemon.cli.status_screen import show_live
    from atlas_daemon.cli.status_watch import Sources, Watch
    from atlas_daemon.control import ask

    def asked() -> Answer:
        path = settings.control_socket_path
        return Answer(ask(path, "status", timeout_s=WATCH_ANSWER_S), "")

    journal = _Unchanged(settings, lambda: read_status(settings, WATCH_ANSWER_S))
    show_live(
        Watch(Sources(asked, journal.read, settings.latch_path.exists, time.monotonic)), console
    )


class _Unchanged:
    """Reads the journal again only where its files changed: years of entries take a second."""

    def __init__(self, settings: Settings, read: Callable[[], Answer]) -> None:
        path = settings.journal_path
        self._paths = (path, path.with_name(f"{path.name}-wal"), settings.latch_path)
        self._read = read
        self._stamps: tuple[Any, ...] = ()
        self._answer: Answer | None = None

    def read(self) -> Answer:
        """Return what the journal says. Raises AtlasError."""
        stamps = (time.monotonic() // AGES_S, *map(_stamp, self._paths))
        if self._answer is None or stamps != self._stamps:
            self._answer, self._stamps = self._read(), stamps
        return self._answer


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _complete(view: dict[str, Any], note: str, settings: Settings) -> None:
    account = view["account"]
    if account["mode"] is None:
        account |= {"name": settings.account.name, "mode": settings.account.mode}
        view["label"] = f"[{settings.account.mode.upper()}]"
    view["daemon"] |= {"mode": "not running", "reason": note, "why_not_ready": note}
    if view["halt"] is None and settings.latch_path.exists():
        view["halt"] = {
            "by": "latch file",
            "reason": f"{settings.latch_path} is there",
            "at": None,
            "age_s": None,
            "is_complete": False,
            "is_durable": True,
            "open_orders": len(view["orders"]),
            "unconfirmed": len(view["orders"]),
            "suspend_trade": "",
            "flatten": None,
        }
