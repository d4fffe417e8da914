"""How a regime and its history look in a terminal. Rendering only."""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlas_daemon.core.values import ALLOCATION, Regime
from atlas_daemon.records.lines import one_line

WIDTH_PIPED = 120
PLOT_ROWS = 12
PLOT_WIDTH_MAX = 160
STYLES = {
    Regime.TREND_BULL: "green",
    Regime.TREND_NEUTRAL: "yellow",
    Regime.TREND_BEAR: "red",
    Regime.CRASH: "bold magenta",
}
MARKS = {
    Regime.TREND_BULL: "█",
    Regime.TREND_NEUTRAL: "▓",
    Regime.TREND_BEAR: "░",
    Regime.CRASH: "×",
}
"""Readable without colours: the fuller, the more is deployed."""
LETTERS = {
    Regime.TREND_BULL: "B",
    Regime.TREND_NEUTRAL: "n",
    Regime.TREND_BEAR: "b",
    Regime.CRASH: "X",
}
"""Where the output takes ASCII only."""
DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Braille: bits of the two columns of a cell, from the lowest dot up."""


def print_reading(document: Mapping[str, Any], label: str) -> None:
    """Print the regime of one session on standard output."""
    show_reading(_console(), document, label)


def print_history(document: Mapping[str, Any], label: str) -> None:
    """Print the changes and the plot on standard output."""
    show_history(_console(), document, label)


def show_reading(console: Console, document: Mapping[str, Any], label: str) -> None:
    """Print the regime of one session; a model's with all that it rests on."""
    console.print(Text(f"{label}  regime as of the close of {document['as_of']}", style="bold"))
    regime = Regime(document["regime"])
    said = Text(f"Regime     {regime}", style=STYLES[regime])
    console.print(said.append(f": up to {_percent(ALLOCATION[regime])} deployed", style="default"))
    if "raw" not in document:
        console.print(f"Source     {document['source']}", soft_wrap=True)
    else:
        _show_model(console, document)
    for note in document["notes"]:
        console.print(f"Note       {one_line(note)}", soft_wrap=True)


def show_history(console: Console, document: Mapping[str, Any], label: str) -> None:
    """Print the changes and the plot."""
    days = f"{document['from']} to {document['to']}"
    title = f"{label}  {document['kind']} regimes, {days}"
    console.print(Text(title, style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Regime", "From", "To", "Sessions", "SPY meanwhile"):
        right = column in ("Sessions", "SPY meanwhile")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for each in document["changes"]:
        table.add_row(
            Text(each["regime"], style=STYLES[Regime(each["regime"])]),
            each["first"],
            each["last"],
            str(each["sessions"]),
            f"{each['change']:+.1%}".replace("%", " %"),
        )
    console.print(table)
    width = min(console.width, PLOT_WIDTH_MAX)
    is_plain = not console.encoding.lower().startswith("utf")
    for line in plot(document["sessions"], width, is_plain=is_plain):
        console.print(line, no_wrap=True, overflow="crop")
    console.print(_shares(document["sessions"], is_plain=is_plain), soft_wrap=True)
    for note in document["notes"]:
        console.print(f"Note  {one_line(note)}", soft_wrap=True)


def plot(sessions: Sequence[Mapping[str, Any]], width: int, *, is_plain: bool) -> list[Text]:
    """Return the lines of a plot: the market's path above, the regime of each column below.

    A column shows the worst regime of its sessions. `is_plain`: ASCII only.
    """
    left = 7
    columns = max(10, min(width - left, len(sessions)))
    logs = [math.log(each["index"]) for each in sessions]
    low, high = min(logs), max(logs)
    cells = _line(logs, columns)
    regimes = [_worst(sessions, at, columns) for at in range(columns)]
    lines = []
    for row, line in enumerate(cells):
        part_of_range = (PLOT_ROWS - 1 - row) / (PLOT_ROWS - 1)
        is_labelled = row % 4 == 0 or row == PLOT_ROWS - 1
        level = math.exp(low + part_of_range * (high - low)) / sessions[0]["index"] * 100
        edge = "|" if is_plain else "│"
        text = Text().append(
            f"{level:5.0f} {edge}" if is_labelled else f"      {edge}", style="dim"
        )
        marks = [("*" if cell else " ") if is_plain else _dots(cell) for cell in line]
        lines.append(_coloured(text, marks, regimes))
    strip = [LETTERS[regime] if is_plain else MARKS[regime] for regime in regimes]
    lines.append(_coloured(Text(" " * left), strip, regimes))
    first, last = sessions[0]["day"], sessions[-1]["day"]
    gap = " " * max(1, columns - len(first) - len(last))
    return [*lines, Text(f"{' ' * left}{first}{gap}{last}", style="dim")]


def _coloured(text: Text, marks: Sequence[str], regimes: Sequence[Regime]) -> Text:
    """Add marks in their regimes' colours, a run at a time."""
    at = 0
    for regime, group in groupby(regimes):
        length = len(list(group))
        text.append("".join(marks[at : at + length]), style=STYLES[regime])
        at += length
    return text


def _line(levels: Sequence[float], columns: int) -> list[list[int]]:
    """Return the path of `levels` as braille cells, rows from the top, without gaps."""
    low, high = min(levels), max(levels)
    cells = [[0] * columns for _ in range(PLOT_ROWS)]
    before: int | None = None
    for at in range(columns * 2):
        first = at * len(levels) // (columns * 2)
        last = max(first + 1, (at + 1) * len(levels) // (columns * 2))
        level = sum(levels[first:last]) / (last - first)
        part = 0.0 if high == low else (level - low) / (high - low)
        dot = round(part * (PLOT_ROWS * 4 - 1))
        start = dot if before is None else before + (dot > before) - (dot < before)
        for each in range(min(start, dot), max(start, dot) + 1):
            cells[PLOT_ROWS - 1 - each // 4][at // 2] |= DOTS[at % 2][each % 4]
        before = dot
    return cells


def _show_model(console: Console, document: Mapping[str, Any]) -> None:
    raw, confirmed, fit = document["raw"], document["confirmed"], document["fit"]
    why = " (the VIX jumped)" if document["by_vix"] else ""
    rank = f"{document['margin_rank']:.0%}".replace("%", " %")
    window, wanted = document["window"]["sessions"], document["window"]["wanted"]
    of_wanted = "all" if wanted is None else f"the last {wanted:,}"
    held = "" if wanted is None or wanted == window else f", of which there are {window:,}"
    limits = document["thresholds"]
    rows = (
        (
            "Confirmed",
            f"{confirmed['regime']} since {confirmed['since']}, {confirmed['sessions']:,} "
            f"sessions ({confirmed['needs_sessions']} in a row confirm)",
        ),
        ("Raw", f"{raw['regime']} since {raw['since']}, {raw['sessions']:,} sessions{why}"),
        (
            "How sure",
            f"{document['state']} by a margin of {document['margin']:.2f}, more than on {rank} of "
            f"the {document['state']} sessions before",
        ),
        (
            "Model",
            f"fitted on {fit['day']} to {fit['sessions']:,} sessions, again {fit['refits']}; "
            f"{document['mode']}, lambda {document['lambda']:g}",
        ),
    )
    for name, words in rows:
        console.print(_hanging(name, words, console.width))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Feature", "Today", "z", "Bull centre", "Bear centre"):
        table.add_column(column, justify="left" if column == "Feature" else "right", no_wrap=True)
    for each in document["features"]:
        table.add_row(
            each["name"],
            f"{each['value']:+.4f}",
            "-" if each["z"] is None else f"{each['z']:+.2f}",
            f"{each['bull']:+.4f}",
            f"{each['bear']:+.4f}",
        )
    console.print(table)
    downside, sortino = limits["crash_downside_z"], limits["crash_sortino_z"]
    mapping = (
        f"bear is CRASH where the downside's z > {downside:g} and the Sortino (20)'s "
        f"z < {sortino:g}, else TREND_BEAR; bull is TREND_BULL where the Sortino (20)'s "
        f"z > {limits['bull_sortino_z']:g}, else TREND_NEUTRAL"
    )
    console.print(_hanging("Thresholds", mapping, console.width))
    console.print(_hanging("z", f"against {of_wanted} sessions{held}", console.width))


def _hanging(name: str, words: str, width: int) -> Text:
    """Return a named line whose later lines are indented."""
    indent = 11
    text = Text(words)
    lines = text.wrap(Console(width=width), max(20, width - indent))
    joined = Text(f"{name:<{indent}}")
    for at, line in enumerate(lines):
        line.rstrip()
        joined.append("" if at == 0 else "\n" + " " * indent).append_text(line)
    return joined


def _worst(sessions: Sequence[Mapping[str, Any]], at: int, columns: int) -> Regime:
    first = at * len(sessions) // columns
    last = max(first + 1, (at + 1) * len(sessions) // columns)
    regimes = [Regime(each["regime"]) for each in sessions[first:last]]
    return min(regimes, key=lambda regime: ALLOCATION[regime])


def _shares(sessions: Sequence[Mapping[str, Any]], *, is_plain: bool) -> Text:
    counts = Counter(each["regime"] for each in sessions)
    text = Text(f"SPY with dividends, {sessions[0]['day']} = 100.")
    for regime in Regime:
        share = f"{counts[regime] / len(sessions):.0%}".replace("%", " %")
        mark = LETTERS[regime] if is_plain else MARKS[regime]
        text.append(f"  {mark} {regime} {share}", style=STYLES[regime])
    return text


def _percent(fraction: Decimal) -> str:
    return f"{fraction:.0%}".replace("%", " %")


def _dots(bits: int) -> str:
    return chr(0x2800 + bits) if bits else " "


def _console() -> Console:
    return Console(
        width=None if sys.stdout.isatty() else WIDTH_PIPED,
        highlight=False,
        markup=False,
        emoji=False,
    )
