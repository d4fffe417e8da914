"""What is held, and what it made since the last rebalance."""

from datetime import date
from decimal import Decimal

from atlas_daemon.core.spelling import UNKNOWN, day_text, gain, percent, shares, whole_dollars

from .markup import Cell, View, badge, facts, number, paragraph, safe, section, table


def positions_section(view: View) -> str:
    """The broker's positions, the heaviest first; unknown until they were seen."""
    positions = view["positions"]
    if positions is None:
        text = f"{UNKNOWN}: the broker has not been heard yet."
        return section("positions", "Positions", paragraph(text, "empty"))
    if not positions:
        return section("positions", "Positions", paragraph("Nothing is held.", "empty"))
    rows = [
        (
            _symbol(each),
            shares(number(each["qty"])),
            whole_dollars(number(each["value"])),
            _signed(gain(number(each["gain"])), each["gain"]),
            _signed(percent(number(each["gain_pct"]), signed=True), each["gain_pct"]),
            percent(number(each["portfolio_pct"])),
            whole_dollars(number(each["cost_basis"])),
        )
        for each in sorted(positions, key=_weight, reverse=True)
    ]
    count = f"{len(rows)} holding{'s'[: len(rows) != 1]}"
    heads = "Symbol,Qty,Value,P&L,P/L %,% Portfolio,Cost Basis"
    body = table("positions", f"Positions, {count}", heads, rows, words=(0,))
    return section("positions", f"Positions ({count})", body)


def _weight(position: View) -> Decimal:
    value = number(position["value"])
    return Decimal(-1) if value is None else abs(value)


def _symbol(position: View) -> str:
    if not position["frozen"]:
        return Cell(safe(position["symbol"]))
    return Cell(f"{safe(position['symbol'])} {badge('frozen', 'warn')}")


def _signed(text: str, figure: str | None) -> Cell:
    """A gain or loss: its sign says it, the colour only helps."""
    value = number(figure)
    kind = "" if not value else "up" if value > 0 else "down"
    return Cell(f'<span class="{kind}">{safe(text)}</span>' if kind else safe(text))


def performance_section(view: View) -> str:
    """Return, benchmark, ratio and drawdown; what cannot be said says why."""
    made = view["performance"]
    if made["since"] is None:
        return section("performance", "Performance", paragraph(f"n/a: {made['why_no_return']}"))
    since = day_text(date.fromisoformat(made["since"]))
    title, no_return = f"Performance since {since}", made["why_no_return"]
    if made["total_return"] is None:
        return section("performance", title, paragraph(f"n/a: {no_return}"))
    rows = [
        ("Total return", _or(made["total_return"], no_return)),
        (f"{made['benchmark']} return", _or(made["benchmark_return"], made["why_no_benchmark"])),
        ("Outperformance", _or(made["outperformance"], made["why_no_benchmark"])),
        ("Sharpe ratio", _ratio(made["sharpe"], made["why_no_sharpe"])),
        ("Max drawdown", _or(made["max_drawdown"], no_return, signed=False)),
    ]
    if (flows := number(made.get("flows"))) is not None and flows:
        rows.append(("Paid in, less paid out", whole_dollars(flows)))
    if made.get("sessions_unmarked"):
        rows.append(("Sessions without a mark", str(made["sessions_unmarked"])))
    doubt = paragraph(made["doubt"], "note") if made.get("doubt") else ""
    return section("performance", title, facts(rows, "rows") + doubt)


def _or(fraction: str | None, why: str, *, signed: bool = True) -> str:
    if fraction is None:
        return f"n/a ({why})"
    return percent(number(fraction), places=2, signed=signed)


def _ratio(text: str | None, why: str) -> str:
    return f"n/a ({why})" if text is None else f"{Decimal(text):.2f}"
