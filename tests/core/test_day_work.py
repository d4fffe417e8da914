"""The schedule's chores: calendars and clocks compared, the doctor heard, reports and log files."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Examined
from atlas_daemon.core.values import Mode

from .builders import BORN, CLOSE, DAY, NOW, OPEN, a_state, secs
from .playbook import given

EVENING = CLOSE + timedelta(hours=4)
DONE = {"slots": {"2024-02": "done"}}
RED = Finding("disk", Level.RED, "full")


def answer(asked=0.0, heard=0.2, told=0.1, speed="1") -> e.ClockReported:
    """The broker's time, in seconds from now."""
    return e.ClockReported(NOW + secs(asked), NOW + secs(heard), NOW + secs(told), Decimal(speed))


# The clocks.


@pytest.mark.parametrize(
    ("reported", "skew_s"),
    [
        (answer(), None),
        (answer(heard=30, told=1), None),
        (answer(told=5.2), None),
        (answer(told=5.3), "5.100"),
        (answer(told=-6), "-6.000"),
        (answer(told=61), "60.800"),
        (answer(told=-61), "-61.000"),
        (answer(heard=90, told=200), None),
        (answer(asked=10, heard=0, told=200), None),
        (answer(told=500, speed="600"), None),
    ],
)
def test_clocks_that_differ_by_more_than_the_request_took_are_on_record(reported, skew_s) -> None:
    played = given(a_state()).when(reported, at=NOW)
    found = played.all(e.ClockDisputed)
    assert [f"{x.skew_s}" for x in found] == ([] if skew_s is None else [skew_s])
    blocks = skew_s is not None and abs(Decimal(skew_s)) > 60
    assert (played.state.mode is Mode.REDUCE_ONLY) is blocks
    assert [x.level for x in played.all(e.AlertRaised)] == (
        [] if skew_s is None else ["error" if blocks else "warning"]
    )


def test_clocks_that_agree_again_let_trading_go_on() -> None:
    state = given(a_state()).when(answer(told=100)).state
    given(state).when(answer(told=101)).then_nothing()
    played = given(state).when(answer())
    played.then(e.ClockAgreed(), e.ModeChanged(Mode.TRADING, "reconciled, stream listening"))


def test_a_clock_that_jumped_is_asked_after_before_anything_begins() -> None:
    for jump in (timedelta(minutes=3), -secs(6), timedelta(days=40)):
        state = a_state(now=NOW - jump)
        played = given(state).when(e.Ticked(), at=NOW)
        played.then_some(e.ClockRequested, fx.FetchClock)
        played.then_none_of(e.RunStarted, e.SlotMissed)
        begun = given(played.state).when(answer(), e.Ticked(), at=NOW)
        assert begun.the(e.RunStarted).slot == "2024-02"


def test_a_wrong_clock_calls_no_slot_missed() -> None:
    late = NOW + timedelta(days=40)
    state = given(a_state()).when(e.Ticked(), at=late).state
    told = e.ClockReported(late, late + secs(1), NOW)
    blocked = given(state).when(told, e.Ticked(), at=late)
    blocked.then_none_of(e.SlotMissed, e.RunStarted)
    assert blocked.state.slots == {}


# The calendars.


def test_the_calendar_is_asked_each_morning_and_each_minute_while_it_differs() -> None:
    def asked(state, at) -> bool:
        return bool(given(state).when(e.Ticked(), at=at).all(fx.FetchSessions))

    state = a_state()
    assert not asked(state, NOW + timedelta(days=3))
    fired = given(state).when(e.JobFired("calendar_check", NOW + secs(60)), at=NOW + secs(60)).state
    assert asked(fired, NOW + secs(61))
    disputed = replace(state, calendar_dispute="x")
    assert not asked(disputed, NOW + secs(59))
    assert asked(disputed, NOW + secs(60))


def test_while_calendars_differ_nothing_is_bought_and_agreement_ends_that() -> None:
    state = given(a_state(**DONE)).when(e.SessionsReported(DAY, DAY, ())).state
    assert state.mode is Mode.REDUCE_ONLY
    again = e.SessionsReported(DAY, DAY, NYSE.sessions_between(DAY, DAY))
    played = given(state).when(again)
    played.then(e.CalendarAgreed(DAY, DAY), e.ModeChanged)
    assert played.state.mode is Mode.TRADING


def test_the_end_of_our_own_calendar_is_told_half_a_year_before() -> None:
    def told(days: int) -> list:
        at = NYSE.session_before(NYSE.last - timedelta(days=days)).opens_at
        return (
            given(a_state(now=at)).when(e.JobFired("calendar_check", at), at=at).all(e.AlertRaised)
        )

    assert told(300) == []
    assert "the session calendar ends on" in told(100)[0].text


# The doctor.


def examined(level=Level.RED, days=0, red_before=()):
    """The doctor's word so many days before the slot of August."""
    at = OPEN.replace(month=8) - timedelta(days=days)
    before = Examined((), BORN, "", frozenset()) if not red_before else None
    state = a_state(now=at, born_at=BORN, examined=before, **DONE)
    if red_before:
        state = given(state).when(e.DoctorReported((RED,), "rehearsal"), at=at).state
        state = replace(state, alerts=())
    finding = replace(RED, level=level)
    return given(state).when(e.DoctorReported((finding,), "rehearsal"), at=at)


@pytest.mark.parametrize(
    ("level", "days", "red_before", "alerts"),
    [
        (Level.OK, 1, False, []),
        (Level.WARN, 1, False, []),
        (Level.RED, 100, False, ["warning"]),
        (Level.RED, 100, True, []),
        (Level.RED, 7, True, ["error"]),
        (Level.RED, 2, True, ["error"]),
        (Level.RED, 1, True, ["critical"]),
        (Level.RED, 0, True, ["critical"]),
        (Level.OK, 100, True, ["info"]),
    ],
)
def test_red_findings_are_told_when_new_nightly_before_a_slot_and_louder_at_last(
    level, days, red_before, alerts
) -> None:
    played = examined(level, days, red_before)
    assert [alert.level for alert in played.all(e.AlertRaised)] == alerts


def test_the_doctor_is_asked_at_night_and_an_hour_before_a_slot() -> None:
    night = given(a_state(**DONE)).when(e.JobFired("rehearsal", EVENING), e.Ticked(), at=EVENING)
    assert night.the(fx.RunDoctor) == fx.RunDoctor("rehearsal")
    morning = OPEN - timedelta(minutes=60)
    hour = given(a_state(now=morning)).when(
        e.JobFired("regime_refresh", morning), e.Ticked(), at=morning
    )
    assert hour.the(fx.RunDoctor) == fx.RunDoctor("the hour before")
    done = given(a_state(now=morning, **DONE)).when(
        e.JobFired("regime_refresh", morning), e.Ticked(), at=morning
    )
    assert done.all(fx.RunDoctor) == []


def test_a_doctor_who_does_not_come_is_asked_three_times_and_told_of() -> None:
    state = given(a_state(**DONE)).when(e.JobFired("rehearsal", EVENING), at=EVENING).state
    asked, at = 0, EVENING
    while at < EVENING + timedelta(hours=3):
        played = given(state).when(e.Ticked(), at=at)
        asked += len(played.all(fx.RunDoctor))
        state, at = played.state, at + timedelta(minutes=1)
    assert asked == 3
    told = given(state).when(e.FetchFailed("doctor", "no fork"), at=at).the(e.AlertRaised)
    assert told.text == "the doctor could not look: no fork"


def test_one_look_answers_a_night() -> None:
    state = (
        given(a_state(**DONE))
        .when(
            e.JobFired("rehearsal", EVENING),
            e.Ticked(),
            e.DoctorReported((), "rehearsal"),
            at=EVENING,
        )
        .state
    )
    assert given(state).when(e.Ticked(), at=EVENING + timedelta(hours=1)).all(fx.RunDoctor) == []


# The report and the log files.


@pytest.mark.parametrize(
    ("event", "late", "wanted"),
    [
        (e.JobFired("daily_report", EVENING), timedelta(0), [fx.SendDailyReport(DAY)]),
        (e.JobFired("daily_report", EVENING), timedelta(hours=17), [fx.SendDailyReport(DAY)]),
        (e.JobFired("daily_report", EVENING), timedelta(hours=19), []),
        (e.JobFired("log_upkeep", EVENING), timedelta(0), [fx.KeepLogs(DAY)]),
        (e.JobFired("log_upkeep", EVENING), timedelta(days=2), [fx.KeepLogs(date(2024, 2, 3))]),
        (e.JobFired("rebalance_check", EVENING), timedelta(0), []),
    ],
)
def test_a_chore_is_done_when_its_moment_comes(event, late, wanted) -> None:
    played = given(a_state(**DONE)).when(event, at=EVENING + late)
    found = [x for x in played.happened if isinstance(x, fx.SendDailyReport | fx.KeepLogs)]
    assert found == wanted
    assert played.state.jobs == {event.job: EVENING}


@pytest.mark.parametrize("what", ["report", "logs"])
def test_a_chore_that_failed_is_told_once(what) -> None:
    failed = e.FetchFailed(what, "no space")
    played = given(a_state()).when(failed)
    assert "no space" in played.the(e.AlertRaised).text
    assert given(played.state).when(failed).all(e.AlertRaised) == []
