"""A market played back from a file of real daily bars (parquet, or csv, also gzipped).

Columns `date,symbol,open,high,low,close,volume[,adj_factor,split,dividend]`. Prices, volumes and
dividends in the file are adjusted for splits; what is served is as traded on the day, that is times
the product of all later splits. Without `split` the file counts as as-traded. A dividend comes from
`dividend`, or where that column is missing from the steps of `adj_factor`. A spin-off that a vendor
books as a fractional split is served as that split: the value of the holding stays right.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from atlas_daemon.paper.market.calendar import FIRST_DAY, LAST_DAY, Calendar
from atlas_daemon.paper.market.daily import (
    DailyMarket,
    DailySeries,
    Floats,
    Ints,
    as_ticks,
    check_sessions,
)
from atlas_daemon.paper.market.market import MarketDataError

HISTORY_DAYS = 620
"""Calendar days of bars before `first_day`: 420 sessions and a few."""
LONG_HISTORY_SYMBOL = "SPY"
"""Loaded from the file's beginning: a regime model looks back over years of it."""

_NEEDED = ("date", "symbol", "open", "high", "low", "close", "volume")
_OPTIONAL = ("adj_factor", "split", "dividend")
_PRICES = ("open", "high", "low", "close")
_EPOCH = date(1970, 1, 1).toordinal()
_ROUNDING = 1e-3  # by how much of its price a vendor's close may stand outside high and low


class ReplayMarket(DailyMarket):
    """The market of one file, usable in [first_day, last_day] (New York dates, None = all of it).

    Only the window, `HISTORY_DAYS` before it and `symbols` (None = every one) are read. Symbols
    come in either spelling (BRK-B, BRK.B) and are served as BRK.B. Raises `MarketDataError`, one
    line with file and cause, for a file that is missing, unreadable, empty there or contradicts
    itself.
    """

    def __init__(
        self,
        path: str | Path,
        seed: int,
        symbols: Sequence[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        *,
        calendar: Calendar | None = None,
    ) -> None:
        try:
            table, splits_to_come = _load(Path(path), symbols, first_day, last_day)
            series = list(_all_series(table, splits_to_come))
            if not series or max(one.days[-1] for one in series) < _ordinal(first_day, date.min):
                span = f"{first_day or 'the beginning'} and {last_day or 'the end'}"
                raise MarketDataError(f"no rows between {span}")
            missing = {_spelled(one) for one in symbols or ()} - {one.symbol for one in series}
            if missing:
                raise MarketDataError(f"no rows for {', '.join(sorted(missing))}")
            calendar = calendar or _calendar_of(series)
            for one in series:
                check_sessions(one.symbol, one.days, calendar)
        except (OSError, ValueError, pa.ArrowException, MarketDataError) as error:
            cause = " ".join(str(error).split())
            raise MarketDataError(f"{path}: {cause}") from error
        super().__init__(seed, series, calendar)


def _load(
    path: Path, symbols: Sequence[str] | None, first_day: date | None, last_day: date | None
) -> tuple[pa.Table, pa.Table | None]:
    """The wanted rows, and the splits after them that scale them (None where the file has none)."""
    names, read = _source(path)
    absent = [name for name in _NEEDED if name not in names]
    if absent:
        raise MarketDataError(f"no column {', '.join(absent)}")
    day = pc.field("date").cast(pa.date32())
    mine = pc.scalar(True)
    if symbols is not None:
        spellings = sorted({s for one in symbols for s in (one, _spelled(one), _dashed(one))})
        mine = pc.field("symbol").isin(spellings)
    wanted = mine
    if first_day is not None:
        begin = first_day - timedelta(days=HISTORY_DAYS)
        wanted &= (day >= pc.scalar(begin)) | (pc.field("symbol") == LONG_HISTORY_SYMBOL)
    if last_day is not None:
        wanted &= day <= pc.scalar(last_day)
    table = read([*_NEEDED, *(name for name in _OPTIONAL if name in names)], wanted)
    if "split" not in names:
        return table, None
    to_come = mine & (pc.field("split") > 0)
    if last_day is not None:
        to_come &= day > pc.scalar(last_day)
    else:
        to_come &= pc.scalar(False)
    return table, read(["date", "symbol", "split"], to_come)


def _source(path: Path) -> tuple[list[str], Callable[[list[str], pc.Expression], pa.Table]]:
    """The file's column names, and how to read some of them where an expression holds."""
    if not path.is_file():
        raise MarketDataError("no such file")
    if path.suffix == ".parquet":
        names = pyarrow.parquet.read_schema(path).names
        return names, lambda columns, rows: pyarrow.parquet.read_table(
            path, columns=columns, filters=rows
        )
    if path.name.removesuffix(".gz").endswith(".csv"):
        text = pyarrow.csv.ConvertOptions(column_types={"symbol": pa.string(), "date": pa.date32()})
        table = pyarrow.csv.read_csv(path, convert_options=text)
        return table.column_names, lambda columns, rows: table.select(columns).filter(rows)
    raise MarketDataError("neither .parquet nor .csv nor .csv.gz")


def _all_series(table: pa.Table, splits_to_come: pa.Table | None) -> Iterator[DailySeries]:
    """One series for each symbol of the table."""
    scale: dict[str, float] = {}
    if splits_to_come is not None:
        for row in splits_to_come.to_pylist():
            name = _spelled(row["symbol"])
            scale[name] = scale.get(name, 1.0) * row["split"]
    if not table.num_rows:
        return
    coded = table["symbol"].cast(pa.string()).combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy()
    spellings = coded.dictionary.to_pylist()
    days = table["date"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64) + _EPOCH
    order = np.lexsort((days, codes))
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    columns = {
        name: table[name].cast(pa.float64()).to_numpy()
        for name in table.column_names
        if name not in ("date", "symbol")
    }
    for rows in np.split(order, edges):
        symbol = _spelled(spellings[int(codes[rows[0]])])
        mine = {name: column[rows] for name, column in columns.items()}
        yield _one_series(symbol, days[rows], mine, scale.get(symbol, 1.0))


def _one_series(
    symbol: str, days: Ints, columns: dict[str, Floats], splits_to_come: float
) -> DailySeries:
    """Turn one symbol's split-adjusted columns into prices as traded."""
    # Files hold single floats: six decimals are what they can mean.
    prices = {name: np.round(columns[name], 6) for name in _PRICES}
    _refuse_nonsense(symbol, days, prices, columns["volume"])
    split = np.nan_to_num(columns.get("split", np.zeros(len(days))))
    split = np.where(split > 0, split, 1.0)
    later = np.ones(len(days))
    later[:-1] = np.cumprod(split[:0:-1])[::-1]
    later *= splits_to_come
    body_high = np.maximum(prices["open"], prices["close"])
    body_low = np.minimum(prices["open"], prices["close"])
    return DailySeries(
        symbol=symbol,
        days=days,
        open=as_ticks(prices["open"] * later),
        high=as_ticks(np.maximum(prices["high"], body_high) * later),
        low=as_ticks(np.minimum(prices["low"], body_low) * later),
        close=as_ticks(prices["close"] * later),
        volume=np.rint(columns["volume"] / later).astype(np.int64),
        split=split,
        dividend=np.round(_dividends(prices["close"], columns) * later, 6),
    )


def _dividends(close: Floats, columns: dict[str, Floats]) -> Floats:
    """Split-adjusted dividends; where no column has them, what explains `adj_factor`."""
    if "dividend" in columns:
        return np.maximum(np.nan_to_num(columns["dividend"]), 0.0)
    found = np.zeros(len(close))
    if "adj_factor" in columns:
        factor = columns["adj_factor"]
        found[1:] = close[:-1] * (1 - factor[:-1] / factor[1:])
        # A factor's own rounding is no dividend.
        found[found < 1e-5 * close] = 0.0
    return found


def _refuse_nonsense(symbol: str, days: Ints, prices: dict[str, Floats], volume: Floats) -> None:
    """Raise where a figure is missing, a price not above 0, or open or close beyond high or low."""
    sound = np.isfinite(volume) & (volume >= 0)
    for column in prices.values():
        sound &= np.isfinite(column) & (column > 0)
    slack = 1 + _ROUNDING
    for inner in (prices["open"], prices["close"]):
        sound &= (inner <= prices["high"] * slack) & (inner * slack >= prices["low"])
    wrong = np.flatnonzero(~sound)
    if wrong.size:
        day = date.fromordinal(int(days[wrong[0]]))
        raise MarketDataError(f"{symbol} on {day}: prices or volume are no possible session")


def _calendar_of(series: Sequence[DailySeries]) -> Calendar:
    first = min(int(one.days[0]) for one in series)
    last = max(int(one.days[-1]) for one in series)
    return Calendar(min(FIRST_DAY, date.fromordinal(first)), max(LAST_DAY, date.fromordinal(last)))


def _ordinal(day: date | None, otherwise: date) -> int:
    return (day or otherwise).toordinal()


def _spelled(symbol: str) -> str:
    """Alpaca's spelling of a class share."""
    return symbol.strip().upper().replace("-", ".")


def _dashed(symbol: str) -> str:
    return _spelled(symbol).replace(".", "-")
