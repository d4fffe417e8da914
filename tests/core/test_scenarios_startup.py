"""Scenarios of a start: what is known before the first decision, and that it is known once."""

from datetime import timedelta
from decimal import Decimal

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.state import Phase, State
from atlas_daemon.core.values import AccountMode, Mode

from .builders import (
    CLOSE,
    NOW,
    OPEN,
    a_halt,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_order,
    filled,
    reported,
    secs,
    some_signals,
)
from .invariants import lasting, recovered
from .playbook import given
from .storms import CALM, PICKS, ZED
from .world import World, a_world, has, is_done

STARTED = e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", False)
DECISIONS = (e.RunStarted, e.RunPlanned, e.PhaseStarted, e.OrderDrafted, e.OrderSubmitted)


# Before the first decision.


def test_s024_nothing_is_decided_before_account_and_holdings_were_seen() -> None:
    unseen = {"snapshot": None, "matched_at": None, "first_matched_at": None}
    blind = a_state(mode=Mode.STARTING, seen=unseen)
    given(blind).when(e.Ticked(), at=NOW + secs(41)).then_none_of(*DECISIONS)
    world = a_world(picks=PICKS, start=OPEN + timedelta(minutes=4, seconds=59), **ZED)
    world.run(has(e.RunStarted))
    before = [event for _, event, _ in world.heard[:-1]]
    assert any(isinstance(event, e.SnapshotReported) for event in before)
    assert world.state.book.positions == {"ZED": 50, "A": 300}


def test_s024_after_a_kill_open_orders_are_asked_after_before_anything_is_decided() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "rest" if symbol in "CDE" else "all"
    world.run(lambda w: sum("buy" in i for i in w.orders) >= 4)
    open_ids = {order.draft.order_id for order in world.state.open_orders()}
    assert len(open_ids) >= 2
    world.crash()
    born = len(world.heard)
    decided = len(world.events(e.OrderDrafted)) + len(world.events(e.PhaseStarted))

    def has_decided(w: World) -> bool:
        return len(w.events(e.OrderDrafted)) + len(w.events(e.PhaseStarted)) > decided

    world.run(has_decided)
    heard = [event for _, event, _ in world.heard[born:]]
    told = {event.order_id for event in heard if isinstance(event, e.OrderReported)}
    assert isinstance(heard[0], e.DaemonStarted)
    assert open_ids <= told
    assert any(isinstance(event, e.SnapshotReported) for event in heard)


def test_s105_only_open_orders_are_asked_after_when_tracking_is_restored() -> None:
    orders = [an_order("ABCDEFGHIJKLMNOP"[n], status=s) for n, s in enumerate(OrderStatus)]
    played = given(a_state(orders=orders)).when(STARTED)
    asked = {effect.order_id for effect in played.all(fx.FetchOrder)}
    assert asked == {order.draft.order_id for order in orders if not order.is_done}
    later = given(played.state).when(e.Ticked(), at=NOW + secs(60))
    assert {effect.order_id for effect in later.all(fx.FetchOrder)} <= asked


def test_s105_a_run_that_is_closed_leaves_no_order_in_tracking() -> None:
    world = a_world(picks=PICKS, **ZED).run(is_done())
    assert recovered(world.journal, State(now=world.start)).orders == {}


# The same history twice.


def test_s028_fills_heard_again_by_a_second_recovery_are_booked_once() -> None:
    half = an_order(qty="10").with_fill(Decimal(4), Decimal(100), "x1", NOW)
    word = reported(half, "filled", "10", "100")
    first = given(a_state(orders=[half])).when(STARTED, word)
    assert first.the(e.FillBooked).qty == 6
    again = given(first.state).when(STARTED, word)
    again.then_nothing()
    given(again.state).when(filled(half, "6", "10", execution="x2")).then_nothing()
    assert again.state.book.positions == {"AAPL": 6}


def test_s028_a_recovery_that_is_killed_right_after_its_bookings_books_nothing_more() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(has(e.OrderSubmitted, 3))
    world.crash(back_after=30)  # all of it fills while nobody listens
    world.run(has(e.DaemonStarted, 2))
    world.run(lambda w: w.events(e.FillBooked) and w.heard[-1][2].entries)
    world.crash()
    world.run(is_done())
    world.check_recovery()
    for order in world.orders.values():
        booked = [x.qty for x in world.events(e.FillBooked) if x.order_id == order.order_id]
        assert sum(booked) == order.filled_qty
    assert world.held == CALM


def test_s028_the_journal_folded_twice_gives_the_same_state() -> None:
    world = a_world(picks=PICKS, **ZED).run(is_done())
    once, twice = (recovered(world.journal, State(now=world.start)) for _ in range(2))
    assert once == twice
    assert lasting(once) == lasting(world.state)


# What is open counts.


def test_s135_a_plan_waits_for_an_order_of_ours_and_counts_what_it_brought() -> None:
    left = an_order(qty="10")
    run = a_run(Phase.DUE, signals=some_signals())
    state = a_state(orders=[left], run=run)
    waiting = given(state).when(e.Ticked(), at=NOW + secs(9))
    waiting.then_none_of(e.LinesChecked, e.RunPlanned)
    ended = given(waiting.state).when(filled(left, "10", "10"), at=NOW + secs(9))
    ended.then_none_of(e.RunPlanned)
    later = NOW + secs(10)
    news = a_snapshot(later, positions=[a_position("AAPL", "10")], cash="99000")
    (line,) = given(ended.state).when(news, at=later).the(e.RunPlanned).lines
    assert (line.symbol, line.current_qty) == ("AAPL", 10)


# A stop outlives days.


def test_s162_a_stop_holds_over_midnight_and_over_the_next_session() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(world.now + timedelta(minutes=5))
    world.hear(e.StopRequested("tester", "looks wrong"))
    world.run(has(e.HaltCompleted))
    world.run(CLOSE + timedelta(hours=2))
    world.crash()
    world.run(CLOSE + timedelta(days=1))
    assert world.state.mode is Mode.HALTED
    assert world.state.halt.reason == "looks wrong"
    assert world.orders == {}
    assert world.events(e.RunStarted) == []


def test_s168_a_start_never_takes_a_halt_off_and_neither_does_a_latch_file_that_is_gone() -> None:
    state = a_state(halt=a_halt(is_complete=True), mode=Mode.HALTED)
    for _ in range(3):
        played = given(state).when(STARTED)
        played.then_none_of(e.TradingResumed, fx.RemoveLatch)
        played.then_some(fx.WriteLatch)
        state = given(played.state).when(e.Ticked(), at=NOW + secs(60)).state
        assert state.mode is Mode.HALTED
