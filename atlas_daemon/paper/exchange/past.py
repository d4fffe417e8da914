"""Finding one's place in an account's history without walking through all of it.

Orders stand by submission, activities by time, so bounds are found by bisection: what a list costs
depends on what it shows, not on how many years lie before it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.orders import Activity, Order

Entry = TypeVar("Entry")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def orders_within(
    account: Account,
    direction: str,
    seq_bounds: tuple[float, float],
    after_ns: int | None,
    until_ns: int | None,
) -> Iterator[Order]:
    """Orders by submission in the direction asked, their running numbers within both bounds.

    All submitted within both moments are among them, and few beyond. Bounds are exclusive.
    """
    first_seq, last_seq = seq_bounds
    by_seq = account.by_seq
    begin = bisect_right(by_seq, first_seq, key=lambda order: order.seq)
    end = bisect_left(by_seq, last_seq, key=lambda order: order.seq)
    if after_ns is not None:
        after = _floor(after_ns)
        begin = max(begin, bisect_left(by_seq, after, key=lambda order: order.submitted_at))
    if until_ns is not None:
        until = _floor(until_ns)
        end = min(end, bisect_right(by_seq, until, key=lambda order: order.submitted_at))
    return _walk(by_seq, begin, end, direction)


def activities_within(
    account: Account, token: str, direction: str, after_ns: int | None, until_ns: int | None
) -> Iterator[Activity]:
    """Activities in the direction asked, from behind the one that the token names.

    All within both moments are among them, and few beyond. An unknown token has nothing behind it.
    """
    entries = account.activities
    begin, end = 0, len(entries)
    if token:
        place = account.place_of_activity(token)
        if place is None:
            return iter(())
        begin, end = (place + 1, end) if direction == "asc" else (begin, place)
    if after_ns is not None:
        begin = max(begin, bisect_left(entries, _floor(after_ns), key=lambda entry: entry.at))
    if until_ns is not None:
        end = min(end, bisect_right(entries, _floor(until_ns), key=lambda entry: entry.at))
    return _walk(entries, begin, end, direction)


def _walk(entries: Sequence[Entry], begin: int, end: int, direction: str) -> Iterator[Entry]:
    places = range(begin, end) if direction == "asc" else reversed(range(begin, end))
    return (entries[place] for place in places)


def _floor(at_ns: int) -> datetime:
    """The moment without what is below a microsecond; the first or last there is, if beyond."""
    try:
        return _EPOCH + timedelta(microseconds=at_ns // 1000)
    except OverflowError:
        return _LAST if at_ns > 0 else _FIRST
