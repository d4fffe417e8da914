"""The account's activities: each type's effect on the book, once, and what stays unexplained."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.state import ActivityLog
from atlas_daemon.core.values import Mode, Symbol

from .builders import (
    BORN,
    DAY,
    NOW,
    OPEN,
    a_position,
    a_snapshot,
    a_state,
    an_activity,
    an_order,
    holding,
    listed,
    secs,
)
from .playbook import given
from .world import Faults, World, a_world, has, is_done, ten_picks

FEE = an_activity("FEE", "-2.50")
LATER = NOW + secs(6)


def held_of(state) -> dict[str, int]:
    return {str(s): int(q) for s, q in state.book.positions.items()}


# Types that move money.


@pytest.mark.parametrize(
    "kind",
    ["FEE", "CFEE", "INT", "DIV", "DIVNRA", "DIVROC", "CSD", "CSW", "JNLC", "PTC", "CIL"],
)
def test_money_that_moved_moves_our_cash_once(kind: str) -> None:
    paid = an_activity(kind, "-12.34", symbol="AAPL")
    played = given(a_state()).when(listed(paid))
    played.then_some(e.ActivityBooked, e.ActivitiesNoted(NOW, ()), fx.FetchFigures)
    assert played.state.book.cash == Decimal("99987.66")
    given(played.state).when(listed(paid)).then_nothing()


def test_money_of_an_unknown_type_is_on_record_and_explains_nothing() -> None:
    played = given(a_state()).when(listed(an_activity("XYZ", "-12.34")))
    assert not played.the(e.ActivityBooked).is_explained
    assert played.the(e.AlertRaised).key == "activity"
    assert played.state.book == a_state().book


def test_an_activity_that_was_canceled_moves_nothing() -> None:
    played = given(a_state()).when(listed(replace(FEE, is_canceled=True)))
    assert played.state.book.cash == 100_000


# Types that move shares.


@pytest.mark.parametrize(
    ("kind", "ours", "qty", "theirs", "bought"),
    [
        ("SPLIT", "10", "10", "20", "20"),  # told as the increase
        ("SPLIT", "10", "20", "20", "20"),  # told as the whole
        ("SPLIT", "100", "-90", "10", "10"),  # a reverse split
        ("SPIN", "10", "5", "15", "10"),
        ("JNLS", "10", "-4", "6", "6"),
        ("MA", "10", "-10", "0", "0"),
        ("REORG", "10", "-10", "0", "0"),
    ],
)
def test_shares_that_moved_move_the_position(kind, ours, qty, theirs, bought) -> None:
    positions = [a_position("AAPL", theirs)] if theirs != "0" else []
    state = a_state(book=holding(AAPL=ours), seen={"snapshot": a_snapshot(positions=positions)})
    played = given(state).when(listed(an_activity(kind, "0", "AAPL", qty)))
    assert held_of(played.state) == ({"AAPL": int(theirs)} if theirs != "0" else {})
    assert played.state.book.bought.get(Symbol("AAPL"), 0) == Decimal(bought)
    assert not played.all(e.AlertRaised)


def test_a_split_keeps_the_share_of_it_that_we_bought() -> None:
    book = holding(AAPL="10", bought={Symbol("AAPL"): Decimal(4)})
    seen = {"snapshot": a_snapshot(positions=[a_position("AAPL", "30")])}
    split = an_activity("SPLIT", "0", "AAPL", "20")
    played = given(a_state(book=book, seen=seen)).when(listed(split))
    assert played.state.book.bought == {"AAPL": 12}


@pytest.mark.parametrize("told", [("-10", "30"), ("30", "-10")])
def test_a_split_told_by_both_its_sides_keeps_the_share_that_we_bought(told) -> None:
    book = holding(AAPL="10", bought={Symbol("AAPL"): Decimal(4)})
    seen = {"snapshot": a_snapshot(positions=[a_position("AAPL", "30")])}
    sides = [an_activity("SPLIT", "0", "AAPL", qty) for qty in told]
    played = given(a_state(book=book, seen=seen)).when(listed(*sides))
    assert held_of(played.state) == {"AAPL": 30}
    assert played.state.book.bought == {"AAPL": 12}
    assert len(played.all(e.ActivityBooked)) == 2


def test_the_other_side_of_a_new_name_explains_itself() -> None:
    seen = {"snapshot": a_snapshot(positions=[a_position("META", "10")])}
    sides = [an_activity("NC", "0", "FB", "-10"), an_activity("NC", "0", "META", "10")]
    played = given(a_state(book=holding(FB="10"), seen=seen)).when(
        listed(*sides), at=NOW + timedelta(days=3)
    )
    assert all(booked.is_explained for booked in played.all(e.ActivityBooked))
    assert len(played.all(e.ActivityBooked)) == 2
    assert not played.all(e.AlertRaised)


def test_shares_told_before_they_move_wait_and_are_odd_after_two_days() -> None:
    seen = {"snapshot": a_snapshot(positions=[a_position("AAPL", "10")])}
    state = a_state(book=holding(AAPL="10"), seen=seen)
    split = an_activity("SPLIT", "0", "AAPL", "10")
    given(state).when(listed(split)).then_nothing()
    late = given(state).when(listed(split), at=NOW + timedelta(days=2))
    assert not late.the(e.ActivityBooked).is_explained


def test_shares_that_moved_after_the_latest_look_are_looked_at_before_they_are_odd() -> None:
    """An idle daemon hears of a split from the list first: the positions it knows are older."""
    old_look = {"snapshot": a_snapshot(positions=[a_position("AAPL", "10")])}
    state = a_state(book=holding(AAPL="10"), seen=old_look)
    split = an_activity("SPLIT", "0", "AAPL", "30", at=NOW + secs(60))
    days_later = NOW + timedelta(days=3)
    asked = given(state).when(listed(split, asked_at=days_later), at=days_later)
    asked.then_some(fx.FetchFigures).then_none_of(e.ActivityBooked)
    look = a_snapshot(days_later, positions=[a_position("AAPL", "40")])
    seen = given(asked.state).when(look, at=days_later).then_some(e.DriftSeen(("AAPL",)))
    told = given(seen.state).when(listed(split, asked_at=days_later), at=days_later)
    assert told.the(e.ActivityBooked).is_explained
    assert held_of(told.state) == {"AAPL": 40}


def test_a_list_in_which_nothing_is_new_is_noted_once_a_month() -> None:
    known = ActivityLog({FEE.activity_id: NOW}, NOW)
    month_later = NOW + timedelta(days=30)
    for at, is_noted in ((month_later - secs(1), False), (month_later, True)):
        played = given(a_state(activities=known)).when(listed(FEE, asked_at=at), at=at)
        assert bool(played.all(e.ActivitiesNoted)) is is_noted
    assert played.state.activities.read_at == month_later


@pytest.mark.parametrize(
    "rows",
    [
        [an_activity("NC", "0", "META", "10")],
        [an_activity("NC", "0", "FB", "10")],
        [an_activity("NC", "0", "FB", "-10"), an_activity("NC", "0", "META", "10")],
    ],
)
def test_a_new_name_takes_position_and_purchase_with_it(rows) -> None:
    seen = {"snapshot": a_snapshot(positions=[a_position("META", "10")])}
    played = given(a_state(book=holding(FB="10"), seen=seen)).when(listed(*rows))
    assert played.state.book.positions == played.state.book.bought == {"META": 10}


# Trades.


def test_s147_a_manual_trade_is_followed_told_and_not_managed() -> None:
    trade = an_activity("FILL", None, "QQQ", "5", "10", side="buy")
    played = given(a_state()).when(listed(trade))
    assert (played.state.book.cash, held_of(played.state)) == (99_950, {"QQQ": 5})
    assert played.state.book.bought == {}
    assert played.the(e.AlertRaised).key == "manual trade"


def test_a_manual_sale_of_what_we_bought_leaves_us_less() -> None:
    trade = an_activity("FILL", None, "AAPL", "4", "10", side="sell")
    played = given(a_state(book=holding(AAPL="10"))).when(listed(trade))
    assert played.state.book.bought == {"AAPL": 6}


def test_a_fill_of_ours_that_we_missed_is_asked_for_by_id_and_not_booked_twice() -> None:
    order = an_order(status="working")
    fill = an_activity("FILL", None, "AAPL", "5", "10", side="buy")
    fill = replace(fill, broker_order_id=str(order.broker_order_id))
    played = given(a_state(orders=[order])).when(listed(fill))
    played.then(e.LookUpRequested(order.draft.order_id), fx.FetchOrder(order.draft.order_id))
    known = replace(order, filled_qty=Decimal(5))
    given(a_state(orders=[known])).when(listed(fill)).then_nothing()


def test_s034_fills_of_closed_runs_are_not_applied_again() -> None:
    state = a_state(closed_fills={"b-old": Decimal(5)})
    fill = an_activity("FILL", None, "AAPL", "5", "10", side="buy", broker_order_id="b-old")
    given(state).when(listed(fill)).then_nothing()


def test_s014_a_fill_told_after_its_run_was_closed_is_booked_as_ours() -> None:
    state = a_state(closed_fills={"b-old": Decimal(5)})
    fill = an_activity("FILL", None, "AAPL", "3", "10", side="buy", broker_order_id="b-old")
    played = given(state).when(listed(replace(fill, cum_qty=Decimal(8))))
    assert played.state.book.bought == {"AAPL": 3}
    assert played.state.book.cash == 99_970
    assert played.state.closed_fills == {"b-old": 8}


def test_a_fill_of_an_order_in_doubt_waits_for_the_broker_s_word() -> None:
    order = an_order(status="unknown")
    fill = an_activity("FILL", None, "AAPL", "5", "10", side="buy")
    given(a_state(orders=[order])).when(listed(fill)).then_nothing()


def test_a_fill_like_a_lapsed_order_is_asked_after_and_then_a_manual_trade() -> None:
    order = an_order(status="lapsed", broker_order_id=None)
    fill = an_activity("FILL", None, "AAPL", "5", "10", side="buy")
    asked = given(a_state(orders=[order])).when(listed(fill))
    asked.then(e.LookUpRequested, fx.FetchOrder)
    later = e.OrderNotFound(order.draft.order_id, NOW + secs(61))
    played = given(asked.state).when(later, listed(fill))
    assert played.the(e.ActivityBooked).note == "manual trade"


def test_a_not_found_from_before_a_fill_is_no_proof_that_the_fill_is_not_ours() -> None:
    """Found by simulation: the look-up overtook the order, whose fill was then booked twice."""
    order = an_order(status="unknown", side="sell", broker_order_id=None)
    fill = an_activity("FILL", None, "AAPL", "10", "100", side="sell")
    state = a_state(orders=[order], book=holding(AAPL="10"))
    overtaken = e.OrderNotFound(order.draft.order_id, NOW - secs(10))
    played = given(state).when(overtaken, listed(fill))
    assert played.state.book.positions == {"AAPL": 10}


# What is in the book already.


def test_the_first_list_is_noted_where_the_book_was_taken_whole() -> None:
    book = replace(holding(), adopted_at=NOW)
    state = a_state(book=book, activities=ActivityLog())
    new = an_activity("CSD", "500", at=NOW + secs(1), id_="new")
    by_day = an_activity("DIV", "5", at=None, id_="by day")
    played = given(state).when(listed(FEE, by_day, new), at=NOW + secs(2))
    assert played.the(e.ActivitiesNoted).ids == (FEE.activity_id, "by day")
    assert played.state.book.cash == 100_500


def test_cash_that_was_followed_before_it_was_named_is_not_moved_twice() -> None:
    state = a_state(book=replace(holding(), unnamed_cash=Decimal("-0.90")))
    played = given(state).when(listed(an_activity("FEE", "-0.90")))
    assert played.state.book.cash == 100_000
    assert played.state.book.unnamed_cash == 0


def test_a_trade_told_after_its_symbol_was_adopted_moves_cash_alone() -> None:
    seen = {"snapshot": a_snapshot(positions=[a_position("QQQ", "5", "10")], cash="99950")}
    state = given(a_state(seen=seen)).when(e.AdoptRequested("op", Symbol("QQQ"))).state
    trade = an_activity("FILL", None, "QQQ", "5", "10", side="buy")
    played = given(state).when(listed(trade))
    assert (played.state.book.cash, held_of(played.state)) == (99_950, {"QQQ": 5})


def test_a_list_of_thousands_is_booked_in_parts() -> None:
    fees = [an_activity("FEE", "-1", id_=str(n)) for n in range(450)]
    played = given(a_state()).when(listed(*fees))
    assert len(played.all(e.ActivityBooked)) == 200
    played.then_some(fx.FetchActivities).then_none_of(e.ActivitiesNoted)
    played = given(played.state).when(listed(*fees), listed(*fees))
    assert played.state.book.cash == 99_550


def test_ids_are_remembered_as_long_as_a_list_may_reach_back() -> None:
    old = ActivityLog({"old": NOW - timedelta(days=9), "new": NOW - timedelta(days=5)}, BORN)
    played = given(a_state(activities=old)).when(listed(FEE))
    assert set(played.state.activities.heard) == {"new", FEE.activity_id}


# When the list is asked for.


def test_a_difference_asks_at_once_and_a_failed_list_is_no_empty_one_s020() -> None:
    state = a_state(book=holding(AAPL="10"), now=NOW + secs(3))
    seen = given(state).when(a_snapshot(NOW + secs(3)))
    seen.then_some(e.DriftSeen(("AAPL",)), fx.FetchActivities)
    failed = given(seen.state).when(e.FetchFailed("activities", "reset"))
    much_later = NOW + secs(600)
    played = given(failed.state).when(a_snapshot(much_later), at=much_later)
    played.then_none_of(e.DriftFound)
    assert played.state.mode is Mode.REDUCE_ONLY
    retried = given(played.state).when(e.Ticked(), at=much_later)
    retried.then_some(fx.FetchActivities)
    read = given(retried.state).when(listed(asked_at=much_later), at=much_later)
    given(read.state).when(a_snapshot(much_later), at=much_later).then_some(e.DriftFound)


def test_it_is_asked_for_once_a_day_without_any_difference() -> None:
    day_old = {"activities_at": NOW - timedelta(days=1), "activities_asked_at": BORN}
    given(a_state(seen=day_old)).when(e.Ticked()).then_some(fx.FetchActivities)
    given(a_state()).when(e.Ticked()).then_none_of(fx.FetchActivities)


# Cash.


@pytest.mark.parametrize(
    ("sold", "gap", "is_within"),
    [("0", "1.00", True), ("0", "1.01", False), ("50000", "6.00", True), ("50000", "6.01", False)],
)
def test_cash_is_equal_within_a_dollar_and_a_hundredth_of_a_percent_of_the_day_s_sells(
    sold, gap, is_within
) -> None:
    book = replace(holding(), sold=Decimal(sold), sold_on=DAY)
    cash = str(100_000 - Decimal(gap))
    played = given(a_state(book=book)).when(a_snapshot(cash=cash))
    assert bool(played.all(e.CashRestated)) is is_within
    assert bool(played.all(e.CashDriftSeen)) is not is_within
    yesterday = replace(book, sold_on=DAY - timedelta(days=1))
    played = given(a_state(book=yesterday)).when(a_snapshot(cash=cash))
    assert bool(played.all(e.CashRestated)) is (Decimal(gap) <= 1)


@pytest.mark.parametrize("theirs", ["99000", "101000"])
def test_unexplained_cash_is_told_once_and_the_lower_figure_counts(theirs) -> None:
    from atlas_daemon.core.runs import managed_equity

    from .builders import POLICY

    differs = given(a_state()).when(a_snapshot(cash=theirs))
    read = given(differs.state).when(listed(asked_at=NOW), at=NOW)
    played = given(read.state).when(a_snapshot(LATER, cash=theirs), at=LATER)
    assert played.the(e.AlertRaised).key == "cash"
    assert played.state.mode is Mode.TRADING
    assert played.state.book.cash == 100_000
    assert managed_equity(played.state, POLICY) == min(100_000, int(theirs))
    given(played.state).when(a_snapshot(LATER, cash=theirs)).then(e.BookMatched)
    adopted = given(played.state).when(e.AdoptRequested("op", None))
    assert (adopted.state.book.cash, adopted.state.cash_dispute) == (int(theirs), None)
    late = an_activity("JNLC", str(int(theirs) - 100_000))
    assert given(adopted.state).when(listed(late)).state.book.cash == int(theirs)


def test_s060_a_difference_is_always_an_entry() -> None:
    differs = given(a_state()).when(a_snapshot(cash="99999.50"))
    assert [type(x.event) for x in differs.turn.entries].count(e.CashRestated) == 1


# Whole days.


PICKS = ten_picks()[:3]


def a_day(**more) -> World:
    world = a_world(picks=PICKS, held={"B": Decimal(30)}, cash=Decimal(5000), **more)
    return world.run(OPEN - timedelta(minutes=20))


def equal(world: World) -> bool:
    return world.state.book.positions == world.held and world.state.book.cash == world.cash


def test_a_split_overnight_is_explained_and_freezes_nothing() -> None:
    world = a_day()
    world.held["B"] *= 4
    world.prices["B"] /= 4
    world.activity("SPLIT", "B", Decimal(90), net=Decimal(0))
    world.run(is_done())
    assert world.events(e.DriftFound) == []
    assert equal(world)


def test_s058_a_dividend_in_the_middle_of_a_run_is_booked() -> None:
    world = a_day()
    world.run(has(e.OrderSubmitted))
    world.cash += Decimal("77.70")
    world.activity("DIV", "B", Decimal(30), net=Decimal("77.70"))
    world.run(is_done())
    assert len(world.events(e.ActivityBooked)) == 1
    assert world.events(e.CashUnexplained) == []
    assert equal(world)


def test_s147_a_manual_trade_amid_a_run_is_explained_by_its_fill() -> None:
    world = a_day()
    world.run(has(e.OrderSubmitted))
    world.prices["QQQ"] = Decimal(10)
    world.held["QQQ"], world.cash = Decimal(5), world.cash - 50
    world.activity("FILL", "QQQ", Decimal(5), Decimal(10), side="buy")
    world.run(is_done())
    assert world.events(e.DriftFound) == []
    assert equal(world)
    assert world.state.book.bought.get("QQQ") is None


def test_s020_without_activities_nothing_is_bought_and_it_is_asked_until_they_come() -> None:
    world = a_day(faults=Faults(activities=lambda: True))
    world.cash -= 200
    world.run(OPEN + timedelta(minutes=30))
    assert world.state.mode is Mode.REDUCE_ONLY
    assert "no activities: reset" in world.state.mode_reason
    assert world.orders == {}
    world.activity("CSW", net=Decimal(-200))
    world.faults.activities = lambda: False
    world.run(is_done())
    assert equal(world)
    assert world.events(e.CashUnexplained) == []


def test_s016_a_second_start_on_an_unchanged_broker_adds_nothing_to_the_books() -> None:
    world = a_day()
    world.run(is_done())
    world.run(world.now + timedelta(minutes=20))
    for _ in range(2):
        written = len(world.journal)
        world.crash()
        world.run(world.now + timedelta(minutes=20))
        kinds = {type(entry.event) for entry in world.journal[written:]}
        books = {e.ActivityBooked, e.ActivitiesNoted, e.CashRestated, e.BookAdopted, e.FillBooked}
        assert not kinds & books
        assert not kinds & {e.DriftFound, e.OrderStepped, e.OrderAdopted, e.ForeignOrderFound}
    assert equal(world)


def test_a_frozen_symbol_thaws_when_its_activity_comes_late() -> None:
    world = a_day()
    world.held["B"] *= 2
    world.run(has(e.DriftFound))
    world.activity("SPLIT", "B", Decimal(30), net=Decimal(0))
    world.run(has(e.DriftExplained))
    assert world.state.frozen == {}
    assert equal(world)


def test_a_symbol_thaws_when_the_broker_shows_our_quantity_again_and_goes_on_to() -> None:
    world = a_day()
    world.held["B"] *= 2  # its positions tell of something else for a while
    world.run(has(e.DriftFound))
    world.held["B"] /= 2
    frozen_at = world.now
    world.run(has(e.DriftExplained))
    assert world.now - frozen_at >= world.policy.grace
    assert world.state.frozen == {}
    assert equal(world)


@pytest.mark.parametrize("is_overfilled", [False, True])
def test_one_look_that_agrees_thaws_nothing_and_no_look_thaws_an_overfill(is_overfilled) -> None:
    state = a_state(
        book=holding(AAPL="10"),
        frozen={Symbol("AAPL"): "we have 10, the broker has 12"},
        overfilled=frozenset({Symbol("AAPL")} if is_overfilled else ()),
    )
    looks = [a_snapshot(positions=[a_position("AAPL", q)]) for q in ("10", "12", "10", "10")]
    for seconds, look in zip((0, 6, 12, 13), looks, strict=True):
        at = NOW + secs(seconds)
        state = given(state).when(replace(look, asked_at=at), at=at).state
        assert state.frozen
    at = NOW + secs(18)
    state = given(state).when(replace(looks[0], asked_at=at), at=at).state
    assert bool(state.frozen) is is_overfilled


def test_a_list_that_keeps_failing_is_asked_for_slowly_and_told_once() -> None:
    state = a_state(
        book=holding(AAPL="10"),
        seen={
            "snapshot": a_snapshot(positions=[a_position("AAPL", "12")]),
            "drift_at": NOW,
            "activities_at": NOW - secs(60),
            "drift_symbols": (Symbol("AAPL"),),
            "activities_asked_at": NOW,
        },
    )
    asked, told = [], []
    for second in range(1, 61):
        at = NOW + secs(second)
        failed = given(state).when(e.FetchFailed("activities", "reset"), at=at)
        ticked = given(failed.state).when(e.Ticked(), at=at)
        state = ticked.state
        told += [alert for alert in failed.all(e.AlertRaised) if alert.key == "activities"]
        asked += [second for _ in ticked.all(fx.FetchActivities)]
    assert asked == [15, 30, 45, 60]
    assert len(told) == 1


KINDS = st.sampled_from(["FEE", "DIV", "CSD", "JNLC", "INT"])
AMOUNTS = st.decimals("-50", "500", places=2)


@drawn(
    st.lists(st.tuples(KINDS, AMOUNTS), max_size=8),
    st.data(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_lists_in_any_parts_and_repeats_give_the_same_cash(moves, data) -> None:
    paid = [an_activity(k, str(a), id_=str(n)) for n, (k, a) in enumerate(moves)]
    state = a_state()
    for _ in range(4):
        part = [a for a in paid if data.draw(st.booleans())]
        state = given(state).when(listed(*part)).state
    state = given(state).when(listed(*paid)).state
    assert state.book.cash == 100_000 + sum((a for _, a in moves), Decimal(0))
