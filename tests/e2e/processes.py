"""Real processes for the end-to-end tests: those of the drills, with a slot of their own.

Facts are looked for, with a deadline: at the control socket, in the journal, at the broker's REST.
"""

import http.client
import json
import os
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atlas_daemon.drillmaster.broker import Broker, running_broker
from atlas_daemon.drillmaster.home import Daemon, Home
from atlas_daemon.drillmaster.processes import (
    GoneError,
    TooLateError,
    children_of,
    has_ended,
    scratch_folder,
    until,
)

__all__ = [
    "DUE",
    "EARLY",
    "HOLDINGS",
    "ROOT",
    "SIGNAL_DAY",
    "SLOT",
    "TARGETS",
    "Broker",
    "Daemon",
    "GoneError",
    "Place",
    "TooLateError",
    "a_broker",
    "a_place",
    "children_of",
    "has_ended",
    "page_of",
    "sent_twice",
    "until",
]

ROOT = Path(__file__).parents[2]

HOLDINGS = "INTC=300,IBM=60,MSFT=20"
TARGETS = {"AAPL": "0.15", "MSFT": "0.15", "NVDA": "0.15", "ORCL": "0.15", "CSCO": "0.15"}
"""Weights of the slot of February 2026: INTC and IBM go, MSFT stays."""
SIGNAL_DAY, SLOT = "2026-01-30", "2026-02"
EARLY = "2026-02-02T09:31:30"
"""Minutes before the slot falls due, as the daemon must have started by then on a slow machine."""
DUE = "2026-02-02T09:35:00-05:00"


@contextmanager
def a_broker(
    *arguments: str,
    at: str = EARLY,
    holdings: str = HOLDINGS,
    cash: str = "60000",
    complaints: int | None = None,
) -> Iterator[Broker]:
    """Run the local broker; it is gone at the block's end, and with this process."""
    words = ("--at", at, "--holdings", holdings, "--cash", cash, *arguments)
    with running_broker(*words, cwd=ROOT, complaints=complaints, environ=os.environ) as broker:
        yield broker


class Place(Home):
    """A home with a slot in February 2026."""

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


@contextmanager
def a_place() -> Iterator[Place]:
    """A folder with a short name; its daemons end with the block."""
    with scratch_folder("atlas-e2e-") as folder:
        place = Place(folder)
        try:
            yield place
        finally:
            place.close()


def page_of(daemon: Daemon, path: str) -> tuple[int, Any]:
    """Status and body of one of the page's addresses."""
    status = daemon.status()
    assert status is not None
    address = urllib.parse.urlsplit(status["daemon"]["dashboard"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def sent_twice(orders: list[dict[str, Any]]) -> list[object]:
    """The ids and the (symbol, side, round) triples that the broker has more than one order of."""
    ids = Counter(order["client_order_id"] for order in orders)
    triples = Counter(
        (order["symbol"], order["side"], order["client_order_id"].split("-")[3]) for order in orders
    )
    return [key for key, count in (*ids.items(), *triples.items()) if count > 1]
