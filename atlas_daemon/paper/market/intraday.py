"""The minutes of a session, from the same road that quotes and trades walk.

A whole session's prices are worked out at once, second by second, with arrays; each is the very
figure that `DayPath.price` gives, so a bar holds exactly the trades that a client could have seen.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from atlas_daemon.paper.market.calendar import NEW_YORK
from atlas_daemon.paper.market.market import TimedBar
from atlas_daemon.paper.market.path import FAST_MASK, FAST_S, SLOW_MASK, SLOW_S, DayPath

Floats: TypeAlias = npt.NDArray[np.float64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MINUTE = timedelta(minutes=1)


def prices_of(path: DayPath) -> Floats:
    """The price at each second from the open to the close, both included."""
    seconds = np.arange(path.length_s + 1, dtype=np.int64)
    ends = [knot[0] for knot in path.knots]
    leg = np.searchsorted(np.array(ends[1:3], dtype=np.int64), seconds, "left") + 1
    begin, end = np.array(ends)[leg - 1], np.array(ends)[leg]
    levels = np.array([knot[1] for knot in path.knots])
    before, after = levels[leg - 1], levels[leg]
    share = (seconds - begin) / (end - begin)
    slow = _ramp(path.key ^ SLOW_MASK, seconds, SLOW_S)
    fast = _ramp(path.key ^ FAST_MASK, seconds, FAST_S)
    noise = path.swing * 4 * share * (1 - share) * (slow + fast / 3)
    walked = before + (after - before) * share + noise
    prices: Floats = np.minimum(np.maximum(walked, path.low), path.high)
    return prices


def printed(path: DayPath) -> Floats:
    """The same prices as the tape prints them: cents, below $1 four decimals."""
    prices = prices_of(path)
    return np.where(prices >= 1, np.rint(prices * 100) / 100, np.rint(prices * 1e4) / 1e4)


def minute_bars(
    prices: Floats,
    opens_at: datetime,
    over: int,
    size: int,
    newest: int,
    *,
    volume: int,
    price_factor: float,
    volume_factor: float,
) -> list[TimedBar]:
    """The first `over` minutes of a session, `size` to a bar, on the grid of New York's clock.

    `prices` are the printed ones of a whole session. With `newest` only the last so many bars.
    `volume` is the whole session's; prices and volumes are multiplied by their factors.
    """
    minutes = (len(prices) - 1) // 60
    table = prices[:-1].reshape(-1, 60)[:over]
    closes = table[:, -1].copy()
    highs, lows = table.max(axis=1), table.min(axis=1)
    if over == minutes:
        # The closing print belongs to the last minute.
        closes[-1] = prices[-1]
        highs[-1], lows[-1] = max(highs[-1], prices[-1]), min(lows[-1], prices[-1])
    shares = _shares(volume, minutes)[:over]
    local = opens_at.astimezone(NEW_YORK)
    first = local.hour * 60 + local.minute
    number = (first + np.arange(over)) // size
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    stops = np.append(starts[1:], over) - 1
    starts, stops = starts[-newest:], stops[-newest:]
    is_raw = price_factor == 1
    columns = [
        _decimals(column * price_factor, is_raw=is_raw)
        for column in (
            table[starts, 0],
            np.maximum.reduceat(highs, starts),
            np.minimum.reduceat(lows, starts),
            closes[stops],
        )
    ]
    volumes = np.rint(np.add.reduceat(shares, starts) * volume_factor).astype(np.int64).tolist()
    # The first bar of a wide grid begins before the open.
    begins = [opens_at + (int(n) * size - first) * _MINUTE for n in number[starts]]
    return [TimedBar(*row) for row in zip(begins, *columns, volumes, strict=True)]


def _ramp(key: int, seconds: npt.NDArray[np.int64], step_s: int) -> Floats:
    number, rest = np.divmod(seconds, step_s)
    drawn = _draws(key, int(number[-1]) + 2)
    before, after = drawn[number], drawn[number + 1]
    ramp: Floats = 2 * (before + (after - before) * rest / step_s) - 1
    return ramp


def _draws(key: int, count: int) -> Floats:
    """The first draws of a stream, as `path.draw` gives them one by one (splitmix64)."""
    value = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((value ^ (value >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / (1 << 53)


def _shares(volume: int, minutes: int) -> npt.NDArray[np.int64]:
    """A session's volume over its minutes: busy at both ends, adding up to the whole."""
    middle = (minutes - 1) / 2
    weight = 1 + 3 * ((np.arange(minutes) - middle) / max(middle, 1)) ** 2
    upto = np.floor(np.cumsum(weight) / weight.sum() * volume + 1e-6).astype(np.int64)
    upto[-1] = volume
    each: npt.NDArray[np.int64] = np.diff(upto, prepend=0)
    return each


def _decimals(values: Floats, *, is_raw: bool) -> list[Decimal]:
    if is_raw:
        return [Decimal(f"{x:.2f}" if x >= 1 else f"{x:.4f}") for x in values.tolist()]
    return [Decimal(f"{x:.4f}" if x >= 1 else f"{x:.6f}") for x in values.tolist()]
