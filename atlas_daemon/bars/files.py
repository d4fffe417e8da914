"""Daily bars from a parquet or csv file of `date,symbol,open,high,low,close,volume` and more.

Prices in the file are split-adjusted. `adj_factor`: total return = close * adj_factor, or the same
told as `adj_close`; without either it is computed from `dividend`, and without that dividends stay
in the signal. `split`: ratio on its effective date; as-traded close = close times every later split
(without the column, as-traded = close). Only the asked window and the later splits leave the file;
nothing else dated after the window is looked at.
"""

import csv
import gzip
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from atlas_daemon.bars.columns import figures, numbers, symbols_of
from atlas_daemon.bars.frame import (
    BarRows,
    Bars,
    Days,
    Flags,
    Floats,
    build_frame,
    day_number,
    day_of,
    distinct,
)
from atlas_daemon.core.brain import FailureKind, SignalsError

REQUIRED = ("date", "symbol", "high", "close", "volume")
OPTIONAL = ("adj_factor", "adj_close", "split", "dividend")
BATCH_ROWS = 131_072
DAMAGE = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error)
"""What a file that is no such file ends in, by whichever reader looks first."""


class FileBars:
    """A `BarSource`: one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(
        self, symbols: Collection[str] | None, start: date, end: date, order_day: date
    ) -> Bars:
        """Return bars of `symbols`, as `BarSource.load` says."""
        return load_bars(self.path, symbols, start, end, order_day)


def load_bars(
    path: Path,
    symbols: Collection[str] | None,
    start: date,
    end: date,
    order_day: date | None = None,
) -> Bars:
    """Read the bars of `symbols` (None = all of the file) from `start` to `end`, inclusive.

    `order_day`: the session after `end`; splits up to it are told as `splits_next`. A symbol of
    which the file has no bar gets an empty column. Rows may stand in any order.
    Raises `SignalsError`, naming the file: CONFIG where it is missing or no such file of bars, DATA
    where it is empty or has no bar on `end`.
    """
    if not path.is_file():
        raise SignalsError(f"{path}: no such file of bars", FailureKind.CONFIG)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is infinite the checks name
            return _load(path, symbols, start, end, order_day or end)
    except DAMAGE as error:
        text = f"{path}: cannot be read as bars: {error}"
        raise SignalsError(text, FailureKind.CONFIG) from error


@dataclass(slots=True)
class _Rows:
    """Rows of the window, and those after it that tell a split: arrays of equal length."""

    place: dict[str, int]
    """Each symbol's code; grows where all symbols are wanted."""
    day: Days
    symbol: npt.NDArray[np.int64]
    columns: dict[str, Floats]
    sessions: Days
    """Days on which any symbol of the file traded, wanted or not."""


def _load(
    path: Path, symbols: Collection[str] | None, start: date, end: date, order_day: date
) -> Bars:
    rows = _read(path, symbols, start, end)
    if day_number(end) not in rows.sessions:
        raise SignalsError(f"{path} has no bar of any symbol on {end}: no session, or a hole")
    names = np.array(list(rows.place), dtype=np.str_)
    inside = rows.day <= day_number(end)
    if symbols is None:  # one whose only rows tell of later splits has no bars at all
        names = names[_different(rows.symbol[inside])]
    wanted = sorted(names.tolist())
    to_wanted = np.full(len(rows.place), -1, dtype=np.int64)
    for at, name in enumerate(wanted):
        to_wanted[rows.place[name]] = at
    ours = to_wanted[rows.symbol] >= 0
    day, code = rows.day[ours], to_wanted[rows.symbol][ours]
    columns = {name: column[ours] for name, column in rows.columns.items()}
    coming = (day > day_number(end)) & (day <= day_number(order_day))
    bars = _bars(columns, day, code, day_number(end))
    frame = build_frame(str(path), wanted, bars, rows.sessions)
    return replace(frame, splits_next=_splits(columns, wanted, code, coming))


def _read(path: Path, symbols: Collection[str] | None, start: date, end: date) -> _Rows:
    """Return the rows of [start, end] and the splits after it; refuse a file that ends before."""
    bounds: list[int] = []
    if path.suffix == ".parquet":
        batches = _parquet_batches(path, start, bounds)
    elif path.name.endswith((".csv", ".csv.gz")):
        batches = _csv_batches(path)
    else:
        raise SignalsError(f"{path}: bars are .parquet, .csv or .csv.gz", FailureKind.CONFIG)
    reader = _Reader(symbols, day_number(start), day_number(end))
    for batch in batches:
        bounds += reader.take(batch)
    if not bounds:
        raise SignalsError(f"{path}: has no rows")
    if max(bounds) < day_number(end):
        raise SignalsError(f"{path} ends on {day_of(max(bounds))}: no bars for {end}")
    if min(bounds) > day_number(end):
        raise SignalsError(f"{path} starts on {day_of(min(bounds))}: no bars for {end}")
    return reader.rows()


class _Reader:
    """Takes the wanted rows out of batches, column by column and each in its own width."""

    def __init__(self, symbols: Collection[str] | None, start: int, end: int) -> None:
        self.start, self.end, self.takes_all = start, end, symbols is None
        self.place = {name: at for at, name in enumerate(sorted(symbols or ()))}
        self.names: Any = None
        self.codes = np.zeros(0, dtype=np.int64)
        self.sessions = np.zeros(0, dtype=np.int32)
        self.parts: dict[str, list[Any]] = defaultdict(list)

    def take(self, batch: Any) -> tuple[int, ...]:
        """Keep what is wanted of a batch; return its first and last day, if it has rows."""
        days = _days(batch.column("date"))
        if not len(days):
            return ()
        first, last = int(days.min()), int(days.max())
        inside = (days >= self.start) & (days <= self.end)
        seen = np.bincount(days[inside] - self.start)
        self.sessions = _both(self.sessions, (np.flatnonzero(seen) + self.start))
        code = self._codes(batch.column("symbol"))
        keep = inside & (code >= 0)
        if "split" in batch.schema.names:
            keep |= (days > self.end) & (code >= 0) & (figures(batch.column("split")) > 0)
        self.parts["date"].append(days[keep])
        self.parts["symbol"].append(code[keep])
        for name in batch.schema.names:
            if name not in ("date", "symbol"):
                self.parts[name].append(_prices(name, figures(batch.column(name))[keep]))
        return first, last

    def _codes(self, column: Any) -> npt.NDArray[np.int64]:
        """Return each row's code, -1 for symbols that are not wanted; BRK-B is BRK.B."""
        names, indices = symbols_of(column)
        if self.names is None or not names.equals(self.names):
            told = [name.strip().replace("-", ".") for name in names.to_pylist()]
            if self.takes_all:
                for name in told:
                    self.place.setdefault(name, len(self.place))
            self.names = names
            self.codes = np.array([self.place.get(name, -1) for name in told], dtype=np.int64)
        return self.codes[indices]

    def rows(self) -> _Rows:
        """Return what was kept of all batches."""
        whole = {name: np.concatenate(parts) for name, parts in self.parts.items()}
        day, symbol = whole.pop("date"), whole.pop("symbol")
        return _Rows(self.place, day, symbol, whole, self.sessions)


def _both(known: Days, more: npt.NDArray[Any]) -> Days:
    """Return the days of both, ascending; both are."""
    both = distinct(np.concatenate([known, more.astype(np.int32)]))
    return both if len(both) > len(known) else known


def _different(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.bincount(codes)) if len(codes) else codes


def _parquet_batches(path: Path, start: date, bounds: list[int]) -> Iterable[Any]:
    """Yield record batches, leaving out row groups that say they end before `start`.

    The days of those that are left out go to `bounds`: they are part of the file's range.
    """
    import pyarrow.parquet as pq

    _columns(path, pq.read_schema(path).names)  # first: a dictionary of no column is a KeyError
    with pq.ParquetFile(path, read_dictionary=["symbol"]) as file:
        columns = _columns(path, file.schema_arrow.names)
        date_at = file.schema_arrow.names.index("date")
        groups = []
        for group in range(file.num_row_groups):
            stated = file.metadata.row_group(group).column(date_at).statistics
            # Only plain dates compare with `start`; moments and text are read and looked at.
            known = stated is not None and stated.has_min_max and type(stated.max) is date
            if known and stated.max < start:
                bounds += [day_number(stated.min), day_number(stated.max)]
            else:
                groups.append(group)
        if groups:
            yield from file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns)


def _csv_batches(path: Path) -> Iterable[Any]:
    from pyarrow import csv as arrow_csv

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
        columns = _columns(path, next(csv.reader(lines), []))
    types = {name: pa.float64() for name in columns}
    types |= {"date": pa.date32(), "symbol": pa.dictionary(pa.int32(), pa.string())}
    options = arrow_csv.ConvertOptions(include_columns=columns, column_types=types)
    table = arrow_csv.read_csv(path, convert_options=options)
    yield from table.to_batches()


def _columns(path: Path, names: Iterable[str]) -> list[str]:
    """Return the columns to read; refuse a file that lacks one it must have."""
    there = set(names)
    missing = [name for name in REQUIRED if name not in there]
    if missing:
        raise SignalsError(f"{path}: lacks the column {', '.join(missing)}", FailureKind.CONFIG)
    return [name for name in REQUIRED + OPTIONAL if name in there]


def _days(column: Any) -> npt.NDArray[np.int32]:
    """Return a date column as day numbers; plain dates only, never a moment with a time zone."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        raise pa.ArrowInvalid(
            f"date carries the time zone {column.type.tz}; plain dates are wanted"
        )
    kinds = (pa.types.is_date, pa.types.is_timestamp, pa.types.is_string, pa.types.is_large_string)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise pa.ArrowInvalid(f"date is {column.type}; plain dates are wanted")
    if column.null_count:
        raise pa.ArrowInvalid("date is empty in a row")
    dates = column if pa.types.is_date32(column.type) else column.cast(pa.date32())
    # Which day a moment belongs to depends on a zone that nobody told.
    if pa.types.is_timestamp(column.type) and not dates.cast(column.type).equals(column):
        raise pa.ArrowInvalid("date has a time of day; plain dates are wanted")
    return numbers(dates, np.dtype(np.int32))


def _prices(name: str, column: npt.NDArray[Any]) -> Floats:
    """Return a column as double floats; a single-precision price has the six places it meant."""
    wide = column.astype(np.float64)
    is_price = name in ("high", "close", "adj_close")
    return wide.round(6) if is_price and column.dtype == np.float32 else wide


def _bars(
    columns: Mapping[str, Floats], days: Days, codes: npt.NDArray[np.int64], end: int
) -> BarRows:
    """Return the rows up to `end`, their as-traded closes computed from all splits that follow."""
    split = columns.get("split", np.zeros(len(days)))
    split = np.where(split > 0, split, 1.0)
    close, volume = columns["close"], columns["volume"]
    traded = close * _later_splits(days, codes, split)
    factor = np.ones(len(days))
    if "adj_factor" in columns:
        factor = columns["adj_factor"]
    elif "adj_close" in columns:
        factor = columns["adj_close"] / close
    elif "dividend" in columns:
        factor = _reinvested(days, codes, close, np.where(days <= end, columns["dividend"], 0.0))
    action = split != 1.0
    if "dividend" in columns:
        action |= columns["dividend"] > 0
    inside = days <= end
    return BarRows(
        day=days[inside],
        symbol=codes[inside],
        high_total=(columns["high"] * factor)[inside],
        close_total=(close * factor)[inside],
        close_traded=traded[inside],
        volume=volume[inside],
        value=(close * volume)[inside],
        action=action[inside],
    )


def _splits(
    columns: Mapping[str, Floats],
    wanted: Sequence[str],
    codes: npt.NDArray[np.int64],
    coming: Flags,
) -> dict[str, float]:
    """Return the product of each symbol's splits on the `coming` rows."""
    product: dict[str, float] = {}
    for row in np.flatnonzero(coming):  # such rows are here for their splits only
        name = wanted[codes[row]]
        product[name] = product.get(name, 1.0) * float(columns["split"][row])
    return product


def _reinvested(
    days: Days, codes: npt.NDArray[np.int64], close: Floats, dividend: Floats
) -> Floats:
    """Return for each row the product of 1 - D / C over its symbol's later dividends.

    C is the last close before the ex-day, as in `adjust`.
    """
    product = np.ones(len(days))
    events = np.flatnonzero(dividend > 0)
    for code in _different(codes[events]):
        rows = np.flatnonzero(codes == code)
        rows = rows[np.argsort(days[rows])]
        for event in events[codes[events] == code]:
            before = rows[: np.searchsorted(days[rows], days[event])]
            if len(before):
                product[before] *= 1 - dividend[event] / close[before[-1]]
    return product


def _later_splits(
    days: npt.NDArray[np.int32], codes: npt.NDArray[np.int64], split: Floats
) -> Floats:
    """Return for each row the product of its symbol's splits on later days."""
    product = np.ones(len(days))
    events = np.flatnonzero(split != 1.0)
    for code in _different(codes[events]):
        rows = np.flatnonzero(codes == code)
        for event in events[codes[events] == code]:
            product[rows[days[rows] < days[event]]] *= split[event]
    return product
