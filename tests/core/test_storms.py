"""Rebalances in a world that loses answers, dies, stops, drifts: how each one still ends well."""

from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Mode

from .builders import CLOSE, OPEN, secs
from .storms import CALM, PICKS, ZED, faulty, first_time
from .world import Faults, World, a_world, has, is_done

# Answers that are lost, refused or late.


def test_s064_a_lost_answer_is_asked_after_and_found() -> None:
    world = faulty(submit=first_time("lose_answer", "buy-B", "sell-ZED")).run(is_done())
    assert world.held == CALM
    assert world.finished() == [("2024-02", "done", True)]


def test_s029_a_lost_request_is_sent_again_under_the_same_id() -> None:
    world = faulty(submit=first_time("lose_request", "buy-B"))
    world.run(is_done())
    assert world.held == CALM
    assert world.sends["atlas-2024-02-r1-buy-B-1"] == 2


def test_a_lost_request_of_a_sell_is_sent_again_under_the_same_id() -> None:
    world = faulty(submit=first_time("lose_request", "sell-ZED"))
    world.run(is_done())
    assert world.held == CALM
    assert world.sends["atlas-2024-02-r1-sell-ZED-1"] == 2


def test_a_request_that_never_arrives_ends_degraded_and_is_never_guessed() -> None:
    world = faulty(submit=lambda order_id, sends: "lose_request" if "buy-B" in order_id else "ok")
    world.run(CLOSE + timedelta(minutes=20))
    (finished,) = world.events(e.RunFinished)
    assert (finished.outcome, finished.is_final) == ("degraded", False)
    assert "B" not in world.held


def test_an_answer_that_never_comes_does_not_hold_the_run_for_ever() -> None:
    world = faulty(submit=first_time("hang", "buy-B")).run(is_done())
    assert world.held == CALM


def test_s160_an_order_cannot_be_sent_again_while_its_request_may_travel() -> None:
    world = faulty(submit=first_time("lose_request", "buy-B"))
    world.run(is_done())
    first, second = [
        entry.at
        for entry in world.journal
        if isinstance(entry.event, e.OrderSubmitted) and "buy-B" in entry.event.order_id
    ]
    assert second - first >= world.policy.answer_wait


def test_s076_one_refused_order_never_stops_the_others() -> None:
    world = faulty(submit=first_time("refuse", "r1-buy-B")).run(is_done())
    assert world.held == CALM
    assert "atlas-2024-02-r2-buy-B-1" in world.orders


def test_an_order_refused_in_every_round_is_told_in_the_report() -> None:
    world = faulty(submit=lambda order_id, sends: "refuse" if "buy-B" in order_id else "ok")
    world.run(has(e.RunFinished))
    (finished,) = world.events(e.RunFinished)
    assert finished.outcome == "degraded"
    assert finished.report.rejected_orders == 3
    assert any(text.startswith("B:") for text in finished.report.discrepancies)
    assert set(world.held) == {"A", "C", "D", "E"}


def test_s043_an_order_taken_and_then_rejected_is_tried_in_the_next_round() -> None:
    world = faulty()
    world.faults.fill = lambda symbol: (
        "reject" if symbol == "B" and "atlas-2024-02-r2-buy-B-1" not in world.orders else "all"
    )
    world.run(is_done())
    assert world.held == CALM


# Fills that stay away.


def test_a_partial_fill_is_cancelled_at_the_timeout_and_bought_in_the_second_round() -> None:
    world = faulty()
    world.faults.fill = lambda symbol: (
        "7" if symbol == "B" and world.now < OPEN + timedelta(minutes=6) else "all"
    )
    world.run(is_done())
    assert world.held == CALM
    order = world.orders["atlas-2024-02-r1-buy-B-1"]
    assert (order.status, order.filled_qty) == ("canceled", 7)


def test_s134_a_sell_that_fills_in_part_lets_buys_use_the_realised_part() -> None:
    world = a_world(picks=PICKS, cash=Decimal(1000), held={"ZED": 900}, prices={"ZED": 100})
    world.faults.fill = lambda symbol: "300" if symbol == "ZED" else "all"
    world.run(has(e.RunFinished), limit=timedelta(days=1))
    assert world.events(e.RunFinished)[0].outcome == "done"
    assert "ZED" not in world.held
    assert world.cash < 65_000, "what later rounds sold was bought with"


def test_s139_buys_wait_for_cash_where_sells_do_not_fill() -> None:
    world = a_world(picks=PICKS, cash=Decimal(100), held={"ZED": 900}, prices={"ZED": 100})
    world.faults.fill = lambda symbol: "rest" if symbol == "ZED" else "all"
    world.run(has(e.RunFinished), limit=timedelta(days=1))
    assert world.events(e.RunFinished)[0].outcome == "degraded"
    assert world.cash >= 0
    assert world.held["ZED"] == 900


def test_nothing_of_ours_is_open_when_a_round_ends() -> None:
    world = faulty(fill=lambda symbol: "rest" if symbol == "B" else "all")
    world.run(has(e.RunFinished))
    assert not any(order.status == "new" for order in world.orders.values())
    assert len([i for i in world.orders if "buy-B" in i]) == world.policy.rounds


# Stop, resume, restart.


def test_s162_a_stop_holds_over_restarts_and_the_run_goes_on_after_resume() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "rest" if world.state.halt is None else "all"
    world.run(has(e.OrderSubmitted))
    world.hear(e.StopRequested("tester", "looks wrong"))
    world.run(has(e.HaltCompleted))
    world.faults.fill = lambda symbol: "all"
    assert world.is_latched
    assert all(order.status != "new" for order in world.orders.values())
    world.crash()
    world.run(world.now + timedelta(minutes=10))
    assert world.state.mode is Mode.HALTED
    assert world.state.run.phase is Phase.PARKED
    sent = len(world.events(e.OrderSubmitted))
    world.hear(e.ResumeRequested("tester"))
    assert not world.is_latched
    world.run(is_done())
    assert len(world.events(e.OrderSubmitted)) > sent
    assert set(world.held) == set(CALM)


def test_s163_cancels_are_tried_until_the_broker_is_reached() -> None:
    world = a_world(picks=PICKS, faults=Faults(fill=lambda symbol: "rest"), **ZED)
    world.run(has(e.OrderSubmitted))
    world.run(world.now + secs(3))
    world.faults.figures = lambda: True
    cancel = world._cancel
    world._cancel = lambda order_id: None
    world.hear(e.StopRequested("tester", "looks wrong"))
    world.run(world.now + timedelta(minutes=5))
    assert world.state.halt is not None
    assert not world.state.halt.is_complete
    world.faults.figures = lambda: False
    world._cancel = cancel
    world.run(has(e.HaltCompleted))
    assert {o.status for o in world.orders.values()} == {"canceled"}


def test_s164_fills_are_recorded_while_halted() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(lambda w: any("buy" in i for i in w.orders))
    world.hear(e.StopRequested("tester", "looks wrong"))
    world.run(has(e.HaltCompleted))
    assert world.state.book.cash == world.cash
    assert world.state.book.positions == world.held


def test_s175_a_latch_found_at_start_halts_before_anything_is_asked() -> None:
    world = World(picks=PICKS, **ZED)
    world.is_latched = True
    world.boot()
    world.run(CLOSE)
    assert world.orders == {}
    assert world.state.mode is Mode.HALTED


def test_a_shutdown_sends_nothing_more_and_the_run_resumes_at_the_next_start() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.hear(e.ShutdownRequested("SIGTERM"))
    sent = len(world.events(e.OrderSubmitted))
    world.run(world.now + timedelta(minutes=5))
    assert len(world.events(e.OrderSubmitted)) == sent
    world.crash()
    world.run(is_done())
    assert world.held == CALM


# Killed at every turn.


def turns_of_a_rebalance() -> int:
    world = a_world(picks=PICKS[:3], **ZED).run(is_done())
    return world.turns


KILLS = range(1, turns_of_a_rebalance())


@pytest.mark.parametrize("part", range(4))
def test_s142_a_kill_at_any_turn_ends_in_the_same_portfolio(part: int) -> None:
    calm = a_world(picks=PICKS[:3], **ZED).run(is_done()).held
    for number in list(KILLS)[part::4]:
        world = World(picks=PICKS[:3], **ZED)
        world.is_checked = number % 10 == 0
        world.at_turn(number, world.crash)
        world.boot()
        world.run(is_done(), limit=timedelta(hours=2))
        assert world.held == calm, f"killed after turn {number}: {world.story()}"
