"""The page: its first byte, what open pages cost an order, and what it weighs.

Real processes: the broker of the benches, the daemon, and the browsers. All read one monotonic
clock. Runs with and without open pages take turns in one daemon, so that both meet the same
machine.
"""

import contextlib
import gc
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from atlas_daemon.control.client import ask
from atlas_daemon.core import events as e
from atlas_daemon.core.values import AccountMode
from atlas_daemon.dashboard.chronicle import Chronicle
from atlas_daemon.dashboard.rendering import Rendering
from atlas_daemon.records import ExecutionLogger, Recorder
from bench.daemon import await_ready
from bench.decade import decade
from bench.figure import ROOT, Figure
from bench.peers import BrokerProcess, a_broker
from bench.rebalance import Desk
from bench.seed import ACCOUNT, open_journal

BEHIND, BEHIND_QUICK = 10_000, 500
ASKED, ASKED_QUICK = 12, 1
SETTLED_S = 12.0
"""After a start, before the first page is asked for."""
PAGES, PAGES_QUICK = 100, 3
PAIRS, PAIRS_QUICK = 20, 1
"""Runs of one order without pages, with them, and with them asking for sections."""
TOLD_S = 1.0
"""Pages are told for so long before the order, and go on to be."""
FILLS_AFTER_S = 0.05
RUN_MAX_S = 60.0


def figures(is_quick: bool = False) -> Iterator[Figure]:
    """Measure all three."""
    yield from _first_byte(is_quick)
    yield from _beside_pages(is_quick)
    yield _weight(is_quick)


# The first byte.


def _first_byte(is_quick: bool) -> Iterator[Figure]:
    behind = BEHIND_QUICK if is_quick else BEHIND
    entries = list(_of_this_account(islice(decade(), behind)))
    with a_broker() as broker, _daemon(broker, entries) as (url, pid):
        time.sleep(0.0 if is_quick else SETTLED_S)
        first = _to_first_byte_s(url, pid)
        rest = []
        for _ in range(ASKED_QUICK if is_quick else ASKED):
            time.sleep(1.1)  # another second: what was made for the last one is made anew
            rest.append(_to_first_byte_s(url, pid))
    how = f"{behind:,} entries behind it, atlasd run, a fresh connection"
    yield Figure("GET /: first byte, the first time", f"{how}; processor time", first[1])
    middle = statistics.median(wall_s for wall_s, _ in rest) * 1e3
    how = f"median of {len(rest)}; {middle:.1f} ms by the clock; goal 20 ms"
    yield Figure("GET /: first byte", how, statistics.median(loop_s for _, loop_s in rest))


def _to_first_byte_s(url: str, pid: int) -> tuple[float, float]:
    """Return seconds by the clock, and of the daemon's processor time."""
    address = urlsplit(url)
    assert address.hostname is not None and address.port is not None
    with socket.create_connection((address.hostname, address.port)) as there:
        begun_s, before_s = time.perf_counter(), _processor_s(pid)
        there.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert there.recv(1)
        taken_s = time.perf_counter() - begun_s
        while there.recv(65_536):
            pass
        return taken_s, _processor_s(pid) - before_s


def _processor_s(pid: int) -> float:
    """Return what the kernel counts of a process's first thread, exact to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _of_this_account(entries: Iterable[e.Entry]) -> Iterator[e.Entry]:
    """Yield them under the benches' account; at the end a process has just come up."""
    for entry in entries:
        event = entry.event
        if isinstance(event, e.DaemonStarted):
            event = replace(event, account_name=ACCOUNT, account_number="PA3BENCH")
        yield replace(entry, event=event)
    started = e.DaemonStarted("bench", ACCOUNT, AccountMode.LOCAL, "PA3BENCH", "", False)
    yield e.Entry(entry.seq + 1, entry.at, entry.seq, started)


# An order beside open pages.


def _beside_pages(is_quick: bool) -> Iterator[Figure]:
    pages = PAGES_QUICK if is_quick else PAGES
    pairs = PAIRS_QUICK if is_quick else PAIRS
    kinds = ("none", "listening", "asking")
    names: dict[str, list[Sequence[str]]] = {kind: [] for kind in kinds}
    heard = dict.fromkeys(kinds, 0)
    with a_broker() as broker:
        broker.tell("trade", after_s=FILLS_AFTER_S)
        with _noting(broker) as (url, config, child):
            _run(config, broker)  # the first one warms both
            broker.tell("placed_ns")
            for number in range(pairs * len(kinds)):
                kind = kinds[number % len(kinds)]
                with _browsers(url, 0 if kind == "none" else pages, kind == "asking") as count:
                    time.sleep(TOLD_S)
                    names[kind].append(tuple(_run(config, broker)))
                heard[kind] += count["events"] + count["sections"]
            child.send_signal(signal.SIGTERM)
            said, _ = child.communicate(timeout=45)
    moments = json.loads(said.splitlines()[-1])
    ways = {
        kind: [[_way(moments[name]) for name in run if name in moments] for run in runs]
        for kind, runs in names.items()
    }
    yield from _compared(ways, heard, pages)


@dataclass(frozen=True)
class _Way:
    """One order's, from the COMMIT of its OrderSubmitted to its request written, in seconds."""

    loop_s: float
    """Of the loop's processor time: what it did for this order, others and open pages."""
    wall_s: float


def _way(moments: Sequence[float]) -> _Way:
    loop_from, from_s, loop_to, to_s = moments
    return _Way(loop_to - loop_from, to_s - from_s)


def _compared(
    ways: dict[str, list[list[_Way]]], heard: dict[str, int], pages: int
) -> Iterator[Figure]:
    alone = ways["none"]
    how = (
        f"{len(alone)} runs of one order: OrderSubmitted on disk to POST written, "
        f"processor time of the loop; {_wall(alone)}"
    )
    yield Figure("an order's way out, no page open", how, _loop_s(alone))
    for kind, doing in (("listening", "listening"), ("asking", "asking for what changed")):
        runs = ways[kind]
        more = [_loop_s([run]) - _loop_s([other]) for run, other in zip(runs, alone, strict=True)]
        how = (
            f"{heard[kind]:,} events and sections had by them; {_wall(runs)}; more than without, "
            f"pair by pair: {statistics.median(more) * 1e3:+.2f} ms in the middle, "
            f"{min(more) * 1e3:+.2f} to {max(more) * 1e3:+.2f}; goal 1 ms"
        )
        yield Figure(f"an order's way out, {pages} pages {doing}", how, _loop_s(runs))


def _loop_s(runs: Sequence[Sequence[_Way]]) -> float:
    return statistics.fmean(way.loop_s for run in runs for way in run)


def _wall(runs: Sequence[Sequence[_Way]]) -> str:
    return (
        f"{statistics.median(way.wall_s for run in runs for way in run) * 1e3:.1f} ms by the clock"
    )


def _run(config: Path, broker: BrokerProcess) -> dict[str, int]:
    """Take a run to its end; return when the broker read each of its orders."""
    control = config.parent / "state" / "run" / "control.sock"
    # Another configuration: what was computed for the run before is asked for anew.
    text = config.read_text()
    was, now = ("0.004", "0.005") if "_pct = 0.004" in text else ("0.005", "0.004")
    config.write_text(text.replace(f"_pct = {was}", f"_pct = {now}"))
    ask(control, "reload")
    started = ask(control, "rebalance", force=True, by="bench")
    until_s = time.monotonic() + RUN_MAX_S
    while time.monotonic() < until_s:
        status = ask(control, "status")
        if status["run"] is None and (status["last_run"] or {}).get("id") == started["run"]:
            placed: dict[str, int] = broker.tell("placed_ns")
            return placed
        time.sleep(0.2)
    raise RuntimeError(f"run {started['run']} had no end within {RUN_MAX_S:.0f} s")


@contextlib.contextmanager
def _browsers(url: str, count: int, fetches: bool) -> Iterator[dict[str, int]]:
    """Keep so many pages open; what they heard is told at the end."""
    told = {"events": 0, "sections": 0}
    if not count:
        yield told
        return
    address = urlsplit(url)
    words = ["-m", "bench.browsers", str(address.hostname), str(address.port), str(count)]
    child = subprocess.Popen(
        [sys.executable, *words, *(["--fetch"] if fetches else [])],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        if child.stdout.readline() != b"ready\n":
            raise RuntimeError("the browsers were not told how it stands")
        yield told
        said, _ = child.communicate(timeout=20)
        told |= json.loads(said)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()


# Processes.


@contextlib.contextmanager
def _noting(
    broker: BrokerProcess,
) -> Iterator[tuple[str, Path, "subprocess.Popen[bytes]"]]:
    with (
        tempfile.TemporaryDirectory() as name,
        _started(Path(name), broker, [], "bench.page_daemon") as child,
    ):
        config = Path(name) / "atlas.toml"
        url = _url(config)
        _until_trading(url)
        yield url, config, child


@contextlib.contextmanager
def _daemon(broker: BrokerProcess, entries: Sequence[e.Entry]) -> Iterator[tuple[str, int]]:
    words = ("atlas_daemon", "run", "--config")
    with (
        tempfile.TemporaryDirectory() as name,
        _started(Path(name), broker, entries, *words) as child,
    ):
        yield _url(Path(name) / "atlas.toml"), child.pid


@contextlib.contextmanager
def _started(
    folder: Path, broker: BrokerProcess, entries: Sequence[e.Entry], *words: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a daemon over these entries; killed where it still runs at the end of the block."""
    (folder / "state").mkdir(mode=0o700)
    with open_journal(folder / "state" / "journal.db") as journal:
        for first in range(0, len(entries), 1000):
            journal.append(entries[first : first + 1000])
    config = folder / "atlas.toml"
    config.write_text(
        f'[account]\nmode = "local"\nname = "{ACCOUNT}"\n'
        f'[broker]\ntrading_url = "{broker.url}"\n'
        '[regime]\nsource = "fixed:TREND_BULL"\n[dashboard]\nport = 0\n'
        "[risk]\nslippage_warn_pct = 0.005\n"
        '[paths]\nstate_dir = "state"\nlog_dir = "logs"\n'
    )
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
        (folder / "said").open("wb") as complaints,
    ):
        ready.bind(str(folder / "notify"))
        child = subprocess.Popen(
            [sys.executable, "-m", *words, str(config)],
            cwd=ROOT,
            env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
            stdout=subprocess.PIPE if "bench.page_daemon" in words else complaints,
            stderr=complaints,
        )
        try:
            await_ready(ready, child, folder / "said")
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.communicate(timeout=45)


def _url(config: Path) -> str:
    status = ask(config.parent / "state" / "run" / "control.sock", "status")
    return str(status["daemon"]["dashboard"])


def _until_trading(url: str) -> None:
    address = urlsplit(url)
    assert address.hostname is not None
    until_s = time.monotonic() + RUN_MAX_S
    while time.monotonic() < until_s:
        there = http.client.HTTPConnection(address.hostname, address.port)
        there.request("GET", "/readyz", headers={"Host": "localhost"})
        said = there.getresponse()
        body = said.read()
        there.close()
        if said.status == 200:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the daemon does not trade: {body.decode()}")


# What it weighs.


def _weight(is_quick: bool) -> Figure:
    """Weigh chronicle and page over ten years, beside records that were rebuilt as well."""
    entries = list(islice(decade(), BEHIND_QUICK) if is_quick else decade())
    with tempfile.TemporaryDirectory() as name:
        recorder = Recorder(ExecutionLogger(Path(name), console=False))
        recorder.rebuild(entries)
        desk = Desk(Path(name))
        desk.drain()
        gc.collect()
        tracemalloc.start()
        chronicle = Chronicle()
        for _ in chronicle.rebuilding(entries):
            pass
        rendering = Rendering(_Host(desk, chronicle), lambda: "")
        rendering.page()
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        desk.journal.close()
    how = f"{len(entries):,} entries; {peak / 1e6:.1f} MB while the page is made; goal 5 MB"
    return Figure("chronicle and page kept over ten years", how, text=f"{kept / 1e6:.2f} MB")


class _Host:
    """A desk, as the page sees it."""

    fault = ""

    def __init__(self, desk: Desk, chronicle: Chronicle) -> None:
        self._desk, self.chronicle = desk, chronicle
        self.state, self.policy, self.now = desk.bus.state, desk.bus.policy, desk.now

    def journal_head(self) -> tuple[int, str]:
        return self._desk.journal.head()

    def deliveries(self) -> list[dict[str, object]]:
        return []
