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
class RivalSuspected(Event):
    """Another daemon seems to trade this account: nothing is bought until a restart."""

    why: str


@dataclass(frozen=True, slots=True)
class StreamDoubted(Event):
    """The stream says that it listens, and did not bring what a look-up told."""

    why: str
