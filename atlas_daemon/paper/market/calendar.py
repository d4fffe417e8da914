"""The sessions of the New York Stock Exchange as the local broker knows them.

Read once from `exchange_calendars` (imported on first use only: it brings pandas), then looked up
by bisection. A question outside the loaded range is refused, never answered by a guess.
"""

import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from atlas_daemon.paper.market.market import MarketDataError

FIRST_DAY = date(2013, 1, 1)
LAST_DAY = date(2028, 12, 31)
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One session: New York date, open and close as aware UTC moments."""

    day: date
    opens_at: datetime
    closes_at: datetime

    @property
    def is_full(self) -> bool:
        """False for a session that ends before 16:00 New York time."""
        return self.closes_at.astimezone(NEW_YORK).hour >= 16


class Calendar:
    """NYSE sessions of [first, last]; raises `MarketDataError` where asked beyond them."""

    def __init__(self, first: date = FIRST_DAY, last: date = LAST_DAY) -> None:
        if first > last:
            raise MarketDataError(f"calendar: {first} is after {last}")
        self.first = first
        self.last = last
        self._sessions = _xnys(first, last)
        self._days = [session.day for session in self._sessions]
        self._opens = [session.opens_at for session in self._sessions]
        self._closes = [session.closes_at for session in self._sessions]
        if not self._sessions:
            raise MarketDataError(f"calendar: no session between {first} and {last}")

    def sessions(self, first: date, last: date) -> list[TradingDay]:
        """Sessions of [first, last], cut to the calendar's own range."""
        return list(self._sessions[bisect_left(self._days, first) : bisect_right(self._days, last)])

    def session_of(self, day: date) -> TradingDay | None:
        """The session of a New York date; None where the exchange is closed all day."""
        self._refuse_beyond(day)
        index = bisect_left(self._days, day)
        if index < len(self._days) and self._days[index] == day:
            return self._sessions[index]
        return None

    def session_at(self, at: datetime) -> TradingDay | None:
        """The session open at `at`, in the half-open interval [open, close); None while closed."""
        self._refuse_beyond(at.astimezone(NEW_YORK).date())
        session = self.last_opened(at)
        return session if session is not None and at < session.closes_at else None

    def last_opened(self, at: datetime) -> TradingDay | None:
        """The newest session that opened at or before `at`, running or over; None before any."""
        index = bisect_right(self._opens, at)
        return self._sessions[index - 1] if index else None

    def next_open(self, at: datetime) -> datetime:
        """The first open strictly after `at`."""
        return self._next(self._opens, at)

    def next_close(self, at: datetime) -> datetime:
        """The first close strictly after `at`."""
        return self._next(self._closes, at)

    def _refuse_beyond(self, day: date) -> None:
        if not self.first <= day <= self.last:
            raise MarketDataError(f"calendar: {day} is outside {self.first}..{self.last}")

    def _next(self, moments: list[datetime], at: datetime) -> datetime:
        index = bisect_right(moments, at)
        if index == len(moments):
            raise MarketDataError(f"calendar: nothing is known after {self.last}")
        return moments[index]


@lru_cache(maxsize=8)
def _xnys(first: date, last: date) -> tuple[TradingDay, ...]:
    """Read the sessions of [first, last]; cached, since building the calendar takes a while."""
    with warnings.catch_warnings():
        # exchange_calendars 4.13 still uses what pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import exchange_calendars

        try:
            # Without start= and end= it spans only today - 20 years to today + 1 year.
            xnys = exchange_calendars.get_calendar(
                "XNYS", start=first.isoformat(), end=last.isoformat()
            )
        except exchange_calendars.errors.NoSessionsError:
            return ()
        except ValueError as error:
            raise MarketDataError(f"calendar: {first}..{last}: {error}") from error
        return tuple(
            TradingDay(
                label.date(),
                opens_at.to_pydatetime().astimezone(UTC),
                closes_at.to_pydatetime().astimezone(UTC),
            )
            for label, opens_at, closes_at in zip(
                xnys.sessions, xnys.opens, xnys.closes, strict=True
            )
        )
