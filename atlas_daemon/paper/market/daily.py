"""A market made of daily bars: what `synthetic` and `replay` share.

Here a table of sessions becomes quotes, trades, adjusted bars and corporate actions. Where the
table comes from is the business of the two modules that build it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from math import log10
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar
from atlas_daemon.paper.market.intraday import minute_bars, printed
from atlas_daemon.paper.market.market import (
    ADJUSTMENTS,
    CorporateAction,
    MarketBar,
    MarketDataError,
    MarketQuote,
    MarketTrade,
    TimedBar,
)
from atlas_daemon.paper.market.path import DayPath, draw, draw_key

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

SPREAD_BPS_MIN = 1.0
SPREAD_BPS_MAX = 10.0
_NIGHT = timedelta(hours=4)


@dataclass(frozen=True, slots=True, eq=False)
class DailySeries:
    """One symbol's sessions, ascending, as traded on their day; all arrays are equally long."""

    symbol: str
    days: Ints
    """Proleptic ordinals (`date.toordinal`)."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Ints
    split: Floats
    """New shares for one old share on the effective day, 1 on every other."""
    dividend: Floats
    """Dollars per share on the ex-day (after a split of that day), 0 on every other."""


@dataclass(frozen=True, slots=True)
class _Print:
    """The tape of one symbol at one moment."""

    ticks: int
    tick: Decimal
    at: datetime
    second: int
    key: int
    dollar_volume: float


class DailyMarket:
    """The `Market` of a set of daily series; `seed` draws the way each day took."""

    def __init__(self, seed: int, series: Iterable[DailySeries], calendar: Calendar) -> None:
        self.seed = seed
        self.calendar = calendar
        self._series = {one.symbol: one for one in sorted(series, key=lambda one: one.symbol)}
        self._paths: dict[str, tuple[int, int, DayPath]] = {}
        self._sessions: dict[str, tuple[int, Floats]] = {}
        # The latest answers: prices change by the second, and who trades asks many times in one.
        self._quotes: dict[str, tuple[datetime, MarketQuote | None]] = {}
        self._trades: dict[str, tuple[datetime, MarketTrade | None]] = {}

    def symbols(self) -> tuple[str, ...]:
        """Every symbol, in order."""
        return tuple(self._series)

    def fractionable(self, symbol: str) -> bool:
        """True for every symbol of the data."""
        return symbol in self._series

    def quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        """The quote at `at`; around the last trade, 1 to 10 basis points and at least a tick wide.

        A session without volume is a halt: the quote of the session before stays.
        """
        second = at.replace(microsecond=0)
        kept = self._quotes.get(symbol)
        if kept is None or kept[0] != second:
            if symbol not in self._series:
                return None
            kept = self._quotes[symbol] = (second, self._quote(symbol, second))
        return kept[1]

    def trade(self, symbol: str, at: datetime) -> MarketTrade | None:
        """The last trade; in a session there is one each second, the last one at the close."""
        second = at.replace(microsecond=0)
        kept = self._trades.get(symbol)
        if kept is None or kept[0] != second:
            if symbol not in self._series:
                return None
            kept = self._trades[symbol] = (second, self._trade(symbol, second))
        return kept[1]

    def _quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        tape = self._print(symbol, at)
        if tape is None:
            return None
        width = _spread_ticks(tape)
        below = width // 2
        if width % 2 and draw(tape.key, 5 * tape.second + 4) < 0.5:
            below += 1  # the last trade was at the ask side of an odd spread, else at the bid side
        # A quote of a worthless share still has a bid of one tick.
        bid = max(tape.ticks - below, 1)
        ask = max(tape.ticks - below + width, bid + 1)
        return MarketQuote(
            bid=bid * tape.tick,
            ask=ask * tape.tick,
            bid_size=100 * (1 + int(20 * draw(tape.key, 5 * tape.second + 5) ** 2)),
            ask_size=100 * (1 + int(20 * draw(tape.key, 5 * tape.second + 6) ** 2)),
            at=tape.at,
        )

    def _trade(self, symbol: str, at: datetime) -> MarketTrade | None:
        tape = self._print(symbol, at)
        if tape is None:
            return None
        size = 1 + int(400 * draw(tape.key, 5 * tape.second + 7) ** 3)
        return MarketTrade(price=tape.ticks * tape.tick, size=size, at=tape.at)

    def bars(
        self, symbol: str, first: date, last: date, adjustment: str, at: datetime
    ) -> list[MarketBar]:
        """Completed sessions of [first, last], adjusted for what is known at `at`.

        A dividend lowers all earlier prices by dividend / previous close, the vendors' formula; a
        split divides them and multiplies volumes. Adjusted prices carry 4 decimals, below $1 six.
        """
        if adjustment not in ADJUSTMENTS:
            known = ", ".join(ADJUSTMENTS)
            raise MarketDataError(f"adjustment {adjustment!r} is none of {known}")
        one = self._series.get(symbol)
        opened = self.calendar.last_opened(at)
        if one is None or opened is None:
            return []
        # The running session is left out by its side: its bar is not over yet.
        over = opened.day.toordinal() + (at >= opened.closes_at)
        begin = int(np.searchsorted(one.days, first.toordinal(), "left"))
        end = int(np.searchsorted(one.days, min(last.toordinal() + 1, over), "left"))
        if begin >= end:
            return []
        price, shares = _adjustments(one, adjustment, at.astimezone(NEW_YORK).date())
        window = slice(begin, end)
        columns = [
            _decimals(column[window] * price[window], raw=adjustment == "raw")
            for column in (one.open, one.high, one.low, one.close)
        ]
        volumes = np.rint(one.volume[window] * shares[window]).astype(np.int64).tolist()
        days = [date.fromordinal(day) for day in one.days[window].tolist()]
        return [MarketBar(*row) for row in zip(days, *columns, volumes, strict=True)]

    def minutes(
        self, symbol: str, day: date, size: int, adjustment: str, at: datetime, newest: int = 0
    ) -> list[TimedBar] | None:
        """The minutes of one session that were over at `at`, `size` to a bar."""
        one = self._series.get(symbol)
        ordinal = day.toordinal()
        index = int(np.searchsorted(one.days, ordinal)) if one is not None else 0
        if one is None or index == len(one.days) or one.days[index] != ordinal:
            return []
        session = self.calendar.session_of(day)
        assert session is not None, f"{symbol} has a bar on {day}, which is no session"
        length_s = int((session.closes_at - session.opens_at).total_seconds())
        over = min(int((at - session.opens_at).total_seconds()), length_s) // 60
        if over <= 0 or not one.volume[index]:
            return []
        kept = self._sessions.get(symbol)
        if kept is None or kept[0] != index:
            _, path = self._path(one, index, length_s)
            kept = self._sessions[symbol] = (index, printed(path))
        price, shares = _adjustments(one, adjustment, at.astimezone(NEW_YORK).date())
        return minute_bars(
            kept[1],
            session.opens_at,
            over,
            size,
            newest,
            volume=int(one.volume[index]),
            price_factor=float(price[index]),
            volume_factor=float(shares[index]),
        )

    def actions(self, first: date, last: date) -> list[CorporateAction]:
        """Splits and dividends with an ex-day in [first, last], by day and symbol."""
        days, rows = self._marked
        begin = bisect_left(days, first.toordinal())
        end = bisect_right(days, last.toordinal())
        return [a for one, index in rows[begin:end] for a in _actions_of(one, index)]

    @cached_property
    def _marked(self) -> tuple[list[int], list[tuple[DailySeries, int]]]:
        """Every row with an action, by day and symbol: the days, and series with the row's index.

        Asked for once a day by who lives through years; then each series is looked at once.
        """
        found = [
            (int(one.days[index]), one.symbol, index)
            for one in self._series.values()
            for index in np.flatnonzero((one.split != 1) | (one.dividend > 0)).tolist()
        ]
        found.sort()
        rows = [(self._series[symbol], index) for _, symbol, index in found]
        return [day for day, _, _ in found], rows

    def _print(self, symbol: str, at: datetime) -> _Print | None:
        one = self._series.get(symbol)
        session = self.calendar.last_opened(at)
        if one is None or session is None:
            return None
        index = int(np.searchsorted(one.days, session.day.toordinal(), "right")) - 1
        while index >= 0 and one.volume[index] == 0:
            index -= 1
        if index < 0:
            return None
        day = date.fromordinal(int(one.days[index]))
        if day != session.day:
            older = self.calendar.session_of(day)
            assert older is not None, f"{symbol} has a bar on {day}, which is no session"
            session = older
        length_s = int((session.closes_at - session.opens_at).total_seconds())
        key, path = self._path(one, index, length_s)
        since = _splits_since(one, index, at) if at > session.closes_at else 1.0
        second = min(int((at - session.opens_at).total_seconds()), length_s)
        price = path.price(second) / since
        tick = Decimal("0.01") if price >= 1 else Decimal("0.0001")
        return _Print(
            ticks=round(price / float(tick)),
            tick=tick,
            at=session.opens_at + timedelta(seconds=second),
            second=second,
            key=key,
            dollar_volume=float(one.close[index] * one.volume[index]),
        )

    def _path(self, one: DailySeries, index: int, length_s: int) -> tuple[int, DayPath]:
        """The day's path; the last one of each symbol is kept, as time mostly goes forward."""
        kept = self._paths.get(one.symbol)
        if kept is not None and kept[0] == index:
            return kept[1], kept[2]
        key = draw_key(self.seed, one.symbol, int(one.days[index]))
        path = DayPath(
            key,
            opened=float(one.open[index]),
            high=float(one.high[index]),
            low=float(one.low[index]),
            close=float(one.close[index]),
            length_s=length_s,
        )
        self._paths[one.symbol] = (index, key, path)
        return key, path


def _splits_since(one: DailySeries, index: int, at: datetime) -> float:
    """New shares for one old share since that session.

    The price follows a split when the shares do: at 04:00 in New York, where early trading begins.
    """
    today = (at.astimezone(NEW_YORK) - _NIGHT).date().toordinal()
    ratio = 1.0
    index += 1
    while index < len(one.days) and one.days[index] <= today:
        ratio *= float(one.split[index])
        index += 1
    return ratio


def as_ticks(prices: npt.NDArray[Any]) -> Floats:
    """Round to what an exchange prints: cents, below $1 four decimals."""
    wide = prices.astype(np.float64)
    return np.where(wide >= 1, np.round(wide, 2), np.round(wide, 4))


def check_sessions(symbol: str, days: Ints, calendar: Calendar) -> None:
    """Raise `MarketDataError` where `days` does not ascend or names a day without a session."""
    back = np.flatnonzero(np.diff(days) <= 0)
    if back.size:
        day = date.fromordinal(int(days[back[0] + 1]))
        raise MarketDataError(f"{symbol} has two rows for {day}")
    known = np.array(
        [
            session.day.toordinal()
            for session in calendar.sessions(
                date.fromordinal(int(days[0])), date.fromordinal(int(days[-1]))
            )
        ],
        dtype=np.int64,
    )
    stray = np.setdiff1d(days, known)
    if stray.size:
        day = date.fromordinal(int(stray[0]))
        raise MarketDataError(f"{symbol} has a row for {day}, which is no NYSE session")


def _spread_ticks(tape: _Print) -> int:
    """The spread in ticks: the more dollars a day trades, the tighter; never below one tick."""
    usual = SPREAD_BPS_MAX - 3 * (log10(max(tape.dollar_volume, 1.0)) - 7)
    jitter = 0.8 + 0.4 * draw(tape.key, 5 * tape.second + 3)
    bps = min(max(usual * jitter, SPREAD_BPS_MIN), SPREAD_BPS_MAX)
    return max(1, int(tape.ticks * bps / 10_000))


def _adjustments(one: DailySeries, adjustment: str, today: date) -> tuple[Floats, Floats]:
    """Factors of every session's prices and volumes for the actions with ex-day <= `today`."""
    known = one.days <= today.toordinal()
    split = np.where(known, one.split, 1.0) if adjustment in ("split", "all") else None
    shares = np.ones(len(one.days)) if split is None else _product_of_later(split)
    price = 1 / shares
    if adjustment in ("dividend", "all"):
        before = np.empty(len(one.days))
        before[:1] = np.inf  # nothing precedes the first session
        # A dividend on the day of a split is paid on new shares: compare it with their price.
        before[1:] = one.close[:-1] / one.split[1:]
        price = price * _product_of_later(np.where(known, 1 - one.dividend / before, 1.0))
    return price, shares


def _product_of_later(factors: Floats) -> Floats:
    """For each place the product of all factors that stand after it."""
    product = np.ones(len(factors))
    product[:-1] = np.cumprod(factors[:0:-1])[::-1]
    return product


def _decimals(values: Floats, *, raw: bool) -> list[Decimal]:
    if raw:
        return [Decimal(f"{x:.2f}" if x >= 1 else f"{x:.4f}") for x in values.tolist()]
    return [Decimal(f"{x:.4f}" if x >= 1 else f"{x:.6f}") for x in values.tolist()]


def _actions_of(one: DailySeries, index: int) -> Iterable[CorporateAction]:
    day = date.fromordinal(int(one.days[index]))
    ratio = float(one.split[index])
    if ratio != 1:
        kind = "forward_split" if ratio > 1 else "reverse_split"
        yield CorporateAction(kind, one.symbol, day, _plain(ratio), None)
    if one.dividend[index] > 0:
        amount = _plain(float(one.dividend[index]))
        yield CorporateAction("cash_dividend", one.symbol, day, None, amount)


def _plain(value: float) -> Decimal:
    """Six decimals at most, without trailing zeros."""
    return Decimal(f"{value:.6f}".rstrip("0").rstrip("."))
