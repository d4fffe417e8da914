"""Real processes for the end-to-end tests: a broker, a daemon, and what can be seen of them.

Facts are looked for, with a deadline: at the control socket, in the journal, at the broker's REST.
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atlas_daemon.control import ControlError, ask
from atlas_daemon.core.events import Entry
from atlas_daemon.journal import Journal
from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.02

HOLDINGS = "INTC=300,IBM=60,MSFT=20"
TARGETS = {"AAPL": "0.15", "MSFT": "0.15", "NVDA": "0.15", "ORCL": "0.15", "CSCO": "0.15"}
"""Weights of the slot of February 2026: INTC and IBM go, MSFT stays."""
SIGNAL_DAY, SLOT = "2026-01-30", "2026-02"
EARLY = "2026-02-02T09:31:30"
"""Minutes before the slot falls due, as the daemon must have started by then on a slow machine."""
DUE = "2026-02-02T09:35:00-05:00"


class TooLateError(AssertionError):
    """What was waited for did not come in time."""


def until(what: str, look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Return what `look` says as soon as it is truthy."""
    ends_at = time.monotonic() + patience_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends_at:
            raise TooLateError(f"no {what} within {patience_s:.0f} s")
        time.sleep(LOOK_EVERY_S)


@dataclass
class Broker:
    """`atlasd paper`, and its REST."""

    process: subprocess.Popen[bytes]
    url: str

    def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        request = urllib.request.Request(
            f"{self.url}{path}{query}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "APCA-API-KEY-ID": LOCAL_KEY,
                "APCA-API-SECRET-KEY": LOCAL_SECRET,
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None

    def account(self) -> dict[str, Any]:
        """What the broker's operator sees of the account; costs no request of the budget."""
        (account,) = self.ask("GET", "/_admin/state")["accounts"]
        return account

    def positions(self) -> dict[str, int]:
        return {s: int(float(q)) for s, q in self.account()["positions"].items() if float(q)}

    def orders(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/v2/orders", status="all", limit="500", direction="asc")

    def open_orders(self) -> int:
        return self.account()["open_orders"]

    def fills(self) -> int:
        return self.account()["activities"]

    def go_to(self, at: str) -> None:
        self.ask("POST", "/_admin/clock", {"at": at})

    def speed(self, speed: float) -> None:
        self.ask("POST", "/_admin/clock", {"speed": speed})

    def fault(self, **fault: Any) -> None:
        self.ask("POST", "/_admin/faults", fault)

    def heal(self) -> None:
        self.ask("DELETE", "/_admin/faults")


@contextmanager
def a_broker(
    *arguments: str,
    at: str = EARLY,
    holdings: str = HOLDINGS,
    cash: str = "60000",
    complaints: int | None = None,
) -> Iterator[Broker]:
    """Run the local broker; it is gone at the block's end, and with this process.

    `complaints` is the descriptor that its standard error goes to; ours, where None.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "atlas_daemon", "paper", "--port", "0", "--json"),
            *("--attached", "--at", at, "--holdings", holdings, "--cash", cash, *arguments),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        assert ready, "the broker does not start"
        yield Broker(process, json.loads(process.stdout.readline())["url"])
    finally:
        process.stdin.close()
        _end(process)
        process.stdout.close()


@dataclass
class Place:
    """A home of its own: configuration, state, logs; and the daemons started in it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    daemons: list["Daemon"] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "atlas.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def latch(self) -> Path:
        return self.state / "HALTED"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def write(self, broker_url: str = "", **changes: str) -> "Place":
        """Write atlas.toml for a broker, with `section__key="TOML value"` changed."""
        lines = (f"{symbol},{weight},{SIGNAL_DAY}" for symbol, weight in TARGETS.items())
        targets = self.folder / "targets.csv"
        targets.write_text("\n".join(("symbol,weight,as_of", *lines, "")))
        keys = {
            "account.name": '"PROOF"',
            "account.mode": '"local"',
            "broker.trading_url": f'"{broker_url}"',
            "strategy.source": f'"file:{targets}"',
            "regime.source": '"fixed:TREND_BULL"',
            "paths.state_dir": f'"{self.state}"',
            "paths.log_dir": f'"{self.logs}"',
            "dashboard.port": "0",
        } | {name.replace("__", "."): value for name, value in changes.items()}
        self.config.write_text("".join(f"{name} = {value}\n" for name, value in keys.items()))
        return self

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "atlas_daemon", *arguments, "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {"HOME": str(self.folder)} | self.environ

    def run(self, *arguments: str, patience_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )

    def daemon(self, *prefix: str) -> "Daemon":
        """Start `atlasd run`, or `prefix` with it as arguments."""
        complaints = self.folder / f"stderr-{len(self.daemons)}.txt"
        with complaints.open("wb") as sink:
            process = subprocess.Popen(
                [*prefix, *self.command("run")],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        daemon = Daemon(self, process, complaints)
        self.daemons.append(daemon)
        return daemon

    def entries(self) -> list[Entry]:
        """What the journal says, beside a daemon that may be writing to it."""
        with Journal.open_readonly(self.state / "journal.db") as journal:
            return list(journal.read())

    def events(self, kind: type) -> list[Any]:
        return [entry.event for entry in self.entries() if isinstance(entry.event, kind)]


@contextmanager
def a_place() -> Iterator[Place]:
    """A folder with a short name (a socket's path is short); its daemons end with the block."""
    folder = Path(tempfile.mkdtemp(prefix="atlas-e2e-"))
    place = Place(folder)
    try:
        yield place
    finally:
        for daemon in place.daemons:
            _end(daemon.process)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Daemon:
    """`atlasd run`, seen through its control socket and its page."""

    place: Place
    process: subprocess.Popen[bytes]
    complaints: Path

    def said(self) -> str:
        return self.complaints.read_text(errors="replace")

    def status(self) -> dict[str, Any] | None:
        """The daemon's own status; None while nobody answers."""
        assert self.process.poll() is None, f"the daemon ended: {self.said()}"
        with contextlib.suppress(ControlError):
            return ask(self.place.state / "run" / "control.sock", "status", timeout_s=5)
        return None

    def wait_for(
        self, what: str, is_so: Callable[[dict[str, Any]], object], patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The first status of which `is_so` holds."""

        def look() -> dict[str, Any] | None:
            status = self.status()
            return status if status is not None and is_so(status) else None

        try:
            return until(what, look, patience_s)
        except TooLateError as error:
            raise TooLateError(f"{error}; the daemon says: {self.said()[-3000:]}") from None

    def is_trading(self) -> dict[str, Any]:
        return self.wait_for("trading mode", lambda status: status["daemon"]["mode"] == "trading")

    def is_done(self) -> dict[str, Any]:
        return self.wait_for(
            "end of the run",
            lambda status: status["last_run"] and status["last_run"]["is_final"],
        )

    def page(self, path: str) -> tuple[int, Any]:
        """Status and body of one of the page's addresses."""
        status = self.status()
        assert status is not None
        address = urllib.parse.urlsplit(status["daemon"]["dashboard"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self, patience_s: float = 40) -> int:
        return self.process.wait(patience_s)

    def blocks(self, number: signal.Signals) -> bool:
        """True where the process holds a signal back until it can be taken."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{self.process.pid}/status").read_text()
            mask = next(line.split()[1] for line in text.splitlines() if line.startswith("SigBlk"))
            return bool(int(mask, 16) >> (number - 1) & 1)
        return False


def sent_twice(orders: list[dict[str, Any]]) -> list[object]:
    """The ids and the (symbol, side, round) triples that the broker has more than one order of."""
    ids = Counter(order["client_order_id"] for order in orders)
    triples = Counter(
        (order["symbol"], order["side"], order["client_order_id"].split("-")[3]) for order in orders
    )
    return [key for key, count in (*ids.items(), *triples.items()) if count > 1]


def has_ended(process_id: int) -> bool:
    """True where no such process lives any more."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def children_of(process_id: int) -> list[int]:
    """The ids of a process's children."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(number) for number in text.split()]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
