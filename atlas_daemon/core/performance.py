"""What the account made since its last rebalance, from the marks of its equity. Questions only.

Deposits and withdrawals are no return: each stretch between two marks is measured without what came
from outside in it, as if that had come at its end, and the stretches are chained (time-weighted).
A figure that too few marks allow is None, and a sentence says why: nothing is made up.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise

from .moments import new_york_day
from .sessions import NYSE, CalendarRangeError
from .spelling import dollars
from .state import FLOWS_MAX, Flow, Mark, RunRecord, State
from .values import ZERO, Symbol

SESSIONS_A_YEAR = Decimal(252)
RETURNS_MIN = 20
"""Fewer daily returns give a Sharpe ratio of noise."""
MARKED_WITHIN = timedelta(hours=1)
"""A session that ended less long ago is not yet one without a mark."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Returns and drawdown are fractions (0.0246 is 2.46 %); the drawdown is zero or negative."""

    since: date | None
    total: Decimal | None = None
    benchmark: Decimal | None = None
    """Of its price: dividends are not in it."""
    sharpe: Decimal | None = None
    drawdown: Decimal | None = None
    """Of the closes, the rebalance's end and now."""
    flows: Decimal | None = None
    """Dollars that came from outside since, less those that went."""
    unmarked: int = 0
    """Sessions that ended since without a mark: nothing saw how they closed."""
    why: str = ""
    """Why there is no total return."""
    why_no_benchmark: str = ""
    why_no_sharpe: str = ""
    doubt: str = ""
    """What may be wrong with the figures that are there."""

    @property
    def ahead(self) -> Decimal | None:
        """Total return minus the benchmark's."""
        if self.total is None or self.benchmark is None:
            return None
        return self.total - self.benchmark


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From one mark to the next: what came from outside in it, and what one dollar became."""

    before: Mark
    after: Mark
    flow: Decimal
    growth: Decimal


def performance_of(state: State, benchmark: Symbol) -> Performance:
    """Return the performance since the last run's end; `state.now` is now."""
    last_run = state.last_run
    if last_run is None:
        return _unknown(None, "no rebalance yet")
    since = last_run.order_day
    base = next((m for m in reversed(state.marks) if _is_end_of(last_run, m)), None)
    if base is None or base.equity <= 0:
        return _unknown(since, f"no equity was marked on {since}")
    closes = _closes(state, base)
    points = [base, *closes]
    points += _seen_now(state, benchmark, points[-1].at)
    if len(points) < 2:
        return _unknown(since, "no equity was seen since")
    flows = [flow for flow in state.flows if not _is_in(flow, base)]
    if why := _lost(flows, state):
        return _unknown(since, why)
    stretches = list(_stretches(points, flows))
    if any(one.growth <= 0 for one in stretches):
        return _unknown(since, "the equity was not above zero all along")
    gained, why_no_benchmark = None, "the benchmark's price is unknown at one end"
    if base.benchmark and points[-1].benchmark:
        gained, why_no_benchmark = points[-1].benchmark / base.benchmark - 1, ""
    index = list(_index(stretches))
    sharpe, why_no_sharpe = _sharpe(stretches, {mark.day for mark in closes})
    return Performance(
        since,
        total=index[-1] - 1,
        benchmark=gained,
        sharpe=sharpe,
        drawdown=_drawdown(index),
        flows=sum((one.flow for one in stretches), ZERO),
        unmarked=_unmarked(state, base, closes),
        why_no_benchmark=why_no_benchmark,
        why_no_sharpe=why_no_sharpe,
        doubt=_doubt(state),
    )


def _unknown(since: date | None, why: str) -> Performance:
    return Performance(since, why=why, why_no_benchmark=why, why_no_sharpe=why)


def _is_end_of(record: RunRecord, mark: Mark) -> bool:
    """True for the mark that a run made as it ended."""
    return mark.day == record.order_day and mark.at <= record.finished_at


def _closes(state: State, base: Mark) -> list[Mark]:
    """Return the latest mark of each session since, in the order of their days."""
    today = new_york_day(state.now)  # a day beyond it is of a clock that was wrong
    later = {m.day: m for m in state.marks if m.at > base.at and base.day <= m.day <= today}
    return [later[day] for day in sorted(later)]


def _seen_now(state: State, benchmark: Symbol, since: datetime) -> Iterator[Mark]:
    """Yield what the account was seen to be last, where that was after `since`."""
    snapshot = state.figures.snapshot
    if snapshot is not None and snapshot.asked_at > since:
        quote = state.figures.quotes.get(benchmark)
        price = quote.last if quote is not None else None
        day = new_york_day(snapshot.asked_at)
        yield Mark(day, snapshot.asked_at, snapshot.account.equity, price)


def _is_in(flow: Flow, mark: Mark) -> bool:
    """True where the equity of a mark has what came from outside in it already."""
    if flow.at is not None:
        return flow.at <= mark.at
    day = new_york_day(mark.at)
    if flow.day != day:
        return flow.day < day
    return flow.heard_at <= mark.at or NYSE.session_at(mark.at) is None


def _lost(flows: Sequence[Flow], state: State) -> str:
    """Return why what came from outside is not known whole; empty where it is."""
    if len(flows) == len(state.flows) == FLOWS_MAX:
        return f"more than {FLOWS_MAX} deposits and withdrawals since"
    odd = [flow.day for flow in flows if flow.amount is None]
    return f"what moved from or to outside on {odd[0]} has no known value" if odd else ""


def _stretches(points: Sequence[Mark], flows: Sequence[Flow]) -> Iterator[_Stretch]:
    came = dict.fromkeys(range(len(points) + 1), ZERO)
    for one in flows:  # into the first point that has it; none has what is not seen yet
        place = bisect_left(points, True, key=partial(_is_in, one))
        came[place] += one.amount or ZERO
    for place, (before, after) in enumerate(pairwise(points), start=1):
        flow = came[place]
        growth = (after.equity - flow) / before.equity if before.equity > 0 else ZERO
        yield _Stretch(before, after, flow, growth)


def _index(stretches: Sequence[_Stretch]) -> Iterator[Decimal]:
    """Yield what one dollar was worth at each mark."""
    value = Decimal(1)
    yield value
    for one in stretches:
        value *= one.growth
        yield value


def _sharpe(stretches: Sequence[_Stretch], closes: set[date]) -> tuple[Decimal | None, str]:
    """Annualised, without a riskless rate, from whole sessions: close to the next one's close."""
    returns = [
        one.growth - 1
        for one in stretches
        if one.before.day in closes and one.after.day in closes and _are_neighbours(one)
    ]
    if len(returns) < RETURNS_MIN:
        return None, f"needs {RETURNS_MIN} daily returns, has {len(returns)}"
    mean = sum(returns, ZERO) / len(returns)
    variance = sum(((r - mean) ** 2 for r in returns), ZERO) / (len(returns) - 1)
    if variance == 0:
        return None, "the equity did not move"
    return mean / variance.sqrt() * SESSIONS_A_YEAR.sqrt(), ""


def _are_neighbours(one: _Stretch) -> bool:
    """True for two sessions in a row: what lies over a gap is no daily return."""
    try:
        return NYSE.session_after(one.before.day).day == one.after.day
    except CalendarRangeError:
        return False


def _drawdown(index: Sequence[Decimal]) -> Decimal:
    top, worst = index[0], ZERO
    for value in index:
        top = max(top, value)
        worst = min(worst, value / top - 1)
    return worst


def _unmarked(state: State, base: Mark, closes: Sequence[Mark]) -> int:
    try:
        last = NYSE.last_completed(state.now - MARKED_WITHIN)
        ended = NYSE.sessions_between(base.day, last.day) if base.day <= last.day else ()
    except CalendarRangeError:
        return 0
    marked = {mark.day for mark in closes}
    return sum(1 for one in ended if one.day not in marked and one.closes_at > base.at)


def _doubt(state: State) -> str:
    """Cash that nothing explains yet may be a deposit, and is counted as made."""
    dispute = state.cash_dispute
    if dispute is not None:
        amount = dollars(dispute.theirs - dispute.ours)
        return f"{amount} of cash that nothing explains is counted as made"
    if state.figures.cash_differs_at is not None:
        return "cash that nothing explains yet is counted as made"
    return ""
