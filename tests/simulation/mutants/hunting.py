"""Looking for what catches each mutant, and the table of it: docs/mutants.md."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.house.source import ROOT
from tests.simulation.mutants.planting import PLANTED
from tests.simulation.scenario import Result

SEEDS_MAX = 120
BROKEN = re.compile(r"died: (TypeError|AttributeError|NameError|ImportError)")
"""How a mutant ends that does not fit the daemon any more: that proves nothing."""
TABLE = ROOT / "docs" / "mutants.md"
HEAD = ("bug", "what it would cost", "caught by", "seed", "tried", "CPU s")
COMMAND = "python -m tests.simulation --mutants"
INTRO = (
    "# Planted bugs\n\n"
    "A suite that has never failed proves little.\n"
    "So the tests plant bugs: each line below is one that somebody might write who does not know "
    "the rule, put in the place of a function or two of the daemon while it runs.\n"
    "Each must be noticed: by the rules of the simulation, which know nothing of the bug, or, "
    "where a second lock stands behind the first and the simulation cannot reach it, "
    "by a property of that part alone "
    "(`test_the_property_notices_when_a_condition_is_removed`).\n\n"
    "*Seed* is the first of the simulation that noticed it, *tried* how many were run until then, "
    "*CPU s* what that took on the machine that last wrote this table.\n"
    "Where *caught by* names a world, the bug was looked for where only those faults happen; "
    "elsewhere among all faults, as the seeds draw them.\n\n"
    f"The file is written by `{COMMAND}`, whenever the simulated world has changed.\n"
    "`test_a_planted_bug_is_noticed_within_a_few_seeds` reads it, and begins with its seeds.\n"
)


@dataclass(frozen=True)
class Caught:
    """What noticed a mutant. `seed` is None where a property did."""

    name: str
    by: str
    seed: int | None
    tried: int
    spent_s: float


def hunt(
    name: str, seeds_max: int = SEEDS_MAX, seeds: Iterable[int] | None = None
) -> tuple[Result | None, float]:
    """Run seeds until the mutant is caught; None where it is not. And the CPU seconds spent."""
    began_s, bug = time.process_time(), PLANTED[name]
    for seed in range(seeds_max) if seeds is None else seeds:
        with bug.plant():
            result = bug.world.run(seed)
        if result.breaches:
            if BROKEN.search(result.breaches[0]):
                raise AssertionError(f"the mutant itself is broken: {name}: {first(result)}")
            return result, time.process_time() - began_s
    return None, time.process_time() - began_s


def first(result: Result) -> str:
    """Return the first breach without its date and time."""
    return re.sub(r"^(\d\d )?\d\d:\d\d:\d\d ", "", result.breaches[0])


def prove(name: str) -> str:
    """Ask the mutant's own property; return what it says, or an empty text."""
    bug = PLANTED[name]
    assert bug.proof is not None
    with bug.plant():
        try:
            bug.proof()
        except AssertionError as error:
            return next(iter(f"{error}".splitlines()), "") or bug.proof.__name__
    return ""


def caught(name: str, seeds_max: int = SEEDS_MAX) -> Caught | None:
    """Return what catches a mutant; None where nothing does."""
    bug = PLANTED[name]
    if bug.proof is not None:
        began_s = time.process_time()
        says = prove(name)
        spent_s = time.process_time() - began_s
        return Caught(name, f"a property: {says}", None, 1, spent_s) if says else None
    result, spent_s = hunt(name, seeds_max)
    if result is None:
        return None
    by = first(result)
    world = f"in a world of {bug.world.words}: " if bug.world.words else ""
    return Caught(name, world + by, result.seed, result.seed + 1, spent_s)


def table(say: Callable[[str], object], seeds_max: int = SEEDS_MAX) -> int:
    """Hunt all, tell each, and write docs/mutants.md. Returns how many live: then nothing is."""
    found: dict[str, Caught | None] = {}
    say(f"{'planted bug':<68} {'seed':>5} {'CPU s':>6}  caught by")
    with ProcessPoolExecutor() as workers:
        hunts = {name: workers.submit(caught, name, seeds_max) for name in PLANTED}
        for name, running in hunts.items():
            found[name] = one = running.result()
            seed = "never" if one is None else "" if one.seed is None else one.seed
            spent_s, by = (0.0, "") if one is None else (one.spent_s, one.by)
            say(f"{name:<68} {seed:>5} {spent_s:6.1f}  {by[:90]}")
    live = [name for name, one in found.items() if one is None]
    if live:
        say(f"{len(live)} live, docs/mutants.md is left as it was: {'; '.join(live)}")
        return len(live)
    TABLE.write_text(written(one for one in found.values() if one is not None), "utf-8")
    say(f"{len(found)} planted, {len(found)} caught: written to docs/mutants.md")
    return 0


def written(found: Iterable[Caught]) -> str:
    """Return the whole file."""
    lines = [INTRO, f"| {' | '.join(HEAD)} |", f"|{'---|' * 3}{'---:|' * 3}"]
    for one in found:
        seed = "" if one.seed is None else str(one.seed)
        cells = (one.name, PLANTED[one.name].loss, _short(one.by), seed, str(one.tried))
        lines.append(f"| {' | '.join(cells)} | {one.spent_s:.1f} |")
    return "\n".join(lines) + "\n"


def pinned() -> Mapping[str, int | None]:
    """Return each mutant of the table with its seed; None where a property catches it."""
    return dict(_rows())


def _rows() -> Iterator[tuple[str, int | None]]:
    text = TABLE.read_text("utf-8") if TABLE.exists() else ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == len(HEAD) and cells[0] != HEAD[0]:
            yield cells[0], int(cells[3]) if cells[3] else None


def _short(text: str) -> str:
    """One line of a breach that stands in a table's cell: no bars, no endless figures."""
    text = re.sub(r"\s+", " ", text).replace("|", "/")
    return text if len(text) <= 150 else f"{text[:147]}..."
