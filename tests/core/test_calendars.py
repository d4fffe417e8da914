"""The broker's calendar beside ours: when it is asked for again."""

from datetime import timedelta

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e

from .builders import NOW, a_state
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
