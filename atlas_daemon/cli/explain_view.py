"""How a story looks in a terminal: title, facts, what was not done, tables, steps. Rendering only.

Moments are New York's. What others wrote (reasons of the broker, names) is shown on one line each.
"""

import sys
import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlas_daemon.core.moments import NEW_YORK, new_york_day
from atlas_daemon.core.spelling import shares, weekday_text
from atlas_daemon.historian.figures import price
from atlas_daemon.historian.history import OrderTold
from atlas_daemon.historian.steps import Step
from atlas_daemon.historian.stories import Explanation, Holding
from atlas_daemon.historian.undone import Undone
from atlas_daemon.records.lines import one_line, stamp

WIDTH_PIPED = 120
"""Columns where nobody says how wide the output is."""
WORDS_WIDTH_MIN = 30
"""Columns that words get in the narrowest of terminals."""
_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red", "critical": "bold red"}


def print_story(told: Explanation, label: str) -> None:
    """Print the story on standard output."""
    width = None if sys.stdout.isatty() else WIDTH_PIPED
    show(Console(width=width, highlight=False, markup=False, emoji=False), told, label)


def show(console: Console, told: Explanation, label: str) -> None:
    """Print the story of an order, a symbol, a slot or a run."""
    console.print(Text(one_line(f"{label}  {told.title}"), style="bold"), soft_wrap=True)
    for name, words in told.facts:
        _line(console, Text(name, style="dim"), one_line(words), 10)
    if told.undone:
        _heading(console, "Not done, and why")
        _undone(console, told.undone)
    if told.orders:
        _heading(console, "Orders")
        console.print(_orders(told.orders))
    if told.holdings:
        _heading(console, "Position")
        console.print(_holdings(told.holdings))
    if told.steps:
        _heading(console, "Steps (number<-cause)")
        _steps(console, told.steps)
    for note in told.notes:
        console.print(Text(note, style="dim"))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"))


def _line(console: Console, head: Text, words: str, hang: int, style: str = "") -> None:
    """Print a head and its words; further lines of the words hang below their first."""
    room = max(console.width - hang, WORDS_WIDTH_MIN)
    first, *more = textwrap.wrap(words, room, break_on_hyphens=False) or [""]
    head.pad_right(hang - len(head))
    console.print(Text.assemble(head, (first, style)), soft_wrap=True)
    for text in more:
        console.print(Text(" " * hang + text, style), soft_wrap=True)


def _undone(console: Console, undone: Sequence[Undone]) -> None:
    wide = max(len(str(each.seq)) for each in undone) + 4
    for each in undone:
        head = Text(f"  {each.seq}", style="dim")
        _line(console, head, one_line(each.text), wide, "yellow")


def _orders(orders: Sequence[OrderTold]) -> Table:
    table = _table(("Side", "Qty", "Symbol", "Expected", "Filled", "At", "Status", "Id"))
    for order in orders:
        average = order.filled_avg_price
        side = "-" if order.side is None else order.side.value
        table.add_row(
            Text(side, style="green" if side == "buy" else "red"),
            shares(order.qty),
            order.symbol,
            price(order.expected_price),
            shares(order.filled_qty),
            "-" if average is None else price(round(average, 4)),
            order.status,
            order.order_id,
        )
    return table


def _holdings(holdings: Sequence[Holding]) -> Table:
    table = _table(("Entry", "New York", "Before", "Change", "After", "By"))
    for holding in holdings:
        moved = holding.moved
        change = moved.after - moved.before
        table.add_row(
            str(moved.seq),
            stamp(holding.at),
            shares(moved.before),
            Text(("+" if change > 0 else "") + shares(change), "green" if change > 0 else "red"),
            shares(moved.after),
            one_line(holding.text),
        )
    return table


_LEFT = frozenset({"Side", "Symbol", "Status", "Id", "New York", "By"})


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in _LEFT else "right", overflow="fold")
    return table


def _steps(console: Console, steps: Sequence[Step]) -> None:
    places = [_place(step) for step in steps]
    wide = max(map(len, places)) + 2
    day = None
    for step, place in zip(steps, places, strict=True):
        if new_york_day(step.at) != day:
            day = new_york_day(step.at)
            console.print(Text(f"{weekday_text(day)}, New York", style="dim"))
        head = Text(f"{step.at.astimezone(NEW_YORK):%H:%M:%S}  ") + Text(f"{place:<{wide}}", "dim")
        hang = 10 + wide
        _line(console, head, one_line(step.text), hang, _STYLES.get(step.level, ""))
        for figure in step.figures:
            _line(console, Text(""), one_line(figure), hang + 2, "dim")


def _place(step: Step) -> str:
    return f"{step.seq}<-{'' if step.cause is None else step.cause}".removesuffix("<-")
