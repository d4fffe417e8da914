"""How a plan looks in a terminal: the diff, the orders, the gates, the cash. Rendering only."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlas_daemon.core.scale import spelled
from atlas_daemon.records.lines import one_line
from atlas_daemon.rehearsal.document import document
from atlas_daemon.rehearsal.dry_run import DryRun

WIDTH_PIPED = 120
"""Columns where nobody says how wide the output is."""
NOTHING = "-"


def print_plan(dry_run: DryRun, label: str, asked: date | None) -> None:
    """Print the dry run on standard output."""
    is_terminal = sys.stdout.isatty()
    console = Console(
        width=None if is_terminal else WIDTH_PIPED, highlight=False, markup=False, emoji=False
    )
    show(console, document(dry_run, label, asked))


def show(console: Console, plan: Mapping[str, Any]) -> None:
    """Print a plan's document (see `rehearsal.document`)."""
    console.print(Text(f"{plan['label']}  dry run", style="bold"))
    for name, words in _header(plan):
        console.print(f"{name:<9}{words}", soft_wrap=True)
    if plan["picks"]:
        console.print(_picks(plan["picks"]))
    if plan["lines"]:
        console.print(_diff(plan["lines"]))
    console.print(_orders(plan["orders"]) if plan["orders"] else Text("Orders   none"))
    for refused in plan["orders_refused"]:
        text = f"refused  {refused['side']} {refused['qty']} {refused['symbol']}: {refused['why']}"
        console.print(Text(text, style="red"))
    console.print(_gates(plan["gates"]))
    console.print(f"Cash     {_cash(plan)}", soft_wrap=True)
    for note in plan["notes"]:
        console.print(f"Note     {one_line(note)}", soft_wrap=True)
    console.print(f"Digest   {plan['digest']}", soft_wrap=True)
    if plan["passes"]:
        console.print(Text("The plan passes every gate. Nothing was sent.", style="bold green"))
        return
    for gate in plan["gates"]:
        if not gate["ok"]:
            console.print(Text(f"Refused  {gate['text']}", style="red"), soft_wrap=True)
    console.print(Text("A gate refuses the plan. Nothing was sent.", style="bold red"))


def _header(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    asked = f"asked for {plan['date']}, " if plan["date"] else ""
    yield (
        "Sessions",
        f"{asked}order session {plan['order_session']}, signal session {plan['signal_session']}",
    )
    yield "Prices", plan["prices_from"]
    most = f"up to {_wanted(plan)} deployed"
    yield "Regime", f"{plan['regime']} (as of {plan['regime_as_of']}): {most}"
    account = plan["account"]
    kind = "hypothetical" if account["is_hypothetical"] else f"number {account['number']}"
    yield (
        "Account",
        f"{kind}: equity {_money(account['equity'])}, cash {_money(account['cash'])}, "
        f"{account['positions']} held; managed {_money(account['managed_equity'])}",
    )


def _picks(picks: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Picks", "#", "Symbol", "Ratio", "Close", "Weight", left=("Symbol",))
    for pick in picks:
        table.add_row(
            str(pick["rank"]),
            pick["symbol"],
            NOTHING if pick["ratio"] is None else f"{Decimal(pick['ratio']):.4f}",
            _money(pick["close"]),
            _pct(pick["weight"]),
        )
    return table


def _diff(lines: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        "Current -> target",
        *("Symbol", "Current", "Target", "Change", "Price", "Value", "% of equity", "Note"),
        left=("Symbol", "Note"),
    )
    for line in lines:
        change = Decimal(line["change"])
        style = "green" if change > 0 else "red" if change < 0 else "dim"
        table.add_row(
            line["symbol"],
            line["current_qty"],
            line["target_qty"],
            Text(f"{change:+f}" if change else "0", style=style),
            _money(line["price"]),
            _money(line["value"]),
            _pct(line["equity_pct"]),
            line["note"],
        )
    return table


def _orders(orders: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        "Orders, as they would be sent",
        *("#", "Side", "Qty", "Symbol", "Type", "Est. value", "Cash after"),
        left=("Side", "Symbol", "Type"),
    )
    for number, order in enumerate(orders, start=1):
        limit = order["limit_price"]
        table.add_row(
            str(number),
            Text(order["side"].upper(), style="green" if order["side"] == "buy" else "red"),
            order["qty"],
            order["symbol"],
            order["type"] if limit is None else f"{order['type']} {limit}",
            _money(order["value"]),
            _money(order["cash_after"]),
        )
    return table


def _gates(gates: Sequence[Mapping[str, Any]]) -> Table:
    """One row for a rule that every line keeps, one for each breach."""
    table = _table("Gates", "Rule", "Actual", "Limit", "", left=("Rule", "Actual", "Limit", ""))
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for gate in gates:
        by_rule.setdefault(gate["rule"], []).append(gate)
    for rule, same in by_rule.items():
        broken = [gate for gate in same if not gate["ok"]]
        if not broken and len(same) > 1:
            table.add_row(rule, f"{len(same)} checked", same[0]["limit"], _said(same[0]))
        for gate in broken or same[: len(same) == 1]:
            table.add_row(rule, gate["actual"], gate["limit"], _said(gate))
    return table


def _said(gate: Mapping[str, Any]) -> Text:
    if not gate["ok"]:
        return Text("refused", style="bold red")
    return Text("warning", style="yellow") if gate["warning"] else Text("ok", style="green")


def _cash(plan: Mapping[str, Any]) -> str:
    cash = plan["cash"]
    steps = (
        f"{_money(cash['before'])} -> {_money(cash['after_sells'])} after sells -> "
        f"{_money(cash['after_buys'])} after buys"
    )
    if cash["deployed_pct"] is None:
        return steps
    return f"{steps}; deployed {_pct(cash['deployed_pct'])} of {_wanted(plan)}"


def _wanted(plan: Mapping[str, Any]) -> str:
    """Return what may be deployed: the regime's allocation, and live's scale of it."""
    scale = Decimal(plan["scale"])
    wanted = _pct(plan["allocation"])
    return wanted if scale == 1 else f"{wanted} x scale {spelled(scale)}"


def _table(title: str, *columns: str, left: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right")
    return table


def _money(text: str | None) -> str:
    return NOTHING if text is None else f"{Decimal(text):,.2f}"


def _pct(text: str | None) -> str:
    if text is None:
        return NOTHING
    return f"{Decimal(text) * 100:.1f} %"
