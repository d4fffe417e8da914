"""The recorder: what changed in an exchange since its last look, as values for the state file.

Nothing is written and no account is changed here. An order is told of whole, a position whole,
histories by what was added to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.exchange import Exchange
from atlas_daemon.paper.exchange.orders import Activity, Order

ORDERS_AT_ONCE = 500
"""Orders, and entries of each history, in one line of a snapshot."""

Row = dict[str, Any]
"""An order by the names of its fields, without those that are as they are at first."""
OrderForm = TypeVar("OrderForm", Order, Row)
"""An order as it is read (the record) and as it is written (a row)."""

_GROWING = ("positions", "orders", "activities", "closing_equity")
_HEAD = tuple(f.name for f in fields(Account) if f.name not in _GROWING)
_ORDER = tuple((f.name, f.default) for f in fields(Order))
_head_values = attrgetter(*_HEAD)
_order_values = attrgetter(*(name for name, _ in _ORDER))
_position_values = attrgetter(*(f.name for f in fields(Position)))


@dataclass
class MarketState:
    """What the engine knows beyond the accounts."""

    begun_on: date | None = None
    closed_on: date | None = None
    halted: list[str] = field(default_factory=list)
    splits: dict[str, Decimal] = field(default_factory=dict)


class AccountChange(msgspec.Struct, Generic[OrderForm], omit_defaults=True):
    """What changed in one account; the histories go on behind entry `..._from`."""

    id: str
    head: Any = None
    """The account's own fields, those that grow apart; nothing while they are the same."""
    positions: dict[str, Position | None] = {}
    orders: list[OrderForm] = []
    activities: list[Activity] = []
    activities_from: int = 0
    closings: list[tuple[date, Decimal]] = []
    closings_from: int = 0


class Change(msgspec.Struct, Generic[OrderForm], omit_defaults=True):
    """What changed in the exchange up to `at`: after a kill all of it is known, or nothing."""

    at: datetime
    order_count: int
    account_count: int
    market: MarketState | None = None
    accounts: list[AccountChange[OrderForm]] = []
    gone: list[str] = []


@dataclass
class _Told:
    """One account as it was told of last: values only, so that they can be compared."""

    head: bytes = b""
    positions: dict[str, tuple[object, ...]] = field(default_factory=dict)
    open: dict[str, tuple[object, ...]] = field(default_factory=dict)
    activities: int = 0
    closings: int = 0


class Recorder:
    """Compares an exchange with what was told of it before."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._told: dict[str, _Told] = {}
        self._market = market_state(exchange)

    def moment(self) -> Change[Row]:
        """The time, and nothing else."""
        exchange = self._exchange
        return Change(exchange.now, exchange.order_count, exchange.account_count)

    def forget(self) -> None:
        """Let nobody know what has changed: there is no file."""
        for account in self._exchange.by_key.values():
            account.changed.clear()

    def know(self) -> None:
        """Take everything as told: it is what the file says."""
        for account in self._exchange.by_key.values():
            self._told[account.id] = told = _Told(
                activities=len(account.activities), closings=len(account.closing_equity)
            )
            account.changed.clear()
            _change_of(account, told, everywhere=True)
        self._market = market_state(self._exchange)

    def take(self, *, everywhere: bool = False) -> Change[Row] | None:
        """What changed since the last time; None where nothing did.

        Accounts name the orders that they entered or settled. `everywhere` looks beyond those: at
        all open orders (a stop that trails is not settled) and all positions.
        """
        exchange = self._exchange
        change: Change[Row] = Change(exchange.now, exchange.order_count, exchange.account_count)
        for account in exchange.by_key.values():
            told = self._told.get(account.id)
            is_new = told is None
            if told is None:
                told = self._told[account.id] = _Told()
            found = _change_of(account, told, everywhere=everywhere or is_new)
            if found is not None:
                change.accounts.append(found)
        if len(self._told) > len(exchange.by_key):
            change.gone = list(self._told.keys() - {a.id for a in exchange.by_key.values()})
            for account_id in change.gone:
                del self._told[account_id]
        market = market_state(exchange)
        if market != self._market:
            self._market = change.market = market
        return change if change.accounts or change.gone or change.market else None


def market_state(exchange: Exchange) -> MarketState:
    """What the engine knows at this moment."""
    engine = exchange.engine
    return MarketState(
        engine.begun_on, engine.closed_on, sorted(engine.halted), dict(engine.splits)
    )


def whole(exchange: Exchange) -> Iterator[Change[Row]]:
    """Everything there is, in pieces of a bearable size, for a new file."""
    at, orders, accounts = exchange.now, exchange.order_count, exchange.account_count
    yield Change(at, orders, accounts, market=market_state(exchange))
    for account in exchange.by_key.values():
        yield Change(
            at,
            orders,
            accounts,
            accounts=[AccountChange(account.id, _head(account), dict(account.positions.items()))],
        )
        for piece in _pieces(account):
            yield Change(at, orders, accounts, accounts=[piece])


def _pieces(account: Account) -> Iterator[AccountChange[Row]]:
    rows = (_row(_order_values(order)) for order in account.orders.values())
    length = max(len(account.orders), len(account.activities), len(account.closing_equity))
    for begin in range(0, length, ORDERS_AT_ONCE):
        end = begin + ORDERS_AT_ONCE
        yield AccountChange(
            account.id,
            orders=list(islice(rows, ORDERS_AT_ONCE)),
            activities=account.activities[begin:end],
            activities_from=min(begin, len(account.activities)),
            closings=account.closing_equity[begin:end],
            closings_from=min(begin, len(account.closing_equity)),
        )


def _change_of(account: Account, told: _Told, *, everywhere: bool) -> AccountChange[Row] | None:
    """What is new in one account; `told` is brought up to it."""
    change: AccountChange[Row] = AccountChange(
        account.id, activities_from=told.activities, closings_from=told.closings
    )
    # A day's end and whatever is booked besides trades may touch any position.
    is_wide = everywhere or len(account.closing_equity) != told.closings
    change.activities = account.activities[told.activities :]
    change.closings = account.closing_equity[told.closings :]
    told.activities, told.closings = len(account.activities), len(account.closing_equity)
    is_wide = is_wide or any(entry.kind != "FILL" for entry in change.activities)
    symbols: Iterable[str] = {order.symbol for order in account.changed.values()}
    if is_wide:
        symbols = account.positions.keys() | told.positions.keys()
    for symbol in symbols:
        _tell_position(account, symbol, told, change)
    for order in account.changed.values():
        _tell_order(order, told, change, is_certain=True)
    if everywhere:
        for order in account.open.values():
            _tell_order(order, told, change, is_certain=False)
    account.changed.clear()
    head = msgspec.json.encode(_head(account))
    if head != told.head:
        told.head = head
        change.head = msgspec.Raw(head)
    is_empty = not (change.positions or change.orders or change.activities or change.closings)
    return None if is_empty and change.head is None else change


def _tell_position(account: Account, symbol: str, told: _Told, change: AccountChange[Row]) -> None:
    position = account.positions.get(symbol)
    values = _position_values(position) if position is not None else None
    if values == told.positions.get(symbol):
        return
    change.positions[symbol] = position
    if values is None:
        del told.positions[symbol]
    else:
        told.positions[symbol] = values


def _tell_order(order: Order, told: _Told, change: AccountChange[Row], *, is_certain: bool) -> None:
    values = _order_values(order)
    if not is_certain and told.open.get(order.id) == values:
        return
    change.orders.append(_row(values))
    if order.is_open:
        told.open[order.id] = values
    else:
        told.open.pop(order.id, None)


def _row(values: tuple[object, ...]) -> Row:
    return {
        name: value
        for (name, default), value in zip(_ORDER, values, strict=True)
        if value is not default
    }


def _head(account: Account) -> Row:
    return dict(zip(_HEAD, _head_values(account), strict=True))
