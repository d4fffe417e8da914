"""What the runbook's commands are typed into: a daemon at the local broker, brought to a state.

One process and one loop: the daemon lives in it, its clock is the broker's, and a command runs in a
thread beside it, as the operator's shell does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.app import Daemon, World
from atlas_daemon.cli import commands, promote_facts
from atlas_daemon.config import Credentials, Settings, load_settings
from atlas_daemon.config.digests import code_digest
from atlas_daemon.config.identity import _DATA_URL, _STREAM_OF, _TRADING_OF
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsError
from atlas_daemon.core.values import AccountMode, Mode
from atlas_daemon.journal import Journal
from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET
from atlas_daemon.promoter.facts import DoctorSeen
from tests.bars.builders import a_series, write_bars
from tests.e2e.one_process import EARLY, PRICES, BrokersTime, Wish
from tests.paper.sockets import Client, running
from tests.paper.world import TableMarket
from tests.promoter.wallet import certified

LIVE_KEY = "AKLOCAL00000000000000"
PATIENCE_S = 40
LOOK_S = 0.005
STEP_S, SLOW_S, FAST_S = 0.25, 0.01, 2.0
"""How much of the broker's time passes at once; slowly where a command is to find things so."""
SIGNAL_DAY = EARLY.date() - timedelta(days=1)


class Ear(BaseHTTPRequestHandler):
    """Somebody who is told: takes every message."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@contextlib.contextmanager
def an_ear() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Ear)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def data_at(folder: Path, last: date) -> None:
    """Daily bars as the local broker's prices are, and the regime, of the session `last`."""
    prices = {**PRICES, "SPY": "480"}
    rows = [r for s, p in prices.items() for r in a_series(s, [float(p)] * 260, last)]
    write_bars(folder / "bars.csv", rows)
    word = {"regime": "TREND_BULL", "as_of": last.isoformat()}
    (folder / "regime.json").write_text(json.dumps(word))


@dataclass
class Place:
    """A folder with atlas.toml, the broker, and what lives there."""

    folder: Path
    broker: Client
    patch: pytest.MonkeyPatch
    hook: str
    mode: str = "local"
    number: str = ""
    step_s: float = STEP_S
    wish: Any = field(default_factory=Wish)
    events: list[e.Event] = field(default_factory=list)

    def write(self) -> Settings:
        """Write atlas.toml, as its owner would have it, and return what it says."""
        url = self.broker.broker.url if self.mode == "local" else ""
        keys = {
            "account.name": "LARGE",
            "account.mode": self.mode,
            "account.number": self.number,
            "account.manage": "all",
            "broker.trading_url": url,
            "strategy.universe": ["AAA", "BBB"],
            "data.source": "file:bars.csv",
            "regime.source": "file:regime.json",
            "notify.webhook_url": self.hook,
            "notify.daily": True,
            "paths.state_dir": "state",
            "paths.log_dir": "logs",
            "dashboard.port": 0,
        }
        (self.folder / "atlas.toml").write_text(
            "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
        )
        return load_settings(None, environ={"HOME": str(self.folder)}, cwd=self.folder)

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Type a command beside the daemon; return its exit code and all that it said."""
        app = typer.Typer()
        commands.register(app)
        done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    async def until(self, is_so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not is_so():  # noqa: ASYNC110  (what is so is no event of this loop's)
                await asyncio.sleep(LOOK_S)

    @contextlib.asynccontextmanager
    async def daemon(self, settings: Settings) -> AsyncIterator[Daemon]:
        """The daemon, alive while the block lasts, with time passing for it and the broker."""
        world = World(
            console=False,
            environ={},
            tick_s=0.01,
            brain=self.wish,
            clock=BrokersTime(self.broker),
            has_doors=True,
        )
        key = LIVE_KEY if self.mode == "live" else LOCAL_KEY
        daemon = Daemon(settings, Credentials(key, LOCAL_SECRET, "the test"), world)
        await daemon.open()
        daemon.subscribe(lambda entries: self.events.extend(x.event for x in entries))
        task = asyncio.create_task(daemon.run())
        try:
            yield daemon
        finally:
            daemon.stop("the test")
            async with asyncio.timeout(PATIENCE_S):
                await task

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Let time pass while the block lasts."""

        async def passes() -> None:
            while True:
                await self.broker.wait(self.step_s)
                await asyncio.sleep(0.002)

        task = asyncio.create_task(passes())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    @property
    def account(self) -> Any:
        broker = self.broker.broker
        return broker.desk.account_with(broker.key, broker.secret)

    def is_ended(self) -> bool:
        return any(isinstance(x, e.RunFinished) and x.is_final for x in self.events)


@contextlib.asynccontextmanager
async def a_place(folder: Path, patch: pytest.MonkeyPatch, **changes: Any) -> AsyncIterator[Place]:
    """A broker half a minute before the slot falls due, holding CCC, and an empty home."""
    quotes = {s: (f"{Decimal(p) - Decimal('0.05')}", p) for s, p in PRICES.items()}
    given: dict[str, Any] = {
        "market": TableMarket(SPY=("479.9", "480"), **quotes),
        "starts_at": EARLY,
        "cash": Decimal(10_000),
        "holdings": {"CCC": (Decimal(20), Decimal(70))},
        "rate_limit_per_min": 100_000,
    }
    data_at(folder, SIGNAL_DAY)
    patch.chdir(folder)
    patch.setenv("HOME", str(folder))
    async with running(**(given | changes)) as broker:
        with an_ear() as hook:
            place = Place(folder, broker, patch, hook)
            async with place.passing():
                yield place


async def rebalanced(place: Place, daemon: Daemon) -> None:
    await place.until(place.is_ended)
    place.step_s = SLOW_S


# The situations, by the name that stands behind `sh` in the runbook.

Typed = Callable[..., Any]


@contextlib.asynccontextmanager
async def calm(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """The slot was rebalanced a minute ago; all is well."""
    async with a_place(folder, patch) as place, place.daemon(place.write()) as daemon:
        await rebalanced(place, daemon)
        await place.until(lambda: daemon.state.mode is Mode.TRADING)
        yield place


@contextlib.asynccontextmanager
async def rebalancing(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """The slot is being rebalanced, and a sell rests: its stock is halted."""
    async with a_place(folder, patch) as place:
        place.broker.broker.desk.exchange.engine.halted.add("CCC")
        async with place.daemon(place.write()) as daemon:
            await place.until(lambda: any(daemon.state.open_orders()))
            place.step_s = SLOW_S
            yield place


@contextlib.asynccontextmanager
async def halted(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Somebody has stopped it, and every order is seen gone."""
    async with a_place(folder, patch) as place, place.daemon(place.write()) as daemon:
        daemon.hear(e.StopRequested("somebody", "a look"))
        await place.until(lambda: daemon.state.halt and daemon.state.halt.is_complete)
        yield place


@contextlib.asynccontextmanager
async def frozen(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Three shares have come that nothing explains."""
    async with a_place(folder, patch) as place, place.daemon(place.write()) as daemon:
        await rebalanced(place, daemon)
        place.account.positions["AAA"].qty += 3
        place.step_s = FAST_S
        await place.until(lambda: daemon.state.frozen)
        yield place


class Silent:
    """A strategy that gives no answer while the slot may be caught up."""

    def __init__(self) -> None:
        self.is_silent, self._wish = True, Wish()

    async def compute(self, *asked: Any) -> Any:
        if self.is_silent:
            raise SignalsError("no bars")
        return await self._wish.compute(*asked)

    async def regime(self, *asked: Any) -> Any:
        raise SignalsError("no bars of the benchmark")


@contextlib.asynccontextmanager
async def missed(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """The slot's last session is over, in a session after it."""
    async with a_place(folder, patch) as place:
        place.wish = Silent()
        async with place.daemon(place.write()) as daemon:
            await place.until(lambda: daemon.state.run is not None)
            place.broker.go_to(EARLY + timedelta(days=11, hours=1))
            data_at(folder, SIGNAL_DAY + timedelta(days=9))
            await place.until(place.is_ended)
            place.wish.is_silent = False
            await place.until(lambda: daemon.state.mode is Mode.TRADING)
            yield place


@contextlib.asynccontextmanager
async def down(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """The daemon has ended amid a rebalance; a sell rests."""
    async with a_place(folder, patch) as place:
        place.broker.broker.desk.exchange.engine.halted.add("CCC")
        async with place.daemon(place.write()) as daemon:
            await place.until(lambda: any(daemon.state.open_orders()))
        yield place


@contextlib.asynccontextmanager
async def lost(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """A new machine: the configuration, and a backup from elsewhere."""
    async with a_place(folder, patch) as place:
        async with place.daemon(place.write()) as daemon:
            await rebalanced(place, daemon)
            code, said = await place.run("backup", "saved.tar.gz")
            assert code == 0, said
        shutil.rmtree(folder / "state")
        shutil.rmtree(folder / "logs")
        yield place


@contextlib.asynccontextmanager
async def live(
    folder: Path, patch: pytest.MonkeyPatch, *, is_certified: bool = False
) -> AsyncIterator[Place]:
    """The local broker plays both worlds of Alpaca: in this process only, addresses say so."""
    async with a_place(folder, patch, key=LIVE_KEY, starts_at=EARLY + timedelta(hours=1)) as place:
        url = place.broker.broker.url
        for mode in (AccountMode.LIVE, AccountMode.PAPER):
            patch.setitem(_TRADING_OF, mode, url)
            patch.setitem(_STREAM_OF, mode, url.replace("http", "ws") + "/stream")
        patch.setattr("atlas_daemon.config.identity._DATA_URL", url)
        assert url != _DATA_URL
        patch.setenv("ALPACA_LARGE_KEY", LIVE_KEY)
        patch.setenv("ALPACA_LARGE_SECRET", LOCAL_SECRET)
        now = place.broker.broker.desk.clock.now
        answers = {
            "now": now,
            "doctor": lambda settings, config, at: DoctorSeen(at, (), "asked now"),
        }
        patch.setattr(promote_facts, "SOURCES", replace(promote_facts.SOURCES, **answers))
        patch.setattr("atlas_daemon.cli.transition._wall", now)
        place.number = (await place.broker.get("/v2/account"))["account_number"]
        place.mode = "live"
        settings = place.write()
        _on_paper(folder)
        if is_certified:
            certified(settings, at=now(), secret=LOCAL_SECRET, code=code_digest())
        async with place.daemon(settings) as daemon:
            wanted = Mode.TRADING if is_certified else Mode.REDUCE_ONLY
            await place.until(lambda: daemon.state.mode is wanted and daemon.state.book.is_known)
            yield place


def _on_paper(folder: Path) -> None:
    """The paper account's configuration and its journal, beside the live one's."""
    (folder / "paper.toml").write_text(
        'account.name = "PAPER"\naccount.mode = "paper"\n'
        'paths.state_dir = "paper"\npaths.log_dir = "paper-logs"\n'
    )
    path = folder / "paper" / "journal.db"
    with Journal.open(path, account_mode=AccountMode.PAPER, account_name="PAPER"):
        """Made, and empty."""


def certified_live(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """As live, with a certificate that counts."""
    return live(folder, patch, is_certified=True)


SITUATIONS: dict[str, Callable[[Path, pytest.MonkeyPatch], Any]] = {
    "calm": calm,
    "rebalancing": rebalancing,
    "halted": halted,
    "frozen": frozen,
    "missed": missed,
    "down": down,
    "lost": lost,
    "live": live,
    "certified": certified_live,
}
