"""Reading an order request: JSON in, a checked `Draft` out, or the refusal Alpaca would give.

Only what can be judged from the request alone is judged here. Account, asset and market are the
exchange's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from atlas_daemon.paper.exchange.orders import CENT, Kind, OrderClass, Side, TimeInForce
from atlas_daemon.paper.exchange.refusals import breaks_rule, forbidden, invalid, malformed, plain

Word = TypeVar("Word", bound=StrEnum)

_CLIENT_ID_MAX = 128
_AMOUNT_MAX = Decimal(10) ** 12
_LASTING = (TimeInForce.DAY, TimeInForce.GTC)
_INTENTS = ("", "buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")


@dataclass(frozen=True, slots=True)
class Draft:
    """An order request that is well-formed: quantities and prices as Decimal, words known."""

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
    client_order_id: str | None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit_limit: Decimal | None = None
    stop_loss_stop: Decimal | None = None
    stop_loss_limit: Decimal | None = None
    intent: str = ""
    """The `position_intent` that the client stated; empty where it did not."""

    @property
    def is_fractional(self) -> bool:
        """True where shares may be split: by notional, or a quantity that is not whole."""
        return self.notional is not None or (self.qty is not None and self.qty % 1 != 0)


def read_draft(request: object) -> Draft:
    """The order that a POST /v2/orders body asks for.

    Numbers may come as JSON numbers or strings. Raises RefusedError (400 for a body of the wrong
    shape, 403 or 422 for a value that breaks a rule).
    """
    if not isinstance(request, Mapping):
        raise malformed()
    take_profit, stop_loss = _part(request, "take_profit"), _part(request, "stop_loss")
    draft = Draft(
        symbol=_text(request, "symbol").strip().upper(),
        side=_word(request, "side", Side, "invalid side"),
        kind=_word(request, "type", Kind, "invalid order type"),
        tif=_word(request, "time_in_force", TimeInForce, "invalid time_in_force"),
        qty=number(request, "qty"),
        notional=number(request, "notional"),
        limit_price=number(request, "limit_price"),
        stop_price=number(request, "stop_price"),
        trail_price=number(request, "trail_price"),
        trail_percent=number(request, "trail_percent"),
        extended_hours=flag(request, "extended_hours"),
        client_order_id=_text(request, "client_order_id") or None,
        order_class=_order_class(request),
        take_profit_limit=number(take_profit, "limit_price"),
        stop_loss_stop=number(stop_loss, "stop_price"),
        stop_loss_limit=number(stop_loss, "limit_price"),
        intent=_text(request, "position_intent"),
    )
    _check_amount(draft)
    if draft.order_class is OrderClass.SIMPLE:
        if take_profit or stop_loss:
            raise invalid("simple orders require no take_profit or stop_loss")
    else:
        draft = _checked_group(draft)
    _check_prices(draft)
    _check_form(draft)
    return draft


def number(request: Mapping[str, object], key: str) -> Decimal | None:
    """A positive amount from a JSON number or string; None where absent. Raises RefusedError."""
    raw = request.get(key)
    if raw is None or raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise malformed()
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        raise invalid(f"{key} is not a number") from None
    if not value.is_finite() or value > _AMOUNT_MAX:
        raise invalid(f"invalid {key}")
    if value <= 0:
        raise invalid(f"{key} must be > 0")
    return value


def flag(request: Mapping[str, object], key: str) -> bool:
    """A JSON boolean, false where absent. Raises RefusedError."""
    raw = request.get(key)
    if raw is None:
        return False
    if not isinstance(raw, bool):
        raise malformed()
    return raw


def check_price(key: str, price: Decimal | None) -> None:
    """Two decimals from $1 on, four below. Raises RefusedError."""
    if price is None:
        return
    step = CENT if price >= 1 else Decimal("0.0001")
    if price % step != 0:
        raise breaks_rule(
            f"invalid {key} {plain(price)}. "
            "sub-penny increment does not fulfill minimum pricing criteria"
        )


def _text(request: Mapping[str, object], key: str) -> str:
    raw = request.get(key)
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise malformed()
    return raw


def _part(request: Mapping[str, object], key: str) -> Mapping[str, object]:
    """An object inside the request; empty where absent. Raises RefusedError."""
    raw = request.get(key)
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise malformed()
    return raw


def _order_class(request: Mapping[str, object]) -> OrderClass:
    text = _text(request, "order_class")
    try:
        return OrderClass("" if text == "simple" else text)
    except ValueError:
        raise invalid("invalid order_class") from None


def _word(request: Mapping[str, object], key: str, words: type[Word], message: str) -> Word:
    text = _text(request, key)
    try:
        return words(text)
    except ValueError:
        raise invalid(message) from None


def _check_amount(draft: Draft) -> None:
    if not draft.symbol:
        raise invalid("symbol is required")
    if draft.qty is not None and draft.notional is not None:
        raise invalid("only one of qty or notional is accepted")
    if draft.qty is None and draft.notional is None:
        raise invalid("qty or notional is required")
    if draft.qty is not None and _decimals(draft.qty) > 9:
        raise invalid("qty must be limited to 9 decimal places")
    if draft.notional is not None:
        if _decimals(draft.notional) > 2:
            raise invalid("notional value must be limited to 2 decimal places")
        if draft.notional < 1:
            raise breaks_rule("notional must be >= 1.00")
    if draft.client_order_id is not None and len(draft.client_order_id) > _CLIENT_ID_MAX:
        raise invalid(f"client_order_id must be no more than {_CLIENT_ID_MAX} characters")


def _check_prices(draft: Draft) -> None:
    has_limit = draft.limit_price is not None
    has_stop = draft.stop_price is not None
    trails = (draft.trail_price is not None) + (draft.trail_percent is not None)
    match draft.kind:
        case Kind.MARKET if has_limit or has_stop:
            raise invalid("market orders require no stop or limit price")
        case Kind.LIMIT if not has_limit:
            raise invalid("limit orders require a limit price")
        case Kind.LIMIT if has_stop:
            raise invalid("limit orders require only limit price")
        case Kind.STOP if not has_stop:
            raise invalid("stop orders require a stop price")
        case Kind.STOP if has_limit:
            raise invalid("stop orders require only stop price")
        case Kind.STOP_LIMIT if not (has_limit and has_stop):
            raise invalid("stop limit orders require both stop and limit price")
        case Kind.TRAILING_STOP if trails != 1:
            raise invalid("trailing stop orders must specify one of trail_price or trail_percent")
        case Kind.TRAILING_STOP if has_limit or has_stop:
            raise invalid("trailing stop orders require no stop or limit price")
        case Kind.TRAILING_STOP if draft.trail_percent is not None and draft.trail_percent >= 100:
            raise invalid("trail_percent must be less than 100")
        case _:
            pass
    if trails and draft.kind is not Kind.TRAILING_STOP:
        raise invalid("trail_price and trail_percent belong to trailing stop orders only")
    check_price("limit_price", draft.limit_price)
    check_price("stop_price", draft.stop_price)


def _check_form(draft: Draft) -> None:
    if draft.is_fractional and draft.tif is not TimeInForce.DAY:
        raise breaks_rule("fractional orders must be DAY orders")
    if draft.kind is Kind.TRAILING_STOP and draft.tif not in _LASTING:
        raise invalid("invalid time_in_force")
    if draft.kind not in (Kind.MARKET, Kind.LIMIT):
        if draft.tif not in _LASTING:
            raise invalid("invalid time_in_force")
        if draft.is_fractional and draft.kind is Kind.TRAILING_STOP:
            raise forbidden("fractional orders cannot be trailing stop orders")
    if draft.extended_hours and (draft.kind is not Kind.LIMIT or draft.tif not in _LASTING):
        raise breaks_rule("extended hours order must be DAY or GTC limit orders")
    if draft.intent not in _INTENTS:
        raise invalid("invalid position_intent specified")
    known = "buy_to_open" if draft.side is Side.BUY else "sell_to_close"
    if draft.intent not in ("", known):
        raise breaks_rule(f"position intent mismatch, inferred: {known}, specified: {draft.intent}")


def _checked_group(draft: Draft) -> Draft:
    """A bracket, oco or oto with its exit prices; an oco's own limit is its take-profit's.

    Raises RefusedError where the parts do not make a group.
    """
    name = draft.order_class.value
    if draft.is_fractional:
        raise breaks_rule("fractional orders must be simple orders")
    if draft.order_class is not OrderClass.OTO:
        if draft.take_profit_limit is None:
            raise invalid(f"{name} orders require take_profit.limit_price")
        if draft.stop_loss_stop is None:
            raise invalid(f"{name} orders require stop_loss.stop_price")
    elif (draft.take_profit_limit is None) == (draft.stop_loss_stop is None):
        raise invalid("oto orders require one of take_profit or stop_loss")
    if draft.stop_loss_limit is not None and draft.stop_loss_stop is None:
        raise invalid(f"{name} orders require stop_loss.stop_price")
    if draft.order_class is OrderClass.OCO:
        if draft.kind is not Kind.LIMIT:
            raise invalid("oco orders must be limit orders")
        if draft.side is Side.BUY:
            raise breaks_rule("oco orders must be exit orders")
        draft = replace(draft, limit_price=draft.take_profit_limit)
    else:
        if draft.kind not in (Kind.MARKET, Kind.LIMIT):
            raise invalid(f"{name} orders must be market or limit orders")
        if draft.side is Side.SELL:
            raise breaks_rule(f"{name} orders must be entry orders")
    if draft.tif not in _LASTING:
        raise breaks_rule(f"{name} orders must be DAY or GTC orders")
    if draft.extended_hours:
        raise breaks_rule(f"{name} orders cannot be extended hours orders")
    check_price("take_profit.limit_price", draft.take_profit_limit)
    check_price("stop_loss.stop_price", draft.stop_loss_stop)
    check_price("stop_loss.limit_price", draft.stop_loss_limit)
    _check_exits(draft)
    return draft


def _check_exits(draft: Draft) -> None:
    """Take-profit above, stop-loss below; both off the entry's limit by a cent at least."""
    profit, stop = draft.take_profit_limit, draft.stop_loss_stop
    if profit is not None and stop is not None and profit <= stop:
        raise breaks_rule("take_profit.limit_price must be > stop_loss.stop_price")
    if draft.limit_price is not None:
        base = profit if draft.order_class is OrderClass.OCO else draft.limit_price
        check_exits(draft, base or draft.limit_price)


def check_exits(draft: Draft, base: Decimal) -> None:
    """Whether the exits of a group stand off its base price. Raises RefusedError."""
    profit, stop = draft.take_profit_limit, draft.stop_loss_stop
    is_entry = draft.order_class is not OrderClass.OCO
    if is_entry and profit is not None and profit < base + CENT:
        raise breaks_rule(
            "take_profit.limit_price must be >= base_price + 0.01", base_price=plain(base)
        )
    if stop is not None and stop > base - CENT:
        raise breaks_rule(
            "stop_loss.stop_price must be <= base_price - 0.01", base_price=plain(base)
        )


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
