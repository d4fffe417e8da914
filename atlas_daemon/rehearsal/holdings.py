"""Holdings as a person writes them down: `AAPL=40,MSFT=12.5` or a csv file of `symbol,qty`.

Reading only; what they are worth is the scene's.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from atlas_daemon.core.brain import SignalsError, alpaca_symbol
from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.core.values import Symbol

COLUMNS = ("symbol", "qty")
# ASCII digits only; also keeps out NaN, infinities, signs and exponents.
_QTY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def read_holdings(text: str) -> dict[Symbol, Decimal]:
    """Return shares by symbol, in symbol order, of `SYM=QTY,...` or of a file named `*.csv`.

    Raises UsageError that names the part, or ConfigError that names the file and the line, where a
    symbol is none, stands there twice, or its quantity is not above 0.
    """
    if text.strip().lower().endswith(".csv"):
        return _collected(_from_file(Path(text.strip()).expanduser()), ConfigError)
    return _collected(_from_words(text), UsageError)


def _from_words(text: str) -> Iterator[tuple[str, str, str]]:
    for part in text.split(","):
        name, sign, qty = part.partition("=")
        if not sign:
            raise UsageError(f"--holdings: {part.strip()!r} is not of the form SYMBOL=QTY")
        yield "--holdings", name, qty


def _from_file(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if sorted(header) != sorted(COLUMNS):
                raise ConfigError(f"{path} line 1: the columns must be {','.join(COLUMNS)}")
            name_at, qty_at = (header.index(name) for name in COLUMNS)
            for row in reader:
                where = f"{path} line {reader.line_num}"
                if row and len(row) != len(COLUMNS):
                    raise ConfigError(f"{where}: has not {len(COLUMNS)} fields")
                if row:
                    yield where, row[name_at], row[qty_at]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read as holdings: {reason}") from error


def _collected(
    parts: Iterable[tuple[str, str, str]], refusal: type[UsageError] | type[ConfigError]
) -> dict[Symbol, Decimal]:
    held: dict[Symbol, Decimal] = {}
    for where, name, qty in parts:
        try:
            symbol = alpaca_symbol(name)
        except SignalsError as error:
            raise refusal(f"{where}: {error}") from error
        if symbol in held:
            raise refusal(f"{where}: {symbol} stands there twice")
        if not _QTY.fullmatch(qty.strip()) or not Decimal(qty.strip()):
            raise refusal(f"{where}: the quantity {qty.strip()!r} of {symbol} is no number above 0")
        held[symbol] = Decimal(qty.strip())
    return dict(sorted(held.items()))
