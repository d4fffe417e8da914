"""The broker's clock: any start, any speed, forward only."""

from datetime import UTC, datetime, timedelta

import pytest

from atlas_daemon.paper.clock import BrokerClock
from tests.paper.world import NOON


class HandTime:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("speed", "passed"), [(0, 0), (1, 10), (60, 600), (0.5, 5)])
def test_broker_seconds_are_seconds_times_speed(speed, passed):
    hand = HandTime()
    clock = BrokerClock(NOON, speed, hand)
    hand.seconds += 10
    assert clock.now() == NOON + timedelta(seconds=passed)


def test_a_change_of_speed_keeps_the_time_that_has_passed():
    hand = HandTime()
    clock = BrokerClock(NOON, 60, hand)
    hand.seconds += 10
    clock.set(speed=1)
    hand.seconds += 10
    assert clock.now() == NOON + timedelta(seconds=610)


def test_a_jump_goes_forward_and_never_back():
    clock = BrokerClock(NOON, 1, HandTime())
    clock.set(at=NOON + timedelta(days=1))
    assert clock.now() == NOON + timedelta(days=1)
    with pytest.raises(ValueError, match="never goes back"):
        clock.set(at=NOON)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), 2_000_000])
def test_an_absurd_speed_is_refused_and_changes_nothing(speed):
    clock = BrokerClock(NOON, 1, HandTime())
    with pytest.raises(ValueError, match="speed"):
        clock.set(at=NOON + timedelta(days=1), speed=speed)
    assert (clock.now(), clock.speed) == (NOON, 1)


def test_a_naive_start_is_refused():
    with pytest.raises(ValueError, match="aware"):
        BrokerClock(datetime(2024, 2, 1, tzinfo=UTC).replace(tzinfo=None), 1, HandTime())
