"""The terminal of `status --watch`: its other screen, its keys, its size; left as it was found.

What is shown is not decided here.
"""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console, Group
from rich.live import Live

from atlas_daemon.cli.status_watch import Frame, Watch, frame

LISTEN_S = 0.25
"""How long keys are waited for before size and ages are looked at again."""
_UP, _DOWN, _PAGE_UP, _PAGE_DOWN, _TOP, _END = "up", "down", "page up", "page down", "top", "end"
_KEYS = {
    **dict.fromkeys((b"\x1b[A", b"\x1bOA", b"k"), _UP),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB", b"j", b"\r", b"\n"), _DOWN),
    **dict.fromkeys((b"\x1b[5~", b"b"), _PAGE_UP),
    **dict.fromkeys((b"\x1b[6~", b" "), _PAGE_DOWN),
    **dict.fromkeys((b"\x1b[H", b"\x1b[1~", b"\x1bOH", b"g"), _TOP),
    **dict.fromkeys((b"\x1b[F", b"\x1b[4~", b"\x1bOF", b"G"), _END),
}
_QUIT = {b"q", b"Q", b"\x03", b"\x04"}


def show_live(watch: Watch, console: Console) -> None:
    """Show the watch on the terminal's other screen until Ctrl-C or q. Raises as `Watch.look`."""
    watch.look()  # what has nothing to show ends before the screen is taken
    with _ended_by_signals(), suppress(KeyboardInterrupt), _keys() as pressed:
        _show(watch, console, pressed)


def _show(watch: Watch, console: Console, pressed: Callable[[float], bytes]) -> None:
    scroll, drawn = 0, None
    with Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    ) as live:
        while True:
            width, height = console.size
            shown = frame(watch, console, width, height, scroll)
            scroll = shown.scroll
            if (wanted := (width, height, shown.lines)) != drawn:
                live.update(Group(*shown.lines), refresh=True)
                drawn = wanted
            key = pressed(LISTEN_S)
            if key in _QUIT:
                return
            scroll = _scrolled(shown, _KEYS.get(key, ""))
            if watch.is_due:
                watch.look()


def _scrolled(shown: Frame, wish: str) -> int:
    steps = {_UP: -1, _DOWN: 1, _PAGE_UP: -shown.page, _PAGE_DOWN: shown.page}
    if wish == _TOP:
        return 0
    if wish == _END:
        return sys.maxsize
    return shown.scroll + steps.get(wish, 0)


@contextmanager
def _keys() -> Iterator[Callable[[float], bytes]]:
    """Yield what waits so many seconds for a key; the terminal's ways are put back afterwards."""
    stdin = sys.stdin.fileno()
    if not os.isatty(stdin):
        yield lambda seconds: _waited(seconds)
        return
    had = termios.tcgetattr(stdin)
    try:
        tty.setcbreak(stdin)
        now = termios.tcgetattr(stdin)
        now[6][termios.VSUSP] = b"\x00"  # Ctrl-Z would leave the other screen behind
        termios.tcsetattr(stdin, termios.TCSADRAIN, now)
        yield lambda seconds: _pressed(stdin, seconds)
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, had)


def _pressed(stdin: int, seconds: float) -> bytes:
    ready, _, _ = select.select([stdin], [], [], seconds)
    if not ready:
        return b""
    key = os.read(stdin, 32)
    if not key:  # the terminal is gone
        raise KeyboardInterrupt
    return key


def _waited(seconds: float) -> bytes:
    select.select([], [], [], seconds)
    return b""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end it as Ctrl-C does, with the terminal put back."""

    def end(number: int, where: FrameType | None) -> None:
        raise KeyboardInterrupt

    had = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in had.items():
            signal.signal(number, handler)
