"""What the local broker can bear: orders and stream events per second of its own processor time.

`atlasd paper` in a process of its own, a client that costs next to nothing in another, sockets
between them. Processor time is the broker process's, kernel included, so that a busy machine
changes it little; a figure of 1 ms an order is 1,000 orders a second on one core.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from atlas_daemon.paper import store
from atlas_daemon.paper.changes import whole
from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET
from atlas_daemon.paper.exchange.exchange import Exchange
from atlas_daemon.paper.exchange.orders import id_of
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.synthetic import SyntheticMarket
from bench.figure import ROOT, Figure

ORDERS, ORDERS_QUICK = 5_000, 40
EVENTS, EVENTS_QUICK = 4_000, 30
LISTS, LISTS_QUICK = 200, 3
OLD_ORDERS, OLD_ORDERS_QUICK = 100_000, 300

DAY = date(2024, 2, 1)
AT = "2024-02-01T11:00"
EVENING, OPENED = "2024-02-01T23:00:00Z", "2024-02-02T14:30:10Z"
_ORDER = {"symbol": "SPY", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def figures(is_quick: bool = False) -> Iterator[Figure]:
    """Orders with and without a state file, behind many old ones; events; lists."""
    with tempfile.TemporaryDirectory() as folder:
        if not is_quick:
            yield from _fresh_figures(Path(folder) / "paper.state")
        old = OLD_ORDERS_QUICK if is_quick else OLD_ORDERS
        path = Path(folder) / "old.state"
        write_old_orders(path, old)
        began_s = time.perf_counter()
        with _bench(["--state", str(path)]) as broker:
            took_s = time.perf_counter() - began_s
            how = f"process to address; {path.stat().st_size / 1e6:.0f} MB"
            yield Figure(f"local broker: start behind {old:,} orders", how, took_s)
            yield broker.order_figure(f"state file, behind {old:,} orders", is_quick)
            yield from broker.list_figures(f"behind {old:,} orders", is_quick)
            if is_quick:
                yield broker.event_figure(is_quick)


def _fresh_figures(path: Path) -> Iterator[Figure]:
    with _bench([]) as broker:
        yield broker.order_figure("in memory", is_quick=False)
        yield broker.event_figure(is_quick=False)
        yield from broker.list_figures(f"behind {ORDERS + EVENTS:,} orders", is_quick=False)
    with _bench(["--state", str(path)]) as broker:
        yield broker.order_figure("with a state file", is_quick=False)
    yield Figure(
        "local broker: state file, an order",
        "accepted, new and filled: three records",
        text=f"{path.stat().st_size / ORDERS / 1000:.1f} KB",
    )


def write_old_orders(path: Path, count: int) -> None:
    """Write the state of an account that filled so many orders the day before."""
    begins_at = datetime(2024, 1, 31, 16, tzinfo=UTC)
    calendar = Calendar()
    market = SyntheticMarket(1, DAY, DAY, ["SPY"], calendar=calendar)
    exchange = Exchange(market, calendar, 1, 0.0, starts_at=begins_at)
    account = exchange.open_account(LOCAL_KEY, LOCAL_SECRET, Decimal(10) ** 11)
    first = exchange.submit(account, _ORDER, begins_at)
    exchange.advance(begins_at + timedelta(seconds=5))
    fill = account.activities[0]
    for seq in range(2, count + 1):
        later = timedelta(milliseconds=10 * seq)
        one = replace(
            first,
            id=id_of("old", seq),
            client_order_id=f"old-{seq}",
            seq=seq,
            created_at=first.created_at + later,
            submitted_at=first.submitted_at + later,
        )
        account.orders[one.id] = one
        activity_id = f"{fill.id[:17]}::{id_of('fill', seq)}"
        account.activities.append(
            replace(fill, id=activity_id, order_id=one.id, at=fill.at + later)
        )
    exchange.order_count = account.activity_count = count
    account.positions["SPY"].qty = Decimal(count)
    exchange.advance(begins_at + timedelta(hours=4))
    header = store.Header(store.FORMAT, "synthetic", 1, DAY)
    store.create(path, header, whole(exchange)).close()


class _Bench:
    """A broker and its client, both running."""

    def __init__(
        self, broker: "subprocess.Popen[bytes]", client: "subprocess.Popen[bytes]"
    ) -> None:
        self._broker = broker
        self._client = client

    def order_figure(self, how: str, is_quick: bool) -> Figure:
        """Submit market orders that fill, while a listener hears of each twice."""
        count = ORDERS_QUICK if is_quick else ORDERS
        if self.tell("frames") == 0:
            self.tell("listen")
        heard = self.tell("frames")
        before_s = self.cpu_s()
        said = self.tell("orders", count=count, order=_ORDER)
        if said["statuses"] != {"200": count}:
            raise RuntimeError(f"orders were answered {said['statuses']}")
        self.tell("heard", frames=heard + 2 * count)
        each_s = (self.cpu_s() - before_s) / count
        rate = f"{1 / each_s:,.0f} a CPU second" if each_s else "too few to tell"
        return Figure(
            "local broker: an order",
            f"{how}; {rate}, goal 1,000; {count:,} over 8 connections, each told of and filled",
            each_s,
        )

    def event_figure(self, is_quick: bool) -> Figure:
        """Let orders wait overnight, and hear of them all at once when the market opens."""
        count = EVENTS_QUICK if is_quick else EVENTS
        self.ask("POST", "/_admin/clock", body={"at": EVENING})
        heard = self.tell("frames")
        self.tell("orders", count=count, order=_ORDER)
        self.tell("heard", frames=heard + count)
        heard, before_s = self.tell("frames"), self.cpu_s()
        self.ask("POST", "/_admin/clock", body={"at": OPENED})
        events = self.tell("heard", frames=heard + 2 * count) - heard
        each_s = (self.cpu_s() - before_s) / events
        rate = f"{1 / each_s:,.0f} a CPU second" if each_s else "too few to tell"
        return Figure(
            "local broker: a stream event",
            f"{rate}, goal 5,000; {events:,} at one open: routed, filled, told, sent",
            each_s,
        )

    def list_figures(self, how: str, is_quick: bool) -> Iterator[Figure]:
        """Ask for what grows with the years."""
        count = LISTS_QUICK if is_quick else LISTS
        for what, path in (
            ("GET /v2/clock", "/v2/clock"),
            ("last 50 orders", "/v2/orders?status=all&limit=50"),
            (
                "50 orders after a moment",
                "/v2/orders?status=all&limit=50&direction=asc&after=2024-02-01T14:00:00Z",
            ),
            ("last 50 activities", "/v2/account/activities?page_size=50"),
        ):
            before_s = self.cpu_s()
            self.ask("GET", path, count=count)
            each_s = (self.cpu_s() - before_s) / count
            yield Figure(f"local broker: {what}", f"{how}, mean of {count}", each_s)

    def ask(self, method: str, path: str, **more: Any) -> None:
        """Send a request so often, one after the other; RuntimeError where one is refused."""
        said = self.tell("ask", method=method, path=path, **more)
        if set(said["statuses"]) != {"200"}:
            raise RuntimeError(f"{method} {path} was answered {said['statuses']}")

    def tell(self, what: str, **more: Any) -> Any:
        """Give the client a command, and return its answer."""
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        self._client.stdin.flush()
        line = self._client.stdout.readline()
        if not line:
            raise RuntimeError("the client of the bench ended by itself")
        return json.loads(line)

    def cpu_s(self) -> float:
        """Processor time that the broker has used so far, kernel included."""
        stat = Path(f"/proc/{self._broker.pid}/stat").read_text(encoding="utf-8")
        user, kernel = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(kernel)) / _TICKS_A_SECOND


@contextlib.contextmanager
def _bench(words: list[str]) -> Iterator[_Bench]:
    """Run `atlasd paper` and a client for the length of the block."""
    asked = ["paper", "--port", "0", "--at", AT, "--rate-limit", "0", "--json"]
    asked += ["--cash", "100000000000", *words]
    broker = _started(["-m", "atlas_daemon", *asked])
    try:
        assert broker.stdout is not None
        line = broker.stdout.readline()
        if not line:
            raise RuntimeError("the local broker ended by itself")
        client = _started(["-m", "bench.paper_client", json.loads(line)["url"]])
        try:
            yield _Bench(broker, client)
        finally:
            _ended(client)
    finally:
        broker.terminate()
        _ended(broker)


def _started(arguments: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _ended(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
