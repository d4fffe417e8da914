"""The unmodified daemon behind its own aiohttp: requests, answers and frames as bytes in memory."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.journal import Journal
from tests.house.source import ROOT
from tests.simulation.scenario import Scenario, a_folder
from tests.simulation.sweep import Job, sweep, told

pytestmark = [
    pytest.mark.timeout(600),
    # what a killed process leaves; of a living one the loop counts the connections itself
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
]

SEEDS = (*range(64), 120, 126)
"""About 30 s of CPU time, where 2 a second were measured; the last two have what is rare."""


@pytest.fixture(autouse=True)
def _buried() -> Iterator[None]:
    yield
    gc.collect()  # while the warnings of the dead are not heard


def test_whatever_bytes_come_nothing_is_sent_twice_and_nothing_is_lost(
    record_property: Callable[[str, object], None],
) -> None:
    tally = sweep([Job(seed, tier="B") for seed in SEEDS])
    record_property("said", "\n".join(("tier B", *tally.lines(), "")))
    assert not tally.failed, "\n\n".join(told(result) for result in tally.failed)
    assert tally.silent() == [], "a fault that never happens proves nothing"
    assert tally.outcomes["done"] > len(SEEDS) / 2


def _orders_and_fills(seed: int, tier: str) -> tuple[set[tuple[object, ...]], str]:
    with a_folder() as folder:
        scenario = Scenario(seed, folder, is_calm=True, tier=tier)
        result = scenario.run()
        assert not result.breaches, told(result)
        with Journal.open_readonly(scenario.settings.journal_path) as journal:
            entries = [entry.event for entry in journal.read()]
    return {
        *((x.draft.order_id, x.draft.qty) for x in entries if isinstance(x, e.OrderDrafted)),
        *((x.order_id, x.qty, x.price) for x in entries if isinstance(x, e.FillBooked)),
    }, result.outcome


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_a_calm_day_through_bytes_has_the_orders_and_fills_of_one_without(seed: int) -> None:
    assert _orders_and_fills(seed, "B") == _orders_and_fills(seed, "A")


def test_one_seed_is_one_story_through_bytes_too() -> None:
    told_by = {hash_seed: _digests(hash_seed) for hash_seed in ("0", "1", "random")}
    assert len(set(told_by.values())) == 1, told_by


def _digests(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--tier", "B", "--seeds", "3-6", "--digest"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 4
    return done.stdout
