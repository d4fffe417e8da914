"""An invented market: real tickers, made-up prices, one world per seed.

Daily returns are a market factor with slowly changing volatility, a sector factor and each name's
own noise with fat tails; the drift is upward, so that leaders near their 52-week high are the rule.
Names pay quarterly dividends and split now and then. None of it is a forecast of anything.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from atlas_daemon.paper.market.calendar import FIRST_DAY, LAST_DAY, Calendar
from atlas_daemon.paper.market.daily import DailyMarket, DailySeries, Floats, as_ticks
from atlas_daemon.paper.market.market import MarketDataError
from atlas_daemon.paper.market.path import draw, draw_key

HISTORY_YEARS = 2
"""Full calendar years of history before the year of the first usable day."""
INDEX_SYMBOL = "SPY"
SECTORS: Mapping[str, str] = MappingProxyType(
    {
        "technology": (
            "AAPL MSFT NVDA GOOGL META TSLA AVGO ORCL AMD CRM ADBE NFLX INTC CSCO ACN IBM NOW QCOM "
            "TXN INTU AMAT MU LRCX KLAC SNPS CDNS MCHP FTNT PANW CRWD"
        ),
        "health": (
            "UNH JNJ LLY ABBV MRK TMO ABT DHR PFE BMY AMGN CVS MDT GILD CI REGN SYK VRTX ZTS HUM"
        ),
        "financials": (
            "JPM BAC WFC GS MS C BLK SCHW CB AXP PNC USB TFC COF BK AIG MET AFL PRU ALL BRK.B V MA"
        ),
        "consumer": "AMZN WMT PG COST HD KO PEP MCD DIS",
        "energy": "XOM CVX",
    }
)
"""The names of every built-in universe, by sector."""

_SECTOR_OF: Mapping[str, str] = MappingProxyType(
    {INDEX_SYMBOL: "index"}
    | {name: sector for sector, names in SECTORS.items() for name in names.split()}
)
_YEAR = 252
_MARKET_DRIFT = 0.18
_MARKET_VOLATILITY = 0.11
_SECTOR_VOLATILITY = 0.06
_TECHNOLOGY_DRIFT = 0.07  # on top of the market's
_NOISES = 6  # normal draws of each name and day


class SyntheticMarket(DailyMarket):
    """The market of one seed, usable in [first_day, last_day] (New York dates).

    History begins on 1 January two years before the year of `first_day`, 500 sessions or more. The
    same seed, symbols and year of `first_day` give the same prices, however far `last_day` lies.
    Without `symbols` it holds SPY and every name of `SECTORS`. Raises `MarketDataError` for an
    empty span.
    """

    def __init__(
        self,
        seed: int,
        first_day: date,
        last_day: date,
        symbols: Sequence[str] | None = None,
        *,
        calendar: Calendar | None = None,
    ) -> None:
        if first_day > last_day:
            raise MarketDataError(f"market: {first_day} is after {last_day}")
        begin = date(first_day.year - HISTORY_YEARS, 1, 1)
        calendar = calendar or Calendar(min(begin, FIRST_DAY), max(last_day, LAST_DAY))
        days = [session.day for session in calendar.sessions(begin, last_day)]
        names = sorted(set(symbols)) if symbols is not None else sorted(_SECTOR_OF)
        if not days or not names:
            raise MarketDataError(f"market: nothing to trade between {begin} and {last_day}")
        super().__init__(seed, _World(seed, names, days).series(), calendar)


class _World:
    """Arrays of shape (sessions, names), grown day by day so that a longer span begins the same."""

    def __init__(self, seed: int, names: list[str], days: list[date]) -> None:
        self._seed = seed
        self._names = names
        self._days = days
        self._start = np.array([self._start_price(name) for name in names])
        self._noise = np.stack(
            [self._normals("name", name, width=_NOISES) for name in names], axis=1
        )
        self._own = np.array([self._own_volatility(name) for name in names])

    def series(self) -> list[DailySeries]:
        """Every name's sessions, as traded."""
        returns = self._returns()
        yields = np.stack([self._yields(name) for name in self._names], axis=1)
        level = self._start * np.cumprod(np.exp(returns) * (1 - yields), axis=0)
        before = np.vstack([self._start[None, :], level[:-1]])
        split = self._splits(level)
        held = np.cumprod(split, axis=0)  # shares that one first-day share has become

        daily = np.hypot(self._own, _MARKET_VOLATILITY) / np.sqrt(_YEAR)
        gap = 0.3 * returns + 0.2 * daily * self._noise[:, :, 2]
        opened = before * (1 - yields) * np.exp(gap)
        high = np.maximum(opened, level) * np.exp(0.4 * daily * np.abs(self._noise[:, :, 3]))
        low = np.minimum(opened, level) * np.exp(-0.4 * daily * np.abs(self._noise[:, :, 4]))
        busy = np.exp(0.3 * self._noise[:, :, 5] + 0.5 * np.abs(returns) / daily)
        dollars = np.array([self._usual_dollars(name) for name in self._names])
        volume = np.maximum(np.rint(dollars * busy / (level / held)), 100).astype(np.int64)
        dividend = np.round(yields * before / held, 2)

        ordinals = np.array([day.toordinal() for day in self._days], dtype=np.int64)
        return [
            DailySeries(
                symbol=name,
                days=ordinals,
                open=as_ticks(opened[:, n] / held[:, n]),
                high=as_ticks(high[:, n] / held[:, n]),
                low=as_ticks(low[:, n] / held[:, n]),
                close=as_ticks(level[:, n] / held[:, n]),
                volume=np.ascontiguousarray(volume[:, n]),
                split=np.ascontiguousarray(split[:, n]),
                dividend=np.ascontiguousarray(dividend[:, n]),
            )
            for n, name in enumerate(self._names)
        ]

    def _returns(self) -> Floats:
        """Log returns before dividends."""
        shocks = self._normals("market", width=2)
        mood = np.empty(len(self._days))  # log of the volatility over its mean
        level = 0.0
        for number, shock in enumerate(shocks[:, 1].tolist()):
            level = 0.97 * level + 0.06 * shock
            mood[number] = level
        weather = np.exp(mood)[:, None]
        market = _MARKET_VOLATILITY / np.sqrt(_YEAR) * shocks[:, :1] * weather

        sectors = [_SECTOR_OF.get(name, "other") for name in self._names]
        waves = {one: self._normals("sector", one, width=1)[:, 0] for one in sorted(set(sectors))}
        sector = np.stack([waves[one] for one in sectors], axis=1) * (
            _SECTOR_VOLATILITY / np.sqrt(_YEAR)
        )
        # Fattens the tails and keeps the variance.
        tails = np.exp(0.45 * self._noise[:, :, 1] - 0.45**2)
        own = self._own / np.sqrt(_YEAR) * self._noise[:, :, 0] * tails
        beta = np.array([self._beta(name) for name in self._names])
        drift = np.array([self._drift(name) for name in self._names]) / _YEAR
        index = np.array([name == INDEX_SYMBOL for name in self._names])
        mixed: Floats = np.where(
            index, drift + market + own, drift + beta * market + weather * (sector + own)
        )
        return mixed

    def _splits(self, level: Floats) -> Floats:
        """One split in each half year: the dearest of eight names drawn splits 2:1 to 10:1."""
        split = np.ones(level.shape)
        held = np.ones(len(self._names))
        choice = [n for n, name in enumerate(self._names) if name != INDEX_SYMBOL]
        halves = [
            date(year, month, 1)
            for year in range(self._days[0].year, self._days[-1].year + 1)
            for month in (1, 7)
        ]
        for half in halves if choice else []:
            key = draw_key(self._seed, "split", half)
            wanted = half + timedelta(days=1 + int(175 * draw(key, 0)))
            row = next((row for row, day in enumerate(self._days) if day >= wanted), None)
            if row is None:
                break
            drawn = [choice[int(len(choice) * draw(key, 1 + n))] for n in range(8)]
            price = level[row] / held
            dearest = max(drawn, key=lambda n: price[n])
            ratio = next((r for r in (10, 5, 4, 3) if price[dearest] / r >= 90), 2)
            split[row, dearest] = ratio
            held[dearest] *= ratio
        return split

    def _yields(self, name: str) -> Floats:
        """Dividend over the previous close on ex-days, 0 elsewhere; payers pay each quarter."""
        key = draw_key(self._seed, "dividend", name)
        found = np.zeros(len(self._days))
        payers = 0.4 if _SECTOR_OF.get(name) == "technology" else 0.8
        if draw(key, 0) >= payers and name != INDEX_SYMBOL:
            return found
        month, day = 1 + int(3 * draw(key, 1)), 5 + int(20 * draw(key, 2))
        share = 0.0015 + 0.0065 * draw(key, 3)
        before = date.min
        for row, today in enumerate(self._days):
            due = date(today.year, today.month, day)
            if today.month % 3 == month % 3 and before < due <= today and row:
                found[row] = share
            before = today
        return found

    def _start_price(self, name: str) -> float:
        if name == INDEX_SYMBOL:
            return 430.0
        return float(15 * 60 ** draw(draw_key(self._seed, "price", name), 0))  # 15 .. 900

    def _own_volatility(self, name: str) -> float:
        if name == INDEX_SYMBOL:
            return 0.01
        return 0.10 + 0.12 * draw(draw_key(self._seed, "volatility", name), 0)

    def _beta(self, name: str) -> float:
        low = 0.9 if _SECTOR_OF.get(name) == "technology" else 0.6
        return low + 0.6 * draw(draw_key(self._seed, "beta", name), 0)

    def _drift(self, name: str) -> float:
        if name == INDEX_SYMBOL:
            return _MARKET_DRIFT
        extra = _TECHNOLOGY_DRIFT if _SECTOR_OF.get(name) == "technology" else 0.0
        own = 0.24 * (draw(draw_key(self._seed, "drift", name), 0) - 0.5)
        return _MARKET_DRIFT + extra + own

    def _usual_dollars(self, name: str) -> float:
        if name == INDEX_SYMBOL:
            return 3e10
        return float(1.5e8 * 50 ** draw(draw_key(self._seed, "dollars", name), 0))

    def _normals(self, *parts: str, width: int) -> npt.NDArray[np.float64]:
        """Standard normal draws, one row per session: a longer span continues a shorter one."""
        generator = np.random.Generator(np.random.PCG64(draw_key(self._seed, *parts)))
        return generator.standard_normal((len(self._days), width))
