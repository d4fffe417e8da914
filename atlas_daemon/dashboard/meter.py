"""Counts what happens, in plain numbers: what `/metrics` shows of the past of this process.

One look at each turn's entries. May not live here: what is true now (the state knows), or a word
of the format that is shown.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from atlas_daemon.core import events as e
from atlas_daemon.core.engine import Turn
from atlas_daemon.core.state import State

TURN_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)
COMMIT_S = TURN_S
EFFECT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
SLIPPAGE_BPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


@dataclass(slots=True)
class Histogram:
    """How many observations were at most each bound; the last count is of those beyond."""

    bounds: tuple[float, ...]
    total: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Take in one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Meter:
    """Counters of one process. The bus tells it how long turns and commits take.

    `time` gives seconds; for durations only.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self.time = time
        self.turns = Histogram(TURN_S)
        self.commits = Histogram(COMMIT_S)
        self.effects: dict[str, Histogram] = {}
        self.slippage_bps = Histogram(SLIPPAGE_BPS)
        self.entries = 0
        self.orders: Counter[tuple[str, str]] = Counter()
        """Steps of orders, by side and the status they came to."""
        self.fills: Counter[str] = Counter()
        self.filled_dollars: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        """Orders that a rule of ours refused, by the rule."""
        self.alerts: Counter[tuple[str, str]] = Counter()
        self.failures: Counter[str] = Counter()
        """Questions to the world that had no answer."""
        self.runs: Counter[str] = Counter()
        """Ends of runs, by outcome."""
        self.slots_missed = 0
        self.halts = 0
        self.stream_losses = 0

    def turn(self, duration_s: float) -> None:
        """Take in how long a turn took, its commit included."""
        self.turns.observe(duration_s)

    def commit(self, duration_s: float) -> None:
        """Take in how long a commit took."""
        self.commits.observe(duration_s)

    def effect(self, kind: str) -> Callable[[object], None]:
        """Begin to time an effect; call the result when it has ended."""
        began_s = self.time()

        def ended(task: object) -> None:
            if (taken := self.effects.get(kind)) is None:
                taken = self.effects[kind] = Histogram(EFFECT_S)
            taken.observe(self.time() - began_s)

        return ended

    def on_turn(self, turn: Turn, before: State) -> None:
        """Count the entries of a committed turn."""
        self.entries += len(turn.entries)
        for entry in turn.entries:
            self._count(entry.event, turn.state, before)

    def _count(self, event: e.Event, state: State, before: State) -> None:
        match event:
            case e.OrderStepped(order_id=order_id, status=status):
                was = before.orders.get(order_id)
                order = state.orders.get(order_id) or was
                if order is not None and (was is None or was.status.value != status):
                    self.orders[order.draft.side.value, status] += 1
            case e.FillBooked(side=side):
                self.fills[side.value] += 1
                self.filled_dollars[side.value] += round(event.qty * event.price)
                self._slipped(event, state, before)
            case e.OrderRefused(rule=rule):
                self.refusals[rule] += 1
            case e.AlertRaised(level=level, key=key):
                self.alerts[level, key] += 1
            case e.FetchFailed(what=what):
                self.failures[what] += 1
            case e.RunFinished(outcome=outcome):
                self.runs[outcome] += 1
            case e.SlotMissed():
                self.slots_missed += 1
            case e.TradingHalted():
                self.halts += 1
            case e.StreamReported(condition="lost"):
                self.stream_losses += 1

    def _slipped(self, fill: e.FillBooked, state: State, before: State) -> None:
        """Note what a fill cost beyond the price it was planned at; a better one cost nothing.

        A sum that could fall would be no counter, and a bucket below 0 has none.
        """
        order = state.orders.get(fill.order_id) or before.orders.get(fill.order_id)
        if order is not None and order.draft.expected_price:
            expected = order.draft.expected_price
            bps = (fill.price - expected) / expected * fill.side.sign * 10_000
            self.slippage_bps.observe(max(0.0, float(bps)))
