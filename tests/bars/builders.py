"""Small made-up files of bars: keyword overrides over sane defaults."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from atlas_daemon.core.sessions import NYSE

SHARED_BARS = Path(__file__).parents[3] / "shared" / "data" / "us_daily_2014_2026.parquet"

real_data = pytest.mark.skipif(
    not SHARED_BARS.exists(), reason=f"the real bars are not on this machine ({SHARED_BARS})"
)


def sessions(count, last=date(2024, 1, 31)):
    """The last `count` sessions up to `last`, oldest first."""
    found, day = [], last
    while len(found) < count:
        if NYSE.is_session(day):
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def a_bar(day, symbol="AAA", close=100.0, **columns):
    price = {"open": close, "high": close, "low": close, "close": close}
    return {"date": day, "symbol": symbol, **price, "volume": 1000.0, **columns}


def a_series(symbol, closes, last=date(2024, 1, 31), **columns):
    days = sessions(len(closes), last)
    return [a_bar(d, symbol, c, **columns) for d, c in zip(days, closes, strict=True)]


def write_bars(path, rows, types=None):
    table = pa.Table.from_pylist(rows)
    for name, kind in (types or {}).items():
        at = table.schema.names.index(name)
        table = table.set_column(at, name, table.column(name).cast(kind))
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    else:
        pa.csv.write_csv(table, path)
    return path
