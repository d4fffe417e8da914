"""Latest quotes and trades of many symbols, from Alpaca's market data API.

What a price is worth (age, spread, band) is decided in the core; here it is only fetched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import msgspec

from atlas_daemon.core.values import Quote, Symbol
from atlas_daemon.edges.alpaca.scalars import WireError, moment, number, read
from atlas_daemon.edges.alpaca.shapes import Text
from atlas_daemon.edges.alpaca.ticket import symbol_of

T = TypeVar("T")

Trade = tuple[Decimal | None, datetime | None]
"""Price and moment of a trade."""

CHUNK_MAX = 100
"""Symbols in one request: keeps the address well below the length that proxies cut."""


class MarketData(Protocol):
    """Whoever can ask the market data API (the trading client)."""

    async def get_data(
        self, path: str, decode: Callable[[bytes], T], params: Mapping[str, str]
    ) -> T:
        """Return the decoded answer; raises the faults' errors."""


class QuoteWire(msgspec.Struct):
    """A latest quote: moment, bid price, ask price."""

    t: Any = None
    bp: Any = None
    ap: Any = None


class TradeWire(msgspec.Struct):
    """A latest trade: moment, price."""

    t: Any = None
    p: Any = None


class _Quotes(msgspec.Struct):
    quotes: dict[Text, QuoteWire | None]


class _Trades(msgspec.Struct):
    trades: dict[Text, TradeWire | None]


class LatestQuotes:
    """Asks for the latest quote and trade of each symbol, on one feed."""

    def __init__(self, data: MarketData, feed: str = "iex") -> None:
        self._data = data
        self.feed = feed
        """May be changed at any time: the next question asks there."""

    async def get_quotes(self, symbols: Sequence[str]) -> tuple[Quote, ...]:
        """Return what is known, in the order asked; a symbol without quote and trade is absent.

        Raises the faults' errors, and RefusedError on a text that is no symbol.
        """
        names = list(dict.fromkeys(symbol_of(symbol) for symbol in symbols))
        found: list[Quote] = []
        for start in range(0, len(names), CHUNK_MAX):
            chunk = names[start : start + CHUNK_MAX]
            params = {"symbols": ",".join(chunk), "feed": self.feed}
            quotes = await self._data.get_data("/v2/stocks/quotes/latest", latest_quotes, params)
            trades = await self._data.get_data("/v2/stocks/trades/latest", latest_trades, params)
            for name in chunk:
                if name in quotes or name in trades:
                    quote = quotes.get(name, Quote(name, None, None, None))
                    last, last_at = trades.get(name, (None, None))
                    found.append(replace(quote, last=last, last_at=last_at))
        return tuple(found)


def latest_quotes(body: bytes) -> dict[str, Quote]:
    """Read the latest quotes by symbol; symbols that Alpaca answers with null are left out."""
    wire = read(body, _Quotes, "latest quotes").quotes
    return {
        name: Quote(
            symbol=Symbol(name),
            bid=_price(quote.bp, f"{name} bid"),
            ask=_price(quote.ap, f"{name} ask"),
            quoted_at=moment(quote.t, f"{name} quote time"),
        )
        for name, quote in wire.items()
        if quote is not None
    }


def latest_trades(body: bytes) -> dict[str, Trade]:
    """Read the latest trades by symbol; symbols that Alpaca answers with null are left out."""
    wire = read(body, _Trades, "latest trades").trades
    return {
        name: (_price(trade.p, f"{name} trade"), moment(trade.t, f"{name} trade time"))
        for name, trade in wire.items()
        if trade is not None
    }


def _price(raw: object, field: str) -> Decimal | None:
    """Alpaca writes 0 for an empty side of the book: no price, not a price of nothing."""
    value = number(raw, field)
    if value is not None and value < 0:
        raise WireError(f"{field}: {value} is negative")
    return value or None
