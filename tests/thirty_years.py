"""Prices since 1990 that a package ships, as a file of bars that any machine with a network has.

`python -m tests.thirty_years` prints the file's path, for `data.source = "file:PATH"`. skfolio has
the daily closes of 20 stocks and of the S&P 500 from 1990-01-02 to 2022-12-28: the stocks' adjusted
for splits and dividends, the index without its dividends, which stands in for SPY. What a bar needs
besides is made up and known to be: open, high and low are the close, the volume never changes. The
stocks were chosen in hindsight; sizes are on adjusted closes, no share ever cost that.
"""

import csv
import gzip
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from atlas_daemon.core.brain import BENCHMARK
from tests.conformance import install

UNIVERSE = "AAPL,AMD,BAC,BBY,CVX,GE,HD,JNJ,JPM,KO,LLY,MRK,MSFT,PEP,PFE,PG,RRC,UNH,WMT,XOM"
"""For `strategy.universe` or `--universe`."""
STOCKS = tuple(UNIVERSE.split(","))
FIRST, LAST = date(1990, 1, 2), date(2022, 12, 28)
VOLUME = 10_000_000.0
"""Shares of every bar: the package has none, and a bar without any is refused."""
ROWS_A_GROUP = 21_000
"""Some four years: whoever asks for the last ones reads no more."""
PRICES = ("open", "high", "low", "close")


def bars_file() -> Path:
    """Return the parquet file, made once; raises `install.NotHereError` where it cannot be had."""
    source = install.prices()
    needs = [install.NEEDS / "skfolio.txt", Path(__file__)]
    return install.made("thirty_years", needs, lambda to: _convert(source, to)) / "bars.parquet"


def _convert(source: Path, to: Path) -> None:
    stocks, index = source / "sp500_dataset.csv.gz", source / "sp500_index.csv.gz"
    rows = sorted([*_closes(stocks, STOCKS), *_closes(index, (BENCHMARK,))])
    closes = [close for _, _, close in rows]
    table = pa.table(
        {
            "date": pa.array([day for day, _, _ in rows], pa.date32()),
            "symbol": pa.array([symbol for _, symbol, _ in rows]),
            **dict.fromkeys(PRICES, pa.array(closes)),
            "volume": pa.array([VOLUME] * len(rows)),
        }
    )
    pq.write_table(table, to / "bars.parquet", row_group_size=ROWS_A_GROUP)


def _closes(path: Path, symbols: tuple[str, ...]) -> Iterator[tuple[date, str, float]]:
    """Yield day, symbol and close; the columns behind the date are `symbols`, in that order."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader)[1:]
        if header != list(symbols) and header != ["SP500"]:
            raise install.NotHereError(f"{path.name} has other columns: {','.join(header)[:80]}")
        for day, *closes in reader:
            for symbol, close in zip(symbols, closes, strict=True):
                yield date.fromisoformat(day), symbol, float(close)


if __name__ == "__main__":
    try:
        print(bars_file())
    except install.NotHereError as error:
        sys.exit(f"the prices since 1990 cannot be had: {error}")
