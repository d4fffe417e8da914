"""The sessions of the New York Stock Exchange: a table of closures and early closes, and questions.

Generated from exchange_calendars 4.13.2 (XNYS) for 1990-01-01..2029-12-31; weekends are implied. A
comparison with that package stands in the tests and prints the tables anew where they differ.
A closure that the exchange announces later is not in here: compare with the broker's calendar.
Beyond the range nothing is guessed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from .errors import AtlasError, BugError
from .moments import NEW_YORK
from .values import Session

SESSIONS_FIRST = date(1990, 1, 1)
SESSIONS_LAST = date(2029, 12, 31)

OPENS = time(9, 30)
CLOSES = time(16, 0)
CLOSES_EARLY = time(13, 0)
CLOSED_AT_TWO = time(14, 0)

# A year, then its weekdays without a session (month-day).
CLOSURES = """\
1990 01-01 02-19 04-13 05-28 07-04 09-03 11-22 12-25
1991 01-01 02-18 03-29 05-27 07-04 09-02 11-28 12-25
1992 01-01 02-17 04-17 05-25 07-03 09-07 11-26 12-25
1993 01-01 02-15 04-09 05-31 07-05 09-06 11-25 12-24
1994 02-21 04-01 04-27 05-30 07-04 09-05 11-24 12-26
1995 01-02 02-20 04-14 05-29 07-04 09-04 11-23 12-25
1996 01-01 02-19 04-05 05-27 07-04 09-02 11-28 12-25
1997 01-01 02-17 03-28 05-26 07-04 09-01 11-27 12-25
1998 01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25
1999 01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24
2000 01-17 02-21 04-21 05-29 07-04 09-04 11-23 12-25
2001 01-01 01-15 02-19 04-13 05-28 07-04 09-03 09-11 09-12 09-13 09-14 11-22 12-25
2002 01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25
2003 01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25
2004 01-01 01-19 02-16 04-09 05-31 06-11 07-05 09-06 11-25 12-24
2005 01-17 02-21 03-25 05-30 07-04 09-05 11-24 12-26
2006 01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25
2007 01-01 01-02 01-15 02-19 04-06 05-28 07-04 09-03 11-22 12-25
2008 01-01 01-21 02-18 03-21 05-26 07-04 09-01 11-27 12-25
2009 01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25
2010 01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24
2011 01-17 02-21 04-22 05-30 07-04 09-05 11-24 12-26
2012 01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25
2013 01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25
2014 01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25
2015 01-01 01-19 02-16 04-03 05-25 07-03 09-07 11-26 12-25
2016 01-01 01-18 02-15 03-25 05-30 07-04 09-05 11-24 12-26
2017 01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25
2018 01-01 01-15 02-19 03-30 05-28 07-04 09-03 11-22 12-05 12-25
2019 01-01 01-21 02-18 04-19 05-27 07-04 09-02 11-28 12-25
2020 01-01 01-20 02-17 04-10 05-25 07-03 09-07 11-26 12-25
2021 01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24
2022 01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26
2023 01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25
2024 01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25
2025 01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25
2026 01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25
2027 01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24
2028 01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25
2029 01-01 01-15 02-19 03-30 05-28 06-19 07-04 09-03 11-22 12-25
"""

# A year, then its sessions that close at 13:00 (month-day).
EARLY_CLOSES = """\
1993 11-26
1994 11-25
1995 07-03 11-24
1996 07-05 11-29 12-24
1997 07-03 11-28 12-24 12-26
1998 11-27 12-24
1999 11-26 12-31
2000 07-03 11-24
2001 07-03 11-23 12-24
2002 07-05 11-29 12-24
2003 07-03 11-28 12-24 12-26
2004 11-26
2005 11-25
2006 07-03 11-24
2007 07-03 11-23 12-24
2008 07-03 11-28 12-24
2009 11-27 12-24
2010 11-26
2011 11-25
2012 07-03 11-23 12-24
2013 07-03 11-29 12-24
2014 07-03 11-28 12-24
2015 11-27 12-24
2016 11-25
2017 07-03 11-24
2018 07-03 11-23 12-24
2019 07-03 11-29 12-24
2020 11-27 12-24
2021 11-26
2022 11-25
2023 07-03 11-24
2024 07-03 11-29 12-24
2025 07-03 11-28 12-24
2026 11-27 12-24
2027 11-26
2028 07-03 11-24
2029 07-03 11-23 12-24
"""

# The same for 14:00, as it was before 1993.
CLOSES_AT_TWO = """\
1990 12-24
1991 12-24
1992 11-27 12-24
"""

_ONE_DAY = timedelta(days=1)


class CalendarRangeError(AtlasError):
    """The calendar does not reach this day; a newer release may know it."""

    def __init__(self, day: date, first: date, last: date) -> None:
        super().__init__(f"the session calendar ends: {day} is outside {first}..{last}")


class Calendar:
    """Sessions of [first, last] (New York dates), 9:30 to 16:00, 13:00 or 14:00 New York time.

    `closures` are weekdays without a session, `early_closes` sessions that end at 13:00,
    `closes_at_two` those that end at 14:00. Every question whose answer lies outside the range
    raises `CalendarRangeError`; a naive moment is a mistake of the caller and raises `BugError`.
    """

    def __init__(
        self,
        closures: frozenset[date],
        early_closes: frozenset[date],
        first: date = SESSIONS_FIRST,
        last: date = SESSIONS_LAST,
        closes_at_two: frozenset[date] = frozenset(),
    ) -> None:
        self.closures = closures
        self.closes_at_two = closes_at_two
        self.early_closes = early_closes
        self.first = first
        self.last = last
        self._made: dict[date, Session] = {}

    def is_session(self, day: date) -> bool:
        """True where the exchange opens on `day`."""
        if not self.first <= day <= self.last:
            raise CalendarRangeError(day, self.first, self.last)
        return day.weekday() < 5 and day not in self.closures

    def session_of(self, day: date) -> Session | None:
        """The session of `day`; None where the exchange stays closed."""
        return self._session(day) if self.is_session(day) else None

    def next_session(self, day: date) -> Session:
        """The first session on or after `day`."""
        while not self.is_session(day):
            day += _ONE_DAY
        return self._session(day)

    def session_after(self, day: date) -> Session:
        """The first session strictly after `day`."""
        return self.next_session(day + _ONE_DAY)

    def session_before(self, day: date) -> Session:
        """The last session strictly before `day`."""
        day -= _ONE_DAY
        while not self.is_session(day):
            day -= _ONE_DAY
        return self._session(day)

    def sessions_between(self, first: date, last: date) -> tuple[Session, ...]:
        """Every session of [first, last], ascending; empty where `first` is after `last`."""
        return tuple(self._session(day) for day in _days(first, last) if self.is_session(day))

    def session_at(self, at: datetime) -> Session | None:
        """The session open at `at`, in [open, close); None while the exchange is closed."""
        session = self.session_of(_new_york_day(at))
        return session if session is not None and session.is_open_at(at) else None

    def last_completed(self, at: datetime) -> Session:
        """The newest session that closed at or before `at`: the signal session of that moment."""
        day = _new_york_day(at)
        session = self.session_of(day)
        if session is not None and session.closes_at <= at:
            return session
        return self.session_before(day)

    def _session(self, day: date) -> Session:
        session = self._made.get(day)
        if session is None:  # asked many times a turn, and dear: two changes of zone
            closes = CLOSES_EARLY if day in self.early_closes else CLOSES
            if day in self.closes_at_two:
                closes = CLOSED_AT_TWO
            session = Session(day, _moment(day, OPENS), _moment(day, closes))
            self._made[day] = session
        return session


def _moment(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC)


def _new_york_day(at: datetime) -> date:
    if at.utcoffset() is None:
        raise BugError(f"{at} has no time zone: the calendar answers aware moments only")
    return at.astimezone(NEW_YORK).date()


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _read(table: str) -> frozenset[date]:
    days: set[date] = set()
    for line in table.splitlines():
        year, *rest = line.split()
        days.update(date.fromisoformat(f"{year}-{day}") for day in rest)
    return frozenset(days)


NYSE = Calendar(_read(CLOSURES), _read(EARLY_CLOSES), closes_at_two=_read(CLOSES_AT_TWO))
"""The calendar of the New York Stock Exchange."""
