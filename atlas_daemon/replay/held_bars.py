"""Years of daily bars, read once and cut to what the child process would have read on a day."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlas_daemon.bars.files import DAMAGE, load_bars
from atlas_daemon.bars.frame import Bars, day_number, day_of
from atlas_daemon.core.brain import BENCHMARK, FailureKind, SignalsError, SignalsRequest
from atlas_daemon.core.sessions import NYSE

LoadBars = Callable[[Collection[str] | None, date], Bars]
"""As the worker asks: bars of these symbols (None = all) from a day up to the signal session."""
FAR_BACK = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class Split:
    """New shares for one old one, from the first session that counts in them."""

    day: date
    symbol: str
    ratio: float


class HeldBars:
    """All bars of a file (parquet, csv, csv.gz). `benchmark`: another file for the regime's series.

    Raises `SignalsError`, naming the file, where it is missing or no such file of bars.
    """

    def __init__(self, path: Path, benchmark: Path | None = None) -> None:
        self.path = path
        self.first, self.last = span_of(path)
        self.bars = load_bars(path, None, FAR_BACK, self.last)
        self.splits = _splits_of(path)
        self._place = {symbol: column for column, symbol in enumerate(self.bars.symbols)}
        self._benchmark: HeldBars | None = None
        if benchmark is not None:
            self._benchmark = _alone(benchmark)

    @classmethod
    def of(cls, bars: Bars, splits: tuple[Split, ...] = ()) -> "HeldBars":
        """Return bars that are at hand already."""
        held = cls.__new__(cls)
        held.path, held.bars, held.splits, held._benchmark = Path(bars.source), bars, splits, None
        held.first, held.last = day_of(bars.sessions[0]), day_of(bars.sessions[-1])
        held._place = {symbol: column for column, symbol in enumerate(bars.symbols)}
        return held

    def column(self, symbol: str) -> int | None:
        """Return the column of `symbol` in `bars`, None where there is no such series."""
        return self._place.get(symbol)

    def at_hand(self, request: SignalsRequest) -> LoadBars:
        """Return what reads the bars of a request: nothing dated after its signal session."""

        def load(symbols: Collection[str] | None, start: date) -> Bars:
            only_benchmark = symbols is not None and set(symbols) == {BENCHMARK}
            if only_benchmark and self._benchmark is not None:
                return self._benchmark.window(symbols, start, request.signal_day)
            return self.window(symbols, start, request.signal_day)

        return load

    def window(self, symbols: Collection[str] | None, start: date, end: date) -> Bars:
        """Return what `load_bars` would read of the file for [start, end].

        The next session's splits are told with it. Raises `SignalsError` where `end` has no bar.
        """
        whole = self.bars
        begin = int(np.searchsorted(whole.sessions, day_number(start), "left"))
        over = int(np.searchsorted(whole.sessions, day_number(end), "right"))
        if whole.row(end) is None:
            if end > self.last:
                raise SignalsError(f"{self.path} ends on {self.last}: no bars for {end}")
            if end < self.first:
                raise SignalsError(f"{self.path} starts on {self.first}: no bars for {end}")
            raise SignalsError(
                f"{self.path} has no bar of any symbol on {end}: no session, or a hole"
            )
        rows = slice(begin, over)
        if symbols is None:
            there = np.flatnonzero(whole.present[rows].any(axis=0))
            symbols = [whole.symbols[column] for column in there.tolist()]
        names = tuple(sorted(set(symbols)))
        columns = np.array([self._place.get(name, -1) for name in names], dtype=np.int64)

        def cut(matrix: Any, nothing: Any) -> Any:
            part = matrix[rows][:, columns]
            if (columns < 0).any():
                part[:, columns < 0] = nothing
            return part

        nan = float("nan")
        known = set(names)
        return replace(
            whole,
            sessions=whole.sessions[rows],
            symbols=names,
            high_total=cut(whole.high_total, nan),
            close_total=cut(whole.close_total, nan),
            close_traded=cut(whole.close_traded, nan),
            volume=cut(whole.volume, nan),
            value=cut(whole.value, nan),
            present=cut(whole.present, False),
            action=cut(whole.action, False),
            duplicates=tuple(
                (symbol, day)
                for symbol, day in whole.duplicates
                if symbol in known and start <= day <= end
            ),
            splits_next=self._splits_after(end, known),
        )

    def _splits_after(self, end: date, names: Collection[str]) -> dict[str, float]:
        order_day = NYSE.session_after(end).day
        product: dict[str, float] = {}
        for split in self.splits:
            if end < split.day <= order_day and split.symbol in names:
                product[split.symbol] = product.get(split.symbol, 1.0) * split.ratio
        return product


def span_of(path: Path) -> tuple[date, date]:
    """Return the first and the last day of a file of bars. Raises `SignalsError`, naming it."""
    if not path.is_file():
        raise SignalsError(f"{path}: no such file of bars", FailureKind.CONFIG)
    try:
        days = _column_of(path, "date").cast(pa.date32())
        if not len(days):
            raise SignalsError(f"{path}: has no rows")
        first, last = pc.min(days).as_py(), pc.max(days).as_py()
    except (*DAMAGE, KeyError) as error:
        text = f"{path}: cannot be read as bars: {error}"
        raise SignalsError(text, FailureKind.CONFIG) from error
    if first is None:
        raise SignalsError(f"{path}: cannot be read as bars: date is empty", FailureKind.CONFIG)
    return first, last


def _alone(path: Path) -> HeldBars:
    """Return the benchmark's bars of a file, and nothing else of it."""
    _, last = span_of(path)
    bars = load_bars(path, [BENCHMARK], FAR_BACK, last)
    if not bars.present.any():
        raise SignalsError(f"{path}: has no bars of {BENCHMARK}", FailureKind.CONFIG)
    return HeldBars.of(bars)


def _splits_of(path: Path) -> tuple[Split, ...]:
    try:
        ratios = _column_of(path, "split")
    except (*DAMAGE, KeyError):
        return ()  # without the column the file has none
    rows = pc.indices_nonzero(pc.fill_null(pc.greater(ratios, 0), False))
    days = _column_of(path, "date").cast(pa.date32()).take(rows).to_pylist()
    names = _column_of(path, "symbol").cast(pa.string()).take(rows).to_pylist()
    found = zip(days, names, ratios.take(rows).to_pylist(), strict=True)
    return tuple(Split(day, name.strip().replace("-", "."), ratio) for day, name, ratio in found)


def _column_of(path: Path, name: str) -> Any:
    """Return one column. Raises KeyError where the file has none of that name."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path, columns=[name]).column(name)
    from pyarrow import csv as arrow_csv

    table = arrow_csv.read_csv(path)
    return table.column(name)
