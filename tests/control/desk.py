"""A daemon without a world: the real bus, journal, latch and core, and a broker of one answer.

`Desk` is what control and dashboard call their host. `DeskThread` runs one beside a test that
blocks, as a command does.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.bus import Bus
from atlas_daemon.config import Settings, load_settings
from atlas_daemon.control import ControlServer
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import (
    Account,
    AccountMode,
    Asset,
    Pick,
    Position,
    Quote,
    Regime,
    Symbol,
)
from atlas_daemon.dashboard.chronicle import Chronicle
from atlas_daemon.dashboard.meter import Meter
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.journal import Journal

NOW = datetime(2025, 11, 18, 19, 32, 5, tzinfo=UTC)
"""Tuesday, 14:32:05 in New York: the moment of the handbook's example."""
SIGNAL_DAY = date(2025, 11, 17)


def settings_in(folder: Path, **overrides: object) -> Settings:
    given = {"account.mode": "local", "dashboard.port": 0, "paths.state_dir": "state"}
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(
        None, environ={"HOME": str(folder)}, cwd=folder, overrides={**given, **named}
    )


def position(symbol: str, qty: str, cost: str, price: str | None) -> Position:
    shares = Decimal(qty)
    return Position(
        Symbol(symbol),
        shares,
        Decimal(cost) / shares,
        shares,
        None if price is None else Decimal(price),
    )


HELD = (
    position("AAPL", "8", "1480", "190"),
    position("MSFT", "4", "1640", "420"),
    position("NVDA", "15", "1600", "110"),
)


class HandClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(0)


class Desk:
    """The host. Cash at the broker is `cash`; what is asked for is answered at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        held: Sequence[Position] = HELD,
        cash: str = "2150.23",
        equity: str = "10245.67",
        regime: Regime = Regime.CRASH,
        is_mute: bool = False,
    ) -> None:
        self.settings, self.held = settings, tuple(held)
        self.cash, self.equity = Decimal(cash), Decimal(equity)
        self.regime = regime
        self.is_mute = is_mute
        self.clock = HandClock(NOW)
        self.url = "http://127.0.0.1:1"
        self.config_waits = ""
        self.notices: list[dict[str, object]] = []
        self._meter: Meter | None = None
        self.subscribers: list[Callable[[Sequence[e.Entry]], None]] = []
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        self.journal = Journal.open(
            settings.journal_path,
            account_mode=settings.mode,
            account_name=settings.account.name,
            now=lambda: NOW,
        )
        self.chronicle = Chronicle()
        self.bus = Bus(
            journal=self.journal,
            latch=LatchFile(settings.latch_path),
            clock=self.clock,
            policy=replace(settings.policy(), grace=timedelta(0)),  # its figures do not move
            run_effect=self._run,
            entries=self.chronicle.rebuilding(self.journal.read()),
        )
        self.bus.watch(self._committed)

    def open(self) -> "Desk":
        """Start, reconcile and reach trading, without a loop."""
        today = NOW.date()
        self.take(
            e.DaemonStarted("0.1.0", "LARGE", AccountMode(self.settings.mode), "PA1", "d", False),
            e.StreamReported("listening"),
            self.snapshot(),
            e.SessionsReported(today, today, NYSE.sessions_between(today, today)),
            e.ClockReported(NOW, NOW, NOW),
        )
        return self

    def take(self, *events: e.Event) -> None:
        for event in events:
            self.bus.take(event)

    def settle(self) -> None:
        """Take every turn that waits, without a loop."""
        while self.bus._inbox:
            self.bus.take(self.bus._inbox.popleft())

    def beat(self) -> None:
        """Let five seconds pass and everything that follows from it happen."""
        self.clock.at += timedelta(seconds=5)
        self.take(e.Ticked())
        self.settle()

    def snapshot(self) -> e.SnapshotReported:
        account = Account("PA1", "ACTIVE", self.equity, self.cash, self.cash)
        return e.SnapshotReported(self.clock.now(), account, self.held, ())

    def _run(self, effect: fx.Effect) -> None:
        if self.is_mute:
            return
        if isinstance(effect, fx.FetchFigures):
            at, price = self.clock.now(), Decimal(100)
            quotes = tuple(Quote(s, price, price + 1, at, price, at) for s in effect.quotes)
            self.hear(e.QuotesReported(effect.asked_at, quotes))
            assets = tuple(Asset(s, tradable=True) for s in effect.assets)
            self.hear(e.AssetsReported(effect.assets, assets))
            self.hear(replace(self.snapshot(), asked_at=effect.asked_at))
        elif isinstance(effect, fx.CancelAllOrders):
            self.hear(self.snapshot())
        elif isinstance(effect, fx.ComputeSignals):
            self.hear(
                e.SignalsReported(
                    effect.signal_day,
                    (Pick(Symbol("AAPL"), Decimal(1), Decimal(100)),),
                    {Symbol("AAPL"): Decimal(100)},
                    self.regime,
                    effect.signal_day,
                    "file:regime.json",
                )
            )

    def _committed(self, committed) -> None:
        if self._meter is not None:
            self._meter.on_turn(committed.turn, committed.before)
        if committed.turn.entries:
            self.chronicle.on_turn(committed.turn.entries)
            for subscriber in tuple(self.subscribers):
                subscriber(committed.turn.entries)

    @property
    def state(self):
        return self.bus.state

    @property
    def policy(self):
        return self.bus.policy

    @property
    def fault(self) -> str:
        return self.bus.fault

    @property
    def meter(self) -> Meter:
        if self._meter is None:
            self._meter = Meter(lambda: 0.0)
        return self._meter

    @property
    def inbox_depth(self) -> int:
        return self.bus.depth

    @property
    def watchdog_pings(self) -> int:
        return 0

    @property
    def budget_left(self) -> int:
        return 180

    def deliveries(self) -> list[dict[str, object]]:
        return self.notices

    def hear(self, event: e.Event) -> None:
        self.bus.hear(event)

    def now(self) -> datetime:
        return self.clock.now()

    def journal_head(self) -> tuple[int, str]:
        return self.journal.head()

    def entries(self, after: int = 0) -> Iterator[e.Entry]:
        return self.journal.read(after)

    def subscribe(self, subscriber) -> Callable[[], None]:
        self.subscribers.append(subscriber)
        return lambda: self.subscribers.remove(subscriber)


class DeskThread:
    """A desk with its control socket, served by a loop of its own until the block is left.

    With `beats` time passes as soon as a run has started, enough of it for the run to end.
    """

    def __init__(self, settings: Settings, *, beats: int = 0, **how: object) -> None:
        self.settings, self._how, self._beats = settings, how, beats
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.desk: Desk | None = None

    def __enter__(self) -> "DeskThread":
        self._thread.start()
        assert self._ready.wait(10)
        assert self.desk is not None
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def hear(self, event: e.Event) -> None:
        self.loop.call_soon_threadsafe(self.desk.hear, event)

    def tick(self) -> None:
        """Let five seconds pass at once."""

        self.loop.call_soon_threadsafe(self._pass)

    def _pass(self) -> None:
        self.desk.clock.at += timedelta(seconds=5)
        self.desk.hear(e.Ticked())

    def _on_entries(self, entries: Sequence[e.Entry]) -> None:
        if any(isinstance(entry.event, e.RunStarted) for entry in entries):
            for _ in range(self._beats):
                self.loop.call_soon(self._pass)

    async def _serve(self) -> None:
        self.loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        desk = Desk(self.settings, **self._how).open()
        server = ControlServer(desk, self.settings.control_socket_path)
        await server.start()
        turns = asyncio.create_task(desk.bus.run())
        desk.subscribe(self._on_entries)
        self.desk = desk
        self._ready.set()
        await self._end.wait()
        turns.cancel()
        await asyncio.gather(turns, return_exceptions=True)
        await server.stop()
        desk.journal.close()
