"""Which symbols may be held: named lists, lists from the configuration, point-in-time membership.

Standard library only. Says *which*; whether their bars are any good is for others to say.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from atlas_daemon.core.brain import FailureKind, SignalsError, alpaca_symbol

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


def resolve_universe(text: str, signal_day: date) -> Universe:
    """Return the universe that `text` names: a name, `all`, `file:PATH`, or symbols with commas.

    Raises `SignalsError`: CONFIG for an unknown name, a bad symbol or file; EMPTY where a
    membership file has no member with a series on `signal_day`.
    """
    if text.startswith("file:"):
        return members_on(Path(text.removeprefix("file:")).expanduser(), signal_day)
    if text == ALL:
        note = "universe all is what the data holds today: survivorship-biased for past dates"
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
    return Universe("of the list", tuple(dict.fromkeys(symbols)))


def members_on(path: Path, signal_day: date) -> Universe:
    """Return the members on `signal_day` by a file of `ticker,start_date,end_date[,data_symbol]`.

    An interval holds its start and not its end: a ticker that ends on the day another begins is
    counted once (CDAY ends and DAY begins on 2024-02-01). No end = still a member. `data_symbol`
    is the name of the member's series today, and the name that is picked; empty = it has none, and
    the member counts as uncovered. Without the column the ticker names its series.
    """
    covered: dict[str, None] = {}
    uncovered = []
    for ticker, data_symbol in _intervals(path, signal_day):
        if data_symbol:
            covered[data_symbol] = None
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
    return Universe(label, tuple(covered), notes)


def _intervals(path: Path, signal_day: date) -> list[tuple[str, str]]:
    """Return ticker and series name of every interval that holds `signal_day`."""
    found = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            names = reader.fieldnames or []
            for name in ("ticker", "start_date", "end_date"):
                if name not in names:
                    text = f"{path}: lacks the column {name}"
                    raise SignalsError(text, FailureKind.CONFIG)
            for row in reader:
                where = f"{path} line {reader.line_num}"
                if None in row or None in row.values():
                    text = f"{where}: has not {len(names)} fields"
                    raise SignalsError(text, FailureKind.CONFIG)
                start = _day(where, row["start_date"])
                end = _day(where, row["end_date"]) if row["end_date"].strip() else date.max
                if end < start:
                    raise SignalsError(f"{where}: ends before it starts", FailureKind.CONFIG)
                series = row.get("data_symbol", row["ticker"]).strip()
                if start <= signal_day < end:
                    found.append((row["ticker"].strip(), _series(where, series)))
    except (OSError, ValueError, csv.Error) as error:
        text = f"{path}: cannot be read as members: {error}"
        raise SignalsError(text, FailureKind.CONFIG) from error
    return found


def _day(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise SignalsError(f"{where}: {text!r} is no date", FailureKind.CONFIG) from error


def _series(where: str, text: str) -> str:
    try:
        return alpaca_symbol(text) if text else ""
    except SignalsError as error:
        raise SignalsError(f"{where}: {error}", FailureKind.CONFIG) from error
