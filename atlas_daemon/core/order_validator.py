"""OrderValidator: the handbook's face of the rules, for dicts and records: (ok, sentence).

Lives here: which rules a batch must pass, and what it would lead to. May not live here: a
limit's comparison (rules.py), the keys of dicts (order_reader.py), a clock, a broker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from . import rules
from .order_reader import (
    HeldLine,
    Number,
    OrderLine,
    Record,
    UnreadableInputError,
    by_symbol,
    decimal_of,
    limit_of,
    number,
    read_asset,
    read_order,
    read_pending,
    read_positions,
    read_side,
    required,
)
from .rules import NaiveTimeError, Verdict
from .sessions import NYSE, CalendarRangeError
from .values import ALLOCATION, ZERO, Regime, Session, Side, Symbol

Answer: TypeAlias = tuple[bool, str]
"""Whether the rule is kept, and the sentence with rule, actual and limit."""


class Sessions(Protocol):
    """The part of a trading calendar that the validator asks."""

    def session_of(self, day: date) -> Session | None:
        """Return the session of a New York date, or None where the market is closed."""


class _NotGiven(tuple[Record, ...]):
    """An empty tuple that means: the caller said nothing, not: there are none."""

    __slots__ = ()


_NOT_GIVEN: Final = _NotGiven()


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """What a whole batch may do. Also readable as the handbook's dict: `result["valid"]`."""

    valid: bool
    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    def __getitem__(self, key: str) -> bool | list[str]:
        figures: dict[str, bool | list[str]] = {
            "valid": self.valid,
            "errors": list(self.errors),
            "warnings": list(self.warnings),
        }
        return figures[key]

    def keys(self) -> tuple[str, ...]:
        """Return the handbook's keys, so that `dict(result)` works."""
        return ("valid", "errors", "warnings")


@dataclass(frozen=True, slots=True)
class _Batch:
    orders: tuple[OrderLine, ...]
    held: Mapping[Symbol, HeldLine]
    pending: tuple[OrderLine, ...]
    account: Record
    regime: str
    empty_lines: tuple[Symbol, ...]
    values: Mapping[Symbol, Decimal]
    """Value of each position as it will be, after sells and buys."""

    @property
    def buys(self) -> tuple[OrderLine, ...]:
        return tuple(order for order in self.orders if order.side is Side.BUY)

    @property
    def deployed(self) -> Decimal:
        return sum((abs(value) for value in self.values.values()), ZERO)


class OrderValidator:
    """The handbook's gates before an order leaves, each with its limit in the sentence.

    Limits are fractions (0.15 is 15 %) and themselves allowed. `sessions` is the calendar, NYSE's
    where none is given; `assets` maps symbols to what the broker says of them, without it the
    symbol check is format only. A figure that cannot be read is refused in the answer, not
    raised; limits that make no sense raise UsageError.
    """

    def __init__(
        self,
        max_position_pct: Number = 0.15,
        max_portfolio_heat: Number = 0.08,
        *,
        max_total_allocation: Number = 1.05,
        sessions: Sessions | None = None,
        assets: Mapping[str, Record] | None = None,
    ) -> None:
        self.max_position_pct = limit_of("max_position_pct", max_position_pct)
        self.max_portfolio_heat = limit_of("max_portfolio_heat", max_portfolio_heat)
        self.max_total_allocation = limit_of("max_total_allocation", max_total_allocation)
        self._sessions: Sessions = NYSE if sessions is None else sessions
        self._assets = assets

    def validate_buying_power(self, account_info: Record, order_value: Number) -> Answer:
        """Order value (dollars) <= the account's buying power."""
        return _answer(
            lambda: rules.buying_power(
                required(account_info, "account", "buying_power"),
                decimal_of("order_value", order_value),
            )
        )

    def validate_position_size(self, order_value: Number, portfolio_value: Number) -> Answer:
        """Value of the position as it will be <= 15 % (default) of the portfolio value."""
        return _answer(
            lambda: rules.position_size(
                decimal_of("order_value", order_value),
                decimal_of("portfolio_value", portfolio_value),
                self.max_position_pct,
            )
        )

    def validate_total_allocation(
        self,
        positions: Iterable[Record],
        new_orders: Iterable[Record],
        *,
        portfolio_value: Number | None = None,
    ) -> Answer:
        """Positions less sells plus buys <= 105 % (default) of `portfolio_value`.

        Without a portfolio value nothing can be compared: refused. Orders without a side count as
        buys. A list without buys lowers the allocation and passes.
        """

        def verdict() -> Verdict:
            orders = [read_order(order, default_side="buy") for order in new_orders]
            values = _resulting(by_symbol(read_positions(positions)), orders)
            reduces = all(order.side is Side.SELL for order in orders) and bool(orders)
            if portfolio_value is None and not reduces:
                raise UnreadableInputError("total allocation: portfolio_value is not given")
            return rules.total_allocation(
                sum((abs(value) for value in values.values()), ZERO),
                ZERO if portfolio_value is None else decimal_of("portfolio_value", portfolio_value),
                self.max_total_allocation,
                reduces=reduces,
            )

        return _answer(verdict)

    def validate_no_duplicate_orders(
        self,
        pending_orders: Iterable[Record],
        symbol: str,
        side: str,
        qty: Number | None = None,
    ) -> Answer:
        """No pending order of the same symbol and side, and of the same quantity where given."""
        return _answer(
            lambda: rules.no_duplicate_order(
                read_pending(pending_orders),
                rules.symbol_format(symbol)[0],
                read_side(symbol, side),
                None if qty is None else decimal_of("qty", qty),
            )
        )

    def validate_market_hours(self, current_time: datetime) -> Answer:
        """Within 9:30-16:00 New York on a NYSE session, early closes kept. Naive: refused."""
        return _answer(
            lambda: rules.market_hours(
                current_time, self._sessions.session_of(rules.day_of(current_time))
            )
        )

    def validate_regime_compliance(self, regime: str, allocation_pct: Number) -> Answer:
        """Deployed fraction <= 1.00 bull, 0.70 neutral, 0.30 bear, 0 in a crash."""
        return _answer(
            lambda: rules.regime_compliance(regime, decimal_of("allocation_pct", allocation_pct))
        )

    def validate_symbol(self, symbol: str) -> Answer:
        """A US stock symbol, and tradable where the broker's assets are known."""
        return _answer(lambda: self._symbol(symbol))

    def validate_portfolio_heat(
        self, positions: Iterable[Record], portfolio_value: Number
    ) -> Answer:
        """Loss if every known stop were hit <= 8 % (default) of the portfolio value."""
        return _answer(
            lambda: rules.portfolio_heat(
                [_stopped(held) for held in read_positions(positions)],
                decimal_of("portfolio_value", portfolio_value),
                self.max_portfolio_heat,
            )
        )

    def validate_order_batch(
        self,
        orders: Iterable[Record],
        account_info: Record,
        regime: str,
        *,
        positions: Iterable[Record] = _NOT_GIVEN,
        pending_orders: Iterable[Record] = (),
        current_time: datetime | None = None,
    ) -> BatchVerdict:
        """Validate a whole batch on what it leads to: positions less sells, plus buys.

        Limits on size bind only where the batch buys. Buys may spend cash and buying power plus
        what the batch's sells bring. Without `positions` sells are not checked against holdings
        and without `current_time` (a dry run) nor are market hours; each is a warning.
        """
        errors: list[str] = []
        warnings: list[str] = []
        try:
            batch = _read_batch(orders, account_info, regime, positions, pending_orders)
            is_known = positions is not _NOT_GIVEN
            verdicts = [*self._order_by_order(batch, is_known), *self._in_sum(batch)]
        except UnreadableInputError as error:
            return BatchVerdict(False, (str(error),), ())
        for label, verdict in verdicts:
            if not verdict.ok:
                errors.append(f"{label}: {verdict.text}" if label else verdict.text)
            if verdict.warning:
                warnings.append(verdict.warning)
        if current_time is None:
            warnings.append("market hours not checked: no current_time given")
        else:
            is_open, text = self.validate_market_hours(current_time)
            errors += [] if is_open else [text]
        if not is_known:
            warnings.append("holdings not checked: no positions given")
        warnings += self._remarks(batch)
        return BatchVerdict(not errors, tuple(errors), tuple(warnings))

    def _order_by_order(self, batch: _Batch, is_known: bool) -> Iterator[tuple[str, Verdict]]:
        others = list(batch.pending)
        for order in batch.orders:
            yield order.label, self._symbol(order.symbol)
            yield order.label, rules.no_duplicate_order(others, order.symbol, order.side)
            yield order.label, rules.no_opposite_order(others, order.symbol, order.side)
            others.append(order)
            if order.side is Side.SELL and is_known:
                if order.qty is None:
                    raise UnreadableInputError(f"{order.label}: a sell needs its qty")
                held = batch.held.get(order.symbol)
                free = held.available if held else ZERO
                yield order.label, rules.sells_within_holding(order.qty, free)

    def _in_sum(self, batch: _Batch) -> Iterator[tuple[str, Verdict]]:
        if not batch.buys:
            return
        account = batch.account
        portfolio_value = required(account, "account", "portfolio_value", "equity")
        buys_value = sum((order.cost for order in batch.buys), ZERO)
        open_buys = [order for order in batch.pending if order.side is Side.BUY]
        open_value = sum((order.cost for order in open_buys), ZERO)
        proceeds = _proceeds(batch)
        # The broker has already taken open buys off the buying power, but not off the cash.
        available = required(account, "account", "buying_power") + proceeds
        yield "", rules.buying_power(available, buys_value)
        cash = number(account, "cash")
        if cash is not None:
            yield "", rules.cash_only(buys_value, cash + proceeds - open_value)
        for symbol in dict.fromkeys(order.symbol for order in batch.buys):
            value = batch.values[symbol]
            yield (
                str(symbol),
                rules.position_size(value, portfolio_value, self.max_position_pct),
            )
        deployed = batch.deployed + open_value
        yield "", rules.total_allocation(deployed, portfolio_value, self.max_total_allocation)
        if portfolio_value > 0:
            yield "", rules.regime_compliance(batch.regime, deployed / portfolio_value)
        yield (
            "",
            rules.portfolio_heat(_stopped_after(batch), portfolio_value, self.max_portfolio_heat),
        )

    def _remarks(self, batch: _Batch) -> Iterator[str]:
        for symbol in batch.empty_lines:
            yield f"{symbol}: a line of 0 shares"
        if batch.buys and number(batch.account, "cash") is None:
            yield "cash not given: buys checked against buying power only"
        if not batch.buys or batch.regime not in list(Regime):
            return
        lines = sum(1 for value in batch.values.values() if value)
        reach, limit = lines * self.max_position_pct, ALLOCATION[Regime(batch.regime)]
        if reach < limit:
            yield (
                f"caps below the regime's allocation: {lines} lines of at most "
                f"{_percent(self.max_position_pct)} reach {_percent(reach)}, "
                f"{batch.regime} allows {_percent(limit)}"
            )

    def _symbol(self, symbol: str) -> Verdict:
        normalised, verdict = rules.symbol_format(symbol)
        if not verdict.ok or self._assets is None:
            return verdict
        asset = self._assets.get(normalised)
        return rules.tradable(normalised, None if asset is None else read_asset(normalised, asset))


def _answer(rule: Callable[[], Verdict]) -> Answer:
    try:
        verdict = rule()
    except (UnreadableInputError, NaiveTimeError, CalendarRangeError) as error:
        return False, str(error)
    return verdict.ok, f"{verdict.text}; {verdict.warning}" if verdict.warning else verdict.text


def _read_batch(
    orders: Iterable[Record],
    account: Record,
    regime: str,
    positions: Iterable[Record],
    pending_orders: Iterable[Record],
) -> _Batch:
    lines = [read_order(order) for order in orders]
    wanted = tuple(line for line in lines if line.qty != 0)
    held = by_symbol(read_positions(positions))
    return _Batch(
        orders=wanted,
        held=held,
        pending=tuple(read_pending(pending_orders)),
        account=account,
        regime=regime,
        empty_lines=tuple(line.symbol for line in lines if line.qty == 0),
        values=_resulting(held, wanted),
    )


def _resulting(
    held: Mapping[Symbol, HeldLine], orders: Iterable[OrderLine]
) -> dict[Symbol, Decimal]:
    """Return each position's value after the orders."""
    values = {symbol: position.value for symbol, position in held.items()}
    for order in orders:
        before = values.get(order.symbol, ZERO)
        if order.side is Side.BUY:
            values[order.symbol] = before + order.cost
        elif (position := held.get(order.symbol)) is not None:
            values[order.symbol] = before - _sold_value(order, position)
    return values


def _proceeds(batch: _Batch) -> Decimal:
    sells = [order for order in batch.orders if order.side is Side.SELL]
    return sum((_sold_value(order, batch.held.get(order.symbol)) for order in sells), ZERO)


def _sold_value(order: OrderLine, held: HeldLine | None) -> Decimal:
    # The broker's mark, so that selling all of a position leaves nothing of it.
    if held is not None and held.qty and order.qty is not None:
        return held.value * order.qty / held.qty
    return order.value or ZERO


def _stopped_after(batch: _Batch) -> list[rules.StoppedPosition]:
    sold: dict[Symbol, Decimal] = {}
    for order in batch.orders:
        if order.side is Side.SELL:
            sold[order.symbol] = sold.get(order.symbol, ZERO) + (order.qty or ZERO)
    kept = [
        _stopped(held, sold.get(held.symbol, ZERO))
        for held in batch.held.values()
        if held.qty != sold.get(held.symbol, ZERO)
    ]
    return kept + [_stopped(order) for order in batch.buys]


def _stopped(line: HeldLine | OrderLine, sold: Decimal = ZERO) -> rules.StoppedPosition:
    if line.qty is None or line.price is None:
        return rules.StoppedPosition(line.symbol, ZERO, ZERO, None)
    return rules.StoppedPosition(line.symbol, line.qty - sold, line.price, line.stop)


def _percent(fraction: Decimal) -> str:
    return f"{(fraction * 100).normalize():f} %"
