"""What the account made since its last rebalance, from the marks of its equity. Questions only.

A figure that too few marks allow is None, and `why` says so: nothing is made up. Deposits and
withdrawals are not taken out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from . import events as e
from .state import State
from .values import Symbol

SESSIONS_A_YEAR = Decimal(252)
RETURNS_MIN = 20
"""Fewer daily returns give a Sharpe ratio of noise."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Returns and drawdown are fractions (0.0246 is 2.46 %); the drawdown is zero or negative."""

    since: date | None
    total: Decimal | None = None
    benchmark: Decimal | None = None
    sharpe: Decimal | None = None
    drawdown: Decimal | None = None
    why: str = ""
    """Why there is no total return."""
    why_no_benchmark: str = ""
    why_no_sharpe: str = ""

    @property
    def ahead(self) -> Decimal | None:
        """Total return minus the benchmark's."""
        if self.total is None or self.benchmark is None:
            return None
        return self.total - self.benchmark


def performance_of(state: State, benchmark: Symbol, today: date) -> Performance:
    """Return the performance since the last run's end; `today` dates the latest snapshot."""
    if state.last_run is None:
        why = "no rebalance yet"
        return Performance(None, why=why, why_no_benchmark=why, why_no_sharpe=why)
    since = state.last_run.order_day
    marks = [mark for mark in state.marks if mark.day >= since]
    if not marks or marks[0].day != since or marks[0].equity <= 0:
        why = f"no equity was marked on {since}"
        return Performance(since, why=why, why_no_benchmark=why, why_no_sharpe=why)
    points = _points(state, benchmark, marks, today)
    if len(points) < 2:
        why = "no equity was seen since"
        return Performance(since, why=why, why_no_benchmark=why, why_no_sharpe=why)
    base, last = points[0], points[-1]
    gained, why_no_benchmark = None, "the benchmark's price is unknown at one end"
    if base.benchmark and last.benchmark:
        gained, why_no_benchmark = last.benchmark / base.benchmark - 1, ""
    sharpe, why_no_sharpe = _sharpe(points)
    return Performance(
        since,
        total=last.equity / base.equity - 1,
        benchmark=gained,
        sharpe=sharpe,
        drawdown=_drawdown(points),
        why_no_benchmark=why_no_benchmark,
        why_no_sharpe=why_no_sharpe,
    )


def _points(
    state: State, benchmark: Symbol, marks: Sequence[e.EquityMarked], today: date
) -> list[e.EquityMarked]:
    """The base, then the latest mark of each later day, then what is seen now."""
    base, *later = marks
    points = [base, *{mark.day: mark for mark in later}.values()]
    snapshot = state.figures.snapshot
    if snapshot is not None:
        quote = state.figures.quotes.get(benchmark)
        account = snapshot.account
        now = e.EquityMarked(today, account.equity, account.cash, quote.last if quote else None)
        if len(points) > 1 and points[-1].day == today:
            points.pop()
        points.append(now)
    return points


def _sharpe(points: Sequence[e.EquityMarked]) -> tuple[Decimal | None, str]:
    """Annualised, without a riskless rate, from one return a day."""
    returns = [
        after.equity / before.equity - 1 for before, after in pairwise(points) if before.equity > 0
    ]
    if len(returns) < RETURNS_MIN:
        return None, f"needs {RETURNS_MIN} daily returns, has {len(returns)}"
    mean = sum(returns, Decimal(0)) / len(returns)
    variance = sum(((r - mean) ** 2 for r in returns), Decimal(0)) / (len(returns) - 1)
    if variance == 0:
        return None, "the equity did not move"
    return mean / variance.sqrt() * SESSIONS_A_YEAR.sqrt(), ""


def _drawdown(points: Sequence[e.EquityMarked]) -> Decimal:
    top, worst = points[0].equity, Decimal(0)
    for point in points:
        top = max(top, point.equity)
        worst = min(worst, point.equity / top - 1)
    return worst
