"""Many seeds: what happened, the first failures, and the smallest set of their faults."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from tests.simulation.scenario import Result, run_seed
from tests.simulation.tiers import NAMES_OF

STORY_LINES = 60
AFTER_LINES = 12


@dataclass
class Tally:
    """What a sweep saw."""

    scenarios: int = 0
    lives: int = 0
    orders: int = 0
    kills: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    world_s: float = 0.0
    tier: str = "A"

    def add(self, result: Result) -> None:
        self.tier = result.tier
        self.scenarios += 1
        self.lives += result.lives
        self.orders += result.orders
        self.kills += result.fired["kill"] + result.fired["power_cut"]
        self.outcomes[result.outcome] += 1
        self.fired.update(result.fired)
        self.reached.update(result.reached)
        self.world_s += result.ended_s
        if result.breaches:
            self.failed.append(result)

    def merge(self, other: "Tally") -> None:
        """Add what another sweep saw."""
        self.tier = other.tier
        for name in ("scenarios", "lives", "orders", "kills", "cpu_s", "world_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outcomes.update(other.outcomes)
        self.fired.update(other.fired)
        self.reached.update(other.reached)
        self.failed += other.failed

    def to_json(self) -> str:
        """Return the sweep as text, for another process."""
        return json.dumps({**vars(self), "failed": [vars(result) for result in self.failed]})

    @classmethod
    def from_json(cls, text: str) -> "Tally":
        """Read it back."""
        told = json.loads(text)
        for name in ("outcomes", "fired", "reached"):
            told[name] = Counter(told[name])
        told["failed"] = [Result(**result) for result in told["failed"]]
        return cls(**told)

    def silent(self) -> list[str]:
        """Faults that never really happened."""
        return [name for name in NAMES_OF[self.tier] if not self.fired[name]]

    def lines(self) -> list[str]:
        per_s = self.scenarios / self.cpu_s if self.cpu_s else 0.0
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        faults = ", ".join(f"{name} {self.fired[name]}" for name in NAMES_OF[self.tier])
        return [
            f"{self.scenarios} scenarios ({per_s:.1f} a second), {self.orders} orders, "
            f"{self.lives} lives, {self.kills} kills, {self.world_s / 3600:.1f} h of the world",
            f"outcomes: {outcomes}",
            f"faults that fired: {faults}",
            f"reached: {', '.join(f'{name} {n}' for name, n in self.reached.most_common())}",
            f"failed: {len(self.failed)}",
        ]


@dataclass(frozen=True)
class Job:
    """One run of a seed."""

    seed: int
    is_calm: bool = False
    kill_at: tuple[int, ...] = ()
    tier: str = "A"

    def run(self) -> Result:
        """Run it."""
        return run_seed(self.seed, is_calm=self.is_calm, kill_at=self.kill_at, tier=self.tier)


def sweep(
    jobs: Iterable[int | Job],
    *,
    failures_max: int = 5,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Tally:
    """Run seeds, or jobs, until all are done or `failures_max` have failed."""
    tally, began_s = Tally(), time.process_time()
    for job in jobs:
        result = run_seed(job) if isinstance(job, int) else job.run()
        tally.add(result)
        tally.cpu_s = time.process_time() - began_s
        on_result(result)
        if len(tally.failed) >= failures_max:
            break
    return tally


def kills_of(seed: int, stride: int = 1) -> list[Job]:
    """Return a job for each act of a calm day at which the process may be killed.

    With a `stride` only every so-manieth act; seeds begin at different ones, so that together
    they kill at all that a day is made of.
    """
    calm = run_seed(seed, is_calm=True)
    if calm.breaches:
        return [Job(seed, is_calm=True)]
    acts = range(1 + seed % stride, calm.acts + 1, stride)
    return [Job(seed, is_calm=True, kill_at=(act,)) for act in acts]


def command(
    seed: int,
    without: Collection[str] = (),
    kill_at: Collection[int] = (),
    *,
    is_calm: bool = False,
    tier: str = "A",
) -> str:
    """The one command that replays a seed."""
    parts = [f"python -m tests.simulation --seed {seed}"]
    if tier != "A":
        parts.append(f"--tier {tier}")
    if is_calm:
        parts.append("--calm")
    if without:
        parts.append(f"--without {','.join(sorted(without))}")
    if kill_at:
        parts.append(f"--kill-at {','.join(map(str, sorted(kill_at)))}")
    return " ".join(parts)


def told(result: Result, without: Collection[str] | None = None) -> str:
    """A failure, readable: what was breached, how to replay it, how it came about."""
    taken = result.without if without is None else without
    lines = [f"seed {result.seed} ({result.outcome}): {len(result.breaches)} breaches"]
    lines += [f"  {breach}" for breach in result.breaches]
    again = command(result.seed, taken, result.kill_at, is_calm=result.is_calm, tier=result.tier)
    lines += [f"replay: {again}"]
    lines += [f"faults: {', '.join(result.present)}", *_part(result.story)]
    return "\n".join(lines)


def _part(story: list[str]) -> list[str]:
    """Return the lines of a story that lead to its first breach, and a few after it."""
    at = next((i for i, line in enumerate(story) if " BREACH " in line), len(story))
    first = max(at - STORY_LINES + AFTER_LINES, 0)
    return story[first : at + AFTER_LINES]


def shrink(result: Result, on_try: Callable[[str], None] = lambda text: None) -> Collection[str]:
    """Return faults that can be taken away while the seed still fails."""
    without: set[str] = set()
    parts = [list(result.present)]
    while parts:  # halves first, then what is left one by one
        part = parts.pop()
        tried = without | set(part)
        again = run_seed(
            result.seed,
            without=tried,
            is_calm=result.is_calm,
            kill_at=result.kill_at,
            tier=result.tier,
        )
        fails = bool(again.breaches)
        on_try(f"without {len(tried)} faults: {'fails still' if fails else 'passes'}")
        if fails:
            without = tried
        elif len(part) > 1:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
    return sorted(without)
