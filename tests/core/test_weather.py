"""Rebalances under CRASH, closing bells, odd lines, drifting books and a lost stream."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode, Regime, Side, Symbol

from .builders import CLOSE, OPEN, a_pick, a_policy, an_open_order, secs
from .invariants import every_line_is_accounted_for
from .storms import CALM, PICKS, ZED, faulty, first_time, only_alerts
from .world import Faults, World, a_world, has, is_done, ten_picks

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
    assert 1 - world.cash / world.equity <= Decimal("0.70")


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
    world = a_world(picks=PICKS, closes={"B": Decimal(10)}, **ZED)
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


def test_a_line_that_loses_its_price_before_the_buys_is_dropped_and_somebody_is_told() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted))
    world.prices["B"] *= 3
    world.run(is_done())
    assert [x.symbol for x in world.events(e.LineDropped)] == ["B"]
    assert "2024-02 dropped B" in [x.text for x in world.events(e.AlertRaised)]


def test_buys_that_a_block_held_up_ask_for_prices_anew_and_somebody_is_told_of_it() -> None:
    world = a_world(picks=PICKS, **ZED)
    calm = world.snapshot

    def suspended(asked_at: datetime) -> e.SnapshotReported:
        told = calm(asked_at)
        return replace(told, account=replace(told.account, suspended_by_user=True))

    def lift() -> None:
        world.snapshot = calm

    world.run(has(e.OrderSubmitted))
    world.snapshot = suspended
    world.at(OPEN + 6 * world.policy.line_wait, lift)
    world.run(is_done())
    assert world.events(e.LineDropped) == []
    assert world.held == CALM
    told = [x.text for x in world.events(e.AlertRaised) if x.key == "account"]
    assert told == ["the broker lets nobody trade: suspended by user"]


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
    world.prices["B"] = world.prices["B"] * Decimal("1.10")
    world.run(is_done())
    assert world.held["B"] == int(target / Decimal("1.10"))


# Books that differ.


def test_s147_a_manual_trade_freezes_its_symbol_until_it_is_adopted() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(OPEN - timedelta(minutes=20))
    world.held["QQQ"] = Decimal(5)
    world.prices["QQQ"] = Decimal(10)
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
    world.held["QQQ"] = Decimal(5)
    world.prices["QQQ"] = Decimal(10)
    world.run(lambda w: w.state.figures.drift_at is not None)
    assert world.state.mode is Mode.REDUCE_ONLY
    del world.held["QQQ"]
    world.run(world.now + timedelta(minutes=6))
    assert world.events(e.DriftFound) == []
    assert world.state.mode is Mode.TRADING


def test_cash_that_differs_is_followed_within_the_tolerance_and_named_beyond_it() -> None:
    world = a_world(picks=())
    world.run(OPEN - timedelta(minutes=25))
    world.cash -= Decimal("0.50")
    world.run(has(e.CashRestated))
    world.cash -= Decimal(500)
    world.run(has(e.CashUnexplained))
    assert [x.is_within_tolerance for x in world.events(e.CashRestated)] == [True]
    assert len(only_alerts(world, "error")) == 1
    assert world.state.book.cash == world.cash + 500
    world.activity("FEE", net=Decimal(-500))
    world.run(has(e.ActivityBooked))
    world.run(has(e.CashRestated, 2))
    assert world.state.cash_dispute is None
    assert world.state.book.cash == world.cash


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
    assert world.state.mode is Mode.REDUCE_ONLY
    lost_at, sent = world.now, len(world.orders)
    world.run(lambda w: len(w.orders) > sent + 9 or w.state.mode is Mode.TRADING)
    assert world.now - lost_at >= world.policy.blind_wait
    world.run(is_done())
    assert set(world.held) == {p.symbol for p in ten_picks()}


def test_s112_a_stream_that_stays_down_amid_a_run_is_told_once_an_outage() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "rest"
    world.run(has(e.OrderSubmitted))
    for seconds, told in ((50, 0), (100, 1), (100, 2)):
        world.hear(e.StreamReported("lost"))
        world.run(world.now + secs(seconds))
        world.hear(e.StreamReported("connecting"))
        world.run(world.now + secs(5))
        world.hear(e.StreamReported("listening"))
        assert len([key for _, key, _ in world.alerts if key == "stream"]) == told
    assert "the order stream is down since 14:3" in str(world.alerts)


def test_a_stream_that_is_down_while_nothing_is_to_be_done_is_nobodys_news() -> None:
    world = a_world(picks=PICKS, faults=Faults(stream=lambda: False), **ZED)
    world.hear(e.StreamReported("lost"))
    world.run(OPEN - timedelta(minutes=1))
    assert "stream" not in {key for _, key, _ in world.alerts}


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
