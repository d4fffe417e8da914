"""How a transition's dry run looks in a terminal. Rendering only."""

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.text import Text

from atlas_daemon.records.lines import one_line

WIDTH_PIPED = 120
LABEL_WIDTH = 13
STYLES = {"done": "green", "next": "bold yellow", "later": "dim"}


def show(seen: Mapping[str, Any]) -> None:
    """Print what was seen, the plan, the steps and the proof, on standard output."""
    from atlas_daemon.cli import plan_view

    width = None if sys.stdout.isatty() else WIDTH_PIPED
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    kind = "transition" if seen["is_live"] else "transition: a rehearsal, not a live account"
    console.print(Text(f"{seen['label']}  {kind}", style="bold"))
    for name, text in _facts(seen):
        console.print(f"{name:<{LABEL_WIDTH}}{one_line(text)}", soft_wrap=True)
    console.print()
    if seen["plan"] is not None:
        problem = seen["ramp"]["certificate"]["problem"] if seen["ramp"] else ""
        if problem:
            words = f"Nothing is bought as it stands: certificate: {problem}. With one that counts"
            console.print(Text(one_line(words), style="bold yellow"), soft_wrap=True)
        console.print("What a slot would do that were due in the next session:")
        plan_view.show(console, seen["plan"])
        console.print()
    for number, step in enumerate(seen["steps"], start=1):
        mark = Text(f"{number}. [{step['status']}]", style=STYLES[step["status"]])
        mark.append(f" {step['step']}: {one_line(step['text'])}", style="")
        if step["to_do"] and step["status"] != "done":
            mark.append(f"  -> {step['to_do']}", style="dim")
        console.print(mark, soft_wrap=True)
    console.print()
    for problem in seen["problems"]:
        console.print(Text(f"not well: {one_line(problem)}", style="red"), soft_wrap=True)
    console.print(Text(proof(seen["proof"]), style="bold"), soft_wrap=True)


def proof(told: Mapping[str, Any]) -> str:
    """Return the last line: what left this machine for the account, and what reached it."""
    said = f"{told['gets']} GETs left, {told['others']} other requests"
    orders = told["orders_since"]
    if not orders and not told["others"]:
        return f"Nothing was sent: {said}; no order reached the account since this look began."
    return f"NOT PROVEN: {said}; {len(orders)} orders reached the account since this look began."


def _facts(seen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    who, account, ramp = seen["identity"], seen["account"], seen["ramp"]
    yield "Endpoint", who["endpoint"]
    yield "Keys", who["keys"]
    pinned = f"pinned as {who['pinned']}" if who["pinned"] else "not pinned in the configuration"
    yield "Number", f"{who['number']}, {pinned}"
    money = ", ".join(
        f"{name.replace('_', ' ')} {Decimal(account[name]):,.2f}"
        for name in ("equity", "cash", "buying_power")
    )
    blocks = [
        words
        for words, is_on in (
            ("BLOCKED by the broker", account["is_blocked"]),
            ("suspend_trade is ON", account["suspend_trade"]),
        )
        if is_on
    ]
    yield "Account", f"{', '.join((account['status'], *blocks))}: {money}"
    yield "Market", f"{'open' if seen['is_open'] else 'closed'}; clock {seen['clock_skew_s']:+} s"
    if seen["bars"] == "alpaca":
        yield (
            "Bars",
            "asked for by a process of its own, which knows the market data's address only",
        )
    slot = seen["slot"]
    if slot is not None:
        yield "Next slot", f"{slot['name']}: {slot['due']} New York, in {slot['days']} days"
    if ramp is not None:
        yield "Scale", f"{ramp['scale']} of normal sizes"
        certificate = ramp["certificate"]
        name = certificate["id"] or "none"
        until = certificate["expires_at"] or "never read"
        word = certificate["problem"] or f"counts until {until}"
        yield "Certificate", f"{name}: {word}"
    yield "Holdings", f"{len(seen['positions'])}"
    for position in seen["positions"]:
        value = f"{Decimal(position['value']):,.2f}"
        yield "", f"{position['qty']} {position['symbol']} ({value}): {position['managed']}"
    for order in seen["open_orders"]:
        yield "Open order", order
