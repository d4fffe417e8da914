"""The one shape of daily bars: sessions down, symbols across, one matrix per column.

Computation only: floats are allowed inside, `Decimal` goes out. No file and no network here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Days = npt.NDArray[np.int32]

EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Bars:
    """Daily bars of some symbols over some sessions, oldest session first.

    Each matrix has one row per session and one column per symbol, NaN where there is no bar.
    `sessions` are all days on which any symbol of the source traded, as days since 1970-01-01.
    """

    source: str
    """What the bars were read from, for messages."""
    sessions: Days
    symbols: tuple[str, ...]
    high_total: Floats
    """Total-return high: dividends and splits taken out."""
    close_total: Floats
    """Total-return close: what signals are computed on."""
    close_traded: Floats
    """As-traded close, dollars: what sizes and orders are computed on."""
    volume: Floats
    """Split-adjusted shares."""
    value: Floats
    """Dollars traded: close times volume, both on the same split basis."""
    present: Flags
    """True where there is a bar, good or bad."""
    action: Flags
    """True where the source books a split or a dividend on that session."""
    duplicates: tuple[tuple[str, date], ...] = ()
    """Symbols with more than one bar on a day, with the first such day."""
    splits_next: Mapping[str, float] = field(default_factory=dict)
    """New shares for one old one, by symbol, where a split takes effect after the last session and
    by the session that follows it."""
    flaws: Mapping[str, str] = field(default_factory=dict)
    """Symbols that the source itself finds unusable, with the reason."""
    ended: Mapping[str, str] = field(default_factory=dict)
    """Symbols that may have no more bars: a new name, a merger, with the day."""
    notes: tuple[str, ...] = ()
    """What a person should know about how these bars came together."""
    columns: Mapping[str, int] = field(init=False, repr=False)
    """The column of each symbol."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", {name: at for at, name in enumerate(self.symbols)})

    def saying(
        self, flaws: Mapping[str, str], ended: Mapping[str, str], notes: tuple[str, ...]
    ) -> Bars:
        """Return the same bars with what their source says of them."""
        return replace(self, flaws=flaws, ended=ended, notes=notes)

    def column(self, symbol: str) -> int | None:
        """Return the column of `symbol`, None where the source has no series of that name."""
        return self.columns.get(symbol)

    def row(self, day: date) -> int | None:
        """Return the row of `day`, None where no symbol traded on it."""
        at = int(np.searchsorted(self.sessions, day_number(day)))
        return at if at < len(self.sessions) and self.sessions[at] == day_number(day) else None


@dataclass(frozen=True, slots=True)
class BarRows:
    """The same bars as rows in any order, as sources read them: arrays of equal length."""

    day: Days
    symbol: npt.NDArray[np.int64]
    """Index into the symbols that the frame is built for."""
    high_total: Floats
    close_total: Floats
    close_traded: Floats
    volume: Floats
    value: Floats
    action: Flags


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return day.toordinal() - EPOCH


def day_of(number: int) -> date:
    """Return the date of a day number."""
    return date.fromordinal(int(number) + EPOCH)


def distinct(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the different numbers, ascending. `np.unique` loads masked arrays for it (0.02 s)."""
    ordered = np.sort(numbers)
    is_new = np.ones(len(ordered), dtype=np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_new]


def build_frame(
    source: str, symbols: Sequence[str], rows: BarRows, sessions: Iterable[int] | Days = ()
) -> Bars:
    """Lay rows out as a frame, in any order of rows; duplicates are named, the last row stands.

    `sessions`: further days to have rows for, where the source knows of some that no symbol of
    ours traded on.
    """
    known = distinct(np.concatenate([rows.day, np.asarray(sessions, dtype=np.int32)]))
    at = np.searchsorted(known, rows.day)
    shape = (len(known), len(symbols))

    def lay(values: Floats) -> Floats:
        laid = np.full(shape, np.nan, order="F")  # read by symbol
        laid[at, rows.symbol] = values
        return laid

    counts = np.bincount(at * len(symbols) + rows.symbol, minlength=shape[0] * shape[1])
    counts = counts.reshape(shape)
    action = np.zeros(shape, dtype=np.bool_)
    action[at, rows.symbol] = rows.action
    twice = [
        (symbols[int(column)], day_of(known[np.argmax(counts[:, column] > 1)]))
        for column in np.flatnonzero((counts > 1).any(axis=0))
    ]
    return Bars(
        source=source,
        sessions=known.astype(np.int32),
        symbols=tuple(symbols),
        high_total=lay(rows.high_total),
        close_total=lay(rows.close_total),
        close_traded=lay(rows.close_traded),
        volume=lay(rows.volume),
        value=lay(rows.value),
        present=counts > 0,
        action=action,
        duplicates=tuple(twice),
    )


def as_decimal(number: float) -> Decimal:
    """Return a float as a Decimal of at most six places, the way out of every computation."""
    return Decimal(str(round(float(number), 6)))


def as_price(number: float) -> Decimal:
    """Return an as-traded price on its tick: cents from $1, hundredths of a cent below.

    Files keep prices in single precision, so 489.2 reads 489.200012; the tick (Regulation NMS,
    rule 612) is what was printed.
    """
    return Decimal(str(round(float(number), 2 if number >= 1 else 4)))
