"""What happens to the broker's accounts at once: orders and trades by hand, money, shares, prices.

Each function does one event of the vocabulary and says in a few words what it did; where it cannot
happen it raises RefusedError, as the broker itself would refuse. When is the console's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from atlas_daemon.paper.console.distorted_market import DistortedMarket
from atlas_daemon.paper.exchange import corporate, refusals
from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.exchange import Exchange
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import CENT, SHARE_STEP, ZERO, Order, Side, Status
from atlas_daemon.paper.faults.fault import Fault
from atlas_daemon.paper.market.market import CorporateAction

BY_HAND = "by-hand-"
"""How the client order ids of foreign orders and manual trades begin."""


@dataclass(frozen=True)
class Stage:
    """Where things happen."""

    exchange: Exchange
    prices: DistortedMarket
    key: str
    """The account that is meant where none is named."""
    cut_streams: Callable[[], None]
    haunt: Callable[[float], None]
    """Let the places of dropped connections stay taken for so many of the broker's seconds."""

    def account(self, fault: Fault) -> Account:
        """The account that the fault is about. Raises RefusedError."""
        account = self.exchange.by_key.get(fault.key or self.key)
        if account is None:
            raise refusals.not_found("account not found")
        return account


def happen(fault: Fault, stage: Stage) -> str:
    """Let an event happen now; returns what was done. Raises RefusedError."""
    return _ACTS[fault.kind](fault, stage)


def symbol_of(word: str, account: Account, order: Order | None) -> str:
    """The symbol that a fault's `symbol` means. Raises RefusedError where there is none."""
    if word == "ordered":
        if order is None:
            raise refusals.invalid("symbol: no order is waited for")
        return order.symbol
    if word == "held":
        if not account.positions:
            raise refusals.invalid("symbol: nothing is held")
        return min(account.positions)
    return word


# Orders.


def _foreign_order(fault: Fault, stage: Stage) -> str:
    quote = stage.exchange.market.quote(fault.symbol, stage.exchange.now)
    if quote is None:
        raise refusals.invalid(f"symbol: {fault.symbol} has no price")
    is_sell = fault.side == "sell"
    price = fault.price or (quote.ask * 2 if is_sell else quote.bid / 2).quantize(CENT)
    order = _by_hand(fault, stage, type="limit", limit_price=refusals.plain(price))
    return f"{order.side} {_words(order)} at {refusals.plain(price)}"


def _manual_trade(fault: Fault, stage: Stage) -> str:
    order = _by_hand(fault, stage, type="market")
    return f"{order.side} {_words(order)}"


def _by_hand(fault: Fault, stage: Stage, **terms: str) -> Order:
    exchange = stage.exchange
    request = {
        "symbol": fault.symbol,
        "qty": refusals.plain(abs(fault.qty or Decimal(1))),
        "side": fault.side or "buy",
        "time_in_force": "day",
        "client_order_id": f"{BY_HAND}{exchange.order_count + 1}",
        **terms,
    }
    return exchange.submit(stage.account(fault), request, exchange.now)


def _cancel_by_broker(fault: Fault, stage: Stage) -> str:
    orders = [
        order
        for order in stage.account(fault).open.values()
        if fault.symbol in ("", order.symbol) and fault.side in ("", order.side)
    ]
    for order in orders:
        stage.exchange.engine.close_order(order, Status.CANCELED, "canceled")
    return f"{len(orders)} cancelled"


def _trade_bust(fault: Fault, stage: Stage) -> str:
    account = stage.account(fault)
    fills = (a for a in reversed(account.activities) if a.kind == "FILL")
    last = next((a for a in fills if fault.symbol in ("", a.symbol)), None)
    order = account.orders.get(last.order_id or "") if last is not None else None
    if last is None or order is None or last.qty is None or last.price is None:
        raise refusals.invalid("symbol: no execution can be taken back")
    undone = order.copy()
    undone.side = Side.SELL if order.side is Side.BUY else Side.BUY
    if undone.side is Side.SELL and account.existing_qty(order.symbol) < last.qty:
        raise refusals.invalid("symbol: its shares are gone again")
    account.apply_fill(undone, last.qty, last.price)
    order.filled_qty -= last.qty
    order.filled_value -= last.qty * last.price
    unique = last.id.partition("::")[2]
    stage.exchange.engine.tell(
        order, "trade_bust", execution_id=unique, price=last.price, qty=last.qty
    )
    return f"{refusals.plain(last.qty)} {order.symbol} taken back"


def _words(order: Order) -> str:
    return f"{refusals.plain(order.qty or ZERO)} {order.symbol}"


# The account.


def _suspend(fault: Fault, stage: Stage) -> str:
    account = stage.account(fault)
    is_on = fault.kind == "suspend_trade"
    account.configuration = replace(account.configuration, suspend_trade=is_on)
    return f"suspend_trade is {'on' if is_on else 'off'}"


def _money(fault: Fault, stage: Stage) -> str:
    kind, sign = _MONEY[fault.kind]
    amount = sign * abs(fault.amount or ZERO)
    corporate.move_money(
        stage.account(fault), kind, amount, stage.exchange.now, description=fault.kind
    )
    return f"{refusals.plain(amount)} dollars"


def _dividend(fault: Fault, stage: Stage) -> str:
    account = stage.account(fault)
    held = account.existing_qty(fault.symbol)
    if not held:
        raise refusals.invalid(f"symbol: {fault.symbol} is not held")
    now = stage.exchange.now
    day = now.astimezone(NEW_YORK).date()
    action = CorporateAction("cash_dividend", fault.symbol, day, None, fault.per_share)
    before = account.cash
    corporate.apply(account, action, now)
    return f"{refusals.plain(account.cash - before)} dollars for {fault.symbol}"


def _unexplained_cash(fault: Fault, stage: Stage) -> str:
    amount = (fault.amount or ZERO).quantize(CENT)
    stage.account(fault).cash += amount
    return f"{refusals.plain(amount)} dollars, untold"


def _unexplained_shares(fault: Fault, stage: Stage) -> str:
    account, qty = stage.account(fault), (fault.qty or ZERO).quantize(SHARE_STEP)
    position = account.positions.get(fault.symbol)
    left = account.existing_qty(fault.symbol) + qty
    if left < account.held_qty(fault.symbol):
        raise refusals.invalid("qty: more than there is")
    if position is None:
        quote = stage.exchange.market.quote(fault.symbol, stage.exchange.now)
        account.positions[fault.symbol] = Position(fault.symbol, qty, quote.bid if quote else ZERO)
    elif left:
        position.qty = left
        position.bought_today = min(position.bought_today, left)
    else:
        del account.positions[fault.symbol]
    return f"{refusals.plain(qty)} {fault.symbol}, untold"


# Prices and names.


def _price_jump(fault: Fault, stage: Stage) -> str:
    factor = fault.factor or Decimal(1)
    stage.prices.jump(fault.symbol, factor, stage.exchange.now)
    return f"{fault.symbol} times {refusals.plain(factor)}"


def _split(fault: Fault, stage: Stage) -> str:
    ratio = fault.ratio or Decimal(1)
    kind = "forward_split" if ratio > 1 else "reverse_split"
    action = CorporateAction(kind, fault.symbol, _next_day(stage), ratio, None)
    stage.prices.act(action)
    return f"{fault.symbol} splits by {refusals.plain(ratio)} on {action.ex_day}"


def _rename(fault: Fault, stage: Stage) -> str:
    exchange, old, new = stage.exchange, fault.symbol, fault.to_symbol
    if not exchange.knows(old) or exchange.knows(new):
        raise refusals.invalid("to_symbol: must be new, and symbol must be known")
    action = CorporateAction("name_change", old, _next_day(stage), None, None, new)
    stage.prices.act(action)
    exchange.learn(new)
    return f"{old} is {new} from {action.ex_day} on"


def _next_day(stage: Stage) -> date:
    """The day of the next session: what companies do becomes effective with it."""
    exchange = stage.exchange
    return exchange.calendar.next_open(exchange.now).astimezone(NEW_YORK).date()


# The stream.


def _drop(fault: Fault, stage: Stage) -> str:
    stage.cut_streams()
    return "dropped"


def _ghost(fault: Fault, stage: Stage) -> str:
    stage.cut_streams()
    seconds = fault.seconds if fault.seconds is not None else 90.0
    stage.haunt(seconds)
    return f"dropped; the place is taken for {timedelta(seconds=seconds)}"


_MONEY = {
    "fee": ("FEE", -1),
    "interest": ("INT", 1),
    "deposit": ("CSD", 1),
    "withdrawal": ("CSW", -1),
}
_ACTS: Mapping[str, Callable[[Fault, Stage], str]] = {
    "foreign_order": _foreign_order,
    "manual_trade": _manual_trade,
    "cancel_by_broker": _cancel_by_broker,
    "trade_bust": _trade_bust,
    "suspend_trade": _suspend,
    "allow_trade": _suspend,
    **dict.fromkeys(_MONEY, _money),
    "dividend": _dividend,
    "unexplained_cash": _unexplained_cash,
    "unexplained_shares": _unexplained_shares,
    "price_jump": _price_jump,
    "split": _split,
    "rename": _rename,
    "stream_drop": _drop,
    "ghost_connection": _ghost,
}
