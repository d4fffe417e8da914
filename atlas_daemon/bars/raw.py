"""Raw daily bars as rows: what was traded, nothing adjusted. Vendors answer so, stores keep it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from atlas_daemon.bars.frame import Days, Flags, Floats, distinct

FIGURES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class RawBars:
    """Rows in any order: arrays of equal length. Prices in dollars of that day, shares traded."""

    symbols: tuple[str, ...]
    symbol: npt.NDArray[np.int64]
    """Index into `symbols`, a row each."""
    day: Days
    """Days since 1970-01-01, New York's dates."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.day)

    def where(self, rows: Flags) -> RawBars:
        """Return the rows that are flagged; `symbols` stay."""
        kept = {name: getattr(self, name)[rows] for name in ("symbol", "day", *FIGURES)}
        return RawBars(self.symbols, **kept)

    def of(self, symbols: Iterable[str]) -> Flags:
        """Return which rows belong to one of `symbols`."""
        wanted = set(symbols)
        known = np.array([name in wanted for name in self.symbols], dtype=np.bool_)
        return known[self.symbol] if len(known) else np.zeros(0, dtype=np.bool_)

    def between(self, first: int, last: int) -> Flags:
        """Return which rows are of days in [first, last]."""
        return (self.day >= first) & (self.day <= last)

    def under(self, symbols: Sequence[str]) -> RawBars:
        """Return the same rows with codes into `symbols`, which has every name that has rows."""
        place = {name: at for at, name in enumerate(symbols)}
        codes = np.array([place.get(name, -1) for name in self.symbols], dtype=np.int64)
        code = codes[self.symbol] if len(codes) else self.symbol
        figures = {name: getattr(self, name) for name in FIGURES}
        return RawBars(tuple(symbols), code, self.day, **figures)


def _no_rows() -> RawBars:
    empty = np.zeros(0)
    figures = dict.fromkeys(FIGURES, empty)
    return RawBars((), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), **figures)


NO_BARS = _no_rows()


def joined(parts: Sequence[RawBars]) -> RawBars:
    """Return all rows of all parts; symbols that no row needs are left out."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_BARS
    names: set[str] = set()
    for part in parts:
        names.update(part.symbols[code] for code in distinct(part.symbol))
    alike = [part.under(sorted(names)) for part in parts]
    rest = {
        one.name: np.concatenate([getattr(part, one.name) for part in alike])
        for one in fields(RawBars)
        if one.name != "symbols"
    }
    return RawBars(alike[0].symbols, **rest)


def by_year(bars: RawBars) -> Mapping[int, RawBars]:
    """Return the rows of each calendar year that has some."""
    years = bars.day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return {int(year): bars.where(years == year) for year in distinct(years)}


def rows_of(symbols: Sequence[str], rows: Sequence[Sequence[Any]]) -> RawBars:
    """Return bars of rows of symbol code, day, open, high, low, close, volume."""
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 7)
    figures = {name: table[:, at] for at, name in enumerate(FIGURES, start=2)}
    codes, days = table[:, 0].astype(np.int64), table[:, 1].astype(np.int32)
    return RawBars(tuple(symbols), codes, days, **figures)
