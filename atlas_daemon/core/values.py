"""The house's words: ids, sides, statuses, quotes, positions. Imports nothing of ours.

Money, prices and quantities are `Decimal`; a whole number of shares is a Decimal without fraction.
Every moment is an aware `datetime` in UTC; a session is a New York `date`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

Symbol = NewType("Symbol", str)
"""A ticker in Alpaca's spelling (BRK.B)."""
OrderId = NewType("OrderId", str)
"""Our id of an order (its client_order_id at the broker)."""
BrokerOrderId = NewType("BrokerOrderId", str)
"""The broker's id of an order."""
RunId = NewType("RunId", str)
"""One attempt to reach a target: `2027-02`, `crash-20270315`, `force-20270310-1` ..."""

ORDER_ID_PREFIX = "atlas-"
ZERO = Decimal(0)


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 where shares come in, -1 where they go out."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """Order types as Alpaca spells them."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class Regime(StrEnum):
    """The market regime of the day."""

    TREND_BULL = "TREND_BULL"
    TREND_NEUTRAL = "TREND_NEUTRAL"
    TREND_BEAR = "TREND_BEAR"
    CRASH = "CRASH"


ALLOCATION: Mapping[Regime, Decimal] = MappingProxyType(
    {
        Regime.TREND_BULL: Decimal("1.00"),
        Regime.TREND_NEUTRAL: Decimal("0.70"),
        Regime.TREND_BEAR: Decimal("0.30"),
        Regime.CRASH: Decimal("0.00"),
    }
)
"""Fraction of equity that a regime lets us deploy (the handbook's regime allocation)."""


class Mode(StrEnum):
    """What the daemon may do now."""

    STARTING = "starting"
    REDUCE_ONLY = "reduce_only"
    TRADING = "trading"
    HALTED = "halted"


class AccountMode(StrEnum):
    """Which world the account lives in."""

    LOCAL = "local"
    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session: New York date, open and close as aware UTC moments."""

    day: date
    opens_at: datetime
    closes_at: datetime

    def is_open_at(self, at: datetime) -> bool:
        """True in the half-open interval [open, close)."""
        return self.opens_at <= at < self.closes_at


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask, and the last trade, each with its own moment. None where unknown."""

    symbol: Symbol
    bid: Decimal | None
    ask: Decimal | None
    quoted_at: datetime | None
    last: Decimal | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A holding as the broker reports it. `qty` is signed, `qty_available` without open sells."""

    symbol: Symbol
    qty: Decimal
    avg_entry_price: Decimal
    qty_available: Decimal
    price: Decimal | None = None
    """The broker's current price; None where it has none."""
    asset_class: str = "us_equity"

    @property
    def value(self) -> Decimal:
        """Market value; at cost where the broker has no price."""
        return self.qty * (self.price if self.price is not None else self.avg_entry_price)


@dataclass(frozen=True, slots=True)
class Account:
    """The account as the broker reports it."""

    number: str
    status: str
    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    last_equity: Decimal | None = None
    trading_blocked: bool = False
    account_blocked: bool = False
    suspended_by_user: bool = False


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that the broker lists as not terminal; ours or foreign."""

    broker_order_id: BrokerOrderId
    client_order_id: str
    symbol: Symbol
    side: Side
    qty: Decimal | None
    """None for an order by notional value."""
    filled_qty: Decimal
    status: str

    @property
    def is_ours(self) -> bool:
        """True where the id carries our prefix."""
        return self.client_order_id.startswith(ORDER_ID_PREFIX)


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the account's activities: a trade, or what else moved money or shares."""

    activity_id: str
    """Opaque: its digits are New York's time."""
    kind: str
    """Alpaca's type: FILL, FEE, DIV, CSD, SPLIT ..."""
    at: datetime | None
    """Its moment; None where only the day is told."""
    day: date | None
    symbol: Symbol
    """Empty where it is about money alone."""
    side: str
    qty: Decimal | None
    price: Decimal | None
    net_amount: Decimal | None
    """Dollars that came (positive) or went."""
    broker_order_id: str = ""
    cum_qty: Decimal | None = None
    """Shares of its order filled so far, this fill included."""
    description: str = ""
    is_canceled: bool = False


@dataclass(frozen=True, slots=True)
class Asset:
    """What the broker says of a symbol."""

    symbol: Symbol
    tradable: bool
    fractionable: bool = False
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Pick:
    """One line of the strategy's answer: a symbol, its weight of the deployable value, and why."""

    symbol: Symbol
    weight: Decimal
    close: Decimal | None
    """As-traded close of the signal session; None where the source gives none."""
    ratio: Decimal | None = None
    """Total-return close over the 252-session high; None for targets from a file."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An order the planner wants; nobody has said yes to it."""

    order_id: OrderId
    run_id: RunId
    symbol: Symbol
    side: Side
    qty: Decimal
    order_type: OrderType
    expected_price: Decimal | None
    """The price the decision was made on (mid or last trade); None for a close without a price."""
    limit_price: Decimal | None = None
    priced_at: datetime | None = None
    """When `expected_price` was true; None where no price was needed."""


@dataclass(frozen=True, slots=True)
class Approved:
    """A draft that passed every rule at `approved_at`. Only the validator may build one."""

    draft: Draft
    approved_at: datetime
    expires_at: datetime
    """After this moment the fence lets it no longer out."""


def whole(qty: Decimal) -> Decimal:
    """Return `qty` cut to whole shares, toward zero."""
    return Decimal(int(qty))
