"""The local broker's NYSE calendar: half-open sessions, early closes, no guess beyond its range."""

from datetime import UTC, date, datetime, timedelta

import pytest

from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import MarketDataError


@pytest.fixture(scope="module")
def calendar():
    return Calendar()


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_a_session_is_open_from_its_open_until_just_before_its_close(calendar):
    opens_at, closes_at = utc(2026, 11, 20, 14, 30), utc(2026, 11, 20, 21, 0)
    assert calendar.session_at(opens_at - timedelta(microseconds=1)) is None
    assert calendar.session_at(opens_at).day == date(2026, 11, 20)
    assert calendar.session_at(closes_at - timedelta(microseconds=1)).day == date(2026, 11, 20)
    assert calendar.session_at(closes_at) is None


@pytest.mark.parametrize(
    ("day", "closes_at"),
    [
        (date(2026, 11, 27), utc(2026, 11, 27, 18)),
        (date(2026, 12, 24), utc(2026, 12, 24, 18)),
        (date(2027, 11, 26), utc(2027, 11, 26, 18)),
        (date(2026, 7, 1), utc(2026, 7, 1, 20)),
    ],
)
def test_early_closes_and_daylight_saving_are_in_the_closing_moment(calendar, day, closes_at):
    assert calendar.session_of(day).closes_at == closes_at


@pytest.mark.parametrize(
    "day", [date(2025, 1, 9), date(2026, 11, 26), date(2026, 11, 22), date(2027, 6, 18)]
)
def test_closures_and_weekends_have_no_session(calendar, day):
    assert calendar.session_of(day) is None


def test_next_open_and_next_close_are_strictly_later(calendar):
    friday_open, friday_close = utc(2026, 11, 20, 14, 30), utc(2026, 11, 20, 21)
    monday_open, monday_close = utc(2026, 11, 23, 14, 30), utc(2026, 11, 23, 21)
    assert calendar.next_open(friday_open - timedelta(seconds=1)) == friday_open
    assert calendar.next_open(friday_open) == monday_open
    assert calendar.next_close(friday_open) == friday_close
    assert calendar.next_close(friday_close) == monday_close
    assert calendar.next_open(utc(2026, 11, 22, 12)) == monday_open


def test_the_last_opened_session_is_the_running_one_or_the_newest_over(calendar):
    assert calendar.last_opened(utc(2026, 11, 20, 15)).day == date(2026, 11, 20)
    assert calendar.last_opened(utc(2026, 11, 22, 15)).day == date(2026, 11, 20)
    assert calendar.last_opened(utc(2010, 1, 4, 15)) is None


def test_sessions_of_a_span_are_ascending_and_cut_to_the_range(calendar):
    thanksgiving = calendar.sessions(date(2026, 11, 25), date(2026, 11, 30))
    assert [one.day.day for one in thanksgiving] == [25, 27, 30]
    everything = calendar.sessions(date.min, date.max)
    assert everything[0].day == date(2013, 1, 2)
    assert everything[-1].day == date(2028, 12, 29)
    assert everything == sorted(everything, key=lambda one: one.opens_at)


def test_all_moments_are_aware_utc(calendar):
    for one in calendar.sessions(date(2026, 1, 1), date(2026, 12, 31)):
        assert one.opens_at.tzinfo is UTC
        assert one.closes_at.tzinfo is UTC


def test_beyond_the_range_it_refuses_instead_of_guessing(calendar):
    with pytest.raises(MarketDataError, match=r"2029-01-02 is outside 2013-01-01\.\.2028-12-31"):
        calendar.session_of(date(2029, 1, 2))
    with pytest.raises(MarketDataError, match="outside"):
        calendar.session_at(utc(2029, 1, 2, 15))
    with pytest.raises(MarketDataError, match="after 2028-12-31"):
        calendar.next_open(utc(2028, 12, 29, 15))
    with pytest.raises(MarketDataError, match="is after"):
        Calendar(date(2026, 1, 2), date(2026, 1, 1))
    with pytest.raises(MarketDataError, match="no session"):
        Calendar(date(2026, 11, 21), date(2026, 11, 22))
    with pytest.raises(MarketDataError, match=r"1600-01-01\.\.1700-01-01: "):
        Calendar(date(1600, 1, 1), date(1700, 1, 1))
