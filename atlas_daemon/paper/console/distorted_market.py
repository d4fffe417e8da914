"""The market with what was done to its prices: jumps, splits, new names.

A layer over any market. Where nothing was done it only asks on; what was done is a function of
time as well, so the past stays as it was.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import replace
from datetime import date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal

from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.market.market import (
    CorporateAction,
    Market,
    MarketBar,
    MarketQuote,
    MarketTrade,
    TimedBar,
)

_CENT, _SMALL = Decimal("0.01"), Decimal("0.0001")
_ONE = Decimal(1)
_MOST = Decimal(10) ** 9
"""No price is higher, whatever was done to it."""
_DAY_BEGINS_AT = time(4)
SPLITS = ("forward_split", "reverse_split")
_ENDS = ("name_change", "cash_merger", "stock_merger", "stock_and_cash_merger", "worthless_removal")


class DistortedMarket:
    """Implements `Market`."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._jumps: dict[str, list[tuple[datetime, Decimal]]] = {}
        self._actions: list[CorporateAction] = []
        self._names: dict[str, str] = {}

    # What is done to it.

    def jump(self, symbol: str, factor: Decimal, at: datetime) -> None:
        """Multiply a price from a moment on."""
        insort(self._jumps.setdefault(self._origin(symbol), []), (at, factor))

    def act(self, action: CorporateAction) -> None:
        """Let a company act on a day to come: a split takes its price along, a new name has it."""
        self._actions.append(action)
        if action.kind == "name_change":
            self._names[action.new_symbol] = self._origin(action.symbol)

    # What it tells.

    def symbols(self) -> tuple[str, ...]:
        """Every symbol, the new names too."""
        if not self._names:
            return self._market.symbols()
        return tuple(sorted({*self._market.symbols(), *self._names}))

    def quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        """As `Market.quote`; none for a name that was given up."""
        if self._actions and self._is_gone(symbol, at):
            return None
        quote = self._market.quote(self._origin(symbol), at)
        if quote is None or (factor := self._factor(symbol, at)) == _ONE:
            return quote
        bid = _scaled(quote.bid, factor)
        # A spread that rounding has closed would be a locked market that nobody asked for.
        ask = max(_scaled(quote.ask, factor), bid + (_CENT if bid >= 1 else _SMALL))
        return replace(quote, bid=bid, ask=ask)

    def trade(self, symbol: str, at: datetime) -> MarketTrade | None:
        """As `Market.trade`."""
        trade = self._market.trade(self._origin(symbol), at)
        if trade is None or (factor := self._factor(symbol, at)) == _ONE:
            return trade
        return replace(trade, price=_scaled(trade.price, factor))

    def bars(
        self, symbol: str, first: date, last: date, adjustment: str, at: datetime
    ) -> list[MarketBar]:
        """As `Market.bars`: a jump is in its own session's close, a split is adjusted if asked.

        A name that was given up has none from that day on.
        """
        bars = self._market.bars(self._origin(symbol), first, last, adjustment, at)
        if not self._jumps and not self._actions:
            return bars
        bars = [bar for bar in bars if not self._is_gone(symbol, _end_of(bar.day))]
        is_adjusted = adjustment in ("split", "all")
        return [self._bar(symbol, bar, at if is_adjusted else None) for bar in bars]

    def actions(self, first: date, last: date) -> list[CorporateAction]:
        """As `Market.actions`."""
        actions = self._market.actions(first, last)
        if not self._actions:
            return actions
        ours = [a for a in self._actions if first <= a.ex_day <= last]
        return sorted([*actions, *ours], key=lambda a: (a.ex_day, a.symbol))

    def minutes(
        self, symbol: str, day: date, size: int, adjustment: str, at: datetime, newest: int = 0
    ) -> list[TimedBar] | None:
        """As `Market.minutes`."""
        bars = self._market.minutes(self._origin(symbol), day, size, adjustment, at, newest)
        if not bars or (not self._jumps and not self._actions):
            return bars
        if self._is_gone(symbol, _end_of(day)):
            return []
        by = _ONE
        if adjustment in ("split", "all"):
            ends = _end_of(day)
            by = self._split_by(symbol, at) / self._split_by(symbol, ends)
        return [_timed(bar, self._factor(symbol, bar.at) / by) for bar in bars]

    def fractionable(self, symbol: str) -> bool:
        """As `Market.fractionable`."""
        return self._market.fractionable(self._origin(symbol))

    def _origin(self, symbol: str) -> str:
        return self._names.get(symbol, symbol)

    def _factor(self, symbol: str, at: datetime) -> Decimal:
        if not self._jumps and not self._actions:
            return _ONE
        factor = _ONE
        for since, times in self._jumps.get(self._origin(symbol), ()):
            if since <= at:
                factor *= times
        return factor / self._split_by(symbol, at)

    def _split_by(self, symbol: str, at: datetime) -> Decimal:
        """How many shares one old share has become by then."""
        shares = _ONE
        for action in self._actions:
            is_its = self._origin(action.symbol) == self._origin(symbol)
            is_split = is_its and action.kind in SPLITS
            if is_split and action.ratio is not None and _effective_at(action) <= at:
                shares *= action.ratio
        return shares

    def _is_gone(self, symbol: str, at: datetime) -> bool:
        """True from the day on that a name is given up, by a new one or by a merger."""
        return any(
            action.symbol == symbol and action.kind in _ENDS and _effective_at(action) <= at
            for action in self._actions
        )

    def _bar(self, symbol: str, bar: MarketBar, adjusted_at: datetime | None) -> MarketBar:
        begins = datetime.combine(bar.day, _DAY_BEGINS_AT, NEW_YORK)
        ends = _end_of(bar.day)
        opened, closed = self._factor(symbol, begins), self._factor(symbol, ends)
        if adjusted_at is not None:
            later = self._split_by(symbol, adjusted_at) / self._split_by(symbol, ends)
            opened, closed = opened / later, closed / later
        if opened == closed == _ONE:
            return bar
        factors = (opened, closed)
        return replace(
            bar,
            open=_scaled(bar.open, opened),
            high=_scaled(bar.high, max(factors)),
            low=_scaled(bar.low, min(factors)),
            close=_scaled(bar.close, closed),
        )


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59), NEW_YORK)


def _timed(bar: TimedBar, factor: Decimal) -> TimedBar:
    return replace(
        bar,
        open=_scaled(bar.open, factor),
        high=_scaled(bar.high, factor),
        low=_scaled(bar.low, factor),
        close=_scaled(bar.close, factor),
    )


def _effective_at(action: CorporateAction) -> datetime:
    """When shares and price change: as the day's trading begins."""
    return datetime.combine(action.ex_day, _DAY_BEGINS_AT, NEW_YORK)


def _scaled(price: Decimal, factor: Decimal) -> Decimal:
    value = min(price * factor, _MOST)
    step = _CENT if value >= 1 else _SMALL
    return max(value.quantize(step, ROUND_HALF_EVEN), step)
