"""What an account owns, owes and has reserved; its figures (equity, buying power).

The record is persisted as it is; indexes over it are rebuilt. No market and no clock in here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from atlas_daemon.paper.exchange.orders import CENT, ZERO, Activity, Order, Side


@dataclass(slots=True)
class Position:
    """Shares of one symbol; never negative, gone when 0."""

    symbol: str
    qty: Decimal
    avg_entry_price: Decimal
    bought_today: Decimal = ZERO
    """Shares acquired since the last session's close."""

    @property
    def cost_basis(self) -> Decimal:
        """What the shares cost."""
        return (self.qty * self.avg_entry_price).quantize(CENT, ROUND_HALF_EVEN)


@dataclass(slots=True)
class Configuration:
    """The user's own settings of an account (/v2/account/configurations)."""

    suspend_trade: bool = False
    no_shorting: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: str = "4"
    trade_confirm_email: str = "all"
    ptp_no_exception_entry: bool = False
    max_options_trading_level: int | None = 0
    disable_overnight_trading: bool = False


@dataclass
class Account:
    """One account with all its orders and history; changed by the exchange only."""

    id: str
    number: str
    key: str
    secret: str
    cash: Decimal
    created_at: datetime
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    """Every order ever, in the order of submission."""
    activities: list[Activity] = field(default_factory=list)
    """Ascending by time."""
    configuration: Configuration = field(default_factory=Configuration)
    last_equity: Decimal = ZERO
    last_maintenance_margin: Decimal = ZERO
    accrued_margin_interest: Decimal = ZERO
    """Dollars (below 0) that the month has cost so far; not booked yet."""
    accrued_credit_interest: Decimal = ZERO
    closing_equity: list[tuple[date, Decimal]] = field(default_factory=list)
    activity_count: int = 0
    is_blocked: bool = False
    """The broker has blocked the account (`account_blocked`): every new order is forbidden."""
    is_trading_blocked: bool = False
    """The broker has blocked trading only (`trading_blocked`); the answers are the same."""

    def __post_init__(self) -> None:
        self.open: dict[str, Order] = {}
        self.changed: dict[str, Order] = {}
        """Orders that were entered or settled since the last record of this account."""
        self.by_seq: list[Order] = list(self.orders.values())
        self._places: dict[str, int] = {}
        self.by_client_id: dict[str, Order] = {}
        self.held_cash = ZERO
        self._held_qty: dict[str, Decimal] = {}
        self._open_on: dict[tuple[str, Side], dict[str, Order]] = {}
        for order in self.orders.values():
            self.by_client_id[order.client_order_id] = order
            if order.is_open:
                self._index(order)
                self._hold(order, order.held)

    def add(self, order: Order) -> None:
        """Enter a new order; its id and client id are burnt for ever."""
        self.orders[order.id] = self.changed[order.id] = order
        self.by_seq.append(order)
        self.by_client_id[order.client_order_id] = order
        self._index(order)
        self.rehold(order)

    def settle(self, order: Order) -> None:
        """Bring indexes and reservations up to an order that has just changed."""
        self.changed[order.id] = order
        if order.is_open:
            self.rehold(order)
            return
        self.open.pop(order.id, None)
        siblings = self._open_on.get((order.symbol, order.side))
        if siblings is not None:
            siblings.pop(order.id, None)
            if not siblings:
                del self._open_on[order.symbol, order.side]
        self._hold(order, -order.held)
        order.held = ZERO

    def rehold(self, order: Order) -> None:
        """Reserve what the order's remainder needs, instead of what it held before."""
        needed = needed_hold(order)
        self._hold(order, needed - order.held)
        order.held = needed

    def open_of(self, symbol: str, side: Side) -> Iterator[Order]:
        """Open orders of a symbol on one side, oldest first."""
        return iter(self._open_on.get((symbol, side), {}).values())

    def place_of_activity(self, activity_id: str) -> int | None:
        """Where an activity stands in the history; None for an id that is not in it."""
        for place in range(len(self._places), len(self.activities)):
            self._places[self.activities[place].id] = place
        return self._places.get(activity_id)

    def existing_qty(self, symbol: str) -> Decimal:
        """Shares held, reserved or not."""
        position = self.positions.get(symbol)
        return position.qty if position else ZERO

    def held_qty(self, symbol: str) -> Decimal:
        """Shares reserved by open sells."""
        return self._held_qty.get(symbol, ZERO)

    def available_qty(self, symbol: str) -> Decimal:
        """Shares that a new sell may take (`qty_available`)."""
        return max(self.existing_qty(symbol) - self.held_qty(symbol), ZERO)

    def apply_fill(self, order: Order, qty: Decimal, price: Decimal) -> None:
        """Move shares and money for one execution; the amount is rounded to cents."""
        amount = (qty * price).quantize(CENT, ROUND_HALF_EVEN)
        position = self.positions.get(order.symbol)
        if order.side is Side.BUY:
            self.cash -= amount
            if position is None:
                self.positions[order.symbol] = Position(order.symbol, qty, price, qty)
                return
            total = position.qty + qty
            cost = position.qty * position.avg_entry_price + qty * price
            position.avg_entry_price = cost / total
            position.qty = total
            position.bought_today += qty
            return
        if position is None or position.qty < qty:
            # Reservations make this impossible; a broker that invents shares must not go on.
            raise ArithmeticError(
                f"{order.symbol}: {qty} sold, {self.existing_qty(order.symbol)} held"
            )
        self.cash += amount
        position.qty -= qty
        position.bought_today = min(position.bought_today, position.qty)
        if not position.qty:
            del self.positions[order.symbol]

    def _index(self, order: Order) -> None:
        self.open[order.id] = order
        self._open_on.setdefault((order.symbol, order.side), {})[order.id] = order

    def _hold(self, order: Order, change: Decimal) -> None:
        if not change:
            return
        if order.side is Side.BUY:
            self.held_cash += change
            return
        left = self.held_qty(order.symbol) + change
        if left:
            self._held_qty[order.symbol] = left
        else:
            self._held_qty.pop(order.symbol, None)


@dataclass(frozen=True, slots=True)
class Figures:
    """An account's money at one moment, in dollars."""

    equity: Decimal
    long_market_value: Decimal
    multiplier: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable_buying_power: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


def figures_of(account: Account, long_market_value: Decimal) -> Figures:
    """Equity and buying power; open buys are taken off as reserved, open sells add nothing."""
    equity = account.cash + long_market_value
    multiplier = Decimal(account.configuration.max_margin_multiplier)
    held = account.held_cash

    def power(times: Decimal) -> Decimal:
        return max(times * equity - long_market_value - held, ZERO).quantize(CENT)

    return Figures(
        equity=equity,
        long_market_value=long_market_value,
        multiplier=multiplier,
        buying_power=power(multiplier),
        regt_buying_power=power(min(multiplier, Decimal(2))),
        non_marginable_buying_power=max(account.cash - held, ZERO).quantize(CENT),
        initial_margin=(long_market_value / 2).quantize(CENT),
        maintenance_margin=(long_market_value * Decimal("0.3")).quantize(CENT),
    )


def needed_hold(order: Order) -> Decimal:
    """What an open order has to reserve: dollars for a buy, shares for a sell."""
    if order.is_dormant:
        return ZERO
    if order.side is Side.SELL:
        if order.goal_qty is None:
            return order.held
        return max(order.remaining_qty - order.hold_credit, ZERO)
    if order.notional is not None:
        return max(order.notional - order.filled_value, ZERO)
    needed = (order.remaining_qty * order.unit_hold).quantize(CENT)
    return max(needed - order.hold_credit, ZERO)
