"""The patient: the local broker on a socket, an account's folders, a strategy that answers.

Whatever is provoked is done to these; the examination is the real one.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from atlas_daemon.cli.asker import Asker
from atlas_daemon.cli.examination import examine
from atlas_daemon.cli.todays_plan import Chart
from atlas_daemon.config import Settings
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.findings import Finding
from atlas_daemon.core.values import Pick, Regime, Symbol
from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET
from tests.paper.sockets import Client, running
from tests.paper.world import NOON, TableMarket
from tests.test_app import settings_at

SIGNAL_DAY = date(2024, 1, 31)
PRICES = {"AAA": "100", "BBB": "50", "CCC": "80", "SPY": "480"}
KEYS = {"ALPACA_PROOF_KEY": LOCAL_KEY, "ALPACA_PROOF_SECRET": LOCAL_SECRET}
WHOLE_S = 20.0


@dataclass
class Strategy:
    """Stands in for the slow brain: what it answers, and why it does not."""

    picks: tuple[str, ...] = ("AAA", "BBB")
    refused: tuple[tuple[str, str], ...] = ()
    regime: Regime | None = Regime.TREND_BULL
    regime_as_of: date | None = SIGNAL_DAY
    why_not: str = ""
    """Whatever is asked."""
    why_no_regime: str = ""
    """Unless a regime is put in."""

    def __call__(
        self, settings: Settings, keys: object, environ: object, regime: Regime | None
    ) -> "Strategy":
        return replace(self, why_no_regime="" if regime else self.why_no_regime)

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        if why := self.why_not or self.why_no_regime:
            raise SignalsError(why)
        closes = {symbol: Decimal(price) for symbol, price in PRICES.items()}
        picks = tuple(Pick(Symbol(s), Decimal("0.15"), closes[s]) for s in self.picks)
        regime = (self.regime, self.regime_as_of)
        return SignalsAnswer(signal_day, picks, closes, self.refused, len(picks), (), *regime)


@dataclass
class Ward:
    folder: Path
    broker: Client
    settings: Settings
    strategy: Strategy = field(default_factory=Strategy)
    environ: dict[str, str] = field(default_factory=lambda: dict(KEYS))
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    whole_s: float = WHOLE_S

    def change(self, **changes: object) -> None:
        """Change the configuration that the doctor reads."""
        self.settings = settings_at(self.folder, self.broker.broker.url, **changes)

    async def fault(self, **fault: Any) -> None:
        status, body = await self.broker.ask("POST", "/_admin/faults", json=fault)
        assert status == 200, body

    async def examined(self) -> Chart:
        return await examine(
            self.settings, self.environ, self.wall, Asker(self.whole_s), self.strategy
        )

    async def findings(self) -> dict[str, Finding]:
        """By check; each is told once."""
        chart = await self.examined()
        found = {finding.check: finding for finding in chart.findings}
        assert len(found) == len(chart.findings), chart.findings
        return found

    def in_paper_mode(self, skew: timedelta) -> None:
        """As with Alpaca's own paper account: the machine's clock is ours, and `skew` ahead."""
        self.settings = replace(self.settings, account=replace(self.settings.account, mode="paper"))
        self.wall = lambda: self.broker.broker.desk.clock.now() + skew


@asynccontextmanager
async def a_ward(
    folder: Path, changes: Mapping[str, object] | None = None, **broker: Any
) -> AsyncIterator[Ward]:
    quotes = {s: (f"{Decimal(p) - Decimal('0.05')}", p) for s, p in PRICES.items()}
    given = {
        "market": TableMarket(**quotes),
        "starts_at": NOON,
        "cash": Decimal(10_000),
        "holdings": {"CCC": (Decimal(20), Decimal(70))},
    }
    async with running(**(given | broker)) as client:
        settings = settings_at(folder, client.broker.url, **(changes or {}))
        for made in (settings.state_dir, settings.log_dir, settings.runtime_dir):
            made.mkdir(mode=0o700, parents=True)
        yield Ward(folder, client, settings)
