"""How long the two things take that must not wait: a stop on its way out, a fill on its way in.

Real processes on one machine, which share one monotonic clock: the broker of the benches, and the
daemon over a journal with orders at work.
"""

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.broker import OPENS_AT
from bench.daemon import await_ready
from bench.figure import Figure
from bench.peers import BrokerProcess, a_broker
from bench.seed import ACCOUNT, open_journal, resting, resting_names
from bench.words import ORDERS_OF_BURST

STOPS, STOPS_QUICK = 100, 2
FILLS, FILLS_QUICK = 600, 20
FILL_GAP_S = 0.02
BUSY_GAP_S = 0.005
BUSY_FOR_S = 0.3
PATIENCE_S = 20.0
QTY = 100_000


def stop_figures(is_quick: bool = False) -> Iterator[Figure]:
    """Measure from SIGUSR1 sent to the cancel of all orders read by the broker."""
    stops = STOPS_QUICK if is_quick else STOPS
    with a_broker() as broker:
        found = [_stop_s(broker) for _ in range(stops)]
    how = (
        f"{stops} starts of atlasd run, {ORDERS_OF_BURST} orders open, "
        f"{1 / BUSY_GAP_S:.0f} fills a second at most; signal sent to request read"
    )
    yield Figure("SIGUSR1 to DELETE /v2/orders, median", how, statistics.median(found))
    yield Figure("SIGUSR1 to DELETE /v2/orders, p99", "goal 50 ms", _p99(found))


def fill_figures(is_quick: bool = False) -> Iterator[Figure]:
    """Measure from a fill's frame written by the broker to the return of its COMMIT."""
    fills = FILLS_QUICK if is_quick else FILLS
    with a_broker() as broker, _daemon(broker, ["-m", "bench.timed_daemon"]) as child:
        told = broker.tell("fill", count=fills, gap_s=FILL_GAP_S)
        time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=45)
    committed_ns = json.loads(said.splitlines()[-1])
    found = [(committed_ns[name] - written_ns) / 1e9 for name, written_ns in told]
    how = f"{fills} fills, {FILL_GAP_S * 1e3:.0f} ms apart; the journal's connection notes COMMIT"
    yield Figure("a fill's frame to its fsynced entry, median", how, statistics.median(found))
    yield Figure("a fill's frame to its fsynced entry, p99", "goal 10 ms", _p99(found))
    disk = _fsyncs_s(fills)
    yield Figure("the disk alone: 4 KB and fsync, median", "same run", statistics.median(disk))
    yield Figure("the disk alone: 4 KB and fsync, p99", "no goal holds above it", _p99(disk))


def _stop_s(broker: BrokerProcess) -> float:
    with _daemon(broker, ["-m", "atlas_daemon", "run", "--config"]) as child:
        broker.tell("busy", gap_s=BUSY_GAP_S)
        time.sleep(BUSY_FOR_S)
        sent_ns = time.monotonic_ns()
        os.kill(child.pid, signal.SIGUSR1)
        seen_ns = _until(lambda: broker.tell("cancel_seen_ns"), "the broker saw no cancel")
        broker.tell("quiet")
        child.kill()
    return (seen_ns - sent_ns) / 1e9


@contextlib.contextmanager
def _daemon(broker: BrokerProcess, words: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a daemon that recovers orders at work and listens; killed where it still runs."""
    with (
        tempfile.TemporaryDirectory() as name,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
    ):
        folder = Path(name)
        broker.tell("rest", orders=resting_names(QTY))
        (folder / "state").mkdir(mode=0o700)
        with open_journal(folder / "state" / "journal.db") as journal:
            journal.append(list(resting(OPENS_AT, QTY)))
        config = folder / "atlas.toml"
        config.write_text(
            f'[account]\nmode = "local"\nname = "{ACCOUNT}"\n'
            f'[broker]\ntrading_url = "{broker.url}"\n'
            '[regime]\nsource = "fixed:TREND_BULL"\n[dashboard]\nport = 0\n'
            '[paths]\nstate_dir = "state"\nlog_dir = "logs"\n'
        )
        ready.bind(str(folder / "notify"))
        with (folder / "said").open("wb") as complaints:
            child = subprocess.Popen(
                [sys.executable, *words, str(config)],
                env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
                stdout=subprocess.PIPE if "atlas_daemon" not in words else complaints,
                stderr=complaints,
            )
        try:
            await_ready(ready, child, folder / "said")
            _until(lambda: broker.tell("listeners"), "the daemon does not listen")
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.communicate(timeout=45)


def _until(ask: Callable[[], int], complaint: str) -> int:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise RuntimeError(f"{complaint} within {PATIENCE_S:.0f} s")


def _fsyncs_s(times: int) -> list[float]:
    """What the machine itself asks for a durable write: the floor under every commit."""
    found = []
    with tempfile.TemporaryFile() as file:
        for number in range(times):
            begun_s = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), number * 4096)
            os.fsync(file.fileno())
            found.append(time.perf_counter() - begun_s)
            time.sleep(FILL_GAP_S / 4)
    return found


def _p99(found: Sequence[float]) -> float:
    return statistics.quantiles(found, n=100, method="inclusive")[98]
