"""The shapes of Alpaca's JSON: only the fields that we use, typed as loosely as we can bear.

No meaning lives here: `Any` fields are numbers and moments, which `wire` reads by `scalars`.
"""

from typing import Any

import msgspec


class OrderWire(msgspec.Struct):
    """An order, in REST and inside a trade update."""

    id: str
    status: str
    client_order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    type: str | None = None
    order_type: str | None = None
    order_class: str | None = None
    time_in_force: str | None = None
    asset_class: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    qty: Any = None
    notional: Any = None
    filled_qty: Any = None
    filled_avg_price: Any = None
    limit_price: Any = None
    stop_price: Any = None
    trail_price: Any = None
    trail_percent: Any = None
    submitted_at: Any = None
    updated_at: Any = None
    filled_at: Any = None
    canceled_at: Any = None
    expires_at: Any = None
    created_at: Any = None
    legs: list["OrderWire"] | None = None


class AccountWire(msgspec.Struct):
    """The account."""

    status: str
    id: str | None = None
    account_number: str | None = None
    equity: Any = None
    cash: Any = None
    buying_power: Any = None
    last_equity: Any = None
    trading_blocked: bool | None = None
    account_blocked: bool | None = None
    trade_suspended_by_user: bool | None = None


class PositionWire(msgspec.Struct):
    """A position."""

    symbol: str
    qty: Any
    avg_entry_price: Any = None
    qty_available: Any = None
    current_price: Any = None
    side: str | None = None
    asset_class: str | None = None


class AssetWire(msgspec.Struct):
    """An asset."""

    symbol: str
    tradable: bool
    fractionable: bool | None = None
    status: str | None = None


class ClockWire(msgspec.Struct):
    """The clock."""

    is_open: bool
    timestamp: Any
    next_open: Any
    next_close: Any


class DayWire(msgspec.Struct):
    """One day of the calendar, New York wall times."""

    date: str
    open: str
    close: str


class ActivityWire(msgspec.Struct):
    """An account activity: a trade or anything else that moved money or shares."""

    id: str
    activity_type: str
    symbol: str | None = None
    side: str | None = None
    order_id: str | None = None
    type: str | None = None
    order_status: str | None = None
    status: str | None = None
    description: str | None = None
    date: str | None = None
    transaction_time: Any = None
    created_at: Any = None
    qty: Any = None
    price: Any = None
    net_amount: Any = None
    cum_qty: Any = None
    leaves_qty: Any = None


class CancelWire(msgspec.Struct):
    """One line of the answer to cancel-all."""

    id: str
    status: int


class ConfigurationsWire(msgspec.Struct):
    """The account's switches."""

    suspend_trade: bool
    no_shorting: bool | None = None
    fractional_trading: bool | None = None
    max_margin_multiplier: Any = None
