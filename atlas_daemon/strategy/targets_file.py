"""Target weights that somebody else computed: a csv file of `symbol,weight,as_of`.

Refused whole, with file and line, for the smallest flaw: half a portfolio is worse than none.
Standard library only.
"""

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from atlas_daemon.core.brain import SignalsError, alpaca_symbol
from atlas_daemon.core.values import Symbol

COLUMNS = ("symbol", "weight", "as_of")
# ASCII digits only; also keeps out NaN, infinities, signs, exponents and underscores.
_WEIGHT = re.compile(r"[0-9]{0,3}\.?[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the file."""

    symbol: Symbol
    weight: Decimal
    """Fraction of the deployable value."""
    line: int


def read_targets(path: Path, signal_day: date) -> tuple[Target, ...]:
    """Return the targets, in the file's order.

    Each weight > 0, their sum <= 1, each symbol once, every `as_of` the signal session. Raises
    `SignalsError` (DATA) with the file and the line otherwise, and where there is no line at all.
    """
    targets: list[Target] = []
    seen: dict[str, int] = {}
    for line, row in _rows(path):
        where = f"{path} line {line}"
        target = _target(where, line, row, signal_day)
        if target.symbol in seen:
            raise SignalsError(f"{where}: {target.symbol} stands in line {seen[target.symbol]} too")
        seen[target.symbol] = line
        targets.append(target)
        total = sum((each.weight for each in targets), Decimal(0))
        if total > 1:
            raise SignalsError(f"{where}: the weights add up to {total}, more than 1")
    if not targets:
        raise SignalsError(f"{path}: has no targets (to hold cash, stop the daemon instead)")
    return tuple(targets)


def refuse_unknown(path: Path, targets: Collection[Target], known: Collection[str]) -> None:
    """Raise `SignalsError` (DATA) for the first target that is not among the `known` symbols."""
    for target in targets:
        if target.symbol not in known:
            raise SignalsError(
                f"{path} line {target.line}: {target.symbol} is unknown to the source of bars"
            )


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if sorted(header) != sorted(COLUMNS):
                raise SignalsError(f"{path} line 1: the columns must be {','.join(COLUMNS)}")
            order = [header.index(name) for name in COLUMNS]
            rows = []
            for row in reader:
                if not row:
                    continue
                if len(row) != len(COLUMNS):
                    raise SignalsError(f"{path} line {reader.line_num}: has not 3 fields")
                rows.append((reader.line_num, [row[at].strip() for at in order]))
            return rows
    except (OSError, ValueError, csv.Error) as error:
        raise SignalsError(f"{path}: cannot be read as targets: {error}") from error


def _target(where: str, line: int, row: list[str], signal_day: date) -> Target:
    name, weight_text, as_of_text = row
    try:
        symbol = alpaca_symbol(name)
    except SignalsError as error:
        raise SignalsError(f"{where}: {error}") from error
    if not _WEIGHT.fullmatch(weight_text) or not 0 < Decimal(weight_text) <= 1:
        raise SignalsError(
            f"{where}: the weight {weight_text!r} of {symbol} is no number above 0 and up to 1"
        )
    try:
        as_of = date.fromisoformat(as_of_text)
    except ValueError as error:
        raise SignalsError(f"{where}: as_of {as_of_text!r} is no date") from error
    if as_of != signal_day:
        raise SignalsError(f"{where}: as_of {as_of} is not the signal session {signal_day}")
    return Target(symbol, Decimal(weight_text), line)
