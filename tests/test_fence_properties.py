"""The fence: in every situation an order leaves where all conditions hold, and else it does not."""

import pytest

from tests.fence_situations import CLOSED_BY, Situation, check, the_fence_keeps_its_conditions
from tests.simulation.mutants import PLANTED, fence

BUGS = [name for name, bug in PLANTED.items() if bug.plant.__wrapped__.__module__ == fence.__name__]


def test_an_order_leaves_where_all_conditions_hold_and_only_there() -> None:
    the_fence_keeps_its_conditions()


@pytest.mark.parametrize("name", BUGS)
def test_the_property_notices_when_a_condition_is_removed(name: str) -> None:
    with PLANTED[name].plant(), pytest.raises(AssertionError):
        the_fence_keeps_its_conditions()


@pytest.mark.parametrize("name", CLOSED_BY)
def test_each_condition_closes_the_fence_by_itself(name: str) -> None:
    for value in CLOSED_BY[name]:
        situation = Situation(**{name: value})
        assert list(situation.conditions().values()).count(False) == 1
        check(situation)


def test_every_condition_has_a_mutant() -> None:
    assert len(BUGS) >= len(Situation().conditions())
