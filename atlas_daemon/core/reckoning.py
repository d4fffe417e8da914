"""What an activity does to our book: cash, shares, and the part of them that we bought.

Made of the state at the beginning of a turn and kept up as activities are booked in it. No events
are yielded here and nothing is asked.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from . import events as e
from .state import State
from .values import ZERO, Activity, Symbol

CASH_KINDS = frozenset(
    [
        "FEE",
        "CFEE",
        "INT",
        "INTNRA",
        "INTTW",
        "CSD",
        "CSW",
        "JNLC",
        "ACATC",
        "PTC",
        "PTR",
        "CIL",
        "TRANS",
        "WH",
    ]
)
"""Types that move money by `net_amount`; all that begin with DIV do too."""
FLOW_KINDS = frozenset(["CSD", "CSW", "JNLC", "ACATC", "TRANS", "JNLS", "ACATS"])
"""Types that bring value from outside or take it away: deposits, withdrawals, journals, transfers.

What they move is no gain and no loss. The last two move shares.
"""
SHARE_KINDS = frozenset(["SPLIT", "SSP", "SPIN", "SSO", "JNLS", "ACATS", "MA", "NC", "REORG"])
"""Types that move shares by `qty`: splits, spin-offs, journals, mergers, new names."""
SPLIT_KINDS = frozenset({"SPLIT", "SSP"})


def is_cash(activity: Activity) -> bool:
    """True for what moves money alone."""
    is_known = activity.kind in CASH_KINDS | SHARE_KINDS or activity.kind.startswith("DIV")
    return is_known and activity.net_amount is not None


def is_shares(activity: Activity) -> bool:
    """True for what moves shares."""
    return activity.kind in SHARE_KINDS and bool(activity.symbol) and bool(activity.qty)


def is_split(activity: Activity) -> bool:
    """True for more (or fewer) shares of the same company."""
    return activity.kind in SPLIT_KINDS


class Reckoning:
    """Our cash and positions as they will be when what is booked in this turn has happened."""

    def __init__(self, state: State) -> None:
        book = state.book
        self._held, self._bought = dict(book.positions), dict(book.bought)
        self._unnamed = book.unnamed_cash
        self._adopted, self._adopted_at = book.adopted, book.adopted_at
        self._filled: dict[str, Decimal] = {}

    def held_of(self, symbol: Symbol) -> Decimal:
        """Return the shares of a symbol."""
        return self._held.get(symbol, ZERO)

    def on_record(self, activity: Activity, note: str) -> e.ActivityBooked:
        """Return an entry that moves nothing."""
        return e.ActivityBooked(activity, ZERO, ZERO, (), is_explained=False, note=note)

    def money(self, activity: Activity) -> e.ActivityBooked:
        """Return what a fee, a dividend or a deposit does."""
        assert activity.net_amount is not None
        return self._booked(activity, activity.net_amount)

    def own_fill(self, activity: Activity, known: Decimal) -> e.ActivityBooked:
        """Return what a late fill of an order of a closed run adds to the `known` shares of it."""
        known = self._filled.get(activity.broker_order_id, known)
        sign, price, total = _sign(activity), activity.price, activity.cum_qty
        if not sign or price is None or total is None or total <= known:
            return self.on_record(activity, "unreadable")
        self._filled[activity.broker_order_id] = total
        qty = sign * (total - known)
        move = self._move(activity.symbol, qty, qty)
        booked = self._booked(activity, -qty * price, (move,), "late fill of ours")
        return replace(booked, order_filled_qty=total)

    def foreign_fill(self, activity: Activity) -> e.ActivityBooked:
        """Return what a trade of somebody else does; what it buys is not managed by us."""
        sign, price, qty = _sign(activity), activity.price, activity.qty
        if not sign or price is None or qty is None or not activity.symbol:
            return self.on_record(activity, "unreadable")
        adopted_at = self._adopted.get(activity.symbol)
        moves: tuple[e.Move, ...] = ()
        if adopted_at is None or activity.at is None or activity.at > adopted_at:
            moves = (self._move(activity.symbol, sign * qty),)
        return self._booked(activity, -sign * qty * price, moves, "manual trade")

    def fitting(
        self, symbol: Symbol, group: list[Activity], theirs: Mapping[Symbol, Decimal]
    ) -> list[e.ActivityBooked] | None:
        """Return what activities about a symbol's shares do where that explains its quantity."""
        names = [a for a in group if a.kind == "NC"]
        if names and (renamed := self._renamed(symbol, theirs)) is not None:
            return [self._rename(names[0], *renamed)]
        gap = theirs.get(symbol, ZERO) - self.held_of(symbol)
        if not gap and names == group and all(self._is_done(a) for a in names):
            return [self._booked(a, ZERO, (), "the other side of a new name") for a in names]
        if gap and sum((a.qty or ZERO for a in group), ZERO) == gap:
            if all(is_split(a) for a in group):
                # Alpaca tells the old shares out and the new ones in. Between the two nothing is
                # held: one step, or what we bought of them would be forgotten there.
                *sides, last = group
                told = [self._booked(a, ZERO, (), "one side of a split") for a in sides]
                return [*told, self._shares(last, gap)]
            return [self._shares(a, a.qty or ZERO) for a in group]
        last = group[-1]
        if gap and is_split(last) and last.qty == theirs.get(symbol, ZERO):
            # Told as the quantity after the split, not as its increase.
            return [self._shares(last, gap)]
        return None

    def _is_done(self, name_change: Activity) -> bool:
        """True for a side of a new name that the book shows already."""
        held, qty = self.held_of(name_change.symbol), name_change.qty or ZERO
        return held == qty if qty > 0 else not held

    def _shares(self, activity: Activity, qty: Decimal) -> e.ActivityBooked:
        symbol = activity.symbol
        held, bought = self.held_of(symbol), self._bought.get(symbol, ZERO)
        grown = bought * qty / held if is_split(activity) and held else ZERO
        move = self._move(symbol, qty, grown)
        return self._booked(activity, activity.net_amount or ZERO, (move,), "shares moved")

    def _renamed(
        self, symbol: Symbol, theirs: Mapping[Symbol, Decimal]
    ) -> tuple[Symbol, Symbol] | None:
        """Return the old and the new name where exactly one pair of positions fits."""
        gone = [s for s, q in sorted(self._held.items()) if q and s not in theirs]
        come = [s for s in sorted(theirs) if not self._held.get(s)]
        pairs = [
            (old, new)
            for old in gone
            for new in come
            if symbol in (old, new) and self._held[old] == theirs[new]
        ]
        return pairs[0] if len(pairs) == 1 else None

    def _rename(self, activity: Activity, old: Symbol, new: Symbol) -> e.ActivityBooked:
        qty, bought = self._held[old], self._bought.get(old, ZERO)
        moves = (self._move(old, -qty, -bought), self._move(new, qty, bought))
        return self._booked(activity, activity.net_amount or ZERO, moves, f"{old} is {new}")

    def _move(self, symbol: Symbol, qty: Decimal, bought: Decimal = ZERO) -> e.Move:
        """Return a move; what we bought never exceeds what is held after it."""
        held = self.held_of(symbol) + qty
        had = self._bought.get(symbol, ZERO)
        bought = max(ZERO, min(had + bought, held)) - had
        self._held[symbol], self._bought[symbol] = held, had + bought
        return e.Move(symbol, qty, bought)

    def _booked(
        self, activity: Activity, amount: Decimal, moves: tuple[e.Move, ...] = (), note: str = ""
    ) -> e.ActivityBooked:
        """Return the entry; cash that followed the broker's before is not moved once more."""
        named = ZERO
        if amount * self._unnamed > 0:
            named = min(amount, self._unnamed, key=abs)
            self._unnamed -= named
        return e.ActivityBooked(activity, amount - named, named, moves, True, note)


def _sign(activity: Activity) -> int:
    """Return +1 where shares came in, -1 where they went out, 0 where nobody can say."""
    if activity.side.startswith("buy"):
        return 1
    return -1 if activity.side.startswith("sell") else 0
