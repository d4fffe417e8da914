"""The report as one document of plain data: for JSON, the terminal, the page and the CSV.

Money, prices and quantities are text with all of their digits, statistics are floats, moments are
RFC 3339 in UTC, shares of a whole are fractions. What is not known is None, and says why beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.core.plain import moment, text
from atlas_daemon.core.values import RunId
from atlas_daemon.records.trades_csv import Row as TradesRow

from . import execution, metrics
from .decided import OrderRead, RunRead
from .ledger import Ledger, in_days
from .performance import Compared, Marks, Performance, against_expectation, performance_of
from .row_told import name_of, parts_told, row_of
from .shortfall import Row, Shortfall, shortfall_of

Document = Mapping[str, Any]
NAMES_MAX = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the report is about: one run, or the days [first, last]; all where nothing is said."""

    run: str | None = None
    first: date | None = None
    last: date | None = None

    def has_row(self, day: date, row: TradesRow) -> bool:
        """True where a row of the trades files belongs to it."""
        if self.run is not None:
            return row.run == self.run
        return (self.first or date.min) <= day <= (self.last or date.max)


@dataclass(frozen=True, slots=True)
class Promised:
    """What the backtest promised: [report] expected_*."""

    cagr: Decimal | None = None
    sharpe: Decimal | None = None
    max_drawdown: Decimal | None = None


class Past:
    """A journal, read once."""

    def __init__(self, entries: Iterable[e.Entry], wanted: Wanted) -> None:
        self.wanted = wanted
        self.ledger, self.marks = Ledger(), Marks()
        reader = execution.RowReader(wanted.has_row)
        self.handbook = reader.figures
        try:
            for entry in entries:
                self.ledger.take(entry)
                self.marks.take(entry)
                reader.take(entry)
        except ConfigError as error:  # the journal's own: altered, missing, of a later version
            self.ledger.fault = str(error)
        self.ledger.close()

    def runs(self) -> list[RunRead]:
        """Return the runs that are wanted. Raises UsageError for one that there is not."""
        wanted, known = self.wanted, self.ledger.runs
        if wanted.run is None:
            return in_days(known, wanted.first, wanted.last)
        if RunId(wanted.run) in known:
            return [known[RunId(wanted.run)]]
        names = list(known)[::-1]
        more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
        told = f"runs: {' '.join(names[:NAMES_MAX])}{more}" if names else "no run is on record yet"
        raise UsageError(f"--run: there is no run {wanted.run[:80]!r}; {told}")


def document_of(past: Past, promised: Promised) -> Document:
    """Return the report. Raises UsageError for a run that there is not."""
    ledger, wanted = past.ledger, past.wanted
    runs = past.runs()
    now = ledger.last_at
    assert now is not None, "an empty journal has no report"
    whole = shortfall_of(runs, ledger.tape, now)
    orders = [order for run in runs for order in run.orders]
    performance = None
    if wanted.run is None:
        found = performance_of(past.marks, wanted.first, wanted.last)
        performance = _performance(found, promised)
    return {
        "run": wanted.run,
        "from": None if wanted.first is None else str(wanted.first),
        "to": None if wanted.last is None else str(wanted.last),
        "journal": {
            "entries": ledger.entries,
            "first_at": moment(ledger.first_at),
            "last_at": moment(now),
            "fault": ledger.fault,
        },
        "shortfall": _shortfall(whole),
        "fees_apart": text(ledger.fees_apart) if wanted.run is None else None,
        "slippage": _slippage(orders),
        "rejections": _rejections(runs),
        "latency": _latency(orders),
        "handbook": {
            "raw_sum": text(whole.raw_sum),
            "mean_slippage": past.handbook.mean_slippage,
            "fills": len(past.handbook.gaps),
            "rows": past.handbook.rows,
            "rejected": past.handbook.rejected,
            "rejection_rate": past.handbook.rejection_rate,
            "reasons": dict(past.handbook.reasons.most_common()),
        },
        "runs": [_run(run, shortfall_of([run], ledger.tape, now), now) for run in runs],
        "performance": performance,
    }


def _shortfall(whole: Shortfall) -> Document:
    parts = whole.parts
    return {
        "notional": text(whole.notional),
        "traded": text(whole.traded),
        **parts_told(parts, whole.notional),
        "unmeasured": [name_of(row) for row in whole.unmeasured],
        "unpriced": [name_of(row) for row in whole.unpriced],
        "raw_sum": text(whole.raw_sum),
        "rows": len(whole.rows),
    }


def _run(run: RunRead, costs: Shortfall, now: datetime) -> Document:
    ended, plan = run.ended, run.plan
    report = None if ended is None else ended.report
    until = run.ended_at or now
    state = "open" if ended is None else ended.outcome
    fills = [fill.at for order in run.orders for fill in order.fills]
    return {
        "run": run.run_id,
        "trigger": run.trigger or None,
        "slot": run.slot,
        "order_day": None if run.order_day is None else str(run.order_day),
        "outcome": state,
        "is_final": run.is_over,
        "reason": "" if ended is None else ended.reason,
        "regime": None if plan is None else str(plan.regime),
        "allocation": None if plan is None else text(plan.allocation),
        "equity": None if plan is None else text(plan.equity),
        "sessions": run.sessions,
        "rounds": run.rounds,
        "started_at": moment(run.started_at),
        "planned_at": moment(run.planned_at),
        "first_fill_at": moment(min(fills, default=None)),
        "last_fill_at": moment(max(fills, default=None)),
        "ended_at": moment(run.ended_at),
        "seconds": (until - run.started_at).total_seconds(),
        "orders": len(run.orders),
        "filled": sum(order.status == "filled" for order in run.orders),
        "shortfall": _shortfall(costs),
        "report_slippage": None if report is None else text(report.total_slippage),
        "report_cost": None if report is None else text(report.slippage_cost),
        "achieved": None if report is None else text(report.achieved_pct),
        "lines": _lines(run),
        "dropped": [
            {"symbol": no.symbol, "rule": no.rule, "detail": no.detail} for no in run.dropped
        ],
        "cut": [{"symbol": no.symbol, "rule": no.rule, "detail": no.detail} for no in run.cuts],
        "gates": [{"rule": no.rule, "detail": no.detail} for no in run.gates],
        "is_refused": run.is_refused,
        "rows": [row_of(row) for row in sorted(costs.rows, key=partial(_place, run))],
    }


def _place(run: RunRead, row: Row) -> int:
    """Return where a row stands: orders as they were drafted, then what no order had."""
    return len(run.orders) if row.order is None else run.orders.index(row.order)


def _lines(run: RunRead) -> list[Document]:
    """Return target and achieved weight of each line of the run's report."""
    report = None if run.ended is None else run.ended.report
    if report is None:
        return []
    return [
        {
            "symbol": line.symbol,
            "target_qty": text(line.target_qty),
            "actual_qty": text(line.actual_qty),
            "target_weight": text(line.target_weight),
            "actual_weight": text(line.actual_weight),
            "gap": text(line.actual_weight - line.target_weight),
            "note": line.note,
        }
        for line in report.lines
        if line.target_qty or line.actual_qty
    ]


def _distribution(found: execution.Distribution) -> Document | None:
    if not found.count:
        return None
    return {
        "count": found.count,
        "mean": round(found.mean, 4),
        "median": round(found.median, 4),
        "least": round(found.least, 4),
        "most": round(found.most, 4),
        "percentiles": {str(name): round(value, 4) for name, value in found.percentiles.items()},
    }


def _slippage(orders: Sequence[OrderRead]) -> Document:
    spread = execution.slippage_spread(orders)
    worst = spread.worst
    return {
        "unit": "bps",
        "weighted": _rounded(spread.weighted),
        "all": _distribution(spread.every),
        "sides": {
            side.value: {
                "weighted": _rounded(spread.weighted_sides[side]),
                "all": _distribution(found),
            }
            for side, found in spread.sides.items()
        },
        "worst_order": None if worst is None else worst.order_id,
        "bins": [{"low": each.low, "high": each.high, "count": each.count} for each in spread.bins],
        "unpriced": spread.unpriced,
    }


def _rejections(runs: Sequence[RunRead]) -> Document:
    found = execution.rejections_of(runs)
    return {
        "sent": found.sent,
        "broker": found.broker,
        "broker_rate": _rounded(found.broker_rate),
        "broker_reasons": dict(found.broker_reasons),
        "drafted": found.drafted,
        "ours": found.ours,
        "our_rate": _rounded(found.our_rate),
        "our_reasons": dict(found.our_reasons),
        "cut": found.cut,
        "dropped": found.dropped,
        "plans": found.plans,
    }


def _latency(orders: Sequence[OrderRead]) -> Document:
    found = execution.latency_of(orders)
    return {
        "unit": "s",
        "first_fill": _distribution(found.first_fill),
        "whole_fill": _distribution(found.whole_fill),
    }


def _performance(found: Performance, promised: Promised) -> Document:
    fall = found.drawdown
    compared = against_expectation(found, promised.cagr, promised.sharpe, promised.max_drawdown)
    figures = (
        *("total", "cagr", "sharpe", "volatility", "max_drawdown"),
        *("benchmark_total", "benchmark_cagr", "ahead", "tracking_error"),
    )
    drops = metrics.drawdowns([(point.day, point.index) for point in found.points])
    return {
        "from": None if found.first is None else str(found.first),
        "to": None if found.last is None else str(found.last),
        "days": found.days,
        "marks": found.marks,
        "returns": found.returns,
        "missing": [str(day) for day in found.missing],
        **{name: _rounded(getattr(found, name)) for name in figures},
        "drawdown_from": None if fall is None else str(fall.top_day),
        "drawdown_to": None if fall is None else str(fall.bottom_day),
        "recovered": None if fall is None or not fall.recovered_day else str(fall.recovered_day),
        "gain": text(found.gain),
        "why": dict(found.why),
        "caution": list(found.caution),
        "benchmark": "SPY, price return without dividends",
        "flows": [
            {"day": str(flow.day), "kind": flow.kind, "amount": text(flow.amount)}
            for flow in found.flows
        ],
        "expected": [_compared(each) for each in compared],
        "curve": [
            {
                "day": str(point.day),
                "equity": text(point.equity),
                "flow": text(point.flow),
                "index": round(point.index, 8),
                "benchmark": _rounded(point.benchmark, 8),
                "drawdown": round(drops[at][1], 8),
            }
            for at, point in enumerate(found.points)
        ],
    }


def _compared(each: Compared) -> Document:
    return {
        "name": each.name,
        "actual": _rounded(each.actual),
        "expected": each.expected,
        "difference": _rounded(each.difference),
        "is_within": each.is_within,
        "is_better": each.is_better,
        "why": each.why,
    }


def _rounded(number: float | None, places: int = 6) -> float | None:
    return None if number is None else round(number, places)
