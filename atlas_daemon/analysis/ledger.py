"""The journal's entries, sorted by run, decision and order: what was wanted, sent and filled.

Read in one pass; nothing is judged and nothing computed here but sums. What entries do not say is
None. An order whose run is not in the journal gets a run of its own, of an unknown trigger.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.reckoning import SPLIT_KINDS
from atlas_daemon.core.values import ZERO, Draft, OrderId, RunId, Side, Symbol

from .decided import Decision, Fee, Fill, OrderRead, Refusal, RunRead
from .exact import difference, product, total
from .tape import Tape

UNDONE = ("trade_bust", "trade_correct")
"""How the stream says that an execution was taken back or changed."""
FEE_KINDS = frozenset({"FEE", "CFEE"})


class Ledger:
    """All runs in their order. `fault` says why the journal cannot be read further."""

    def __init__(self) -> None:
        self.runs: dict[RunId, RunRead] = {}
        self.orders: dict[OrderId, OrderRead] = {}
        self.tape = Tape()
        self.fees: list[Fee] = []
        self.fees_apart = ZERO
        """Fees of days on which no run traded, or several did."""
        self.entries = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self.fault = ""
        self._by_broker: dict[str, OrderRead] = {}

    @classmethod
    def of(cls, entries: Iterable[e.Entry]) -> "Ledger":
        """Return what the entries tell; where reading fails, what those before it tell."""
        ledger = cls()
        try:
            for entry in entries:
                ledger.take(entry)
        except ConfigError as error:  # the journal's own: altered, missing, of a later version
            ledger.fault = str(error)
        ledger.close()
        return ledger

    def take(self, entry: e.Entry) -> None:
        """Take in the next entry."""
        self.entries += 1
        self.first_at = self.first_at or entry.at
        self.last_at = entry.at
        self.tape.take(entry)
        event = entry.event
        match event:
            case e.RunStarted() | e.RunContinued() | e.RunPlanned() | e.RunFinished():
                self._run(entry)
            case e.GatesAnswered() | e.LineDropped() | e.OrderRefused() | e.OrderTrimmed():
                self._said_no(entry)
            case e.OrderDrafted() | e.OrderAdopted() | e.OrderApproved():
                self._wanted(entry)
            case e.OrderSubmitted() | e.OrderStepped() | e.FillBooked():
                self._followed(entry)
            case e.ActivityBooked():
                self._activity(entry.at, event)
            case _:
                self._odd(event)

    def close(self) -> None:
        """Give each fee to the run that alone traded on its day."""
        days: dict[date, set[RunId]] = {}
        for order in self.orders.values():
            for fill in order.fills:
                days.setdefault(new_york_day(fill.at), set()).add(order.run_id)
        for fee in self.fees:
            runs = days.get(fee.day, set())
            if len(runs) == 1:
                run = self.runs[next(iter(runs))]
                run.fees = total((run.fees, fee.amount))
            else:
                self.fees_apart = total((self.fees_apart, fee.amount))
        self.fees.clear()

    def _of(self, run_id: RunId, at: datetime) -> RunRead:
        return self.runs.setdefault(run_id, RunRead(run_id, at))

    def _run(self, entry: e.Entry) -> None:
        event = entry.event
        match event:
            case e.RunStarted():
                run = self._of(event.run_id, entry.at)
                run.trigger, run.slot, run.order_day = event.trigger, event.slot, event.order_day
                run.last_day = event.order_day
            case e.RunContinued():
                run = self._of(event.run_id, entry.at)
                run.sessions += 1
                run.is_fresh, run.last_day = True, event.order_day
            case e.RunPlanned():
                _planned(self._of(event.run_id, entry.at), event, entry.at)
            case e.RunFinished():
                run = self._of(event.run_id, entry.at)
                run.ended, run.ended_at = event, entry.at

    def _said_no(self, entry: e.Entry) -> None:
        event, at = entry.event, entry.at
        match event:
            case e.GatesAnswered():
                run = self._of(event.run_id, at)
                run.gates = [
                    Refusal(at, Symbol(""), answer.rule, answer.text)
                    for answer in event.answers
                    if not answer.ok
                ]
            case e.LineDropped():
                no = Refusal(at, event.symbol, event.rule, event.detail)
                self._of(event.run_id, at).dropped.append(no)
            case e.OrderRefused(draft=draft):
                no = Refusal(at, draft.symbol, event.rule, event.detail)
                self._of(draft.run_id, at).refusals.append(no)
                order = self.orders.get(draft.order_id)
                if order is not None and not order.sends:
                    order.status, order.reason = "refused by a rule", event.detail
                    order.done_at = at
            case e.OrderTrimmed() if event.order_id in self.orders:
                order = self.orders[event.order_id]
                order.wanted_qty, order.qty = event.wanted_qty, event.qty
                order.trimmed_by = event.rule
                detail = f"{event.wanted_qty:f} cut to {event.qty:f}"
                no = Refusal(at, event.symbol, event.rule, detail)
                self._of(order.run_id, at).cuts.append(no)

    def _wanted(self, entry: e.Entry) -> None:
        event = entry.event
        match event:
            case e.OrderDrafted(draft=draft):
                order = self.orders.get(draft.order_id)
                if order is None or not order.sends:
                    self._place(_drafted(draft), entry.at)
            case e.OrderAdopted():
                order = OrderRead(
                    *(event.order_id, event.run_id, event.symbol, event.side, event.qty),
                    wanted_qty=event.qty,
                    sends=1,
                    status=event.broker_status,
                    broker_order_id=event.broker_order_id,
                    notes=["found open at the broker and adopted: no price was expected"],
                )
                self._by_broker[event.broker_order_id] = order
                self._place(order, entry.at)
            case e.OrderApproved():
                draft = event.approved.draft
                order = self.orders.get(draft.order_id)
                if order is None:
                    order = _drafted(draft)
                    self._place(order, entry.at)
                order.qty = draft.qty
                if not order.fills:
                    order.arrival_price = draft.expected_price

    def _place(self, order: OrderRead, at: datetime) -> None:
        """Put a new order under its run and its decision; the same id again takes its place."""
        run = self._of(order.run_id, at)
        before = self.orders.get(order.order_id)
        self.orders[order.order_id] = order
        order.decision = decision = run.decision_of(order.symbol, order.side)
        for orders in (run.orders, decision.orders if decision is not None else []):
            if before in orders:
                orders.remove(before)
            orders.append(order)

    def _followed(self, entry: e.Entry) -> None:
        event = entry.event
        assert isinstance(event, e.OrderSubmitted | e.OrderStepped | e.FillBooked)
        order = self.orders.get(event.order_id)
        if order is None:
            return  # of a journal that begins after it
        match event:
            case e.OrderSubmitted():
                order.sends, order.status = event.sends, "sending"
                order.sent_at = order.sent_at or entry.at
            case e.OrderStepped():
                order.status, order.reason = event.status, event.reason
                order.was_unknown = order.was_unknown or event.status == "unknown"
                if event.broker_order_id:
                    order.broker_order_id = event.broker_order_id
                    self._by_broker[event.broker_order_id] = order
                order.done_at = entry.at if order.is_done else None
            case e.FillBooked():
                _fill(order, entry.at, event.qty, event.price)
                if event.is_complete:
                    order.filled_at = order.filled_at or entry.at

    def _activity(self, at: datetime, event: e.ActivityBooked) -> None:
        activity = event.activity
        order = self._by_broker.get(activity.broker_order_id)
        if activity.kind == "FILL" and order is not None and activity.price is not None:
            if activity.is_canceled and activity.qty:
                _fill(order, at, -activity.qty, activity.price)
                order.notes.append(f"an execution of {activity.qty:f} was taken back")
            elif event.order_filled_qty is not None:
                qty = difference(event.order_filled_qty, order.filled_qty)
                _fill(order, at, qty, activity.price)
                order.notes.append("its last fill was found in the account's activities")
        elif activity.kind in FEE_KINDS and activity.net_amount and not activity.is_canceled:
            day = activity.day or new_york_day(activity.at or at)
            self.fees.append(Fee(day, -activity.net_amount))
        elif activity.kind in SPLIT_KINDS and event.moves:
            for run in self.runs.values():
                _split(run, {move.symbol for move in event.moves})

    def _odd(self, event: e.Event) -> None:
        match event:
            case e.OrderOverfilled() if event.order_id in self.orders:
                text = f"{event.qty:f} ordered, {event.filled_qty:f} filled"
                self.orders[event.order_id].notes.append(text)
            case e.ExecutionDisputed() if event.order_id in self.orders:
                text = (
                    f"an execution booked as {event.qty:f} at {event.price:f} was told again as "
                    f"{event.told_qty:f} at {event.told_price:f}: as booked"
                )
                self.orders[event.order_id].notes.append(text)
            case e.FrameUnread(excerpt=what, detail=detail) if what in UNDONE:
                order = self.orders.get(OrderId(detail.removeprefix(f"{what} of order ")))
                if order is not None:
                    text = f"the broker took an execution back ({what}): told here as it was booked"
                    order.notes.append(text)


def _drafted(draft: Draft) -> OrderRead:
    return OrderRead(
        draft.order_id,
        draft.run_id,
        draft.symbol,
        draft.side,
        draft.qty,
        wanted_qty=draft.qty,
        arrival_price=draft.expected_price,
    )


def _fill(order: OrderRead, at: datetime, qty: Decimal, price: Decimal) -> None:
    order.fills.append(Fill(at, qty, price, order.arrival_price))
    order.first_fill_at = order.first_fill_at or at


def _planned(run: RunRead, plan: e.RunPlanned, at: datetime) -> None:
    """Take in a plan. A later round of a session plans the rest of the same decisions.

    The first plan of a later session sizes anew: from then on its quantities are wanted, and the
    price of the first decision stays what they are measured by.
    """
    run.rounds += 1
    if run.plan is None:
        run.plan, run.planned_at = plan, at
    is_fresh, run.is_fresh = run.is_fresh, False
    for line in plan.lines:
        change = difference(line.target_qty, line.current_qty)
        for side in Side:
            wanted = max(product(change, Decimal(side.sign)), ZERO)
            decision = run.decision_of(line.symbol, side)
            if decision is None and wanted:
                decision = Decision(line.symbol, side, line.price, at, wanted, line.note)
                run.decisions.append(decision)
            elif decision is not None and is_fresh:
                filled = total(order.filled_qty for order in decision.orders)
                decision.qty, decision.note = total((filled, wanted)), line.note
                decision.price = line.price if decision.price is None else decision.price


def _split(run: RunRead, symbols: Iterable[Symbol]) -> None:
    """End a run's decisions about symbols whose shares became others, where it is to go on."""
    if run.is_over:
        return
    for decision in run.decisions:
        if decision.symbol in symbols and not decision.is_over:
            decision.is_over = True
            decision.qty = total(order.filled_qty for order in decision.orders)
            decision.note = "split while the run waited: what was left is decided anew after it"


def in_days(runs: Mapping[RunId, RunRead], first: date | None, last: date | None) -> list[RunRead]:
    """Return the runs that began in the days [first, last], oldest first."""
    found = []
    for run in runs.values():
        day = run.order_day or new_york_day(run.started_at)
        if (first is None or day >= first) and (last is None or day <= last):
            found.append(run)
    return found
