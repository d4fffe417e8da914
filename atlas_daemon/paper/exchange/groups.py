"""Bracket, OCO and OTO: which orders belong together, and what befalls the others when one moves.

The parent is the entry, or of an OCO the take-profit; its legs are known by id. What single orders
do, and when, is `floor`'s business: only its verbs (`Hands`) are used here.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.orders import Order, Role, Status
from atlas_daemon.paper.exchange.resting import Resting


class Hands(Protocol):
    """What can be done to an order: the floor, as groups and replacements see it."""

    @property
    def now(self) -> datetime:
        """The present moment."""
        ...

    @property
    def resting(self) -> Resting:
        """The orders that are compared with the market."""
        ...

    def begin_work(self, order: Order) -> None:
        """The market has the order: `new`."""
        ...

    def try_soon(self, order: Order) -> None:
        """See in a moment whether it trades."""
        ...

    def rest(self, order: Order) -> None:
        """Compare it with the market from now on."""
        ...

    def close_order(self, order: Order, status: Status, event: str, *, alone: bool = False) -> None:
        """End it without a fill; its group follows, unless it ends `alone`."""
        ...

    def tell(self, order: Order, event: str) -> None:
        """Settle an order that has just changed and tell of it."""
        ...


class Step(StrEnum):
    """What happens to an order because another one of its group has moved."""

    ACTIVATE = "activate"  # it goes to the market
    WATCH = "watch"  # it stays held, and its stop is watched
    SHRINK = "shrink"  # its quantity becomes what the other leaves
    END = "end"  # it ends as the other has ended


class Consequence(NamedTuple):
    """One order of a group and what happens to it."""

    order: Order
    step: Step
    status: Status = Status.CANCELED
    """How an ended order ends."""


def members(account: Account, order: Order) -> list[Order]:
    """All orders of a group as it stands, the parent first."""
    parent = account.orders[order.parent_id] if order.parent_id is not None else order
    return [parent, *(account.orders[leg_id] for leg_id in parent.leg_ids)]


def others(account: Account, order: Order) -> list[Order]:
    """The other orders of the group that are still open."""
    return [other for other in members(account, order) if other is not order and other.is_open]


def twin(account: Account, order: Order) -> Order | None:
    """The other exit order, while it is open: of a stop-loss the take-profit, and back."""
    exits = (Role.TAKE_PROFIT, Role.STOP_LOSS)
    if order.group_role not in exits:
        return None
    return next((other for other in others(account, order) if other.group_role in exits), None)


def consequences(account: Account, order: Order) -> list[Consequence]:
    """What befalls the rest of a group now that this order of it has filled, or ended.

    A replacement has none: the new order takes the old one's place.
    """
    if order.status is Status.REPLACED:
        return []
    rest = others(account, order)
    if order.group_role == Role.ENTRY:
        if order.status is Status.FILLED:
            return [Consequence(leg, _first_step(account, leg)) for leg in rest]
        if order.is_open:
            return []
        return [Consequence(leg, Step.END, _ending(order.status)) for leg in rest]
    if order.is_open:
        return [Consequence(other, Step.SHRINK) for other in rest]
    ending = Status.CANCELED if order.status is Status.FILLED else _ending(order.status)
    return [Consequence(other, Step.END, ending) for other in rest]


def is_watched(account: Account, leg: Order) -> bool:
    """True where a held leg's stop is looked at already: its entry has filled, its OCO is out."""
    parent = account.orders[leg.parent_id or leg.id]
    if parent.group_role == Role.ENTRY:
        return parent.status is Status.FILLED
    return parent.status not in (Status.ACCEPTED, Status.PENDING_NEW)


def take_place(account: Account, old: Order, new: Order) -> None:
    """Put a replacement where the old order stood in its group."""
    if old.parent_id is not None:
        parent = account.orders[old.parent_id]
        parent.leg_ids = tuple(new.id if leg == old.id else leg for leg in parent.leg_ids)
        account.settle(parent)
        return
    new.leg_ids, old.leg_ids = old.leg_ids, ()
    account.settle(old)
    for leg_id in new.leg_ids:
        account.orders[leg_id].parent_id = new.id
        account.settle(account.orders[leg_id])


def follow(hands: Hands, account: Account, order: Order) -> None:
    """Do to the rest of a group what follows from one of its orders."""
    for other, step, status in consequences(account, order):
        if not other.is_open:
            continue
        match step:
            case Step.END:
                hands.close_order(other, status, status.value, alone=True)
            case Step.SHRINK:
                _resize(account, other, order.remaining_qty, hands.now)
            case Step.WATCH:
                hands.rest(other)
            case Step.ACTIVATE:
                _activate(hands, account, other)


def elect(hands: Hands, account: Account, stop: Order) -> None:
    """A held stop's price was reached: its twin ends, and it goes to the market itself."""
    other = twin(account, stop)
    if other is not None:
        hands.close_order(other, Status.CANCELED, "canceled", alone=True)
    stop.is_dormant = False
    if stop.status is Status.HELD:
        stop.status = Status.NEW
    hands.tell(stop, "new")


def _activate(hands: Hands, account: Account, leg: Order) -> None:
    """Send an exit order to the market, for what of the position is free."""
    qty = min(leg.remaining_qty, account.available_qty(leg.symbol))
    if qty <= 0:
        hands.close_order(leg, Status.CANCELED, "canceled")
        return
    for one in (leg, twin(account, leg)):
        if one is not None and qty < one.remaining_qty:
            _resize(account, one, qty, hands.now)
    leg.is_dormant = False
    hands.begin_work(leg)
    hands.try_soon(leg)


def _resize(account: Account, order: Order, remaining: Decimal, at: datetime) -> None:
    order.qty = order.goal_qty = order.filled_qty + remaining
    order.updated_at = at
    account.settle(order)


def _first_step(account: Account, leg: Order) -> Step:
    if leg.group_role == Role.STOP_LOSS and twin(account, leg) is not None:
        return Step.WATCH
    return Step.ACTIVATE


def _ending(status: Status) -> Status:
    return Status.EXPIRED if status is Status.EXPIRED else Status.CANCELED
