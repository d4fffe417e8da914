"""What it cost to trade: the shortfall of orders, runs and all, in parts that add up.

After A. F. Perold, "The Implementation Shortfall: Paper versus Reality", Journal of Portfolio
Management 14(3), 1988: a paper portfolio trades whole and at once at the price of the decision; the
real one trades later, at other prices, and not all. The difference is the cost, positive where the
real one is worse off. With s = +1 for a buy and -1 for a sell, F shares filled for V dollars, R
shares left over, D the decision price, A the arrival price and E the close after the run (until it
is known the last price on record):

    delay       s x F x (A - D)      the market between the plan and the order
    trading     s x (V - F x A)      fill against arrival; each share weighs as much as any other
    opportunity s x R x (E - D)      what was wanted and not traded
    fees                             as booked by the broker

Dollars are exact: the parts add up to s x (V - F x D) + s x R x (E - D) + fees, to the last digit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.values import ZERO, Side, Symbol

from .decided import Decision, OrderRead, RunRead
from .exact import bps_of, difference, product, ratio, total
from .ledger import Ledger
from .tape import Print, Tape

NO_PRICE = "no price is on record: its cost is unknown"


@dataclass(frozen=True, slots=True)
class Parts:
    """The four parts of a shortfall, in dollars; positive is a cost."""

    delay: Decimal = ZERO
    trading: Decimal = ZERO
    opportunity: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def each(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The parts in the order of the fields."""
        return self.delay, self.trading, self.opportunity, self.fees

    @property
    def total(self) -> Decimal:
        """Their sum."""
        return total(self.each)

    def bps(self, notional: Decimal) -> tuple[Decimal, ...] | None:
        """Return the parts in basis points of `notional`, adding up; None where it is 0."""
        return tuple(bps_of(self.each, notional)) if notional > ZERO else None


def sum_of(parts: Iterable[Parts]) -> Parts:
    """Return the sum of parts, part by part."""
    found = list(parts)
    columns = zip(*(each.each for each in found), strict=True)
    return Parts(*map(total, columns)) if found else Parts()


@dataclass(frozen=True, slots=True)
class Prices:
    """Decision, arrival and end of one order; None where nobody told it."""

    decision: Decimal | None
    arrival: Decimal | None
    end: Decimal | None = None

    @property
    def base(self) -> Decimal | None:
        """What is measured from: the decision's price, or the arrival's where that is unknown."""
        return self.arrival if self.decision is None else self.decision


def parts_of(
    side: Side, prices: Prices, filled_qty: Decimal, filled_value: Decimal, rest_qty: Decimal
) -> Parts | None:
    """Return the parts of one order; None where neither decision nor arrival has a price.

    Where one of the two is unknown it is taken to be the other, and the delay is 0. A rest without
    an end price costs 0 here: whoever shows the parts says that it is not priced.
    """
    base = prices.base
    if base is None:
        return None
    arrival = base if prices.arrival is None else prices.arrival
    sign = Decimal(side.sign)
    rest_gain = ZERO if prices.end is None else difference(prices.end, base)
    return Parts(
        delay=product(sign, filled_qty, difference(arrival, base)),
        trading=product(sign, difference(filled_value, product(filled_qty, arrival))),
        opportunity=product(sign, rest_qty, rest_gain),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One order with its part of a decision; or the part of a decision that no order had."""

    run: RunRead
    symbol: Symbol
    side: Side
    order: OrderRead | None
    decision: Decision | None
    filled_qty: Decimal
    filled_value: Decimal
    rest_qty: Decimal
    """Shares that were wanted, that this row answers for, and that nobody traded in the end."""
    rest_why: str
    carried_qty: Decimal
    """Shares of it that were left and ordered again by a later order."""
    prices: Prices
    end: Print | None
    """The price that a rest is measured by, with its moment."""
    parts: Parts | None
    notes: tuple[str, ...]

    @property
    def notional(self) -> Decimal:
        """Dollars of the decision that this row answers for, at the price it is measured from."""
        base = self.prices.base
        return ZERO if base is None else product(total((self.filled_qty, self.rest_qty)), base)

    @property
    def unpriced_qty(self) -> Decimal:
        """Shares of the rest whose cost nobody knows."""
        return ZERO if self.parts is not None and self.end is not None else self.rest_qty

    @property
    def average(self) -> Decimal | None:
        """The average price of what was filled."""
        return ratio(self.filled_value, self.filled_qty) if self.filled_qty else None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The shortfall of many rows."""

    rows: tuple[Row, ...]
    fees: Decimal = ZERO

    @property
    def parts(self) -> Parts:
        """The sum of the rows that can be measured, and the fees."""
        rows = sum_of(row.parts for row in self.rows if row.parts is not None)
        return sum_of((rows, Parts(fees=self.fees)))

    @property
    def notional(self) -> Decimal:
        """Dollars that were decided to be traded, of the rows that can be measured."""
        return total(row.notional for row in self.rows)

    @property
    def traded(self) -> Decimal:
        """Dollars of the fills."""
        return total(row.filled_value for row in self.rows)

    @property
    def unmeasured(self) -> tuple[Row, ...]:
        """Rows that neither decision nor arrival has a price for, though something was filled."""
        return tuple(row for row in self.rows if row.parts is None and row.filled_qty)

    @property
    def unpriced(self) -> tuple[Row, ...]:
        """Rows with a rest whose cost is unknown."""
        return tuple(row for row in self.rows if row.unpriced_qty)

    @property
    def raw_sum(self) -> Decimal:
        """The handbook's sum over filled orders of (fill price - expected price), $ per share."""
        gaps = [gap for row in self.rows if (gap := raw_gap(row)) is not None]
        return total(gaps)


def raw_gap(row: Row) -> Decimal | None:
    """Return average fill price minus expected price; None where one of them is not known."""
    arrival, average = row.prices.arrival, row.average
    return None if arrival is None or average is None else average - arrival


def shortfall_of(runs: Iterable[RunRead], tape: Tape, now: datetime) -> Shortfall:
    """Return the shortfall of runs; `now` is where the journal ends."""
    chosen = list(runs)
    rows = tuple(row for run in chosen for row in _rows(run, tape, now))
    return Shortfall(rows, total(run.fees for run in chosen))


def _rows(run: RunRead, tape: Tape, now: datetime) -> Iterable[Row]:
    if run.is_refused:
        return
    for decision in run.decisions:
        yield from _rows_of(run, decision, tape, now)
    for order in run.orders:
        if order.decision is None:
            yield _row(run, None, order, ZERO, ZERO, tape, now)


def _rows_of(run: RunRead, decision: Decision, tape: Tape, now: datetime) -> Iterable[Row]:
    """Yield the orders of a decision; the last answers for its rest, a row of its own for more."""
    orders = decision.orders
    filled = total(order.filled_qty for order in orders)
    left = max(difference(decision.qty, filled), ZERO)
    for order in orders:
        own = max(difference(order.qty, order.filled_qty), ZERO)
        rest = min(left, own) if order is orders[-1] else ZERO
        carried = ZERO if order is orders[-1] else own
        yield _row(run, decision, order, rest, carried, tape, now)
        left = difference(left, rest)
    if left:
        yield _row(run, decision, None, left, ZERO, tape, now)


def _row(
    run: RunRead,
    decision: Decision | None,
    order: OrderRead | None,
    rest: Decimal,
    carried: Decimal,
    tape: Tape,
    now: datetime,
) -> Row:
    whose = decision if order is None else order
    assert whose is not None
    end = None
    if rest and decision is not None:
        end = _end(run, decision, tape, now)
    prices = Prices(
        decision=None if decision is None else decision.price,
        arrival=None if order is None else order.arrival_price,
        end=None if end is None else end.price,
    )
    filled = ZERO if order is None else order.filled_qty
    value = ZERO if order is None else order.filled_value
    return Row(
        run=run,
        symbol=whose.symbol,
        side=whose.side,
        order=order,
        decision=decision,
        filled_qty=filled,
        filled_value=value,
        rest_qty=rest,
        rest_why=_why(run, decision, order) if rest else "",
        carried_qty=carried,
        prices=prices,
        end=end,
        parts=parts_of(whose.side, prices, filled, value, rest),
        notes=tuple(_notes(prices, decision, order, filled)),
    )


def _end(run: RunRead, decision: Decision, tape: Tape, now: datetime) -> Print | None:
    """Return the close after the run, else the last price known in it and after the decision."""
    if run.last_day is not None and not decision.is_over:
        close = tape.close(decision.symbol, run.last_day)
        if close is not None:
            return close
    return tape.last(decision.symbol, decision.at, run.ended_at or now)


def _why(run: RunRead, decision: Decision | None, order: OrderRead | None) -> str:
    """Return why a rest was not traded."""
    if order is not None:
        why = f": {order.reason}" if order.reason else ""
        return f"{order.status}{why}"
    assert decision is not None
    for no in reversed(run.dropped):
        if no.symbol == decision.symbol:
            return f"dropped by {no.rule}: {no.detail}"
    if decision.orders and decision.orders[-1].trimmed_by:
        return f"cut by {decision.orders[-1].trimmed_by}"
    if not run.is_over:
        return "not ordered yet"
    assert run.ended is not None
    why = f" ({run.ended.outcome}: {run.ended.reason})" if run.ended.reason else ""
    return f"not ordered before the run ended{why}"


def _notes(
    prices: Prices, decision: Decision | None, order: OrderRead | None, filled: Decimal
) -> Iterable[str]:
    if decision is not None and decision.is_over:
        yield decision.note
    if order is None:
        return
    yield from order.notes
    if order.was_unknown:
        yield "its answer was lost for a while"
    if order.sends > 1:
        yield f"sent {order.sends} times under one id"
    if not filled:
        return
    if prices.base is None:
        yield NO_PRICE
    elif prices.arrival is None:
        yield "no price was known when it was sent: delay and trading are told as one"
    elif prices.decision is None:
        yield "the plan had no price of it: measured from its arrival"


@dataclass(frozen=True, slots=True)
class Slippage:
    """What fills cost against the price expected when their order was approved.

    Fractions: 0.005 is 0.5 %; positive is a cost, for buys and for sells.
    """

    weighted: Decimal | None
    """All cost over all value at expected prices."""
    mean: Decimal | None
    """The mean over the filled orders, each weighing the same."""
    orders: int
    unpriced: int
    """Filled orders of which no price was expected."""
    why: str = ""


def average_slippage(entries: Iterable[e.Entry]) -> Slippage:
    """Return the average slippage of all orders of a journal. Raises what reading it raises."""
    ledger = Ledger()
    for entry in entries:
        ledger.take(entry)
    return slippage_over(list(ledger.orders.values()))


def slippage_over(orders: Sequence[OrderRead]) -> Slippage:
    """Return the average slippage of orders."""
    filled = [order for order in orders if order.filled_qty]
    priced = [order for order in filled if order.arrival_price]
    if not priced:
        why = "nothing was filled" if not filled else "no filled order had an expected price"
        return Slippage(None, None, 0, len(filled), why)
    costs = [slippage_cost(order) for order in priced]
    worths = [product(order.filled_qty, order.arrival_price or ZERO) for order in priced]
    each = [ratio(cost, worth) for cost, worth in zip(costs, worths, strict=True)]
    return Slippage(
        weighted=ratio(total(costs), total(worths)),
        mean=ratio(total(each), Decimal(len(each))),
        orders=len(priced),
        unpriced=len(filled) - len(priced),
    )


def slippage_cost(order: OrderRead) -> Decimal:
    """Return the dollars that an order's fills cost against its expected price."""
    expected = product(order.filled_qty, order.arrival_price or ZERO)
    return product(Decimal(order.side.sign), difference(order.filled_value, expected))
