"""What a series of values made: growth, variation, the deepest fall; and what trading moved.

A series is a sequence of (day, value) in ascending order, one value a session, all above 0. Returns
and drawdowns are fractions (0.0246 is 2.46 %). Pure functions; too few values raise ValueError.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import fsum, sqrt

SESSIONS_A_YEAR = 252
DAYS_A_YEAR = 365.25
CURVE_MIN = 2
RETURNS_MIN = 20
"""Fewer daily returns give a Sharpe ratio of noise."""

Curve = Sequence[tuple[date, float]]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a top: `depth` is zero or negative."""

    depth: float
    top_day: date
    bottom_day: date
    recovered_day: date | None
    """The first day on which the top was reached again; None where it was not."""


def total_return(curve: Curve) -> float:
    """Return what the whole series made."""
    _refuse_short(curve)
    return curve[-1][1] / curve[0][1] - 1


def cagr(curve: Curve) -> float:
    """Return the growth a year, compounded, over the calendar time between the ends."""
    _refuse_short(curve)
    years = (curve[-1][0] - curve[0][0]).days / DAYS_A_YEAR
    if years <= 0:
        raise ValueError("the series spans no time")
    return float((curve[-1][1] / curve[0][1]) ** (1 / years) - 1)


def daily_returns(curve: Curve) -> list[float]:
    """Return each session's return on the one before."""
    return [after / before - 1 for (_, before), (_, after) in pairwise(curve)]


def volatility(curve: Curve) -> float:
    """Return the standard deviation of the daily returns (n - 1), annualised by sqrt(252)."""
    returns = daily_returns(curve)
    if len(returns) < CURVE_MIN:
        raise ValueError(f"{len(returns)} daily returns have no deviation")
    mean = fsum(returns) / len(returns)
    variance = fsum((each - mean) ** 2 for each in returns) / (len(returns) - 1)
    return sqrt(variance * SESSIONS_A_YEAR)


def sharpe(curve: Curve, riskless_a_year: float = 0.0) -> float | None:
    """Return mean excess return over deviation, annualised; None where noise or no deviation."""
    returns = daily_returns(curve)
    if len(returns) < RETURNS_MIN:
        return None
    riskless = (1 + riskless_a_year) ** (1 / SESSIONS_A_YEAR) - 1
    excess = fsum(each - riskless for each in returns) / len(returns)
    deviation = volatility(curve)
    return excess * SESSIONS_A_YEAR / deviation if deviation > 0 else None


def max_drawdown(curve: Curve) -> Drawdown:
    """Return the deepest fall, and from when to when; the first of equal ones."""
    _refuse_short(curve)
    top_day, top = curve[0]
    worst = Drawdown(0.0, top_day, top_day, top_day)
    worst_top = top
    for day, value in curve:
        if value >= top:
            top_day, top = day, value
        elif value / top - 1 < worst.depth:
            worst, worst_top = Drawdown(value / top - 1, top_day, day, None), top
    back = next(
        (day for day, value in curve if day > worst.bottom_day and value >= worst_top), None
    )
    if worst.depth == 0:
        return worst
    return Drawdown(worst.depth, worst.top_day, worst.bottom_day, back)


def drawdowns(curve: Curve) -> list[tuple[date, float]]:
    """Return how far below its top so far each value stands."""
    top, found = 0.0, []
    for day, value in curve:
        top = max(top, value)
        found.append((day, value / top - 1))
    return found


def turnover(bought: float, sold: float, equity: float) -> float:
    """Return one-way turnover: the mean of what was bought and sold, of the equity before."""
    if equity <= 0:
        raise ValueError(f"turnover of an equity of {equity}")
    return (bought + sold) / 2 / equity


def rebased(curve: Curve, start: float) -> list[tuple[date, float]]:
    """Return the series scaled so that it begins with `start`."""
    _refuse_short(curve)
    return [(day, value / curve[0][1] * start) for day, value in curve]


def _refuse_short(curve: Curve) -> None:
    if len(curve) < CURVE_MIN:
        raise ValueError(f"a series of {len(curve)} values has no return")
