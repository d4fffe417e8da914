"""The scene of a seed: who holds what, what the strategy wants, what the day is like."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.config import Credentials, Settings, load_settings
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.values import Pick, Regime, Symbol
from tests.simulation.faults import Faults
from tests.simulation.loop import Timeline

DAY = date(2024, 2, 1)
SIGNAL_DAY = date(2024, 1, 31)
EPOCH = datetime(2024, 2, 1, 14, 34, 30, tzinfo=UTC)
"""Half a minute before the slot falls due."""
DUE = datetime(2024, 2, 1, 14, 35, tzinfo=UTC)
NAMES = (
    *("AMD", "BRK.B", "CAT", "DE", "EOG", "F", "GE", "HD", "IBM", "JPM"),
    *("KO", "LOW", "MMM", "NKE", "ORCL", "PG", "QCOM", "RTX", "SBUX", "TGT"),
)
CREDENTIALS = Credentials("PKSIMULATED", "not-a-secret", "simulation")


@dataclass
class Scene:
    """What is the case before anything happens."""

    cash: Decimal
    held: dict[str, Decimal]
    prices: dict[str, Decimal]
    picks: tuple[Pick, ...]
    regime: Regime
    is_limit: bool


def scene_of(seed: int) -> Scene:
    """Draw a portfolio that needs about twenty orders."""
    draw = random.Random(f"scene/{seed}")
    prices = {"SPY": Decimal(480)}
    prices |= {name: Decimal(draw.randint(1200, 40000)) / 100 for name in NAMES}
    value = draw.choice((40_000, 100_000, 300_000))
    held = {}
    for name in draw.sample(NAMES, draw.choice((0, 4, 8, 10, 12))):
        qty = int(value * draw.uniform(0.02, 0.13) / float(prices[name]))
        if qty:
            held[name] = Decimal(qty)
    wanted = draw.sample(NAMES, draw.randint(7, 10))
    picks = tuple(
        Pick(Symbol(name), Decimal(10000 // len(wanted)) / 10000, prices[name]) for name in wanted
    )
    regime = draw.choice((Regime.TREND_BULL,) * 4 + (Regime.TREND_NEUTRAL, Regime.TREND_BEAR))
    cash = Decimal(draw.randint(0, value * 100)) / 100
    return Scene(cash, held, prices, picks, regime, draw.random() < 0.2)


def settings_of(scene: Scene, folder: Path) -> Settings:
    """Return the daemon's settings for a paper account whose files lie in `folder`."""
    return load_settings(
        None,
        environ={"HOME": str(folder)},
        cwd=folder,
        overrides={
            "account.mode": "paper",
            "account.name": "SIM",
            "paths.state_dir": str(folder / "state"),
            "paths.log_dir": str(folder / "logs"),
            "dashboard.port": 0,
            "regime.source": f"fixed:{scene.regime}",
            "execution.order_type": "limit" if scene.is_limit else "market",
        },
    )


class Brain:
    """The strategy's answer, after a while, or none."""

    def __init__(self, scene: Scene, timeline: Timeline, faults: Faults, sleep) -> None:
        self._scene, self._timeline, self._faults, self._sleep = scene, timeline, faults, sleep
        self.regime = scene.regime

    async def compute(self, signal_day: date, held: object, asked_at: datetime) -> SignalsAnswer:
        late = self._faults.hits("signals_late", self._timeline.now_s)
        await self._sleep(60.0 if late else 1.5)
        if self._faults.hits("signals_fail", self._timeline.now_s):
            raise SignalsError("the bars are not there yet")
        scene = self._scene
        return SignalsAnswer(
            signal_day=signal_day,
            picks=scene.picks,
            closes={pick.symbol: pick.close for pick in scene.picks},
            refused=(),
            candidates=len(NAMES),
            notes=(),
            regime=self.regime,
            regime_as_of=signal_day,
        )


class Clock:
    """The daemon's clock: the world's, and off by `offset_s` while somebody has stepped it."""

    def __init__(self, timeline: Timeline, sleep) -> None:
        self._timeline, self.sleep = timeline, sleep
        self.offset = 0

    def now(self) -> datetime:
        return self._timeline.moment() + timedelta(seconds=self.offset)
