"""The shapes of Alpaca's JSON: only the fields that we use, typed as loosely as we can bear.

No meaning lives here: `Any` fields are numbers and moments, which `wire` reads by `scalars`.
"""

from typing import Annotated, Any

import msgspec

TEXT_MAX = 256
"""Characters of a name, an id or a word: Alpaca's longest id has 128. Longer is damage."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
HttpStatus = Annotated[int, msgspec.Meta(ge=100, le=599)]


class BriefWire(msgspec.Struct):
    """What a trade update is read for of its order: the stream may bring thousands at once."""

    id: Text
    status: Text
    client_order_id: Text | None = None
    symbol: Text | None = None
    side: Text | None = None
    qty: Any = None
    filled_qty: Any = None
    filled_avg_price: Any = None
    updated_at: Any = None


class LegWire(BriefWire):
    """An order that stands for itself, or a leg of another: a leg has none of its own."""

    type: Text | None = None
    order_type: Text | None = None
    order_class: Text | None = None
    time_in_force: Text | None = None
    asset_class: Text | None = None
    replaces: Text | None = None
    replaced_by: Text | None = None
    notional: Any = None
    limit_price: Any = None
    stop_price: Any = None
    trail_price: Any = None
    trail_percent: Any = None
    submitted_at: Any = None
    filled_at: Any = None
    canceled_at: Any = None
    expires_at: Any = None
    created_at: Any = None


class OrderWire(LegWire):
    """An order, as REST tells it."""

    legs: list[LegWire] | None = None


class AccountWire(msgspec.Struct):
    """The account."""

    status: Text
    id: Text | None = None
    account_number: Text | None = None
    equity: Any = None
    cash: Any = None
    buying_power: Any = None
    last_equity: Any = None
    trading_blocked: bool | None = None
    account_blocked: bool | None = None
    trade_suspended_by_user: bool | None = None


class PositionWire(msgspec.Struct):
    """A position."""

    symbol: Text
    qty: Any
    avg_entry_price: Any = None
    qty_available: Any = None
    current_price: Any = None
    side: Text | None = None
    asset_class: Text | None = None


class AssetWire(msgspec.Struct):
    """An asset."""

    symbol: Text
    tradable: bool
    fractionable: bool | None = None
    status: Text | None = None


class ClockWire(msgspec.Struct):
    """The clock."""

    is_open: bool
    timestamp: Any
    next_open: Any
    next_close: Any


class DayWire(msgspec.Struct):
    """One day of the calendar, New York wall times."""

    date: Text
    open: Text
    close: Text


class ActivityWire(msgspec.Struct):
    """An account activity: a trade or anything else that moved money or shares."""

    id: Text
    activity_type: Text
    symbol: Text | None = None
    side: Text | None = None
    order_id: Text | None = None
    type: Text | None = None
    order_status: Text | None = None
    status: Text | None = None
    description: str | None = None
    date: Text | None = None
    transaction_time: Any = None
    created_at: Any = None
    qty: Any = None
    price: Any = None
    net_amount: Any = None
    cum_qty: Any = None
    leaves_qty: Any = None


class CancelWire(msgspec.Struct):
    """One line of the answer to cancel-all."""

    id: Text
    status: HttpStatus


class ConfigurationsWire(msgspec.Struct):
    """The account's switches."""

    suspend_trade: bool
    no_shorting: bool | None = None
    fractional_trading: bool | None = None
    max_margin_multiplier: Any = None
