"""When a trade of a day is settled: so many sessions later, bank holidays not counted.

T+5 until 6 June 1995, T+3 until 4 September 2017, T+2 until 27 May 2024, T+1 since (SEC rule
15c6-1). On Columbus Day and Veterans Day there is trading and no settlement.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date, timedelta

from atlas_daemon.paper.market.calendar import Calendar

WITHIN = timedelta(days=20)
"""No trade settles later than this."""

_CHANGES = (date(1995, 6, 7), date(2017, 9, 5), date(2024, 5, 28))
_LAGS = (5, 3, 2, 1)


class SettlementDays:
    """The days on which trades of some sessions settle."""

    def __init__(self, sessions: Iterable[date]) -> None:
        self._days = [day for day in sessions if not _is_bank_holiday(day)]

    @classmethod
    def around(cls, calendar: Calendar, first: date, last: date) -> SettlementDays:
        """Enough to settle what is traded in [first, last]."""
        return cls(session.day for session in calendar.sessions(first, last + WITHIN))

    def of(self, day: date) -> date:
        """When a trade of `day` settles; counted in weekdays where no session is known."""
        lag = _LAGS[bisect_right(_CHANGES, day)]
        index = bisect_right(self._days, day) + lag - 1
        if index < len(self._days):
            return self._days[index]
        missing = index - len(self._days) + 1
        last = max(day, self._days[-1]) if self._days else day
        while missing:
            last += timedelta(days=1)
            missing -= last.weekday() < 5
        return last

    def settle_on(self, day: date) -> bool:
        """True where anything settles on that day."""
        index = bisect_left(self._days, day)
        return index < len(self._days) and self._days[index] == day


def _is_bank_holiday(day: date) -> bool:
    """Columbus Day and Veterans Day (on the Monday after a Sunday)."""
    if day.month == 10:
        return day.weekday() == 0 and 8 <= day.day <= 14
    return day.month == 11 and (day.day == 11 or (day.day == 12 and day.weekday() == 0))
