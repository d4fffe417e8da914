"""Whole rebalances in virtual time, undisturbed: who gets what, in which order, and how it ends."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode, Regime, Side

from .builders import CLOSE, OPEN, a_pick, a_policy, secs
from .invariants import every_line_is_accounted_for
from .world import Faults, World, a_world, has, is_done, ten_picks

PICKS = ten_picks()


def only_finish(world: World) -> e.RunFinished:
    (finished,) = world.events(e.RunFinished)
    every_line_is_accounted_for(finished, world.state)
    return finished


def test_a_rebalance_sells_what_left_and_buys_what_came() -> None:
    world = a_world(picks=PICKS, held={"ZED": 50, "A": 300}, prices={"ZED": 100})
    world.run(is_done())
    assert only_finish(world).outcome == "done"
    assert "ZED" not in world.held
    assert set(world.held) == {p.symbol for p in PICKS}
    assert Decimal("0.985") < 1 - world.cash / world.equity <= Decimal("0.99")


def test_a_slot_is_due_five_minutes_after_the_open() -> None:
    world = a_world(picks=PICKS)
    world.run(has(e.RunStarted))
    assert secs(0) <= world.now - OPEN - timedelta(minutes=5) <= secs(2)


def test_a_rebalance_of_nothing_held_buys_all_lines() -> None:
    world = a_world(picks=PICKS)
    world.run(is_done())
    assert only_finish(world).outcome == "done"
    assert len(world.held) == 10


def test_no_picks_is_all_cash_and_not_an_error() -> None:
    world = a_world(picks=(), held={"ZED": 50}, prices={"ZED": 100})
    world.run(is_done())
    assert only_finish(world).outcome == "done"
    assert world.held == {}
    assert "no candidate passes: all cash" in world.events(e.RunPlanned)[0].notes


def test_nothing_to_do_is_done_without_an_order() -> None:
    world = a_world(picks=())
    world.run(is_done())
    assert only_finish(world).report.total_orders == 0


def test_a_crash_at_the_slot_sells_everything() -> None:
    world = a_world(picks=PICKS, held={"ZED": 50, "A": 300}, prices={"ZED": 100})
    world.regime = Regime.CRASH
    world.run(is_done())
    assert only_finish(world).outcome == "done"
    assert world.held == {}


def test_s027_no_cash_and_nothing_held_plans_nothing() -> None:
    world = a_world(picks=PICKS, cash=Decimal(0))
    world.run(is_done())
    assert world.orders == {}
    assert only_finish(world).is_final


def test_a_slot_runs_once_only() -> None:
    world = a_world(picks=PICKS)
    world.run(CLOSE)
    assert world.finished() == [("2024-02", "done", True)]
    world.crash()
    world.run(CLOSE + timedelta(days=2))
    assert len(world.events(e.RunStarted)) == 1


@pytest.mark.parametrize(
    ("regime", "share"),
    [(Regime.TREND_BULL, "0.99"), (Regime.TREND_NEUTRAL, "0.70"), (Regime.TREND_BEAR, "0.30")],
)
def test_each_regime_deploys_its_share(regime: Regime, share: str) -> None:
    world = a_world(picks=PICKS, regime=regime)
    world.run(is_done())
    deployed = 1 - world.cash / world.equity
    assert Decimal(share) - Decimal("0.005") < deployed <= Decimal(share)


def test_five_names_are_capped_and_the_rest_stays_cash() -> None:
    world = a_world(picks=tuple(a_pick(s, "0.2", "40") for s in "ABCDE"))
    world.run(is_done())
    assert only_finish(world).outcome == "done"
    assert all(qty * 40 <= 15_000 for qty in world.held.values())
    assert world.cash >= 25_000


def test_fills_above_the_quote_never_spend_more_than_there_is() -> None:
    world = a_world(picks=PICKS, slippage=Decimal("0.012"))
    world.run(is_done())
    assert only_finish(world).is_final
    assert world.cash >= 0


def test_repeated_frames_change_nothing() -> None:
    once = a_world(picks=PICKS, held={"ZED": 50}, prices={"ZED": 100}).run(is_done())
    faults = Faults(repeats=True)
    twice = a_world(picks=PICKS, held={"ZED": 50}, prices={"ZED": 100}, faults=faults).run(
        is_done()
    )
    assert (twice.held, twice.cash) == (once.held, once.cash)
    assert twice.state.book.cash == twice.cash


def test_s152_a_half_day_finishes_before_the_early_close() -> None:
    day = date(2024, 7, 3)
    policy = a_policy(anchors=((7, 3),))
    opens = OPEN.replace(month=7, day=3, hour=13)
    world = a_world(picks=PICKS, policy=policy, start=opens - timedelta(hours=1))
    world.run(is_done("2024-07"))
    assert world.events(e.RunStarted)[0].order_day == day
    assert world.now < opens.replace(hour=17, minute=0)


def test_s156_too_late_in_a_half_day_rolls_to_the_next_session() -> None:
    policy = a_policy(anchors=((7, 3),))
    opens = OPEN.replace(month=7, day=3, hour=13)
    world = World(picks=PICKS, policy=policy, start=opens - timedelta(hours=1))
    world.boot()
    world.crash(back_after=4.5 * 3600 - 40 * 60)  # 12:50 New York: ten minutes are left
    world.run(is_done("2024-07"), limit=timedelta(days=3))
    assert world.events(e.RunStarted)[0].order_day == date(2024, 7, 5)


def test_s035_a_slot_missed_for_days_is_on_record_and_not_run() -> None:
    world = World(picks=PICKS)
    world.boot()
    world.crash(back_after=14 * 86400)
    world.run(has(e.SlotMissed), limit=timedelta(days=15))
    world.run(world.now + timedelta(days=1))
    assert world.events(e.RunStarted) == []
    assert ("critical", "slot") in {alert[:2] for alert in world.alerts}


def test_a_slot_is_caught_up_within_five_sessions() -> None:
    world = World(picks=PICKS)
    world.boot()
    world.crash(back_after=7 * 86400)  # 8 February, the fifth session after the slot's
    world.run(is_done(), limit=timedelta(days=9))
    assert world.events(e.RunStarted)[0].order_day == date(2024, 2, 8)


def test_a_fresh_install_never_trades_by_surprise() -> None:
    world = a_world(picks=PICKS, start=OPEN + timedelta(hours=1))
    world.run(CLOSE + timedelta(days=10))
    assert world.events(e.RunStarted) == world.events(e.SlotMissed) == []


def test_s153_the_slot_keeps_new_yorks_time_over_a_change_of_clocks() -> None:
    policy = a_policy(anchors=((3, 11),))  # the Monday after summer time began
    start = OPEN.replace(month=3, day=8)
    world = a_world(picks=PICKS, policy=policy, start=start)
    world.run(has(e.RunStarted), limit=timedelta(days=4))
    assert (world.now.hour, world.now.minute) == (13, 35)


def test_s131_limit_orders_stand_on_the_tick() -> None:
    from atlas_daemon.core.values import OrderType

    policy = a_policy(order_type=OrderType.LIMIT)
    world = a_world(picks=PICKS, policy=policy, held={"ZED": 50}, prices={"ZED": 100})
    world.run(is_done())
    assert only_finish(world).outcome == "done"
    for approved in world.events(e.OrderApproved):
        limit = approved.approved.draft.limit_price
        assert limit == round(limit, 2)


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = (a_world(picks=PICKS, seed=7).run(is_done()) for _ in range(2))
    assert first.journal == second.journal


def test_an_order_book_at_rest_is_adopted_at_the_first_start() -> None:
    world = a_world(held={"ZED": 50}, prices={"ZED": 100})
    world.run(OPEN)
    assert world.state.book.positions == {"ZED": Decimal(50)}
    assert world.state.mode is Mode.TRADING


def test_s016_two_starts_on_an_unchanged_broker_reconcile_nothing() -> None:
    world = a_world(held={"ZED": 50}, prices={"ZED": 100})
    world.run(OPEN - timedelta(minutes=20))
    world.crash()
    world.run(OPEN - timedelta(minutes=10))
    kinds = {type(entry.event) for entry in world.journal}
    assert not kinds & {e.DriftFound, e.CashRestated}
    assert len(world.events(e.BookAdopted)) == 1


def test_buys_wait_for_the_sells_even_where_there_is_cash() -> None:
    world = a_world(picks=PICKS, held={"ZED": 50}, prices={"ZED": 100})
    world.run(is_done())
    sides = [x.approved.draft.side for x in world.events(e.OrderApproved)]
    assert sides == [Side.SELL] + [Side.BUY] * 10
