"""Orders that the journal lacks, another daemon, a mute stream, and news in any order."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from atlas_daemon.cli.status_text import status_text
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.runs import order_id_for, parse_order_id
from atlas_daemon.core.state import Book, Phase
from atlas_daemon.core.values import BrokerOrderId, Mode, OrderId, RunId, Side, Symbol
from atlas_daemon.core.views import status_of

from .builders import (
    BORN,
    NOW,
    a_policy,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_activity,
    an_open_order,
    an_order,
    an_order_id,
    filled,
    holding,
    listed,
    reported,
    secs,
    some_signals,
)
from .playbook import given
from .world import Faults, a_world, has, is_done, ten_picks

STARTING = {"seen": {"first_matched_at": None, "matched_at": None}, "mode": Mode.STARTING}
LEFT = an_open_order("AAPL", Side.BUY, an_order_id(), broker_order_id=BrokerOrderId("b9"))
WORKING = an_order(qty="10")
PICKS = ten_picks()[:3]


# The first book.


def test_the_first_book_is_adopted_from_two_equal_looks_a_grace_apart() -> None:
    fresh = replace(a_state(), book=Book(), figures=replace(a_state().figures, snapshot=None))
    old_cash = a_snapshot(NOW, [a_position()], cash="50000")  # read before a sell's cash
    looks = [(old_cash, 0), (a_snapshot(NOW + secs(2), [a_position()], cash="51000"), 2)]
    looks.append((replace(looks[1][0], asked_at=NOW + secs(6)), 6))
    state = fresh
    for look, after_s in looks:
        turn = given(state).when(look, at=NOW + secs(after_s)).then_none_of(e.BookAdopted)
        state = turn.state
    last = replace(looks[1][0], asked_at=NOW + secs(7))
    adopted = given(state).when(last, at=NOW + secs(7)).the(e.BookAdopted)
    assert (adopted.cash, adopted.positions) == (51000, (("AAPL", 10),))


def test_of_many_foreign_orders_the_latest_200_are_known_by_name() -> None:
    state = a_state()
    for number in range(250):
        found = e.ForeignOrderFound(
            BrokerOrderId(f"b{number}"), "x", "AAPL", Side.BUY, Decimal(5), False
        )
        state = evolve(state, e.Entry(number + 1, NOW, None, found))
    assert list(state.foreign) == [f"b{number}" for number in range(50, 250)]


# Orders under our prefix that the journal lacks.


@pytest.mark.parametrize(
    ("run", "symbol"), [("2027-02", "BRK.B"), ("force-20270310-1", "A"), ("a-r1-b", "X9")]
)
def test_s017_an_order_s_id_tells_its_run_side_and_symbol(run: str, symbol: str) -> None:
    opened = replace(a_run(), run_id=RunId(run))
    order_id = order_id_for(a_state(), opened, 3, Side.SELL, Symbol(symbol))
    assert parse_order_id(order_id) == (run, Side.SELL, symbol)


@pytest.mark.parametrize("other", ["atlas-x", "", "atlas-2027-02-r1-hold-A-1", "atlas--r1-buy-A-1"])
def test_an_id_that_we_never_made_names_no_run(other: str) -> None:
    assert parse_order_id(other) is None


def test_at_the_start_an_order_that_the_journal_lacks_joins_the_run_it_names() -> None:
    state = a_state(run=a_run(Phase.BUYING), **STARTING)
    played = given(state).when(a_snapshot(open_orders=[LEFT]))
    order_id = OrderId(LEFT.client_order_id)
    played.then_some(e.OrderAdopted, e.AlertRaised, fx.FetchOrder(order_id))
    played.then_none_of(e.CancelRequested, e.ForeignOrderFound, e.RivalSuspected)
    word = reported(played.state.orders[order_id], "filled", "5", "20")
    after = given(played.state).when(word).state
    assert (after.book.cash, after.book.bought) == (99_900, {"AAPL": 5})


def test_at_the_start_an_orphan_of_no_open_run_is_pulled() -> None:
    played = given(a_state(**STARTING)).when(a_snapshot(open_orders=[LEFT]))
    played.then_some(e.OrderAdopted, e.CancelRequested, fx.CancelOrder)


def test_the_same_while_running_is_another_daemon() -> None:
    played = given(a_state()).when(a_snapshot(open_orders=[LEFT]))
    played.then_some(e.ForeignOrderFound, e.RivalSuspected)
    assert [x.level for x in played.all(e.AlertRaised)] == ["critical"]
    assert played.state.mode is Mode.REDUCE_ONLY
    assert "another daemon" in played.state.mode_reason
    later = given(played.state).when(a_snapshot(NOW + secs(60)), at=NOW + secs(60))
    assert later.state.mode is Mode.REDUCE_ONLY  # its order is gone, it is not


def test_an_order_of_ours_listed_before_it_ended_is_nobody_else_s() -> None:
    state = a_state(closed_fills={"b9": Decimal(5)})
    given(state).when(a_snapshot(open_orders=[LEFT])).then_none_of(e.ForeignOrderFound)


def test_s094_news_of_an_order_that_the_start_will_adopt_is_not_called_foreign() -> None:
    news = reported(WORKING, "new", source="stream")
    given(a_state(**STARTING)).when(news).then_none_of(e.ForeignOrderFound)


@pytest.mark.parametrize(("after_s", "mode"), [(179, "reduce_only"), (180, "reduce_only")])
def test_a_stream_refused_for_three_minutes_is_another_daemon_s(after_s, mode) -> None:
    refused = {"stream": "refused", "stream_at": NOW, "refused_at": NOW, "clean_since": BORN}
    now = NOW + secs(after_s)
    state = given(a_state(seen=refused)).when(e.Ticked(), at=now).state
    is_rival = "another daemon" in state.mode_reason
    assert is_rival is (after_s >= 180)
    assert (state.mode is Mode.REDUCE_ONLY) is is_rival  # clean polling stands in until then


def test_tries_to_connect_amid_refusals_do_not_count_anew() -> None:
    state = a_state()
    for number, condition in enumerate(["refused", "connecting", "refused"]):
        state = given(state).when(e.StreamReported(condition), at=NOW + secs(number)).state
    assert state.figures.refused_at == NOW
    assert given(state).when(e.StreamReported("listening")).state.figures.refused_at is None


# Positions that differ.


def test_s010_a_short_position_is_never_bought_into() -> None:
    short = replace(a_position("AAPL", "5"), qty=Decimal(-5))
    seen = {"snapshot": a_snapshot(positions=[short])}
    book = holding(AAPL="-5")
    run = a_run(Phase.DUE, signals=some_signals())
    played = given(a_state(run=run, book=book, seen=seen)).when(e.Ticked())
    assert played.the(e.LineDropped).rule == "short"


@pytest.mark.parametrize(("ours", "theirs"), [("10", "4"), ("10", "0"), ("0", "7")])
def test_s009_s011_s013_an_unexplained_quantity_freezes_and_no_order_follows(ours, theirs) -> None:
    positions = [a_position("AAPL", theirs)] if theirs != "0" else []
    book = holding(**({"AAPL": ours} if ours != "0" else {}))
    later = NOW + secs(6)
    state = given(a_state(book=book)).when(a_snapshot(positions=positions)).state
    state = given(state).when(listed()).state
    played = given(state).when(a_snapshot(later, positions=positions), at=later)
    assert played.the(e.DriftFound).symbol == "AAPL"
    played.then_none_of(fx.SubmitOrder, e.BookAdopted)
    adopted = given(played.state).when(e.AdoptRequested("op", Symbol("AAPL"))).state
    assert adopted.book.positions.get("AAPL", 0) == Decimal(theirs)
    assert adopted.frozen == {}


@pytest.mark.parametrize(("after_s", "is_found"), [(4.9, False), (5, True)])
def test_a_difference_has_the_grace_window_to_heal(after_s, is_found) -> None:
    state = given(a_state(book=holding(AAPL="10"))).when(a_snapshot()).state
    state = given(state).when(listed()).state
    later = NOW + secs(after_s)
    played = given(state).when(a_snapshot(later), at=later)
    assert bool(played.all(e.DriftFound)) is is_found


def test_s049_a_difference_that_heals_begins_anew_when_it_returns() -> None:
    state = given(a_state(book=holding(AAPL="10"))).when(a_snapshot()).state
    healed = a_snapshot(NOW + secs(3), positions=[a_position("AAPL", "10")])
    state = given(state).when(healed, at=NOW + secs(3)).state
    assert (state.figures.drift_at, state.mode) == (None, Mode.TRADING)
    played = given(state).when(a_snapshot(NOW + secs(7)), at=NOW + secs(7))
    assert not played.all(e.DriftFound)


def test_s005_an_order_partly_filled_and_cancelled_while_down_keeps_its_fills() -> None:
    order = an_order(qty="10")
    played = given(a_state(orders=[order], **STARTING)).when(reported(order, "canceled", "4", "25"))
    assert played.state.book.positions == {"AAPL": 4}
    assert str(played.state.orders[order.draft.order_id].status) == "canceled"


def test_s018_news_under_the_broker_s_id_alone_makes_no_new_order() -> None:
    news = reported(WORKING, "filled", "10", "25", order_id=OrderId(""))
    played = given(a_state(orders=[WORKING])).when(news)
    assert len(played.state.orders) == 1


def test_s146_a_foreign_order_is_told_and_never_cancelled() -> None:
    played = given(a_state()).when(a_snapshot(open_orders=[an_open_order()]))
    assert played.the(e.AlertRaised).level == "warning"
    played.then_none_of(fx.CancelOrder, fx.CancelAllOrders, e.RivalSuspected)
    assert played.state.mode is Mode.TRADING


# A mute stream.


def test_s112_news_that_only_a_look_up_told_makes_the_stream_doubted() -> None:
    seen = given(a_state(orders=[WORKING])).when(reported(WORKING, "partially_filled", "4", "25"))
    waiting = given(seen.state).when(e.Ticked(), at=NOW + secs(4))
    waiting.then_none_of(e.StreamDoubted)
    doubted = given(seen.state).when(e.Ticked(), at=NOW + secs(5))
    doubted.then_some(e.StreamDoubted, e.AlertRaised, fx.FetchFigures)
    assert doubted.state.figures.stream == "doubted"
    assert doubted.state.mode is Mode.REDUCE_ONLY
    assert "stream doubted" in doubted.state.mode_reason


def test_s112_one_frame_of_the_stream_lifts_the_doubt() -> None:
    state = a_state(orders=[WORKING], seen={"stream": "doubted"}, mode=Mode.REDUCE_ONLY)
    for news in (filled(WORKING, "4", "4"), reported(WORKING, "new", source="stream")):
        played = given(state).when(news)
        played.then_some(e.StreamReported("listening", "it brings news again"), fx.FetchFigures)
    given(state).when(reported(WORKING, "new")).then_none_of(e.StreamReported)


def test_s112_a_stream_that_stays_mute_is_opened_anew() -> None:
    seen = {"stream": "doubted", "stream_at": NOW, "stream_detail": "no news of x"}
    state = a_state(orders=[WORKING], seen=seen, mode=Mode.REDUCE_ONLY)
    given(state).when(e.Ticked(), at=NOW + secs(29)).then_none_of(fx.ReopenStream)
    given(state).when(e.Ticked(), at=NOW + secs(30)).then_some(fx.ReopenStream("no news of x"))


def test_a_stream_that_is_only_a_moment_behind_is_believed() -> None:
    seen = given(a_state(orders=[WORKING])).when(reported(WORKING, "partially_filled", "4", "25"))
    told = given(seen.state).when(filled(WORKING, "4", "4", "25"))
    given(told.state).when(e.Ticked(), at=NOW + secs(9)).then_none_of(e.StreamDoubted)


def test_what_happened_before_the_stream_opened_is_not_held_against_it() -> None:
    old = reported(WORKING, "filled", "10", "25", reported_at=BORN)
    seen = given(a_state(orders=[WORKING])).when(old)
    given(seen.state).when(e.Ticked(), at=NOW + secs(9)).then_none_of(e.StreamDoubted)


def test_s112_a_stream_that_goes_mute_amid_a_run_is_noticed_within_30_seconds() -> None:
    world = a_world(picks=PICKS, held={"ZED": 50}, prices={"ZED": 100})
    world.run(lambda w: w.state.run is not None and w.state.run.phase is Phase.BUYING)
    world.faults = Faults(stream=lambda: False)
    world.run(has(e.OrderSubmitted, 2))
    began = world.now
    world.run(has(e.AlertRaised))
    world.run(lambda w: w.state.figures.stream == "doubted")
    assert world.now - began <= secs(30)
    world.run(is_done())
    assert world.state.book.positions == world.held


# News in any order.


ORDER = an_order(qty="10")
EXECUTIONS = [
    filled(ORDER, "3", "3", "20", execution="x1", filled_avg_price=Decimal(20)),
    filled(ORDER, "3", "6", "22", execution="x2", filled_avg_price=Decimal(21)),
    filled(ORDER, "4", "10", "26", execution="x3", filled_avg_price=Decimal(23)),
]
WORDS = [
    reported(ORDER, "partially_filled", "6", "21"),
    reported(ORDER, "filled", "10", "23"),
    reported(ORDER, "new"),
]
FILLS = listed(
    an_activity(
        "FILL", None, "AAPL", "4", "26", side="buy", broker_order_id=str(ORDER.broker_order_id),
        cum_qty=Decimal(10),
    ),
    an_activity("DIV", "7", "AAPL"),
)  # fmt: skip
SNAPSHOTS = [
    a_snapshot(NOW - secs(1)),
    a_snapshot(NOW, positions=[a_position("AAPL", "10")], cash="99777"),
]


@drawn(st.permutations([*EXECUTIONS, *WORDS, FILLS, *SNAPSHOTS]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_reports_fills_lists_and_snapshots_in_any_order_give_the_same_book(news) -> None:
    state = a_state(orders=[ORDER])
    for event in news:
        state = given(state, a_policy()).when(event).state
    assert state.book.positions == state.book.bought == {"AAPL": 10}
    assert state.book.cash == 100_000 - 230 + 7
    order = state.orders[ORDER.draft.order_id]
    assert (order.filled_qty, str(order.status)) == (10, "filled")
    assert state.frozen == {}


# What people see.


def test_the_status_shows_what_is_unexplained_and_what_was_explained() -> None:
    fee = an_activity("FEE", "-2.50")
    state = a_state(
        frozen={Symbol("QQQ"): "we have 0, the broker has 5"},
        cash_dispute=e.CashUnexplained(Decimal(100), Decimal(70)),
    )
    state = given(state).when(listed(fee)).state
    view = status_of(state, a_policy(), NOW)
    assert view["frozen"] == {"QQQ": "we have 0, the broker has 5"}
    assert view["cash_dispute"] == {"ours": "100", "theirs": "70", "unexplained": "-30"}
    assert [(x["kind"], x["cash"]) for x in view["activities"]] == [("FEE", "-2.50")]
    told = status_text(view)
    assert "  QQQ: we have 0, the broker has 5\n" in told
    assert "cash: we have $100.00, the broker has $70.00; the lower figure counts" in told
    assert "FEE: -$2.50" in told
