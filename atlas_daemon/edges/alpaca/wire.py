"""Alpaca's REST bytes turned into records. Pure: no socket, no clock, no log.

Lenient where Alpaca drifts (unknown fields, unknown enum values, numbers as text or as numbers,
any RFC 3339 form), strict where a guess would cost money: what cannot be read is a `WireError`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from atlas_daemon.core.values import (
    ZERO,
    Account,
    Asset,
    BrokerOrderId,
    OpenOrder,
    Position,
    Session,
    Side,
    Symbol,
)
from atlas_daemon.core.values import Activity as CoreActivity
from atlas_daemon.edges.alpaca.scalars import (
    WireError as WireError,
)
from atlas_daemon.edges.alpaca.scalars import (
    excerpt,
    moment,
    needed_moment,
    needed_number,
    number,
    read,
    said,
)
from atlas_daemon.edges.alpaca.shapes import (
    AccountWire,
    ActivityWire,
    AssetWire,
    BriefWire,
    CancelWire,
    ClockWire,
    ConfigurationsWire,
    DayWire,
    LegWire,
    OrderWire,
    PositionWire,
)

NEW_YORK = ZoneInfo("America/New_York")


class OrderBrief(msgspec.Struct, frozen=True, gc=False):
    """What any news of an order tells; statuses that we do not know stay text."""

    id: BrokerOrderId
    client_order_id: str
    symbol: Symbol
    """Empty for the parent of a multi-leg order."""
    side: str
    """`buy`, `sell`, or whatever Alpaca says; empty for the parent of a multi-leg order."""
    qty: Decimal | None
    """None for an order by notional value."""
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    status: str
    """Lower case, without surrounding blanks."""
    updated_at: datetime | None


class OrderRecord(OrderBrief, frozen=True, gc=False):
    """An order as Alpaca reports it; types that we do not know stay text."""

    notional: Decimal | None
    type: str
    order_class: str
    """Empty for a simple order."""
    time_in_force: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    raw_status: str
    """As it came."""
    submitted_at: datetime | None
    filled_at: datetime | None
    canceled_at: datetime | None
    expires_at: datetime | None
    created_at: datetime | None
    asset_class: str = "us_equity"
    replaces: str | None = None
    replaced_by: str | None = None
    legs: tuple["OrderRecord", ...] = ()

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return the core's view: one order, or one per leg where only the legs have a side.

        Raises WireError where neither says buy or sell: an order must not vanish from a listing.
        """
        side = next((side for side in Side if self.side.startswith(side.value)), None)
        if side is None:
            if not self.legs:
                raise WireError(f"order {self.id}: side {self.side!r} is neither buy nor sell")
            return tuple(
                # Alpaca cancels the parent, never a single leg.
                replace(leg_order, broker_order_id=self.id)
                for leg in self.legs
                for leg_order in leg.open_orders()
            )
        return (
            OpenOrder(
                broker_order_id=self.id,
                client_order_id=self.client_order_id,
                symbol=self.symbol,
                side=side,
                qty=self.qty,
                filled_qty=self.filled_qty,
                status=self.status,
            ),
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """The broker's clock; `speed` is the local broker's (None at Alpaca)."""

    timestamp: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime
    speed: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the account's activities. `id` is opaque: its digits are New York time."""

    id: str
    activity_type: str
    at: datetime | None
    day: date | None
    """The date of an activity that is no trade."""
    symbol: Symbol
    side: str
    qty: Decimal | None
    price: Decimal | None
    net_amount: Decimal | None
    order_id: str
    cum_qty: Decimal | None
    leaves_qty: Decimal | None
    fill_type: str
    """`fill` or `partial_fill`; empty where it is no trade."""
    order_status: str
    description: str
    status: str = ""
    """`executed`, `correct` or `canceled`; empty for a trade."""

    def activity(self) -> CoreActivity:
        """Return the core's view."""
        return CoreActivity(
            activity_id=self.id,
            kind=self.activity_type,
            at=self.at,
            day=self.day,
            symbol=self.symbol,
            side=self.side,
            qty=self.qty,
            price=self.price,
            net_amount=self.net_amount,
            broker_order_id=self.order_id,
            cum_qty=self.cum_qty,
            description=self.description,
            is_canceled=self.status == "canceled",
        )


@dataclass(frozen=True, slots=True)
class CancelResult:
    """One line of the answer to cancel-all: 200 means asked, not done."""

    id: BrokerOrderId
    status: int


@dataclass(frozen=True, slots=True)
class Configurations:
    """The account's own switches at the broker."""

    suspend_trade: bool
    no_shorting: bool
    fractional_trading: bool
    max_margin_multiplier: str


def order(body: bytes | str) -> OrderRecord:
    """Read one order."""
    return order_record(read(body, OrderWire, "order"))


def orders(body: bytes) -> tuple[OrderRecord, ...]:
    """Read a list of orders; one unreadable order makes the whole list unreadable."""
    return tuple(order_record(wire) for wire in read(body, list[OrderWire], "orders"))


def account(body: bytes) -> Account:
    """Read the account; equity, cash and buying power must be there."""
    wire = read(body, AccountWire, "account")
    return Account(
        number=wire.account_number or wire.id or "",
        status=wire.status,
        equity=needed_number(wire.equity, "account.equity"),
        cash=needed_number(wire.cash, "account.cash"),
        buying_power=needed_number(wire.buying_power, "account.buying_power"),
        last_equity=number(wire.last_equity, "account.last_equity"),
        trading_blocked=bool(wire.trading_blocked),
        account_blocked=bool(wire.account_blocked),
        suspended_by_user=bool(wire.trade_suspended_by_user),
    )


def position(body: bytes) -> Position:
    """Read one position."""
    return _position_record(read(body, PositionWire, "position"))


def positions(body: bytes) -> tuple[Position, ...]:
    """Read all positions."""
    return tuple(_position_record(wire) for wire in read(body, list[PositionWire], "positions"))


def asset(body: bytes) -> Asset:
    """Read one asset."""
    return _asset_record(read(body, AssetWire, "asset"))


def assets(body: bytes) -> tuple[Asset, ...]:
    """Read all assets."""
    return tuple(_asset_record(wire) for wire in read(body, list[AssetWire], "assets"))


def clock(body: bytes, speed: str | None = None) -> Clock:
    """Read the clock; `speed` is the text of the local broker's header."""
    wire = read(body, ClockWire, "clock")
    return Clock(
        timestamp=needed_moment(wire.timestamp, "clock.timestamp"),
        is_open=wire.is_open,
        next_open=needed_moment(wire.next_open, "clock.next_open"),
        next_close=needed_moment(wire.next_close, "clock.next_close"),
        speed=number(speed, "clock speed"),
    )


def calendar(body: bytes) -> tuple[Session, ...]:
    """Read the sessions; Alpaca's times are New York wall times without a zone."""
    sessions = []
    for wire in read(body, list[DayWire], "calendar"):
        try:
            day = date.fromisoformat(wire.date)
            opens, closes = (
                datetime.combine(day, time.fromisoformat(text), NEW_YORK).astimezone(UTC)
                for text in (wire.open, wire.close)
            )
        except (ValueError, OverflowError):
            odd = excerpt(f"{wire.date} {wire.open}-{wire.close}")
            raise WireError(f"calendar: {odd!r} is no session") from None
        if opens >= closes:
            raise WireError(f"calendar: {wire.date} closes before it opens")
        sessions.append(Session(day, opens, closes))
    return tuple(sessions)


def activities(body: bytes) -> tuple[Activity, ...]:
    """Read account activities, trades and others."""
    return tuple(_activity_record(wire) for wire in read(body, list[ActivityWire], "activities"))


def cancel_results(body: bytes) -> tuple[CancelResult, ...]:
    """Read the multi-status answer to cancel-all."""
    lines = read(body, list[CancelWire], "cancel all")
    return tuple(CancelResult(BrokerOrderId(line.id), line.status) for line in lines)


def configurations(body: bytes) -> Configurations:
    """Read the account's configurations."""
    wire = read(body, ConfigurationsWire, "configurations")
    return Configurations(
        suspend_trade=wire.suspend_trade,
        no_shorting=bool(wire.no_shorting),
        fractional_trading=bool(wire.fractional_trading),
        max_margin_multiplier=said(wire.max_margin_multiplier or ""),
    )


def order_brief(wire: BriefWire) -> OrderBrief:
    """Turn what a trade update says of its order into the record; WireError as `order_record`."""
    status = wire.status.strip().lower()
    filled = number(wire.filled_qty, "order.filled_qty")
    if filled is None and status in {"filled", "partially_filled"}:
        raise WireError(f"order {excerpt(wire.id)}: {status} without filled_qty")
    qty = number(wire.qty, "order.qty")
    if not wire.id or not status or (filled or ZERO) < 0 or (qty or ZERO) < 0:
        raise WireError(f"order {excerpt(wire.id)!r}: no id, no status or a negative quantity")
    return OrderBrief(
        id=BrokerOrderId(wire.id),
        client_order_id=wire.client_order_id or "",
        symbol=Symbol(wire.symbol or ""),
        side=(wire.side or "").strip().lower(),
        qty=qty,
        filled_qty=filled or ZERO,
        filled_avg_price=number(wire.filled_avg_price, "order.filled_avg_price"),
        status=status,
        updated_at=moment(wire.updated_at, "order.updated_at"),
    )


def order_record(wire: LegWire) -> OrderRecord:
    """Turn the shape of an order into the record; raises WireError where it contradicts itself."""
    legs = wire.legs if isinstance(wire, OrderWire) else None
    return OrderRecord(
        **msgspec.structs.asdict(order_brief(wire)),
        notional=number(wire.notional, "order.notional"),
        type=(wire.type or wire.order_type or "").lower(),
        order_class=wire.order_class or "",
        time_in_force=wire.time_in_force or "",
        limit_price=number(wire.limit_price, "order.limit_price"),
        stop_price=number(wire.stop_price, "order.stop_price"),
        trail_price=number(wire.trail_price, "order.trail_price"),
        trail_percent=number(wire.trail_percent, "order.trail_percent"),
        raw_status=wire.status,
        submitted_at=moment(wire.submitted_at, "order.submitted_at"),
        filled_at=moment(wire.filled_at, "order.filled_at"),
        canceled_at=moment(wire.canceled_at, "order.canceled_at"),
        expires_at=moment(wire.expires_at, "order.expires_at"),
        created_at=moment(wire.created_at, "order.created_at"),
        asset_class=wire.asset_class or "us_equity",
        replaces=wire.replaces,
        replaced_by=wire.replaced_by,
        legs=tuple(order_record(leg) for leg in legs or ()),
    )


def _position_record(wire: PositionWire) -> Position:
    qty = needed_number(wire.qty, f"position {excerpt(wire.symbol)}.qty")
    if wire.side == "short":
        qty = -abs(qty)
    available = number(wire.qty_available, "position.qty_available")
    return Position(
        symbol=Symbol(wire.symbol),
        qty=qty,
        avg_entry_price=needed_number(wire.avg_entry_price, "position.avg_entry_price"),
        # Optional in the published schema: without it a sale of too much is the broker's to refuse.
        qty_available=qty if available is None else available,
        price=number(wire.current_price, "position.current_price"),
        asset_class=wire.asset_class or "us_equity",
    )


def _asset_record(wire: AssetWire) -> Asset:
    return Asset(
        symbol=Symbol(wire.symbol),
        tradable=wire.tradable,
        fractionable=bool(wire.fractionable),
        status=wire.status or "active",
    )


def _activity_record(wire: ActivityWire) -> Activity:
    try:
        day = date.fromisoformat(wire.date) if wire.date else None
    except ValueError:
        raise WireError(f"activity.date: {excerpt(wire.date or '')!r} is no date") from None
    return Activity(
        id=wire.id,
        activity_type=wire.activity_type,
        at=moment(wire.transaction_time or wire.created_at, "activity time"),
        day=day,
        symbol=Symbol(wire.symbol or ""),
        side=(wire.side or "").lower(),
        qty=number(wire.qty, "activity.qty"),
        price=number(wire.price, "activity.price"),
        net_amount=number(wire.net_amount, "activity.net_amount"),
        order_id=wire.order_id or "",
        cum_qty=number(wire.cum_qty, "activity.cum_qty"),
        leaves_qty=number(wire.leaves_qty, "activity.leaves_qty"),
        fill_type=(wire.type or "") if wire.activity_type == "FILL" else "",
        order_status=wire.order_status or "",
        description=excerpt(wire.description or ""),
        status=(wire.status or "").lower(),
    )
