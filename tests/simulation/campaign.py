"""Many stories of tier C: how many kills struck where, and each story that went wrong, readable."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from tests.simulation.tier_c import Told, run_story

AT_ONCE = 3
FAILED_MAX = 3
KILLS_LIKELY = 10
"""Of a story."""


def campaign(
    kills: int, *, first: int = 0, on_told: Callable[[Told], None] = lambda told: None
) -> list[Told]:
    """Live stories until that many kills have struck, or three have failed.

    A few at once: a story waits more than it works.
    """
    found: list[Told] = []
    seed = first
    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way: set[Future[Told]] = set()
        while True:
            struck = sum(told.kills.total() for told in found)
            failed = sum(bool(told.breaches) for told in found)
            while struck + KILLS_LIKELY * len(under_way) < kills and failed < FAILED_MAX:
                under_way.add(pool.submit(run_story, seed))
                seed += 1
            if not under_way:
                return sorted(found, key=lambda told: told.seed)
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                found.append(future.result())
                on_told(found[-1])


def lines(stories: Sequence[Told]) -> list[str]:
    """What a campaign saw, for people."""
    wheres, phases = Counter[str](), Counter[str]()
    mishaps, faults = Counter[str](), Counter[str]()
    for told in stories:
        for (where, phase), count in told.kills.items():
            wheres[where] += count
            phases[phase] += count
        mishaps += told.mishaps
        faults += told.faults
    return [
        f"tier C: {wheres.total()} kills of real processes in {len(stories)} stories, "
        f"{sum(told.lives for told in stories)} lives, "
        f"{sum(told.orders for told in stories)} orders, "
        f"{_counted(Counter(told.outcome for told in stories))}, "
        f"{sum(told.took_s for told in stories):.0f} s",
        f"killed at: {_counted(wheres)}",
        f"killed while: {_counted(phases)}",
        f"mishaps: {_counted(mishaps)}; faults armed: {_counted(faults)}",
    ]


def story(told: Told) -> str:
    """One story, readable, with what is wrong in it."""
    ends = f"{len(told.breaches)} breaches" if told.breaches else "nothing amiss"
    replay = f"again: python -m tests.simulation --tier C --seed {told.seed}"
    return "\n".join([f"story {told.seed}: {ends}", *told.breaches, replay, *told.log])


def soak(kills: int) -> int:
    """Run a campaign for a person at a terminal; return the exit code."""

    def tell(told: Told) -> None:
        line = f"story {told.seed}: {told.kills.total()} kills, {told.lives} lives, "
        print(story(told) if told.breaches else f"{line}{told.took_s:.0f} s", flush=True)

    stories = campaign(kills, on_told=tell)
    print("\n".join(lines(stories)))
    return 1 if any(told.breaches for told in stories) else 0


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"
