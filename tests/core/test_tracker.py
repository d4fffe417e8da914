"""News of orders: late, twice, out of order, odd. Fills move by increases."""

from dataclasses import replace
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import AccountMode, BrokerOrderId, Side

from .builders import (
    NOW,
    RUN,
    a_draft,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_activity,
    an_order,
    an_order_id,
    filled,
    holding,
    listed,
    reported,
    secs,
)
from .playbook import given

WORKING = an_order(qty="10")
HALF = WORKING.with_fill(Decimal(4), Decimal(100), "x1", NOW)
DONE = an_order(qty="10", status="filled", filled_qty=Decimal(10), filled_value=Decimal(1000))
SENDING, UNKNOWN = an_order(status="sending"), an_order(status="unknown")
AN_ID = WORKING.draft.order_id


def having(order, **more):
    return a_state(orders=[order], **more)


def test_a_fill_moves_cash_and_shares() -> None:
    after = given(having(WORKING)).when(filled(WORKING, "4", "4", "25")).state
    assert after.book.cash == 99_900
    assert after.book.positions == {"AAPL": 4}
    assert after.book.bought == {"AAPL": 4}


def test_a_known_execution_is_booked_once() -> None:
    given(having(HALF)).when(filled(HALF, "4", "4", "100", status="new")).then_nothing()


@pytest.mark.parametrize(("qty", "total", "price"), [("4", "4", "25"), ("6", "6", "100")])
def test_s080_the_same_execution_id_with_other_figures_is_a_conflict_and_not_applied(
    qty: str, total: str, price: str
) -> None:
    other = filled(HALF, qty, total, price)
    played = given(having(HALF)).when(other)
    played.then(
        e.ExecutionDisputed(AN_ID, "x1", Decimal(4), Decimal(100), Decimal(qty), Decimal(price)),
        e.AlertRaised,
        fx.SendAlert,
        e.LookUpRequested,
        fx.FetchOrder(AN_ID),
    )
    assert played.the(e.AlertRaised).level == "critical"
    assert played.state.book == having(HALF).book
    assert played.state.orders[AN_ID].filled_qty == 4
    given(played.state).when(other).then_nothing()  # told once
    given(played.state).when(filled(HALF, "4", "4", status="new")).then_nothing()
    word = reported(HALF, "partially_filled", total, "100")  # the broker's own word counts
    assert given(played.state).when(word).state.orders[AN_ID].filled_qty == int(total)


def test_s081_executions_that_were_missed_are_booked_with_the_next() -> None:
    news = filled(HALF, "2", "10", "110", filled_avg_price=Decimal(106), execution="x3")
    played = given(having(HALF)).when(news)
    missed, booked = played.all(e.FillBooked)
    assert (missed.qty, missed.price, missed.filled_qty) == (4, 110, 8)
    assert (booked.qty, booked.price, booked.filled_qty) == (2, 110, 10)
    assert (missed.execution_id, booked.execution_id) == ("", "x3")
    assert (missed.is_complete, booked.is_complete) == (False, True)
    assert played.state.orders[AN_ID].filled_avg_price == 106


def test_an_execution_of_which_a_look_up_told_a_part_has_no_figures_to_be_disputed() -> None:
    part = filled(HALF, "5", "8", "110", filled_avg_price=Decimal(105), execution="x2")
    played = given(having(HALF.with_fill(Decimal(1), Decimal(110), "", NOW))).when(part)
    assert played.the(e.FillBooked).qty == 3
    given(played.state).when(part).then_nothing()


def test_a_gap_without_an_average_is_asked_after_and_not_guessed() -> None:
    news = filled(HALF, "2", "10", filled_avg_price=None, execution="x3")
    given(having(HALF)).when(news).then(e.LookUpRequested(AN_ID), fx.FetchOrder(AN_ID))


def test_an_average_rounded_below_what_was_paid_falls_back_to_the_executions_price() -> None:
    news = filled(HALF, "2", "10", "7", filled_avg_price=Decimal(1), execution="x3")
    assert given(having(HALF)).when(news).the(e.FillBooked).price == 7


def test_s082_a_lower_cumulative_figure_is_an_older_frame() -> None:
    given(having(HALF)).when(
        reported(HALF, "partially_filled", "3", "100", source="stream")
    ).then_none_of(e.FillBooked)


def test_s084_a_fill_before_the_submits_own_answer_is_matched_by_our_id() -> None:
    played = given(having(SENDING)).when(filled(SENDING, "10", "10"))
    played.then(e.FillBooked, e.OrderStepped)
    assert played.state.orders[AN_ID].status == "filled"


def test_s085_a_late_fill_beats_a_pending_cancel() -> None:
    canceling = an_order(status="canceling")
    played = given(having(canceling)).when(filled(canceling, "10", "10"))
    assert played.state.orders[AN_ID].status == "filled"


def test_s086_a_fill_after_the_end_is_recorded_and_told() -> None:
    canceled = an_order(status="canceled")
    played = given(having(canceled)).when(filled(canceled, "10", "10"))
    played.then_some(e.FillBooked, e.OrderStepped, e.AlertRaised)
    assert played.state.book.positions == {"AAPL": 10}


def test_s088_a_late_part_after_the_whole_is_ignored() -> None:
    given(having(DONE)).when(filled(DONE, "4", "4", execution="x0")).then_nothing()


@pytest.mark.parametrize(
    "news", [filled(WORKING, "12", "12"), reported(WORKING, "filled", "12", "100")]
)
def test_s089_a_fill_beyond_the_order_is_booked_as_it_is_and_freezes_the_symbol(news) -> None:
    played = given(having(WORKING)).when(news)
    played.then_some(e.FillBooked, e.OrderOverfilled(AN_ID, "AAPL", Decimal(10), Decimal(12)))
    booked = played.the(e.FillBooked)
    assert (booked.qty, booked.is_complete) == (Decimal(12), True)
    assert [x.level for x in played.all(e.AlertRaised)] == ["critical"]
    assert played.state.book.positions == {"AAPL": 12}
    assert played.state.frozen == {"AAPL": f"{AN_ID} of 10 filled 12"}
    more = a_draft("AAPL", "sell", "2", round_=2)
    state = replace(played.state, run=a_run(), orders={})
    refused = given(state).when(e.OrderDrafted(more)).the(e.OrderRefused)
    assert refused.rule == "frozen"


def test_s089_the_operator_alone_takes_an_overfilled_symbol_s_freeze_off() -> None:
    state = given(having(WORKING)).when(filled(WORKING, "12", "12")).state
    state = given(state).when(a_snapshot(positions=[a_position("AAPL", "12")], cash="98800")).state
    manual = an_activity("FILL", None, "AAPL", "3", "10", side="sell")
    traded = given(state).when(listed(manual)).then_none_of(e.DriftExplained).state
    assert "AAPL" in traded.frozen
    sold_out = given(state).when(a_snapshot(positions=[], cash="98800")).state
    for seen in (state, sold_out):
        adopted = given(seen).when(e.AdoptRequested("op", "AAPL")).state
        assert (adopted.frozen, adopted.overfilled) == ({}, frozenset())


def test_s092_a_cancel_without_fills_fills_nothing() -> None:
    given(having(WORKING)).when(reported(WORKING, "canceled")).then(e.OrderStepped)


def test_a_cancel_brings_the_fills_that_were_missed_first() -> None:
    played = given(having(HALF)).when(reported(HALF, "canceled", "6", "100"))
    played.then(e.FillBooked, e.OrderStepped)
    assert played.the(e.FillBooked).qty == 2


def test_s106_shares_at_a_price_nobody_told_are_asked_after() -> None:
    given(having(WORKING)).when(reported(WORKING, "filled", "10")).then(
        e.LookUpRequested(AN_ID), fx.FetchOrder(AN_ID)
    )


def test_an_average_too_coarse_for_the_gap_is_taken_as_the_price() -> None:
    news = reported(HALF, "partially_filled", "5", "10")
    assert given(having(HALF)).when(news).the(e.FillBooked).price == 10


@pytest.mark.parametrize("status", ["done_for_day", "suspended", "stopped", "calculated", "held"])
def test_s095_odd_statuses_leave_an_order_working(status: str) -> None:
    played = given(having(WORKING)).when(reported(WORKING, status))
    assert played.state.orders[AN_ID].status == "working"
    assert played.state.orders[AN_ID].broker_status == status


def test_s096_an_unknown_status_is_told_once_and_is_no_end() -> None:
    played = given(having(WORKING)).when(reported(WORKING, "melted"))
    played.then_some(e.AlertRaised, e.OrderStepped)
    assert played.state.orders[AN_ID].status == "working"
    given(played.state).when(reported(WORKING, "melted")).then_nothing()


def test_s097_an_unreadable_frame_is_told_and_every_open_order_asked_after() -> None:
    played = given(having(WORKING)).when(e.FrameUnread("no json", "\x00"))
    played.then(e.AlertRaised, fx.SendAlert, e.LookUpRequested, fx.FetchOrder)


def test_a_frame_about_an_order_that_is_done_has_the_account_looked_at() -> None:
    bust = e.FrameUnread("trade_bust of order x", "trade_bust")
    played = given(a_state()).when(bust, at=NOW + secs(2))
    played.then(e.AlertRaised, fx.SendAlert, e.FiguresRequested, fx.FetchFigures)
    given(played.state).when(bust, at=NOW + secs(11)).then_nothing()


def test_s097_a_flood_of_unreadable_frames_is_told_every_10_seconds_with_its_count() -> None:
    state = given(having(WORKING)).when(e.FrameUnread("no json", "")).state
    for _ in range(500):
        turn = given(state).when(e.FrameUnread("no json", ""), at=NOW + secs(9)).then_nothing()
        state = turn.state
    told = given(state).when(e.Ticked(), at=NOW + secs(10)).the(e.AlertRaised)
    assert told.text == "unreadable stream frames: 500, the latest a while ago"
    told = given(state).when(e.FrameUnread("{", ""), at=NOW + secs(10)).the(e.AlertRaised)
    assert told.text == "unreadable stream frames: 501, the latest: {"


def test_s099_an_earlier_word_adds_nothing() -> None:
    given(having(WORKING)).when(reported(WORKING, "accepted")).then_nothing()
    given(having(WORKING)).when(reported(WORKING, "new")).then_nothing()


def test_s100_a_listing_that_shows_it_filled_ends_it() -> None:
    news = reported(WORKING, "filled", "10", "100", source="list")
    assert given(having(WORKING)).when(news).state.orders[AN_ID].is_done


def test_another_quantity_under_our_id_is_on_record_and_the_brokers_figures_stand() -> None:
    news = reported(SENDING, "new", qty=Decimal(7), side=Side.SELL)
    played = given(having(SENDING)).when(news)
    assert "side sell, ours buy; qty 7, ours 10" in played.the(e.OrderDisputed).detail


def stranger(**more):
    foreign = an_order(draft=a_draft("TSLA", order_id="somebody-1"))
    return replace(reported(foreign, "new"), **more)


def test_s094_a_frame_of_an_unknown_order_is_recorded_as_foreign() -> None:
    found = given(a_state()).when(stranger()).the(e.ForeignOrderFound)
    assert (found.symbol, found.carries_our_prefix) == ("TSLA", False)


def test_a_foreign_order_is_told_once_and_its_end_is_no_news() -> None:
    played = given(a_state()).when(stranger(), stranger())
    played.then_nothing()
    given(a_state()).when(stranger(status="canceled")).then_nothing()
    given(a_state()).when(stranger(filled_qty=Decimal(1))).then_nothing()


def test_an_order_of_a_run_closed_long_ago_is_not_foreign() -> None:
    state = a_state(run_ids=frozenset({RUN}))
    given(state).when(reported(WORKING, "new")).then_nothing()
    given(state).when(filled(WORKING, "0", "0")).then_nothing()


def test_s061_a_refusal_of_the_second_request_is_no_word_on_the_first() -> None:
    again = an_order(status="sending", sends=2)
    no = e.SubmitRefused(AN_ID, "other", 403, None, "no")
    given(having(again)).when(no).then(
        e.OrderStepped(AN_ID, "unknown", "", None, "no"), e.LookUpRequested, fx.FetchOrder
    )


def test_a_second_request_that_never_left_leaves_the_first_in_doubt() -> None:
    again = an_order(status="sending", sends=2)
    played = given(having(again)).when(e.SubmitWithheld(AN_ID, "halted"))
    assert played.state.orders[AN_ID].status == "unknown"


@pytest.mark.parametrize(
    "answer",
    [
        e.SubmitRefused(an_order_id("TSLA"), "other", 403, None, "no"),
        e.SubmitWithheld(an_order_id("TSLA"), "halted"),
        e.SubmitUnconfirmed(an_order_id("TSLA"), "timeout"),
        e.OrderNotFound(an_order_id("TSLA"), NOW),
    ],
)
def test_an_answer_for_an_order_that_left_the_state_is_harmless(answer) -> None:
    given(a_state()).when(answer).then_nothing()


def test_s066_an_id_that_must_be_unique_is_looked_up_and_adopted() -> None:
    first = given(having(SENDING)).when(e.SubmitUnconfirmed(AN_ID, "must be unique"))
    first.then_some(fx.FetchOrder)
    after = given(first.state).when(reported(SENDING, "new", broker_order_id=BrokerOrderId("b1")))
    assert after.state.orders[AN_ID].broker_order_id == "b1"


def not_found(seconds: float) -> e.OrderNotFound:
    return e.OrderNotFound(AN_ID, NOW + secs(seconds))


def test_one_not_found_is_no_proof() -> None:
    given(having(UNKNOWN)).when(not_found(50), at=NOW + secs(50)).then_nothing()


def test_two_not_founds_far_apart_lapse_an_order_for_ever() -> None:
    state = given(having(UNKNOWN)).when(not_found(41), at=NOW + secs(41)).state
    early = given(state).when(not_found(100), at=NOW + secs(100))
    early.then_nothing()
    given(early.state).when(not_found(101), at=NOW + secs(101)).then(e.OrderStepped)


def test_s051_not_founds_while_the_request_may_travel_do_not_count() -> None:
    state = having(UNKNOWN)
    for seconds in (1, 20, 39):
        state = given(state).when(not_found(seconds), at=NOW + secs(seconds)).state
    given(state).when(not_found(95), at=NOW + secs(95)).then_nothing()


def test_s045_an_order_the_broker_knew_cannot_lapse() -> None:
    state = given(having(WORKING)).when(not_found(50)).state
    given(state).when(not_found(200)).then_nothing()


def test_s068_an_order_in_doubt_blocks_another_on_its_line() -> None:
    rival = a_draft(round_=2)
    state = having(UNKNOWN, run=a_run())
    refused = given(state).when(e.OrderDrafted(rival)).the(e.OrderRefused)
    assert refused.rule == "no_duplicate_order"


def test_s031_a_restart_doubts_what_was_being_sent() -> None:
    started = e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", False)
    played = given(having(SENDING)).when(started)
    played.then_some(e.OrderStepped, fx.FetchOrder)
    assert played.state.orders[AN_ID].status == "unknown"


def test_an_answer_that_never_came_is_doubted() -> None:
    state = having(SENDING, now=NOW + secs(41))
    given(state).when(e.Ticked()).then_some(e.OrderStepped, e.LookUpRequested, fx.FetchOrder)
    given(having(SENDING, now=NOW + secs(39))).when(e.Ticked()).then_none_of(fx.FetchOrder)


def test_open_orders_are_polled_behind_the_stream_and_faster_without_it() -> None:
    later = {"now": NOW + secs(3), "book": holding()}
    given(having(WORKING, **later)).when(e.Ticked()).then_none_of(fx.FetchOrder)
    blind = having(WORKING, seen={"stream": "lost"}, **later)
    given(blind).when(e.Ticked()).then_some(fx.FetchOrder(AN_ID))


def test_s047_all_open_orders_get_their_turn() -> None:
    symbols = [f"{a}{b}" for a in "ABCDE" for b in "ABCDE"]
    state = a_state(orders=[an_order(s) for s in symbols], now=NOW + secs(11))
    asked = set()
    for _ in range(25):
        played = given(state).when(e.Ticked())
        asked |= {effect.order_id for effect in played.all(fx.FetchOrder)}
        state = played.state
    assert asked == set(state.orders)


def test_a_cancel_of_a_done_order_steps_nothing() -> None:
    given(having(DONE)).when(e.CancelRequested(AN_ID, "late")).then_nothing()
