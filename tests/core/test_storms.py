"""Rebalances in a world that loses answers, dies, stops, drifts: how each one still ends well."""

from datetime import date, timedelta
from decimal import Decimal as D

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Mode, Regime, Side, Symbol

from .builders import CLOSE, OPEN, a_pick, a_policy, an_open_order, secs
from .invariants import every_line_is_accounted_for
from .world import Faults, World, a_world, has, is_done, ten_picks

PICKS = ten_picks("ABCDE")
ZED = {"held": {"ZED": 50, "A": 300}, "prices": {"ZED": 100, "A": 20}}


def calm_end() -> dict:
    return a_world(picks=PICKS, **ZED).run(is_done()).held


CALM = calm_end()


def first_time(fate: str, *ids: str):
    """The first request of an order whose id holds one of `ids` meets its fate."""
    return lambda order_id, sends: fate if sends == 1 and any(i in order_id for i in ids) else "ok"


def faulty(**faults) -> World:
    return a_world(picks=PICKS, faults=Faults(**faults), **ZED)


def only_alerts(world: World, level: str) -> list[str]:
    return [text for alert_level, _, text in world.alerts if alert_level == level]


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
    world = a_world(picks=PICKS, cash=D(1000), held={"ZED": 900}, prices={"ZED": 100})
    world.faults.fill = lambda symbol: "300" if symbol == "ZED" else "all"
    world.run(has(e.RunFinished), limit=timedelta(days=1))
    assert world.events(e.RunFinished)[0].outcome == "done"
    assert "ZED" not in world.held
    assert world.cash < 65_000, "what later rounds sold was bought with"


def test_s139_buys_wait_for_cash_where_sells_do_not_fill() -> None:
    world = a_world(picks=PICKS, cash=D(100), held={"ZED": 900}, prices={"ZED": 100})
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


# CRASH.


def test_s170_a_crash_amid_buys_pulls_them_and_goes_to_cash() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "rest" if symbol in "CDE" else "all"
    world.run(lambda w: w.held.get("B"))
    world.run(world.now + secs(20))
    bought = len([i for i in world.orders if "buy" in i])
    world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test"))
    world.faults.fill = lambda symbol: "all"
    world.run(is_done("crash-20240201"))
    assert world.held == {}
    assert len([i for i in world.orders if "buy" in i]) == bought
    assert world.finished()[0] == ("2024-02", "aborted", True)


def test_a_crash_amid_sells_lets_them_finish() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test"))
    world.run(is_done("crash-20240201"))
    assert world.held == {}
    assert world.orders["atlas-2024-02-r1-sell-ZED-1"].status == "filled"


def test_s171_a_crash_told_again_and_again_is_one_run() -> None:
    world = a_world(held={"ZED": 50}, prices={"ZED": 100}, start=OPEN + timedelta(hours=1))
    world.run(world.now + timedelta(minutes=5))
    for _ in range(5):
        world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test"))
        world.run(world.now + timedelta(minutes=3))
    assert world.held == {}
    assert [x.run_id for x in world.events(e.RunStarted)] == ["crash-20240201"]


def test_a_crash_told_after_the_close_goes_to_cash_at_the_next_open() -> None:
    world = a_world(held={"ZED": 50}, prices={"ZED": 100}, start=OPEN + timedelta(hours=1))
    world.run(CLOSE + timedelta(hours=1))
    world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test"))
    world.run(is_done("crash-20240202"), limit=timedelta(days=2))
    assert world.held == {}
    assert world.now.hour == 14


def test_a_crash_between_slots_is_ignored_where_the_policy_says_so() -> None:
    policy = a_policy(crash_reacts=False)
    world = a_world(
        policy=policy, held={"ZED": 50}, start=OPEN + timedelta(hours=1), prices={"ZED": 1}
    )
    world.run(world.now + timedelta(minutes=5))
    world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test"))
    world.run(CLOSE)
    assert world.orders == {}


# The session ends, later sessions, the end of catching up.


def test_s158_a_run_cut_by_the_close_goes_on_in_the_next_session() -> None:
    world = World(picks=PICKS, **ZED)
    world.boot()
    world.crash(back_after=(CLOSE - world.now).total_seconds() - 46 * 60)
    world.faults.fill = lambda symbol: "rest" if symbol == "B" and world.now < CLOSE else "all"
    world.policy = a_policy(fill_timeout=timedelta(hours=2))
    world.run(is_done(), limit=timedelta(days=2))
    assert world.orders["atlas-2024-02-r1-buy-B-1"].status == "expired"
    assert world.finished()[-1] == ("2024-02", "done", True)
    assert set(world.held) == set(CALM)
    assert world.events(e.RunContinued)[0].order_day == date(2024, 2, 2)


def test_a_run_with_a_gap_goes_on_until_catching_up_ends_and_then_asks_for_hands() -> None:
    world = faulty(submit=lambda order_id, sends: "refuse" if "buy-B" in order_id else "ok")
    world.is_checked = False
    world.run(is_done(), limit=timedelta(days=10))
    assert world.finished()[-1] == ("2024-02", "degraded", True)
    assert len(world.events(e.RunContinued)) == 5
    assert any("manual intervention required" in text for text in only_alerts(world, "critical"))


def test_symbols_freeze_at_the_first_fill_and_a_later_regime_only_lowers() -> None:
    world = faulty(submit=lambda order_id, sends: "refuse" if "buy-B" in order_id else "ok")
    world.run(has(e.RunFinished))
    world.picks = ten_picks("VWXYZ")
    world.regime = Regime.TREND_NEUTRAL
    world.faults.submit = lambda order_id, sends: "ok"
    world.run(is_done(), limit=timedelta(days=2))
    assert set(world.held) == set("ABCDE")
    assert world.events(e.RunPlanned)[-1].regime is Regime.TREND_NEUTRAL
    assert 1 - world.cash / world.equity <= D("0.70")


def test_before_the_first_fill_a_new_session_plans_all_anew() -> None:
    world = faulty(submit=lambda order_id, sends: "refuse")
    world.run(has(e.RunFinished))
    world.picks = ten_picks("VWXYZ")
    world.prices |= {p.symbol: p.close for p in world.picks}
    world.faults.submit = lambda order_id, sends: "ok"
    world.run(is_done(), limit=timedelta(days=2))
    assert set(world.held) == set("VWXYZ")


# Lines that cannot be traded.


def test_s137_an_untradable_line_is_dropped_and_the_run_is_done() -> None:
    world = a_world(picks=PICKS, untradable={"B", "ZED"}, **ZED)
    world.run(is_done())
    (finished,) = world.events(e.RunFinished)
    assert finished.outcome == "done"
    every_line_is_accounted_for(finished, world.state)
    assert {x.symbol for x in world.events(e.LineDropped)} == {"B", "ZED"}
    assert world.held["ZED"] == 50


def test_s145_a_price_out_of_its_band_is_waited_for_and_then_dropped() -> None:
    world = a_world(picks=PICKS, closes={"B": D(10)}, **ZED)
    started = world.run(has(e.RunStarted)).now
    world.run(is_done())
    (dropped,) = world.events(e.LineDropped)
    assert (dropped.symbol, dropped.rule) == ("B", "price_band")
    assert world.now - started >= world.policy.line_wait


def test_a_line_without_a_quote_that_gets_one_in_time_is_bought() -> None:
    world = a_world(picks=PICKS, unquoted={"B"}, **ZED)
    world.at(OPEN + timedelta(minutes=7), world.unquoted.clear)
    world.run(is_done())
    assert world.held == CALM


def test_s146_a_foreign_order_on_a_line_is_waited_for_and_then_drops_the_line() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.foreign = [an_open_order("B")]
    world.run(is_done())
    (dropped,) = world.events(e.LineDropped)
    assert (dropped.symbol, dropped.rule) == ("B", "foreign_order")
    assert "B" not in world.held


def test_a_price_that_drifts_between_plan_and_order_resizes_the_line() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.RunPlanned))
    target = next(x.target_qty for x in world.events(e.RunPlanned)[0].lines if x.symbol == "B")
    world.prices["B"] = world.prices["B"] * D("1.10")
    world.run(is_done())
    assert world.held["B"] == int(target / D("1.10"))


# Books that differ.


def test_s147_a_manual_trade_freezes_its_symbol_until_it_is_adopted() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(OPEN - timedelta(minutes=20))
    world.held["QQQ"] = D(5)
    world.prices["QQQ"] = D(10)
    world.run(has(e.DriftFound))
    assert world.state.frozen.keys() == {"QQQ"}
    world.run(is_done())
    assert world.held == CALM | {"QQQ": 5}
    world.hear(e.AdoptRequested("tester", Symbol("QQQ")))
    assert world.state.frozen == {}
    assert world.state.book.positions["QQQ"] == 5


def test_a_difference_that_heals_within_the_grace_is_no_drift() -> None:
    world = a_world(picks=(), **ZED)
    world.run(OPEN - timedelta(minutes=25))
    world.held["QQQ"] = D(5)
    world.prices["QQQ"] = D(10)
    world.run(lambda w: w.state.figures.drift_at is not None)
    assert world.state.mode is Mode.REDUCE_ONLY
    del world.held["QQQ"]
    world.run(world.now + secs(30))
    assert world.events(e.DriftFound) == []
    assert world.state.mode is Mode.TRADING


def test_cash_that_differs_is_restated_and_beyond_tolerance_told() -> None:
    world = a_world(picks=())
    world.run(OPEN - timedelta(minutes=25))
    world.cash -= D("0.50")
    world.run(has(e.CashRestated))
    world.cash -= D(500)
    world.run(has(e.CashRestated, 2))
    assert [x.is_within_tolerance for x in world.events(e.CashRestated)] == [True, False]
    assert len(only_alerts(world, "warning")) == 1


# The stream.


def test_s113_without_a_stream_it_only_reduces_until_polling_was_clean_for_long() -> None:
    world = a_world(picks=PICKS, faults=Faults(stream=lambda: False), **ZED)
    world.run(lambda w: w.state.mode is Mode.REDUCE_ONLY)
    reduced_at = world.now
    world.run(lambda w: w.state.mode is Mode.TRADING)
    assert world.now - reduced_at >= world.policy.blind_wait - secs(5)
    world.run(is_done())
    assert world.held == CALM


def test_a_stream_lost_amid_buys_holds_the_next_ones() -> None:
    world = a_world(picks=ten_picks(), **ZED)
    world.run(lambda w: any("buy" in i for i in w.orders))
    world.faults.stream = lambda: False
    world.hear(e.StreamReported("lost"))
    assert world.state.mode in (Mode.REDUCE_ONLY, Mode.TRADING)
    world.run(is_done())
    assert set(world.held) == {p.symbol for p in ten_picks()}


def test_s020_a_failed_listing_is_never_read_as_empty() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.faults.figures = lambda: True
    world.run(world.now + timedelta(minutes=10))
    assert world.state.book.positions
    world.faults.figures = lambda: False
    world.run(is_done())
    assert world.held == CALM


def test_s119_no_network_all_session_does_not_consume_the_slot() -> None:
    world = a_world(picks=PICKS, faults=Faults(figures=lambda: world.now < CLOSE), **ZED)
    world.run(is_done(), limit=timedelta(days=2))
    assert world.events(e.RunStarted)[0].order_day == date(2024, 2, 2)


def test_s086_an_answer_for_an_order_of_a_closed_run_is_harmless() -> None:
    world = faulty(submit=first_time("lose_answer", "buy-E"))
    world.run(is_done())
    world.run(world.now + secs(40))
    assert world.held == CALM


def test_a_share_dearer_than_its_slice_is_left_out_and_told() -> None:
    picks = (*ten_picks("ABC"), a_pick("DEAR", "0.1", "20000"))
    world = a_world(picks=picks)
    world.run(is_done())
    (finished,) = world.events(e.RunFinished)
    every_line_is_accounted_for(finished, world.state)
    line = next(x for x in finished.report.lines if x.symbol == "DEAR")
    assert "dearer than its slice" in line.note


def test_protected_symbols_are_never_touched() -> None:
    policy = a_policy(protected=frozenset({Symbol("ZED")}))
    world = a_world(picks=PICKS, policy=policy, **ZED).run(is_done())
    assert world.held["ZED"] == 50


def test_what_the_journal_never_bought_is_not_sold_where_only_that_is_managed() -> None:
    policy = a_policy(manages_all=False)
    world = a_world(picks=PICKS, policy=policy, **ZED).run(is_done())
    assert world.held["ZED"] == 50
    assert all(x.approved.draft.side is Side.BUY for x in world.events(e.OrderApproved))
