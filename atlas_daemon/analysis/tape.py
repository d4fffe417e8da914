"""Prices that the journal happens to hold, by symbol and moment: for what was never traded.

Quotes and snapshots stand in it only where they decided something. Kept is what was seen while a
run was under way, and the closes of its days: all that is ever asked for. May not live here:
judging whether a price is a good one.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE, CalendarRangeError
from atlas_daemon.core.values import ZERO, Quote, Symbol


@dataclass(frozen=True, slots=True, order=True)
class Print:
    """A price of a moment, dollars per share, and who said so."""

    at: datetime
    price: Decimal
    source: str


class Tape:
    """The prices on record of the time of runs, and the closes of their days."""

    def __init__(self) -> None:
        self._prints: dict[Symbol, list[Print]] = {}
        self._closes: dict[date, dict[Symbol, Decimal]] = {}
        self._is_open = False

    def take(self, entry: e.Entry) -> None:
        """Take in what an entry says of prices."""
        event = entry.event
        match event:
            case e.RunStarted() | e.RunContinued():
                self._is_open = True
                self._closes.setdefault(event.order_day, {})
            case e.RunFinished():
                self._is_open = False
            case e.SignalsReported() if event.signal_day in self._closes:
                self._closes[event.signal_day].update(event.closes)
        if not self._is_open:
            return
        for symbol, seen in _prints(entry):
            if seen.price > ZERO:
                self._prints.setdefault(symbol, []).append(seen)

    def last(self, symbol: Symbol, after: datetime, until: datetime) -> Print | None:
        """Return the latest price of a symbol in (after, until]; None where there is none."""
        prints = sorted(self._prints.get(symbol, ()))
        at = bisect_right(prints, until, key=lambda seen: seen.at)
        return prints[at - 1] if at and prints[at - 1].at > after else None

    def close(self, symbol: Symbol, day: date) -> Print | None:
        """Return a session's close as traded; None where nobody told it."""
        price = self._closes.get(day, {}).get(symbol)
        if price is None or price <= ZERO:
            return None
        try:
            session = NYSE.session_of(day)
        except CalendarRangeError:
            session = None
        return None if session is None else Print(session.closes_at, price, "close")


def _prints(entry: e.Entry) -> Iterator[tuple[Symbol, Print]]:
    event, at = entry.event, entry.at
    match event:
        case e.QuotesReported():
            for quote in event.quotes:
                if (seen := _mid(quote)) is not None:
                    yield quote.symbol, seen
        case e.SnapshotReported():
            for position in event.positions:
                if position.price is not None:
                    yield position.symbol, Print(event.asked_at, position.price, "position")
        case e.OrderApproved():
            draft = event.approved.draft
            if draft.expected_price is not None:
                seen_at = draft.priced_at or at
                yield draft.symbol, Print(seen_at, draft.expected_price, "quote")
        case e.FillBooked():
            yield event.symbol, Print(at, event.price, "fill")
        case _:
            return


def _mid(quote: Quote) -> Print | None:
    if quote.bid and quote.ask and quote.quoted_at is not None:
        return Print(quote.quoted_at, (quote.bid + quote.ask) / 2, "quote")
    if quote.last is not None and quote.last_at is not None:
        return Print(quote.last_at, quote.last, "last trade")
    return None
