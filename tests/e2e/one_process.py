"""The real daemon and the local broker in one process: real sockets, one clock that runs fast.

The strategy's answer is made up, so that no child process is needed; everything else is as it is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from atlas_daemon.app import Daemon, World
from atlas_daemon.config import Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsAnswer
from atlas_daemon.core.values import Pick, Regime, Symbol
from atlas_daemon.paper.exchange import corporate
from tests.paper.sockets import Client, running
from tests.paper.world import OPEN, TableMarket
from tests.test_app import a_daemon, settings_at

EARLY = OPEN + timedelta(minutes=4, seconds=30)
"""Half a minute before the slot of February 2024 falls due."""
PRICES = {"AAA": "100", "BBB": "50", "CCC": "80"}
PATIENCE_S = 40
STEP_S = 0.25
"""So much of the broker's time passes at each turn of the loop below."""


@dataclass
class Wish:
    """Stands in for the slow brain: AAA and BBB at 15 % each, whatever is held."""

    picks: tuple[str, ...] = ("AAA", "BBB")
    regime: Regime = Regime.TREND_BULL
    closes: dict[str, Decimal] = field(
        default_factory=lambda: {s: Decimal(p) for s, p in PRICES.items()} | {"SPY": Decimal(480)}
    )

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        picks = tuple(Pick(Symbol(s), Decimal("0.15"), self.closes[s]) for s in self.picks)
        return SignalsAnswer(
            signal_day, picks, self.closes, (), len(picks), (), self.regime, signal_day
        )


@dataclass
class BrokersTime:
    """The broker's very clock."""

    broker: Client

    def now(self) -> datetime:
        return self.broker.broker.desk.clock.now()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, 0.01))


@dataclass
class Scene:
    broker: Client
    daemon: Daemon
    wish: Wish
    events: list[e.Event] = field(default_factory=list)

    async def until(self, is_so: Callable[[], Any], step_s: float = STEP_S) -> None:
        """Let time pass until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await self.broker.wait(step_s)
                await asyncio.sleep(0.001)

    async def is_finished(self, step_s: float = STEP_S) -> e.RunFinished:
        """The first word on a run that ended for ever."""
        await self.until(lambda: any(x.is_final for x in self.all(e.RunFinished)), step_s)
        return next(x for x in self.all(e.RunFinished) if x.is_final)

    def all(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def alerts(self, level: str) -> str:
        return "; ".join(x.text for x in self.all(e.AlertRaised) if x.level == level)

    @property
    def account(self) -> Any:
        return self.broker.broker.desk.account_with(
            self.broker.broker.key, self.broker.broker.secret
        )

    @property
    def held(self) -> dict[str, int]:
        return {p.symbol: int(p.qty) for p in self.account.positions.values()}

    def order(self, part: str) -> Any:
        """The broker's one order whose id holds `part`."""
        (found,) = [o for o in self.account.orders.values() if part in o.client_order_id]
        return found

    def has_order(self, part: str) -> bool:
        return any(part in o.client_order_id for o in self.account.orders.values())

    def trading(self, symbol: str, *, is_halted: bool) -> None:
        """An exchange's halt of a symbol: its orders rest."""
        halted = self.broker.broker.desk.exchange.engine.halted
        (halted.add if is_halted else halted.discard)(symbol)

    async def fault(self, **fault: Any) -> None:
        status, body = await self.broker.ask("POST", "/_admin/faults", json=fault)
        assert status == 200, body

    def take_money(self, dollars: str) -> None:
        corporate.move_money(self.account, "CSW", -Decimal(dollars), self.daemon.now())

    def nothing_went_wrong(self) -> None:
        """No order twice, no debt, nothing open, and our book is the broker's."""
        ids = [o.client_order_id for o in self.account.orders.values()]
        assert len(ids) == len(set(ids))
        assert not self.account.open
        assert self.account.cash >= 0
        book = self.daemon.state.book
        assert {s: int(q) for s, q in book.positions.items()} == self.held
        assert abs(book.cash - self.account.cash) <= Decimal("0.01")


@asynccontextmanager
async def a_broker(
    cash: str, held: dict[str, int], partial_fill_pct: float = 0.0
) -> AsyncIterator[Client]:
    quotes = {s: (f"{Decimal(p) - Decimal('0.05')}", p) for s, p in PRICES.items()}
    market = TableMarket(SPY=("479.9", "480"), **quotes)
    async with running(
        market=market,
        starts_at=EARLY,
        cash=Decimal(cash),
        holdings={s: (Decimal(q), Decimal(70)) for s, q in held.items()},
        rate_limit_per_min=100_000,
        partial_fill_pct=partial_fill_pct,
    ) as broker:
        broker.market = market
        yield broker


@asynccontextmanager
async def living(
    settings: Settings, broker: Client, *, has_doors: bool = False
) -> AsyncIterator[Scene]:
    """The daemon, running, and ended with the block."""
    wish = Wish()
    world = World(
        console=False,
        environ={},
        tick_s=0.01,
        brain=wish,
        clock=BrokersTime(broker),
        has_doors=has_doors,
    )
    daemon = a_daemon(settings, world)
    await daemon.open()
    scene = Scene(broker, daemon, wish)
    daemon.subscribe(lambda entries: scene.events.extend(x.event for x in entries))
    task = asyncio.create_task(daemon.run())
    try:
        yield scene
    finally:
        daemon.stop("the test")
        async with asyncio.timeout(PATIENCE_S):
            await task


@asynccontextmanager
async def a_desk(folder: Path, broker: Client, **settings: object) -> AsyncIterator[Scene]:
    async with living(settings_at(folder, broker.broker.url, **settings), broker) as scene:
        yield scene


@asynccontextmanager
async def a_scene(
    folder: Path, cash: str = "10000", held: dict[str, int] | None = None, **settings: object
) -> AsyncIterator[Scene]:
    async with a_broker(cash, held or {}) as broker, a_desk(folder, broker, **settings) as scene:
        yield scene
