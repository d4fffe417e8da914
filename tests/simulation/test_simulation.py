"""The unmodified daemon in a simulated world: seeds, kills at every act, the same bytes again.

`make soak SEEDS=0-5000` runs more of the same.
"""

import os
import subprocess
import sys

import pytest

from tests.house.source import ROOT
from tests.simulation.faults import EVENTS, NAMES
from tests.simulation.mutants import MUTANTS, hunt
from tests.simulation.scenario import run_seed
from tests.simulation.sweep import Tally, shrink, sweep, told

pytestmark = pytest.mark.timeout(600)

SEEDS = range(100)
PINNED = {
    3: "an order was sent again while its first request was still held up by a rate limit",
    22: "a start that the full disk did not take was never tried again",
    75: "a fill was booked as a manual trade, and again as our own",
}
"""Seeds that once failed, and why."""


def test_whatever_goes_wrong_nothing_is_sent_twice_and_nothing_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = sweep([*SEEDS, *(seed for seed in PINNED if seed not in SEEDS)])
    with capsys.disabled():
        print("", *tally.lines(), sep="\n")
    assert not tally.failed, "\n\n".join(told(result) for result in tally.failed)
    assert tally.silent() == [], "a fault that never happens proves nothing"
    assert tally.outcomes["done"] > len(SEEDS) / 2


@pytest.mark.parametrize("seed", [0, 1])
def test_s142_killed_at_any_act_the_next_process_ends_where_an_undisturbed_one_does(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = run_seed(seed, is_calm=True)
    assert not calm.breaches, told(calm)
    tally = Tally()
    # Every act of the run itself: most before it are looks at an account where nothing happens.
    for act in range(1, calm.acts + 1, 5):
        result = run_seed(seed, is_calm=True, kill_at=(act,))
        tally.add(result)
        assert not result.breaches, told(result, kill_at=(act,))
    assert tally.outcomes == {"done": tally.scenarios}
    assert tally.kills == tally.scenarios
    with capsys.disabled():
        print(f"\nseed {seed}: killed at {tally.kills} of {calm.acts} acts")


def test_one_seed_is_one_story_byte_for_byte() -> None:
    told_by = {hash_seed: _digests(hash_seed) for hash_seed in ("0", "1", "random")}
    assert len(set(told_by.values())) == 1, told_by


def _digests(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", "10-14", "--digest"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 5
    return done.stdout


def test_a_failing_seed_tells_how_to_replay_it_and_what_happened() -> None:
    with MUTANTS["the journal is written after the order is sent"]():
        result = run_seed(0)
        text = told(result)
    assert "left before it was written" in text
    assert "python -m tests.simulation --seed 0" in text
    assert "OrderSubmitted(" in text and "broker accepts" in text


def test_shrinking_takes_away_the_faults_that_do_not_matter() -> None:
    with MUTANTS["the journal is written after the order is sent"]():
        result = run_seed(0)
        assert set(shrink(result)) == set(result.present)


@pytest.mark.parametrize(
    "name",
    [
        "the journal is written after the order is sent",
        "fills are summed, whoever told them before",
        "buys go out as soon as the sells are accepted",
        "buying power is cash",
        "commits are not synced",
        "the fence does not see a stop",
    ],
)
def test_a_planted_bug_is_caught(name: str) -> None:
    caught, _ = hunt(name, seeds_max=20)
    assert caught is not None, f"{name!r} lived through 20 seeds"


def test_every_event_of_the_world_is_one_that_the_scenario_knows() -> None:
    from tests.simulation.scenario import Scenario

    assert all(hasattr(Scenario, f"_{name}") for name in EVENTS)
    assert len(NAMES) == len(set(NAMES))
