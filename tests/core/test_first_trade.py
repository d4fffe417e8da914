"""The first trade: 100 dollars of each of three picks, and nothing else is touched."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.first_trade import make_first_plan
from atlas_daemon.core.pricing import Price
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import AccountMode, Mode, OrderType, Regime, Side, Symbol

from .builders import (
    CLOSE,
    NOW,
    OPEN,
    a_halt,
    a_pick,
    a_policy,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_asset,
    secs,
    some_signals,
)
from .live_world import LIVE, LiveWorld, a_live_world
from .playbook import given
from .world import World, a_world, has, is_done

D = Decimal
FIRST = "first-20240201-1"
PRICES = {"AAA": "40", "BBB": "62.50", "CCC": "1234", "DDD": "10", "EEE": "20"}
PICKS = tuple(a_pick(symbol, "0.2", price) for symbol, price in PRICES.items())
WHOLE = a_policy(anchors=((8, 1),))
"""No slot is near."""


def first_trade(world: World) -> World:
    """Ask for it ten minutes into the session, and let it end."""
    world.run(OPEN + timedelta(minutes=10))
    world.hear(e.RebalanceRequested("ann", force=False, is_first_trade=True))
    return world.run(is_done(FIRST))


def plan_of(world: World) -> e.RunPlanned:
    return world.events(e.RunPlanned)[0]


def planned(policy=WHOLE, **more) -> e.RunPlanned:
    """The plan on figures as given, without a world."""
    fractionable = more.pop("fractionable", ())
    assets = {s: an_asset(s, fractionable=s in fractionable) for s in PRICES}
    cash = more.pop("cash", "100000")
    positions = more.pop("positions", ())
    value = sum((p.value for p in positions), D(cash))
    snapshot = a_snapshot(positions=positions, cash=cash, equity=str(value))
    signals = some_signals(PICKS, regime=more.pop("regime", Regime.TREND_BULL))
    run = a_run(Phase.DUE, trigger="first", slot=None, run_id=FIRST, signals=signals, **more)
    state = a_state(run=run, seen={"snapshot": snapshot, "assets": assets})
    prices = {Symbol(s): Price(D(p), D(p), NOW) for s, p in PRICES.items()}
    return make_first_plan(state, run, prices, policy)


def targets(plan: e.RunPlanned) -> dict[str, Decimal]:
    return {line.symbol: line.target_qty for line in plan.lines}


# The plan.


def test_three_picks_for_100_dollars_each_whole_shares_where_nothing_else_is_allowed() -> None:
    plan = planned()
    assert targets(plan) == {"AAA": 2, "BBB": 1, "CCC": 0}
    assert plan.deployable == 300
    assert "CCC: costs 1,234.00: no whole share for 100.00 dollars" in plan.notes
    assert "AAA: whole shares only: 2 for 80.00 dollars" in plan.notes


def test_parts_of_shares_where_the_asset_allows_whatever_the_strategy_is_set_to() -> None:
    plan = planned(fractionable=("AAA", "BBB", "CCC"))
    assert targets(plan) == {"AAA": D("2.5"), "BBB": D("1.6"), "CCC": D("0.081037277")}
    value = sum(line.target_qty * line.price for line in plan.lines)
    assert D("299.99") < value <= 300
    assert plan.scale == 1


def test_an_integral_number_of_shares_is_no_part_of_one() -> None:
    plan = planned(a_policy(max_position_pct=D("0.0008")), fractionable=("AAA",))
    line = plan.lines[0]
    assert (line.target_qty, line.note) == (2, "")


@pytest.mark.parametrize(
    ("held", "target", "said"),
    [
        ("1", "2", "whole shares only: 1 for 40.00 dollars, with the 40.00 held"),
        ("2", "2", "costs 40.00: no whole share for 20.00 dollars, with the 80.00 held"),
        ("3", "3", "120.00 dollars of it are held already: nothing is bought"),
    ],
)
def test_what_is_held_counts_100_dollars_are_meant_in_all(held, target, said) -> None:
    line = planned(positions=[a_position("AAA", held, "40")]).lines[0]
    assert (line.current_qty, line.target_qty) == (D(held), D(target))
    assert line.note == said


def test_less_than_the_brokers_least_order_is_not_bought() -> None:
    line = planned(fractionable=("AAA",), positions=[a_position("AAA", "2.48", "40")]).lines[0]
    assert line.target_qty == line.current_qty
    assert line.note == "0.80 dollars are less than the broker's least order of 1"


def test_on_a_tiny_account_the_cap_on_a_position_is_the_smaller_figure() -> None:
    plan = planned(cash="400", fractionable=PRICES)
    assert plan.notes[0] == "first trade: 60.00 dollars at most of each of 3 picks"
    assert all(line.target_qty * line.price <= 60 for line in plan.lines)


def test_the_regime_bounds_it_beside_all_else_that_is_managed() -> None:
    positions = [a_position("ZED", "10", "280")]  # 2,800 of 10,000
    plan = planned(cash="7200", positions=positions, regime=Regime.TREND_BEAR)
    assert plan.notes[0].startswith("first trade: 66.66 dollars at most")
    full = planned(cash="7000", positions=[a_position("ZED", "10", "300")], regime="TREND_BEAR")
    assert set(targets(full).values()) == {0}


def test_a_pick_that_was_dropped_is_not_replaced_and_stays_as_it_is() -> None:
    plan = planned(dropped={Symbol("AAA"): "untradable: halted"})
    assert targets(plan) == {"AAA": 0, "BBB": 1, "CCC": 0}
    assert plan.lines[0].note == "dropped: untradable: halted"


# The run.


def fractional_world(**more) -> World:
    return a_world(picks=PICKS, policy=WHOLE, fractionable=set(PRICES), **more)


def test_it_buys_300_dollars_and_touches_nothing_else() -> None:
    world = first_trade(fractional_world(held={"ZED": 50, "AAA": 1}, prices={"ZED": 100}))
    assert world.finished() == [(FIRST, "done", True)]
    assert world.held.get("ZED") == 50
    assert {o.side for o in world.orders.values()} == {Side.BUY}
    value = sum(world.held[s] * D(PRICES[s]) for s in ("AAA", "BBB", "CCC"))
    assert D("299.9") < value <= 300
    assert set(world.held) == {"AAA", "BBB", "CCC", "ZED"}


def test_its_positions_are_ours_and_the_next_run_manages_them() -> None:
    world = first_trade(fractional_world())
    assert set(world.state.book.bought) == {"AAA", "BBB", "CCC"}
    assert any(qty != int(qty) for qty in world.held.values())
    world.hear(e.RebalanceRequested("ann", force=True))
    world.run(is_done("force-20240201-1"))
    assert set(world.held) == set(PRICES)
    assert all(qty == int(qty) for qty in world.held.values()), "parts are made whole"


def test_one_that_is_not_bought_is_no_success_though_it_is_less_than_a_share() -> None:
    world = fractional_world()
    world.faults.fill = lambda symbol: "reject" if symbol == "CCC" else "all"
    world.run(OPEN + timedelta(minutes=10))
    world.hear(e.RebalanceRequested("ann", force=False, is_first_trade=True))
    world.run(has(e.RunFinished))
    (finished,) = world.events(e.RunFinished)
    assert finished.outcome == "degraded"
    assert any(text.startswith("CCC:") for text in finished.report.discrepancies)


def test_a_holding_that_the_broker_does_not_trade_is_no_business_of_it() -> None:
    world = fractional_world(held={"ZED": 50}, prices={"ZED": 100}, untradable={"ZED"})
    first_trade(world)
    assert world.events(e.LineDropped) == []


def test_an_account_with_less_cash_than_that_spends_what_there_is() -> None:
    world = fractional_world(cash=D(250), held={"ZED": 50}, prices={"ZED": 100})
    first_trade(world)
    assert world.finished() == [(FIRST, "done", True)]
    assert plan_of(world).deployable == D("249.99")
    assert 0 <= world.cash < 15


def test_its_orders_are_market_orders_whatever_the_configuration_says() -> None:
    limits = a_policy(anchors=((8, 1),), order_type=OrderType.LIMIT)
    world = a_world(picks=PICKS, policy=limits, fractionable=set(PRICES))
    first_trade(world)
    drafts = [x.approved.draft for x in world.events(e.OrderApproved)]
    assert {(draft.order_type, draft.limit_price) for draft in drafts} == {(OrderType.MARKET, None)}


def test_a_second_one_has_a_name_of_its_own_and_finds_its_dollars_spent() -> None:
    world = first_trade(fractional_world())
    world.hear(e.RebalanceRequested("ann", force=False, is_first_trade=True))
    world.run(is_done("first-20240201-2"))
    assert len(world.orders) == 3


def test_live_it_is_no_part_of_the_scale_and_begins_the_count_of_clean_days() -> None:
    policy = a_policy(needs_certificate=True, scale=D("0.25"), anchors=((8, 1),))
    world = LiveWorld(picks=PICKS, policy=policy, fractionable=set(PRICES), cash=D(1200))
    world.boot()
    first_trade(world)
    assert world.finished() == [(FIRST, "done", True)]
    assert world.state.ramp.first_buy_at is not None
    assert world.state.ramp.scale is None, "the first rebalance still begins as configured"


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        ({"halt": a_halt(), "mode": Mode.HALTED}, "halted"),
        ({"run": a_run(Phase.PARKED)}, "one run"),
        ({"now": CLOSE + secs(60)}, "market_hours"),
        ({"mode": Mode.REDUCE_ONLY}, "mode"),
        ({"now": CLOSE - secs(60)}, "min_session_left"),
        ({"calendar_dispute": "x"}, "calendar"),
    ],
)
def test_it_begins_where_any_run_may_begin_and_nowhere_else(state, rule: str) -> None:
    asked = e.RebalanceRequested("ann", force=False, is_first_trade=True)
    (denied,) = given(a_state(**state), WHOLE).when(asked).happened
    assert (denied.what, denied.rule) == ("rebalance", rule)


def test_live_it_needs_the_certificate() -> None:
    state = a_state(account_mode=AccountMode.LIVE, mode=Mode.REDUCE_ONLY)
    asked = e.RebalanceRequested("ann", force=False, is_first_trade=True)
    (denied,) = given(state, LIVE).when(asked).happened
    assert denied.rule == "certificate"
    assert a_live_world().bought() == []


def test_a_slot_that_falls_due_makes_an_unfinished_one_give_way() -> None:
    policy, day_before = a_policy(fill_timeout=secs(20), rounds=1), OPEN - timedelta(days=1)
    start = day_before - timedelta(minutes=30)
    world = a_world(picks=PICKS, policy=policy, fractionable=set(PRICES), start=start)
    world.faults.fill = lambda symbol: "rest"
    world.run(day_before + timedelta(minutes=10))
    world.hear(e.RebalanceRequested("ann", force=False, is_first_trade=True))
    world.run(lambda w: any(x.run_id == "first-20240131-1" for x in w.events(e.RunFinished)))
    world.faults.fill = lambda symbol: "all"
    world.run(is_done(), limit=timedelta(days=2))
    assert ("first-20240131-1", "degraded", True) in world.finished()
    assert world.finished()[-1] == ("2024-02", "done", True)


# What it is not worth, or must not do.


def test_a_pick_that_fell_below_its_cost_gets_no_second_hundred_dollars() -> None:
    fell = replace(a_position("AAA", "1.25", "40"), avg_entry_price=D(80))
    line = planned(positions=[fell], fractionable=PRICES).lines[0]
    assert line.target_qty == line.current_qty
    assert line.note == "100.00 dollars of it are held already: nothing is bought"


def test_a_pick_that_is_held_large_leaves_the_cash_to_the_others() -> None:
    plan = planned(cash="120", positions=[a_position("AAA", "100", "40")], fractionable=PRICES)
    assert plan.notes[0].startswith("first trade: 60.00 dollars at most")
    assert targets(plan) == {"AAA": 100, "BBB": D("0.96"), "CCC": D("0.048622366")}


def test_what_is_held_and_not_managed_counts_for_the_cap_on_a_position() -> None:
    policy = a_policy(anchors=((8, 1),), manages_all=False)
    world = a_world(
        picks=PICKS, policy=policy, fractionable=set(PRICES), cash=D(1000), held={"AAA": 30}
    )
    first_trade(world)
    assert world.finished() == [(FIRST, "done", True)]
    assert not world.events(e.OrderRefused)
    (line,) = [x for x in plan_of(world).lines if x.symbol == "AAA"]
    assert line.note == "1,200.00 dollars of it are held that are not managed: at the cap"
    assert world.held["AAA"] == 30


def test_nothing_bought_is_told_with_its_reasons() -> None:
    world = first_trade(a_world(picks=PICKS[2:3], policy=WHOLE))
    (told,) = [(level, text) for level, key, text in world.alerts if key == "run"]
    assert told[0] == "warning"
    assert "nothing was bought: CCC: costs 1,234.00: no whole share for 100.00 dollars" in told[1]


def test_under_a_regime_that_allows_nothing_it_says_so() -> None:
    plan = planned(regime=Regime.CRASH)
    assert {line.note for line in plan.lines} == {"the regime leaves no dollars for it"}


# A CRASH amid one.


def crash_amid(confirmed: Regime, until) -> World:
    world = a_world(picks=PICKS, policy=WHOLE, fractionable=set(PRICES), held={"ZED": 50})
    world.prices[Symbol("ZED")] = D(100)
    world.faults.fill = lambda symbol: "all" if symbol in ("ZED", "AAA") else "rest"
    world.run(OPEN + timedelta(minutes=10))
    world.hear(e.RebalanceRequested("ann", force=False, is_first_trade=True))
    world.run(until)
    word = e.RegimeReported(Regime.CRASH, world.state.run.signal_day, "test", confirmed=confirmed)
    world.hear(word)
    world.faults.fill = lambda symbol: "all"
    return world.run(world.now + timedelta(minutes=30))


def has_bought(world: World) -> bool:
    return "AAA" in world.held


@pytest.mark.parametrize("until", [has_bought, has(e.RunStarted)])
def test_a_crash_that_is_not_confirmed_ends_it_and_sells_nothing_else(until) -> None:
    world = crash_amid(Regime.TREND_BULL, until)
    assert world.finished() == [(FIRST, "aborted", True)]
    assert world.held["ZED"] == 50
    assert not [o for o in world.orders.values() if o.status == "new"]


@pytest.mark.parametrize("until", [has_bought, has(e.RunStarted)])
def test_a_confirmed_crash_ends_it_and_all_goes_to_cash(until) -> None:
    world = crash_amid(Regime.CRASH, until)
    assert world.finished()[0] == (FIRST, "aborted", True)
    assert world.finished()[-1] == ("crash-20240201", "done", True)
    assert world.held == {}


# What it leaves to the next rebalance.


def test_a_rebalance_sends_no_order_for_what_is_worth_less_than_a_dollar() -> None:
    world = fractional_world(cash=D(1000), held={"AAA": D("3.999"), "BBB": D("1.6")})
    world.run(OPEN + timedelta(minutes=10))
    world.hear(e.RebalanceRequested("ann", force=True))
    world.run(is_done("force-20240201-1"))
    (line,) = [x for x in plan_of(world).lines if x.symbol == "AAA"]
    assert line.target_qty == line.current_qty == D("3.999")
    assert line.note == "what is missing is worth less than a dollar: no order"
    assert "AAA" not in {o.symbol for o in world.orders.values()}
    assert world.held["BBB"] == int(world.held["BBB"]), "other parts are made whole"
