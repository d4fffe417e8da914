"""The statistics of the report in a terminal: slippage, rejections, latency, performance."""

from decimal import Decimal

from rich.console import Console

from atlas_daemon.cli.report_layout import NOTHING, Document, heading, money, note, table_of
from atlas_daemon.core.spelling import dollars

BAR_MAX = 40
MISSING_MAX = 5
REASONS_MAX = 8
_NAMES = {
    "total": "Total return",
    "cagr": "CAGR",
    "volatility": "Volatility",
    "sharpe": "Sharpe (riskless 0)",
    "max_drawdown": "Max drawdown",
    "tracking_error": "Tracking error",
}


def show_figures(console: Console, document: Document) -> None:
    """Print the sections of statistics."""
    if document["runs"]:
        _slippage(console, document)
        _rejections(console, document)
        _latency(console, document)
    if document["performance"] is not None:
        _performance(console, document["performance"])


def _slippage(console: Console, document: Document) -> None:
    found = document["slippage"]
    heading(console, "Slippage: fill against expected price, bps, positive is a cost")
    if found["all"] is None:
        note(console, "No order with an expected price was filled.")
        return
    heads = ("", "Orders", "Weighted", "Mean", "Median", "5 %", "95 %", "Best", "Worst")
    table = table_of(heads, ("",))
    for name, each in (("all", found), *found["sides"].items()):
        if each["all"] is None:
            continue
        spread = each["all"]
        figures = (
            *(each["weighted"], spread["mean"], spread["median"]),
            *(spread["percentiles"]["5"], spread["percentiles"]["95"]),
            *(spread["least"], spread["most"]),
        )
        table.add_row(name, str(spread["count"]), *(f"{figure:+.2f}" for figure in figures))
    console.print(table)
    note(console, f"Worst: {found['worst_order']}")
    if found["unpriced"]:
        note(console, f"{found['unpriced']} filled orders had no expected price", "yellow")
    if len(found["bins"]) > 1:
        most = max(each["count"] for each in found["bins"])
        for each in found["bins"]:
            bar = "#" * max(round(BAR_MAX * each["count"] / most), bool(each["count"]))
            span = f"{each['low']:+.1f} to {each['high']:+.1f}"
            console.print(f"{span:>16} {each['count']:>4} {bar}", soft_wrap=True)
    handbook = document["handbook"]
    mean = handbook["mean_slippage"]
    told = NOTHING if mean is None else f"{mean:+.6f}"
    note(
        console,
        f"The handbook's raw figures, $ per share, buys and sells alike: sum over filled orders "
        f"{Decimal(handbook['raw_sum']):+.4f}, mean over fills ({handbook['fills']}) {told}",
    )


def _rejections(console: Console, document: Document) -> None:
    found = document["rejections"]
    heading(console, "Rejections")
    rate = found["broker_rate"]
    by_broker = f"By the broker: {found['broker']} of {found['sent']} sent"
    console.print(by_broker + (f", {rate:.1%}" if rate is not None else ""))
    for reason, count in list(found["broker_reasons"].items())[:REASONS_MAX]:
        note(console, f"  {count} x {reason}", "yellow")
    rate = found["our_rate"]
    by_us = f"By rules of ours: {found['ours']} of {found['drafted']} wanted"
    by_us += f", {rate:.1%}" if rate is not None else ""
    by_us += f"; {found['cut']} cut, {_counted(found['dropped'], 'line')} dropped"
    console.print(f"{by_us}, {_counted(found['plans'], 'plan')} refused whole")
    for reason, count in list(found["our_reasons"].items())[:REASONS_MAX]:
        note(console, f"  {count} x {reason}", "yellow")
    handbook = document["handbook"]
    if handbook["rejection_rate"] is not None:
        note(
            console,
            f"The handbook's rate, of rows of the trades files: {handbook['rejected']} of "
            f"{handbook['rows']}, {handbook['rejection_rate']:.1%}",
        )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _latency(console: Console, document: Document) -> None:
    found = document["latency"]
    heading(console, "Fill latency: seconds from the first request")
    if found["first_fill"] is None:
        note(console, "Nothing was filled.")
        return
    heads = ("To", "Orders", "Median", "Mean", "5 %", "75 %", "95 %", "Longest")
    table = table_of(heads, ("To",))
    for name, each in (("first fill", found["first_fill"]), ("filled", found["whole_fill"])):
        if each is not None:
            percents = each["percentiles"]
            figures = (
                *(each["median"], each["mean"], percents["5"]),
                *(percents["75"], percents["95"], each["most"]),
            )
            table.add_row(name, str(each["count"]), *(f"{figure:,.2f}" for figure in figures))
    console.print(table)


def _performance(console: Console, found: Document) -> None:
    heading(console, "Performance: time-weighted, deposits and withdrawals taken out")
    if found["total"] is None:
        why = found["why"].get("total", "no equity was marked")
        note(console, f"Unknown: {why}. Equity is marked after each close and at a run's end.")
        _expected(console, found)
        return
    note(
        console,
        f"Last marks of {found['from']} to {found['to']}: {found['days']} days, "
        f"{found['marks']} marks, {found['returns']} daily returns; "
        "SPY is its price return, without dividends",
    )
    table = table_of(("", "Account", "SPY", "Ahead"), ("",))
    table.add_row("Total return", *(_pct(found[n]) for n in ("total", "benchmark_total", "ahead")))
    table.add_row("CAGR", _pct(found["cagr"]), _pct(found["benchmark_cagr"]), "")
    table.add_row("Volatility", _share(found["volatility"]), "", "")
    table.add_row("Sharpe (riskless 0)", _number(found["sharpe"]), "", "")
    table.add_row("Max drawdown", _pct(found["max_drawdown"]), "", "")
    table.add_row("Tracking error", _share(found["tracking_error"]), "", "")
    console.print(table)
    fall = f", deepest fall {found['drawdown_from']} to {found['drawdown_to']}"
    note(console, f"Gain {money(found['gain'])}{fall if found['max_drawdown'] else ''}")
    _whys(console, found["why"])
    for flow in found["flows"]:
        amount = NOTHING if flow["amount"] is None else dollars(Decimal(flow["amount"]))
        note(console, f"{flow['kind']} of {amount} on {flow['day']}: taken out")
    if found["missing"]:
        more = len(found["missing"]) - MISSING_MAX
        days = ", ".join(found["missing"][:MISSING_MAX])
        note(console, f"No mark: {days}" + (f" and {more} more" if more > 0 else ""), "yellow")
    for caution in found["caution"]:
        note(console, f"Careful: {caution}", "yellow")
    _expected(console, found)


def _expected(console: Console, found: Document) -> None:
    if not found["expected"]:
        note(
            console, "No expectation to compare with: [report] expected_cagr, expected_sharpe, ..."
        )
        return
    heads = ("Against the backtest", "Actual", "Expected", "Difference", "Within 30 %")
    table = table_of(heads, (heads[0],))
    for each in found["expected"]:
        spell = {"sharpe": _number, "cagr": _pct}.get(each["name"], _share)
        verdict = {True: "yes", False: "NO", None: "unknown"}[each["is_within"]]
        if each["is_within"] is False and each["is_better"]:
            verdict = "no, better"
        figures = (spell(each["actual"]), spell(each["expected"]), spell(each["difference"]))
        table.add_row(_NAMES[each["name"]], *figures, verdict)
    console.print(table)
    note(console, f"It rests on {found['days']} days and {found['returns']} daily returns.")
    if found["total"] is None:
        _whys(console, {each["name"]: each["why"] for each in found["expected"] if each["why"]})


def _whys(console: Console, found: Document) -> None:
    """Say why figures are not known, those with one reason together."""
    whys: dict[str, list[str]] = {}
    for name, why in found.items():
        if name in _NAMES:
            whys.setdefault(why, []).append(_NAMES[name])
    for why, names in whys.items():
        note(console, f"{', '.join(names)}: {why}")


def _pct(fraction: float | None) -> str:
    return NOTHING if fraction is None else f"{fraction:+.2%}"


def _share(fraction: float | None) -> str:
    return NOTHING if fraction is None else f"{fraction:.2%}"


def _number(number: float | None) -> str:
    return NOTHING if number is None else f"{number:.2f}"
