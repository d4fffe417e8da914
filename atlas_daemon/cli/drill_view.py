"""What `atlasd drill` shows while it runs: a live table on a terminal, plain lines where piped."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from atlas_daemon.cli.options import label_of
from atlas_daemon.config import Settings

if TYPE_CHECKING:
    from atlas_daemon.drillmaster.ground import Ground
    from atlas_daemon.drillmaster.master import Drill, Verdict

WIDTH_PIPED = 120
REFRESHES_A_SECOND = 4
GOOD, BAD, BUSY = "green", "bold red", "dim"


class Screen:
    """Told of everything; shows it as it goes."""

    def __init__(self, console: Console, drills: Sequence["Drill"], *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._titles = {drill.name: drill.title for drill in drills}
        self._said: dict[str, str] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._now = ""
        self.live: Live | None = None

    def title(self, settings: Settings) -> None:
        """Say what is going to be shown, and of which account."""
        self._print(
            f"{label_of(settings)}  drills of the installed package and configuration, on a local "
            "broker of their own"
        )

    def stands_on(self, ground: "Ground") -> None:
        """Show where the drills take place."""
        for note in ground.notes:
            self._print(f"  {note}")

    def begins(self, drill: "Drill") -> None:
        """Show which one is next."""
        self._now = drill.name
        if self.live is None:
            self._print(f"{drill.name}: {drill.title}")
        self._refresh()

    def says(self, text: str) -> None:
        """Show a step of the present one."""
        self._said[self._now] = text
        if self.live is None:
            self._print(f"  {text}")
        self._refresh()

    def ends(self, verdict: "Verdict") -> None:
        """Show a verdict, and every check where one is bad."""
        self._verdicts[verdict.name], self._now = verdict, ""
        if self.live is None:
            word = "passed" if verdict.is_good else "NOT PASSED"
            self._print(f"  {word} in {verdict.seconds:.1f} s: {verdict.text}")
        self._refresh()

    def is_over(self, verdicts: Sequence["Verdict"]) -> None:
        """Show the last line."""
        bad = [verdict.name for verdict in verdicts if not verdict.is_good]
        took_s = sum(verdict.seconds for verdict in verdicts)
        told = f"not passed: {', '.join(bad)}" if bad else "all passed"
        style = BAD if bad else GOOD
        count = f"{len(verdicts)} drill{'s' * (len(verdicts) != 1)}"
        self._print(f"{count} in {took_s:.0f} s, {told}; on record", style)

    def table(self) -> Table:
        """Return everything so far."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("Drill", "", "s", "What was seen"):
            table.add_column(column, no_wrap=column != "What was seen")
        for name, title in self._titles.items():
            verdict = self._verdicts.get(name)
            if verdict is not None:
                style = GOOD if verdict.is_good else BAD
                word = Text("passed" if verdict.is_good else "NOT PASSED", style=style)
                table.add_row(name, word, f"{verdict.seconds:.0f}", Text(verdict.text))
            elif name == self._now:
                table.add_row(name, Text("runs"), "", Text(self._said.get(name, title), style=BUSY))
            else:
                table.add_row(Text(name, style=BUSY), "", "", Text(title, style=BUSY))
        return table

    def _refresh(self) -> None:
        if self.live is not None:
            self.live.update(self.table())

    def _print(self, text: str, style: str = "") -> None:
        if not self._quiet:
            self._console.print(Text(text, style=style), soft_wrap=True)


@contextmanager
def screen_for(
    settings: Settings, drills: Sequence["Drill"], *, quiet: bool, console: Console | None = None
) -> Iterator[Screen]:
    """Yield the screen; `quiet` shows nothing at all."""
    if console is None:
        probe = Console()
        width = None if probe.is_terminal else WIDTH_PIPED
        console = Console(width=width, highlight=False, markup=False, emoji=False)
    screen = Screen(console, drills, quiet=quiet)
    screen.title(settings)
    if quiet or not console.is_terminal:
        yield screen
        return
    with Live(console=console, refresh_per_second=REFRESHES_A_SECOND) as live:
        screen.live = live
        yield screen
