"""Which symbols may be held: named lists, lists from the configuration, point-in-time membership.

Standard library only. Says *which*; whether their bars are any good is for others to say.
"""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

from atlas_daemon.core.brain import BENCHMARK, FailureKind, SignalsError, alpaca_symbol

_LISTS = {
    "technology": "AAPL MSFT NVDA GOOGL META TSLA AVGO ORCL AMD CRM ADBE NFLX INTC CSCO ACN IBM "
    "NOW QCOM TXN INTU AMAT MU LRCX KLAC SNPS CDNS MCHP FTNT PANW CRWD",
    "sp500_proxy": "AAPL MSFT NVDA AMZN GOOGL META BRK.B AVGO LLY TSLA JPM WMT V XOM UNH MA PG "
    "COST JNJ HD NFLX BAC ABBV CRM MRK KO CVX AMD PEP ORCL TMO ACN MCD CSCO ABT DHR DIS ADBE WFC "
    "TXN",
    "healthcare": "UNH JNJ LLY ABBV MRK TMO ABT DHR PFE BMY AMGN CVS MDT GILD CI REGN SYK VRTX "
    "ZTS HUM",
    "financials": "JPM BAC WFC GS MS C BLK SCHW CB AXP PNC USB TFC COF BK AIG MET AFL PRU ALL",
}
NAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(symbols.split()) for name, symbols in _LISTS.items()}
)
"""The lists that have a name, as of late 2025."""

ALL = "all"


@dataclass(frozen=True, slots=True)
class Universe:
    """The symbols that may be held on one day."""

    label: str
    symbols: tuple[str, ...] | None
    """None = every series of the data."""
    notes: tuple[str, ...] = ()
    then: Mapping[str, str] = field(default_factory=dict)
    """Tickers of that day, by the symbols that their series have today, where they differ."""


def resolve_universe(text: str, signal_day: date) -> Universe:
    """Return the universe that `text` names: a name, `all`, `file:PATH`, or symbols with commas.

    Raises `SignalsError`: CONFIG for an unknown name, a symbol that is none or stands there twice
    (BRK-B is BRK.B), a bad file; EMPTY where a
    membership file has no member with a series on `signal_day`.
    """
    if text.startswith("file:"):
        return from_file(Path(text.removeprefix("file:")).expanduser(), signal_day)
    if text == ALL:
        note = (
            f"universe all is what the data holds today, without {BENCHMARK}: survivorship-biased "
            "for past dates"
        )
        return Universe(ALL, None, (note,))
    if text in NAMED:
        note = f"universe {text} is a list of late 2025: survivorship-biased for past dates"
        return Universe(text, NAMED[text], (note,))
    # A single word in capitals is a list of one; anything else is a name, and none that we know.
    if "," not in text and not (text and text == text.upper()):
        allowed = ", ".join([*NAMED, ALL])
        raise SignalsError(
            f"strategy.universe: unknown universe {text!r}; allowed: {allowed}, file:PATH "
            "or symbols in capitals separated by commas",
            FailureKind.CONFIG,
        )
    try:
        symbols = [alpaca_symbol(part) for part in text.split(",")]
    except SignalsError as error:
        raise SignalsError(f"strategy.universe: {error}", FailureKind.CONFIG) from error
    twice = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if twice:
        text = f"strategy.universe: {', '.join(twice)} stands there more than once"
        raise SignalsError(text, FailureKind.CONFIG)
    return Universe("of the list", tuple(symbols))


def from_file(path: Path, signal_day: date) -> Universe:
    """Return the universe of a file: symbols, one a line below `symbol`, or members of their time.

    Raises `SignalsError` as `resolve_universe` does, naming the file, and the line of a bad symbol.
    """
    names, rows = _rows(path)
    if names not in (["symbol"], ["ticker"]):
        return members_on(path, signal_day)
    seen: dict[str, int] = {}
    for line, row in rows:
        where = f"{path} line {line}"
        symbol = _symbol(where, row[names[0]])
        if symbol in seen:
            text = f"{where}: {symbol} stands in line {seen[symbol]} too"
            raise SignalsError(text, FailureKind.CONFIG)
        seen[symbol] = line
    if not seen:
        raise SignalsError(f"{path}: names no symbol", FailureKind.EMPTY)
    note = f"universe {path.name} is a list of no day: survivorship-biased where it was made later"
    return Universe(f"of {path.name}", tuple(seen), (note,))


def members_on(path: Path, signal_day: date) -> Universe:
    """Return the members on `signal_day` by a file of `ticker,start_date,end_date[,data_symbol]`.

    An interval holds its start and not its end: a ticker that ends on the day another begins is
    counted once (CDAY ends and DAY begins on 2024-02-01). No end = still a member. `data_symbol`
    is the name of the member's series today, and the name that is picked; empty = it has none, and
    the member counts as uncovered. Without the column the ticker names its series.
    """
    covered: dict[str, None] = {}
    then: dict[str, str] = {}
    uncovered = []
    for ticker, data_symbol in intervals_on(path, signal_day):
        if data_symbol:
            covered[data_symbol] = None
            if ticker.replace("-", ".") != data_symbol:
                then[data_symbol] = ticker
        else:
            uncovered.append(ticker)
    label = f"of {path.name}"
    if not covered:
        text = f"{path}: no member with a series on {signal_day}"
        raise SignalsError(text, FailureKind.EMPTY)
    notes: tuple[str, ...] = ()
    if uncovered:
        named = ", ".join(uncovered[:5]) + (" ..." if len(uncovered) > 5 else "")
        total = len(covered) + len(uncovered)
        notes = (
            f"{len(uncovered)} of {total} members of {path.name} on {signal_day} have no series: "
            f"{named}",
        )
    return Universe(label, tuple(covered), notes, then)


def intervals_on(path: Path, signal_day: date) -> list[tuple[str, str]]:
    """Return ticker and series name of every interval that holds `signal_day`."""
    found = []
    names, rows = _rows(path)
    for name in ("ticker", "start_date", "end_date"):
        if name not in names:
            raise SignalsError(f"{path}: lacks the column {name}", FailureKind.CONFIG)
    for line, row in rows:
        where = f"{path} line {line}"
        start = _day(where, row["start_date"])
        end = _day(where, row["end_date"]) if row["end_date"].strip() else date.max
        if end < start:
            raise SignalsError(f"{where}: ends before it starts", FailureKind.CONFIG)
        series = row.get("data_symbol", row["ticker"]).strip()
        if start <= signal_day < end:
            found.append((row["ticker"].strip(), _symbol(where, series) if series else ""))
    return found


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the columns of a csv file, and its rows with their lines, each of all columns."""
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            names = list(reader.fieldnames or [])
            for row in reader:
                if None in row or None in row.values():
                    text = f"{path} line {reader.line_num}: has not {len(names)} fields"
                    raise SignalsError(text, FailureKind.CONFIG)
                rows.append((reader.line_num, row))
    except (OSError, ValueError, csv.Error) as error:
        text = f"{path}: cannot be read as members: {error}"
        raise SignalsError(text, FailureKind.CONFIG) from error
    return names, rows


def _day(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise SignalsError(f"{where}: {text!r} is no date", FailureKind.CONFIG) from error


def _symbol(where: str, text: str) -> str:
    try:
        return alpaca_symbol(text)
    except SignalsError as error:
        raise SignalsError(f"{where}: {error}", FailureKind.CONFIG) from error
