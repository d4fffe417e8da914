"""What the account made, from one mark of its equity a session; deposits and withdrawals taken out.

Time-weighted: the return from mark to mark is (equity - flow) / equity before - 1, and returns are
linked (B. Feibel, Investment Performance Measurement, 2003, ch. 3: what flows in between two marks
counts as if it came at the second). The benchmark is SPY's price return, without dividends, as the
marks carry its price. What too few marks allow is None, and `why` says so; nothing is made up.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import fsum, sqrt

from atlas_daemon.analysis import metrics
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.reckoning import FLOW_KINDS
from atlas_daemon.core.sessions import NYSE, CalendarRangeError
from atlas_daemon.core.values import ZERO

CAGR_DAYS_MIN = 30
"""Growth a year, worked out from fewer days, says nothing at all."""
SHARES_KINDS = frozenset({"JNLS", "ACATS"})
YEAR_DAYS = 365
"""From fewer days an annualised figure is a caution, not a result (GIPS 2020, 2.A.12)."""
TOLERANCE = 0.30
"""How far from the backtest's expectation the handbook lets the live figures be."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What came from outside (positive) or went there, in dollars; None where nobody says."""

    day: date
    kind: str
    amount: Decimal | None
    at: datetime | None = None
    """Its moment, where the broker names one."""


@dataclass(frozen=True, slots=True)
class Point:
    """A marked session. `index` is what one dollar of the first mark has become."""

    day: date
    equity: Decimal
    flow: Decimal
    index: float
    benchmark: float | None
    """What one dollar in SPY has become; None where a price is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Figures of a span of marks. Fractions: 0.0246 is 2.46 %; a drawdown is zero or negative."""

    first: date | None = None
    last: date | None = None
    days: int = 0
    """Calendar days between the first mark and the last."""
    marks: int = 0
    missing: tuple[date, ...] = ()
    """Sessions between them without a mark."""
    returns: int = 0
    """Daily returns: from one session's mark to the next session's."""
    total: float | None = None
    cagr: float | None = None
    sharpe: float | None = None
    """Annualised, without a riskless rate."""
    volatility: float | None = None
    max_drawdown: float | None = None
    drawdown: metrics.Drawdown | None = None
    benchmark_total: float | None = None
    benchmark_cagr: float | None = None
    ahead: float | None = None
    """Total return minus the benchmark's."""
    tracking_error: float | None = None
    """Deviation of the daily difference from the benchmark, annualised."""
    gain: Decimal | None = None
    """Dollars: the last equity minus the first, without the flows."""
    flows: tuple[Flow, ...] = ()
    points: tuple[Point, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    """For each figure that is None, why."""
    caution: tuple[str, ...] = ()


class Marks:
    """The marks and flows of a journal, taken in entry by entry."""

    def __init__(self) -> None:
        self.by_day: dict[date, e.EquityMarked] = {}
        self.marked_at: dict[date, datetime] = {}
        self.flows: list[Flow] = []
        self.unexplained: list[date] = []
        """Days on which cash moved and no activity says why."""
        self.fault = ""

    @classmethod
    def of(cls, entries: Iterable[e.Entry]) -> "Marks":
        """Return what the entries tell; where reading fails, what those before it tell."""
        marks = cls()
        try:
            for entry in entries:
                marks.take(entry)
        except ConfigError as error:  # the journal's own
            marks.fault = str(error)
        return marks

    def take(self, entry: e.Entry) -> None:
        """Take in the next entry; the latest mark of a day counts."""
        match entry.event:
            case e.EquityMarked() as mark:
                self.by_day[mark.day], self.marked_at[mark.day] = mark, entry.at
            case e.ActivityBooked(activity=activity, moves=moves):
                if activity.kind not in FLOW_KINDS or activity.is_canceled:
                    return
                day = activity.day or new_york_day(activity.at or entry.at)
                amount = activity.net_amount
                if moves:  # in kind: valued as `core.evolve_book` values it
                    shares, price = sum((move.qty for move in moves), ZERO), activity.price
                    amount = None if price is None else (amount or ZERO) + shares * price
                elif activity.kind in SHARES_KINDS and not amount:
                    amount = None
                self.flows.append(Flow(day, activity.kind, amount, activity.at))
            case e.CashUnexplained() | e.BookAdopted(is_whole=False):
                self.unexplained.append(new_york_day(entry.at))
            case e.CashRestated(is_within_tolerance=False):
                self.unexplained.append(new_york_day(entry.at))


def performance_of_entries(
    entries: Iterable[e.Entry], first: date | None = None, last: date | None = None
) -> Performance:
    """Return the performance of the marks of [first, last]. Raises what reading entries raises."""
    marks = Marks()
    for entry in entries:
        marks.take(entry)
    return performance_of(marks, first, last)


def performance_of(
    marks: Marks, first: date | None = None, last: date | None = None
) -> Performance:
    """Return the performance of the marks of [first, last]."""
    low, high = first or date.min, last or date.max
    chosen = [mark for day, mark in sorted(marks.by_day.items()) if low <= day <= high]
    if len(chosen) < metrics.CURVE_MIN or any(mark.equity <= 0 for mark in chosen):
        why = {0: "no equity was marked", 1: f"one mark only, of {chosen[0].day if chosen else ''}"}
        text = why.get(len(chosen), "an equity of 0 or less was marked")
        return Performance(
            first=chosen[0].day if chosen else None,
            last=chosen[-1].day if chosen else None,
            days=(chosen[-1].day - chosen[0].day).days if chosen else 0,
            marks=len(chosen),
            why=dict.fromkeys(_FIGURES, text),
        )
    return _measured(marks, chosen)


_FIGURES = (
    *("total", "cagr", "sharpe", "volatility", "max_drawdown"),
    *("benchmark_total", "benchmark_cagr", "ahead", "tracking_error", "gain"),
)


def _measured(marks: Marks, chosen: Sequence[e.EquityMarked]) -> Performance:
    start, end = chosen[0].day, chosen[-1].day
    flows = tuple(flow for flow in marks.flows if _counts(marks, flow, start, end))
    points = _points(marks, chosen, flows)
    curve = [(point.day, point.index) for point in points]
    figures: dict[str, float | None] = dict.fromkeys(_FIGURES)
    why: dict[str, str] = {}
    figures["total"] = metrics.total_return(curve)
    fall = metrics.max_drawdown(curve)
    figures["max_drawdown"] = fall.depth
    days, is_long = (end - start).days, (end - start).days >= CAGR_DAYS_MIN
    if is_long:
        figures["cagr"] = metrics.cagr(curve)
    else:
        why["cagr"] = why["benchmark_cagr"] = f"needs {CAGR_DAYS_MIN} days, has {days}"
    missing, pairs = _missing(start, end, points), _daily(points)
    returns = [after.index / before.index - 1 for before, after in pairs]
    _variation(returns, figures, why)
    shadow = [(p.day, p.benchmark) for p in points if p.benchmark is not None]
    if points[0].benchmark is None or points[-1].benchmark is None:
        text = "SPY's price is unknown at one end"
        for name in ("benchmark_total", "benchmark_cagr", "ahead"):
            why[name] = text
    else:
        gained = metrics.total_return(shadow)
        figures["benchmark_total"], figures["ahead"] = gained, (figures["total"] or 0.0) - gained
        figures["benchmark_cagr"] = metrics.cagr(shadow) if is_long else None
    _tracking(pairs, figures, why)
    gain = chosen[-1].equity - chosen[0].equity - sum((f.amount or ZERO for f in flows), ZERO)
    return Performance(
        **{name: value for name, value in figures.items() if name != "gain"},
        first=start,
        last=end,
        days=days,
        marks=len(points),
        missing=missing,
        returns=len(returns),
        drawdown=fall,
        gain=gain,
        flows=flows,
        points=tuple(points),
        why=why,
        caution=tuple(_cautions(marks, start, end, flows, missing)),
    )


def _day_of(marks: Marks, flow: Flow) -> date:
    """Return the first day whose mark may have a flow in it: its own, unless it came later."""
    marked_at = marks.marked_at.get(flow.day)
    is_later = flow.at is not None and marked_at is not None and flow.at > marked_at
    return flow.day + timedelta(days=1) if is_later else flow.day


def _counts(marks: Marks, flow: Flow, start: date, end: date) -> bool:
    return start < _day_of(marks, flow) <= end


def _points(marks: Marks, chosen: Sequence[e.EquityMarked], flows: Iterable[Flow]) -> list[Point]:
    """Link the returns from mark to mark; a flow belongs to the first mark that has it in it."""
    days = [mark.day for mark in chosen]
    flow_at = [ZERO] * len(days)
    for flow in flows:
        flow_at[bisect_left(days, _day_of(marks, flow))] += flow.amount or ZERO
    base, index = chosen[0].benchmark, 1.0
    points = []
    for at, mark in enumerate(chosen):
        if at:
            # What was withdrawn to the last dollar leaves nothing to grow: the index stays at 0.
            index *= max(float((mark.equity - flow_at[at]) / chosen[at - 1].equity), 0.0)
        seen = float(mark.benchmark / base) if mark.benchmark and base else None
        points.append(Point(mark.day, mark.equity, flow_at[at], index, seen))
    return points


def _missing(start: date, end: date, points: Iterable[Point]) -> tuple[date, ...]:
    there = {point.day for point in points}
    try:
        sessions = NYSE.sessions_between(start, end)
    except CalendarRangeError:
        return ()
    return tuple(session.day for session in sessions if session.day not in there)


def _daily(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    """Return the pairs of marks that are one session apart: a longer step is no daily return."""
    found = []
    for before, after in pairwise(points):
        try:
            is_next = NYSE.session_after(before.day).day >= after.day
        except CalendarRangeError:
            is_next = True
        if is_next and before.index > 0:
            found.append((before, after))
    return found


def _variation(
    returns: Sequence[float], figures: dict[str, float | None], why: dict[str, str]
) -> None:
    if len(returns) < metrics.RETURNS_MIN:
        text = f"needs {metrics.RETURNS_MIN} daily returns, has {len(returns)}"
        why["sharpe"] = why["volatility"] = text
        return
    deviation = _deviation(returns)
    figures["volatility"] = deviation * sqrt(metrics.SESSIONS_A_YEAR)
    if deviation <= 0:
        why["sharpe"] = "the equity did not move"
        return
    mean = fsum(returns) / len(returns)
    figures["sharpe"] = mean / deviation * sqrt(metrics.SESSIONS_A_YEAR)


def _tracking(
    pairs: Sequence[tuple[Point, Point]], figures: dict[str, float | None], why: dict[str, str]
) -> None:
    gaps = [
        (after.index / before.index) - (after.benchmark / before.benchmark)
        for before, after in pairs
        if before.benchmark and after.benchmark
    ]
    if len(gaps) < metrics.RETURNS_MIN:
        text = f"needs {metrics.RETURNS_MIN} days with SPY's price at both ends, has {len(gaps)}"
        why["tracking_error"] = text
    else:
        figures["tracking_error"] = _deviation(gaps) * sqrt(metrics.SESSIONS_A_YEAR)


def _deviation(values: Sequence[float]) -> float:
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _cautions(
    marks: Marks, start: date, end: date, flows: Iterable[Flow], missing: Sequence[date]
) -> Iterable[str]:
    days = (end - start).days
    if days < YEAR_DAYS:
        yield f"{days} days are less than a year: annualised figures say little yet"
    if missing:
        yield (
            f"{len(missing)} sessions have no mark: no daily return is made of a longer step, and "
            "the deepest fall is that of the marks"
        )
    for flow in flows:
        if flow.amount is None:
            text = f"what came or went on {flow.day} ({flow.kind}) has no worth on record"
            yield f"{text}: not taken out"
    odd = sorted({day for day in marks.unexplained if start < day <= end})
    if odd:
        told = ", ".join(map(str, odd[:5])) + (" ..." if len(odd) > 5 else "")
        yield f"cash or shares moved without a known reason on {told}: in the returns as they are"


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure beside what the backtest promised."""

    name: str
    actual: float | None
    expected: float
    why: str = ""
    """Why there is no actual figure."""

    @property
    def difference(self) -> float | None:
        """Actual minus expected."""
        return None if self.actual is None else self.actual - self.expected

    @property
    def is_within(self) -> bool | None:
        """True where the actual figure is within the tolerance; None where nobody can say."""
        return within(self.actual, self.expected)

    @property
    def is_better(self) -> bool | None:
        """True where the actual figure is at least as good as the promise: less, for a fall."""
        if self.actual is None:
            return None
        return (self.actual - self.expected) * (-1 if self.name == "max_drawdown" else 1) >= 0


def within(actual: float | None, expected: float, tolerance: float = TOLERANCE) -> bool | None:
    """Return whether a figure is at most `tolerance` of the expected one away from it."""
    if actual is None:
        return None
    return abs(actual - expected) <= tolerance * abs(expected) + 1e-12


def against_expectation(
    found: Performance,
    cagr: Decimal | None,
    sharpe: Decimal | None,
    max_drawdown: Decimal | None,
) -> list[Compared]:
    """Return each figure that the configuration promises ([report] expected_*) beside its own.

    The drawdown is promised as a positive fraction and compared as one.
    """
    fall = None if found.max_drawdown is None else -found.max_drawdown
    rows = (
        ("cagr", found.cagr, cagr),
        ("sharpe", found.sharpe, sharpe),
        ("max_drawdown", fall, max_drawdown),
    )
    return [
        Compared(name, actual, float(expected), found.why.get(name, ""))
        for name, actual, expected in rows
        if expected is not None
    ]
