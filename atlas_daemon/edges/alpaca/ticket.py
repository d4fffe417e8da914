"""An order as it is written to the broker: checked, on the tick, as text. Pure.

What does not make an order is refused here, before a byte leaves; whether an order is wise is not
this room's question.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from urllib.parse import quote

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.values import OrderType, Side, Symbol

SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}(\.[A-Z0-9]{1,4})?", re.ASCII)
CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
"""At most 128 characters (facts of the Trading API); these are safe in an address."""
QTY_DECIMALS_MAX = 9
ONE = Decimal(1)
CENT = Decimal("0.01")
SUB_DOLLAR_TICK = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A simple DAY order for regular hours, ready to be sent."""

    symbol: Symbol
    qty: Decimal
    side: Side
    order_type: OrderType
    client_order_id: str
    prices: tuple[tuple[str, Decimal], ...] = ()

    @classmethod
    def written(
        cls,
        symbol: str,
        qty: int | Decimal,
        side: Side | str,
        order_type: OrderType,
        client_order_id: str,
        **prices: int | Decimal | None,
    ) -> "Ticket":
        """Check and normalise; raises RefusedError naming the field and the value."""
        name = symbol_of(symbol)
        try:
            way = Side(str(side).strip().lower())
        except ValueError:
            raise RefusedError(f"side {side!r} is neither buy nor sell") from None
        if not CLIENT_ORDER_ID.fullmatch(client_order_id):
            raise RefusedError(f"client_order_id {client_order_id!r} is not usable")
        shares = _positive(qty, "qty")
        if shares != round(shares, QTY_DECIMALS_MAX):
            raise RefusedError(f"qty {qty} has more than {QTY_DECIMALS_MAX} decimals")
        given = {key: _positive(raw, key) for key, raw in prices.items() if raw is not None}
        if order_type is OrderType.TRAILING_STOP and len(given) != 1:
            raise RefusedError("a trailing stop needs exactly one of trail_price, trail_percent")
        ticked = tuple((key, _on_tick(key, price, way)) for key, price in given.items())
        return cls(name, shares, way, order_type, client_order_id, ticked)

    def payload(self) -> dict[str, str]:
        """Return the JSON object for POST /v2/orders; every number is text, none has an exponent.

        extended_hours is left out: false is Alpaca's default, and this house never sets it.
        """
        fields = {
            "symbol": str(self.symbol),
            "qty": plain(self.qty),
            "side": self.side.value,
            "type": self.order_type.value,
            "time_in_force": "day",
            "client_order_id": self.client_order_id,
        }
        return fields | {key: plain(price) for key, price in self.prices}

    def sentence(self) -> str:
        """Return the order as the log says it: `market order: BUY 10 SPY`."""
        kind = self.order_type.value.replace("_", " ")
        prices = "".join(f" {key} {plain(price)}" for key, price in self.prices)
        return f"{kind} order: {self.side.value.upper()} {plain(self.qty)} {self.symbol}{prices}"


def symbol_of(symbol: str) -> Symbol:
    """Return Alpaca's spelling of a symbol (BRK-B is BRK.B); raises RefusedError on none."""
    name = symbol.strip().upper().replace("-", ".")
    if not SYMBOL.fullmatch(name):
        raise RefusedError(f"{symbol!r} is not a symbol")
    return Symbol(name)


def plain(value: Decimal) -> str:
    """Write a number without exponent and without trailing zeros."""
    return format(value.normalize(), "f")


def _positive(raw: int | Decimal, field: str) -> Decimal:
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        raise RefusedError(f"{field} {raw!r} is not a number") from None
    if isinstance(raw, bool) or not value.is_finite() or value <= 0 or value.adjusted() > 15:
        raise RefusedError(f"{field} {raw} must be a number above 0")
    return value


def _on_tick(field: str, price: Decimal, side: Side) -> Decimal:
    """Set a price on Alpaca's tick: two decimals from 1 USD, four below; percent as it is.

    A limit is rounded so that it is never worse than asked for, the others to the nearest.
    """
    if field == "trail_percent":
        return price
    rounding = ROUND_HALF_EVEN
    if field == "limit_price":
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    ticked = price.quantize(CENT if price >= ONE else SUB_DOLLAR_TICK, rounding)
    if ticked <= 0:
        raise RefusedError(f"{field} {price} is below the smallest tick")
    return ticked


def order_path(order_id: str) -> str:
    """Return the address of an order by the broker's id. Raises RefusedError without one."""
    if not order_id:
        raise RefusedError("an order id is needed")
    return f"/v2/orders/{quote(order_id, safe='')}"
