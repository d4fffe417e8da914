"""`atlasd orders` and `atlasd trades`: what is open, and what was filled."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    day_of_option,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.cli.reading import ask_or_read, entries_of
from atlas_daemon.cli.status_text import order_lines, table
from atlas_daemon.config import Settings
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.values import OrderId
from atlas_daemon.core.views import orders_of
from atlas_daemon.records.lines import one_line
from atlas_daemon.records.trades_csv import OrderSeen, Row, rows, seen


@plain_errors
def orders(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the open orders and those of the rebalance under way."""
    settings = settings_for(config)

    def view_of(state: State, policy: Policy, now: datetime) -> Any:
        return orders_of(state, now)

    answer = ask_or_read(settings, "orders", view_of)
    if as_json:
        typer.echo(json.dumps(answer.view, indent=2))
        return
    if answer.note:
        typer.echo(f"{label_of(settings)}  {answer.note}")
    if not answer.view:
        typer.echo(f"{label_of(settings)}  no open orders")
        return
    is_open = sum(order["is_open"] for order in answer.view)
    typer.echo(f"{label_of(settings)}  {is_open} open of {len(answer.view)} orders")
    for line in order_lines(answer.view):
        typer.echo(one_line(line))


@plain_errors
def trades(
    on: Annotated[
        str | None, typer.Option("--date", help="Only this New York day (YYYY-MM-DD).")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the fills on record: the FILL rows of the trades files, from the journal."""
    day = None if on is None else day_of_option("--date", on)
    settings = settings_for(config)
    found = list(fills(settings, day))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found], indent=2))
        return
    when = f" on {day}" if day is not None else ""
    typer.echo(f"{label_of(settings)}  {len(found)} fills{when}")
    heads = ("Time (New York)", "Symbol", "Qty", "Price", "Status", "Run", "Order")
    lines = [
        (r.timestamp, r.symbol, r.qty, r.price, r.status, r.run, r.client_order_id) for r in found
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in fitting(heads, lines, width) if lines else ():
        typer.echo(one_line(line))


def fitting(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return fills as a table of at most `width` columns, as far as leaving columns out goes."""
    for left_out in ((), ("Run",), ("Run", "Status")):
        kept = [at for at, head in enumerate(heads) if head not in left_out]
        lines = table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])
        if width is None or max(map(len, lines)) <= width:
            break
    return lines


def fills(settings: Settings, day: date | None) -> Iterator[Row]:
    """Yield the FILL rows of a New York day, or of all days where None."""
    known: dict[OrderId, OrderSeen] = {}
    for entry in entries_of(settings):
        if day is None or new_york_day(entry.at) == day:
            yield from (row for row in rows(entry, known) if row.action == "FILL")
        order = seen(known, entry)
        if order is not None:
            known[order.draft.order_id] = order
