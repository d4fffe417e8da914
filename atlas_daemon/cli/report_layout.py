"""How the report's figures are spelled and its tables drawn, for all its sections. No section."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlas_daemon.core.spelling import dollars
from atlas_daemon.records.lines import one_line, stamp

NOTHING = "-"
Document = Mapping[str, Any]


def heading(console: Console, text: str) -> None:
    """Print the head of a section."""
    console.print()
    console.print(Text(text, style="bold underline"))


def table_of(heads: Sequence[str], left: Iterable[str]) -> Table:
    """Return a table of text; columns not in `left` are figures."""
    table, words = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False), set(left)
    for head in heads:
        table.add_column(head, justify="left" if head in words else "right", overflow="fold")
    return table


def note(console: Console, text: str, style: str = "dim") -> None:
    """Print a remark."""
    console.print(Text(one_line(text), style=style))


def price(told: str | None) -> str:
    """Return a price with two to four decimals."""
    if told is None:
        return NOTHING
    whole, _, cents = f"{Decimal(told):,.4f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def money(told: str | None) -> str:
    """Return dollars and cents."""
    return NOTHING if told is None else dollars(Decimal(told))


def bps(row: Document) -> str:
    """Return a row's whole cost in basis points of what was decided."""
    return NOTHING if row["bps"] is None else f"{Decimal(row['bps']['total']):+.1f}"


def when(told: str) -> str:
    """Return a moment in New York's time."""
    return stamp(datetime.fromisoformat(told))


def clock(told: str) -> str:
    """Return its time of day."""
    return when(told)[-8:]


def listed(names: Sequence[str]) -> str:
    """Return the first few names."""
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")
