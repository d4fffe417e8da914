"""The machine's clock, and the broker's with its speed."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError, Unknown
from atlas_daemon.edges.clock import BrokerClock, SystemClock
from tests.edges.stub import HandClock

OPEN = datetime(2027, 2, 1, 14, 30, tzinfo=UTC)


@dataclass
class Told:
    timestamp: datetime
    speed: Decimal | None


class Broker:
    """Answers with what it is set to; a look takes `travel_s` there and `travel_s` back."""

    def __init__(self, clock: HandClock, at: datetime, speed: str | None, travel_s: float = 0.0):
        self.clock, self.told, self.travel_s = clock, Told(at, speed and Decimal(speed)), travel_s
        self.looks = 0
        self.is_down = False

    async def __call__(self) -> Told:
        self.looks += 1
        self.clock.now += self.travel_s
        told = self.told
        self.clock.now += self.travel_s
        if self.is_down:
            raise OutcomeUnknownError("clock", Unknown("down"))
        return told


def test_the_machines_clock_is_aware_and_in_utc():
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("speed", "passed_s", "shown_s"),
    [("1", 10, 10), (None, 10, 10), ("60", 10, 600), ("0.5", 10, 5)],
)
async def test_the_brokers_clock_runs_at_its_speed(speed, passed_s, shown_s):
    hand = HandClock()
    clock = BrokerClock(Broker(hand, OPEN, speed), hand)
    await clock.sync()
    assert clock.now() == OPEN
    hand.now += passed_s
    assert clock.now() == OPEN + timedelta(seconds=shown_s)


@pytest.mark.asyncio
async def test_the_answers_moment_is_taken_to_be_the_middle_of_the_look():
    hand = HandClock()
    clock = BrokerClock(Broker(hand, OPEN, "2", travel_s=1.0), hand)
    await clock.sync()
    assert clock.now() == OPEN + timedelta(seconds=2)


@pytest.mark.asyncio
async def test_it_follows_a_jump_and_runs_on_while_nobody_answers(monkeypatch):
    hand = HandClock()
    broker = Broker(hand, OPEN, "1")
    clock = BrokerClock(broker, hand)
    await clock.sync()
    looks = []

    async def sleep(seconds: float) -> None:
        hand.now += seconds
        looks.append(clock.now())
        if len(looks) == 1:
            broker.is_down = True
        elif len(looks) == 2:
            broker.is_down, broker.told = False, Told(OPEN + timedelta(hours=1), Decimal(1))
        else:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await clock.follow(every_s=5)
    seconds = [(look - OPEN).total_seconds() for look in looks]
    assert seconds == [5, 10, 3605]


@pytest.mark.asyncio
async def test_sleeping_takes_the_brokers_time(monkeypatch):
    hand = HandClock()
    clock = BrokerClock(Broker(hand, OPEN, "10"), hand)
    await clock.sync()
    monkeypatch.setattr(asyncio, "sleep", hand.sleep.__get__(hand))
    slept_from = hand.now
    hand.now += 30 / 10
    assert clock.now() == OPEN + timedelta(seconds=30)
    assert hand.now - slept_from == 3
