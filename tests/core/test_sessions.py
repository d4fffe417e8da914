"""The table of NYSE sessions: equal to its source, silent beyond its range."""

import warnings
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core import sessions
from atlas_daemon.core.errors import AtlasError, BugError
from atlas_daemon.core.sessions import (
    NYSE,
    SESSIONS_FIRST,
    SESSIONS_LAST,
    Calendar,
    CalendarRangeError,
)

NEW_YORK = ZoneInfo("America/New_York")


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@cache
def reference():
    """Every session of the range as exchange_calendars has it: (day, opens_at, closes_at)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what pandas deprecates
        import exchange_calendars

        xnys = exchange_calendars.get_calendar(
            "XNYS", start=SESSIONS_FIRST.isoformat(), end=SESSIONS_LAST.isoformat()
        )
        return [
            (label.date(), opens_at.to_pydatetime(), closes_at.to_pydatetime())
            for label, opens_at, closes_at in zip(
                xnys.sessions, xnys.opens, xnys.closes, strict=True
            )
        ]


def as_table(days):
    """Days in the spelling of the module's tables."""
    by_year = {}
    for day in sorted(days):
        by_year.setdefault(day.year, []).append(f"{day:%m-%d}")
    return "".join(f"{year} {' '.join(rest)}\n" for year, rest in by_year.items())


def test_the_tables_are_those_of_exchange_calendars():
    known = {day for day, _, _ in reference()}
    span = range((SESSIONS_LAST - SESSIONS_FIRST).days + 1)
    weekdays = {day for n in span if (day := SESSIONS_FIRST + timedelta(days=n)).weekday() < 5}
    hours = {day: closes.astimezone(NEW_YORK).hour for day, _, closes in reference()}
    closures = as_table(weekdays - known)
    early_closes = as_table(day for day, hour in hours.items() if hour == 13)
    at_two = as_table(day for day, hour in hours.items() if hour == 14)
    told = f"to paste:\nCLOSURES\n{closures}\nEARLY_CLOSES\n{early_closes}\nTWO\n{at_two}"
    assert closures == sessions.CLOSURES, told
    assert early_closes == sessions.EARLY_CLOSES, told
    assert at_two == sessions.CLOSES_AT_TWO, told


def test_every_session_opens_and_closes_as_in_exchange_calendars():
    ours = NYSE.sessions_between(SESSIONS_FIRST, SESSIONS_LAST)
    assert [(one.day, one.opens_at, one.closes_at) for one in ours] == reference()
    assert len(ours) == 10071


@pytest.mark.parametrize(
    ("anchor", "session"),
    [
        (date(2015, 2, 1), date(2015, 2, 2)),
        (date(2015, 8, 1), date(2015, 8, 3)),
        (date(2020, 2, 1), date(2020, 2, 3)),
        (date(2020, 8, 1), date(2020, 8, 3)),
        (date(2021, 8, 1), date(2021, 8, 2)),
        (date(2025, 2, 1), date(2025, 2, 3)),
        (date(2026, 2, 1), date(2026, 2, 2)),
        (date(2026, 8, 1), date(2026, 8, 3)),
        (date(2027, 2, 1), date(2027, 2, 1)),
        (date(2027, 8, 1), date(2027, 8, 2)),
        (date(2020, 3, 15), date(2020, 3, 16)),
    ],
)
def test_an_anchor_on_a_weekend_is_the_next_session(anchor, session):
    assert NYSE.next_session(anchor).day == session
    assert NYSE.is_session(anchor) is (anchor == session)


@pytest.mark.parametrize(
    ("order", "signal"),
    [
        (date(2020, 3, 16), date(2020, 3, 13)),
        (date(2024, 2, 1), date(2024, 1, 31)),
        (date(2024, 8, 1), date(2024, 7, 31)),
    ],
)
def test_the_signal_session_is_the_last_one_completed_before_the_order_session(order, signal):
    assert NYSE.session_before(order).day == signal
    assert NYSE.last_completed(NYSE.session_of(order).opens_at).day == signal
    assert NYSE.session_after(signal).day == order


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24), date(2027, 11, 26)])
def test_early_closes_end_at_one_in_new_york(day):
    session = NYSE.session_of(day)
    assert session.opens_at.astimezone(NEW_YORK).time() == time(9, 30)
    assert session.closes_at.astimezone(NEW_YORK).time() == time(13, 0)
    assert NYSE.session_at(session.closes_at) is None


@pytest.mark.parametrize(
    "day",
    [
        date(2025, 1, 9),  # a day of mourning
        date(2022, 6, 20),  # Juneteenth is kept from 2022
        date(2026, 6, 19),
        date(2026, 11, 26),
        date(2026, 11, 22),  # a Sunday
    ],
)
def test_closed_days_have_no_session(day):
    assert NYSE.session_of(day) is None
    assert not NYSE.is_session(day)


def test_juneteenth_was_a_session_before_2022():
    assert NYSE.is_session(date(2020, 6, 19))


@pytest.mark.parametrize(
    ("friday", "hour_before", "hour_after"),
    [
        (date(2026, 3, 6), 14, 13),  # clocks go forward on 8 March
        (date(2026, 10, 30), 13, 14),  # and back on 1 November
    ],
)
def test_the_opening_moment_moves_in_utc_when_new_york_changes_its_clocks(
    friday, hour_before, hour_after
):
    before, after = NYSE.session_of(friday), NYSE.session_after(friday)
    assert (before.opens_at.hour, before.opens_at.minute) == (hour_before, 30)
    assert (after.opens_at.hour, after.opens_at.minute) == (hour_after, 30)
    assert before.opens_at.tzinfo is UTC
    assert after.closes_at - after.opens_at == timedelta(hours=6, minutes=30)


@pytest.mark.parametrize(
    ("at", "is_open", "completed"),
    [
        (utc(2026, 11, 20, 14, 29, 59), False, date(2026, 11, 19)),
        (utc(2026, 11, 20, 14, 30), True, date(2026, 11, 19)),
        (utc(2026, 11, 20, 20, 59, 59), True, date(2026, 11, 19)),
        (utc(2026, 11, 20, 21, 0), False, date(2026, 11, 20)),
        (utc(2026, 11, 21, 3, 0), False, date(2026, 11, 20)),  # still the 20th in New York
        (utc(2026, 11, 22, 12, 0), False, date(2026, 11, 20)),
        (utc(2026, 11, 27, 18, 0), False, date(2026, 11, 27)),  # the half day is over
    ],
)
def test_a_session_is_open_until_its_close_and_completed_from_then_on(at, is_open, completed):
    assert (NYSE.session_at(at) is not None) is is_open
    assert NYSE.last_completed(at).day == completed


def test_sessions_between_is_inclusive_and_empty_backwards():
    days = [one.day for one in NYSE.sessions_between(date(2026, 11, 25), date(2026, 11, 30))]
    assert days == [date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)]
    assert NYSE.sessions_between(date(2026, 11, 25), date(2026, 11, 24)) == ()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: NYSE.is_session(date(2030, 1, 2)),
        lambda: NYSE.session_of(date(1989, 12, 29)),
        lambda: NYSE.next_session(date(2030, 1, 1)),
        lambda: NYSE.session_after(date(2029, 12, 31)),
        lambda: NYSE.session_before(date(1990, 1, 2)),
        lambda: NYSE.sessions_between(date(2029, 12, 30), date(2030, 1, 1)),
        lambda: NYSE.session_at(utc(2030, 1, 2, 15)),
        lambda: NYSE.last_completed(utc(2030, 1, 2, 15)),
        lambda: NYSE.last_completed(utc(1990, 1, 2, 15)),
    ],
)
def test_beyond_the_range_it_refuses_instead_of_guessing(ask):
    with pytest.raises(CalendarRangeError, match=r"outside 1990-01-01\.\.2029-12-31") as caught:
        ask()
    assert isinstance(caught.value, AtlasError)


def test_a_naive_moment_is_our_own_mistake():
    naive = utc(2026, 11, 20, 15).replace(tzinfo=None)
    with pytest.raises(BugError, match="no time zone"):
        NYSE.session_at(naive)
    with pytest.raises(BugError, match="no time zone"):
        NYSE.last_completed(naive)


def test_a_calendar_with_one_more_closure_skips_that_day():
    mourning = date(2026, 11, 23)
    changed = Calendar(NYSE.closures | {mourning}, NYSE.early_closes)
    assert changed.next_session(mourning).day == date(2026, 11, 24)
    assert NYSE.next_session(mourning).day == mourning


DAYS = st.dates(date(2013, 1, 15), date(2029, 12, 15))


@given(day=DAYS)
def test_neighbours_enclose_a_day(day):
    before, on, after = NYSE.session_before(day), NYSE.next_session(day), NYSE.session_after(day)
    assert before.day < day <= on.day <= after.day
    assert day < after.day
    assert NYSE.session_after(before.day) == on
    assert (on == after) is not NYSE.is_session(day)
    assert NYSE.last_completed(on.opens_at) == before
