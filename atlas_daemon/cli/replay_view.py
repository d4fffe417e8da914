"""How a replay's report looks in a terminal. Rendering only."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_PIPED = 120
NOTHING = "-"
TROUBLES_MAX = 12


def print_replay(
    document: Mapping[str, Any], label: str, folder: Path, page: Path, png: Path | None
) -> None:
    """Print the report on standard output, and where everything is."""
    is_terminal = sys.stdout.isatty()
    console = Console(
        width=None if is_terminal else WIDTH_PIPED, highlight=False, markup=False, emoji=False
    )
    title = f"{label}  replay {document['from']} to {document['to']}"
    console.print(Text(title, style="bold"))
    console.print(
        f"{document['sessions']:,} sessions, {document['slots']} slots, universe "
        f"{document['universe']}, top {document['top_n']}, regime {document['regime_source']}",
        soft_wrap=True,
    )
    console.print(_runs(document["runs"]))
    console.print(_figures(document))
    trading = document["trading"]
    console.print(
        f"Trading  {trading['orders']:,} orders, {trading['fills']:,} fills, "
        f"{trading['refused']} refused; turnover {trading['turnover_a_year']:.0%} a year (one "
        f"way), slippage ${float(trading['slippage']):,.0f}",
        soft_wrap=True,
    )
    console.print(f"Regimes  {_regimes(document)}", soft_wrap=True)
    for each in document["missed"]:
        console.print(Text(f"Missed   slot {each['slot']}: {each['why']}", style="red"))
    _troubles(console, document)
    console.print(Text("What is biased", style="bold"))
    for each in document["bias"]:
        console.print(f"- {each}", soft_wrap=True)
    journal = document["journal"]
    intact = "intact" if journal["is_intact"] else "NOT INTACT"
    console.print(f"Journal  {journal['entries']:,} entries, {intact}", soft_wrap=True)
    console.print(f"Page     {page}", soft_wrap=True)
    if png is not None:
        console.print(f"Picture  {png}", soft_wrap=True)
    console.print(f"More     atlasd --config {folder / 'atlas.toml'} status", soft_wrap=True)


def _runs(runs: list[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Run", "Day", "Regime"):
        table.add_column(name)
    for name in ("Target", "Achieved", "Gap max", "Orders", "Fills", "Turnover", "Slippage"):
        table.add_column(name, justify="right")
    table.add_column("Outcome")
    for run in runs:
        table.add_row(
            run["run"],
            run["order_day"],
            run["regime"] or NOTHING,
            _percent(run["target_pct"], 0),
            _percent(run["achieved_pct"]),
            f"{run['gap_max']:.2%}",
            str(run["orders"]),
            str(run["fills"]),
            f"{run['turnover']:.0%}",
            NOTHING if run["slippage"] is None else f"${float(run['slippage']):,.0f}",
            run["outcome"] + (f", {len(run['dropped'])} dropped" if run["dropped"] else ""),
        )
    return table


def _figures(document: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    names = ("End", "Total return", "CAGR", "Volatility", "Sharpe", "Max drawdown", "From", "To")
    for name in names:
        table.add_column(name, justify="right")
    for name, field in (
        ("The account", "account"),
        ("SPY, total return", "spy_total_return"),
        ("SPY, price", "spy_price"),
    ):
        figures = document[field]
        if figures is None:
            continue
        table.add_row(
            name,
            f"${figures['end']:,.0f}",
            f"{figures['total_return']:+.1%}",
            f"{figures['cagr']:+.2%}",
            _percent(figures["volatility"]),
            NOTHING if figures["sharpe"] is None else f"{figures['sharpe']:.2f}",
            f"{figures['max_drawdown']:.1%}",
            figures["drawdown_from"],
            figures["drawdown_to"],
        )
    return table


def _regimes(document: Mapping[str, Any]) -> str:
    told = [
        f"{name} {each['share']:.0%}"
        for name, each in document["regimes"].items()
        if each["sessions"]
    ]
    changes = len(document["regime_changes"])
    return f"{', '.join(told)}; {changes} confirmed change{'s'[: changes != 1]}"


def _troubles(console: Console, document: Mapping[str, Any]) -> None:
    told = [f"{each['day']}: {each['text']}" for each in document["troubles"]]
    told += [
        f"{each['day']}: the daemon did not rest: {each['why']}" for each in document["restless"]
    ]
    for text in told[:TROUBLES_MAX]:
        console.print(Text(f"Alert    {text}", style="yellow"), soft_wrap=True)
    if len(told) > TROUBLES_MAX:
        console.print(f"Alert    and {len(told) - TROUBLES_MAX} more: see the page")


def _percent(number: float | None, places: int = 1) -> str:
    return NOTHING if number is None else f"{number:.{places}%}"
