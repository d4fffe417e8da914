"""Daily bars from a parquet or csv file of `date,symbol,open,high,low,close,volume` and more.

Prices in the file are split-adjusted. `adj_factor`: total return = close * adj_factor (without the
column, dividends stay in the signal). `split`: ratio on its effective date; as-traded close = close
times every later split (without the column, as-traded = close). Only the asked window and the later
splits leave the file; nothing else dated after the window is looked at.
"""

import csv
import gzip
import zlib
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from atlas_daemon.bars.frame import BarRows, Bars, Floats, build_frame, day_number, day_of
from atlas_daemon.core.brain import FailureKind, SignalsError

REQUIRED = ("date", "symbol", "high", "close", "volume")
OPTIONAL = ("adj_factor", "split", "dividend")
BATCH_ROWS = 131_072
DAMAGE = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error)
"""What a file that is no such file ends in, by whichever reader looks first."""


def load_bars(path: Path, symbols: Collection[str] | None, start: date, end: date) -> Bars:
    """Read the bars of `symbols` (None = all of the file) from `start` to `end`, inclusive.

    A symbol of which the file has no bar gets an empty column. Rows may stand in any order.
    Raises `SignalsError`, naming the file: CONFIG where it is missing or no such file of bars, DATA
    where it is empty or has no bar on `end`.
    """
    if not path.is_file():
        raise SignalsError(f"{path}: no such file of bars", FailureKind.CONFIG)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is infinite the checks name
            return _load(path, symbols, start, end)
    except DAMAGE as error:
        text = f"{path}: cannot be read as bars: {error}"
        raise SignalsError(text, FailureKind.CONFIG) from error


def _load(path: Path, symbols: Collection[str] | None, start: date, end: date) -> Bars:
    table = _window(path, start, end)
    days = _days(table.column("date"))
    inside = days <= day_number(end)
    if not (days == day_number(end)).any():
        raise SignalsError(f"{path} has no bar of any symbol on {end}: no session, or a hole")
    names, codes = _series(table.column("symbol"))
    here = names[np.unique(codes[inside])]
    wanted = sorted(str(name) for name in (here if symbols is None else set(symbols)))
    place = {name: index for index, name in enumerate(wanted)}
    to_wanted = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    sessions = np.unique(days[inside])
    ours = to_wanted[codes] >= 0
    rows = _rows(table.filter(_mask(ours)), days[ours], to_wanted[codes][ours], day_number(end))
    return build_frame(str(path), wanted, rows, sessions)


def _window(path: Path, start: date, end: date) -> Any:
    """Return the rows of [start, end] and the splits after it; refuse a file that ends before."""
    kept = []
    bounds: list[int] = []
    if path.suffix == ".parquet":
        batches = _parquet_batches(path, start, bounds)
    elif path.name.endswith((".csv", ".csv.gz")):
        batches = _csv_batches(path)
    else:
        raise SignalsError(f"{path}: bars are .parquet, .csv or .csv.gz", FailureKind.CONFIG)
    for batch in batches:
        days = _days(batch.column("date"))
        if not len(days):
            continue
        bounds += [int(days.min()), int(days.max())]
        keep = (days >= day_number(start)) & (days <= day_number(end))
        if "split" in batch.schema.names:
            keep |= (days > day_number(end)) & (_floats(batch.column("split")) > 0)
        kept.append(batch.filter(_mask(keep)))
    if not bounds:
        raise SignalsError(f"{path}: has no rows")
    if max(bounds) < day_number(end):
        raise SignalsError(f"{path} ends on {day_of(max(bounds))}: no bars for {end}")
    if min(bounds) > day_number(end):
        raise SignalsError(f"{path} starts on {day_of(min(bounds))}: no bars for {end}")
    return pa.Table.from_batches(kept)


def _parquet_batches(path: Path, start: date, bounds: list[int]) -> Iterable[Any]:
    """Yield record batches, leaving out row groups that say they end before `start`.

    The days of those that are left out go to `bounds`: they are part of the file's range.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
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
    types |= {"date": pa.date32(), "symbol": pa.string()}
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
    return _numbers(column.cast(pa.date32()), np.dtype(np.int32))


def _numbers(column: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a column without nulls as numpy reads its buffer.

    `to_numpy` would do it too, but arrow loads pandas for it (0.3 s of every command).
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(array):
        return np.zeros(0, dtype=dtype)
    numbers = np.frombuffer(array.buffers()[1], dtype=dtype)
    return numbers[array.offset : array.offset + len(array)]


def _mask(flags: npt.NDArray[np.bool_]) -> Any:
    """Return flags as an arrow array. `pa.array` would do it too, but loads pandas (0.3 s)."""
    bits = pa.py_buffer(np.packbits(flags, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bits])


def _prices(column: Any) -> Floats:
    """Return a price column; single precision is cut to the six places that were meant."""
    prices = _floats(column)
    return prices.round(6) if pa.types.is_float32(column.type) else prices


def _floats(column: Any) -> Floats:
    """Return a number column as floats, NaN where empty."""
    values = column.cast(pa.float64())
    if values.null_count:
        values = values.fill_null(float("nan"))
    return _numbers(values, np.dtype(np.float64))


def _series(column: Any) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Return the symbols of a column, Alpaca's spelling, and each row's index into them."""
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    if encoded.null_count:
        raise pa.ArrowInvalid("symbol is empty in a row")
    names = [str(name).strip().replace("-", ".") for name in encoded.dictionary.to_pylist()]
    # BRK-B and BRK.B in one file are one series: its bars then show as duplicates.
    unique = sorted(set(names))
    place = {name: index for index, name in enumerate(unique)}
    to_unique = np.array([place[name] for name in names], dtype=np.int64)
    indices = _numbers(encoded.indices, np.dtype(np.int32))
    return np.array(unique), to_unique[indices]


def _rows(
    table: Any, days: npt.NDArray[np.int32], codes: npt.NDArray[np.int64], end: int
) -> BarRows:
    """Return the rows up to `end`, their as-traded closes computed from all splits that follow."""
    names = set(table.schema.names)
    split = _floats(table.column("split")) if "split" in names else np.zeros(len(days))
    split = np.where(split > 0, split, 1.0)
    close = _prices(table.column("close"))
    traded = close * _later_splits(days, codes, split)
    factor = np.ones(len(days))
    if "adj_factor" in names:
        factor = _floats(table.column("adj_factor"))
    action = split != 1.0
    if "dividend" in names:
        action |= _floats(table.column("dividend")) > 0
    volume = _floats(table.column("volume"))
    inside = days <= end
    return BarRows(
        day=days[inside],
        symbol=codes[inside],
        high_total=(_prices(table.column("high")) * factor)[inside],
        close_total=(close * factor)[inside],
        close_traded=traded[inside],
        volume=volume[inside],
        value=(close * volume)[inside],
        action=action[inside],
    )


def _later_splits(
    days: npt.NDArray[np.int32], codes: npt.NDArray[np.int64], split: Floats
) -> Floats:
    """Return for each row the product of its symbol's splits on later days."""
    product = np.ones(len(days))
    events = np.flatnonzero(split != 1.0)
    for code in np.unique(codes[events]):
        rows = np.flatnonzero(codes == code)
        for event in events[codes[events] == code]:
            product[rows[days[rows] < days[event]]] *= split[event]
    return product
