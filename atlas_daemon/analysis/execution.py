"""How orders went: slippage as a distribution, what was rejected and why, how long fills took.

Statistics are floats. May not live here: the costs in dollars, which are `shortfall`'s.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import fsum
from statistics import fmean, median

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.values import OrderId, Side
from atlas_daemon.records.trades_csv import OrderSeen, Row, rows, seen

from .decided import OrderRead, RunRead
from .exact import product, ratio
from .shortfall import slippage_cost, slippage_over

PERCENTS = (5, 25, 50, 75, 95)
BINS_MAX = 20
STEPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Widths of a histogram's bins, in basis points."""
REASON_CHARS = 120


@dataclass(frozen=True, slots=True)
class Distribution:
    """Figures of a sample; all 0 and `count` 0 where it is empty."""

    count: int = 0
    mean: float = 0.0
    median: float = 0.0
    least: float = 0.0
    most: float = 0.0
    percentiles: Mapping[int, float] = field(default_factory=dict)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted values, interpolated between neighbours (Hyndman-Fan's 7)."""
    place = (len(values) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def distribution(sample: Iterable[float]) -> Distribution:
    """Return the figures of a sample."""
    values = sorted(sample)
    if not values:
        return Distribution()
    told = {percent: percentile(values, percent) for percent in PERCENTS}
    return Distribution(len(values), fmean(values), median(values), values[0], values[-1], told)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a histogram: samples in [low, high), in basis points."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class SlippageSpread:
    """Slippage of filled orders against their expected price, in basis points; positive costs."""

    every: Distribution
    sides: Mapping[Side, Distribution]
    weighted: float | None
    """All cost over all value."""
    weighted_sides: Mapping[Side, float | None]
    worst: OrderRead | None
    bins: tuple[Bin, ...]
    unpriced: int
    """Filled orders of which no price was expected."""


def slippage_bps(order: OrderRead) -> float | None:
    """Return one order's slippage in basis points; None where nothing filled or was expected."""
    if not order.filled_qty or not order.arrival_price:
        return None
    worth = product(order.filled_qty, order.arrival_price)
    return float(ratio(slippage_cost(order), worth)) * 10_000


def slippage_spread(orders: Sequence[OrderRead]) -> SlippageSpread:
    """Return how the slippage of orders is spread."""
    found = [(bps, order) for order in orders if (bps := slippage_bps(order)) is not None]
    of_side = {side: [order for order in orders if order.side is side] for side in Side}
    whole = slippage_over(orders)
    return SlippageSpread(
        every=distribution(bps for bps, _ in found),
        sides={
            side: distribution(bps for bps, order in found if order.side is side) for side in Side
        },
        weighted=_weighted(orders),
        weighted_sides={side: _weighted(some) for side, some in of_side.items()},
        worst=max(found, key=lambda pair: pair[0])[1] if found else None,
        bins=histogram([bps for bps, _ in found]),
        unpriced=whole.unpriced,
    )


def _weighted(orders: Sequence[OrderRead]) -> float | None:
    weighted = slippage_over(orders).weighted
    return None if weighted is None else float(weighted) * 10_000


def histogram(values: Sequence[float]) -> tuple[Bin, ...]:
    """Return bars of equal and round width over the whole sample; none where it is empty."""
    if not values:
        return ()
    low, high = min(values), max(values)
    width = next((step for step in STEPS if (high - low) / step < BINS_MAX - 1), STEPS[-1])
    while (high - low) / width >= BINS_MAX - 1:
        width *= 2
    first = int(low // width)
    counts = Counter(int(value // width) - first for value in values)
    last = max(counts)
    return tuple(
        Bin((first + at) * width, (first + at + 1) * width, counts[at]) for at in range(last + 1)
    )


@dataclass(frozen=True, slots=True)
class Rejections:
    """What was turned down: by the broker, and by rules of ours, apart."""

    sent: int
    """Orders that left, or may have."""
    broker: int
    drafted: int
    """Orders that were wanted."""
    ours: int
    """Those that a rule of ours refused."""
    cut: int
    dropped: int
    """Lines that left a run by policy."""
    plans: int
    """Plans that a gate refused whole."""
    broker_reasons: Mapping[str, int]
    our_reasons: Mapping[str, int]
    """By rule: refused orders, dropped lines, plans."""

    @property
    def broker_rate(self) -> float | None:
        """Rejected by the broker, of the orders sent."""
        return self.broker / self.sent if self.sent else None

    @property
    def our_rate(self) -> float | None:
        """Refused by a rule of ours, of the orders wanted."""
        return self.ours / self.drafted if self.drafted else None


_NO = (OrderStatus.REJECTED, OrderStatus.REFUSED)


def rejections_of(runs: Iterable[RunRead]) -> Rejections:
    """Return what was turned down in runs."""
    chosen = list(runs)
    orders = [order for run in chosen for order in run.orders]
    sent = [order for order in orders if order.sends and order.status != OrderStatus.WITHHELD]
    no = [order for order in sent if order.status in _NO]
    ours = Counter[str]()
    for run in chosen:
        for what, refusals in (
            ("order", run.refusals),
            ("line", run.dropped),
            ("plan", run.gates if run.is_refused else []),
        ):
            ours.update(f"{each.rule} ({what})" for each in refusals)
    return Rejections(
        sent=len(sent),
        broker=len(no),
        drafted=len(orders),
        ours=sum(len(run.refusals) for run in chosen),
        cut=sum(len(run.cuts) for run in chosen),
        dropped=sum(len(run.dropped) for run in chosen),
        plans=sum(run.is_refused for run in chosen),
        broker_reasons=_ordered(
            Counter(order.reason[:REASON_CHARS] or "no reason" for order in no)
        ),
        our_reasons=_ordered(ours),
    )


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the first request of an order, by the journal's clock."""

    first_fill: Distribution
    whole_fill: Distribution


def latency_of(orders: Iterable[OrderRead]) -> Latency:
    """Return how long orders took to their first fill, and to be filled whole."""
    chosen = [order for order in orders if order.sent_at is not None]

    def spans(end_of: Callable[[OrderRead], datetime | None]) -> Iterable[float]:
        for order in chosen:
            end = end_of(order)
            if end is not None and order.sent_at is not None:
                yield max((end - order.sent_at).total_seconds(), 0.0)

    return Latency(
        distribution(spans(lambda order: order.first_fill_at)),
        distribution(spans(lambda order: order.filled_at)),
    )


@dataclass(slots=True)
class HandbookFigures:
    """What the handbook's example analysis makes of the trades files of the same entries."""

    rows: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    gaps: list[float] = field(default_factory=list)

    @property
    def mean_slippage(self) -> float | None:
        """The mean over all FILL rows of fill_price - expected_price, $ per share."""
        return fsum(self.gaps) / len(self.gaps) if self.gaps else None

    @property
    def rejection_rate(self) -> float | None:
        """Rows whose status is `rejected`, of all rows."""
        return self.rejected / self.rows if self.rows else None


class RowReader:
    """Makes the rows of the trades files again, entry by entry, and keeps their figures."""

    def __init__(self, is_wanted: Callable[[date, Row], bool] = lambda day, row: True) -> None:
        self.figures = HandbookFigures()
        self._is_wanted = is_wanted
        self._known: dict[OrderId, OrderSeen] = {}

    def take(self, entry: e.Entry) -> None:
        """Take in the next entry."""
        figures = self.figures
        for row in rows(entry, self._known):
            if not self._is_wanted(new_york_day(entry.at), row):
                continue
            figures.rows += 1
            if row.status == "rejected":
                figures.rejected += 1
                figures.reasons[row.error] += 1
            if row.fill_price and row.expected_price:
                figures.gaps.append(float(row.fill_price) - float(row.expected_price))
        order = seen(self._known, entry)
        if order is not None:
            self._known[order.draft.order_id] = order
