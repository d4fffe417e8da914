"""Prices for a drill: those of the configured file, or made ones for the installed universe.

Made prices are a local broker's invented market, written as a file of daily bars that its replay
plays: the daemon reads them over the same data adapters as it reads Alpaca's.
"""

import csv
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from atlas_daemon.core.brain import BENCHMARK
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import Session
from atlas_daemon.paper.market.market import MarketDataError
from atlas_daemon.paper.market.replay import ReplayMarket
from atlas_daemon.paper.market.synthetic import HISTORY_YEARS, SyntheticMarket

COLUMNS = ("date", "symbol", "open", "high", "low", "close", "volume")
AFTER = timedelta(days=21)
"""So long after the session of a drill there are prices."""
WINDOW = timedelta(days=620)
"""Bars of what is held; those of the benchmark go back as far as a model looks."""
SESSIONS_A_YEAR = 252
MODEL_MARGIN = 300
"""Sessions that a model needs beyond its lookback: its own windows, and a label or two."""


def make_prices(
    path: Path, symbols: Collection[str], session: Session, lookback: int, seed: int
) -> None:
    """Write made-up daily bars around `session`; the benchmark's reach back over `lookback`.

    Prices are adjusted for splits, so that there are none. The same seed gives the same file.
    """
    years = max(0, -(-(lookback + MODEL_MARGIN) // SESSIONS_A_YEAR) - HISTORY_YEARS)
    first, last = date(session.day.year - years, 1, 1), session.day + AFTER
    names = sorted({*symbols, str(BENCHMARK)})
    market = SyntheticMarket(seed, first, last, names)
    at = session.closes_at + 2 * AFTER
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name in names:
            since = date.min if name == BENCHMARK else session.day - WINDOW
            for bar in market.bars(name, since, last, "split", at):
                row = (bar.open, bar.high, bar.low, bar.close, bar.volume)
                writer.writerow((bar.day, name, *row))


def sessions_in(path: Path, until: datetime) -> list[date]:
    """Return the days on which a file of bars has the benchmark. Raises ConfigError."""
    try:
        market = ReplayMarket(path, 1, (str(BENCHMARK),))
    except MarketDataError as error:
        raise ConfigError(f"data.source: {error}") from error
    return [bar.day for bar in market.bars(str(BENCHMARK), date.min, date.max, "raw", until)]


def slots_between(anchors: Collection[str], first: date, last: date) -> Iterator[date]:
    """Yield the anchor days (`MM-DD`) from `first` to `last`, ascending."""
    for year in range(first.year, last.year + 1):
        for text in sorted(anchors):
            month, day = int(text[:2]), int(text[3:])
            anchor = date(year, month, min(day, 28) if month == 2 else day)
            if first <= anchor <= last:
                yield anchor
