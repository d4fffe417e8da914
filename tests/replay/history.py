"""Two and a half years of eight made-up stocks and SPY, as a file: the same in every run."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atlas_daemon.core.sessions import NYSE

FIRST, LAST = date(2021, 1, 4), date(2023, 8, 31)
STOCKS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH")
DRIFTS = (0.0012, 0.0010, 0.0008, 0.0006, 0.0, -0.0004, -0.0006, -0.0010)
SPLIT_DAY, SPLIT = date(2022, 5, 16), 3.0
"""AAA's, which rises most and is always held."""
DIVIDEND_DAY, DIVIDEND = date(2022, 6, 15), 0.5
"""BBB's, in dollars a share."""
CRASH = date(2023, 3, 1)
"""From here on SPY falls for four weeks."""


@dataclass(frozen=True)
class History:
    path: Path
    days: tuple[date, ...]
    opens: np.ndarray
    highs: np.ndarray
    closes: np.ndarray
    """Sessions down, stocks across; split-adjusted."""


def write_history(path: Path) -> History:
    days = tuple(s.day for s in NYSE.sessions_between(FIRST, LAST))
    chance = np.random.default_rng(7)
    count, names = len(days), (*STOCKS, "SPY")
    drifts = np.array([*DRIFTS, 0.0005])
    moves = drifts + chance.normal(0, 0.008, (count, len(names)))
    moves[:, -1] = 0.0005 + chance.normal(0, 0.006, count)
    begin = days.index(NYSE.next_session(CRASH).day)
    moves[begin : begin + 20, -1] = -0.02 + chance.normal(0, 0.02, 20)
    closes = np.round(60 * np.exp(np.cumsum(moves, axis=0)), 2)
    gaps = chance.normal(0, 0.002, closes.shape)
    opens = np.round(np.vstack([closes[:1], closes[:-1]]) * np.exp(gaps), 2)
    spans = np.abs(chance.normal(0, 0.003, (2, *closes.shape)))
    highs = np.round(np.maximum(opens, closes) * (1 + spans[0]), 2)
    lows = np.round(np.minimum(opens, closes) * (1 - spans[1]), 2)
    split, dividend = np.zeros_like(closes), np.zeros_like(closes)
    split[days.index(SPLIT_DAY), 0] = SPLIT
    dividend[days.index(DIVIDEND_DAY), 1] = DIVIDEND
    column = np.tile(np.arange(len(names)), count)
    table = pa.table(
        {
            "date": pa.array(np.repeat(np.array(days, "datetime64[D]"), len(names))),
            "symbol": pa.array([names[at] for at in column]),
            "open": opens.ravel(),
            "high": highs.ravel(),
            "low": lows.ravel(),
            "close": closes.ravel(),
            "volume": np.full(closes.size, 5e6),
            "split": split.ravel(),
            "dividend": dividend.ravel(),
        }
    )
    pq.write_table(table, path)
    return History(path, days, opens[:, :-1], highs[:, :-1], closes[:, :-1])
