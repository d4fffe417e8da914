"""The account's equity by day beside the benchmark: marks, what came from outside, regimes.

Numbers are kept in plain arrays, as millionths of a dollar: ten years are a few hundred kilobytes.
May not live here: what became of orders and runs.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.reckoning import FLOW_KINDS
from atlas_daemon.core.values import ZERO, Regime

POINTS_MAX = 8_000
"""Thirty years of sessions."""
FLOWS_MAX = 2_000
BANDS_MAX = 1_000
YEAR_DAYS = 366
MARK_GAP = timedelta(days=4)
"""From Friday to Tuesday: between two marks further apart nobody looked."""
AT_ONCE = 250
"""Points made without a pause: half a millisecond."""
SILENCE = timedelta(days=10)
"""After so long without a word the regime between is unknown: no band is drawn over it."""

View = dict[str, Any]

_MILLION = 1_000_000
_UNKNOWN = -(2**63)
_LARGEST = 2**63 - 1


class _Flow(NamedTuple):
    day: int
    at: int | None
    """Seconds since 1970, where the broker names the moment."""
    kind: str
    amount: Decimal | None


class Curve:
    """Fed with entries in their order; `version` grows with everything that changes a view."""

    def __init__(self) -> None:
        self.version = 0
        self._days = array("l")
        self._equity = array("q")
        self._cash = array("q")
        self._benchmark = array("q")
        self._marked_at = array("q")
        """Seconds since 1970."""
        self._flows: list[_Flow] = []
        self._bands: list[list[Any]] = []  # first day, last day, regime
        self._known_from: int | None = None
        """From this day on the account's activities are on record."""
        self._unexplained: set[int] = set()
        """Days on which cash moved and nobody knows why."""

    def mark(self, event: e.EquityMarked, at: datetime) -> None:
        """Take in a day's equity, marked at `at`; the latest of a day counts."""
        day = event.day.toordinal()
        place = bisect_left(self._days, day)
        columns = (self._equity, self._cash, self._benchmark, self._marked_at)
        figures = (_packed(event.equity), _packed(event.cash), _packed(event.benchmark))
        values = (*figures, int(at.timestamp()))
        if place < len(self._days) and self._days[place] == day:
            for column, value in zip(columns, values, strict=True):
                column[place] = value
        else:
            self._days.insert(place, day)
            for column, value in zip(columns, values, strict=True):
                column.insert(place, value)
        if len(self._days) > POINTS_MAX:
            for column in (self._days, *columns):
                del column[0]
        self.version += 1

    def moved(self, event: e.ActivityBooked, day: date) -> None:
        """Take in what came from outside; `day` counts where the activity names none."""
        if event.cash_named:
            self._unexplained.clear()
        activity = event.activity
        if activity.kind not in FLOW_KINDS or activity.is_canceled:
            return
        if activity.day is not None:
            day = activity.day
        elif activity.at is not None:
            day = new_york_day(activity.at)
        at = None if activity.at is None else int(activity.at.timestamp())
        self._flows.append(_Flow(day.toordinal(), at, activity.kind, _amount(event)))
        del self._flows[:-FLOWS_MAX]
        self.version += 1

    def is_read_from(self, day: date) -> None:
        """From `day` on every activity of the account is on record."""
        if self._known_from is None:
            self._known_from = day.toordinal()
            self.version += 1

    def is_unexplained(self, day: date) -> None:
        """Cash moved on `day`, and no activity says why."""
        self._unexplained.add(day.toordinal())
        self.version += 1

    def regime(self, regime: Regime, as_of: date, *, until: date | None = None) -> None:
        """Take in a word on the regime: it lengthens the last band, or begins another.

        One that was computed, heard on the day `until`, is passed over where a later word is known,
        as the core does.
        """
        band = self._bands[-1] if self._bands else None
        if band is not None and until is not None and as_of < band[1] <= until:
            return
        if band is not None and as_of <= band[1] and band[2] is regime:
            return
        if band is not None and as_of <= band[0]:
            band[2] = regime  # said anew of the same day: the later word counts
        elif band is not None and as_of - band[1] <= SILENCE:
            band[1] = as_of
            if band[2] is not regime:
                self._bands.append([as_of, as_of, regime])
        else:
            self._bands.append([as_of, as_of, regime])
        del self._bands[:-BANDS_MAX]
        self.version += 1

    def points(self, since: date | None = None, until: date | None = None) -> Iterator[list[View]]:
        """Yield the marks from `since` to `until`, both included, oldest first, a few at a time.

        `flow` is what came from outside since the mark before; None where that is not known, and
        for the first mark of all.
        """
        first, last = self._window(since, until)
        for start in range(first, last, AT_ONCE):
            yield self._points(start, min(start + AT_ONCE, last))

    def sparse(self) -> list[View]:
        """Return the marks as a chart needs them: of older years the ends of weeks and months.

        The last year is whole, and so is what a flow happened between: no growth is lost. `after`
        is the day of the mark before, shown or not: what is left out is no silence.
        """
        kept: list[View] = []
        held: View | None = None
        recent = "" if not self._days else date.fromordinal(self._days[-1] - YEAR_DAYS).isoformat()
        before: View | None = None
        for point in (point for some in self.points() for point in some):
            point["after"] = None if before is None else before["day"]
            is_plain = kept and point["flow"] == "0" and _goes_on(before, point)
            before = point
            if held is not None and not (is_plain and _is_same_week(held["day"], point["day"])):
                kept.append(held)
            held = None
            if is_plain and point["day"] < recent:
                held = point
            else:
                kept.append(point)
        return kept

    def _points(self, first: int, last: int) -> list[View]:
        flows = self._flow_of_marks(first, last)
        return [
            {
                "day": date.fromordinal(self._days[i]).isoformat(),
                "equity": _text(self._equity[i]),
                "cash": _text(self._cash[i]),
                "benchmark": _text(self._benchmark[i]),
                "flow": flows[i - first],
            }
            for i in range(first, last)
        ]

    def flows(self, since: date | None = None, until: date | None = None) -> list[View]:
        """Return each deposit and withdrawal, oldest first; `amount` None where nobody says."""
        low, high = _ordinals(since, until)
        return [
            {
                "day": date.fromordinal(flow.day).isoformat(),
                "kind": flow.kind,
                "amount": None if flow.amount is None else f"{flow.amount:f}",
            }
            for flow in sorted(self._flows, key=lambda flow: flow.day)
            if low <= flow.day <= high
        ]

    def regimes(self, since: date | None = None, until: date | None = None) -> list[View]:
        """Return the regimes that were confirmed, oldest first, each as far as anybody said so."""
        low, high = since or date.min, until or date.max
        return [
            {"from": band[0].isoformat(), "to": band[1].isoformat(), "regime": band[2].value}
            for band in self._bands
            if band[1] >= low and band[0] <= high
        ]

    def _window(self, since: date | None, until: date | None) -> tuple[int, int]:
        low, high = _ordinals(since, until)
        return bisect_left(self._days, low), bisect_left(self._days, high + 1)

    def _place_of(self, flow: "_Flow") -> int:
        """Return the place of the first mark with a flow in it: its day's, unless it came later."""
        place = bisect_left(self._days, flow.day)
        is_there = place < len(self._days) and self._days[place] == flow.day
        is_later = is_there and flow.at is not None and flow.at > self._marked_at[place]
        return place + is_later

    def _flow_of_marks(self, first: int, last: int) -> list[str | None]:
        """Return the flow into each mark of [first, last)."""
        sums: list[Decimal | None] = [ZERO] * (last - first)
        for flow in self._flows:
            place, amount = self._place_of(flow), flow.amount
            if first <= place < last:
                before = sums[place - first]
                sums[place - first] = None if before is None or amount is None else before + amount
        for day in sorted(self._unexplained):
            place = bisect_left(self._days, day)
            if first <= place < last:
                sums[place - first] = None
        known = self._known_from
        for place in range(first, last):
            # What is measured from a mark before the first reading is not known whole.
            if known is None or place == 0 or self._days[place - 1] < known:
                sums[place - first] = None
            else:
                break
        return [None if amount is None else f"{amount:f}" for amount in sums]


def _amount(event: e.ActivityBooked) -> Decimal | None:
    """As `core.evolve_book` values what state keeps of it."""
    activity = event.activity
    if not event.moves:
        return activity.net_amount
    if activity.price is None:  # in kind, of no known worth
        return None
    shares = sum((move.qty for move in event.moves), ZERO)
    return (activity.net_amount or ZERO) + shares * activity.price


def _goes_on(before: View | None, point: View) -> bool:
    """True where a line goes on from the mark before: nothing between is unknown."""
    if before is None or before["equity"] is None or point["equity"] is None:
        return False
    if (before["benchmark"] is None) != (point["benchmark"] is None):
        return False
    return date.fromisoformat(point["day"]) - date.fromisoformat(before["day"]) <= MARK_GAP


def _is_same_week(day: str, other: str) -> bool:
    """True within a week of one month; both are ISO days."""
    if day[:7] != other[:7]:
        return False
    return date.fromisoformat(day).isocalendar()[:2] == date.fromisoformat(other).isocalendar()[:2]


def _packed(value: Decimal | None) -> int:
    if value is None:
        return _UNKNOWN
    packed = round(value * _MILLION)
    return packed if abs(packed) <= _LARGEST else _UNKNOWN


def _text(packed: int) -> str | None:
    if packed == _UNKNOWN:
        return None
    whole, part = divmod(abs(packed), _MILLION)
    sign = "-" if packed < 0 else ""
    if not part:
        return f"{sign}{whole}"
    return f"{sign}{whole}." + f"{part:06}".rstrip("0").ljust(2, "0")


def _ordinals(since: date | None, until: date | None) -> tuple[int, int]:
    return (since or date.min).toordinal(), (until or date.max).toordinal()
