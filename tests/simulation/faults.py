"""What can go wrong, how likely in this seed, and how often it really did.

Each seed draws which faults exist at all: rare meetings of two come up when the others are absent.
Every fault has its own source of chance, so that taking one away moves no other.
"""

import random
from bisect import bisect
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

CHANCES: Mapping[str, float] = {
    # a request and its answer
    "request_lost": 0.12,
    "reply_lost": 0.15,
    "late_request": 0.20,
    "late_reply": 0.12,
    "reset": 0.12,
    "connection_refused": 0.12,
    "limited": 0.15,
    "limited_bare": 0.12,
    "error_500": 0.12,
    "error_502": 0.10,
    "error_503": 0.12,
    "error_html": 0.10,
    "error_504_after_accept": 0.20,
    "body_cut": 0.06,
    # the stream
    "stream_drop": 0.35,
    "stream_duplicate": 0.35,
    "stream_delay": 0.35,
    "stream_reorder": 0.35,
    "stream_cut": 0.06,
    "stream_half_open": 0.06,
    "stream_mute": 0.12,
    "stream_no_ack": 0.25,
    "stream_unknown_event": 0.10,
    "stream_garbled": 0.08,
    "stream_busy": 0.6,
    # orders
    "partial_fill": 0.7,
    "slow_fill": 0.35,
    "stuck_order": 0.4,
    "reject": 0.2,
    "refuse": 0.3,
    "cancel_refused": 0.95,
    "broker_cancel": 0.25,
    # what the broker tells
    "lagging_lookup": 0.5,
    "lagging_positions": 0.6,
    "odd_status": 0.15,
    "odd_quote": 0.1,
    "untradable": 0.05,
    "blocked": 0.1,
    "odd_calendar": 0.5,
    "late_posting": 0.3,
    # the strategy
    "signals_fail": 0.4,
    "signals_late": 0.5,
    "regime_stale": 0.25,
    "regime_raw_crash": 0.2,
}
"""Chance of each at each occasion, at most; a seed that has it draws its own below that."""

EVENTS: Mapping[str, float] = {
    "price_jump": 0.35,
    "crash_regime": 0.15,
    "stop": 0.3,
    "full_disk_stop": 0.12,
    "clock_step": 0.2,
    "clock_far_off": 0.1,
    "regime_word": 0.15,
    "foreign_order": 0.2,
    "manual_trade": 0.2,
    "unexplained": 0.1,
    "suspended_by_hand": 0.1,
    "kill": 0.5,
    "power_cut": 0.2,
    "disk_full": 0.2,
    "terminate": 0.2,
}
"""Chance that a seed has it at all; it then comes once to three times, at moments of its own."""

NIGHTS: Mapping[str, float] = {
    "fee": 0.4,
    "interest": 0.4,
    "dividend": 0.5,
    "deposit": 0.4,
    "withdrawal": 0.4,
    "split": 0.4,
    "reverse_split": 0.3,
    "rename": 0.4,
    "merger": 0.3,
    "spin_off": 0.3,
}
"""Chance that a story of several sessions has it, in one of its nights."""

LONG_SHARE = 0.25
"""How many seeds tell of several sessions."""

NAMES = (*CHANCES, *EVENTS, *NIGHTS)


@dataclass
class Faults:
    """One seed's faults. `without` takes some away; nothing fires after `ends_s`."""

    seed: int
    ends_s: float
    without: Collection[str] = ()
    is_calm: bool = False
    fired: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chances: dict[str, float] = {}
        self._sources: dict[str, random.Random] = {}
        self._spans: list[float] = []
        draw = random.Random(f"swarm/{self.seed}")
        share = draw.choice((0.1, 0.3, 0.5, 0.8))
        self._is_long = draw.random() < LONG_SHARE
        for name, most in CHANCES.items():
            exists, size = draw.random() < share, draw.random()
            if exists and name not in self.without and not self.is_calm:
                self._chances[name] = most * (0.2 + 0.8 * size)

    def only_within(self, spans: Sequence[tuple[float, float]]) -> None:
        """Let faults fire in these spans of the world's seconds only; they ascend, none overlap."""
        self._spans = [edge for span in spans for edge in span]
        self.ends_s = self._spans[-1]

    def is_on(self, now_s: float) -> bool:
        """True where a fault may fire."""
        if self._spans:
            return bisect(self._spans, now_s) % 2 == 1
        return now_s < self.ends_s

    def source(self, name: str) -> random.Random:
        """The chance of one fault, apart from all others."""
        if name not in self._sources:
            self._sources[name] = random.Random(f"{name}/{self.seed}")
        return self._sources[name]

    def hits(self, name: str, now_s: float, weight: float = 1.0) -> bool:
        """True where the fault happens on this occasion; more likely by `weight`."""
        chance = self._chances.get(name, 0.0)
        if not chance or not self.is_on(now_s):
            return False
        if self.source(name).random() >= chance * weight:
            return False
        self.fired[name] += 1
        return True

    def moments(self, name: str) -> list[float]:
        """When an event of this name comes, in seconds of the world; empty where it does not."""
        source = self.source(name)
        exists, count = source.random() < EVENTS[name], source.choice((1, 1, 1, 2, 3))
        if not exists or self.is_calm or name in self.without:
            return []
        return sorted(self._within(source.random()) for _ in range(count))

    def nights(self) -> list[str]:
        """What happens in this seed's nights; none in a story of one session."""
        if not self._is_long or self.is_calm:
            return []
        draw = random.Random(f"nights/{self.seed}")
        there = [name for name, chance in NIGHTS.items() if draw.random() < chance]
        return [name for name in there if name not in self.without]

    def present(self) -> list[str]:
        """The faults that this seed has."""
        again = Faults(self.seed, 1, self.without, self.is_calm)
        return [*self._chances, *(n for n in EVENTS if again.moments(n)), *self.nights()]

    def _within(self, share: float) -> float:
        """Return the moment at this share of the time in which faults may fire."""
        spans = list(zip(self._spans[::2], self._spans[1::2], strict=True)) or [(0.0, self.ends_s)]
        left_s = share * sum(end - begin for begin, end in spans)
        for begin, end in spans:
            if left_s <= end - begin:
                return begin + left_s
            left_s -= end - begin
        return self.ends_s
