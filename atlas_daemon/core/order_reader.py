"""Reads what callers hand in as orders, positions, assets and figures.

Lives here: the keys of the seed and of Alpaca, and what counts as a figure. May not live here:
a rule. What cannot be read raises UnreadableInputError with the record's and the field's name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from . import rules
from .errors import UsageError
from .values import ZERO, Asset, Side, Symbol

Number: TypeAlias = Decimal | int | float | str
"""A figure as callers have it; enters as Decimal(str(x))."""
Record: TypeAlias = object
"""A mapping with the handbook's or Alpaca's keys, or an object with attributes of those names."""

_ENDED = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


class UnreadableInputError(UsageError):
    """A record lacks a field or holds something that is no figure, symbol or side."""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order as the gates see it: shares, dollars; None where the caller did not say."""

    symbol: Symbol
    side: Side
    qty: Decimal | None
    value: Decimal | None
    price: Decimal | None
    stop: Decimal | None
    """Price at which a stop will end the position; not the trigger of the order itself."""

    @property
    def label(self) -> str:
        """The order in words: BUY 10 AAPL."""
        qty = "" if self.qty is None else f"{self.qty:f} "
        return f"{self.side.upper()} {qty}{self.symbol}"

    @property
    def cost(self) -> Decimal:
        """Dollars that are still to be paid. Raises UnreadableInputError where nothing says."""
        if self.value is None:
            raise UnreadableInputError(f"{self.label}: order has no price and no order_value")
        return self.value


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A position as the gates see it; `qty` and `value` are signed, `available` is free to sell."""

    symbol: Symbol
    qty: Decimal | None
    available: Decimal
    value: Decimal
    price: Decimal | None
    stop: Decimal | None


def by_symbol(positions: Iterable[HeldLine]) -> dict[Symbol, HeldLine]:
    """Return the positions by symbol. Raises UnreadableInputError for one listed twice."""
    held: dict[Symbol, HeldLine] = {}
    for position in positions:
        if position.symbol in held:
            raise UnreadableInputError(f"position {position.symbol} is listed twice")
        held[position.symbol] = position
    return held


def read_positions(positions: Iterable[Record]) -> Iterator[HeldLine]:
    """Read positions; at cost where neither a market value nor a price is known."""
    for source in positions:
        symbol = _read_symbol(source, "position")
        qty = number(source, "qty")
        price = number(source, "current_price", "price", "avg_entry_price")
        value = number(source, "market_value", "value")
        if value is None:
            if qty is None or price is None:
                raise UnreadableInputError(f"position {symbol} has no market_value")
            value = qty * price
        available = number(source, "qty_available")
        yield HeldLine(
            symbol=symbol,
            qty=qty,
            available=(qty or ZERO) if available is None else available,
            value=value,
            price=price,
            stop=number(source, "stop", "stop_price", "stop_loss"),
        )


def read_pending(orders: Iterable[Record]) -> Iterator[OrderLine]:
    """Read orders, leaving out those that the broker says have ended."""
    for source in orders:
        if _text(_field(source, "status")).lower() not in _ENDED:
            yield read_order(source)


def read_order(source: Record, *, default_side: str | None = None) -> OrderLine:
    """Read one order; its value is the dearest of what it says: order_value, qty x price.

    The limit price goes before any other price: it is what the order may cost.
    """
    symbol = _read_symbol(source, "order")
    side = read_side(symbol, _field(source, "side") or default_side)
    qty = number(source, "qty")
    price = number(source, "limit_price", "price", "expected_price")
    value = number(source, "order_value", "notional", "value")
    for name, figure in (("qty", qty), ("price", price), ("order_value", value)):
        if figure is not None and (figure < 0 or (figure == 0 and qty != 0)):
            raise UnreadableInputError(f"{side.upper()} {symbol}: {name} is {figure}, must be > 0")
    if qty is not None and price is not None:
        rest = (qty - (number(source, "filled_qty") or ZERO)) * price
        value = max(rest, value or ZERO)
    return OrderLine(symbol, side, qty, value, price, number(source, "stop", "stop_loss"))


def _read_symbol(source: Record, what: str) -> Symbol:
    symbol = _field(source, "symbol")
    if symbol is None:
        raise UnreadableInputError(f"{what} has no symbol: {source!r}")
    return rules.symbol_format(_text(symbol))[0]


def read_asset(symbol: Symbol, source: Record) -> Asset:
    """Read what the broker says of a symbol; active unless it says otherwise."""
    status = _field(source, "status")
    tradable = _field(source, "tradable") is True
    return Asset(symbol, tradable, status="active" if status is None else _text(status))


def read_side(symbol: str, side: object) -> Side:
    """Read a side in any case, from text or enum."""
    try:
        return Side(_text(side).lower())
    except ValueError:
        text = f"order of {symbol}: side is {side!r}, must be buy or sell"
        raise UnreadableInputError(text) from None


def required(source: Record, what: str, *names: str) -> Decimal:
    """Return the first figure there is of `names`; raises UnreadableInputError without one."""
    figure = number(source, *names)
    if figure is None:
        raise UnreadableInputError(f"{what} has no {' or '.join(names)}")
    return figure


def number(source: Record, *names: str) -> Decimal | None:
    """Return the first figure there is of `names`, or None."""
    for name in names:
        figure = _field(source, name)
        if figure is not None:
            return decimal_of(name, figure)
    return None


def _field(source: Record, name: str) -> object:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def decimal_of(name: str, value: object) -> Decimal:
    """Return the figure as Decimal(str(value)); truth values, NaN and infinity are none."""
    try:
        figure = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        figure = Decimal("NaN")
    if not figure.is_finite():
        raise UnreadableInputError(f"{name} is {value!r}, must be a number")
    return figure


def limit_of(name: str, value: Number) -> Decimal:
    """Return a limit as a fraction above 0."""
    figure = decimal_of(name, value)
    if figure <= 0:
        raise UnreadableInputError(f"{name} is {value!r}, must be above 0")
    return figure


def _text(value: object) -> str:
    return str(getattr(value, "value", value))
