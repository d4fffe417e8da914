"""Replacing an order (PATCH): which order stands afterwards, what it takes over, and who wins.

The old order may fill until it has given way; when that is, is `floor`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from atlas_daemon.paper.exchange import groups, refusals
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.groups import Hands
from atlas_daemon.paper.exchange.intake import Draft, check_price, number, read_draft
from atlas_daemon.paper.exchange.matching import trailing_stop_price
from atlas_daemon.paper.exchange.orders import ZERO, Kind, Order, Side, Status

_REPLACEABLE = (Status.NEW, Status.PARTIALLY_FILLED, Status.HELD)
_TERMS = ("qty", "time_in_force", "limit_price", "stop_price", "trail", "client_order_id")
_GROUP_TERMS = ("limit_price", "stop_price", "client_order_id")


def draft_of(old: Order, change: Mapping[str, object]) -> Draft:
    """The replacement of an open order: what is not named stays. Raises RefusedError.

    `qty` is the new total; the new order carries what of it has not been filled.
    """
    named = {key: change[key] for key in _TERMS if change.get(key) not in (None, "")}
    _check_replaceable(old, named)
    qty = number(named, "qty")
    if qty is not None and old.qty is not None and (qty % 1 or old.qty % 1) and qty != old.qty:
        raise refusals.breaks_rule("qty of fractional orders cannot be changed")
    remaining = (qty or old.qty or ZERO) - old.filled_qty
    if remaining <= 0:
        raise refusals.invalid("qty must be greater than filled qty")
    trail = number(named, "trail")
    limit = number(named, "limit_price") or old.limit_price
    stop = number(named, "stop_price") or old.stop_price
    if trail is not None and old.kind is not Kind.TRAILING_STOP:
        raise refusals.invalid("trail belongs to trailing stop orders only")
    check_price("limit_price", limit)
    request = {
        "symbol": old.symbol,
        "side": old.side.value,
        "type": old.kind.value,
        "time_in_force": named.get("time_in_force", old.tif.value),
        "qty": remaining,
        "limit_price": limit,
        "stop_price": None if old.kind is Kind.TRAILING_STOP else stop,
        "trail_price": trail if trail and old.trail_price else old.trail_price,
        "trail_percent": trail if trail and old.trail_percent else old.trail_percent,
        "client_order_id": named.get("client_order_id"),
        "extended_hours": old.extended_hours,
    }
    return read_draft(request)


def inherit(old: Order, new: Order) -> None:
    """Give the new order what comes from the old one: place in its group, part of its hold."""
    new.replaces = old.id
    new.status = Status.PENDING_NEW
    new.is_dormant = old.is_dormant
    new.order_class, new.group_id = old.order_class, old.group_id
    new.group_role, new.parent_id = old.group_role, old.parent_id
    new.counted_qty = old.filled_qty
    # Together they reserve the larger of the two.
    new.hold_credit = old.held
    if new.kind is Kind.TRAILING_STOP and old.hwm is not None:
        marks = [mark for mark in (old.hwm, new.hwm) if mark is not None]
        new.hwm = max(marks) if old.side is Side.SELL else min(marks)
        new.stop_price = trailing_stop_price(new, new.hwm)


def is_under_way(account: Account, new: Order) -> bool:
    """True while the order waits for the one it replaces to give way."""
    old = account.orders.get(new.replaces) if new.replaces is not None else None
    return old is not None and old.replace_asked_at is not None and old.replaced_by is None


def finish(hands: Hands, account: Account, new: Order) -> None:
    """Let the new order take over, unless the old one has filled or ended meanwhile."""
    if new.replaces is None or not is_under_way(account, new):
        return
    old = account.orders[new.replaces]
    left = new.remaining_qty - (old.filled_qty - new.counted_qty)
    if not (old.is_open and new.is_open and left > 0):
        _refuse(hands, old, new)
        return
    old.replaced_by = new.id
    new.qty = new.goal_qty = left
    new.hold_credit = ZERO
    new.is_dormant = old.is_dormant
    was_resting = hands.resting.has(old)
    hands.close_order(old, Status.REPLACED, "replaced", alone=True)
    if old.group_id is not None:
        groups.take_place(account, old, new)
    if not new.is_dormant:
        hands.begin_work(new)
        hands.try_soon(new)
        return
    new.status = Status.HELD
    new.updated_at = hands.now
    account.settle(new)
    if was_resting:
        hands.rest(new)


def _refuse(hands: Hands, old: Order, new: Order) -> None:
    if new.is_open:
        new.is_dormant = False
        hands.close_order(new, Status.REJECTED, "rejected", alone=True)
    old.replace_asked_at = None
    if old.is_open:
        working = Status.PARTIALLY_FILLED if old.filled_qty else Status.NEW
        old.status = Status.HELD if old.is_dormant else working
    hands.tell(old, "order_replace_rejected")


def _check_replaceable(old: Order, named: Mapping[str, object]) -> None:
    if not old.is_open:
        raise refusals.invalid("order is not open")
    is_asked = old.cancel_asked_at is not None or old.replace_asked_at is not None
    if old.status not in _REPLACEABLE or is_asked:
        raise refusals.invalid("unable to replace order, order isn't sent to exchange yet")
    if old.notional is not None:
        raise refusals.breaks_rule("notional orders cannot be replaced")
    if not _is_changed(old, named):
        raise refusals.forbidden("order parameters are not changed")
    if old.group_id is not None and not set(named) <= set(_GROUP_TERMS):
        raise refusals.breaks_rule("only limit_price and stop_price of complex orders can change")
    if old.kind in (Kind.MARKET, Kind.STOP) and "limit_price" in named:
        raise refusals.invalid(f"{old.kind.value} orders require no limit price")
    if old.kind in (Kind.MARKET, Kind.LIMIT) and "stop_price" in named:
        raise refusals.invalid(f"{old.kind.value} orders require no stop price")


def _is_changed(old: Order, named: Mapping[str, object]) -> bool:
    """True where a term that is named differs from the old order's."""
    if named.get("time_in_force", old.tif.value) != old.tif.value:
        return True
    terms: dict[str, Decimal | None] = {
        "qty": old.qty,
        "limit_price": old.limit_price,
        "stop_price": old.stop_price,
        "trail": old.trail_price or old.trail_percent,
    }
    return any(key in named and number(named, key) != before for key, before in terms.items())
