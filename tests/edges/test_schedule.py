"""When jobs fire: New York's moments, whatever the machine's clock and zone do."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import jobs
from atlas_daemon.core.events import JobFired
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.edges.schedule import Schedule

MONDAY = date(2024, 1, 29)


def at(day: date, hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK).astimezone(
        UTC
    )


def a_schedule(**policy) -> Schedule:
    return Schedule(lambda: Policy(**policy))


class Fires:
    """A schedule and the memory of it that the journal would be."""

    def __init__(self, born_at: datetime) -> None:
        self.schedule, self.born_at = a_schedule(), born_at
        self.jobs: dict[str, datetime] = {}
        self.all: list[JobFired] = []
        self.at_birth = self.look(born_at)
        self.all.clear()

    def look(self, now: datetime) -> list[str]:
        fired = list(self.schedule.look(now, self.jobs, self.born_at))
        self.jobs |= {event.job: event.due_at for event in fired}
        self.all += fired
        return [event.job for event in fired]

    def through(self, first: datetime, last: datetime, every: timedelta) -> "Fires":
        while first <= last:
            self.look(first)
            first += every
        return self


@pytest.fixture(params=["UTC", "Asia/Tokyo", "Australia/Lord_Howe"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    had = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ", None)
    if had is not None:
        os.environ["TZ"] = had
    time.tzset()


DAYS = [
    (MONDAY, {"regime_refresh": ["16:20"], "rebalance_check": ["09:35"]}),
    (date(2024, 2, 1), {"regime_refresh": ["08:30", "16:20"], "daily_report": ["17:00"]}),
    (date(2024, 7, 3), {"regime_refresh": ["13:20"], "daily_report": ["14:00"]}),
    (date(2024, 3, 9), {"rebalance_check": [], "rehearsal": ["20:00"], "log_upkeep": ["00:10"]}),
    (date(2024, 3, 10), {"calendar_check": ["06:30"], "rehearsal": ["20:00"]}),
    (date(2024, 11, 3), {"calendar_check": ["06:30"], "log_upkeep": ["00:10"]}),
    (date(2024, 3, 11), {"rebalance_check": ["09:35"], "regime_refresh": ["16:20"]}),
]


@pytest.mark.parametrize(("day", "wanted"), DAYS, ids=[str(day) for day, _ in DAYS])
def test_s153_each_job_fires_at_new_yorks_moments_of_the_day(day, wanted, zone) -> None:
    fires = Fires(at(day, 0, 0)).through(at(day, 0, 0), at(day, 23, 59), timedelta(minutes=5))
    found: dict[str, list[str]] = {job: [] for job in jobs.JOBS}
    for event in fires.all:
        found[event.job].append(f"{event.due_at.astimezone(NEW_YORK):%H:%M}")
    assert {job: found[job] for job in wanted} == wanted
    assert all(event.missed == 0 for event in fires.all)


def test_a_fresh_install_has_missed_nothing_and_asks_for_the_regime_at_once() -> None:
    fires = Fires(at(MONDAY, 12, 0))
    assert fires.at_birth == [jobs.REGIME_REFRESH]
    assert fires.jobs == {jobs.REGIME_REFRESH: at(date(2024, 1, 26), 16, 20)}
    assert fires.look(at(MONDAY, 12, 0)) == []
    at_the_close = Fires(at(MONDAY, 16, 10))  # its bars cannot be had yet
    assert at_the_close.at_birth == []
    assert at_the_close.look(at(MONDAY, 16, 20)) == [jobs.REGIME_REFRESH]
    assert list(a_schedule().look(at(MONDAY, 12, 0), {}, None)) == []


def test_what_was_missed_while_down_fires_once_late_and_says_how_often() -> None:
    fires = Fires(at(MONDAY, 12, 0))
    fires.look(at(MONDAY, 23, 0))
    back = at(date(2024, 2, 5), 12, 0)  # a week of five sessions later
    fires.all.clear()
    fires.look(back)
    found = {event.job: (event.due_at, event.missed) for event in fires.all}
    assert found.get(jobs.CALENDAR_CHECK) == (at(date(2024, 2, 5), 6, 30), 6)
    assert found.get(jobs.REBALANCE_CHECK) == (at(date(2024, 2, 5), 9, 35), 4)
    assert fires.look(back + timedelta(seconds=1)) == []


def test_a_fire_that_is_not_taken_is_told_again_and_not_every_second() -> None:
    schedule, born_at = a_schedule(), at(MONDAY, 9, 0)
    told = [
        s
        for s in range(130)
        if list(schedule.look(at(MONDAY, 9, 35) + timedelta(seconds=s), {}, born_at))
    ]
    assert told == [0, 60, 120]


def test_a_clock_that_steps_back_a_little_fires_nothing_twice() -> None:
    fires = Fires(at(MONDAY, 9, 0))
    assert fires.look(at(MONDAY, 9, 35)) == [jobs.REBALANCE_CHECK]
    assert fires.look(at(MONDAY, 9, 34, 20)) == []
    assert fires.look(at(MONDAY, 9, 35)) == []


def test_a_clock_that_was_a_month_ahead_loses_no_later_fire() -> None:
    fires = Fires(at(MONDAY, 9, 0))
    fires.look(at(MONDAY + timedelta(days=30), 12, 0))
    assert fires.look(at(MONDAY, 9, 10)) == []
    assert jobs.REBALANCE_CHECK in fires.look(at(MONDAY, 9, 35))


def test_beyond_the_calendar_sessions_jobs_are_silent_and_nights_go_on() -> None:
    last = NYSE.last
    fires = Fires(at(last, 23, 0))
    found = fires.look(at(last + timedelta(days=1), 23, 0))
    assert set(found) == {jobs.CALENDAR_CHECK, jobs.LOG_UPKEEP, jobs.REHEARSAL}


@given(
    start=st.dates(date(2014, 1, 1), date(2029, 6, 1)),
    gaps=st.lists(st.integers(1, 3 * 86400), min_size=5, max_size=25),
)
@settings(max_examples=25, deadline=None)
def test_however_seldom_it_is_looked_at_no_fire_is_lost_and_none_comes_twice(start, gaps) -> None:
    """Fires and misses together are all the moments there were, each counted once."""
    begin = at(start, 12, 0)
    seldom, often, now = Fires(begin), Fires(begin), begin
    for gap in gaps:
        now += timedelta(seconds=gap)
        seldom.look(now)
    often.through(begin, now, timedelta(minutes=10)).look(now)
    for job in jobs.JOBS:
        theirs = [event for event in often.all if event.job == job]
        ours = [event for event in seldom.all if event.job == job]
        assert sum(1 + event.missed for event in ours) == len(theirs)
        assert {event.due_at for event in ours} <= {event.due_at for event in theirs}
        assert len({event.due_at for event in ours}) == len(ours)
