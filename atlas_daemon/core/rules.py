"""The rules an order must pass: one function each, shared by every validator.

Lives here: the comparison, and the sentence that names rule, actual and limit. May not live here:
what to do about a refusal, reading of dicts, the account's state, a clock.

Every rule answers a figure that is no finite number with a refusal. A rule about size takes
`reduces`: an order that lowers risk passes it also where the limit is already exceeded.
Source of the limits: the handbook's validation gates.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Protocol

from .errors import UsageError
from .moments import NEW_YORK, new_york_day
from .sizing import shares_for
from .values import ALLOCATION, ZERO, Asset, Regime, Session, Side, Symbol

_ONE = Decimal(1)
_SYMBOL = re.compile(r"([A-Z]{1,5})(?:[.-]([A-Z]{1,3}))?")
_PLACES = Decimal("0.000000001")
_PERCENT_PLACES = Decimal("0.0001")
_CENT = Decimal("0.01")
_LONGEST = 18


class NaiveTimeError(UsageError, ValueError):
    """A moment without a time zone: nobody can say which instant is meant."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule's answer; true where the rule is kept."""

    rule: str
    ok: bool
    actual: str
    limit: str
    text: str
    """A sentence with the rule, the actual and the limit."""
    warning: str | None = None
    """What a person should know although the rule is kept."""

    def __bool__(self) -> bool:
        return self.ok


class OrderLike(Protocol):
    """What the duplicate rules read of an order: a Draft, an OpenOrder."""

    @property
    def symbol(self) -> Symbol:
        """Ticker."""

    @property
    def side(self) -> Side:
        """Direction."""

    @property
    def qty(self) -> Decimal | None:
        """Shares; None for an order by value."""


@dataclass(frozen=True, slots=True)
class StoppedPosition:
    """A holding, its price and the price at which a stop would end it; None where none is known."""

    symbol: Symbol
    qty: Decimal
    price: Decimal
    stop: Decimal | None


def buying_power(available: Decimal, order_value: Decimal) -> Verdict:
    """Order value <= buying power. Dollars; an order of no value asks for nothing and passes."""
    return _at_most("buying_power", order_value, available)


def cash_only(buys_value: Decimal, cash: Decimal) -> Verdict:
    """Value of the buys <= cash: margin is never used, whatever buying power the broker shows."""
    return _at_most("cash_only", buys_value, cash)


def position_size(
    resulting_value: Decimal, portfolio_value: Decimal, max_pct: Decimal, *, reduces: bool = False
) -> Verdict:
    """Value of the position as it will be <= `max_pct` (a fraction) of the portfolio value."""
    return _share_of("position_size", resulting_value, portfolio_value, max_pct, reduces=reduces)


def total_allocation(
    deployed_value: Decimal, portfolio_value: Decimal, max_pct: Decimal, *, reduces: bool = False
) -> Verdict:
    """Value of all positions as they will be <= `max_pct` of the portfolio value.

    Warns where it is kept above 100 %.
    """
    verdict = _share_of(
        "total_allocation", deployed_value, portfolio_value, max_pct, reduces=reduces
    )
    if reduces or not verdict.ok or deployed_value <= portfolio_value:
        return verdict
    warning = f"total allocation {_pct(deployed_value / portfolio_value)} is above 100 %"
    return replace(verdict, warning=warning)


def regime_age(sessions: int, sessions_max: int) -> Verdict:
    """The regime that a buy rests on is at most `sessions_max` completed sessions old."""
    actual = f"{sessions} session{'s'[: sessions != 1]} old"
    limit = f"at most {sessions_max} sessions old"
    text = f"regime age: {actual}, limit {limit}"
    return Verdict("regime_age", sessions <= sessions_max, actual, limit, text)


def regime_compliance(regime: str, allocation_pct: Decimal, *, reduces: bool = False) -> Verdict:
    """Deployed fraction of the portfolio <= the regime's: 1.00, 0.70, 0.30, 0. Unknown: refused."""
    rule = "regime_compliance"
    if reduces:
        return _passed_by_reducing(rule, allocation_pct, _pct, str(regime))
    try:
        limit = ALLOCATION[Regime(regime)]
    except ValueError:
        known = ", ".join(Regime)
        text = f"regime compliance: regime {regime!r} is unknown, must be one of {known}"
        return Verdict(rule, False, repr(regime), known, text)
    if not (allocation_pct.is_finite() and allocation_pct >= 0):
        return _unusable(rule, "allocation", allocation_pct)
    ok = allocation_pct <= limit
    actual, bound = _pct(allocation_pct), f"{_pct(limit, ROUND_FLOOR)} ({Regime(regime)})"
    return _compared(rule, ok, actual, bound)


def within_scale(
    deployed_value: Decimal, equity: Decimal, max_pct: Decimal, *, reduces: bool = False
) -> Verdict:
    """Deployed value <= `max_pct` of the equity: the regime's allocation times live's scale."""
    return _share_of("scale", deployed_value, equity, max_pct, reduces=reduces)


def portfolio_heat(
    positions: Iterable[StoppedPosition],
    portfolio_value: Decimal,
    max_heat: Decimal,
    *,
    reduces: bool = False,
) -> Verdict:
    """Loss if every stop were hit, as a fraction of the portfolio value, <= `max_heat`.

    Heat is the sum of (price - stop) x qty; a stop beyond the price locks a gain in and adds
    nothing. A position without a known stop adds nothing either, and is named in the warning.
    """
    rule = "portfolio_heat"
    heat, unknown = ZERO, []
    for held in positions:
        if held.stop is None:
            unknown.append(held.symbol)
        elif not (held.stop.is_finite() and held.price.is_finite() and held.qty.is_finite()):
            return _unusable(rule, f"stop, price or quantity of {held.symbol}", held.stop)
        else:
            heat += max((held.price - held.stop) * held.qty, ZERO)
    verdict = _share_of(rule, heat, portfolio_value, max_heat, reduces=reduces)
    if not unknown:
        return verdict
    warning = f"no stop known for heat: {', '.join(sorted(set(unknown)))}"
    return replace(verdict, warning=warning)


def no_duplicate_order(
    pending: Iterable[OrderLike], symbol: Symbol, side: Side, qty: Decimal | None = None
) -> Verdict:
    """No order of the same symbol and side is open or in the batch.

    With `qty`, only one of that quantity counts; one by value, whose quantity nobody knows, does.
    """
    same = [
        order
        for order in pending
        if order.symbol == symbol
        and order.side == side
        and (qty is None or order.qty is None or order.qty == qty)
    ]
    wanted = f"{side.upper()} {symbol}" if qty is None else f"{side.upper()} {qty:f} {symbol}"
    return _none_pending("no_duplicate_order", len(same), wanted)


def no_opposite_order(pending: Iterable[OrderLike], symbol: Symbol, side: Side) -> Verdict:
    """No order of the symbol's other side is open or in the batch: it could be a wash trade.

    Source: the broker refuses such an order with code 40310000.
    """
    opposite = [order for order in pending if order.symbol == symbol and order.side != side]
    other = Side.SELL if side is Side.BUY else Side.BUY
    return _none_pending("no_opposite_order", len(opposite), f"{other.upper()} {symbol}")


def day_of(at: datetime) -> date:
    """Return New York's date at `at`. Raises NaiveTimeError for a moment without a time zone."""
    if at.utcoffset() is None:
        raise NaiveTimeError(f"market hours: {at.isoformat()} has no time zone")
    return new_york_day(at)


@lru_cache(maxsize=16)  # each draft of a turn asks it of one moment, and dates as text are dear
def market_hours(at: datetime, session: Session | None) -> Verdict:
    """`at` lies in the session: the open itself does, the close does not. None: no session.

    Raises NaiveTimeError for a moment without a time zone.
    """
    rule = "market_hours"
    actual = f"{day_of(at)} {at.astimezone(NEW_YORK):%H:%M:%S} New York"
    if session is None:
        text = f"market hours: {actual} is on no NYSE session, must be within one"
        return Verdict(rule, False, actual, "a NYSE session", text)
    opens, closes = (
        moment.astimezone(NEW_YORK) for moment in (session.opens_at, session.closes_at)
    )
    limit = f"{opens:%Y-%m-%d %H:%M}-{closes:%H:%M}"
    ok = session.is_open_at(at)
    text = f"market hours: {actual} is {'within' if ok else 'outside'} {limit}"
    return Verdict(rule, ok, actual, limit, text)


def symbol_format(symbol: str) -> tuple[Symbol, Verdict]:
    """Return the symbol in Alpaca's spelling (BRK-B becomes BRK.B) and whether it is one.

    One to five capitals, a class of one to three behind a dot. Lower case is refused, not raised:
    a small letter names a share class with some sources (BACpL). No crypto pairs, no options.
    A refused symbol comes back as it was.
    """
    limit = "1-5 capitals, then at most a dot and 1-3 more"
    given = str(symbol)
    match = _SYMBOL.fullmatch(given)
    if match is None:
        text = f"symbol format: {given!r} is no US stock symbol, must be {limit}"
        return Symbol(given), Verdict("symbol_format", False, repr(given), limit, text)
    root, share_class = match.groups()
    ours = Symbol(root if share_class is None else f"{root}.{share_class}")
    text = f"symbol format: {ours} is well formed ({limit})"
    return ours, Verdict("symbol_format", True, ours, limit, text)


def tradable(symbol: Symbol, asset: Asset | None) -> Verdict:
    """The broker knows the symbol, as active and tradable. None: it does not know it."""
    limit = "active and tradable"
    if asset is None:
        actual = "unknown to the broker"
    else:
        actual = f"{asset.status} and {'' if asset.tradable else 'not '}tradable"
    ok = actual == limit
    text = f"tradable: {symbol} is {actual}" + ("" if ok else f", must be {limit}")
    return Verdict("tradable", ok, actual, limit, text)


def sells_within_holding(qty: Decimal, qty_available: Decimal) -> Verdict:
    """A sell's quantity is above 0 and at most what is held and free: nothing is sold short."""
    rule = "sells_within_holding"
    if not (qty.is_finite() and qty > 0):
        return _unusable(rule, "quantity", qty)
    if not qty_available.is_finite():
        return _unusable(rule, "available quantity", qty_available)
    return _compared(rule, qty <= qty_available, f"{qty:f} shares", f"{qty_available:f} shares")


def largest_passing_qty(
    wanted: Decimal,
    price: Decimal,
    *,
    available: Decimal,
    position_value: Decimal,
    deployed_value: Decimal,
    portfolio_value: Decimal,
    max_position_pct: Decimal,
    max_total_allocation: Decimal,
    fractional: bool = False,
) -> Decimal:
    """Return the most shares <= `wanted` of a buy that passes; 0 where not one does.

    `available` is the least of cash and buying power, `position_value` and `deployed_value` are
    as they are before the order (dollars). For a regime's limit pass the lower of it and the
    total allocation. Holds `buying_power`, `cash_only`, `position_size`, `total_allocation`.
    """
    figures = (wanted, price, available, position_value, deployed_value, portfolio_value)
    if not all(figure.is_finite() for figure in figures) or price <= 0 or portfolio_value <= 0:
        return ZERO
    room = min(
        available,
        portfolio_value * max_position_pct - position_value,
        portfolio_value * max_total_allocation - deployed_value,
    )
    return min(
        shares_for(room, price, fractional=fractional),
        shares_for(wanted, _ONE, fractional=fractional),
    )


def _at_most(rule: str, value: Decimal, limit: Decimal) -> Verdict:
    if not (value.is_finite() and value >= 0):
        return _unusable(rule, "value", value)
    if not limit.is_finite():
        return _unusable(rule, "limit", limit)
    ok = value <= limit or value == 0
    return _compared(rule, ok, _money(value), _money(limit, ROUND_FLOOR))


def _share_of(
    rule: str, value: Decimal, portfolio_value: Decimal, max_pct: Decimal, *, reduces: bool
) -> Verdict:
    if reduces:
        return _passed_by_reducing(rule, value, _money, _pct(max_pct, ROUND_FLOOR))
    if not (value.is_finite() and value >= 0):
        return _unusable(rule, "value", value)
    if not (portfolio_value.is_finite() and portfolio_value > 0):
        text = f"{_words(rule)}: portfolio value is {portfolio_value}, must be above 0"
        return Verdict(rule, False, str(portfolio_value), "above 0", text)
    ceiling = portfolio_value * max_pct
    actual = f"{_money(value)} ({_pct(value / portfolio_value)})"
    limit = f"{_money(ceiling, ROUND_FLOOR)} ({_pct(max_pct, ROUND_FLOOR)})"
    return _compared(rule, value <= ceiling, actual, limit)


def _passed_by_reducing(
    rule: str, value: Decimal, shown: Callable[[Decimal], str], limit: str
) -> Verdict:
    actual = shown(value) if value.is_finite() else str(value)
    text = f"{_words(rule)}: {actual}, limit {limit}; passes because the order reduces risk"
    return Verdict(rule, True, actual, limit, text)


def _compared(rule: str, ok: bool, actual: str, limit: str) -> Verdict:
    relation = "is within" if ok else "is over"
    return Verdict(rule, ok, actual, limit, f"{_words(rule)}: {actual} {relation} {limit}")


def _none_pending(rule: str, count: int, wanted: str) -> Verdict:
    actual, limit = f"{count} pending", "0 pending"
    text = f"{_words(rule)}: {actual} {wanted}, limit {limit}"
    return Verdict(rule, count == 0, actual, limit, text)


def _unusable(rule: str, name: str, value: Decimal) -> Verdict:
    text = f"{_words(rule)}: {name} is {value}, must be a number and not negative"
    return Verdict(rule, False, str(value), "a number >= 0", text)


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def _money(value: Decimal, rounding: str = ROUND_CEILING) -> str:
    if value.adjusted() < _LONGEST and value == value.quantize(_CENT):
        return f"{value:,.2f}"  # nearly every figure is whole cents: nothing to round
    rounded = _rounded(value, rounding)
    cents = rounded * 100
    has_whole_cents = cents == cents.to_integral_value()
    return f"{rounded:,.2f}" if has_whole_cents else f"{rounded.normalize():,f}"


def _pct(fraction: Decimal, rounding: str = ROUND_CEILING) -> str:
    return f"{_rounded(fraction * 100, rounding, _PERCENT_PLACES).normalize():f} %"


def _rounded(value: Decimal, rounding: str, places: Decimal | None = None) -> Decimal:
    # An actual is rounded up and a limit down, so that a sentence never shows two equal figures
    # where one is over the other. What is too long to round stays as it is.
    if value.adjusted() >= _LONGEST:
        return value
    return value.quantize(_PLACES if places is None else places, rounding=rounding)
