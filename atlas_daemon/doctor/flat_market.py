"""A market that stands still: each symbol at one price, all day. The local broker plays on it."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from atlas_daemon.paper.market.market import (
    CorporateAction,
    MarketBar,
    MarketQuote,
    MarketTrade,
    TimedBar,
)

SIZE = 1_000_000
"""Shares on either side: today's plan is rehearsed, not the depth of a market."""
CENT, SUB_PENNY = Decimal("0.01"), Decimal("0.0001")


class FlatMarket:
    """`prices` by symbol, each above 0; the quote is a tick around the price."""

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        self._prices = dict(sorted(prices.items()))

    def symbols(self) -> tuple[str, ...]:
        """Every symbol, in order."""
        return tuple(self._prices)

    def quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        """A tick below and above the price, true at `at`."""
        price = self._prices.get(symbol)
        if price is None:
            return None
        tick = CENT if price >= 1 else SUB_PENNY
        price = max(price.quantize(tick), 2 * tick)
        return MarketQuote(price - tick, price + tick, SIZE, SIZE, at)

    def trade(self, symbol: str, at: datetime) -> MarketTrade | None:
        """A trade at the price, at `at`."""
        price = self._prices.get(symbol)
        return None if price is None else MarketTrade(price, SIZE, at)

    def bars(
        self, symbol: str, first: date, last: date, adjustment: str, at: datetime
    ) -> list[MarketBar]:
        """None: whoever rehearses has its signals already."""
        return []

    def minutes(
        self, symbol: str, day: date, size: int, adjustment: str, at: datetime, newest: int = 0
    ) -> list[TimedBar] | None:
        """A market of sessions only."""
        return None

    def actions(self, first: date, last: date) -> list[CorporateAction]:
        """None ever."""
        return []

    def fractionable(self, symbol: str) -> bool:
        """True for every symbol known."""
        return symbol in self._prices
