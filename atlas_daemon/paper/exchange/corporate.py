"""What moves an account's money and shares besides trading: the day's bells, companies, the bank.

Pure functions on an account. Each leaves activities whose amounts and quantities add up to what
has moved. What a company does (`CorporateAction`) comes from the market and is applied at the open
of its day; whether dividends are paid is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.bookings import activity_id, book, move_money
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import CENT, SHARE_STEP, ZERO, Activity, id_of
from atlas_daemon.paper.exchange.refusals import plain
from atlas_daemon.paper.market.market import CorporateAction, Market

__all__ = [
    "MONEY_KINDS",
    "SUB_TYPES",
    "activity_id",
    "apply",
    "begin_day",
    "end_day",
    "long_market_value",
    "maintenance_of",
    "move_money",
]

MONEY_KINDS = ("CSD", "CSW", "DIV", "FEE", "INT", "JNLC")
"""Activity types that `move_money` knows: deposit, withdrawal, dividend, fee, interest, journal."""

SUB_TYPES = {
    "cash_dividend": "CDIV",
    "stock_dividend": "SDIV",
    "forward_split": "FSPLIT",
    "reverse_split": "RSPLIT",
    "name_change": "SNC",
    "cash_merger": "CMA",
    "stock_merger": "SMA",
    "stock_and_cash_merger": "SCMA",
    "worthless_removal": "WRM",
    "spin_off": "",
}
"""Alpaca's `activity_sub_type` for each kind of corporate action."""


def begin_day(
    account: Account,
    actions: Iterable[CorporateAction],
    at: datetime,
    pays_dividends: bool,
    market: Market | None = None,
) -> None:
    """Apply what became effective since the last close; dividends only if they are paid."""
    for action in actions:
        if action.kind == "cash_dividend" and not pays_dividends:
            continue
        apply(account, action, at, market)


def end_day(account: Account, market: Market, at: datetime) -> None:
    """Note the closing equity and begin a new day of bought shares."""
    value = long_market_value(account, market, at)
    account.last_equity = account.cash + value
    account.last_maintenance_margin = maintenance_of(value)
    account.closing_equity.append((at.astimezone(NEW_YORK).date(), account.last_equity))
    for position in account.positions.values():
        position.bought_today = ZERO


def maintenance_of(long_value: Decimal) -> Decimal:
    """Dollars that must stay in the account for positions of that value: 30 %."""
    return (long_value * Decimal("0.3")).quantize(CENT)


def long_market_value(account: Account, market: Market, at: datetime) -> Decimal:
    """All positions at the last trade (at cost where the market knows no price)."""
    value = ZERO
    for position in account.positions.values():
        trade = market.trade(position.symbol, at)
        value += position.qty * (trade.price if trade else position.avg_entry_price)
    return value.quantize(CENT, ROUND_HALF_EVEN)


def apply(
    account: Account, action: CorporateAction, at: datetime, market: Market | None = None
) -> None:
    """Do to an account what an action does to those who hold the symbol; nothing to others.

    Without a market the cost of a spun-off company is 0.
    """
    position = account.positions.get(action.symbol)
    if position is None:
        return
    match action.kind:
        case "cash_dividend":
            _pay(account, position, action, at)
        case "forward_split" | "reverse_split":
            _split(account, position, action, at)
        case "stock_dividend":
            _grow(account, position, action, at)
        case "name_change":
            _rename(account, position, action, at)
        case "spin_off":
            _spin_off(account, position, action, at, market)
        case "worthless_removal":
            _remove(account, position, action, at)
        case _:
            _merge(account, position, action, at)


def _pay(account: Account, position: Position, action: CorporateAction, at: datetime) -> None:
    rate, qty = action.amount or ZERO, position.qty
    text = f"Cash DIV @ {plain(rate)}, Pos QTY: {plain(qty)}, Rec Date: {action.ex_day}"
    details = _dates(action) | {
        "entitled_qty": plain(qty),
        "rate": plain(rate),
        "cash_payout": plain((qty * rate).quantize(CENT, ROUND_HALF_EVEN)),
        "foreign": "false",
        "special": "false",
    }
    move_money(
        account,
        "DIV",
        qty * rate,
        at,
        symbol=action.symbol,
        qty=qty,
        description=text,
        sub_type=SUB_TYPES[action.kind],
        per_share=rate,
        details=details,
    )


def _split(account: Account, position: Position, action: CorporateAction, at: datetime) -> None:
    """Two lines, as Alpaca writes them: the old shares out, the new ones in."""
    ratio = action.ratio or Decimal(1)
    before, price = position.qty, position.avg_entry_price
    after = _shares(before * ratio)
    worth = before * price
    position.qty = after
    position.bought_today = _shares(position.bought_today * ratio)
    position.avg_entry_price = worth / after if after else ZERO
    if not after:
        del account.positions[action.symbol]
    new_rate, old_rate = ratio.as_integer_ratio()
    details = _dates(action) | {
        "old_qty": plain(before),
        "new_qty": plain(after),
        "old_rate": str(old_rate),
        "new_rate": str(new_rate),
    }
    text = (
        f"From QTY:{plain(-before)}, To QTY:{plain(after)}, "
        f"Position Value:{plain(worth.quantize(CENT))}"
    )
    legs = (
        (action.symbol, -before, price, f"REMOVE, {text}"),
        (action.symbol, after, position.avg_entry_price, f"ADD, {text}"),
    )
    _record_legs(account, "SPLIT", action, at, legs, details)


def _grow(account: Account, position: Position, action: CorporateAction, at: datetime) -> None:
    """A dividend in shares: `ratio` new ones for each that is held."""
    rate = action.ratio or ZERO
    before, cost = position.qty, position.qty * position.avg_entry_price
    paid = _shares(before * rate)
    position.qty += paid
    position.avg_entry_price = cost / position.qty
    details = _dates(action) | {
        "entitled_qty": plain(before),
        "paid_qty": plain(paid),
        "new_qty": plain(position.qty),
        "rate": plain(rate + 1),
    }
    text = f"Stock DIV @ {plain(rate + 1)}, Pos QTY: {plain(before)}, Rec Date: {action.ex_day}"
    _record_legs(account, "DIV", action, at, [(action.symbol, paid, None, text)], details)


def _rename(account: Account, position: Position, action: CorporateAction, at: datetime) -> None:
    old, new = action.symbol, action.new_symbol
    qty, price = position.qty, position.avg_entry_price
    del account.positions[old]
    _receive(account, new, qty, price)
    text = f"Name Change from {old} to {new}"
    details = _dates(action) | {
        "old_symbol": old,
        "new_symbol": new,
        "position_qty": plain(qty),
    }
    legs = ((old, -qty, price, text), (new, qty, price, text))
    _record_legs(account, "NC", action, at, legs, details)


def _merge(account: Account, position: Position, action: CorporateAction, at: datetime) -> None:
    """Shares of the acquired company become dollars, shares of the acquirer, or both."""
    qty, price = position.qty, position.avg_entry_price
    cash = (qty * (action.amount or ZERO)).quantize(CENT, ROUND_HALF_EVEN)
    received = _shares(qty * (action.ratio or ZERO))
    parts = [f"{plain(action.ratio)} {action.new_symbol}"] if action.ratio else []
    parts += [f"${plain(action.amount)}"] if action.amount else []
    text = f"{' and '.join(parts)} for 1 {action.symbol}"
    details = _dates(action) | {
        "acquiree_symbol": action.symbol,
        "acquiree_qty": plain(qty),
        "effective_date": action.ex_day.isoformat(),
    }
    legs: list[_Leg] = [(action.symbol, -qty, price, text)]
    del account.positions[action.symbol]
    if received:
        _receive(account, action.new_symbol, received, max(qty * price - cash, ZERO) / received)
        legs.append((action.new_symbol, received, None, text))
        details |= {"acquirer_symbol": action.new_symbol, "acquirer_qty": plain(received)}
    if action.amount:
        account.cash += cash
        details |= {"cash_rate": plain(action.amount), "cash_payout": plain(cash)}
    _record_legs(account, "MA", action, at, legs, details, cash)


def _spin_off(
    account: Account,
    position: Position,
    action: CorporateAction,
    at: datetime,
    market: Market | None,
) -> None:
    """New shares of another company; the cost is shared by the market's word on both prices."""
    qty, cost = position.qty, position.qty * position.avg_entry_price
    received = _shares(qty * (action.ratio or ZERO))
    if not received:
        return
    share = ZERO
    child = market.trade(action.new_symbol, at) if market else None
    parent = market.trade(action.symbol, at) if market else None
    if child is not None and parent is not None:
        value = received * child.price
        share = cost * value / (value + qty * parent.price)
    position.avg_entry_price = (cost - share) / qty
    _receive(account, action.new_symbol, received, share / received)
    text = (
        f"Target Symbol: {action.new_symbol}, Initiating Symbol: {action.symbol}, "
        f"{plain(action.ratio or ZERO)} {action.new_symbol} for each 1 {action.symbol}"
    )
    details = _dates(action) | {
        "new_symbol": action.new_symbol,
        "source_symbol": action.symbol,
        "new_qty": plain(received),
        "source_qty": plain(qty),
    }
    _record_legs(account, "SPIN", action, at, [(action.new_symbol, received, None, text)], details)


def _remove(account: Account, position: Position, action: CorporateAction, at: datetime) -> None:
    """The shares are gone, for nothing."""
    del account.positions[action.symbol]
    details = _dates(action) | {"removed_qty": plain(position.qty)}
    leg = (action.symbol, -position.qty, None, f"Worthless Removal - {action.symbol}")
    _record_legs(account, "REORG", action, at, [leg], details)


def _receive(account: Account, symbol: str, qty: Decimal, price: Decimal) -> None:
    held = account.positions.get(symbol)
    if held is None:
        account.positions[symbol] = Position(symbol, qty, price)
        return
    held.avg_entry_price = (held.qty * held.avg_entry_price + qty * price) / (held.qty + qty)
    held.qty += qty


def _shares(qty: Decimal) -> Decimal:
    """To nine decimals, without trailing zeros."""
    return qty.quantize(SHARE_STEP).normalize() + 0


def _dates(action: CorporateAction) -> dict[str, str]:
    day = action.ex_day.isoformat()
    identity = id_of("action", action.kind, action.symbol, action.ex_day)
    named = dict.fromkeys(("ex_date", "record_date", "payable_date", "position_date"), day)
    return {"ca_id": identity, "symbol": action.symbol} | named


_Leg = tuple[str, Decimal, Decimal | None, str]
"""Symbol, change of shares, price, description."""


def _record_legs(
    account: Account,
    kind: str,
    action: CorporateAction,
    at: datetime,
    legs: Iterable[_Leg],
    details: dict[str, str],
    cash: Decimal = ZERO,
) -> None:
    """One activity for each change of shares, and one for the cash if there is any."""
    group_id = id_of(account.id, "group", account.activity_count + 1)
    for symbol, qty, price, text in legs:
        line = Activity(
            id="",
            kind=kind,
            at=at,
            symbol=symbol,
            qty=qty,
            price=price,
            net_amount=ZERO,
            description=text,
            sub_type=SUB_TYPES[action.kind],
            group_id=group_id,
            details=details,
        )
        book(account, line)
    if cash:
        paid = replace(line, symbol=action.symbol, qty=None, price=None, net_amount=cash)
        book(account, paid)
