"""What can go wrong, how likely in this seed, and how often it really did.

Each seed draws which faults exist at all: rare meetings of two come up when the others are absent.
Every fault has its own source of chance, so that taking one away moves no other.
"""

import random
from collections import Counter
from collections.abc import Collection, Mapping
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
    "lagging_lookup": 0.5,
    # the stream
    "stream_drop": 0.35,
    "stream_duplicate": 0.35,
    "stream_delay": 0.35,
    "stream_reorder": 0.35,
    "stream_cut": 0.06,
    "stream_half_open": 0.04,
    "stream_mute": 0.06,
    "stream_no_ack": 0.25,
    "stream_unknown_event": 0.10,
    "stream_garbled": 0.08,
    "stream_busy": 0.25,
    # orders
    "partial_fill": 0.7,
    "slow_fill": 0.35,
    "stuck_order": 0.3,
    "reject": 0.2,
    "refuse": 0.25,
    "cancel_refused": 0.6,
    "broker_cancel": 0.1,
    # the strategy
    "signals_fail": 0.3,
    "signals_late": 0.4,
}
"""Chance of each at each occasion, at most; a seed that has it draws its own below that."""

EVENTS: Mapping[str, float] = {
    "price_jump": 0.35,
    "crash_regime": 0.15,
    "stop": 0.2,
    "clock_step": 0.2,
    "foreign_order": 0.2,
    "kill": 0.5,
    "power_cut": 0.2,
    "disk_full": 0.2,
    "terminate": 0.15,
}
"""Chance that a seed has it at all; it then comes once to three times, at moments of its own."""

NAMES = (*CHANCES, *EVENTS)


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
        draw = random.Random(f"swarm/{self.seed}")
        share = draw.choice((0.1, 0.3, 0.5, 0.8))
        for name, most in CHANCES.items():
            exists, size = draw.random() < share, draw.random()
            if exists and name not in self.without and not self.is_calm:
                self._chances[name] = most * (0.2 + 0.8 * size)

    def source(self, name: str) -> random.Random:
        """The chance of one fault, apart from all others."""
        if name not in self._sources:
            self._sources[name] = random.Random(f"{name}/{self.seed}")
        return self._sources[name]

    def hits(self, name: str, now_s: float, weight: float = 1.0) -> bool:
        """True where the fault happens on this occasion; more likely by `weight`."""
        chance = self._chances.get(name, 0.0) * weight
        if not chance or now_s >= self.ends_s or self.source(name).random() >= chance:
            return False
        self.fired[name] += 1
        return True

    def moments(self, name: str) -> list[float]:
        """When an event of this name comes, in seconds of the world; empty where it does not."""
        source = self.source(name)
        exists, count = source.random() < EVENTS[name], source.choice((1, 1, 1, 2, 3))
        if not exists or self.is_calm or name in self.without:
            return []
        return sorted(source.uniform(0, self.ends_s) for _ in range(count))

    def present(self) -> list[str]:
        """The faults that this seed has."""
        return [
            *self._chances,
            *(n for n in EVENTS if Faults(self.seed, 1, self.without).moments(n)),
        ]
