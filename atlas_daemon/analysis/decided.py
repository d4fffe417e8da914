"""The records of what was wanted and what became of it: runs, decisions, orders, fills, refusals.

How they are read from the journal is `ledger`'s, what they cost `shortfall`'s.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import DONE
from atlas_daemon.core.values import ZERO, OrderId, RunId, Side, Symbol

from .exact import product, total


@dataclass(frozen=True, slots=True)
class Fill:
    """Shares that moved at one price; negative where an execution was taken back."""

    at: datetime
    qty: Decimal
    price: Decimal
    expected: Decimal | None
    """What its order was expected to cost by then."""


@dataclass(slots=True, eq=False)
class OrderRead:
    """One order, under one id, however often it was sent."""

    order_id: OrderId
    run_id: RunId
    symbol: Symbol
    side: Side
    qty: Decimal
    """Shares as approved; those that were wanted, until then."""
    wanted_qty: Decimal
    """Shares before a rule of ours cut it."""
    arrival_price: Decimal | None = None
    trimmed_by: str = ""
    sends: int = 0
    sent_at: datetime | None = None
    first_fill_at: datetime | None = None
    filled_at: datetime | None = None
    """When it was filled whole."""
    done_at: datetime | None = None
    status: str = "drafted"
    reason: str = ""
    broker_order_id: str = ""
    was_unknown: bool = False
    fills: list[Fill] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decision: "Decision | None" = None

    @property
    def filled_qty(self) -> Decimal:
        """Shares that stay filled."""
        return total(fill.qty for fill in self.fills)

    @property
    def filled_value(self) -> Decimal:
        """Dollars of them."""
        return total(product(fill.qty, fill.price) for fill in self.fills)

    @property
    def is_done(self) -> bool:
        """True where no further step is expected."""
        return self.status in DONE


@dataclass(slots=True, eq=False)
class Decision:
    """What a run's plan wanted to trade of one symbol in one direction."""

    symbol: Symbol
    side: Side
    price: Decimal | None
    """The price the plan was made on, dollars per share."""
    at: datetime
    qty: Decimal
    note: str = ""
    orders: list[OrderRead] = field(default_factory=list)
    is_over: bool = False
    """A split made its shares others: what is left was decided anew."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule of ours that said no to an order, or cut a line or a whole plan."""

    at: datetime
    symbol: Symbol
    rule: str
    detail: str


@dataclass(slots=True, eq=False)
class RunRead:
    """One run, from its start to its latest end."""

    run_id: RunId
    started_at: datetime
    trigger: str = ""
    slot: str | None = None
    order_day: date | None = None
    """The first session it was tried in."""
    last_day: date | None = None
    plan: e.RunPlanned | None = None
    """The first that passed the gates, or was at least made."""
    planned_at: datetime | None = None
    sessions: int = 1
    rounds: int = 0
    ended: e.RunFinished | None = None
    ended_at: datetime | None = None
    decisions: list[Decision] = field(default_factory=list)
    orders: list[OrderRead] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    """Orders that a rule of ours refused."""
    cuts: list[Refusal] = field(default_factory=list)
    """Orders that a rule of ours cut."""
    dropped: list[Refusal] = field(default_factory=list)
    """Lines that left the run by policy."""
    gates: list[Refusal] = field(default_factory=list)
    """Gates that said no to a whole plan."""
    fees: Decimal = ZERO
    """Dollars of regulatory fees booked for the days on which it alone traded; positive."""
    is_fresh: bool = True
    """The next plan is the first of a session."""

    def decision_of(self, symbol: Symbol, side: Side) -> Decision | None:
        """Return the latest decision about a symbol's direction that stands."""
        return next(
            (
                d
                for d in reversed(self.decisions)
                if (d.symbol, d.side) == (symbol, side) and not d.is_over
            ),
            None,
        )

    @property
    def is_over(self) -> bool:
        """True where it will not go on."""
        return self.ended is not None and self.ended.is_final

    @property
    def is_refused(self) -> bool:
        """True where a gate said no to its plan, and so nothing was decided."""
        return bool(self.gates) and not self.orders


@dataclass(frozen=True, slots=True)
class Fee:
    """A regulatory fee: dollars, positive where they were paid."""

    day: date
    amount: Decimal
