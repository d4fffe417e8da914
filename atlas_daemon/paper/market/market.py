"""What the local broker's exchange asks of a market: quotes, trades, daily bars, corporate actions.

Only the vocabulary and the Protocol live here; `synthetic` invents a market, `replay` plays one
back. Prices are as traded on their day (`Decimal`, cents; below $1 four decimals), sizes and
volumes whole shares, moments aware UTC, days New York dates. A market is a pure function of its
inputs: the same question gets the same answer, in any order, in any process.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

ADJUSTMENTS = ("raw", "split", "dividend", "all")
"""What `Market.bars` accepts, in the spelling of Alpaca's `adjustment`."""


class MarketDataError(Exception):
    """The data, or a question about it, is wrong. Its text is one line meant for a person."""


@dataclass(frozen=True, slots=True)
class MarketQuote:
    """Best bid and ask with their sizes in shares; `at` is when they were last true."""

    bid: Decimal
    ask: Decimal
    bid_size: int
    ask_size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class MarketTrade:
    """One print of the tape."""

    price: Decimal
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class MarketBar:
    """One completed session."""

    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass(frozen=True, slots=True)
class TimedBar:
    """A part of a session, or several sessions: `at` is where it begins."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """What a company does to its shares, effective at New York midnight that begins `ex_day`."""

    kind: str
    """Alpaca's word: `forward_split`, `reverse_split`, `cash_dividend`, `stock_dividend`,
    `name_change`, `cash_merger`, `stock_merger`, `stock_and_cash_merger`, `spin_off` or
    `worthless_removal`. The markets of this package have splits and cash dividends only.
    """
    symbol: str
    ex_day: date
    ratio: Decimal | None
    """New shares for one old share (10 for 10:1, 0.1 for 1:10); of a stock dividend or a spin-off
    the shares that come on top. None where only dollars move.
    """
    amount: Decimal | None
    """Dollars for each share held after a split of the same day; None where none are paid."""
    new_symbol: str = ""
    """The new name, the acquirer, or the company spun off."""


class Market(Protocol):
    """A source of prices. An unknown symbol has no quote, no trade, no bars and no actions."""

    def symbols(self) -> tuple[str, ...]:
        """Every symbol, in order, in Alpaca's spelling (BRK.B)."""
        ...

    def quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        """The quote in force at `at`, as traded; None where nothing is known yet.

        Outside sessions it is the last session's closing quote, stamped at that close.
        """
        ...

    def trade(self, symbol: str, at: datetime) -> MarketTrade | None:
        """The last trade at or before `at`, as traded; None where nothing is known yet."""
        ...

    def bars(
        self, symbol: str, first: date, last: date, adjustment: str, at: datetime
    ) -> list[MarketBar]:
        """Sessions of [first, last] that closed at or before `at`, ascending.

        `adjustment` is one of `ADJUSTMENTS`; actions with an ex-day after `at` are unknown.
        Raises `MarketDataError` for another adjustment.
        """
        ...

    def minutes(
        self, symbol: str, day: date, size: int, adjustment: str, at: datetime, newest: int = 0
    ) -> list[TimedBar] | None:
        """The minutes of one session that were over at `at`, `size` to a bar, ascending.

        Bars begin at multiples of `size` minutes after New York midnight; the last one may lack
        minutes that are to come. With `newest` only the last so many bars. None where this market
        knows sessions only. Adjusted as `bars`.
        """
        ...

    def actions(self, first: date, last: date) -> list[CorporateAction]:
        """Actions with an ex-day in [first, last], by day and symbol."""
        ...

    def fractionable(self, symbol: str) -> bool:
        """True where the symbol is known and trades in fractions."""
        ...
