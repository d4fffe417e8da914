"""Many seeds: what happened, the first failures, and the smallest set of their faults."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from tests.simulation.faults import NAMES
from tests.simulation.scenario import Result, run_seed

STORY_LINES = 60


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
    cpu_s: float = 0.0
    world_s: float = 0.0

    def add(self, result: Result) -> None:
        self.scenarios += 1
        self.lives += result.lives
        self.orders += result.orders
        self.kills += result.fired["kill"] + result.fired["power_cut"]
        self.outcomes[result.outcome] += 1
        self.fired.update(result.fired)
        self.world_s += result.ended_s
        if result.breaches:
            self.failed.append(result)

    def silent(self) -> list[str]:
        """Faults that never really happened."""
        return [name for name in NAMES if not self.fired[name]]

    def lines(self) -> list[str]:
        per_s = self.scenarios / self.cpu_s if self.cpu_s else 0.0
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        faults = ", ".join(f"{name} {self.fired[name]}" for name in NAMES)
        return [
            f"{self.scenarios} scenarios ({per_s:.1f} a second), {self.orders} orders, "
            f"{self.lives} lives, {self.kills} kills, {self.world_s / 3600:.1f} h of the world",
            f"outcomes: {outcomes}",
            f"faults that fired: {faults}",
            f"failed: {len(self.failed)}",
        ]


def sweep(
    seeds: Iterable[int],
    *,
    failures_max: int = 5,
    on_result: Callable[[Result], None] = lambda result: None,
    run: Callable[[int], Result] = run_seed,
) -> Tally:
    """Run seeds until all are done or `failures_max` have failed."""
    tally, began_s = Tally(), time.process_time()
    for seed in seeds:
        result = run(seed)
        tally.add(result)
        tally.cpu_s = time.process_time() - began_s
        on_result(result)
        if len(tally.failed) >= failures_max:
            break
    return tally


def command(seed: int, without: Collection[str] = (), kill_at: Collection[int] = ()) -> str:
    """The one command that replays a seed."""
    parts = [f"python -m tests.simulation --seed {seed}"]
    if without:
        parts.append(f"--without {','.join(sorted(without))}")
    if kill_at:
        parts.append(f"--kill-at {','.join(map(str, sorted(kill_at)))}")
    return " ".join(parts)


def told(result: Result, without: Collection[str] = (), kill_at: Collection[int] = ()) -> str:
    """A failure, readable: what was breached, how to replay it, how it came about."""
    lines = [f"seed {result.seed} ({result.outcome}): {len(result.breaches)} breaches"]
    lines += [f"  {breach}" for breach in result.breaches]
    lines += [f"replay: {command(result.seed, without, kill_at)}"]
    lines += [f"faults: {', '.join(result.present)}", *result.story[-STORY_LINES:]]
    return "\n".join(lines)


def shrink(result: Result, on_try: Callable[[str], None] = lambda text: None) -> Collection[str]:
    """Return faults that can be taken away while the seed still fails."""
    without: set[str] = set()
    parts = [list(result.present)]
    while parts:  # halves first, then what is left one by one
        part = parts.pop()
        tried = without | set(part)
        fails = bool(run_seed(result.seed, without=tried).breaches)
        on_try(f"without {len(tried)} faults: {'fails still' if fails else 'passes'}")
        if fails:
            without = tried
        elif len(part) > 1:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
    return sorted(without)
