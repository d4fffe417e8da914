"""The VIX as a second opinion: sessions on which its jump alone says CRASH.

A csv file (gzip or not) with the columns `date` and `close`, as CBOE publishes it, or with a
`symbol` column beside them. Standard library only.
"""

import csv
import gzip
from collections.abc import Sequence
from datetime import date
from math import isfinite
from pathlib import Path

from atlas_daemon.core.brain import FailureKind, SignalsError

RISE_IN_1 = 0.20
RISE_IN_3 = 0.50
"""More than this in one session, or in three, is a crash (+115.6 % on 2018-02-05)."""
SYMBOLS = frozenset({"VIX", "^VIX"})


def vix_spikes(closes: dict[date, float], sessions: Sequence[date]) -> dict[date, bool]:
    """Return for each session whether the VIX jumped; days that are no session are not looked at.

    The newest session needs its own close and those one and three sessions earlier: without them
    `SignalsError`. Older holes say nothing: the comparison that needs them is not made.
    """
    if len(sessions) > 3:
        for day in (sessions[-1], sessions[-2], sessions[-4]):
            if day not in closes:
                raise SignalsError(f"no close of the VIX on {day}")
    spikes = {}
    for at, day in enumerate(sessions):
        now = closes.get(day, float("nan"))
        spikes[day] = any(
            at >= back and now / closes.get(sessions[at - back], float("nan")) - 1 > rise
            for back, rise in ((1, RISE_IN_1), (3, RISE_IN_3))
        )
    return spikes


def read_vix(path: Path) -> dict[date, float]:
    """Return the closes by day. Raises `SignalsError` naming the file, and the line of a bad row.

    CONFIG where it is missing or no such file, DATA where a row is wrong or stands twice.
    """
    closes: dict[date, float] = {}
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            if not {"date", "close"} <= set(header):
                text = f"{path}: lacks the columns date and close"
                raise SignalsError(text, FailureKind.CONFIG)
            for row in reader:
                where = f"{path} line {reader.line_num}"
                if len(row) != len(header):
                    raise SignalsError(f"{where}: has not {len(header)} fields")
                cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
                if cells.get("symbol", "VIX") not in SYMBOLS:
                    continue
                day, close = _day(where, cells["date"]), _close(where, cells["close"])
                if day in closes:
                    raise SignalsError(f"{where}: {day} stands there twice")
                closes[day] = close
    except (OSError, EOFError, ValueError, csv.Error) as error:
        text = f"{path}: cannot be read as closes of the VIX: {error}"
        raise SignalsError(text, FailureKind.CONFIG) from error
    if not closes:
        raise SignalsError(f"{path}: has no close of the VIX")
    return closes


def _day(where: str, text: str) -> date:
    try:
        if "/" in text:  # CBOE's own file: month/day/year
            month, day, year = map(int, text.split("/"))
            return date(year, month, day)
        return date.fromisoformat(text)
    except ValueError:
        raise SignalsError(f"{where}: {text!r} is no date") from None


def _close(where: str, text: str) -> float:
    try:
        close = float(text)
    except ValueError:
        close = float("nan")
    if not (isfinite(close) and close > 0):
        raise SignalsError(f"{where}: {text!r} is no close of the VIX")
    return close
