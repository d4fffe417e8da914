"""Regimes between and within runs: asked for, confirmed, followed by the policy, grown old."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.gates import known_regime, within_regime
from atlas_daemon.core.state import Figures, Outlook, Phase, RegimeSeen, RunRecord
from atlas_daemon.core.values import Mode, Regime, RunId

from .builders import (
    BORN,
    CLOSE,
    DAY,
    NOW,
    OPEN,
    POLICY,
    RUN,
    SIGNAL_DAY,
    a_draft,
    a_halt,
    a_pick,
    a_plan,
    a_policy,
    a_run,
    a_state,
    holding,
    secs,
    some_signals,
)
from .playbook import given
from .world import World, a_world, is_done

BULL, NEUTRAL, BEAR, CRASH = Regime
ANY = a_policy(regime_reacts=True)
DONE = {"slots": {"2024-02": "done"}}
EVENING = CLOSE + timedelta(minutes=20)
MORNING = OPEN - timedelta(minutes=60)
FRIDAY = date(2024, 2, 2)


def word(regime=BEAR, as_of=SIGNAL_DAY, source="worker", raw=None, confirmed=None, day=SIGNAL_DAY):
    return e.RegimeReported(regime, as_of, source, raw, confirmed, day)


def person(regime, as_of=SIGNAL_DAY) -> e.RegimeReported:
    return word(regime, as_of, "set by ann", day=None)


def seen(regime=BULL, **more) -> RegimeSeen:
    return replace(RegimeSeen(regime, SIGNAL_DAY, "worker", BORN, is_computed=True), **more)


def knowing(of=BULL, **more):
    """A state that has heard of a confirmed regime, and whose slot is done."""
    heard = None if of is None else seen(of)
    return a_state(**{"regime": heard, "outlook": Outlook(confirmed=of), **DONE, **more})


def at_noon(state, at=NOW):
    """The same state at another moment, that its clock came to by and by."""
    return replace(state, now=at)


# What a word becomes.


@pytest.mark.parametrize(
    ("was", "now", "policy", "reaction"),
    [
        (None, BULL, POLICY, "none"),
        (BULL, NEUTRAL, POLICY, "none"),
        (BULL, CRASH, POLICY, "cash"),
        (None, CRASH, POLICY, "cash"),
        (BULL, CRASH, a_policy(crash_reacts=False), "none"),
        (BULL, NEUTRAL, ANY, "allocation"),
        (BEAR, BULL, ANY, "allocation"),
        (None, NEUTRAL, ANY, "none"),
        (BULL, CRASH, ANY, "cash"),
    ],
)
def test_a_confirmed_change_goes_on_record_with_what_follows(was, now, policy, reaction) -> None:
    played = given(knowing(was), policy).when(word(now))
    assert played.the(e.RegimeChanged) == e.RegimeChanged(was, now, SIGNAL_DAY, "worker", reaction)
    assert played.state.outlook.confirmed is now


def test_the_same_regime_again_changes_nothing() -> None:
    given(knowing(BULL)).when(word(BULL)).then_nothing()


def test_a_raw_label_lowers_what_is_bought_and_changes_nothing_that_is_held() -> None:
    state = knowing(BULL, book=holding(MSFT="5"))
    played = given(state).when(word(CRASH, raw=CRASH, confirmed=BULL)).then_nothing()
    assert played.state.regime.regime is CRASH
    assert not known_regime(played.state, POLICY)[0].ok
    assert given(played.state).when(e.Ticked()).all(e.RunStarted) == []


def test_a_confirmed_crash_goes_to_cash_in_the_same_turn() -> None:
    state = knowing(BULL, book=holding(MSFT="5"))
    played = given(state).when(word(CRASH, raw=CRASH, confirmed=CRASH))
    assert played.the(e.RunStarted).trigger == "crash"


def test_a_crash_that_closed_a_run_sends_its_rest_to_cash_though_unconfirmed() -> None:
    last = RunRecord(RunId("2024-02"), DAY, NOW, "aborted", True, "CRASH", None)
    crash = seen(CRASH, raw=CRASH, confirmed=BULL)
    state = knowing(BULL, regime=crash, last_run=last, book=holding(MSFT="5"))
    assert given(state).when(e.Ticked()).the(e.RunStarted).run_id == "crash-20240201"
    other = replace(last, reason="")
    quiet = replace(state, last_run=other)
    assert given(quiet).when(e.Ticked()).all(e.RunStarted) == []


# A change to another allocation.


def test_any_change_is_followed_by_a_run_of_its_own_as_soon_as_it_can_be_traded() -> None:
    played = given(knowing(BULL), ANY).when(word(NEUTRAL))
    played.then_some(e.RegimeChanged, e.AlertRaised, fx.SendAlert, e.RunStarted)
    started = played.the(e.RunStarted)
    assert (started.run_id, started.trigger, started.slot) == ("regime-20240201", "regime", None)
    assert played.state.outlook.pending is None


def test_heard_after_the_close_it_waits_for_the_next_open() -> None:
    state = replace(knowing(BULL), now=EVENING)
    played = given(state, ANY).when(word(NEUTRAL), at=EVENING)
    assert played.all(e.RunStarted) == []
    assert played.state.outlook.pending is not None
    early = given(played.state, ANY).when(e.Ticked(), at=OPEN + timedelta(days=1, minutes=4))
    assert early.all(e.RunStarted) == []


@pytest.mark.parametrize("policy", [POLICY, a_policy(crash_reacts=False)])
def test_by_default_only_a_crash_is_followed(policy) -> None:
    played = given(knowing(BULL, book=holding(MSFT="5")), policy).when(word(NEUTRAL))
    assert played.all(e.RunStarted) == []
    assert played.state.outlook.pending is None


def test_s171_a_change_that_goes_back_before_its_run_is_followed_by_nothing() -> None:
    state = replace(knowing(BULL), now=EVENING)
    played = given(state, ANY).when(word(NEUTRAL), word(BULL), at=EVENING)
    assert played.state.outlook.pending is None
    twice = given(state, ANY).when(word(NEUTRAL), word(BEAR), at=EVENING)
    assert (twice.state.outlook.pending.was, twice.state.outlook.pending.regime) == (BULL, BEAR)


def test_a_slot_that_is_due_takes_a_pending_change_along() -> None:
    pending = e.RegimeChanged(BULL, NEUTRAL, SIGNAL_DAY, "worker", "allocation")
    outlook = Outlook(confirmed=NEUTRAL, pending=pending)
    state = a_state(regime=seen(NEUTRAL), outlook=outlook)
    played = given(state, ANY).when(e.Ticked())
    assert played.the(e.RunStarted).trigger == "slot"
    assert played.state.outlook.pending is None


def test_one_run_a_session_follows_however_often_a_file_speaks() -> None:
    run_ids = frozenset({RunId("regime-20240201")})
    played = given(knowing(BULL, run_ids=run_ids), ANY).when(word(NEUTRAL))
    assert played.all(e.RunStarted) == []
    assert played.state.outlook.pending is not None


# A person's word.


def test_a_persons_lower_word_stands_over_the_same_days_computed_one() -> None:
    state = given(knowing(BULL)).when(person(BEAR)).state
    later = given(state).when(word(BULL, DAY, day=DAY), at=EVENING).state
    assert (later.regime.regime, later.regime.source) == (BEAR, "set by ann")
    assert later.regime.as_of == DAY


def test_a_source_that_speaks_of_a_later_session_takes_over_from_a_person() -> None:
    state = given(knowing(BULL)).when(person(BEAR)).state
    later = given(state).when(word(BULL, FRIDAY, day=FRIDAY), at=EVENING + timedelta(days=1)).state
    assert later.regime.regime is BULL


def test_a_lower_computed_word_stands_over_a_persons_higher_one() -> None:
    state = given(knowing(CRASH)).when(person(BULL)).state
    assert given(state).when(word(CRASH, DAY, day=DAY), at=EVENING).state.regime.regime is CRASH


def test_a_files_new_word_takes_over_at_once_and_is_remembered() -> None:
    state = given(knowing(BULL)).when(person(BEAR)).state
    told = word(BULL, SIGNAL_DAY, "file:regime.json", day=None)
    later = given(state).when(told).state
    assert later.regime.regime is BULL
    assert later.outlook.file_word == told


def test_an_answer_of_an_older_session_that_comes_late_is_not_looked_at() -> None:
    state = knowing(BULL, regime=seen(BULL, as_of=SIGNAL_DAY))
    old = word(BEAR, date(2024, 1, 30), day=date(2024, 1, 30))
    assert given(state).when(old).state.regime.regime is BULL


# Asked for ahead.


def fired(due_at=EVENING) -> e.JobFired:
    return e.JobFired("regime_refresh", due_at)


@pytest.mark.parametrize(
    ("due_at", "refreshed", "slots", "wanted"),
    [
        (EVENING, None, {}, DAY),
        (EVENING, (SIGNAL_DAY, BORN), {}, DAY),
        (EVENING, (DAY, EVENING), {}, None),
        (MORNING, None, {}, SIGNAL_DAY),
        (MORNING, (SIGNAL_DAY, BORN), {}, SIGNAL_DAY),
        (MORNING, (SIGNAL_DAY, BORN), {"2024-02": "done"}, None),
        (MORNING, (SIGNAL_DAY, MORNING), {}, None),
    ],
)
def test_after_a_close_and_before_a_slots_open_the_child_is_asked(
    due_at, refreshed, slots, wanted
) -> None:
    day, at = refreshed or (None, None)
    outlook = Outlook(confirmed=BULL, refreshed_day=day, refreshed_at=at)
    state = a_state(now=due_at - secs(1), outlook=outlook, slots=slots)
    played = given(state).when(fired(due_at), e.Ticked(), at=due_at)
    asked = played.all(fx.RefreshRegime)
    assert [effect.signal_day for effect in asked] == ([] if wanted is None else [wanted])


def test_a_refresh_that_fails_is_tried_again_ever_later_and_told() -> None:
    state = given(knowing(BULL, now=EVENING)).when(fired(), at=EVENING).state
    asked, at, failing = [], EVENING, e.FetchFailed("regime", "no bars")
    while at < EVENING + timedelta(hours=4):
        played = given(state).when(e.Ticked(), at=at)
        state = played.state
        if played.all(fx.RefreshRegime):
            asked.append((at - EVENING) // timedelta(minutes=1))
            told = given(state).when(failing, at=at + secs(1))
            state = told.state
            if len(asked) == 1:
                text = told.the(e.AlertRaised).text
                assert "cannot be refreshed: no bars; it is TREND_BULL as of 2024-01-31" in text
        at += secs(60)
    assert asked == [0, 5, 15, 35, 75, 135, 195]


def test_a_new_process_asks_at_once_for_what_the_last_one_did_not_get() -> None:
    state = given(knowing(BULL, now=EVENING)).when(fired(), e.Ticked(), at=EVENING).state
    again = replace(state, figures=Figures(asked_at=EVENING))
    assert given(again).when(e.Ticked(), at=EVENING + secs(5)).all(fx.RefreshRegime) != []


def test_a_clock_that_ran_ahead_asks_for_no_session_to_come() -> None:
    far = EVENING + timedelta(days=30)
    outlook = Outlook(confirmed=BULL, refreshed_day=far.date(), refreshed_at=far)
    jobs = {"regime_refresh": far, "rehearsal": far}
    state = a_state(now=EVENING, jobs=jobs, outlook=outlook, **DONE)
    played = given(state).when(e.Ticked(), at=EVENING)
    played.then_none_of(fx.RefreshRegime, fx.RunDoctor)
    asked = given(played.state).when(fired(), e.Ticked(), at=EVENING).the(fx.RefreshRegime)
    assert asked.signal_day == DAY


def test_signals_computed_ahead_are_taken_by_the_run_of_their_session() -> None:
    ahead = some_signals((a_pick("MSFT"),))
    state = given(a_state(now=MORNING)).when(ahead, at=MORNING).state
    run = given(at_noon(state)).when(e.Ticked())
    run.then_none_of(fx.ComputeSignals)
    assert run.state.run.signals == ahead
    other = some_signals((a_pick("MSFT"),), day=date(2024, 1, 30))
    state = given(a_state(now=MORNING)).when(other, at=MORNING).state
    assert given(at_noon(state)).when(e.Ticked()).all(fx.ComputeSignals) != []


def test_signals_of_another_configuration_are_computed_anew() -> None:
    ahead = some_signals((a_pick("MSFT"),))
    state = given(a_state(now=MORNING)).when(ahead, e.PolicyChanged("new"), at=MORNING).state
    assert given(at_noon(state)).when(e.Ticked()).all(fx.ComputeSignals) != []


def test_an_answer_that_comes_when_the_plan_is_made_changes_its_picks_no_more() -> None:
    state = a_state(run=a_run(Phase.BUYING))
    later = given(state).when(some_signals((a_pick("MSFT"),))).state
    assert later.run.signals.picks == state.run.signals.picks


def test_a_source_that_speaks_of_an_older_session_is_told_of() -> None:
    state = knowing(BULL, now=EVENING, jobs={"regime_refresh": EVENING})
    old = word(BULL, SIGNAL_DAY, "worker", day=DAY)
    text = given(state).when(old, at=EVENING).the(e.AlertRaised).text
    assert text == "the regime source speaks of 2024-01-31, the last session is 2024-02-01"


# Its age.


@pytest.mark.parametrize(
    ("as_of", "age", "ok"),
    [
        (SIGNAL_DAY, 0, True),
        (date(2024, 1, 29), 2, True),
        (date(2024, 1, 26), 3, False),
        (date(1990, 1, 1), 99, False),
        (date(2024, 2, 2), 99, False),
    ],
)
def test_nothing_is_bought_under_a_regime_older_than_two_sessions(as_of, age, ok) -> None:
    state = a_state(regime=seen(BULL, as_of=as_of), run=a_run(Phase.BUYING))
    verdict = known_regime(state, POLICY)[1]
    assert (verdict.rule, verdict.ok) == ("regime_age", ok)
    assert verdict.actual.startswith(f"{age} session")
    assert verdict.limit == "at most 2 sessions old"
    played = given(state).when(e.OrderDrafted(a_draft()))
    assert bool(played.all(e.OrderApproved)) is ok
    sell = given(replace(state, book=holding(AAPL="10"))).when(e.OrderDrafted(a_draft(side="sell")))
    assert [x.rule for x in sell.all(e.OrderRefused)] != ["regime_age"]


def test_an_old_regime_is_told_of_while_the_schedule_asks_for_it() -> None:
    state = knowing(BULL, regime=seen(BULL, as_of=date(2024, 1, 26)), jobs={"rehearsal": BORN})
    said = [alert.text for alert in given(state).when(e.Ticked()).all(e.AlertRaised)]
    assert said == [
        "the regime is TREND_BULL as of 2024-01-26, 3 sessions old: nothing is bought until it is "
        "refreshed"
    ]


@pytest.mark.parametrize(("later", "ok"), [(BULL, True), (BEAR, False), (NEUTRAL, True)])
def test_a_later_word_only_lowers_what_an_open_run_may_buy(later, ok) -> None:
    plan = a_plan(regime=NEUTRAL)
    run = a_run(Phase.BUYING, plan=plan)
    state = a_state(run=run, regime=seen(later))
    draft = a_draft(qty="500")  # half of the equity: more than BEAR's 30 %, less than 70 %
    assert within_regime(state, draft, POLICY).ok is ok


# Whole stories.


def test_a_change_between_slots_makes_a_run_to_the_new_allocation() -> None:
    world = a_world(
        policy=ANY, held={"AAPL": 900}, cash=Decimal(10_000), start=OPEN + timedelta(hours=1)
    )
    world.run(OPEN + timedelta(hours=2))
    world.hear(word(BULL, raw=BULL, confirmed=BULL))
    world.run(CLOSE + timedelta(minutes=25))
    world.regime = NEUTRAL
    world.hear(word(NEUTRAL, DAY, raw=NEUTRAL, confirmed=NEUTRAL, day=DAY))
    world.run(is_done("regime-20240202"), limit=timedelta(days=1))
    assert [x.run_id for x in world.events(e.RunStarted)] == ["regime-20240202"]
    assert world.events(e.RunPlanned)[0].regime is NEUTRAL
    assert 1 - world.cash / world.equity <= Decimal("0.70")


def test_a_parked_run_of_no_slot_makes_way_for_a_slot() -> None:
    parked = a_run(
        Phase.PARKED, run_id=RunId("regime-20240131"), trigger="regime", slot=None,
        order_day=SIGNAL_DAY, first_day=SIGNAL_DAY,
    )  # fmt: skip
    played = given(a_state(run=parked)).when(e.Ticked(), e.Ticked())
    assert played.the(e.RunStarted).slot == "2024-02"
    slots = a_run(Phase.PARKED, order_day=SIGNAL_DAY, first_day=SIGNAL_DAY)
    given(a_state(run=slots)).when(e.Ticked()).then_some(e.RunContinued)


def test_a_slot_that_cannot_begin_is_told_of_once_a_session() -> None:
    world = World(start=OPEN - timedelta(minutes=10))
    world.faults.figures = lambda: True  # never reconciled
    world.boot()
    world.run(OPEN + timedelta(hours=3))
    said = [text for _, key, text in world.alerts if key == "slot"]
    assert len(said) == 1
    assert said[0].startswith("slot 2024-02 is due and cannot begin: starting")


def test_s163_a_slot_that_is_due_while_halted_says_so() -> None:
    state = a_state(halt=a_halt(is_complete=True), mode=Mode.HALTED, mode_reason="halted")
    late = at_noon(state, NOW + timedelta(minutes=5))
    said = given(late).when(e.Ticked()).all(e.AlertRaised)
    assert any("atlasd resume takes the latch off" in alert.text for alert in said)
    assert RUN not in state.run_ids
