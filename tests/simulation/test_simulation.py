"""The unmodified daemon in a simulated world: seeds, kills at every act, the same bytes again.

The volume runs in processes of its own, which are not measured for coverage: that would cost half
of it. One test is a portion of the seeds; the last one to end prints what all of them saw.
`make soak SEEDS=0-5000` runs more of the same.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.simulation.faults import EVENTS, NAMES, NIGHTS, Faults
from tests.simulation.happenings import Happenings
from tests.simulation.mutants import MUTANTS
from tests.simulation.nights import Nights
from tests.simulation.scenario import Result, run_seed
from tests.simulation.sweep import Job, Tally, shrink, sweep, told
from tests.simulation.workers import campaign

pytestmark = pytest.mark.timeout(600)

SEEDS_IN_ALL = 160
"""About 60 s of CPU time, where 2.8 a second were measured; `make soak` has thousands."""
PORTIONS = 8
KILLED = range(6)
"""Seeds of calm days that are killed ..."""
STRIDE = 15
"""... at every so-manieth act, each seed beginning at another: 5 runs a second of CPU time."""
REACHED = (
    *("activities booked", "a symbol frozen", "and thawed", "adopted", "cash in dispute"),
    *("calendars differ", "a mute stream doubted", "a run continued", "suspend_trade asked for"),
    *("foreign orders seen", "orders withheld", "runs by crash", "runs by stop"),
)
"""What the stories come to, somewhere."""


Record = Callable[[str, object], None]


def _unmeasured() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def _in_a_process(*arguments: str) -> tuple[Tally, str]:
    """Run the simulation beside the tests, measured by nobody."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments, "--workers", "1", "--json"],
        cwd=ROOT,
        env=_unmeasured(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    return Tally.from_json(done.stdout), done.stderr


def _shared(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this run of the tests have in common."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "simulation"
    folder.mkdir(exist_ok=True)
    return folder


def _gathered(folder: Path, name: str, tally: Tally, portions: int) -> Tally | None:
    """Leave a portion's tally; return the sum where it was the last one."""
    half = folder / f".{name}"
    half.write_text(tally.to_json())
    half.rename(folder / name)
    kind = name.partition("-")[0]
    there = sorted(folder.glob(f"{kind}-*"))
    if len(there) < portions:
        return None
    try:  # the last two may end side by side: one of them tells
        (folder / f"told {kind}").touch(exist_ok=False)
    except FileExistsError:
        return None
    whole = Tally()
    for path in there:
        whole.merge(Tally.from_json(path.read_text()))
    return whole


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_whatever_goes_wrong_nothing_is_sent_twice_and_nothing_is_lost(
    portion: int,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Record,
) -> None:
    size = SEEDS_IN_ALL // PORTIONS
    first = portion * size
    tally, _ = _in_a_process("--seeds", f"{first}-{first + size - 1}")
    assert not tally.failed, "\n\n".join(told(result) for result in tally.failed)
    whole = _gathered(_shared(tmp_path_factory), f"seeds-{portion}", tally, PORTIONS)
    if whole is None:
        return
    record_property("said", "\n".join(("tier A", *whole.lines(), "")))
    assert whole.silent() == [], "a fault that never happens proves nothing"
    assert [name for name in REACHED if not whole.reached[name]] == []
    assert whole.outcomes["done"] > SEEDS_IN_ALL / 2


@pytest.mark.parametrize("seed", KILLED)
def test_s142_killed_at_any_act_the_next_process_ends_where_an_undisturbed_one_does(
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Record,
) -> None:
    tally, _ = _in_a_process("--every-act", f"{seed}", "--stride", f"{STRIDE}")
    assert not tally.failed, "\n\n".join(told(result) for result in tally.failed)
    assert tally.outcomes == {"done": tally.scenarios}
    assert tally.kills == tally.scenarios > 0
    whole = _gathered(_shared(tmp_path_factory), f"kills-{seed}", tally, len(KILLED))
    if whole is not None:
        text = (
            f"tier A, {len(KILLED)} calm days killed at {whole.kills} of their acts: all ended well"
        )
        record_property("said", text)


def test_the_last_portion_to_end_tells_of_all(tmp_path: Path) -> None:
    first, second = Tally(scenarios=2, kills=1), Tally(scenarios=3)
    assert _gathered(tmp_path, "seeds-0", first, 2) is None
    assert _gathered(tmp_path, "kills-0", first, 2) is None
    whole = _gathered(tmp_path, "seeds-1", second, 2)
    assert whole is not None and (whole.scenarios, whole.kills) == (5, 1)
    assert _gathered(tmp_path, "seeds-1", second, 2) is None


def test_one_seed_is_one_story_byte_for_byte() -> None:
    told_by = {hash_seed: _digests(hash_seed) for hash_seed in ("0", "1", "random")}
    assert len(set(told_by.values())) == 1, told_by


def _digests(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", "10-14", "--digest"],
        cwd=ROOT,
        env={**_unmeasured(), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 5
    return done.stdout


def test_two_processes_tell_of_the_same_as_one() -> None:
    jobs = [Job(seed, is_calm=True) for seed in range(6)]
    alone, together = sweep(jobs), campaign(jobs, workers=2)
    assert _but_for_time(together) == _but_for_time(alone)


def _but_for_time(tally: Tally) -> str:
    tally.cpu_s = tally.world_s = 0
    return tally.to_json()


def test_a_tally_survives_the_way_to_another_process() -> None:
    tally = sweep([4, Job(5, is_calm=True, kill_at=(60,))])
    with MUTANTS["the journal is written after the order is sent"]():
        tally.merge(sweep([0]))
    again = Tally.from_json(tally.to_json())
    assert again.lines() == tally.lines()
    assert [told(result) for result in again.failed] == [told(result) for result in tally.failed]


def test_a_failing_seed_tells_how_to_replay_it_and_what_happened() -> None:
    with MUTANTS["the journal is written after the order is sent"]():
        text = told(run_seed(0))
        killed = told(run_seed(0, without=("kill",), is_calm=True, kill_at=(90,)))
    assert "left before it was written" in text
    assert "python -m tests.simulation --seed 0\n" in text
    assert "python -m tests.simulation --seed 0 --calm --without kill --kill-at 90\n" in killed
    assert " BREACH " in killed and "PhaseStarted(" in text


def test_shrinking_takes_away_the_faults_that_do_not_matter() -> None:
    with MUTANTS["the journal is written after the order is sent"]():
        result = run_seed(0)
        assert set(shrink(result)) == set(result.present)


def test_shrinking_keeps_what_matters() -> None:
    with MUTANTS["commits are not synced"]():
        result = next(
            filter(_is_of_a_power_cut, (run_seed(seed) for seed in range(80) if _cuts(seed)))
        )
        assert set(result.present) - set(shrink(result)) == {"power_cut"}


def _cuts(seed: int) -> bool:
    """True for a seed of one session in which the power fails, and little else happens."""
    faults = Faults(seed, 120)
    present = faults.present()
    return "power_cut" in present and not faults.nights() and len(present) < 15


def _is_of_a_power_cut(result: Result) -> bool:
    return bool(result.breaches) and not run_seed(result.seed, without=("power_cut",)).breaches


def test_nights_are_taken_away_like_any_fault() -> None:
    seed = next(seed for seed in range(40) if len(Faults(seed, 120).nights()) > 2)
    nights = Faults(seed, 120).nights()
    less = Faults(seed, 120, without=nights[:2])
    assert less.nights() == nights[2:]
    assert set(Faults(seed, 120).present()) - set(less.present()) == set(nights[:2])


def test_every_event_of_the_world_is_one_that_the_scenario_knows() -> None:
    assert all(hasattr(Happenings, f"_{name}") for name in EVENTS)
    assert all(hasattr(Nights, f"_{name}") for name in NIGHTS)
    assert len(NAMES) == len(set(NAMES))
