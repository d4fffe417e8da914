"""The stop made whole: repeated, named, lasting; and its flatten. Turns, and whole days."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import is_flatten_sell
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import AccountMode, Mode
from atlas_daemon.core.views import status_of

from .builders import (
    CLOSE,
    NOW,
    OPEN,
    a_draft,
    a_halt,
    a_policy,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_open_order,
    an_order,
    holding,
    secs,
)
from .playbook import given
from .world import World, a_world, has, is_done, ten_picks

FLATTEN = a_policy(flatten_on_stop=True)
OURS = a_policy(stop_scope_account=False)
STOP = e.StopRequested("op", "odd")
RESUME = e.ResumeRequested("op")
STARTED = e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", is_latched=False)
WORKING = an_order(status="working")
HALTED = {"halt": a_halt(), "mode": Mode.HALTED}
COMPLETE = {"halt": a_halt(is_complete=True), "mode": Mode.HALTED}
LATER = NOW + secs(5)


def unwritten(*what: str, **more):
    return a_halt(missing=frozenset(what), **more)


# Cancels: repeated until nothing is seen, named, and late ones too.


def test_s163_cancels_are_repeated_though_no_question_is_answered() -> None:
    """Asked a moment ago and not answered: the next pull does not wait for it."""
    seen = {"asked_at": LATER, "snapshot": None}
    state = a_state(orders=[WORKING], seen=seen, now=LATER, **HALTED)
    played = given(state).when(e.Ticked(), at=LATER)
    played.then_some(e.CancelsRepeated(), fx.CancelAllOrders())
    played.then_none_of(fx.FetchFigures)
    given(played.state).when(e.Ticked(), at=LATER + secs(2)).then_none_of(fx.CancelAllOrders)
    given(played.state).when(e.Ticked(), at=LATER + secs(3)).then_some(fx.CancelAllOrders())


def test_s163_the_status_counts_what_is_unconfirmed_foreign_orders_too() -> None:
    seen = {"snapshot": a_snapshot(open_orders=[an_open_order()])}
    state = a_state(orders=[WORKING], seen=seen, **HALTED)
    assert status_of(state, Policy(), NOW)["halt"]["unconfirmed"] == 2
    assert status_of(state, OURS, NOW)["halt"]["unconfirmed"] == 1


def test_s165_a_second_stop_makes_sure_and_changes_nothing() -> None:
    state = given(a_state(orders=[WORKING], run=a_run())).when(STOP).state
    again = given(state).when(STOP)
    again.then(fx.WriteLatch("op", "odd"), fx.CancelAllOrders())
    assert replace(again.state, seq=state.seq) == state


@pytest.mark.parametrize("stream", ["connecting", "lost", "refused"])
def test_s175_a_stop_is_taken_before_ready_and_during_a_reconnect(stream: str) -> None:
    seen = {"stream": stream, "snapshot": None, "matched_at": None}
    state = a_state(orders=[WORKING], seen=seen, mode=Mode.STARTING)
    played = given(state).when(STOP)
    played.then_some(fx.WriteLatch, e.TradingHalted, e.CancelRequested, fx.CancelAllOrders)
    assert played.state.mode is Mode.HALTED


def test_foreign_orders_that_the_stop_cancels_are_named_once() -> None:
    listed = [an_open_order(), an_open_order("MSFT", client_order_id="web-2")]
    state = a_state(seen={"snapshot": a_snapshot(open_orders=listed)})
    named = "the stop cancels foreign orders: buy 5 AAPL (foreign-1), buy 5 MSFT (web-2)"
    played = given(state).when(STOP).then_some(e.AlertRaised("critical", "halt", named))
    again = given(played.state).when(a_snapshot(LATER, open_orders=listed), at=LATER)
    assert named not in [alert.text for alert in again.all(e.AlertRaised)]


def test_scope_ours_leaves_foreign_orders_and_pulls_a_lost_one_of_ours() -> None:
    lost = an_open_order("MSFT", client_order_id="atlas-x-r1-buy-MSFT-1")
    listed = [an_open_order(), lost]
    state = a_state(orders=[WORKING], seen={"snapshot": a_snapshot(open_orders=listed)})
    cancelled = given(state, OURS).when(STOP).all(fx.CancelOrder)
    assert [x.order_id for x in cancelled] == [WORKING.draft.order_id, lost.client_order_id]
    halted = a_state(**HALTED)
    only_foreign = a_snapshot(LATER, open_orders=[an_open_order()])
    given(halted, OURS).when(only_foreign, at=LATER).then_some(e.HaltCompleted)
    given(halted).when(only_foreign, at=LATER).then_none_of(e.HaltCompleted)


def test_an_order_found_after_the_stop_was_complete_is_pulled_as_well() -> None:
    listed = a_snapshot(LATER, open_orders=[an_open_order()])
    played = given(a_state(**COMPLETE)).when(listed, at=LATER)
    assert [x.broker_order_id for x in played.all(fx.CancelOrder)] == ["b-foreign-1"]
    late = given(a_state(orders=[WORKING], **COMPLETE)).when(a_snapshot(LATER), at=LATER)
    late.then_some(e.CancelRequested(WORKING.draft.order_id, "found open while halted"))


def test_another_accounts_list_completes_no_halt() -> None:
    listed = a_snapshot(LATER, number="PA2")
    given(a_state(**HALTED)).when(listed, at=LATER).then_none_of(e.HaltCompleted)


# A stop that cannot be written.


def test_a_latch_that_fails_is_said_once_tried_again_and_held_again() -> None:
    failed = e.LatchFailed("read-only")
    played = given(a_state(**COMPLETE)).when(failed)
    played.then_some(e.HaltDurabilityChanged("latch", is_held=False, detail="read-only"))
    assert not played.state.halt.is_durable
    given(played.state).when(failed).then_nothing()
    given(played.state).when(e.Ticked()).then_some(fx.WriteLatch("test", "looks wrong"))
    held = given(played.state).when(e.LatchWritten())
    held.then(e.HaltDurabilityChanged("latch", is_held=True))
    assert held.state.halt.is_durable
    given(held.state).when(e.LatchWritten()).then_nothing()


def test_a_latch_that_cannot_be_taken_off_is_said() -> None:
    played = given(a_state()).when(e.LatchFailed("read-only", "removal"))
    assert "cannot be taken off" in played.the(e.AlertRaised).text


def test_the_brokers_own_latch_is_set_after_the_cancels_and_asked_for_until_confirmed() -> None:
    early = a_state(orders=[WORKING], halt=unwritten("journal"), mode=Mode.HALTED)
    given(early).when(e.Ticked()).then_none_of(fx.SuspendTrading)
    state = a_state(halt=unwritten("journal", is_complete=True), mode=Mode.HALTED)
    asked = given(state).when(e.Ticked())
    asked.then_some(e.SuspendTradeRequested(is_on=True), e.AlertRaised, fx.SuspendTrading(True))
    assert asked.state.suspension == "wanted"
    given(asked.state).when(e.Ticked(), at=LATER).then_none_of(fx.SuspendTrading)
    again = given(asked.state).when(e.Ticked(), at=NOW + secs(10))
    again.then_some(fx.SuspendTrading(True))
    done = given(again.state).when(e.SuspendTradeChanged(is_on=True))
    assert done.state.suspension == "on"
    given(done.state).when(e.Ticked(), at=NOW + secs(30)).then_none_of(fx.SuspendTrading)


def test_a_stop_that_is_written_needs_no_latch_at_the_broker() -> None:
    given(a_state(**COMPLETE)).when(e.Ticked()).then_none_of(fx.SuspendTrading)


def test_suspended_at_the_start_is_halted_and_set_while_it_runs_it_only_reduces() -> None:
    suspended = a_snapshot(suspended_by_user=True)
    new = {"snapshot": None, "matched_at": None, "first_matched_at": None}
    started = a_state(seen=new, mode=Mode.STARTING)
    played = given(started).when(suspended)
    reason = "it was set at the start"
    played.then_some(fx.WriteLatch, e.TradingHalted("broker suspend_trade", reason))
    assert played.state.mode is Mode.HALTED
    running = given(a_state()).when(suspended).then_none_of(e.TradingHalted)
    assert running.state.mode is Mode.REDUCE_ONLY


def test_resume_clears_the_brokers_latch_where_we_set_it_and_says_so_where_not() -> None:
    suspended = {"snapshot": a_snapshot(suspended_by_user=True)}
    ours = given(a_state(seen=suspended, suspension="on", **COMPLETE)).when(RESUME)
    ours.then_some(e.TradingResumed, e.SuspendTradeRequested(False), fx.SuspendTrading(False))
    late = given(ours.state).when(e.SuspendTradeChanged(is_on=True))
    assert late.state.suspension == "clearing", "a late answer does not take the resume back"
    again = given(ours.state).when(e.Ticked(), at=NOW + secs(10))
    again.then_some(fx.SuspendTrading(is_on=False))
    assert given(ours.state).when(e.SuspendTradeChanged(is_on=False)).state.suspension == ""
    not_ours = given(a_state(seen=suspended, **COMPLETE)).when(RESUME)
    not_ours.then_none_of(fx.SuspendTrading)
    assert any("not by us on record" in alert.text for alert in not_ours.all(e.AlertRaised))
    lifted = e.ResumeRequested("op", lifts_suspension=True)
    told = given(a_state(seen=suspended, **COMPLETE)).when(lifted)
    told.then_some(e.TradingResumed, e.SuspendTradeRequested(False), fx.SuspendTrading(False))
    assert not any("not by us" in alert.text for alert in told.all(e.AlertRaised))
    nothing_to_lift = given(a_state(**COMPLETE)).when(lifted)
    nothing_to_lift.then_none_of(fx.SuspendTrading)


# Ends by our own exception.


def crashes(*ages_s: int):
    return tuple((NOW - secs(age), f"KeyError: {age}") for age in ages_s)


@pytest.mark.parametrize(
    ("ends", "is_halted"),
    [
        (crashes(), False),
        (crashes(100, 10), False),
        (crashes(599, 300, 0), True),
        (crashes(601, 300, 0), False),
        (crashes(86_600, 86_500, 86_400), True),
    ],
    ids=["none", "two", "three in ten minutes", "three in more", "yesterday, not resumed since"],
)
def test_after_three_ends_by_our_own_exception_the_next_start_is_halted(ends, is_halted) -> None:
    state = a_state()
    for at, detail in ends:
        state = given(state).when(e.DaemonCrashed(detail), at=at).state
    played = given(state).when(STARTED)
    assert (played.state.halt is not None) is is_halted
    if is_halted:
        halted = played.the(e.TradingHalted)
        assert halted.by == "crash loop"
        assert ends[-1][1] in halted.reason
        resumed = given(played.state).when(RESUME).state
        assert given(resumed).when(STARTED).state.halt is None


def test_starts_without_a_crash_between_them_count_for_nothing() -> None:
    state = a_state()
    for _ in range(5):
        state = given(state).when(STARTED).state
    assert state.halt is None


# Flatten.

PICKS = ten_picks("ABCDE")


class Exchange(World):
    """The world, with a switch of the account's own."""

    is_suspended = False

    def _run(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.SuspendTrading):
            self.is_suspended = effect.is_on
            self.later(0.2, lambda: self.hear(e.SuspendTradeChanged(effect.is_on)))
        super()._run(effect)


def trading(**more) -> Exchange:
    """Mid-run: the sells of 50 ZED are done, some buys are filled, the others rest."""
    world = Exchange(picks=PICKS, held={"ZED": 50}, prices={"ZED": 100}, policy=FLATTEN, **more)
    world.boot()
    world.faults.fill = lambda symbol: "rest" if symbol in "DE" else "all"
    world.run(lambda w: {"A", "B", "C"} <= w.held.keys() and "D" in str(w.orders))
    world.run(world.now + secs(5))
    return world


def stopped(**more) -> Exchange:
    world = trading(**more)
    world.faults.fill = lambda symbol: "all"
    world.hear(STOP)
    return world


def ended(run_id: str):
    return is_done(run_id)


def test_flatten_sells_all_after_the_cancels_are_seen_and_closes_the_run() -> None:
    world = stopped()
    world.run(ended("stop-20240201-1"))
    assert world.held == {}
    kinds = [type(entry.event) for entry in world.journal]
    halted, complete = kinds.index(e.TradingHalted), kinds.index(e.HaltCompleted)
    sent = [n for n, kind in enumerate(kinds) if kind is e.OrderSubmitted and n > halted]
    assert sent
    assert min(sent) > complete
    assert all("atlas-stop-20240201-1-r1-sell" in world.journal[n].event.order_id for n in sent)
    assert world.finished() == [
        ("2024-02", "aborted", False),
        ("2024-02", "aborted", True),
        ("stop-20240201-1", "done", True),
    ]
    assert world.state.mode is Mode.HALTED
    assert status_of(world.state, FLATTEN, world.now)["halt"]["flatten"] == {
        "run": "stop-20240201-1",
        "left": 0,
    }
    world.hear(RESUME)
    world.run(world.now + timedelta(days=8))
    assert world.held == {}, "what a stop sold is not bought again by itself"


def test_without_flatten_nothing_is_sold() -> None:
    world = trading()
    world.policy = Policy()
    held = dict(world.held)
    world.hear(STOP)
    world.run(CLOSE + timedelta(hours=1))
    assert world.held == held


def test_flatten_waits_for_the_next_session_and_says_so() -> None:
    world = a_world(held={"A": 30}, prices={"A": 20}, policy=FLATTEN, start=CLOSE + secs(600))
    world.run(world.now + secs(30))
    world.hear(STOP)
    world.run(world.now + timedelta(minutes=30))
    assert [text for _, key, text in world.alerts if key == "flatten"] == [
        "flatten waits: the market is closed until 2024-02-02 09:30 New York"
    ]
    assert world.events(e.RunStarted) == []
    world.run(ended("stop-20240202-1"))
    assert world.held == {}


def test_s166_flatten_never_claims_success_with_residuals() -> None:
    world = stopped()
    world.untradable = {"B"}
    world.run(lambda w: any(x.run_id == "stop-20240201-1" for x in w.events(e.RunFinished)))
    finished = world.events(e.RunFinished)[-1]
    assert (finished.outcome, finished.is_final) == ("degraded", False)
    (left,) = finished.report.discrepancies
    assert left.startswith("B: ")
    assert "left (untradable" in left
    assert set(world.held) == {"B"}
    halt = status_of(world.state, FLATTEN, world.now)["halt"]
    assert halt["flatten"] == {"run": "stop-20240201-1", "left": 1}
    world.run(ended("stop-20240201-1"), limit=timedelta(days=12))
    last = world.events(e.RunFinished)[-1]
    assert last.outcome == "degraded"
    assert "manual intervention required: B: " in last.reason


def test_a_flatten_that_is_cut_short_goes_on_in_the_next_session() -> None:
    world = trading()
    world.faults.fill = lambda symbol: "rest" if symbol == "A" else "all"
    world.hear(STOP)
    world.run(CLOSE + timedelta(minutes=5))
    assert set(world.held) == {"A"}
    world.faults.fill = lambda symbol: "all"
    world.run(ended("stop-20240201-1"), limit=timedelta(days=2))
    assert world.held == {}
    assert world.events(e.RunFinished)[-1].outcome == "done"


def test_a_restart_amid_a_flatten_sells_no_more_than_is_held_and_ends_flat() -> None:
    world = stopped()
    world.run(lambda w: any("stop-" in i for i in w.orders))
    world.crash(back_after=3)
    world.run(ended("stop-20240201-1"), limit=timedelta(days=2))
    assert world.held == {}


def test_a_second_stop_leaves_the_sells_of_the_flatten_alone() -> None:
    world = trading()
    world.faults.fill = lambda symbol: "rest"
    world.hear(STOP)
    world.run(lambda w: any("stop-" in i for i in w.orders))
    world.hear(STOP)
    world.run(world.now + secs(10))
    assert {o.status for i, o in world.orders.items() if "stop-" in i} == {"new"}
    assert world.state.run.trigger == "stop"


def test_a_resume_amid_a_flatten_ends_it_for_good() -> None:
    world = trading()
    world.faults.fill = lambda symbol: "rest"
    world.hear(STOP)
    world.run(lambda w: any("stop-" in i for i in w.orders))
    world.run(world.now + secs(5))
    world.hear(RESUME)
    world.run(world.now + timedelta(minutes=2))
    assert world.finished()[-1] == ("stop-20240201-1", "aborted", True)
    assert {o.status for i, o in world.orders.items() if "stop-" in i} == {"canceled"}
    assert world.state.run is None


def test_a_parked_run_that_no_flatten_closed_goes_on_after_resume() -> None:
    world = trading()
    world.run(CLOSE - timedelta(minutes=1))
    world.run(CLOSE + secs(30))
    world.hear(STOP)
    world.run(has(e.HaltCompleted))
    world.run(world.now + timedelta(minutes=5))
    assert world.state.run.phase is Phase.PARKED
    world.faults.fill = lambda symbol: "all"
    world.hear(RESUME)
    world.run(is_done(), limit=timedelta(days=2))
    assert set(world.held) == set("ABCDE")


def test_where_the_journal_cannot_be_written_nothing_is_sold_and_the_broker_holds_the_stop() -> (
    None
):
    world = trading()
    world.hear(STOP)
    world.hear(e.LatchFailed("disk full", "journal"))
    world.run(world.now + timedelta(minutes=2))
    assert not any("stop-" in i for i in world.orders)
    assert world.is_suspended
    world.faults.fill = lambda symbol: "all"
    world.hear(e.LatchWritten("journal"))
    world.run(ended("stop-20240201-1"))
    assert world.held == {}
    assert not world.is_suspended, "it would have refused the sells"


def test_a_stop_that_only_its_latch_file_lacks_is_suspended_after_the_flatten() -> None:
    world = stopped()
    world.hear(e.LatchFailed("read-only"))
    world.run(ended("stop-20240201-1"))
    assert not world.is_suspended
    world._run, run = (lambda effect: None if _is_latch(effect) else run(effect)), world._run
    world.hear(e.LatchFailed("read-only"))
    world.run(world.now + secs(5))
    assert world.is_suspended


def _is_latch(effect: fx.Effect) -> bool:
    return isinstance(effect, fx.WriteLatch)


def test_a_refused_flatten_is_tried_again_under_a_name_of_its_own() -> None:
    halt = a_halt(is_complete=True, at=OPEN)
    seen = {"snapshot": a_snapshot(positions=[a_position()])}
    state = a_state(halt=halt, mode=Mode.HALTED, book=holding(AAPL="10"), seen=seen)
    first = given(state, FLATTEN).when(e.Ticked())
    assert first.the(e.RunStarted).run_id == "stop-20240201-1"
    refused = e.RunFinished("stop-20240201-1", "refused", True, "market_hours", None)
    state = given(first.state, FLATTEN).when(refused).state
    given(state, FLATTEN).when(e.Ticked(), at=NOW + secs(59)).then_none_of(e.RunStarted)
    again = given(state, FLATTEN).when(e.Ticked(), at=NOW + secs(60))
    assert again.the(e.RunStarted).run_id == "stop-20240201-2"


@pytest.mark.parametrize(
    ("changes", "is_let"),
    [
        ({}, True),
        ({"draft": a_draft(side="buy", run_id="stop-1")}, False),
        ({"draft": a_draft(side="sell", run_id="2024-02")}, False),
        ({"run": a_run(trigger="crash", run_id="stop-1")}, False),
        ({"run": None}, False),
        ({"halt": a_halt()}, False),
        ({"halt": None}, False),
    ],
    ids=["its sell", "a buy", "another run's", "a crash", "no run", "not complete", "not halted"],
)
def test_a_halt_lets_only_the_sells_of_its_own_run_through(changes, is_let) -> None:
    draft = changes.pop("draft", a_draft(side="sell", run_id="stop-1"))
    base = {"run": a_run(trigger="stop", run_id="stop-1"), "halt": a_halt(is_complete=True)}
    assert is_flatten_sell(a_state(**{**base, **changes}), draft) is is_let


def test_nothing_held_makes_no_run() -> None:
    given(a_state(**COMPLETE), FLATTEN).when(e.Ticked()).then_none_of(e.RunStarted)


def test_protected_and_foreign_holdings_are_not_sold() -> None:
    policy = replace(FLATTEN, protected=frozenset({"KEEP"}), manages_all=False)
    world = a_world(held={"KEEP": 5, "MINE": 3}, prices={"KEEP": 10, "MINE": 10}, policy=policy)
    world.run(OPEN + timedelta(minutes=1))
    world.hear(STOP)
    world.run(world.now + timedelta(minutes=10))
    assert world.held == {"KEEP": Decimal(5), "MINE": Decimal(3)}
    assert status_of(world.state, policy, world.now)["halt"]["flatten"]["left"] == 0
