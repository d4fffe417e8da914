"""Our own clock is set back: amid a run, while halted, over a restart, before the first slot."""

from datetime import date, timedelta

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.runs import next_slot
from atlas_daemon.core.values import Mode

from .builders import NOW, OPEN, a_run, a_snapshot, a_state, an_order, secs
from .playbook import given
from .storms import CALM, PICKS, ZED, only_alerts
from .world import World, a_world, has, is_done

SOON = timedelta(minutes=15)
HOURS = timedelta(hours=3)


def test_a_run_on_a_clock_that_ran_ahead_goes_on_soon_after_it_is_set_right() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.off = HOURS
    world.run(world.now + timedelta(minutes=3))
    assert world.state.mode is Mode.REDUCE_ONLY
    world.off = timedelta(0)
    world.run(is_done(), limit=SOON)
    assert world.held == CALM


def test_a_clock_that_is_set_back_wrongly_is_told_at_once_and_holds_buys_until_it_is_right() -> (
    None
):
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.off = -HOURS
    world.run(world.now + secs(5))
    assert any("our clock was set back by 3:00:00" in x for x in only_alerts(world, "error"))
    sent = len(world.orders)
    world.run(world.now + timedelta(minutes=20))
    assert world.state.mode is Mode.REDUCE_ONLY
    assert len(world.orders) == sent
    world.off = timedelta(0)
    world.run(is_done(), limit=SOON)
    assert world.held == CALM


@pytest.mark.parametrize("at_order", ["sell-ZED", "buy-B", "buy-E"])
def test_a_step_back_at_any_order_loses_and_doubles_nothing(at_order: str) -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(lambda w: any(at_order in order_id for order_id in w.orders))
    world.off = -HOURS
    world.run(world.now + timedelta(minutes=2))
    world.off = timedelta(0)
    world.run(is_done(), limit=SOON)
    assert world.held == CALM
    assert set(world.sends.values()) == {1}


def test_a_restart_on_a_clock_that_was_set_back_goes_on_as_soon() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.off = HOURS
    world.run(world.now + timedelta(minutes=3))
    world.off = timedelta(0)
    world.crash()
    world.run(is_done(), limit=SOON)
    assert world.held == CALM


def test_a_stop_on_a_clock_that_ran_ahead_is_complete_soon_after_it_is_set_right() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "rest"
    world.run(has(e.OrderSubmitted))
    world.off = HOURS
    world.hear(e.StopRequested("tester", "signal"))
    world.off = timedelta(0)
    world.run(has(e.HaltCompleted), limit=SOON)


def test_a_first_start_on_a_clock_that_ran_ahead_takes_no_slot_away() -> None:
    world = World(picks=PICKS, off=timedelta(days=400), **ZED)
    world.boot()
    world.run(world.now + timedelta(minutes=2))
    world.off = timedelta(0)
    world.run(has(e.ClockStepped))
    slot = next_slot(world.state, world.policy)
    assert slot is not None
    assert slot.session.day == date(2024, 2, 1)


def test_what_was_asked_before_the_step_proves_nothing_after_it() -> None:
    order = an_order(status="unknown", sent_at=NOW - secs(5))
    answer = e.OrderNotFound(order.draft.order_id, NOW + HOURS)
    told = given(a_state(orders=[order], run=a_run())).when(answer).then()
    assert told.state.figures.not_found == {}
    snapshot = a_snapshot(asked_at=NOW + HOURS)
    told = given(a_state(run=a_run())).when(snapshot)
    assert told.state.figures.snapshot is not snapshot


def test_a_clock_that_is_set_back_a_little_is_waited_out() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.off = -secs(30)
    world.run(is_done(), limit=SOON)
    assert world.events(e.ClockStepped) == []
    assert world.held == CALM


def test_a_brokers_clock_that_cannot_be_asked_is_told_before_a_slot_waits_for_it() -> None:
    world = World(picks=PICKS, start=OPEN - timedelta(hours=12), **ZED)
    world._clock = lambda asked_at: e.FetchFailed("clock", "not found")
    world.boot()
    world.run(world.now + timedelta(minutes=14))
    assert "clock" not in {key for _, key, _ in world.alerts}
    world.run(world.now + timedelta(hours=5))
    said = [(level, text) for level, key, text in world.alerts if key == "clock"]
    assert said == [
        ("error", "the broker's clock cannot be asked (not found): no run begins before it is")
    ]


def test_days_that_a_clock_runs_ahead_of_are_not_marked_as_lived() -> None:
    world = a_world(is_checked=False)
    world.run(is_done())
    for days in range(1, 4):
        world.off = timedelta(days=days, hours=10)
        world.run(world.now + timedelta(minutes=10))
    world.off = timedelta(0)
    world.run(world.now + SOON)
    lived = new_york_day(world.now)
    assert [mark.day for mark in world.events(e.EquityMarked) if mark.day > lived] == []
