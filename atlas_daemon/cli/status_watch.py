"""What a screen that watches shows: the latest answer with its age, and what is wrong with asking.

An answer of the daemon stays when the daemon goes: its journal knows less than it said. No terminal
is known here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from atlas_daemon.cli.reading import Answer
from atlas_daemon.cli.status_colours import QUIET, STOPPED, coloured, wrapped
from atlas_daemon.cli.status_text import status_blocks
from atlas_daemon.control import NoDaemonError
from atlas_daemon.core.errors import AtlasError, BugError
from atlas_daemon.core.spelling import span
from atlas_daemon.records.lines import one_line

LOOK_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked, and on what clock."""

    ask: Callable[[], Answer]
    """The running daemon. Raises NoDaemonError where none runs, AtlasError where it is silent."""
    read: Callable[[], Answer]
    """Its journal. Raises AtlasError where it cannot be read."""
    is_latched: Callable[[], bool]
    clock: Callable[[], float]
    """Seconds, never set back."""


class Watch:
    """The latest answer, how old it is, and what is in the way of a newer one."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._answer: Answer | None = None
        self._answered_at = self._looked_at = 0.0
        self._trouble, self._trouble_at = "", 0.0

    def look(self) -> None:
        """Ask anew. Raises AtlasError only where there has never been anything to show."""
        try:
            try:
                self._take(self._sources.ask())
            except NoDaemonError:
                if self._answer is not None and not self._answer.note:
                    self._fail("NO DAEMON RUNS")
                else:
                    self._take(self._sources.read())
        except BugError:
            raise
        except AtlasError as error:
            if self._answer is None:
                raise
            self._fail(one_line(" ".join(str(error).split())))
        finally:
            self._looked_at = self._sources.clock()

    @property
    def is_due(self) -> bool:
        """True where the last look is long enough ago."""
        return self._sources.clock() - self._looked_at >= LOOK_EVERY_S

    @property
    def age_s(self) -> float:
        """How old what is shown is, in seconds."""
        return self._sources.clock() - self._answered_at

    def banner(self) -> list[str]:
        """Return what must be known of what is shown before it is read; nothing where all is well.

        Since when nothing newer is known, how old what is shown is, and a latch put on meanwhile.
        """
        if not self._trouble:
            return []
        lasts = span(self._sources.clock() - self._trouble_at)
        shown = f"Below is what was last known, {span(self.age_s)} old."
        lines = [f"{self._trouble} (for {lasts}). {shown}"]
        answer = self._answer
        if answer is not None and answer.view["halt"] is None and self._sources.is_latched():
            lines.append("HALTED: the latch file is on.")
        return lines

    def blocks(self, width: int) -> tuple[list[str], list[list[str]]]:
        """Return the label's lines and the blocks below them."""
        assert self._answer is not None
        return status_blocks(self._answer.view, self._answer.note, width)

    def _take(self, answer: Answer) -> None:
        self._answer, self._answered_at = answer, self._sources.clock()
        self._trouble = ""

    def _fail(self, trouble: str) -> None:
        if not self._trouble:
            self._trouble_at = self._sources.clock()
        self._trouble = trouble


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole screen: as many lines as it is high, none wider than it."""

    lines: tuple[Text, ...]
    scroll: int
    """How many lines of the body are above the screen, after what was asked for was bounded."""
    page: int
    """How many lines of the body are on the screen."""


def frame(watch: Watch, console: Console, width: int, height: int, scroll: int) -> Frame:
    """Return what a screen of `width` and `height` shows; label and last line are always there."""
    label, blocks = watch.blocks(width)
    body = [line for block in blocks for line in (*block, "")][:-1]
    banner = [Text(line, style=STOPPED) for line in watch.banner()]
    # What was said of a daemon that does not speak is no more than a memory.
    head = banner + ([Text(line, style=QUIET) for line in label] if banner else coloured(label))
    top = wrapped(console, head, width)[: max(0, height - 2)]
    rows = wrapped(console, coloured(body), width)
    page = max(0, height - len(top) - 1)
    scroll = max(0, min(scroll, len(rows) - page))
    shown = rows[scroll : scroll + page]
    shown += [Text()] * (page - len(shown))
    foot = _foot(watch, len(rows), scroll, page, width)
    return Frame((*top, *shown, foot)[:height], scroll, page)


def _foot(watch: Watch, rows: int, scroll: int, page: int, width: int) -> Text:
    seen = "now" if watch.age_s < 1 else f"{span(watch.age_s)} ago"
    words = [f"seen {seen}, looks every {LOOK_EVERY_S:.0f} s"]
    if rows > page:
        words.append(f"lines {scroll + 1}-{min(rows, scroll + page)} of {rows}, arrows scroll")
    words.append("q ends")
    foot = Text("; ".join(words), style=QUIET, no_wrap=True)
    foot.truncate(width, overflow="ellipsis")
    return foot
