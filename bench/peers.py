"""Processes that a bench starts: the broker, and clients that say what they cost as JSON."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.figure import ROOT, run_python

COST_MAX_S = 120.0
"""A client that takes longer hangs."""


class BrokerProcess:
    """A running `bench.broker`."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self.url: str = self._heard()["url"]

    def tell(self, what: str, **more: Any) -> Any:
        """Give a command, and return its answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        self._child.stdin.flush()
        return self._heard()

    def _heard(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the broker of the bench ended by itself")
        return json.loads(line)


@contextlib.contextmanager
def a_broker() -> Iterator[BrokerProcess]:
    """Run a broker for the length of the block."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.broker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield BrokerProcess(child)
    finally:
        try:
            child.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


def cost(module: str, *arguments: object) -> dict[str, float]:
    """Run a client of ours or alpaca-py's to its end, and return what it says it cost."""
    said = run_python(["-W", "ignore", "-m", module, *map(str, arguments)], limit_s=COST_MAX_S)
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found
