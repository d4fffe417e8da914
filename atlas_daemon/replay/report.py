"""The report of a replay as one document: plain texts and numbers, for JSON, page and picture.

Statistics are floats, money is text in dollars, days are ISO dates, shares are fractions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from atlas_daemon.analysis import metrics
from atlas_daemon.bars.frame import day_number
from atlas_daemon.config import Settings
from atlas_daemon.core.brain import BENCHMARK
from atlas_daemon.core.values import ALLOCATION, ZERO, Regime

from .bias import Grounds, coverage_of, statements
from .chronicle import Chronicle, RunTold
from .course import Course
from .held_bars import HeldBars
from .play import Seen

Document = Mapping[str, Any]
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All that a replay left, to be reported on."""

    settings: Settings
    course: Course
    cash: Decimal
    seed: int
    bars: HeldBars
    seen: Seen
    told: Chronicle
    journal: Document
    """How many entries, the head, whether it is intact."""


def document_of(played: Played) -> Document:
    """Return the report."""
    told, seen = played.told, played.seen
    start = (played.course.starts_at.date(), float(played.cash))
    curve = [start, *((day, float(equity)) for day, equity in seen.curve)]
    total = _benchmark(played, curve, lambda bars: bars.close_total)
    price = _benchmark(played, curve, lambda bars: bars.close_traded)
    strategy = played.settings.strategy
    universe, cap = strategy.universe, played.settings.risk.max_position_pct
    return {
        "from": str(played.course.sessions[0].day),
        "to": str(played.course.sessions[-1].day),
        "sessions": len(played.course.sessions),
        "slots": len(played.course.slots),
        "cash": _money(played.cash),
        "universe": universe if isinstance(universe, str) else ",".join(universe),
        "top_n": strategy.top_n,
        "weighting": strategy.weighting,
        "regime_source": played.settings.regime.source,
        "react": played.settings.regime.react,
        "data": str(played.bars.path),
        "seed": played.seed,
        "account": _figures(curve),
        "spy_total_return": _figures(total) if total else None,
        "spy_price": _figures(price) if price else None,
        "trading": _trading(played, curve),
        "runs": [_run(run, cap) for run in told.runs],
        "missed": [{"slot": each.slot, "why": each.why} for each in told.missed],
        "regimes": _time_in_regimes(played),
        "regime_changes": [
            {
                "as_of": str(each.as_of),
                "was": None if each.was is None else str(each.was),
                "regime": str(each.regime),
                "reaction": each.reaction,
            }
            for each in told.changes
        ],
        "alerts": dict(sorted(told.alerts.items())),
        "troubles": [{"day": str(day), "text": text} for day, text in told.troubles],
        "restless": [{"day": str(day), "why": why} for day, why in seen.restless],
        "bias": statements(_grounds(played, curve)),
        "journal": played.journal,
        "curve": _curve(played, curve, total, price),
    }


def _figures(curve: metrics.Curve) -> Document:
    """The figures of a series that begins with what was put in."""
    fall = metrics.max_drawdown(curve)
    return {
        "start": round(curve[0][1], 2),
        "end": round(curve[-1][1], 2),
        "total_return": round(metrics.total_return(curve), 6),
        "cagr": round(metrics.cagr(curve), 6),
        "volatility": _rounded(metrics.volatility(curve) if len(curve) > 2 else None),
        "sharpe": _rounded(metrics.sharpe(curve)),
        "max_drawdown": round(fall.depth, 6),
        "drawdown_from": str(fall.top_day),
        "drawdown_to": str(fall.bottom_day),
        "recovered": None if fall.recovered_day is None else str(fall.recovered_day),
    }


def _benchmark(
    played: Played, curve: metrics.Curve, column_of: Callable[[Any], Any]
) -> metrics.Curve:
    """Return what the same money in SPY made; nothing where the data lacks a session of it."""
    bars = played.bars.bars
    column = played.bars.column(BENCHMARK)
    if column is None:
        return []
    rows = np.searchsorted(bars.sessions, [day_number(day) for day, _ in curve])
    closes = column_of(bars)[np.minimum(rows, len(bars.sessions) - 1), column]
    if not np.isfinite(closes).all():
        return []
    series = [(day, float(close)) for (day, _), close in zip(curve, closes, strict=True)]
    return metrics.rebased(series, curve[0][1])


def _trading(played: Played, curve: metrics.Curve) -> Document:
    runs = played.told.runs
    bought = sum((run.bought for run in runs), ZERO)
    sold = sum((run.sold for run in runs), ZERO)
    mean = sum(value for _, value in curve) / len(curve)
    return {
        "runs": len(runs),
        "orders": sum(run.orders for run in runs),
        "fills": sum(run.fills for run in runs),
        "refused": sum(run.refused for run in runs),
        "bought": _money(bought),
        "sold": _money(sold),
        "turnover": round(metrics.turnover(float(bought), float(sold), mean), 4),
        "turnover_a_year": round(
            metrics.turnover(float(bought), float(sold), mean) / _years(curve), 4
        ),
        "slippage": _money(_slippage(runs)),
        "ignored_dividends": _money(played.seen.ignored_dividends),
    }


def _run(run: RunTold, cap: Decimal) -> Document:
    plan, ended = run.plan, run.ended
    report = ended.report if ended is not None else None
    lines = _lines(run, cap)
    before = float(plan.equity) if plan is not None else 0.0
    turned = metrics.turnover(float(run.bought), float(run.sold), before) if before > 0 else 0.0
    gaps = [abs(float(each["actual"]) - float(each["target"])) for each in lines]
    return {
        "run": run.run_id,
        "trigger": run.trigger,
        "order_day": str(run.order_day),
        "signal_day": str(run.signal_day),
        "regime": str(plan.regime) if plan is not None else None,
        "target_pct": float(plan.allocation) if plan is not None else None,
        "achieved_pct": float(report.achieved_pct) if report is not None else None,
        "gap_max": round(max(gaps, default=0.0), 6),
        "equity": _money(plan.equity) if plan is not None else None,
        "candidates": run.candidates,
        "orders": run.orders,
        "fills": run.fills,
        "refused": run.refused,
        "dropped": [{"symbol": symbol, "rule": rule} for symbol, rule in run.dropped],
        "turnover": round(turned, 4),
        "slippage": _money(report.slippage_cost) if report is not None else None,
        "outcome": ended.outcome if ended is not None else "open",
        "is_final": ended.is_final if ended is not None else False,
        "reason": ended.reason if ended is not None else "",
        "lines": lines,
    }


def _lines(run: RunTold, cap: Decimal) -> list[dict[str, Any]]:
    """What was meant for each line within the cap, of the equity, and what became of it."""
    plan, report = run.plan, run.ended.report if run.ended is not None else None
    if plan is None or report is None or plan.equity <= 0:
        return []
    deployed = plan.deployable / plan.equity
    meant = {line.symbol: min(line.weight * deployed, cap) for line in plan.lines}
    return [
        {
            "symbol": line.symbol,
            "target": round(float(meant.get(line.symbol, ZERO)), 6),
            "actual": float(line.actual_weight),
            "note": line.note,
        }
        for line in report.lines
        if line.target_qty or line.actual_qty or meant.get(line.symbol)
    ]


def _time_in_regimes(played: Played) -> Document:
    days = [session.day for session in played.course.sessions]
    counts = {
        str(regime): sum(played.told.regimes.get(day) is regime for day in days)
        for regime in Regime
    }
    counts["unknown"] = sum(day not in played.told.regimes for day in days)
    return {
        name: {
            "sessions": count,
            "share": round(count / len(days), 4),
            "allocation": float(ALLOCATION[Regime(name)]) if name != "unknown" else None,
        }
        for name, count in counts.items()
    }


def _grounds(played: Played, curve: metrics.Curve) -> Grounds:
    universe = played.settings.strategy.universe
    text = universe if isinstance(universe, str) else ",".join(universe)
    runs = played.told.runs
    bars = played.bars.bars
    column = played.bars.column(BENCHMARK)
    has_dividends = column is not None and not np.allclose(
        np.nan_to_num(bars.close_total[:, column]), np.nan_to_num(bars.close_traded[:, column])
    )
    return Grounds(
        universe=text,
        coverage=coverage_of(text, _signal_days(played), played.bars),
        has_dividends=played.seen.has_dividends,
        ignored_dividends=played.seen.ignored_dividends,
        mean_equity=sum(value for _, value in curve) / len(curve),
        years=_years(curve),
        slippage=_slippage(runs),
        traded=sum((run.bought + run.sold for run in runs), ZERO),
        seed=played.seed,
        is_model=played.settings.regime.source == "jump_model",
        has_benchmark_dividends=has_dividends,
    )


def _signal_days(played: Played) -> Sequence[date]:
    """The session before each slot's."""
    days = [played.course.starts_at.date(), *(s.day for s in played.course.sessions)]
    return [max(day for day in days if day < slot.session.day) for slot in played.course.slots]


def _slippage(runs: Sequence[RunTold]) -> Decimal:
    reports = [run.ended.report for run in runs if run.ended is not None]
    return sum((each.slippage_cost for each in reports if each is not None), ZERO)


def _curve(
    played: Played, curve: metrics.Curve, total: metrics.Curve, price: metrics.Curve
) -> list[Document]:
    regimes, drawdowns = played.told.regimes, metrics.drawdowns(curve)
    return [
        {
            "day": str(day),
            "equity": round(value, 2),
            "drawdown": round(drawdowns[at][1], 6),
            "spy_total_return": round(total[at][1], 2) if total else None,
            "spy_price": round(price[at][1], 2) if price else None,
            "regime": str(regimes[day]) if day in regimes else None,
        }
        for at, (day, value) in enumerate(curve)
    ]


def _years(curve: metrics.Curve) -> float:
    return (curve[-1][0] - curve[0][0]).days / metrics.DAYS_A_YEAR


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(CENT):f}"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
