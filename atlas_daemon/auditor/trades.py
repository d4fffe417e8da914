"""The trades files against the journal: row by row, the first that differs named. Reading only."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.events import Entry
from atlas_daemon.core.values import OrderId
from atlas_daemon.records.lines import cell, day_of, one_line
from atlas_daemon.records.trades_csv import COLUMNS, OrderSeen, rows, seen

Cells = Sequence[str]
Redact = Callable[[str], str]
SHOWN_CHARS = 80

_NAME = re.compile(r"trades_(\d{4}-\d{2}-\d{2})\.csv(?:\.\d+)*(?:\.gz)?")


@dataclass(frozen=True, slots=True)
class Difference:
    """The first row of a file that is not as the journal tells it."""

    file: str
    line: int
    """Of the file, from 1; 0 where the file as a whole is meant."""
    column: str
    """Empty where the whole row is meant."""
    text: str

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        column = f", column {self.column}" if self.column else ""
        return f"{self.file}{line}{column}: {self.text}"


@dataclass(frozen=True, slots=True)
class TradesVerdict:
    """What was compared, and the first difference; None where there is none."""

    files: int
    rows: int
    difference: Difference | None


def compare_trades(folder: Path, entries: Iterable[Entry], redact: Redact) -> TradesVerdict:
    """Compare every trades file of a log folder and its archive with what the journal tells.

    `redact` hides in the journal's rows what was hidden when they were written. Raises ConfigError
    for a file that may not be read.
    """
    told = _rows_by_day(entries, redact)
    files, count = sorted(_files_of(folder), key=lambda found: (found[0], str(found[1]))), 0
    for day, path in files:
        name = str(path.relative_to(folder))
        difference = _compare(name, path, told.get(day, []))
        if difference is not None:
            return TradesVerdict(len(files), count, difference)
        count += len(told.get(day, []))
    there = {day for day, _ in files}
    for day, expected in sorted(told.items()):
        if day not in there:
            text = f"the file is missing: the journal has {len(expected)} rows of that day"
            difference = Difference(f"trades_{day}.csv", 0, "", text)
            return TradesVerdict(len(files), count, difference)
    return TradesVerdict(len(files), count, None)


def _rows_by_day(entries: Iterable[Entry], redact: Redact) -> dict[date, list[Cells]]:
    orders: dict[OrderId, OrderSeen] = {}
    by_day: dict[date, list[Cells]] = {}
    for entry in entries:
        for row in rows(entry, orders):
            cells = [cell(redact(str(getattr(row, name)))) for name in COLUMNS]
            by_day.setdefault(day_of(entry.at), []).append(cells)
        if (order := seen(orders, entry)) is not None:
            orders[order.draft.order_id] = order
    return by_day


def _files_of(folder: Path) -> Iterator[tuple[date, Path]]:
    for place in (folder, folder / "archive"):
        if not place.is_dir():
            continue
        for path in place.iterdir():
            found = _NAME.fullmatch(path.name)
            if found is not None:
                try:
                    yield date.fromisoformat(found[1]), path
                except ValueError:  # the thirtieth of February is nobody's day file
                    continue


def _compare(name: str, path: Path, expected: Sequence[Cells]) -> Difference | None:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        there = list(_read(text))
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        return Difference(name, 0, "", f"cannot be read: {one_line(str(error))}")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if not there or tuple(there[0][1]) != COLUMNS:
        return Difference(name, 1, "", f"the columns are not {','.join(COLUMNS)}")
    if not text.endswith("\n"):
        return Difference(name, there[-1][0], "", "the last line is cut off")
    return _first_difference(name, there[1:], expected)


def _read(text: str) -> Iterator[tuple[int, Cells]]:
    """Yield each row with the line it begins on: a cell may have lines of its own."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _first_difference(
    name: str, there: Sequence[tuple[int, Cells]], expected: Sequence[Cells]
) -> Difference | None:
    for place, (line, cells) in enumerate(there):
        if place == len(expected):
            return Difference(name, line, "", f"the journal has no such row: {_shown(cells)}")
        wanted = expected[place]
        if list(cells) == list(wanted):
            continue
        if place + 1 < len(expected) and list(cells) == list(expected[place + 1]):
            text = f"a row before it is missing: {_shown(wanted)}"
            return Difference(name, line, "", text)
        if place + 1 < len(there) and list(there[place + 1][1]) == list(wanted):
            return Difference(name, line, "", f"the journal has no such row: {_shown(cells)}")
        if len(cells) != len(COLUMNS):
            text = f"{len(cells)} cells, not {len(COLUMNS)}: {_shown(cells)}"
            return Difference(name, line, "", text)
        column = next(i for i, (a, b) in enumerate(zip(cells, wanted, strict=True)) if a != b)
        text = f"{_short(cells[column])}, the journal says {_short(wanted[column])}"
        return Difference(name, line, COLUMNS[column], text)
    if len(there) < len(expected):
        last = there[-1][0] if there else 1
        more, wanted = len(expected) - len(there), expected[len(there)]
        text = f"{more} rows of the journal are missing after it, the first: {_shown(wanted)}"
        return Difference(name, last, "", text)
    return None


def _shown(cells: Cells) -> str:
    return _short(",".join(cells))


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}...")
