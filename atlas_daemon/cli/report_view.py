"""How the report looks in a terminal: costs, orders, rests, rejections, figures. Rendering only.

Money is rounded to cents here; the CSV and the JSON have every digit. Moments are New York's.
"""

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.text import Text

from atlas_daemon.cli.report_figures import show_figures
from atlas_daemon.cli.report_layout import (
    NOTHING,
    Document,
    bps,
    clock,
    heading,
    listed,
    money,
    note,
    price,
    table_of,
    when,
)
from atlas_daemon.core.spelling import dollars, percent, shares, span, whole_dollars
from atlas_daemon.records.lines import one_line

WIDTH_PIPED = 120
WIDE = 110
"""From so many columns on the tables of orders show everything."""
RUNS_MAX = 20


def print_report(document: Document) -> None:
    """Print the report on standard output."""
    width = None if sys.stdout.isatty() else WIDTH_PIPED
    show(Console(width=width, highlight=False, markup=False, emoji=False), document)


def show(console: Console, document: Document) -> None:
    """Print the report."""
    console.print(Text(one_line(f"{document['account']}  {title_of(document)}"), style="bold"))
    journal = document["journal"]
    console.print(
        Text(
            f"Journal of {journal['entries']:,} entries, {when(journal['first_at'])} to "
            f"{when(journal['last_at'])} New York",
            style="dim",
        )
    )
    runs = document["runs"]
    if not runs:
        console.print("No run in it: nothing was traded, and so nothing cost anything.")
    else:
        _costs(console, document)
        chosen = next((run for run in reversed(runs) if run["rows"]), runs[-1])
        _orders(console, chosen, is_alone=len(runs) == 1)
        _rests(console, runs)
        _achieved(console, chosen)
    show_figures(console, document)


def title_of(document: Document) -> str:
    """Return what the report is about."""
    if document["run"] is not None:
        return f"Report of run {document['run']}"
    runs = len(document["runs"])
    what = f"{runs} run{'' if runs == 1 else 's'}"
    first, last = document["from"], document["to"]
    days = (f" from {first}" if first else "") + (f" to {last}" if last else "")
    return f"Report of {what}{days}"


def _costs(console: Console, document: Document) -> None:
    heading(console, "Implementation shortfall: positive is a cost; bps of what was decided")
    is_wide = console.width >= WIDE
    heads: tuple[str, ...] = ("Run", "Delay", "Trading", "Unfilled", "Fees", "Total", "bps")
    if is_wide:
        heads = ("Run", "Decided", *heads[1:], "Outcome")
    table = table_of(heads, ("Run", "Outcome"))
    runs = document["runs"]
    for run in runs[-RUNS_MAX:]:
        cells, outcome = _cost_cells(run["shortfall"]), _outcome(run)
        table.add_row(run["run"], *((*cells, outcome) if is_wide else cells[1:]))
    if len(runs) > 1:
        cells = _cost_cells(document["shortfall"])
        table.add_section()
        table.add_row("all", *((*cells, "") if is_wide else cells[1:]))
    console.print(table)
    for run in () if is_wide else runs[-RUNS_MAX:]:
        if run["outcome"] != "done":
            note(console, f"{run['run']}: {_outcome(run)}", "yellow")
    if len(runs) > RUNS_MAX:
        note(
            console,
            f"{len(runs) - RUNS_MAX} earlier runs are in the sum: --html and --csv show all",
        )
    whole = document["shortfall"]
    for name, what in (
        ("unpriced", "a rest whose cost is unknown, not in the sum"),
        ("unmeasured", "fills without any price to measure from, not in the sum"),
    ):
        if whole[name]:
            note(console, f"{len(whole[name])} with {what}: {listed(whole[name])}", "yellow")
    if document["fees_apart"] and Decimal(document["fees_apart"]):
        apart = dollars(Decimal(document["fees_apart"]))
        note(console, f"{apart} of fees belong to no single run and stand in no sum")


def _outcome(run: Document) -> str:
    return "refused by a gate" if run["is_refused"] else str(run["outcome"])


def _cost_cells(costs: Document) -> tuple[str, ...]:
    parts = ("delay", "trading", "opportunity", "fees", "total")
    bps = costs["bps"]
    return (
        whole_dollars(Decimal(costs["notional"])),
        *(dollars(Decimal(costs[name])) for name in parts),
        NOTHING if bps is None else f"{Decimal(bps['total']):+.1f}",
    )


def _orders(console: Console, run: Document, *, is_alone: bool) -> None:
    rows = [row for row in run["rows"] if row["order"] is not None]
    if not rows:
        heading(console, f"Orders of {run['run']}")
        why = "a gate refused its plan" if run["is_refused"] else "it sent none"
        note(console, f"None: {why}.")
        for gate in run["gates"] if run["is_refused"] else ():
            note(console, f"{gate['rule']}: {gate['detail']}", "yellow")
        return
    more = "" if is_alone else " (the latest with any; --run RUN for another)"
    heading(console, f"Orders of {run['run']}{more}")
    is_wide = console.width >= WIDE
    heads: tuple[str, ...] = (
        "Side",
        "Symbol",
        "Filled",
        "Arrival",
        "Fill",
        "Cost",
        "bps",
        "Status",
    )
    if is_wide:
        heads = (
            *("Side", "Symbol", "Wanted", "Filled", "Decision", "Arrival", "Fill"),
            *("Delay", "Trading", "Cost", "bps", "Latency", "Status"),
        )
    table = table_of(heads, ("Side", "Symbol", "Status"))
    for row in rows:
        table.add_row(*(_order_cells if is_wide else _narrow_cells)(row))
    console.print(table)
    span_text = span(run["seconds"])
    fills = ""
    if run["first_fill_at"]:
        fills = f", fills {clock(run['first_fill_at'])} to {clock(run['last_fill_at'])}"
    note(console, f"Begun {when(run['started_at'])}, {span_text} in all{fills}")
    for row in rows:
        for text in row["notes"]:
            note(console, f"{row['order']}: {text}", "yellow")


def _narrow_cells(row: Document) -> Iterator[Any]:
    yield Text(row["side"], style="green" if row["side"] == "buy" else "red")
    yield row["symbol"]
    filled, qty = Decimal(row["filled_qty"]), Decimal(row["qty"])
    yield shares(filled) if filled == qty else f"{shares(filled)}/{shares(qty)}"
    yield price(row["arrival_price"])
    yield price(row["average_price"])
    yield money(row["total"])
    yield bps(row)
    yield row["status"]


def _order_cells(row: Document) -> Iterator[Any]:
    yield Text(row["side"], style="green" if row["side"] == "buy" else "red")
    yield row["symbol"]
    yield shares(Decimal(row["wanted_qty"]))
    yield shares(Decimal(row["filled_qty"]))
    for name in ("decision_price", "arrival_price", "average_price"):
        yield price(row[name])
    for name in ("delay", "trading", "total"):
        yield money(row[name])
    yield bps(row)
    seconds = row["seconds_to_first_fill"]
    yield NOTHING if seconds is None else f"{seconds:.1f}s"
    yield row["status"]


def _rests(console: Console, runs: Sequence[Document]) -> None:
    rows = [row for run in runs[-RUNS_MAX:] for row in run["rows"] if Decimal(row["rest_qty"])]
    dropped = [(run["run"], line) for run in runs[-RUNS_MAX:] for line in run["dropped"]]
    if not rows and not dropped:
        return
    heading(console, "Wanted and not traded")
    for row in rows:
        what = f"{row['run']}: {row['side']} {shares(Decimal(row['rest_qty']))} {row['symbol']}"
        if row["end_price"] is None:
            cost = "no later price is on record: its cost is unknown"
        elif row["opportunity"] is None:
            cost = "the plan had no price of it: its cost is unknown"
        else:
            cost = (
                f"{money(row['opportunity'])} at the {row['end_source']} of "
                f"{when(row['end_at'])}, {price(row['end_price'])}"
            )
        note(console, f"{what}, {row['rest_why']}; {cost}", "")
    for name, line in dropped:
        note(console, f"{name}: {line['symbol']} dropped by {line['rule']}: {line['detail']}", "")


def _achieved(console: Console, run: Document) -> None:
    heading(console, f"Achieved and target weights of {run['run']}")
    if not run["lines"]:
        note(console, "The run has not told them: it has not ended with a report.")
        return
    table = table_of(("Symbol", "Target", "Achieved", "Gap", "Shares", "Note"), ("Symbol", "Note"))
    for line in run["lines"]:
        target, actual = Decimal(line["target_qty"]), Decimal(line["actual_qty"])
        is_there = target == actual
        table.add_row(
            line["symbol"],
            percent(Decimal(line["target_weight"]), places=2),
            percent(Decimal(line["actual_weight"]), places=2),
            percent(Decimal(line["gap"]), places=2, signed=True),
            shares(actual) if is_there else f"{shares(actual)}/{shares(target)}",
            one_line(line["note"]),
        )
    console.print(table)
