"""A live account in the simulated world: its certificate expires amid the slot, and is renewed."""

from tests.simulation.faults import NIGHTS
from tests.simulation.real_money import LiveScenario
from tests.simulation.scenario import Result, a_folder
from tests.simulation.sweep import told

CALM, STORMY = range(3, 9), (0, 9, 24, 25, 27)


def live(seed: int, **more: object) -> Result:
    with a_folder() as folder:
        return LiveScenario(seed, folder, **more).run()


def test_no_buy_leaves_while_the_certificate_does_not_count_and_the_run_ends_well() -> None:
    results = [live(seed, is_calm=True) for seed in CALM]
    results += [live(seed, without=tuple(NIGHTS)) for seed in STORMY]
    for result in results:
        assert not result.breaches, told(result)
    waited = sum(result.reached["a run waits for a certificate"] > 0 for result in results)
    assert waited >= 4, "the end comes amid the run in too few stories"
    assert {result.outcome for result in results} == {"done"}
