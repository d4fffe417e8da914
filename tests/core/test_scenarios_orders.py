"""Scenarios of orders: counted questions, odd answers, clocks that differ, streams that return."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import BrokerOrderId, Mode, OrderId
from atlas_daemon.core.views import status_of

from .builders import (
    NOW,
    POLICY,
    a_draft,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_order,
    filled,
    holding,
    reported,
    secs,
)
from .playbook import given
from .world import a_world, is_done, ten_picks

WORKING = an_order(qty="10")
UNKNOWN = an_order(status="unknown")
AN_ID = WORKING.draft.order_id


def not_found(seconds: float) -> e.OrderNotFound:
    return e.OrderNotFound(AN_ID, NOW + secs(seconds))


def at(state, event: e.Event, seconds: float):
    return given(state).when(event, at=NOW + secs(seconds))


# Questions after an order: counted, and over with its end.


def test_s038_two_answers_that_count_end_the_questions_and_so_does_the_order_s_end() -> None:
    state = a_state(orders=[UNKNOWN])
    at(state, e.Ticked(), 41).then_some(fx.FetchOrder(AN_ID))
    state = at(state, not_found(41), 41).state
    lapsed = at(state, not_found(101), 101).the(e.OrderStepped)
    assert (lapsed.status, lapsed.reason) == (
        "lapsed",
        "not found at 14:36:41 and 14:37:41 UTC",
    )
    for last in (not_found(101), reported(UNKNOWN, "canceled"), filled(UNKNOWN, "10", "10")):
        after = at(state, last, 101).state
        at(after, e.Ticked(), 300).then_none_of(fx.FetchOrder, fx.CancelOrder)


def test_s050_a_not_found_from_before_the_order_was_found_or_sent_again_does_not_count() -> None:
    state = at(a_state(orders=[UNKNOWN]), not_found(41), 41).state
    found = at(state, reported(UNKNOWN, "new"), 50).state
    at(found, not_found(101), 101).then_none_of(e.OrderStepped)
    again = at(state, e.OrderSubmitted(AN_ID, 2), 42).state
    lost = at(again, e.SubmitUnconfirmed(AN_ID, "timeout"), 52).state
    first = at(lost, not_found(101), 101)
    first.then_none_of(e.OrderStepped)
    at(first.state, not_found(161), 161).then_some(e.OrderStepped)


def test_s071_an_order_in_doubt_that_is_found_cancelled_keeps_what_it_filled() -> None:
    played = given(a_state(orders=[UNKNOWN])).when(reported(UNKNOWN, "canceled", "4", "25"))
    played.then(e.FillBooked, e.OrderStepped)
    order = played.state.orders[AN_ID]
    assert (str(order.status), order.filled_qty, order.filled_avg_price) == ("canceled", 4, 25)
    assert played.state.book.positions == {"AAPL": 4}
    assert played.state.book.cash == 99_900


@pytest.mark.parametrize("status", ["sending", "unknown", "working", "canceling"])
def test_s098_an_order_is_not_asked_for_again_while_its_request_is_under_way(status: str) -> None:
    order = an_order(status=status)
    state = a_state(orders=[order], run=a_run())
    offers = {"no_duplicate_order": a_draft(round_=2)}
    if status != "unknown":  # that one is offered again, under its own id
        offers["order_id"] = order.draft
    for rule, draft in offers.items():
        played = given(state).when(e.OrderDrafted(draft))
        assert played.the(e.OrderRefused).rule == rule
        played.then_none_of(fx.SubmitOrder)
    given(state).when(e.RebalanceRequested("op", force=True)).then_some(e.RequestDenied)


def test_s098_a_cancel_under_way_is_not_asked_for_again() -> None:
    canceling = an_order(status="canceling", is_cancel_wanted=True)
    for seconds in (1, 10, 39):
        at(a_state(orders=[canceling]), e.Ticked(), seconds).then_none_of(fx.CancelOrder)


@pytest.mark.parametrize("status", ["canceled", "pending_cancel", "expired", "rejected"])
def test_s102_the_end_of_an_order_that_nobody_tracks_changes_nothing(status: str) -> None:
    stranger = reported(WORKING, status, order_id=OrderId("somebody-1"))
    played = given(a_state()).when(stranger)
    played.then_none_of(fx.CancelOrder, fx.SubmitOrder, e.OrderStepped, e.FillBooked)
    assert played.state.book == a_state().book
    assert played.state.orders == {}
    closed = a_state(run_ids=frozenset({WORKING.draft.run_id}))
    given(closed).when(reported(WORKING, status)).then_nothing()


def test_s093_news_without_any_id_is_on_record_and_moves_no_order() -> None:
    nameless = replace(
        reported(WORKING, "filled", "10", "25", source="stream"),
        order_id=OrderId(""),
        broker_order_id=BrokerOrderId(""),
    )
    played = given(a_state(orders=[WORKING])).when(nameless)
    played.then_none_of(e.FillBooked, e.OrderStepped)
    assert played.state.orders[AN_ID] == WORKING


# Fills.


def test_s090_executions_that_add_up_to_more_than_the_broker_s_total_are_not_summed() -> None:
    state = at(a_state(orders=[WORKING]), filled(WORKING, "6", "6"), 0).state
    played = at(state, filled(WORKING, "6", "8", execution="x2"), 1)
    assert sum(booked.qty for booked in played.all(e.FillBooked)) == 2
    assert played.state.orders[AN_ID].filled_qty == 8
    # Positions and listings make no fill: what they show beyond the orders is a difference.
    more = a_snapshot(NOW + secs(9), positions=[a_position("AAPL", "30")])
    at(a_state(book=holding(AAPL="10")), more, 9).then_none_of(e.FillBooked)


@drawn(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
@settings(max_examples=40)
def test_s090_what_is_booked_is_the_broker_s_total_whatever_is_repeated_or_late(
    parts: list[int], data
) -> None:
    order = an_order(qty=str(sum(parts)))
    news, total = [], 0
    for number, part in enumerate(parts):
        total += part
        news.append(filled(order, str(part), str(total), execution=f"x{number}"))
    state = a_state(orders=[order])
    for event in [*data.draw(st.lists(st.sampled_from(news), max_size=12)), news[-1]]:
        state = given(state).when(event).state
    assert state.orders[order.draft.order_id].filled_qty == total
    assert state.book.positions == {"AAPL": total}


@pytest.mark.parametrize("hours", [-72, -1, 1, 72])
def test_s107_a_stale_or_future_time_of_the_broker_stands_beside_ours_and_rules_nothing(
    hours: int,
) -> None:
    theirs = NOW + timedelta(hours=hours)
    fill = filled(WORKING, "10", "10", filled_at=theirs)
    played = at(a_state(orders=[WORKING]), fill, 3)
    heard, booked = played.turn.entries[0], played.turn.entries[1]
    assert (heard.at, heard.event.filled_at) == (NOW + secs(3), theirs)
    assert (booked.at, type(booked.event)) == (NOW + secs(3), e.FillBooked)
    assert played.state.now == played.state.book.changed_at == NOW + secs(3)
    word = reported(WORKING, "canceled", reported_at=theirs)
    ended = at(a_state(orders=[WORKING]), word, 3).state
    assert ended.orders[AN_ID].changed_at == NOW + secs(3)


# Figures: asked for once, compared at rest.


def test_s057_orders_and_positions_are_asked_for_together_and_not_again_before_an_answer() -> None:
    asked = {"asked_at": NOW, "snapshot": a_snapshot(NOW - secs(60)), "drift_at": NOW}
    for seconds in (1, 5, 39):
        at(a_state(seen=asked), e.Ticked(), seconds).then_none_of(fx.FetchFigures)
    at(a_state(seen=asked), e.Ticked(), 40).then_some(fx.FetchFigures)


def test_s057_s046_positions_are_not_compared_while_an_order_is_looked_at() -> None:
    state = a_state(orders=[WORKING], book=holding(AAPL="5"))
    given(state).when(a_snapshot(NOW)).then_none_of(e.DriftSeen, e.BookMatched, e.CashDriftSeen)


def test_s058_cash_asked_for_before_a_fill_is_not_compared_and_asked_for_again() -> None:
    filled_at = NOW + secs(2)
    state = a_state(book=replace(holding(cash="99000", AAPL="10"), changed_at=filled_at))
    before = at(state, a_snapshot(NOW + secs(1)), 3)  # asked for a second before the fill
    before.then_none_of(e.CashRestated, e.CashDriftSeen, e.DriftSeen)
    assert before.state.book.cash == 99_000
    world = a_world(picks=ten_picks()[:2])
    world.run(is_done())
    booked_at = max(x.at for x in world.journal if isinstance(x.event, e.FillBooked))
    assert world.state.figures.snapshot.asked_at >= booked_at
    assert world.state.book.cash == world.cash


def test_s099_figures_that_were_asked_for_earlier_do_not_replace_later_ones() -> None:
    newer = a_snapshot(NOW, positions=[a_position("AAPL", "10")])
    state = a_state(book=holding(AAPL="10"), seen={"snapshot": newer})
    older = at(state, a_snapshot(NOW - secs(30)), 1)
    assert older.state.figures.snapshot == newer
    older.then_none_of(e.DriftSeen, e.DriftFound)


# The stream comes back.


BACK = {"stream": "lost", "stream_at": NOW - secs(30)}


def reason_of(state) -> str:
    return status_of(state, POLICY, state.now)["daemon"]["reason"]


def test_s114_a_reconnect_that_finds_a_difference_stays_reducing_and_does_not_halt() -> None:
    state = a_state(mode=Mode.REDUCE_ONLY, book=holding(AAPL="10"), seen=BACK)
    state = at(state, e.StreamReported("listening"), 1).state
    assert reason_of(state) == "not reconciled since the stream opened"
    for seconds in (2, 4):
        state = at(state, a_snapshot(NOW + secs(seconds)), seconds).state
        assert state.mode is Mode.REDUCE_ONLY
        assert reason_of(state) == "positions differ"
    assert state.halt is None


def test_s114_a_reconnect_whose_questions_fail_stays_reducing_for_as_long_as_they_do() -> None:
    state = a_state(mode=Mode.REDUCE_ONLY, seen=BACK)
    state = at(state, e.StreamReported("listening"), 1).state
    for seconds in range(2, 600, 30):
        state = at(state, e.FetchFailed("snapshot", "reset"), seconds).state
        state = at(state, e.Ticked(), seconds + 1).state
        assert (state.mode, state.halt) == (Mode.REDUCE_ONLY, None)
    whole = a_snapshot(NOW + secs(700))
    assert at(state, whole, 700).state.mode is Mode.TRADING
