"""Halter, scheduler, reconciler, submitter: what each says to one event, at its edges."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.state import Phase, RunRecord
from atlas_daemon.core.values import AccountMode, BrokerOrderId, Mode, Regime

from .builders import (
    CLOSE,
    DAY,
    NOW,
    OPEN,
    RUN,
    a_halt,
    a_policy,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_account,
    an_open_order,
    an_order,
    holding,
    secs,
)
from .playbook import given

WORKING = an_order()
STOP = e.StopRequested("op", "odd")
HALTED = {"halt": a_halt(), "mode": Mode.HALTED}


def started(is_latched: bool = False) -> e.DaemonStarted:
    return e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", is_latched)


# The halter.


def test_the_latch_is_asked_for_before_anything_else() -> None:
    played = given(a_state(orders=[WORKING])).when(STOP)
    assert isinstance(played.turn.effects[0], fx.WriteLatch)
    assert played.state.mode is Mode.HALTED


def test_s165_a_second_stop_makes_sure_of_latch_and_cancels_and_says_nothing_new() -> None:
    first = given(a_state(orders=[WORKING])).when(STOP)
    given(first.state).when(STOP).then(fx.WriteLatch, fx.CancelAllOrders)


def test_a_stop_of_ours_only_cancels_order_by_order() -> None:
    policy = a_policy(stop_scope_account=False)
    played = given(a_state(orders=[WORKING]), policy).when(STOP)
    played.then_some(fx.CancelOrder(WORKING.draft.order_id, WORKING.broker_order_id))
    played.then_none_of(fx.CancelAllOrders)


def test_resume_without_a_halt_is_denied() -> None:
    denied = given(a_state()).when(e.ResumeRequested("op")).the(e.RequestDenied)
    assert denied.rule == "halted"


def test_s162_a_start_on_a_halted_journal_writes_the_latch_anew_and_pulls_again() -> None:
    state = a_state(orders=[WORKING], run=a_run(), **HALTED)
    played = given(state).when(started())
    played.then_some(fx.WriteLatch, e.CancelRequested, fx.CancelAllOrders, e.RunFinished)
    assert played.state.run.phase is Phase.PARKED


def test_s175_a_latch_at_the_start_halts() -> None:
    assert given(a_state()).when(started(is_latched=True)).state.mode is Mode.HALTED


def test_s166_a_halt_is_not_complete_while_anything_is_open_or_in_doubt() -> None:
    later = NOW + secs(1)
    unknown = a_state(orders=[an_order(status="unknown")], **HALTED)
    given(unknown).when(a_snapshot(later)).then_none_of(e.HaltCompleted)
    listed = a_snapshot(later, open_orders=[an_open_order()])
    given(a_state(**HALTED)).when(listed).then_none_of(e.HaltCompleted)
    older = a_snapshot(NOW - secs(1))
    given(a_state(**HALTED)).when(older).then_none_of(e.HaltCompleted)
    given(a_state(**HALTED)).when(a_snapshot(later)).then_some(e.HaltCompleted)


def test_s163_while_a_halt_is_not_complete_it_asks_and_pulls_again() -> None:
    state = a_state(orders=[WORKING], now=NOW + secs(5), **HALTED)
    given(state).when(e.Ticked()).then_some(fx.FetchFigures, e.CancelRequested, fx.CancelAllOrders)


def test_s160_an_order_that_turns_up_after_the_stop_is_cancelled() -> None:
    sending = an_order(status="sending")
    state = given(a_state(orders=[sending])).when(STOP).state
    from .builders import reported

    state = given(state).when(reported(sending, "new")).state
    given(replace(state, now=NOW + secs(2))).when(e.Ticked()).then_some(fx.CancelOrder)


# The scheduler.


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("halted", a_state(**HALTED)),
        ("one run", a_state(run=a_run())),
        ("market_hours", a_state(now=OPEN - timedelta(hours=1))),
        ("market_hours", a_state(now=CLOSE + timedelta(hours=1))),
        ("mode", a_state(mode=Mode.REDUCE_ONLY)),
        ("calendar", a_state(calendar_dispute="2024-02-01 differs")),
        ("min_session_left", a_state(now=CLOSE - timedelta(minutes=44))),
        ("open_delay", a_state(now=OPEN + timedelta(minutes=4))),
    ],
)
def test_a_forced_run_is_denied_with_its_rule(rule: str, state) -> None:
    denied = given(state).when(e.RebalanceRequested("op", force=True)).the(e.RequestDenied)
    assert denied.rule == rule


def test_without_force_only_a_due_slot_runs() -> None:
    ran = a_state(slots={"2024-02": "done"})
    denied = given(ran).when(e.RebalanceRequested("op", force=False)).the(e.RequestDenied)
    assert denied.detail == "nothing is due; the next slot is 2024-08-01"
    given(a_state()).when(e.RebalanceRequested("op", force=False)).then_none_of(e.RequestDenied)
    given(a_state()).when(e.Ticked()).then_some(e.RunStarted)


def test_forced_runs_of_a_day_are_numbered() -> None:
    state = a_state(run_ids=frozenset({"force-20240201-1"}))
    run = given(state).when(e.RebalanceRequested("op", force=True)).the(e.RunStarted)
    assert run.run_id == "force-20240201-2"


def test_nothing_starts_while_shutting_down() -> None:
    given(a_state()).when(e.ShutdownRequested("op"), e.Ticked()).then_none_of(e.RunStarted)


@pytest.mark.parametrize(("minutes", "is_due"), [(4, False), (5, True)])
def test_the_slot_is_due_at_the_very_minute(minutes: int, is_due: bool) -> None:
    state = a_state(now=OPEN + timedelta(minutes=minutes))
    assert bool(given(state).when(e.Ticked()).all(e.RunStarted)) is is_due


def parked(outcome: str, day=DAY, **more) -> dict:
    run = a_run(Phase.PARKED, plan=None, order_day=day)
    record = RunRecord(RUN, day, NOW, outcome, False, "x", None)
    return {"run": run, "last_run": record, **more}


def test_a_stopped_run_goes_on_the_same_day_a_refused_one_in_the_next_session() -> None:
    given(a_state(**parked("aborted"))).when(e.Ticked()).then_some(e.RunContinued)
    for outcome in ("refused", "degraded"):
        given(a_state(**parked(outcome))).when(e.Ticked()).then_none_of(e.RunContinued)
        next_day = a_state(**parked(outcome), now=NOW + timedelta(days=1))
        given(next_day).when(e.Ticked()).then_some(e.RunContinued)


def test_a_run_beyond_catching_up_is_final_and_asks_for_hands() -> None:
    state = a_state(**parked("degraded"), now=NOW + timedelta(days=8))
    finished = given(state).when(e.Ticked()).the(e.RunFinished)
    assert finished.is_final
    assert "manual intervention required" in finished.reason


def test_a_crash_is_not_acted_on_while_halted_and_stands_after_the_resume() -> None:
    crash = e.RegimeReported(Regime.CRASH, DAY, "op")
    halted = a_state(book=holding(AAPL="5"), slots={"2024-02": "done"}, **HALTED)
    state = given(halted).when(crash).then_none_of(e.RunStarted).state
    trading = replace(state, halt=None, mode=Mode.TRADING)
    started_run = given(trading).when(e.Ticked()).the(e.RunStarted)
    assert started_run.run_id == "crash-20240201"


def test_a_crash_run_is_made_once_a_session() -> None:
    crash = e.RegimeReported(Regime.CRASH, DAY, "op")
    state = a_state(book=holding(AAPL="5"), run_ids=frozenset({"crash-20240201"}))
    given(state).when(crash).then_none_of(e.RunStarted)


# The reconciler.


@pytest.mark.parametrize(
    ("blocked", "reason"),
    [
        ({"trading_blocked": True}, "trading blocked"),
        ({"account_blocked": True}, "account blocked"),
        ({"suspended_by_user": True}, "suspended by user"),
        ({"status": "ACCOUNT_CLOSED"}, "account status ACCOUNT_CLOSED"),
    ],
)
def test_a_blocked_account_only_reduces(blocked, reason: str) -> None:
    snapshot = a_snapshot(NOW)
    snapshot = replace(snapshot, account=replace(an_account(), **blocked))
    changed = given(a_state()).when(snapshot).the(e.ModeChanged)
    assert (changed.mode, changed.reason) == (Mode.REDUCE_ONLY, reason)


def test_s116_refused_keys_reduce_and_are_told_once() -> None:
    failed = e.FetchFailed("credentials", "401")
    played = given(a_state()).when(failed)
    played.then_some(e.AlertRaised, e.ModeChanged)
    given(played.state).when(failed).then_nothing()


def test_s021_a_failing_reconciliation_keeps_starting_and_says_why() -> None:
    state = a_state(mode=Mode.STARTING, seen={"matched_at": None, "snapshot": None})
    given(state).when(e.FetchFailed("snapshot", "reset")).then_none_of(e.ModeChanged)
    trading = a_state(seen={"matched_at": None})
    changed = given(trading).when(e.FetchFailed("snapshot", "reset")).the(e.ModeChanged)
    assert (changed.mode, changed.reason) == (Mode.REDUCE_ONLY, "reset")


def test_trading_opens_only_when_reconciled_since_the_stream_opened() -> None:
    opened = NOW + secs(1)
    state = a_state(mode=Mode.REDUCE_ONLY, seen={"stream_at": opened})
    given(state).when(a_snapshot(NOW), at=NOW).then_none_of(e.ModeChanged)
    given(state).when(a_snapshot(opened), at=opened).then_some(e.ModeChanged)


def test_a_calendar_that_agrees_again_ends_the_dispute() -> None:
    from atlas_daemon.core.sessions import NYSE

    state = a_state(calendar_dispute="off")
    played = given(state).when(e.SessionsReported(DAY, DAY, NYSE.sessions_between(DAY, DAY)))
    assert played.then(e.CalendarAgreed).state.calendar_dispute == ""
    again = e.SessionsReported(DAY, DAY, ())
    disputed = given(state).when(again)
    given(disputed.state).when(again).then_nothing()


@pytest.mark.parametrize(
    ("rule", "event", "state"),
    [
        ("at rest", e.AdoptRequested("op", None), a_state(orders=[WORKING])),
        ("at rest", e.AdoptRequested("op", None), a_state(seen={"snapshot": None})),
        ("held", e.AdoptRequested("op", "TSLA"), a_state()),
    ],
)
def test_adopting_is_denied_with_its_rule(rule: str, event, state) -> None:
    assert given(state).when(event).the(e.RequestDenied).rule == rule


def test_s011_what_is_gone_at_the_broker_is_adopted_as_gone_and_never_by_an_order() -> None:
    state = a_state(book=holding(AAPL="5"), frozen={"AAPL": "gone"})
    after = given(state).when(e.AdoptRequested("op", "AAPL")).then_none_of(fx.SubmitOrder).state
    assert (after.book.positions, after.frozen) == ({}, {})


def test_s010_a_flipped_position_freezes_its_symbol() -> None:
    state = a_state(book=holding(AAPL="5"))
    short = replace(a_position("AAPL", "5"), qty=Decimal(-5))
    state = given(state).when(a_snapshot(NOW, positions=[short])).state
    later = NOW + secs(6)
    played = given(state).when(a_snapshot(later, positions=[short]), at=later)
    assert played.the(e.DriftFound).theirs == -5


def test_s046_books_are_not_compared_while_an_order_moves_them() -> None:
    state = a_state(orders=[WORKING], book=holding(AAPL="5"))
    given(state).when(a_snapshot(NOW)).then_none_of(e.DriftSeen, e.BookMatched)


def test_an_order_with_our_prefix_that_we_do_not_know_is_critical() -> None:
    rival = an_open_order(client_order_id="atlas-2023-08-r1-buy-AAPL-1")
    played = given(a_state()).when(a_snapshot(open_orders=[rival]))
    assert played.the(e.ForeignOrderFound).carries_our_prefix
    assert played.the(e.AlertRaised).level == "critical"


# The submitter.


def test_a_resting_order_is_pulled_at_its_timeout_to_the_second() -> None:
    for seconds, is_pulled in ((299, False), (300, True)):
        state = a_state(orders=[WORKING], now=NOW + secs(seconds))
        assert bool(given(state).when(e.Ticked()).all(fx.CancelOrder)) is is_pulled


def test_s039_a_cancel_that_was_not_seen_is_asked_for_again_and_not_every_second() -> None:
    canceling = an_order(status="canceling", is_cancel_wanted=True)
    state = a_state(orders=[canceling], now=NOW + secs(40))
    played = given(state).when(e.Ticked())
    played.then_some(e.CancelRequested, fx.CancelOrder)
    later = replace(played.state, now=NOW + secs(41))
    given(later).when(e.Ticked()).then_none_of(fx.CancelOrder)


def offered(state, seconds: float = 50):
    order_id = next(iter(state.orders))
    news = e.OrderNotFound(order_id, NOW + secs(seconds))
    return given(replace(state, now=NOW + secs(seconds))).when(news)


UNKNOWN = an_order(status="unknown")


@pytest.mark.parametrize(
    "state",
    [
        a_state(orders=[an_order(status="unknown", is_cancel_wanted=True)], run=a_run()),
        a_state(orders=[UNKNOWN]),
        a_state(orders=[UNKNOWN], run=a_run(round=2)),
        a_state(orders=[UNKNOWN], run=a_run(Phase.RECONCILING)),
        a_state(orders=[UNKNOWN], run=a_run(), **HALTED),
        a_state(orders=[UNKNOWN], run=a_run(), mode=Mode.REDUCE_ONLY),
        a_state(orders=[UNKNOWN], run=a_run(), seen={"quotes": {}}),
    ],
)
def test_an_order_in_doubt_is_offered_again_only_as_the_same_decision(state) -> None:
    offered(state).then_none_of(e.OrderDrafted, fx.SubmitOrder)


def test_an_order_is_not_offered_again_while_its_request_may_travel() -> None:
    offered(a_state(orders=[UNKNOWN], run=a_run()), 39).then_none_of(e.OrderDrafted)


def test_a_sell_in_doubt_does_not_stand_in_its_own_way() -> None:
    sell = an_order(side="sell", status="unknown")
    seen = {"snapshot": a_snapshot(positions=[a_position("AAPL", "10")])}
    state = a_state(orders=[sell], run=a_run(Phase.SELLING), book=holding(AAPL="10"), seen=seen)
    offered(state).then_some(e.OrderApproved, fx.SubmitOrder)


def test_a_crash_forbids_to_offer_a_buy_again() -> None:
    state = a_state(orders=[UNKNOWN], run=a_run())
    state = replace(state, regime=replace(state.regime, regime=Regime.CRASH))
    assert offered(state).the(e.OrderRefused).rule == "regime"


def test_a_working_order_whose_end_was_wanted_before_it_was_known_is_cancelled() -> None:
    late = an_order(is_cancel_wanted=True, broker_order_id=BrokerOrderId("b1"))
    given(a_state(orders=[late])).when(e.Ticked()).then_some(
        e.CancelRequested, fx.CancelOrder(late.draft.order_id, BrokerOrderId("b1"))
    )
