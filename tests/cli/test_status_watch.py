"""`atlasd status --watch`: what is on the screen, how old it is, and the terminal afterwards."""

import io
import os
import re
import select
import signal
import sys
import termios
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from atlas_daemon.cli.reading import Answer, NoStateError
from atlas_daemon.cli.status import _Unchanged, print_status
from atlas_daemon.cli.status_colours import GAIN, LOSS, STOPPED, coloured
from atlas_daemon.cli.status_screen import show_live
from atlas_daemon.cli.status_watch import LOOK_EVERY_S, Sources, Watch, frame
from atlas_daemon.control import ControlError, NoDaemonError
from atlas_daemon.core import events as e
from atlas_daemon.core.views import status_of
from tests.control.desk import NOW, Desk, settings_in

CONSOLE = Console(file=io.StringIO(), width=80, highlight=False, markup=False, emoji=False)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    desk = Desk(settings_in(tmp_path_factory.mktemp("desk"))).open()
    desk.take(e.AlertRaised("error", "test", "a word " * 30))
    shown = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()
    return shown


class House:
    """A daemon that comes and goes, and its journal."""

    def __init__(self, view) -> None:
        self.now = 100.0
        self.answer: Answer | Exception = Answer(view, "")
        self.journal: Answer | Exception = Answer(view, "daemon not running; as of then")
        self.is_latched = False
        self.asked = 0

    def watch(self) -> Watch:
        return Watch(Sources(self.ask, self.read, lambda: self.is_latched, lambda: self.now))

    def ask(self) -> Answer:
        self.asked += 1
        return self._told(self.answer)

    def read(self) -> Answer:
        return self._told(self.journal)

    def _told(self, answer: Answer | Exception) -> Answer:
        if isinstance(answer, Exception):
            raise answer
        return answer


def screen(watch: Watch, width: int = 80, height: int = 30, scroll: int = 0) -> list[str]:
    return [line.plain for line in frame(watch, CONSOLE, width, height, scroll).lines]


def test_what_the_daemon_says_is_shown_with_its_age(view):
    house = House(view)
    watch = house.watch()
    watch.look()
    assert screen(watch)[0] == "[LOCAL] LARGE  trading: reconciled, stream listening"
    assert screen(watch)[-1].startswith("seen now, looks every 2 s")

    house.now += 1.5
    assert screen(watch)[-1].startswith("seen 2s ago, looks every 2 s")
    assert not watch.is_due
    house.now += 0.5
    assert watch.is_due


def test_the_daemon_goes_and_comes_back_and_its_last_words_stay_with_their_age(view):
    house = House(view)
    watch = house.watch()
    watch.look()
    house.answer = NoDaemonError("nobody answers")
    for _ in range(3):
        house.now += LOOK_EVERY_S
        watch.look()
    house.now += 1

    first, label, *_ = screen(watch, width=120)
    assert first == "NO DAEMON RUNS (for 5s). Below is what was last known, 7s old."
    assert label == "[LOCAL] LARGE  trading: reconciled, stream listening"

    house.answer = Answer(view, "")
    watch.look()
    assert watch.banner() == []
    assert screen(watch)[0].startswith("[LOCAL]")


def test_a_latch_put_on_while_no_daemon_runs_is_a_halt(view):
    house = House(view)
    watch = house.watch()
    watch.look()
    house.answer, house.is_latched = NoDaemonError("nobody"), True
    watch.look()

    assert screen(watch, width=120)[1] == "HALTED: the latch file is on."


def test_a_daemon_that_is_silent_is_told_in_its_own_words(view):
    house = House(view)
    watch = house.watch()
    watch.look()
    house.answer = ControlError("the daemon did not answer\x1b[2J\nwithin 3 s")
    watch.look()

    assert watch.banner()[0].startswith("the daemon did not answer\\x1b[2J within 3 s (for 0s).")


def test_where_no_daemon_ran_the_journal_is_shown_until_one_does(view):
    house = House(view)
    house.answer = NoDaemonError("nobody")
    watch = house.watch()
    watch.look()
    assert screen(watch)[0] == "[LOCAL] LARGE  daemon not running; as of then"
    assert watch.banner() == []

    house.answer = Answer(view, "")
    watch.look()
    assert screen(watch)[0].startswith("[LOCAL] LARGE  trading")


def test_nothing_to_show_at_first_is_an_error_and_later_a_trouble(view):
    house = House(view)
    house.answer, house.journal = NoDaemonError("nobody"), NoStateError("no state")
    with pytest.raises(NoStateError):
        house.watch().look()

    house.journal = Answer(view, "daemon not running; as of then")
    watch = house.watch()
    watch.look()
    house.journal = NoStateError("no state at s")
    watch.look()
    assert watch.banner()[0].startswith("no state at s (for 0s).")


@settings(max_examples=40)
@given(width=st.integers(1, 140), height=st.integers(1, 80), scroll=st.integers(-5, 200))
def test_a_frame_fills_any_screen_and_never_leaves_it(view, width, height, scroll):
    house = House(view)
    watch = house.watch()
    watch.look()

    shown = frame(watch, CONSOLE, width, height, scroll)

    assert len(shown.lines) == height
    assert all(line.cell_len <= width for line in shown.lines)
    if height > 20 and width > 60:
        assert shown.lines[0].plain.startswith("[LOCAL]")


def test_scrolled_to_its_end_the_last_line_is_there_and_the_label_stays(view):
    house = House(view)
    watch = house.watch()
    watch.look()

    lines = screen(watch, height=12, scroll=1000)

    assert lines[0].startswith("[LOCAL]")
    assert lines[-2].endswith("word")
    assert re.search(r"lines \d+-(\d+) of \1, arrows scroll", lines[-1])


@pytest.mark.parametrize(
    ("lines", "word", "style"),
    [
        (["POSITIONS (1 holdings)", "  AAPL  8  $1  $1  +$40  +2.7%  14.8%"], "+$40", GAIN),
        (["POSITIONS (1 holdings)", "  AAPL  8  $1  $1  -$40  -2.7%  14.8%"], "-2.7%", LOSS),
        (["POSITIONS (1 holdings)", "  AAPL  8  $1  $1  +$0  -0.0%  14.8%"], "+$0", ""),
        (["POSITIONS (1 holdings)", "  AAPL  8  $1  $1  +$0  -0.0%  14.8%"], "14.8%", ""),
        (["PERFORMANCE SINCE", "  Total Return: +2.46%"], "+2.46%", GAIN),
        (["LAST ALERTS", "  now INFO: cash is +3.0% more"], "+3.0%", ""),
        (["HALTED by ann: fire"], "HALTED by ann: fire", STOPPED),
        (["[LIVE] LARGE  trading: all is well"], "[LIVE]", STOPPED),
        (["[LIVE] LARGE  halted: fire"], "halted:", STOPPED),
    ],
)
def test_colours_mean_gain_loss_and_halt(lines, word, style):
    text = coloured(lines)[-1]
    at = text.plain.index(word)

    found = [str(s.style) for s in text.spans if s.start <= at < s.end]

    assert found == ([style] if style else [])


class Terminal:
    """A real terminal of the kernel's, with somebody at its keys."""

    def __init__(self, monkeypatch, width: int, height: int) -> None:
        self.keys, inside = os.openpty()
        termios.tcsetwinsize(inside, (height, width))
        self.inside = os.fdopen(inside, "r+b", buffering=0)
        self.output = os.fdopen(os.dup(inside), "w")
        monkeypatch.setattr(sys, "stdin", self.inside)
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: self.size())
        self.console = Console(file=self.output, highlight=False, markup=False, emoji=False)
        self.seen = b""
        self.ways = termios.tcgetattr(inside)

    def size(self) -> os.terminal_size:
        rows, columns = termios.tcgetwinsize(self.inside.fileno())
        return os.terminal_size((columns, rows))

    def resize(self, width: int, height: int) -> None:
        termios.tcsetwinsize(self.inside.fileno(), (height, width))

    def wait_for(self, words: bytes) -> None:
        while words not in self.seen:
            ready, _, _ = select.select([self.keys], [], [], 10)
            assert ready, (words, self.seen[-2000:])
            self.seen += os.read(self.keys, 65536)

    def press(self, key: bytes) -> None:
        os.write(self.keys, key)

    def close(self) -> None:
        self.inside.close()
        self.output.close()
        os.close(self.keys)


def played(terminal: Terminal, watch: Watch, act) -> None:
    """Show the watch in this thread, which signals reach, while another one acts."""
    actor = threading.Thread(target=act)
    actor.start()
    show_live(watch, terminal.console)
    terminal.output.flush()
    actor.join(10)
    assert not actor.is_alive()
    terminal.wait_for(b"\x1b[?25h")


@pytest.fixture
def terminal(monkeypatch):
    made = Terminal(monkeypatch, 80, 24)
    yield made
    made.close()


ENDS = {
    "q": lambda terminal: terminal.press(b"q"),
    "SIGINT": lambda terminal: os.kill(os.getpid(), signal.SIGINT),
    "SIGTERM": lambda terminal: os.kill(os.getpid(), signal.SIGTERM),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_it_has_a_screen_of_its_own_and_leaves_the_terminal_as_it_was(view, terminal, end):
    before = signal.getsignal(signal.SIGTERM)
    keys = []

    def act() -> None:
        terminal.wait_for(b"q ends")
        keys.extend(termios.tcgetattr(terminal.inside.fileno())[6])
        end(terminal)

    played(terminal, House(view).watch(), act)

    assert keys[termios.VSUSP] == b"\x00", "a stopped process would leave its screen behind"
    assert keys[termios.VINTR] == b"\x03"
    assert terminal.seen.startswith(b"\x1b[?1049h")
    assert b"\x1b[?1049l" in terminal.seen
    assert terminal.seen.count(b"\x1b[?25h") == terminal.seen.count(b"\x1b[?25l") == 1
    assert termios.tcgetattr(terminal.inside.fileno()) == terminal.ways
    assert signal.getsignal(signal.SIGTERM) is before


def test_keys_scroll_and_a_smaller_window_is_filled_anew(view, terminal):
    def act() -> None:
        terminal.wait_for(b"lines 1-")
        terminal.press(b"\x1b[B")
        terminal.wait_for(b"lines 2-")
        terminal.press(b"G")
        terminal.wait_for(b"a word")
        terminal.seen = b""
        terminal.resize(60, 20)
        terminal.wait_for(b"-")
        terminal.press(b"g")
        terminal.wait_for(b"lines 1-18 of")
        terminal.press(b"q")

    played(terminal, House(view).watch(), act)

    last = terminal.seen.decode().split("\x1b[H")[-1]
    widths = [len(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line)) for line in last.split("\r\n")]
    assert max(widths) <= 60


def test_where_nothing_can_be_shown_the_screen_is_not_taken(terminal, view):
    house = House(view)
    house.answer, house.journal = NoDaemonError("nobody"), NoStateError("no state")

    with pytest.raises(NoStateError):
        show_live(house.watch(), terminal.console)

    terminal.output.flush()
    terminal.press(b"")
    assert terminal.seen == b""


def test_a_journal_that_did_not_change_is_not_read_again(tmp_path, view):
    told = settings_in(tmp_path)
    Desk(told).open().journal.close()
    read = []
    journal = _Unchanged(told, lambda: read.append(1) or Answer(view, "then"))

    journal.read()
    journal.read()
    assert len(read) == 1
    told.latch_path.touch()
    journal.read()
    assert len(read) == 2


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_is_coloured_unless_no_color_is_set(shell, monkeypatch, no_color):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    Desk(shell.settings).open().journal.close()
    out = io.StringIO()

    print_status(shell.settings, Console(file=out, force_terminal=True, width=60))

    assert ("\x1b[38;5;" in out.getvalue()) is not bool(no_color)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert plain.startswith("[LOCAL] LARGE  daemon not running; as of 2025-11-18")
    assert max(map(len, plain.splitlines())) <= 60
