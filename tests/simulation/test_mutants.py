"""Each planted bug is noticed: by a few seeds of its world, or by its own property.

docs/mutants.md says at which seed; `python -m tests.simulation --mutants` writes it anew.
"""

from functools import cache

import pytest

from tests.simulation.mutants import PLANTED, hunt, prove
from tests.simulation.mutants.hunting import HEAD, TABLE, pinned
from tests.simulation.mutants.worlds import World
from tests.simulation.sweep import told

pytestmark = pytest.mark.timeout(300)

SEEDS_MAX = 12
"""A small change of the world may move the seed that notices a bug: but not far."""
PINNED = pinned()
BY_SEEDS = [name for name, bug in PLANTED.items() if bug.proof is None]
BY_PROPERTY = [name for name, bug in PLANTED.items() if bug.proof is not None]


RUN: dict[str, str] = {}


def _unmutated(world: World, seed: int) -> str:
    """Return the story of a seed that is breached with no bug planted; each is run once."""
    key = f"{world} {seed}"
    if key not in RUN:
        result = world.run(seed)
        RUN[key] = told(result) if result.breaches else ""
    return RUN[key]


@pytest.mark.parametrize("name", BY_SEEDS)
def test_a_planted_bug_is_noticed_within_a_few_seeds(name: str) -> None:
    pin = PINNED.get(name) or 0
    seeds = dict.fromkeys((pin, *range(SEEDS_MAX)))
    caught, _ = hunt(name, seeds=list(seeds)[:SEEDS_MAX])
    assert caught is not None, f"{name!r} lived through {SEEDS_MAX} seeds"
    assert not (text := _unmutated(PLANTED[name].world, caught.seed)), text


@pytest.mark.parametrize("name", BY_PROPERTY)
def test_a_planted_bug_that_no_simulation_reaches_is_noticed_by_its_property(name: str) -> None:
    assert prove(name), f"{name!r} is not noticed"


@pytest.mark.parametrize("name", BY_PROPERTY)
def test_without_the_bug_its_property_holds(name: str) -> None:
    proof = PLANTED[name].proof
    assert proof is not None
    _holds(proof)


@cache
def _holds(proof: object) -> None:
    assert callable(proof)
    proof()


def test_docs_mutants_lists_exactly_the_planted_bugs() -> None:
    assert list(PINNED) == list(PLANTED)
    assert len(PLANTED) >= 25


def test_docs_mutants_says_what_caught_each_and_what_it_would_cost() -> None:
    rows = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| ")]
    for row in rows[1:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == len(HEAD), row
        assert cells[1] == PLANTED[cells[0]].loss
        assert cells[2]
        assert float(cells[5]) >= 0
