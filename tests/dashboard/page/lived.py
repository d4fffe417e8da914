"""What the page is shown in tests and pictures: lives of the real core, in virtual time.

Prices walk by a seed, the schedule is the real one, orders fill at a small broker's. From the
entries the chronicle is filled, and the view is made as the server makes it.
"""

import math
import random
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.moments import NEW_YORK, new_york_day
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Pick, Regime, Symbol
from atlas_daemon.core.views import status_of
from atlas_daemon.dashboard.chronicle import Chronicle
from tests.core.builders import a_policy
from tests.core.years import Years

START = datetime(2024, 7, 30, 17, tzinfo=NEW_YORK)
EVENING = datetime(2026, 1, 30, 19, tzinfo=NEW_YORK)
"""The Friday before the slot of February 2026."""

FIRST = {
    "AAPL": 222,
    "MSFT": 418,
    "NVDA": 112,
    "ORCL": 136,
    "CSCO": 47,
    "AMD": 138,
    "IBM": 192,
    "INTC": 30,
    "AVGO": 151,
    "QCOM": 173,
    "TXN": 202,
    "ADBE": 537,
    "SPY": 542,
}
HALVES = (
    ("AAPL", "MSFT", "ORCL", "IBM", "CSCO", "TXN", "QCOM", "INTC"),
    ("MSFT", "NVDA", "AVGO", "IBM", "CSCO", "AAPL", "ORCL", "QCOM"),
    ("NVDA", "AVGO", "ORCL", "MSFT", "CSCO", "IBM", "AMD", "TXN"),
    ("NVDA", "AVGO", "AMD", "ORCL", "AAPL", "CSCO", "TXN", "MSFT"),
)
REGIMES = (
    ("2024-07-01", Regime.TREND_BULL),
    ("2025-01-20", Regime.TREND_NEUTRAL),
    ("2025-03-24", Regime.TREND_BEAR),
    ("2025-05-20", Regime.TREND_NEUTRAL),
    ("2025-07-14", Regime.TREND_BULL),
)
CHANNEL = {
    "channel": "webhook",
    "waiting": 0,
    "waiting_since": None,
    "failed_at": None,
    "why": "",
    "delivered_at": "2026-01-30T23:00:02Z",
    "is_durable": True,
}


class Lived(Years):
    """An account over a year and a half: four slots, a dip, a deposit, a holding of one's own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.paid: dict[str, Decimal] = {}
        self.fill_s = 0.7
        self._walk = random.Random(f"prices/{self.seed}")
        self._priced = self.start.date()
        self._deposited = False

    def _beat(self) -> None:
        today = new_york_day(self.now)
        while self._priced < today:
            session = NYSE.session_of(self._priced + timedelta(days=1))
            if session is not None and self.now < session.opens_at:
                break
            self._priced += timedelta(days=1)
            if session is not None:
                self._move()
        if not self._deposited and f"{self._priced}" >= "2025-09-10":
            self._deposited = True
            self.cash += 10_000
            self.activity("CSD", net=Decimal(10_000))
            self.activities[-1] = replace(self.activities[-1], day=today)
        super()._beat()

    def _move(self) -> None:
        """A day's prices: one market, and each name's own way."""
        regime = self._regime_of(self._priced.isoformat())
        drift = {"TREND_BULL": 0.0011, "TREND_NEUTRAL": 0.0001, "TREND_BEAR": -0.0026}[regime]
        wild = 1.9 if regime is Regime.TREND_BEAR else 1.0
        market = self._walk.gauss(drift, 0.0075 * wild)
        for symbol in sorted(self.prices):
            own = 0.0 if symbol == "SPY" else self._walk.gauss(0.0002, 0.011)
            share = 1.0 if symbol == "SPY" else 0.95
            moved = float(self.prices[symbol]) * math.exp(share * market + own)
            self.prices[symbol] = Decimal(f"{moved:.2f}")

    def _regime_of(self, day: str) -> Regime:
        return [regime for since, regime in REGIMES if since <= day][-1]

    def _run(self, effect: fx.Effect) -> None:
        match effect:
            case fx.RunDoctor(reason=reason):
                self.later(30, lambda: self.hear(e.DoctorReported(FINDINGS, reason)))
            case fx.RefreshRegime(signal_day=day) | fx.ComputeSignals(signal_day=day):
                names = HALVES[min(3, (day.year - 2024) * 2 + (day.month > 6) - (day.month == 7))]
                picks = tuple(Pick(Symbol(s), Decimal("0.12"), self.prices[s]) for s in names)
                regime = self._regime_of(day.isoformat())
                closes = {s: self.prices[s] for s in self.prices}
                answer = e.SignalsReported(day, picks, closes, regime, day, "jump_model")
                self.later(5, lambda: self.hear(answer))
            case _:
                super()._run(effect)

    def _fill(self, order: Any, qty: Decimal) -> None:
        self.slippage = Decimal(self._walk.randrange(-2, 9)) / 10_000
        before = self.held.get(order.symbol, Decimal(0))
        super()._fill(order, qty)
        if order.side.sign > 0:
            price = self.prices[order.symbol] * (1 + self.slippage)
            cost = self.paid.get(order.symbol, price) * before + price * qty
            self.paid[order.symbol] = cost / (before + qty)

    def snapshot(self, asked_at: datetime) -> e.SnapshotReported:
        seen = super().snapshot(asked_at)
        positions = tuple(
            replace(each, avg_entry_price=round(self.paid[each.symbol], 4))
            for each in seen.positions
        )
        return replace(seen, positions=positions)


FINDINGS = (
    Finding("keys", Level.OK, "the account answers"),
    Finding("bars", Level.OK, "whole to the last session"),
    Finding("disk", Level.WARN, "4.1 GB left", "make room before it is 1 GB: old logs go first"),
    Finding("clock", Level.OK, "within 0.1 s"),
)


@dataclass
class Scene:
    """One moment: what the page would be made of."""

    state: State
    policy: Any
    now: datetime
    chronicle: Chronicle
    head: tuple[int, str]
    entries: tuple[e.Entry, ...]

    def view(self, **more: Any) -> dict[str, Any]:
        """The view as the server makes it, with anything in it made otherwise."""
        view = status_of(self.state, self.policy, self.now, head=self.head)
        view |= {"deliveries": [dict(CHANNEL)]}
        equity = self.chronicle.chart(self.policy.benchmark)
        view |= {"equity": equity, "tail": self.chronicle.tail()}
        view |= {"rebalances": self.chronicle.rebalances()}
        return deepcopy(view) | more


def scene_of(world: Lived) -> Scene:
    chronicle = Chronicle()
    for _ in chronicle.rebuilding(iter(world.journal)):
        pass
    head = (world.journal[-1].seq if world.journal else 0, "9f86d081884c7d659a2feaa0c55ad015" * 2)
    entries = tuple(world.journal)
    return Scene(world.state, world.policy, world.now, chronicle, head, entries)


@cache
def scenes() -> dict[str, Scene]:
    """Four moments of one life: its first, a quiet one, amid the buys of a slot, after a stop."""
    world = Lived(
        policy=a_policy(reconcile_idle_every=timedelta(hours=5)),
        start=START,
        seed=5,
        prices=dict(FIRST),
        is_checked=False,
        cash=Decimal(60_000),
        regime=Regime.TREND_BULL,
    )
    world.boot()
    found = {"first": scene_of(world)}
    world.run(EVENING)
    found["quiet"] = scene_of(world)
    world.run(lambda w: has_filled(w, "buy", 3), limit=timedelta(days=5))
    found["amid"] = scene_of(world)
    world.hear(e.StopRequested("ann", "the prices look wrong"))
    found["halted"] = scene_of(world)
    return found


def has_filled(world: Lived, side: str, count: int) -> bool:
    run = world.state.run
    if run is None or run.run_id != "2026-02":
        return False
    orders = [o for o in world.state.orders.values() if o.draft.side == side]
    done = sum(1 for o in orders if o.filled_qty == o.draft.qty)
    return done >= count and len(orders) > done
