"""The broker's calendar beside ours: when it is asked for again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Phase

from .builders import NOW, a_run, a_state
from .playbook import given

ASKED = timedelta(minutes=1)


def test_calendars_that_agree_are_not_compared_again_within_the_hour() -> None:
    agreed = given(a_state()).when(e.SessionsRequested(), at=NOW).state
    given(agreed).when(e.Ticked(), at=NOW + 60 * ASKED).then_none_of(fx.FetchSessions)


def test_a_calendar_that_differs_after_it_agreed_is_asked_for_again_in_a_minute() -> None:
    """One odd answer must not cost the slot: nothing is due while the calendars differ."""
    differs = (
        given(a_state()).when(e.SessionsRequested(), e.CalendarDisputed("a holiday"), at=NOW).state
    )
    assert differs.figures.sessions_agreed is not None
    given(differs).when(e.Ticked(), at=NOW + ASKED / 2).then_none_of(fx.FetchSessions)
    given(differs).when(e.Ticked(), at=NOW + ASKED).then_some(e.SessionsRequested, fx.FetchSessions)


def test_no_day_beyond_the_end_of_our_calendar_is_asked_for() -> None:
    """The last fortnight that we know is traded in like any other."""
    at = NYSE.session_of(NYSE.session_before(NYSE.last).day).opens_at
    state = a_state(now=at)
    turn = given(state).when(e.DaemonStarted("1", "LARGE", state.account_mode, "PA1", "d", False))
    (asked,) = [x for x in turn.happened if isinstance(x, fx.FetchSessions)]
    assert asked.last == NYSE.last
    sessions = NYSE.sessions_between(asked.first, asked.last)
    answer = e.SessionsReported(asked.first, asked.last, sessions)
    given(turn.state).when(answer, at=at).then_some(e.CalendarAgreed)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_run_in_the_last_sessions_of_our_calendar_ends_the_day(left: int) -> None:
    """Catching up would reach beyond what we know: the run has the sessions that there are."""
    day = NYSE.session_of(NYSE.session_before(NYSE.last).day)
    for _ in range(left):
        day = NYSE.session_before(day.day)
    run = replace(a_run(Phase.SELLING), order_day=day.day, first_day=day.day)
    state = a_state(now=day.closes_at, run=run, orders=[])
    turn = given(state).when(e.Ticked(), at=day.closes_at + timedelta(minutes=1))
    (finished,) = [x for x in turn.happened if isinstance(x, e.RunFinished)]
    assert not finished.is_final
