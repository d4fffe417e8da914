"""Where a dry run begins: a made-up account on a day of the past, or the account as it stands now.

Reads (GETs and the journal, read-only) and writes nothing. What follows from a scene is the core's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_daemon.core.brain import BENCHMARK, SignalsAnswer
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import (
    ZERO,
    Account,
    Asset,
    OpenOrder,
    Position,
    Quote,
    Session,
    Symbol,
)

from .stand_in import Scene, closing_quotes

if TYPE_CHECKING:
    from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
    from atlas_daemon.edges.quotes import LatestQuotes

CASH_DEFAULT = Decimal(10_000)
NANO = Decimal("1e-9")
"""The broker counts shares to so many places."""
ASSETS_AT_ONCE = 8
A_MOMENT = timedelta(seconds=1)

Compute = Callable[[date, Sequence[Symbol]], Awaitable[SignalsAnswer]]
"""Asks the slow brain for a signal session, with the symbols held."""


@dataclass(frozen=True, slots=True)
class When:
    """The two sessions of a run, and the moment it is asked for."""

    order: Session
    signal: Session
    at: datetime
    is_now: bool
    """True where the run could start at this very moment, on the market's own prices."""


def on_date(day: date, policy: Policy) -> When:
    """Return the run of the first session on or after `day`. Raises CalendarRangeError."""
    order = NYSE.next_session(day)
    return _at_open(order, policy)


def from_now(now: datetime, policy: Policy) -> When:
    """Return the run that would start next, seen from `now`.

    In a session too late to start one the next run's signal session is not over: AtlasError.
    """
    session = NYSE.session_at(now)
    if session is None or now < session.opens_at + policy.open_delay:
        coming = NYSE.next_session(now.astimezone(NEW_YORK).date())
        if coming.closes_at <= now:
            coming = NYSE.session_after(coming.day)
        return _at_open(coming, policy)
    if session.closes_at - now < policy.min_session_left:
        left_s = (session.closes_at - now).total_seconds()
        closes = session.closes_at.astimezone(NEW_YORK)
        raise AtlasError(
            f"too late for a run today ({left_s:.0f} s are left, limit "
            f"{policy.min_session_left.total_seconds():.0f} s), and the next run's signal session "
            f"ends at {closes:%H:%M} New York: ask again after that, or give --date"
        )
    return When(session, NYSE.session_before(session.day), now, is_now=True)


def _at_open(order: Session, policy: Policy) -> When:
    at = order.opens_at + policy.open_delay + A_MOMENT
    return When(order, NYSE.session_before(order.day), at, is_now=False)


def made_up_scene(
    when: When, answer: SignalsAnswer, cash: Decimal, held: Mapping[Symbol, Decimal]
) -> Scene:
    """Return an account of `cash` dollars and `held` shares, priced at the signal session's closes.

    `held` is counted as of that session; a split before the order session makes new shares of them.
    Every symbol is taken as tradable, and everything held as bought by us. Raises AtlasError that
    names the held symbols without a close.
    """
    closes = {Symbol(symbol): close for symbol, close in answer.closes.items()}
    without = [symbol for symbol in held if symbol not in closes]
    if without:
        raise AtlasError(
            f"--holdings: no as-traded close on {answer.signal_day} of {', '.join(without)}"
        )
    held, notes = _after_splits(held, answer)
    positions = tuple(
        Position(symbol, qty, closes[symbol], qty_available=qty, price=closes[symbol])
        for symbol, qty in sorted(held.items())
    )
    value = sum((position.value for position in positions), ZERO)
    return Scene(
        at=when.at,
        order_day=when.order.day,
        signal_day=when.signal.day,
        account=Account("", "ACTIVE", equity=cash + value, cash=cash, buying_power=cash),
        positions=positions,
        quotes=closing_quotes(closes, when.at),
        assets={symbol: Asset(symbol, tradable=True, fractionable=True) for symbol in closes},
        bought=dict(held),
        prices_from=f"as-traded closes of {when.signal.day}",
        notes=notes,
    )


def _after_splits(
    held: Mapping[Symbol, Decimal], answer: SignalsAnswer
) -> tuple[dict[Symbol, Decimal], tuple[str, ...]]:
    """Return shares as the order session counts them, and what to say where that is another count.

    What a reverse split leaves beyond nine decimals is cut.
    """
    after, notes = dict(held), []
    for symbol in sorted(held.keys() & answer.splits.keys()):
        qty = (held[symbol] * answer.splits[symbol]).quantize(NANO, ROUND_DOWN).normalize()
        after[symbol] = Decimal(f"{qty:f}")
        notes.append(f"{held[symbol]:f} {symbol} held are {qty:f} after the split")
    return after, tuple(notes)


@dataclass(frozen=True, slots=True)
class Desk:
    """The account as it stands: what was read of it before any signal was known."""

    account: Account
    positions: tuple[Position, ...]
    open_orders: tuple[OpenOrder, ...]

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The stocks held, in symbol order; options and crypto are left alone."""
        return tuple(sorted(p.symbol for p in self.positions if p.asset_class == "us_equity"))


async def read_desk(client: "AlpacaTradingClient") -> Desk:
    """Ask for account, positions and open orders. Raises the faults' errors."""
    account, positions, records = await asyncio.gather(
        client.get_account(), client.get_positions(), client.list_orders(status="open")
    )
    return Desk(account, positions, tuple(o for record in records for o in record.open_orders()))


async def real_scene(
    when: When,
    desk: Desk,
    answer: SignalsAnswer,
    client: "AlpacaTradingClient",
    quotes: "LatestQuotes",
    told: State,
) -> Scene:
    """Return the account as it stands, on the market's prices or, while it is closed, on closes.

    `told` is what the journal tells: what we bought, and the scale of live trading.
    """
    bought: Mapping[Symbol, Decimal] = told.book.bought
    lines = {*(pick.symbol for pick in answer.picks), *desk.symbols}
    assets = await _assets(client, sorted(lines))
    priced: Mapping[Symbol, Quote]
    positions, notes = desk.positions, tuple[str, ...]()
    if when.is_now:
        priced = {q.symbol: q for q in await quotes.get_quotes(sorted({*lines, BENCHMARK}))}
        source = "the market's latest quotes and trades"
    else:
        old = {p.symbol: p.qty for p in positions if _is_in_old_shares(p, answer)}
        after, notes = _after_splits(old, answer)
        positions = tuple(_split(p, after[p.symbol]) if p.symbol in old else p for p in positions)
        bought = {
            **bought,
            **_after_splits({s: q for s, q in bought.items() if s in old}, answer)[0],
        }
        closes = {Symbol(symbol): close for symbol, close in answer.closes.items()}
        priced = closing_quotes(closes, when.at)
        source = f"as-traded closes of {when.signal.day} (the market is closed)"
    return Scene(
        at=when.at,
        order_day=when.order.day,
        signal_day=when.signal.day,
        account=desk.account,
        positions=positions,
        open_orders=desk.open_orders,
        quotes=priced,
        assets=assets,
        bought=bought,
        scale=told.ramp.scale,
        is_hypothetical=False,
        prices_from=source,
        notes=notes,
    )


def _is_in_old_shares(position: Position, answer: SignalsAnswer) -> bool:
    """True where a split is to come that the broker has not booked: its price tells the count."""
    ratio, close = answer.splits.get(position.symbol), answer.closes.get(position.symbol)
    if ratio is None or close is None or position.price is None:
        return False
    return abs(position.price / close - ratio) < abs(position.price / close - 1)


def _split(position: Position, qty: Decimal) -> Position:
    """Return a position of the same value in `qty` shares."""
    ratio = qty / position.qty
    return replace(
        position,
        qty=qty,
        avg_entry_price=position.avg_entry_price / ratio,
        qty_available=position.qty_available * ratio,
        price=position.price / ratio if position.price is not None else None,
    )


async def _assets(client: "AlpacaTradingClient", symbols: Sequence[Symbol]) -> dict[Symbol, Asset]:
    gate = asyncio.Semaphore(ASSETS_AT_ONCE)

    async def one(symbol: Symbol) -> Asset | None:
        async with gate:
            return await client.get_asset(symbol)

    found = await asyncio.gather(*(one(symbol) for symbol in symbols))
    return {asset.symbol: asset for asset in found if asset is not None}


def recorded(journal_path: Path, now: datetime) -> State:
    """Return what the journal there tells; nothing but the time where there is no journal.

    Raises the journal's errors.
    """
    from atlas_daemon.bus import fold
    from atlas_daemon.journal import Journal

    if not journal_path.exists():
        return State(now=now)
    with Journal.open_readonly(journal_path) as journal:
        return fold(journal.read(), State(now=now))
