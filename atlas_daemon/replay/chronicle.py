"""What the journal of a replay tells: runs, orders, fills, regimes. Read once, nothing judged."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.values import ZERO, Regime, RunId, Side


@dataclass(slots=True)
class RunTold:
    """One run: what it meant, what it sent, what became of it. Money in dollars."""

    run_id: RunId
    trigger: str
    order_day: date
    signal_day: date
    plan: e.RunPlanned | None = None
    """The first round's."""
    orders: int = 0
    fills: int = 0
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    refused: int = 0
    dropped: list[tuple[str, str]] = field(default_factory=list)
    """Symbol and rule of each line that left the run."""
    candidates: int = 0
    ended: e.RunFinished | None = None


@dataclass(slots=True)
class Chronicle:
    """All runs in order, and what happened besides."""

    runs: list[RunTold] = field(default_factory=list)
    missed: list[e.SlotMissed] = field(default_factory=list)
    regimes: dict[date, Regime] = field(default_factory=dict)
    """Each session's regime as it is acted on between slots."""
    changes: list[e.RegimeChanged] = field(default_factory=list)
    alerts: Counter[str] = field(default_factory=Counter)
    """How many of each level."""
    troubles: list[tuple[date, str]] = field(default_factory=list)
    """Errors and critical alerts, with their day."""


def chronicle_of(entries: Iterable[e.Entry]) -> Chronicle:
    """Return what the entries of a journal tell."""
    told = Chronicle()
    by_id: dict[RunId, RunTold] = {}
    run_of: dict[str, RunId] = {}
    for entry in entries:
        event = entry.event
        match event:
            case e.RunStarted():
                run = RunTold(event.run_id, event.trigger, event.order_day, event.signal_day)
                by_id[event.run_id] = run
                told.runs.append(run)
            case e.RunPlanned(run_id=run_id) if by_id[run_id].plan is None:
                by_id[run_id].plan = event
            case e.OrderDrafted(draft=draft):
                run_of[draft.order_id] = draft.run_id
            case e.OrderSubmitted(order_id=order_id, sends=1):
                by_id[run_of[order_id]].orders += 1
            case e.OrderRefused(draft=draft):
                by_id[draft.run_id].refused += 1
            case e.LineDropped():
                by_id[event.run_id].dropped.append((event.symbol, event.rule))
            case e.FillBooked(order_id=order_id) if order_id in run_of:
                _booked(by_id[run_of[order_id]], event)
            case e.RunFinished():
                by_id[event.run_id].ended = event
            case _:
                _besides(told, entry, by_id)
    return told


def _booked(run: RunTold, fill: e.FillBooked) -> None:
    run.fills += 1
    worth = fill.qty * fill.price
    if fill.side is Side.BUY:
        run.bought += worth
    else:
        run.sold += worth


def _besides(told: Chronicle, entry: e.Entry, by_id: dict[RunId, RunTold]) -> None:
    event = entry.event
    match event:
        case e.SignalsReported():
            told.regimes[event.regime_as_of] = event.regime_confirmed or event.regime
            if told.runs and told.runs[-1].signal_day == event.signal_day:
                told.runs[-1].candidates = event.candidates
        case e.RegimeReported():
            told.regimes[event.as_of] = event.confirmed or event.regime
        case e.RegimeChanged():
            told.changes.append(event)
        case e.SlotMissed():
            told.missed.append(event)
        case e.AlertRaised(level=level, text=text):
            told.alerts[level] += 1
            if level in ("error", "critical"):
                told.troubles.append((new_york_day(entry.at), text))
