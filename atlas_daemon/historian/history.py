"""The journal's entries with an index: which run, order and symbol each of them belongs to.

Made in one pass and folded with the core's own `evolve`, so that a holding here is the book's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.runs import CASH_RUNS
from atlas_daemon.core.state import State
from atlas_daemon.core.values import ZERO, BrokerOrderId, OrderId, RunId, Side, Symbol
from atlas_daemon.records.trades_csv import OrderSeen, seen

from .subjects import draft_of, order_of, run_of, symbols_of


@dataclass(slots=True)
class OrderTold:
    """What the journal says of one order, by the places of its entries."""

    order_id: OrderId
    run_id: RunId | None = None
    symbol: Symbol = field(default_factory=lambda: Symbol(""))
    side: Side | None = None
    qty: Decimal | None = None
    """As last drafted or approved."""
    expected_price: Decimal | None = None
    broker_order_id: BrokerOrderId | None = None
    status: str = "drafted"
    reason: str = ""
    sends: int = 0
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    seqs: list[int] = field(default_factory=list)

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Average price of what was filled, in dollars."""
        return self.filled_value / self.filled_qty if self.filled_qty else None


@dataclass(slots=True)
class RunTold:
    """What the journal says of one run, by the places of its entries."""

    run_id: RunId
    trigger: str = ""
    slot: str | None = None
    order_day: date | None = None
    signal_day: date | None = None
    first_seq: int = 0
    reason_seq: int | None = None
    """What it was started for, beside its cause: a change of regime, a stop, a person's wish."""
    signals_seq: int | None = None
    plan_seqs: list[int] = field(default_factory=list)
    finish_seqs: list[int] = field(default_factory=list)
    order_ids: list[OrderId] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    """All that was written while it was under way, and what else names it."""
    frozen: dict[Symbol, str] = field(default_factory=dict)
    """Symbols that were frozen while it was under way, and why."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A change of a symbol's quantity in our book, at one entry."""

    seq: int
    before: Decimal
    after: Decimal


_REASONS: Mapping[str, type[e.Event]] = {
    "crash": e.RegimeChanged,
    "regime": e.RegimeChanged,
    "stop": e.TradingHalted,
    "force": e.RebalanceRequested,
    "first": e.RebalanceRequested,
}
"""What a run of each trigger was started for, where that is not its cause."""

_WHILE_PARKED = (
    e.DaemonStarted,
    e.DaemonCrashed,
    e.ShutdownRequested,
    e.StopRequested,
    e.TradingHalted,
    e.HaltCompleted,
    e.ResumeRequested,
    e.TradingResumed,
    e.ModeChanged,
    e.CertificateReported,
    e.RequestDenied,
    e.CalendarDisputed,
    e.RegimeChanged,
    e.DriftFound,
)
"""What belongs to a run that waits to go on."""


class History:
    """The whole journal. `fault` says why it cannot be read further, where it cannot."""

    def __init__(self) -> None:
        self.entries: list[e.Entry] = []
        self.known: list[OrderSeen | None] = []
        """What was seen of each entry's order before it, for its words."""
        self.orders: dict[OrderId, OrderTold] = {}
        self.runs: dict[RunId, RunTold] = {}
        self.symbols: dict[Symbol, list[int]] = {}
        self.missed: dict[str, int] = {}
        """Places of the slots that were missed."""
        self.moves: dict[Symbol, list[Moved]] = {}
        self.state = State(now=datetime.min.replace(tzinfo=UTC))
        self.fault = ""
        self._seen: dict[OrderId, OrderSeen] = {}
        self._signals: dict[date, int] = {}
        self._reasons: dict[type[e.Event], int] = {}
        self._open: RunTold | None = None
        self._parked: RunTold | None = None

    @classmethod
    def of(cls, entries: Iterable[e.Entry]) -> "History":
        """Return the history of entries; where reading fails, of those before the failure."""
        history = cls()
        try:
            for entry in entries:
                history.take(entry)
        except ConfigError as error:  # the journal's own: altered, missing, of a later version
            history.fault = str(error)
        return history

    def entry(self, seq: int) -> e.Entry:
        """Return an entry by its place; the chain has no gaps."""
        return self.entries[seq - self.entries[0].seq]

    def known_before(self, seq: int) -> OrderSeen | None:
        """Return what was known of an entry's order before it."""
        return self.known[seq - self.entries[0].seq]

    def causes(self, seq: int) -> Sequence[int]:
        """Return an entry's cause, that one's cause and so on, nearest first."""
        found: list[int] = []
        cause = self.entry(seq).cause
        while cause is not None and cause >= self.entries[0].seq:
            found.append(cause)
            cause = self.entry(cause).cause
        return found

    def reasons(self, run: RunTold) -> Sequence[int]:
        """Return what led to a run: its cause, what it was started for, the signals it uses."""
        found = [run.first_seq] if run.first_seq else []
        signals = None if run.trigger in CASH_RUNS else run.signals_seq
        found += [seq for seq in (run.reason_seq, signals) if seq is not None]
        return [*found, *(cause for seq in found for cause in self.causes(seq))]

    def latest_run(self) -> RunTold | None:
        """Return the run that was started last."""
        return max(self.runs.values(), key=lambda run: run.first_seq, default=None)

    def run_before(self, run: RunTold) -> RunTold | None:
        """Return the run that was started before this one."""
        earlier = [other for other in self.runs.values() if other.first_seq < run.first_seq]
        return max(earlier, key=lambda other: other.first_seq, default=None)

    def take(self, entry: e.Entry) -> None:
        """Take in the next entry."""
        event = entry.event
        self.entries.append(entry)
        self.known.append(self._seen.get(order_of(event) or OrderId("")))
        if (order := seen(self._seen, entry)) is not None:
            self._seen[order.draft.order_id] = order
        for symbol in dict.fromkeys(symbols_of(event)):
            if symbol:
                self.symbols.setdefault(symbol, []).append(entry.seq)
        if isinstance(event, e.SignalsReported):
            self._signals[event.signal_day] = entry.seq
        self._reasons[type(event)] = entry.seq
        if isinstance(event, e.SlotMissed):
            self.missed[event.slot] = entry.seq
        self._index_order(entry)
        self._index_run(entry)
        self._fold(entry)

    def _fold(self, entry: e.Entry) -> None:
        before = self.state.book.positions
        self.state = evolve(self.state, entry)
        after = self.state.book.positions
        if self._open is not None and self.state.frozen:
            self._open.frozen.update(self.state.frozen)
        if after is before:
            return
        for symbol in sorted(before.keys() | after.keys()):
            was, now = before.get(symbol, ZERO), after.get(symbol, ZERO)
            if was != now:
                self.moves.setdefault(symbol, []).append(Moved(entry.seq, was, now))

    def _index_order(self, entry: e.Entry) -> None:
        event, order_id = entry.event, order_of(entry.event)
        if not order_id or (isinstance(event, e.CancelUnconfirmed) and not event.order_id):
            return
        is_decided = isinstance(event, e.OrderDrafted | e.OrderAdopted | e.OrderRefused)
        if not is_decided and order_id not in self.orders:
            return  # of a foreign order, or of one before this journal
        order = self.orders.setdefault(order_id, OrderTold(order_id))
        order.seqs.append(entry.seq)
        if (draft := draft_of(event)) is not None:
            order.run_id, order.symbol, order.side = draft.run_id, draft.symbol, draft.side
            order.qty, order.expected_price = draft.qty, draft.expected_price
        _follow(order, event)

    def _index_run(self, entry: e.Entry) -> None:
        event = entry.event
        match event:
            case e.RunStarted():
                run = self.runs.setdefault(event.run_id, RunTold(event.run_id))
                run.trigger, run.slot, run.first_seq = event.trigger, event.slot, entry.seq
                run.order_day, run.signal_day = event.order_day, event.signal_day
                run.reason_seq = self._reasons.get(_REASONS.get(event.trigger, e.Event))
                self._open, self._parked = run, None
            case e.RunContinued() if event.run_id in self.runs:
                run = self.runs[event.run_id]
                run.order_day, run.signal_day = event.order_day, event.signal_day
                self._open, self._parked = run, None
        named = run_of(event)
        run_named = self.runs.get(named) if named is not None else None
        for run_told in (self._open, run_named):
            if run_told is not None and run_told.seqs[-1:] != [entry.seq]:
                run_told.seqs.append(entry.seq)
        if run_named is not None:
            self._index_decision(run_named, entry)
        if self._parked is not None and isinstance(event, _WHILE_PARKED):
            self._parked.seqs.append(entry.seq)
        if isinstance(event, e.RunFinished):
            self._open, self._parked = None, None if event.is_final else run_named

    def _index_decision(self, run: RunTold, entry: e.Entry) -> None:
        event = entry.event
        match event:
            case e.RunPlanned():
                run.plan_seqs.append(entry.seq)
                if run.signal_day is not None:
                    run.signals_seq = self._signals.get(run.signal_day)
            case e.RunFinished():
                run.finish_seqs.append(entry.seq)
            case e.OrderDrafted() | e.OrderAdopted() | e.OrderRefused():
                order_id = order_of(event)
                if order_id is not None and order_id not in run.order_ids:
                    run.order_ids.append(order_id)


def _follow(order: OrderTold, event: e.Event) -> None:
    match event:
        case e.OrderAdopted():
            order.run_id, order.symbol, order.side = event.run_id, event.symbol, event.side
            order.qty, order.broker_order_id = event.qty, event.broker_order_id
            order.status = event.broker_status
        case e.OrderRefused() if not order.sends:
            order.status, order.reason = "refused by a rule", event.detail
        case e.OrderSubmitted():
            order.sends, order.status, order.reason = event.sends, "sending", ""
        case e.OrderStepped():
            order.status, order.reason = event.status, event.reason
            order.broker_order_id = event.broker_order_id or order.broker_order_id
        case e.FillBooked():
            order.filled_qty += event.qty
            order.filled_value += event.qty * event.price
