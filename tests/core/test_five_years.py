"""Five years of calendar, whatever befalls the machine: each slot exactly once, none missed.

More seeds: `python -m tests.core.test_five_years 100`.
"""

import sys
from collections import Counter
from datetime import date, timedelta

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE

from .invariants import lasting, recovered
from .world import State
from .years import Years, due_within, five_years

FIRSTS = (date(2014, 1, 3), date(2019, 6, 20), date(2024, 11, 29))
"""Where the five years begin; changes of summer time, closures and half days lie in all of them."""
CLOCK_SLACK = timedelta(seconds=61)
"""A clock that is off by less is told of, and trusted."""


def check(world: Years) -> None:
    """Raise AssertionError where a slot was not run exactly once, in its time."""
    slots = {slot.name: slot for slot in due_within(world)}
    assert len(slots) >= 8
    runs = Counter(started.slot for _, started in world.started if started.slot in slots)
    assert runs == dict.fromkeys(slots, 1), "each slot exactly once"
    assert world.events(e.SlotMissed) == []
    for at, started in world.started:
        if started.slot not in slots:
            continue
        slot, session = slots[started.slot], NYSE.session_of(started.order_day)
        assert session is not None
        assert slot.session.day <= session.day <= slot.last.day
        least = session.closes_at - world.policy.min_session_left + CLOCK_SLACK
        assert session.opens_at + world.policy.open_delay - CLOCK_SLACK <= at <= least
        assert started.signal_day == NYSE.session_before(session.day).day
    done = Counter(x.run_id for x in world.events(e.RunFinished) if x.is_final)
    assert [name for name in slots if done[name] != 1] == []
    assert lasting(recovered(world.journal, State(now=world.start))) == lasting(world.state)


def entries_a_day(world: Years) -> Counter:
    """Count the entries of each day in which nothing but the schedule spoke."""
    days: Counter = Counter()
    loud = {
        entry.at.date()
        for entry in world.journal
        if isinstance(entry.event, e.RunStarted | e.DaemonStarted | e.OrderSubmitted)
    }
    for entry in world.journal:
        if entry.at.date() not in loud and not isinstance(entry.event, e.AlertRaised):
            days[entry.at.date()] += 1
    return days


@pytest.mark.parametrize(("seed", "first"), [(2, FIRSTS[2])])
def test_each_slot_of_five_years_runs_exactly_once_whatever_befalls_the_machine(
    seed: int, first: date
) -> None:
    world = five_years(seed, first)
    check(world)
    days = entries_a_day(world)
    mean = sum(days.values()) / len(days)
    assert mean <= 9.5, "quiet days leave a handful of entries"


if __name__ == "__main__":
    failed = 0
    for number in range(int(sys.argv[1])):
        try:
            check(five_years(number, FIRSTS[number % len(FIRSTS)]))
        except AssertionError as error:
            failed += 1
            print(f"seed {number}: {error}")
    sys.exit(failed > 0)
