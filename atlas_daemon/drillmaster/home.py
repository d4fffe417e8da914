"""A home of its own for the daemon (configuration, state, logs), and the daemons living there.

What a daemon does is read from its journal and asked at its control socket.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from atlas_daemon.control import ControlError, ask
from atlas_daemon.core.events import Entry
from atlas_daemon.journal import Journal

from .processes import (
    END_S,
    PATIENCE_S,
    TIED,
    GoneError,
    TooLateError,
    children_of,
    end,
    kill_stray,
    scratch_environment,
    until,
)

T = TypeVar("T")

LAST_WORDS_S = 1.0
"""So long what an ended daemon said last may take to be read."""
SAID_MAX = 200
"""Lines of a daemon's words that are kept."""


@dataclass
class Home:
    """A folder of its own: configuration, state, logs; and the daemons started in it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    daemons: list["Daemon"] = field(default_factory=list)
    state: Path = field(init=False)
    runtime: Path = field(init=False)

    def __post_init__(self) -> None:
        """Put state and control socket where they are unless somebody moves them."""
        self.state = self.folder / "state"
        self.runtime = self.state / "run"

    @property
    def config(self) -> Path:
        """The configuration of its daemons."""
        return self.folder / "atlas.toml"

    @property
    def latch(self) -> Path:
        """The emergency stop's latch."""
        return self.state / "HALTED"

    @property
    def logs(self) -> Path:
        """Log and trades files."""
        return self.folder / "logs"

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.runtime / "control.sock"

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `atlasd` with this home's configuration."""
        return [sys.executable, "-m", "atlas_daemon", *arguments, "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return scratch_environment(self.folder) | self.environ

    def run(self, *arguments: str, patience_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(  # noqa: S603 - this package
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
            start_new_session=True,
        )

    def daemon(self, *prefix: str) -> "Daemon":
        """Start `atlasd run`, or `prefix` with it as arguments."""
        tie = (sys.executable, "-S", "-E", "-s", "-c", TIED, str(os.getpid()))
        command = [*prefix, *self.command("run")]
        process = subprocess.Popen(  # noqa: S603 - this package
            [*tie, shutil.which(command[0]) or command[0], *command[1:]],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        daemon = Daemon(self, process)
        daemon.listen()
        self.daemons.append(daemon)
        return daemon

    def entries(self) -> list[Entry]:
        """Return what the journal says, beside a daemon that may be writing to it."""
        with Journal.open_readonly(self.state / "journal.db") as journal:
            return list(journal.read())

    def events(self, kind: type[T]) -> list[T]:
        """Return the journal's events of a kind."""
        return [entry.event for entry in self.entries() if isinstance(entry.event, kind)]

    def close(self) -> None:
        """End every daemon and whatever it had started."""
        for daemon in self.daemons:
            daemon.close()


@dataclass
class Daemon:
    """`atlasd run`, seen through its control socket."""

    home: Home
    process: "subprocess.Popen[bytes]"
    words: list[str] = field(default_factory=list)
    children: dict[int, None] = field(default_factory=dict)
    """Ids of the processes that it was seen to have."""
    _listener: threading.Thread | None = None

    def listen(self) -> None:
        """Take in what it says, so that its pipe never fills."""
        self._listener = threading.Thread(target=self._take_in, daemon=True)
        self._listener.start()

    def _take_in(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            for line in pipe:
                self.words.append(line.decode(errors="replace"))
                del self.words[:-SAID_MAX]

    def said(self) -> str:
        """Return its last words."""
        return "".join(self.words)

    def status(self) -> dict[str, Any] | None:
        """Return its own status; None while nobody answers. Raises GoneError where it ended."""
        if self.process.poll() is not None:
            raise GoneError(f"the daemon ended with {self.process.returncode}: {self.last_word()}")
        with contextlib.suppress(OSError):
            self.children |= dict.fromkeys(children_of(self.process.pid))
        with contextlib.suppress(ControlError):
            found: dict[str, Any] = ask(self.home.socket, "status", timeout_s=5)
            return found
        return None

    def last_word(self) -> str:
        """Return its last line, for an error."""
        lines = [line.strip() for line in self.words if line.strip()]
        return lines[-1][:300] if lines else "(it said nothing)"

    def wait_for(
        self, what: str, is_so: Callable[[dict[str, Any]], object], patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Return the first status of which `is_so` holds."""

        def look() -> dict[str, Any] | None:
            status = self.status()
            return status if status is not None and is_so(status) else None

        try:
            found = until(what, look, patience_s)
        except TooLateError as error:
            raise TooLateError(f"{error}; the daemon says: {self.last_word()}") from None
        assert found is not None
        return found

    def is_trading(self) -> dict[str, Any]:
        """Wait for mode trading."""
        return self.wait_for("trading mode", lambda status: status["daemon"]["mode"] == "trading")

    def is_done(self, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the end of the run, for ever."""
        return self.wait_for(
            "end of the run",
            lambda status: status["last_run"] and status["last_run"]["is_final"],
            patience_s,
        )

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ends(self, patience_s: float = 40) -> int:
        """Wait for its end; return its code."""
        try:
            code = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise TooLateError(f"the daemon did not end within {patience_s:.0f} s") from None
        if self._listener is not None:
            self._listener.join(LAST_WORDS_S)
        return code

    def blocks(self, number: signal.Signals) -> bool:
        """True where the process holds a signal back until it can be taken."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{self.process.pid}/status").read_text()
            mask = next(line.split()[1] for line in text.splitlines() if line.startswith("SigBlk"))
            return bool(int(mask, 16) >> (number - 1) & 1)
        return False

    def close(self) -> None:
        """End it, and whatever it had started."""
        with contextlib.suppress(OSError):
            if self.process.poll() is None:
                self.children |= dict.fromkeys(children_of(self.process.pid))
        end(self.process)
        for child in self.children:
            kill_stray(child)
        if self._listener is not None:
            self._listener.join(END_S)
