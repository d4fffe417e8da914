"""What a day does to an account besides trading: splits, dividends, the day's close, money moved.

Pure functions on an account. Splits belong to the exchange itself; dividends, fees and deposits
are things that live accounts have and Alpaca's paper has not, so they come only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from atlas_daemon.paper.accounts import Account
from atlas_daemon.paper.market import CorporateAction, Market
from atlas_daemon.paper.matching import NEW_YORK
from atlas_daemon.paper.orders import CENT, SHARE_STEP, ZERO, Activity, id_of

MONEY_KINDS = ("CSD", "CSW", "DIV", "FEE", "INT", "JNLC")
"""Activity types that `move_money` knows: deposit, withdrawal, dividend, fee, interest, journal."""


def activity_id(at: datetime, unique: str) -> str:
    """Alpaca's odd id: New York *local* time in milliseconds, two colons, a UUID."""
    return f"{at.astimezone(NEW_YORK):%Y%m%d%H%M%S%f}"[:17] + f"::{unique}"


def begin_day(
    account: Account, actions: Iterable[CorporateAction], at: datetime, pays_dividends: bool
) -> None:
    """Apply what became effective since the last close: splits, and dividends if they are paid."""
    for action in actions:
        held = account.existing_qty(action.symbol)
        if not held:
            continue
        if action.ratio is not None:
            _split(account, action, action.ratio, at)
        elif action.amount is not None and pays_dividends:
            amount = held * action.amount
            move_money(account, "DIV", amount, at, symbol=action.symbol, qty=held)


def end_day(account: Account, market: Market, at: datetime) -> None:
    """Note the closing equity and begin a new day of bought shares."""
    account.last_equity = account.cash + long_market_value(account, market, at)
    account.closing_equity.append((at.astimezone(NEW_YORK).date(), account.last_equity))
    for position in account.positions.values():
        position.bought_today = ZERO


def long_market_value(account: Account, market: Market, at: datetime) -> Decimal:
    """All positions at the last trade (at cost where the market knows no price)."""
    value = ZERO
    for position in account.positions.values():
        trade = market.trade(position.symbol, at)
        value += position.qty * (trade.price if trade else position.avg_entry_price)
    return value.quantize(CENT, ROUND_HALF_EVEN)


def move_money(
    account: Account,
    kind: str,
    amount: Decimal,
    at: datetime,
    *,
    symbol: str | None = None,
    qty: Decimal | None = None,
    description: str = "",
) -> Activity:
    """Add dollars (negative: take them) and put it on record as an activity of that kind."""
    amount = amount.quantize(CENT, ROUND_HALF_EVEN)
    account.cash += amount
    return _record(
        account, kind, at, symbol=symbol, qty=qty, net_amount=amount, description=description
    )


def _split(account: Account, action: CorporateAction, ratio: Decimal, at: datetime) -> None:
    position = account.positions.get(action.symbol)
    if position is None:
        return
    before = position.qty
    cost = position.qty * position.avg_entry_price
    position.qty = (position.qty * ratio).quantize(SHARE_STEP).normalize() + 0
    position.bought_today = (position.bought_today * ratio).quantize(SHARE_STEP)
    position.avg_entry_price = cost / position.qty if position.qty else ZERO
    if not position.qty:
        del account.positions[action.symbol]
    _record(
        account,
        "SPLIT",
        at,
        symbol=action.symbol,
        qty=position.qty - before,
        net_amount=ZERO,
        description=f"{action.kind} {ratio}",
    )


def _record(
    account: Account,
    kind: str,
    at: datetime,
    *,
    symbol: str | None,
    qty: Decimal | None,
    net_amount: Decimal,
    description: str,
) -> Activity:
    account.activity_count += 1
    unique = id_of(account.id, kind, account.activity_count)
    activity = Activity(
        id=activity_id(at, unique),
        kind=kind,
        at=at,
        symbol=symbol,
        qty=qty,
        net_amount=net_amount,
        description=description,
    )
    account.activities.append(activity)
    return activity
