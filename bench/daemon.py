"""`atlasd run` against a local broker beside it: how soon it is ready, and what it weighs."""

import contextlib
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.figure import Figure

READY_MAX_S = 30.0
WEIGHED_AFTER_S = 10.0
STARTS = 3


@dataclass(frozen=True)
class _Start:
    ready_s: float
    rss_bytes: int | None
    """Memory once it has run for a while; only the last start is kept so long."""


def figures() -> Iterator[Figure]:
    """Start the broker once and the daemon a few times; the last one is left to run and weighed."""
    with tempfile.TemporaryDirectory() as folder, _broker() as url:
        starts = [_start(Path(folder) / str(n), url, n == STARTS - 1) for n in range(STARTS)]
    yield Figure(
        "atlasd run: from exec to READY",
        f"median of {STARTS}, READY=1 on the socket of sd_notify, fresh state folder",
        statistics.median(start.ready_s for start in starts),
        is_start=True,
    )
    rss_bytes = starts[-1].rss_bytes
    assert rss_bytes is not None
    how = f"after {WEIGHED_AFTER_S:.0f} s, the broker not counted"
    yield Figure("atlasd run: resident memory", how, text=f"{rss_bytes / 2**20:.1f} MB")


@contextlib.contextmanager
def _broker() -> Iterator[str]:
    """Run a local broker for the length of the block; yield its address."""
    words = ["paper", "--port", "0", "--json", "--at", "2026-02-02", "--attached"]
    child = subprocess.Popen(_atlasd(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["url"]
    finally:
        child.terminate()
        child.communicate(timeout=10)


def _start(folder: Path, url: str, is_weighed: bool) -> _Start:
    """Start a daemon with a fresh state folder, and end it again."""
    folder.mkdir()
    config = folder / "atlas.toml"
    config.write_text(
        f'[account]\nmode = "local"\n[broker]\ntrading_url = "{url}"\n'
        '[regime]\nsource = "fixed:TREND_BULL"\n[dashboard]\nport = 0\n'
        '[paths]\nstate_dir = "state"\nlog_dir = "logs"\n'
    )
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(address)
        ready.settimeout(READY_MAX_S)
        environ = os.environ | {"NOTIFY_SOCKET": address}
        begun_s = time.perf_counter()
        child = subprocess.Popen(
            _atlasd(["run", "--config", str(config)]),
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            await_ready(ready, child)
            ready_s = time.perf_counter() - begun_s
            rss_bytes = None
            if is_weighed:
                _drain(child, WEIGHED_AFTER_S)
                rss_bytes = psutil.Process(child.pid).memory_info().rss
        finally:
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=45)
    return _Start(ready_s, rss_bytes)


def await_ready(
    ready: socket.socket, child: "subprocess.Popen[bytes]", said: Path | None = None
) -> None:
    """Wait for READY=1. RuntimeError with the daemon's own words where it ends instead.

    `said` is the file that its words go to, where it is not a pipe.
    """
    ready.settimeout(0.2)
    until_s = time.monotonic() + READY_MAX_S
    while time.monotonic() < until_s:
        with contextlib.suppress(TimeoutError):
            if b"READY=1" in ready.recv(4096).split(b"\n"):
                return
        if child.poll() is not None:
            if said is not None:
                raise RuntimeError(said.read_text()[-2000:])
            assert child.stdout is not None
            raise RuntimeError(child.stdout.read().decode()[-2000:])
    raise RuntimeError(f"atlasd run was not ready within {READY_MAX_S:.0f} s")


def _drain(child: "subprocess.Popen[bytes]", for_s: float) -> None:
    """Read what the daemon says for a while, so that it never waits for its reader."""
    assert child.stdout is not None
    until_s = time.monotonic() + for_s
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while (left_s := until_s - time.monotonic()) > 0:
            if selector.select(left_s) and not os.read(child.stdout.fileno(), 65536):
                raise RuntimeError("atlasd run ended by itself")


def _atlasd(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "atlas_daemon", *words]
