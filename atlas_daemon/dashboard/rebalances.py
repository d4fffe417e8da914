"""What each rebalance did: its phases, its orders, and the steps and fills of each, with times.

The latest runs are kept with every step; of older ones the orders' ends, and of the oldest
nothing: `atlasd explain` tells those from the journal. May not live here: what is planned next.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.plain import moment, rounded, text
from atlas_daemon.core.values import ZERO, Draft, OrderId, OrderType, Regime, RunId
from atlas_daemon.records.trades_csv import OrderSeen

RUNS_MAX = 80
"""Runs kept: thirty years of slots, and what a person forced."""
DETAILED = 6
"""Of so many of them every step is kept."""
ORDERS_MAX = 400
"""Orders kept of one run, and steps of one order: beyond that the oldest are let go."""
STEPS_MAX = 80
SLOTS_MAX = 200
NOTES_MAX = 100

View = dict[str, Any]
Step = tuple[datetime, str, str]


@dataclass(slots=True)
class _Order:
    draft: Draft
    status: str
    broker_order_id: str = ""
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    steps: list[Step] | None = field(default_factory=list)
    """None once only the end is kept."""

    def stepped(self, at: datetime, what: str, said: str = "") -> None:
        if self.steps is not None:
            self.steps.append((at, what, said))
            if len(self.steps) > STEPS_MAX:
                del self.steps[0]

    def seen(self) -> OrderSeen:
        """The order as wording wants it."""
        return OrderSeen(self.draft, self.status, self.broker_order_id, self.filled_qty)


@dataclass(slots=True)
class _Run:
    run_id: RunId
    trigger: str
    slot: str | None
    order_day: date
    signal_day: date | None
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    is_final: bool = False
    reason: str = ""
    round: int = 0
    regime: Regime | None = None
    allocation: Decimal | None = None
    deployable: Decimal | None = None
    phases: list[tuple[str, int, datetime]] = field(default_factory=list)
    orders: dict[OrderId, _Order] = field(default_factory=dict)
    notes: list[Step] = field(default_factory=list)
    slippage_cost: Decimal | None = None
    achieved_pct: Decimal | None = None
    discrepancies: tuple[str, ...] = ()


class Rebalances:
    """Fed with entries in their order; `version` grows with everything that changes a view."""

    def __init__(self) -> None:
        self.version = 0
        self.ends_version = 0
        """Grows with what changes `slots`, or a run that has ended."""
        self._runs: dict[RunId, _Run] = {}
        self._orders: dict[OrderId, _Order] = {}
        self._slots: list[tuple[date, str, str, str]] = []

    def take(self, entry: e.Entry) -> None:
        """Take in an entry; most are about something else."""
        fold = _FOLDS.get(type(entry.event))
        if fold is not None:
            fold(self, entry.event, entry.at)
            self.version += 1
            if type(entry.event) in _TOUCHES_AN_END or self._is_of_an_end(entry.event):
                self.ends_version += 1

    def known(self, order_id: OrderId) -> OrderSeen | None:
        """Return what is known of an order, as the wording of a line wants it."""
        order = self._orders.get(order_id)
        return None if order is None else order.seen()

    def runs(self, most: int | None = None) -> list[View]:
        """Return the runs that are kept, newest first; of them the latest `most`."""
        return [_run_view(run) for run in islice(reversed(self._runs.values()), most)]

    def names(self, since: date | None = None, until: date | None = None) -> list[str]:
        """Return the names of the runs that are kept, newest first, by their order day."""
        low, high = since or date.min, until or date.max
        kept = reversed(self._runs.values())
        return [run.run_id for run in kept if low <= run.order_day <= high]

    def run(self, run_id: str) -> View | None:
        """Return one run; None where it is not kept."""
        run = self._runs.get(RunId(run_id))
        return None if run is None else _run_view(run)

    def order(self, order_id: str) -> View | None:
        """Return one order with its steps; None where it is not kept."""
        order = self._orders.get(OrderId(order_id))
        return None if order is None else _order_view(order) | {"run": order.draft.run_id}

    def slots(self, since: date | None = None, until: date | None = None) -> list[View]:
        """Return the ends of runs, and slots missed, by their day, oldest first."""
        low, high = since or date.min, until or date.max
        return [
            {"day": day.isoformat(), "run": name, "trigger": trigger, "outcome": outcome}
            for day, name, trigger, outcome in self._slots
            if low <= day <= high
        ]

    def _is_of_an_end(self, event: e.Event) -> bool:
        """True for a late word on an order whose run has ended."""
        order = self._orders.get(getattr(event, "order_id", OrderId("")))
        run = None if order is None else self._runs.get(order.draft.run_id)
        return run is not None and run.ended_at is not None

    # One function for each kind of event that changes something.

    def _started(self, event: e.RunStarted, at: datetime) -> None:
        run = _Run(event.run_id, event.trigger, event.slot, event.order_day, event.signal_day, at)
        run.phases.append(("due", 0, at))
        self._keep(run)

    def _keep(self, run: _Run) -> None:
        self._runs[run.run_id] = run
        kept = list(self._runs.values())
        for old in kept[:-RUNS_MAX]:
            del self._runs[old.run_id]
            self._forget(old, len(old.orders))
        for old in kept[-RUNS_MAX:-DETAILED][-1:]:  # each passes this place once
            old.notes.clear()
            for order in old.orders.values():
                order.steps = None

    def _forget(self, run: _Run, count: int) -> None:
        for order_id in list(run.orders)[: max(0, count)]:
            del run.orders[order_id]
            self._orders.pop(order_id, None)

    def _continued(self, event: e.RunContinued, at: datetime) -> None:
        if (run := self._runs.get(event.run_id)) is not None:
            run.order_day, run.signal_day = event.order_day, event.signal_day
            run.ended_at = run.outcome = None
            run.reason = ""
            run.phases.append(("due", run.round, at))

    def _planned(self, event: e.RunPlanned, at: datetime) -> None:
        if (run := self._runs.get(event.run_id)) is not None:
            run.round = event.round
            run.regime, run.allocation = event.regime, event.allocation
            run.deployable = event.deployable

    def _phase(self, event: e.PhaseStarted, at: datetime) -> None:
        if (run := self._runs.get(event.run_id)) is not None:
            run.phases.append((event.phase, event.round, at))

    def _finished(self, event: e.RunFinished, at: datetime) -> None:
        if (run := self._runs.get(event.run_id)) is None:
            return
        run.ended_at, run.outcome, run.is_final = at, event.outcome, event.is_final
        run.reason = event.reason
        if (report := event.report) is not None:  # the rest of it is many figures: not kept
            run.slippage_cost, run.achieved_pct = report.slippage_cost, report.achieved_pct
            run.discrepancies = report.discrepancies
        if not event.is_final:
            run.phases.append(("parked", run.round, at))
        # A run that was parked and went on is told of once, by its latest end.
        if self._slots and self._slots[-1][1] == run.run_id:
            del self._slots[-1]
        self._slots.append((run.order_day, run.run_id, run.trigger, event.outcome))
        del self._slots[:-SLOTS_MAX]

    def _missed(self, event: e.SlotMissed, at: datetime) -> None:
        self._slots.append((new_york_day(at), event.slot, "slot", "missed"))
        del self._slots[:-SLOTS_MAX]

    def _dropped(self, event: e.LineDropped, at: datetime) -> None:
        if (run := self._runs.get(event.run_id)) is not None:
            said = f"{event.symbol}: {event.rule}: {event.detail}"
            run.notes.append((at, "dropped", said))
            del run.notes[:-NOTES_MAX]

    def _drafted(self, event: e.OrderDrafted, at: datetime) -> None:
        if event.draft.order_id not in self._orders:
            self._new_order(event.draft, "drafted")

    def _new_order(self, draft: Draft, status: str) -> _Order:
        order = _Order(draft, status)
        if (run := self._runs.get(draft.run_id)) is not None:
            self._orders[draft.order_id] = run.orders[draft.order_id] = order
            self._forget(run, len(run.orders) - ORDERS_MAX)
        return order

    def _approved(self, event: e.OrderApproved, at: datetime) -> None:
        draft = event.approved.draft
        order = self._orders.get(draft.order_id) or self._new_order(draft, "approved")
        order.draft = draft
        order.stepped(at, "approved", f"{draft.qty:f}{_priced(draft.expected_price)}")

    def _trimmed(self, event: e.OrderTrimmed, at: datetime) -> None:
        if (order := self._orders.get(event.order_id)) is not None:
            said = f"from {event.wanted_qty:f} to {event.qty:f}: {event.rule}, limit {event.limit}"
            order.stepped(at, "trimmed", said)

    def _refused(self, event: e.OrderRefused, at: datetime) -> None:
        draft = event.draft
        order = self._orders.get(draft.order_id) or self._new_order(draft, "refused")
        order.status = "refused"
        limits = f"actual {event.actual}, limit {event.limit}"
        order.stepped(at, "refused", f"{event.rule}: {event.detail} ({limits})")

    def _adopted(self, event: e.OrderAdopted, at: datetime) -> None:
        draft = Draft(
            *(event.order_id, event.run_id, event.symbol, event.side, event.qty),
            *(OrderType.MARKET, None),
        )
        order = self._new_order(draft, OrderStatus.WORKING)
        order.broker_order_id = event.broker_order_id
        order.stepped(at, "adopted", "open at the broker, and not in the journal")

    def _submitted(self, event: e.OrderSubmitted, at: datetime) -> None:
        if (order := self._orders.get(event.order_id)) is not None:
            order.status = OrderStatus.SENDING
            said = f"request {event.sends} under this id" if event.sends > 1 else ""
            order.stepped(at, "sent", said)

    def _stepped(self, event: e.OrderStepped, at: datetime) -> None:
        order = self._orders.get(event.order_id)
        if order is None:
            return
        order.broker_order_id = event.broker_order_id or order.broker_order_id
        if order.status != event.status or event.reason:
            order.status = event.status
            order.stepped(at, event.status, event.reason)

    def _filled(self, event: e.FillBooked, at: datetime) -> None:
        order = self._orders.get(event.order_id)
        if order is None:
            return
        order.filled_qty += event.qty
        order.filled_value += event.qty * event.price
        what = "filled" if event.is_complete else "partially filled"
        said = f"{event.qty:f} at {event.price:f}, {order.filled_qty:f} of {order.draft.qty:f}"
        order.stepped(at, what, said)

    def _cancel(self, event: e.CancelRequested, at: datetime) -> None:
        if (order := self._orders.get(event.order_id)) is not None:
            order.stepped(at, "cancel asked", event.why)

    def _disputed(self, event: e.OrderDisputed, at: datetime) -> None:
        if (order := self._orders.get(event.order_id)) is not None:
            order.stepped(at, "disputed", event.detail)

    def _late_fill(self, event: e.ActivityBooked, at: datetime) -> None:
        activity, total = event.activity, event.order_filled_qty
        if total is None or activity.price is None:
            return
        for order in self._orders.values():
            if order.broker_order_id == activity.broker_order_id:
                qty = total - order.filled_qty
                order.filled_qty = total
                order.filled_value += qty * activity.price
                order.stepped(at, "filled late", f"{qty:f} at {activity.price:f}, {total:f} in all")


_FOLDS: Mapping[type[e.Event], Callable[[Rebalances, Any, datetime], None]] = {
    e.RunStarted: Rebalances._started,
    e.RunContinued: Rebalances._continued,
    e.RunPlanned: Rebalances._planned,
    e.PhaseStarted: Rebalances._phase,
    e.RunFinished: Rebalances._finished,
    e.SlotMissed: Rebalances._missed,
    e.LineDropped: Rebalances._dropped,
    e.OrderDrafted: Rebalances._drafted,
    e.OrderApproved: Rebalances._approved,
    e.OrderTrimmed: Rebalances._trimmed,
    e.OrderRefused: Rebalances._refused,
    e.OrderAdopted: Rebalances._adopted,
    e.OrderSubmitted: Rebalances._submitted,
    e.OrderStepped: Rebalances._stepped,
    e.FillBooked: Rebalances._filled,
    e.CancelRequested: Rebalances._cancel,
    e.OrderDisputed: Rebalances._disputed,
    e.ActivityBooked: Rebalances._late_fill,
}
_TOUCHES_AN_END = frozenset({e.RunFinished, e.RunContinued, e.SlotMissed, e.ActivityBooked})


def _run_view(run: _Run) -> View:
    return {
        "run": run.run_id,
        "trigger": run.trigger,
        "slot": run.slot,
        "order_day": run.order_day.isoformat(),
        "signal_day": None if run.signal_day is None else run.signal_day.isoformat(),
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "outcome": run.outcome,
        "is_final": run.is_final,
        "reason": run.reason,
        "regime": None if run.regime is None else run.regime.value,
        "allocation": text(run.allocation),
        "deployable": text(run.deployable),
        "phases": [
            {"phase": phase, "round": round_, "at": moment(at)} for phase, round_, at in run.phases
        ],
        "orders": [_order_view(order) for order in run.orders.values()],
        "notes": _steps(run.notes),
        "slippage_cost": text(run.slippage_cost),
        "achieved_pct": text(run.achieved_pct),
        "discrepancies": list(run.discrepancies),
        "has_steps": all(order.steps is not None for order in run.orders.values()),
    }


def _order_view(order: _Order) -> View:
    draft, filled = order.draft, order.filled_qty
    return {
        "id": draft.order_id,
        "symbol": draft.symbol,
        "side": draft.side.value,
        "qty": text(draft.qty),
        "filled_qty": text(filled),
        "status": str(order.status),
        "avg_price": text(rounded(order.filled_value / filled)) if filled else None,
        "expected_price": text(draft.expected_price),
        "events": _steps(order.steps or ()),
    }


def _steps(steps: Any) -> list[View]:
    return [{"at": moment(at), "what": str(what), "text": said} for at, what, said in steps]


def _priced(price: Decimal | None) -> str:
    return "" if price is None else f" expected at {price:f}"
