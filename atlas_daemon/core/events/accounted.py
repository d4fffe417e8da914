"""What is decided about our book beside the account: activities, differences, orders found again.

Past tense, plain values, no logic.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from atlas_daemon.core.values import (
    ZERO,
    Activity,
    BrokerOrderId,
    OrderId,
    RunId,
    Side,
    Symbol,
)

from .heard import Event


@dataclass(frozen=True, slots=True)
class ActivitiesRequested(Event):
    """The account's activities were asked for at this entry's time."""


@dataclass(frozen=True, slots=True)
class Move:
    """What an activity does to one position of ours, in shares; both figures are signed."""

    symbol: Symbol
    qty: Decimal
    bought: Decimal = ZERO
    """The change of the part that the journal bought."""


@dataclass(frozen=True, slots=True)
class ActivityBooked(Event):
    """An activity of the account is on record, once, with what it does to our book."""

    activity: Activity
    cash: Decimal
    """What it moves in our cash."""
    cash_named: Decimal
    """The part of its amount that our cash had followed before it was named."""
    moves: tuple[Move, ...]
    is_explained: bool
    """False where it is only on record: an unknown type, or one that does not fit."""
    note: str = ""
    order_filled_qty: Decimal | None = None
    """A late fill of an order of ours: its cumulative shares from here on."""


@dataclass(frozen=True, slots=True)
class ActivitiesNoted(Event):
    """The list asked for at `asked_at` is read whole; `ids` were in our book without an entry."""

    asked_at: datetime
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CashDriftSeen(Event):
    """Cash differs at rest beyond the tolerance; activities may explain it."""

    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True)
class CashUnexplained(Event):
    """No activity explains the difference in cash: the lower figure counts until one does."""

    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True)
class DriftExplained(Event):
    """An activity explains a frozen symbol's quantity: it is frozen no more."""

    symbol: Symbol


@dataclass(frozen=True, slots=True)
class OrderAdopted(Event):
    """At the start: an open order under our prefix that the journal lacks is ours."""

    order_id: OrderId
    broker_order_id: BrokerOrderId
    run_id: RunId
    symbol: Symbol
    side: Side
    qty: Decimal
    broker_status: str


@dataclass(frozen=True, slots=True)
class ExecutionDisputed(Event):
    """An execution that is booked was told again with other figures: these are not booked."""

    order_id: OrderId
    execution_id: str
    qty: Decimal
    price: Decimal
    """As booked; the next two as told now."""
    told_qty: Decimal
    told_price: Decimal


@dataclass(frozen=True, slots=True)
class OrderOverfilled(Event):
    """The broker filled more than was ordered: the symbol is frozen until it is adopted."""

    order_id: OrderId
    symbol: Symbol
    qty: Decimal
    """As ordered."""
    filled_qty: Decimal


@dataclass(frozen=True, slots=True)
class RivalSuspected(Event):
    """Another daemon seems to trade this account: nothing is bought until a restart."""

    why: str


@dataclass(frozen=True, slots=True)
class FirstBookSeen(Event):
    """What would be adopted at a first start, if a later look tells the same."""

    asked_at: datetime
    cash: Decimal
    positions: tuple[tuple[Symbol, Decimal], ...]


@dataclass(frozen=True, slots=True)
class StreamDoubted(Event):
    """The stream says that it listens, and did not bring what a look-up told."""

    why: str
