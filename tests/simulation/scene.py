"""The scene of a seed: who holds what, what the strategy wants, how many days are told."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from atlas_daemon.config import Credentials, Settings, load_settings
from atlas_daemon.core.brain import RegimeAnswer, SignalsAnswer, SignalsError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import ALLOCATION, Pick, Regime, Symbol
from atlas_daemon.edges.schedule import AFTER_CLOSE
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
    is_flatten: bool
    """What is held is sold after a stop."""
    scope: str
    """Whose orders a stop cancels."""


@dataclass
class Course:
    """The days of a story: when it begins, when faults may fire, what happens in which night."""

    epoch: datetime
    spans: list[tuple[float, float]] = field(default_factory=list)
    nights: list[tuple[float, str]] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        return bool(self.spans)

    def next_edge(self, now_s: float) -> float:
        """Return the next moment at which faults may begin or end to fire."""
        return next((edge for span in self.spans for edge in span if edge > now_s), now_s + 3600)


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
    is_limit, is_flatten = draw.random() < 0.2, draw.random() < 0.35
    scope = draw.choice(("account", "account", "account", "ours"))
    return Scene(cash, held, prices, picks, regime, is_limit, is_flatten, scope)


def course_of(seed: int, nights: list[str]) -> Course:
    """Draw the days: half an hour of one session, or several sessions and the nights between."""
    if not nights:
        return Course(EPOCH)
    draw = random.Random(f"course/{seed}")
    before, slot = NYSE.session_before(DAY), NYSE.session_of(DAY)
    assert slot is not None
    sessions = [before, slot]
    for _ in range(draw.choice((1, 1, 1, 2))):
        sessions.append(NYSE.session_after(sessions[-1].day))
    epoch = before.closes_at - timedelta(minutes=2)

    def after_s(moment: datetime) -> float:
        return (moment - epoch).total_seconds()

    course = Course(epoch, [(0.0, 60.0)], closes=[after_s(s.closes_at) for s in sessions[:-1]])
    for evening, morning in pairwise(sessions):
        span = after_s(evening.closes_at) + 900, after_s(morning.opens_at) - 900
        tonight = nights if morning is sessions[-1] else [n for n in nights if draw.random() < 0.5]
        nights = [name for name in nights if name not in tonight]
        moments = sorted(draw.uniform(*span) for _ in tonight)
        course.nights += list(zip(moments, tonight, strict=True))
        course.spans += [(at_s - 10.0, at_s + 20.0) for at_s in moments]
        refresh_s = after_s(evening.closes_at + AFTER_CLOSE)
        course.spans.append((refresh_s - 10.0, refresh_s + 400.0))
        early_s = 270.0 if morning is slot else draw.choice((-10.0, 30.0, 280.0))
        begin_s = after_s(morning.opens_at) + early_s
        course.spans.append((begin_s, begin_s + draw.choice((90.0, 150.0, 300.0))))
    course.spans = _joined(course.spans)
    return course


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begin_s, end_s in sorted(spans):
        if joined and begin_s <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end_s, joined[-1][1])
        else:
            joined.append((begin_s, end_s))
    return joined


def settings_of(scene: Scene, folder: Path, **more: object) -> Settings:
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
            "emergency.action": "flatten" if scene.is_flatten else "cancel",
            "emergency.scope": scene.scope,
            **more,
        },
    )


def lower(raw: Regime, confirmed: Regime) -> Regime:
    """The one that allows less."""
    return min(raw, confirmed, key=lambda regime: ALLOCATION[regime])


class Brain:
    """The strategy's answer, after a while, or none. `closes` and `renamed` are the world's."""

    def __init__(
        self,
        scene: Scene,
        timeline: Timeline,
        faults: Faults,
        sleep,
        closes: Mapping[str, Decimal],
        renamed: Mapping[str, str],
    ) -> None:
        self._scene, self._timeline, self._faults, self._sleep = scene, timeline, faults, sleep
        self._closes, self._renamed = closes, renamed
        self.label = scene.regime

    async def compute(self, signal_day: date, held: object, asked_at: datetime) -> SignalsAnswer:
        late = self._faults.hits("signals_late", self._timeline.now_s)
        await self._sleep(60.0 if late else 1.5)
        if self._faults.hits("signals_fail", self._timeline.now_s):
            raise SignalsError("the bars are not there yet")
        picks = tuple(map(self._as_of_today, self._scene.picks))
        raw, confirmed = self._labels()
        return SignalsAnswer(
            signal_day=signal_day,
            picks=picks,
            closes={pick.symbol: pick.close for pick in picks},
            refused=(),
            candidates=len(NAMES),
            notes=(),
            regime=lower(raw, confirmed),
            regime_as_of=self._as_of(signal_day),
            regime_raw=raw,
            regime_confirmed=confirmed,
        )

    async def regime(self, signal_day: date, asked_at: datetime) -> RegimeAnswer:
        """The regime alone, where the picks could not be had."""
        await self._sleep(1.0)
        if self._faults.hits("signals_fail", self._timeline.now_s):
            raise SignalsError("the benchmark has no bar yet")
        raw, confirmed = self._labels()
        as_of = self._as_of(signal_day)
        return RegimeAnswer(signal_day, lower(raw, confirmed), as_of, raw, confirmed)

    def _labels(self) -> tuple[Regime, Regime]:
        """A model's raw label and its confirmed one; a raw one may cry wolf for a day."""
        if self._faults.hits("regime_raw_crash", self._timeline.now_s):
            return Regime.CRASH, self.label
        return self.label, self.label

    def _as_of(self, signal_day: date) -> date:
        is_stale = self._faults.hits("regime_stale", self._timeline.now_s)
        return NYSE.session_before(signal_day).day if is_stale else signal_day

    def _as_of_today(self, pick: Pick) -> Pick:
        symbol = self._renamed.get(pick.symbol, pick.symbol)
        return replace(pick, symbol=Symbol(symbol), close=self._closes.get(symbol, pick.close))


class Clock:
    """The daemon's clock: the world's, and off by `offset_s` while somebody has stepped it."""

    def __init__(self, timeline: Timeline, sleep) -> None:
        self._timeline, self.sleep = timeline, sleep
        self.offset = 0

    def now(self) -> datetime:
        now = self._timeline.moment()
        return now + timedelta(seconds=self.offset) if self.offset else now
