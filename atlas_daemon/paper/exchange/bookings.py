"""An account's activities: how one is dated, named and put on record.

Whatever moves money or shares of an account, trades included, ends here as one `Activity`. What is
moved, and why, is decided by those who call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.orders import CENT, ZERO, Activity, id_of
from atlas_daemon.paper.market.calendar import NEW_YORK

_SHARE_KINDS = frozenset({"SPLIT", "NC", "MA", "SPIN", "REORG"})


def activity_id(at: datetime, unique: str) -> str:
    """A trade's odd id: New York *local* time in milliseconds, two colons, a UUID."""
    return f"{at.astimezone(NEW_YORK):%Y%m%d%H%M%S%f}"[:17] + f"::{unique}"


def book(account: Account, line: Activity) -> Activity:
    """Enter what is no trade, under an id of its own; its `day` is today's unless it has one.

    Such an id begins with the New York midnight of the day it is booked on.
    """
    account.activity_count += 1
    day = line.day or line.at.astimezone(NEW_YORK).date()
    unique = id_of(account.id, line.kind, account.activity_count)
    booked = replace(line, id=f"{day:%Y%m%d}000000000::{unique}", day=day)
    account.activities.append(booked)
    return booked


def move_money(
    account: Account,
    kind: str,
    amount: Decimal,
    at: datetime,
    *,
    symbol: str | None = None,
    qty: Decimal | None = None,
    description: str = "",
    sub_type: str = "",
    day: date | None = None,
    per_share: Decimal | None = None,
    details: dict[str, str] | None = None,
) -> Activity:
    """Add dollars (negative: take them), in whole cents, and book an activity of that kind."""
    amount = amount.quantize(CENT, ROUND_HALF_EVEN)
    account.cash += amount
    line = Activity(
        id="",
        kind=kind,
        at=at,
        symbol=symbol,
        qty=qty,
        net_amount=amount,
        description=description,
        sub_type=sub_type,
        day=day,
        per_share=per_share,
        details=details,
    )
    return book(account, line)


def cash_moved(line: Activity) -> Decimal:
    """What an activity did to the cash, in dollars."""
    if line.kind != "FILL":
        return line.net_amount or ZERO
    amount = ((line.qty or ZERO) * (line.price or ZERO)).quantize(CENT, ROUND_HALF_EVEN)
    return amount if line.side == "sell" else -amount


def shares_moved(line: Activity) -> Decimal:
    """What an activity did to the shares of its symbol; cash dividends name shares, move none."""
    qty = line.qty or ZERO
    if line.kind == "FILL":
        return -qty if line.side == "sell" else qty
    return qty if line.kind in _SHARE_KINDS or line.sub_type == "SDIV" else ZERO
