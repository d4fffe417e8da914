"""What an order is: its words, its record, and what happens to it (updates, activities).

Only values live here. What may be ordered is judged in `intake` and `exchange`; when it fills, in
`matching` and `engine`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter

ZERO = Decimal(0)
SHARE_STEP = Decimal("0.000000001")
CENT = Decimal("0.01")


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"


class Kind(StrEnum):
    """Alpaca's order `type`."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class OrderClass(StrEnum):
    """How an order belongs together with others; Alpaca writes the simple one as nothing."""

    SIMPLE = ""
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class Role(StrEnum):
    """What an order is within its group (`group_role`)."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class Status(StrEnum):
    """The statuses this broker uses; Alpaca knows a few rarer ones."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"


CLOSED_STATUSES = frozenset(
    {Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED, Status.REJECTED}
)


@dataclass(slots=True)
class Order:
    """One order with all that is known about it; changed in place by the exchange only."""

    id: str
    account_id: str
    client_order_id: str
    symbol: str
    side: Side
    kind: Kind
    tif: TimeInForce
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    extended_hours: bool
    status: Status
    seq: int
    """Running number in this exchange: the order of submission."""
    created_at: datetime
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    order_class: str = ""
    group_id: str | None = None
    """The same for all orders of a bracket, oco or oto and for those that replace them."""
    group_role: str | None = None
    parent_id: str | None = None
    leg_ids: tuple[str, ...] = ()
    is_dormant: bool = False
    """A leg that is held: it reserves nothing and does not trade until its turn has come."""
    hwm: Decimal | None = None
    """High (sell) or low (buy) water mark of a trailing stop."""
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    goal_qty: Decimal | None = None
    """Shares wanted in all; for an order by notional known from its first fill on."""
    unit_hold: Decimal = ZERO
    """What one share of a buy reserves (limit, or price with the collar)."""
    held: Decimal = ZERO
    """What the order reserves now: money for a buy, shares for a sell."""
    is_triggered: bool = False
    cancel_asked_at: datetime | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    replace_asked_at: datetime | None = None
    """While a replacement is under way; None again where it is refused."""
    counted_qty: Decimal = ZERO
    """Of a replacement: what of the old order had filled when its quantity was worked out."""
    hold_credit: Decimal = ZERO
    """Of a replacement under way: what the old order reserves for both."""

    @property
    def is_open(self) -> bool:
        """True until the order has reached a final status."""
        return self.status not in CLOSED_STATUSES

    @property
    def remaining_qty(self) -> Decimal:
        """Shares still wanted; 0 for an order by notional that has not begun to fill."""
        return (self.goal_qty or ZERO) - self.filled_qty

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Average price of all executions so far."""
        return self.filled_value / self.filled_qty if self.filled_qty else None

    def copy(self) -> Order:
        """The order as it is now; later changes do not reach the copy."""
        return Order(*_ORDER_VALUES(self))

    @property
    def salt(self) -> int:
        """The three digits below the microsecond in this order's timestamps."""
        return (self.seq * 367 + 123) % 1000


_ORDER_VALUES = attrgetter(*(field.name for field in fields(Order)))


@dataclass(frozen=True, slots=True)
class Update:
    """One trade update, as the stream will tell it; `order` is a copy made at that moment."""

    account_id: str
    event: str
    order: Order
    at: datetime
    execution_id: str | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    position_qty: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the account's history: an execution (FILL), or money or shares moved."""

    id: str
    kind: str
    at: datetime
    symbol: str | None = None
    side: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    order_id: str | None = None
    order_status: str | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    net_amount: Decimal | None = None
    description: str = ""
    sub_type: str = ""
    """Alpaca's `activity_sub_type` (CDIV, REG, TAF, FSPLIT ...); empty where there is none."""
    day: date | None = None
    """The New York date that something other than a trade is booked on; None for a trade."""
    per_share: Decimal | None = None
    """Dollars a share, of a dividend."""
    group_id: str | None = None
    """What the two sides of one corporate action have in common."""
    details: dict[str, str] | None = None
    """What only the stream of activities tells, by Alpaca's names (`old_rate`, `cash_payout`)."""


_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def id_of(*parts: object) -> str:
    """A UUID that is a function of its parts, so that a seeded exchange repeats itself exactly."""
    text = ":".join(map(str, parts)).encode()
    h = hashlib.blake2b(text, digest_size=16).hexdigest()
    variant = _VARIANTS[h[16]]
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}"


class Draw:
    """Seeded chance for one occasion: a few numbers that are a function of its parts."""

    __slots__ = ("_pool",)

    def __init__(self, *parts: object) -> None:
        text = ":".join(map(str, parts)).encode()
        self._pool = int.from_bytes(hashlib.blake2b(text, digest_size=32).digest(), "big")

    def below(self, end: int) -> int:
        """A whole number of 0..end-1."""
        self._pool, drawn = divmod(self._pool, end)
        return drawn

    def fraction(self) -> float:
        """A number of [0, 1)."""
        return self.below(1 << 53) / (1 << 53)
