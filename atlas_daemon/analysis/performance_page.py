"""What the account made, as a section of the page: figures, curves, the backtest beside them."""

from datetime import date

from . import plots
from .document import Document
from .tables import NOTHING, money, number, pct, rate_of, table, words

NAMES = {
    "total": "Total return",
    "cagr": "CAGR",
    "volatility": "Volatility",
    "sharpe": "Sharpe (riskless 0)",
    "max_drawdown": "Max drawdown",
    "tracking_error": "Tracking error",
}
MISSING_MAX = 12


def performance_of_page(found: Document) -> str:
    """Return the section."""
    head = "<h2>Performance</h2>"
    if found["total"] is None:
        why = words(found["why"].get("total", "no equity was marked"))
        told = f"<p>Unknown: {why}. Equity is marked after each close and at a run's end.</p>"
        return head + told + _expected(found)
    about = (
        f"Last marks of {found['from']} to {found['to']}: {found['days']} days, "
        f"{found['marks']} marks, {found['returns']} daily returns. "
        "Time-weighted, deposits and withdrawals taken out. "
        "SPY is its price return, without dividends."
    )
    return head + f"<p>{words(about)}</p>" + _curves(found) + _figures(found) + _expected(found)


def _curves(found: Document) -> str:
    curve = found["curve"]
    days = [date.fromisoformat(row["day"]) for row in curve]
    series = [plots.Series("the account", "c0", [row["index"] - 1 for row in curve])]
    if any(row["benchmark"] is not None for row in curve):
        shadow = [None if row["benchmark"] is None else row["benchmark"] - 1 for row in curve]
        series.insert(0, plots.Series("SPY, price", "c4", shadow))
    falls = [plots.Series("fall from the top", "c2", [row["drawdown"] for row in curve])]

    def short(value: float) -> str:
        told = f"{value * 100:.2f}".rstrip("0").rstrip(".")
        return f"{told or '0'}%"

    legend = plots.key([(each.colour, each.name) for each in reversed(series)])
    title = (
        f"Return of the account{' and of SPY' if len(series) > 1 else ''}, "
        f"{found['from']} to {found['to']}"
    )
    fall_title = f"Fall from the top so far, at worst {pct(found['max_drawdown'])}"
    return (
        legend
        + plots.twice(title, lambda width: plots.lines(days, series, short, width))
        + "<p>Fall from the top</p>"
        + plots.twice(fall_title, lambda width: plots.lines(days, falls, short, width, 150))
    )


def _figures(found: Document) -> str:
    rows = [
        ["Total return", *(pct(found[name]) for name in ("total", "benchmark_total", "ahead"))],
        ["CAGR", pct(found["cagr"]), pct(found["benchmark_cagr"]), ""],
        ["Volatility", rate_of(found["volatility"]), "", ""],
        ["Sharpe (riskless 0)", number(found["sharpe"]), "", ""],
        ["Max drawdown", pct(found["max_drawdown"]), "", ""],
        ["Tracking error", rate_of(found["tracking_error"]), "", ""],
        ["Gain", money(found["gain"]), "", ""],
    ]
    told = table(("", "Account", "SPY", "Ahead"), rows, left={0}, name="Performance")
    notes = [f"{NAMES[name]}: {why}" for name, why in found["why"].items() if name in NAMES]
    if found["max_drawdown"]:
        notes.append(f"The deepest fall: {found['drawdown_from']} to {found['drawdown_to']}")
    for flow in found["flows"]:
        amount = NOTHING if flow["amount"] is None else money(flow["amount"])
        notes.append(f"{flow['kind']} of {amount} on {flow['day']}: taken out")
    if found["missing"]:
        more = len(found["missing"]) - MISSING_MAX
        days = ", ".join(found["missing"][:MISSING_MAX]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"Sessions without a mark: {days}")
    notes += [f"Careful: {each}" for each in found["caution"]]
    return told + "<ul>" + "".join(f"<li>{words(each)}</li>" for each in notes) + "</ul>"


def _expected(found: Document) -> str:
    if not found["expected"]:
        return "<p>No expectation to compare with: [report] expected_cagr and the like.</p>"
    rows = []
    for each in found["expected"]:
        spell = {"sharpe": number, "cagr": pct}.get(each["name"], rate_of)
        verdict = {True: "yes", False: "no", None: f"unknown: {each['why']}"}[each["is_within"]]
        if each["is_within"] is False and each["is_better"]:
            verdict = "no, better"
        figures = [spell(each[name]) for name in ("actual", "expected", "difference")]
        rows.append([NAMES[each["name"]], *figures, verdict])
    heads = ("Against the backtest", "Actual", "Expected", "Difference", "Within 30 %")
    told = f"<p>It rests on {found['days']} days and {found['returns']} daily returns.</p>"
    return table(heads, rows, left={0, 4}, name="Against the backtest") + told
