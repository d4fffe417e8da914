"""The shapes of Alpaca's JSON: one function for each object, keys as a real account sends them.

Numbers are strings, moments RFC 3339 with nanoseconds and their trailing zeros cut, keys sorted.
Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from atlas_daemon.paper.exchange.accounts import Account, Figures, Position
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import CENT, ZERO, Activity, Order, Side, Update, id_of
from atlas_daemon.paper.exchange.refusals import plain
from atlas_daemon.paper.market.calendar import TradingDay

Json = dict[str, object]

_RATIO = Decimal("0.0000000001")
_ARCA = frozenset({"SPY", "GLD", "DIA", "IWM"})
_NASDAQ_NAMES = (
    "AAPL ADBE AMAT AMD AMGN AMZN AVGO CDNS COST CRWD CSCO FTNT GILD GOOGL INTC INTU KLAC LRCX "
    "MCHP META MSFT MU NFLX NVDA PANW PEP QCOM QQQ REGN SNPS TSLA TXN VRTX"
)
_NASDAQ = frozenset(_NASDAQ_NAMES.split())


@lru_cache(maxsize=1 << 15)
def moment(at: datetime, salt: int = 0) -> str:
    """UTC with `Z`; `salt` is the three digits below the microsecond."""
    text = (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat()
    fraction = f"{at.microsecond:06d}{salt:03d}".rstrip("0")
    return f"{text[:19]}.{fraction}Z" if fraction else f"{text[:19]}Z"


def moment_ns(at: datetime, salt: int = 0) -> int:
    """The same moment as nanoseconds since 1970, for exact comparisons."""
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + at.microsecond * 1000 + salt


def parse_moment_ns(text: str) -> int:
    """A client's timestamp or date as nanoseconds since 1970; a naive one is UTC.

    Raises ValueError.
    """
    text = text.replace(" ", "+")
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    digits = ""
    if "." in text:
        digits = text.split(".", 1)[1]
        digits = digits[: next((i for i, c in enumerate(digits) if not c.isdigit()), len(digits))]
    return moment_ns(at, int(digits[6:9].ljust(3, "0")) if len(digits) > 6 else 0)


def new_york(at: datetime) -> str:
    """A moment with New York's offset, as /v2/clock writes it."""
    return at.astimezone(NEW_YORK).isoformat()


def listed_on(symbol: str) -> str:
    """The exchange that lists a symbol, as far as it is known here; else NYSE."""
    if symbol in _ARCA:
        return "ARCA"
    return "NASDAQ" if symbol in _NASDAQ else "NYSE"


@lru_cache(maxsize=4096)
def cusip(symbol: str) -> str:
    """A made-up CUSIP of a symbol: nine letters and digits, always the same."""
    return id_of("cusip", symbol).replace("-", "").upper()[:9]


@lru_cache(maxsize=4096)
def asset_id(symbol: str) -> str:
    """The id of a symbol: the same in every local broker."""
    return id_of("asset", symbol)


def order(entry: Order, legs: Iterable[Order] = ()) -> Json:
    """An order as REST and stream show it; its legs only where they are asked for."""
    body = _order(entry)
    if entry.group_id is not None:
        body |= {"group_id": entry.group_id, "group_role": entry.group_role}
        body["legs"] = [order(leg) for leg in legs] or None
        body = dict(sorted(body.items()))
    return body


def _order(entry: Order) -> Json:
    salt = entry.salt
    average = entry.filled_avg_price
    opens = "buy_to_open" if entry.side is Side.BUY else "sell_to_close"

    def when(at: datetime | None) -> str | None:
        return moment(at, salt) if at else None

    return {
        "asset_class": "us_equity",
        "asset_id": asset_id(entry.symbol),
        "canceled_at": when(entry.canceled_at),
        "client_order_id": entry.client_order_id,
        "created_at": when(entry.created_at),
        "expired_at": when(entry.expired_at),
        "expires_at": moment(entry.expires_at),
        "extended_hours": entry.extended_hours,
        "failed_at": when(entry.failed_at),
        "filled_at": when(entry.filled_at),
        "filled_avg_price": _price(average) if average is not None else None,
        "filled_qty": plain(entry.filled_qty),
        "hwm": _number(entry.hwm),
        "id": entry.id,
        "legs": None,
        "limit_price": _number(entry.limit_price),
        "notional": _number(entry.notional),
        "order_class": entry.order_class,
        "order_type": entry.kind.value,
        "position_intent": opens,
        "qty": _number(entry.qty),
        "replaced_at": when(entry.replaced_at),
        "replaced_by": entry.replaced_by,
        "replaces": entry.replaces,
        "side": entry.side.value,
        "source": None,
        "status": entry.status.value,
        "stop_price": _number(entry.stop_price),
        "submitted_at": when(entry.submitted_at),
        "subtag": None,
        "symbol": entry.symbol,
        "time_in_force": entry.tif.value,
        "trail_percent": _number(entry.trail_percent),
        "trail_price": _number(entry.trail_price),
        "type": entry.kind.value,
        "updated_at": when(entry.updated_at),
    }


def trade_update(update: Update) -> Json:
    """The `data` of a trade_updates message."""
    data: Json = {"event": update.event}
    if update.execution_id is not None:
        data["execution_id"] = update.execution_id
    data["order"] = order(update.order)
    if update.qty is not None and update.price is not None:
        data["position_qty"] = plain(update.position_qty or ZERO)
        data["price"] = plain(update.price)
        data["qty"] = plain(update.qty)
    data["timestamp"] = moment(update.at, update.order.salt)
    return data


def account(
    entry: Account,
    figures: Figures,
    balance_asof: date,
    pending_fees: Decimal = ZERO,
    intraday_adjustments: Decimal = ZERO,
) -> Json:
    """/v2/account; fees that are not charged yet, and what money came and went today."""
    settings = entry.configuration
    equity = dollars(figures.equity)
    market_value = dollars(figures.long_market_value)
    return {
        "account_blocked": entry.is_blocked,
        "account_number": entry.number,
        "accrued_fees": plain(pending_fees),
        "admin_configurations": {},
        "balance_asof": balance_asof.isoformat(),
        "buying_power": dollars(figures.buying_power),
        "cash": dollars(entry.cash),
        "created_at": moment(entry.created_at),
        "crypto_status": "INACTIVE",
        "crypto_tier": 0,
        "currency": "USD",
        "effective_buying_power": dollars(figures.buying_power),
        "equity": equity,
        "id": entry.id,
        "initial_margin": dollars(figures.initial_margin),
        "intraday_adjustments": plain(intraday_adjustments),
        "last_equity": dollars(entry.last_equity),
        "last_maintenance_margin": dollars(entry.last_maintenance_margin),
        "long_market_value": market_value,
        "maintenance_margin": dollars(figures.maintenance_margin),
        "multiplier": settings.max_margin_multiplier,
        "non_marginable_buying_power": dollars(figures.non_marginable_buying_power),
        "options_approved_level": 0,
        "options_buying_power": dollars(figures.non_marginable_buying_power),
        "options_trading_level": 0,
        "pending_reg_taf_fees": plain(pending_fees),
        "portfolio_value": equity,
        "position_market_value": market_value,
        "regt_buying_power": dollars(figures.regt_buying_power),
        "short_market_value": "0",
        "shorting_enabled": False,
        "sma": "0",
        "status": "ACTIVE",
        "trade_suspended_by_user": settings.suspend_trade,
        "trading_blocked": entry.is_blocked or entry.is_trading_blocked,
        "transfers_blocked": False,
        "user_configurations": None,
    }


def configuration(entry: Account) -> Json:
    """/v2/account/configurations."""
    settings = entry.configuration
    return {
        "disable_overnight_trading": settings.disable_overnight_trading,
        "fractional_trading": settings.fractional_trading,
        "max_margin_multiplier": settings.max_margin_multiplier,
        "max_options_trading_level": settings.max_options_trading_level,
        "no_shorting": settings.no_shorting,
        "ptp_no_exception_entry": settings.ptp_no_exception_entry,
        "suspend_trade": settings.suspend_trade,
        "trade_confirm_email": settings.trade_confirm_email,
    }


def position(
    entry: Position, available: Decimal, current: Decimal | None, lastday: Decimal | None
) -> Json:
    """/v2/positions, one line. Without a price the values that need one are null."""
    body: Json = {
        "asset_class": "us_equity",
        "asset_id": asset_id(entry.symbol),
        "asset_marginable": True,
        "avg_entry_price": _price(entry.avg_entry_price),
        "change_today": None,
        "cost_basis": plain(entry.cost_basis),
        "current_price": _number(current),
        "exchange": listed_on(entry.symbol),
        "lastday_price": _number(lastday),
        "market_value": None,
        "qty": plain(entry.qty),
        "qty_available": plain(available),
        "side": "long",
        "symbol": entry.symbol,
        "unrealized_intraday_pl": None,
        "unrealized_intraday_plpc": None,
        "unrealized_pl": None,
        "unrealized_plpc": None,
    }
    if current is None:
        return body
    value = (entry.qty * current).quantize(CENT, ROUND_HALF_EVEN)
    gain = value - entry.cost_basis
    overnight = entry.qty - entry.bought_today
    base = overnight * (lastday or current) + entry.bought_today * entry.avg_entry_price
    today = value - base.quantize(CENT, ROUND_HALF_EVEN)
    body["market_value"] = plain(value)
    body["unrealized_pl"] = plain(gain)
    body["unrealized_plpc"] = _ratio(gain, entry.cost_basis)
    body["unrealized_intraday_pl"] = plain(today)
    body["unrealized_intraday_plpc"] = _ratio(today, base)
    body["change_today"] = _ratio(current - lastday, lastday) if lastday else "0"
    return body


def asset(symbol: str, is_fractionable: bool, *, is_active: bool = True) -> Json:
    """/v2/assets, one line. An inactive one is a name that is not traded any more."""
    return {
        "attributes": ["fractional_eh_enabled"] if is_fractionable else [],
        "borrow_status": "easy_to_borrow",
        "class": "us_equity",
        "easy_to_borrow": True,
        "exchange": listed_on(symbol),
        "fractionable": is_fractionable,
        "id": asset_id(symbol),
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "100",
        "marginable": True,
        "name": f"{symbol} Common Stock",
        "shortable": True,
        "status": "active" if is_active else "inactive",
        "symbol": symbol,
        "tradable": is_active,
    }


def activity(entry: Activity) -> Json:
    """/v2/account/activities, one line: a trade (FILL) or another kind."""
    if entry.kind == "FILL":
        return {
            "activity_type": "FILL",
            "cum_qty": _number(entry.cum_qty),
            "id": entry.id,
            "leaves_qty": _number(entry.leaves_qty),
            "order_id": entry.order_id,
            "order_status": entry.order_status,
            "price": _number(entry.price),
            "qty": _number(entry.qty),
            "side": entry.side,
            "symbol": entry.symbol,
            "transaction_time": moment(entry.at),
            "type": "fill" if entry.order_status == "filled" else "partial_fill",
        }
    day = entry.day or entry.at.astimezone(NEW_YORK).date()
    body: Json = {"activity_type": entry.kind}
    if entry.sub_type:
        body["activity_sub_type"] = entry.sub_type
    body |= {
        "created_at": moment(entry.at),
        "currency": "USD",
        "date": day.isoformat(),
        "description": entry.description,
        "id": entry.id,
        "net_amount": dollars(entry.net_amount or ZERO),
        "status": "executed",
    }
    optional = {
        "group_id": entry.group_id,
        "per_share_amount": _number(entry.per_share),
        "price": _price(entry.price) if entry.price is not None else None,
        "qty": _number(entry.qty),
        "symbol": entry.symbol,
    }
    body |= {key: value for key, value in optional.items() if value is not None}
    return dict(sorted(body.items()))


@lru_cache(maxsize=1 << 14)
def calendar_day(day: TradingDay, settles: date) -> Json:
    """/v2/calendar, one line; times are New York's, naive. Kept: a client may ask for all."""
    return {
        "close": _clock(day.closes_at),
        "date": day.day.isoformat(),
        "open": _clock(day.opens_at),
        "session_close": "2000" if day.is_full else "1700",
        "session_open": "0400",
        "settlement_date": settles.isoformat(),
    }


def _clock(at: datetime) -> str:
    local = at.astimezone(NEW_YORK)
    return f"{local.hour:02}:{local.minute:02}"


def _number(value: Decimal | None) -> str | None:
    return plain(value) if value is not None else None


def dollars(value: Decimal) -> str:
    """An amount in whole cents."""
    return plain(value.quantize(CENT, ROUND_HALF_EVEN))


def _price(value: Decimal) -> str:
    return plain(value.quantize(Decimal("0.000001"), ROUND_HALF_EVEN))


def _ratio(part: Decimal, whole: Decimal) -> str:
    return plain((part / whole).quantize(_RATIO, ROUND_HALF_EVEN)) if whole else "0"
