"""The report as one HTML file that needs nothing else: figures, curves, runs, what is biased."""

from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby
from math import log10
from typing import Any

from .report import Document

WIDTH, HEIGHT, FALL_HEIGHT = 960, 360, 120
LEFT, RIGHT, TOP, GAP = 64, 12, 10, 26
COLOURS = {
    "TREND_BULL": "#2e7d32",
    "TREND_NEUTRAL": "#f9a825",
    "TREND_BEAR": "#c62828",
    "CRASH": "#4a148c",
}
SERIES = (
    ("equity", "the account", "#0d47a1", 1.8),
    ("spy_total_return", "SPY, total return", "#616161", 1.1),
    ("spy_price", "SPY, price", "#a0a0a0", 1.1),
)
COARSE = (1, 1.5, 2, 3, 4, 5, 6, 8)
DENSE = (1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)
DENSE_BELOW = 3
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p.sub { color: #555; margin: .2rem 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
table { font-size: .9rem }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #e3e3e3 }
th, td { white-space: nowrap } th { font-weight: 600; color: #444 }
td:first-child, th:first-child, .l { text-align: left }
.wide { overflow-x: auto } li { margin: .35rem 0 }
svg { width: 100%; height: auto; display: block }
svg text { font: 11px system-ui, sans-serif; fill: #444 }
.key span { display: inline-block; margin-right: 1.2rem }
.key i { display: inline-block; width: 14px; height: 10px; margin-right: .4rem }
details { margin: .2rem 0 } summary { cursor: pointer }
@media (prefers-color-scheme: dark) {
  body { background: #14161a; color: #e6e6e6 } th, p.sub { color: #b0b0b0 }
  svg text { fill: #b0b0b0 } th, td { border-color: #2c3038 } }
"""


def page_of(document: Document) -> str:
    """Return the report as HTML."""
    title = f"Replay {document['from']} to {document['to']}"
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="sub">{escape(_subtitle(document))}</p>',
        _figures(document),
        "<h2>Equity</h2>",
        _key(document),
        _picture(document),
        "<h2>What is biased</h2>",
        "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in document["bias"]) + "</ul>",
        "<h2>Time in each regime</h2>",
        _regimes(document),
        "<h2>Runs</h2>",
        _runs(document),
        _troubles(document),
        "<h2>Journal</h2>",
        f"<p>{document['journal']['entries']:,} entries, "
        f"{'intact' if document['journal']['is_intact'] else 'NOT INTACT'}, head "
        f"<code>{escape(document['journal']['head'])}</code></p>",
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _subtitle(document: Document) -> str:
    return (
        f"{document['sessions']:,} sessions, {document['slots']} slots, universe "
        f"{document['universe']}, top {document['top_n']}, regime {document['regime_source']}, "
        f"${float(document['cash']):,.0f} at the start"
    )


def _figures(document: Document) -> str:
    columns = [
        ("the account", document["account"]),
        ("SPY, total return", document["spy_total_return"]),
        ("SPY, price", document["spy_price"]),
    ]
    shown = [(name, each) for name, each in columns if each is not None]
    rows: list[tuple[str, Callable[[Document], str]]] = [
        ("End value", lambda f: f"${f['end']:,.0f}"),
        ("Total return", lambda f: f"{f['total_return']:+.1%}"),
        ("Growth a year (CAGR)", lambda f: f"{f['cagr']:+.2%}"),
        ("Volatility", lambda f: _percent(f["volatility"])),
        ("Sharpe (riskless 0)", lambda f: _number(f["sharpe"])),
        ("Maximum drawdown", lambda f: f"{f['max_drawdown']:.1%}"),
        ("from / to", lambda f: f"{f['drawdown_from']} / {f['drawdown_to']}"),
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name, _ in shown)
    body = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td>{tell(each)}</td>" for _, each in shown) + "</tr>"
        for name, tell in rows
    )
    trading = document["trading"]
    counted = (
        f"{trading['runs']} runs, {trading['orders']:,} orders, {trading['fills']:,} fills; "
        f"turnover {trading['turnover_a_year']:.0%} a year (one way), slippage "
        f"${float(trading['slippage']):,.0f}"
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table><p>{counted}</p>"


def _key(document: Document) -> str:
    series = "".join(
        f'<span><i style="background:{colour}"></i>{name}</span>'
        for field, name, colour, _ in SERIES
        if document["curve"][0][field] is not None
    )
    bands = "".join(
        f'<span><i style="background:{colour};opacity:.3"></i>{name}</span>'
        for name, colour in COLOURS.items()
        if document["regimes"][name]["sessions"]
    )
    return f'<p class="key">{series}{bands}</p>'


def _picture(document: Document) -> str:
    """Curves on a logarithmic scale over bands of the regimes; below, the fall from the top."""
    curve = document["curve"]
    across = (WIDTH - LEFT - RIGHT) / max(len(curve) - 1, 1)
    known = [row[field] for field, *_ in SERIES for row in curve if row[field] is not None]
    low, high = log10(min(known)), log10(max(known))
    span = (high - low) or 1.0

    def y_of(value: float) -> float:
        return TOP + HEIGHT * (1 - (log10(value) - low) / span)

    parts = [f'<svg viewBox="0 0 {WIDTH} {TOP + HEIGHT + GAP + FALL_HEIGHT + 24}" role="img">']
    for regime, group in groupby(range(len(curve)), key=lambda at: curve[at]["regime"]):
        at = list(group)
        if regime is not None:
            x, width = LEFT + at[0] * across, len(at) * across
            parts.append(
                f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT}" '
                f'fill="{COLOURS[regime]}" opacity=".16"/>'
            )
    for value in ticks_between(min(known), max(known)):
        y = y_of(value)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" '
            f'stroke-width=".4"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"${value:,.0f}</text>"
        )
    for field, _, colour, width in SERIES:
        if curve[0][field] is not None:
            points = [(at, y_of(row[field])) for at, row in enumerate(curve)]
            parts.append(_line(points, across, colour, width))
    parts += _falls(curve, across)
    parts += _years(curve, across)
    return "".join([*parts, "</svg>"])


def _line(points: Sequence[tuple[int, float]], across: float, colour: str, width: float) -> str:
    step = max(1, len(points) // 1500)
    kept = [*points[::step], points[-1]]
    path = " ".join(f"{LEFT + at * across:.1f},{y:.1f}" for at, y in kept)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _falls(curve: Sequence[Any], across: float) -> list[str]:
    base = TOP + HEIGHT + GAP
    deepest = min(min(row["drawdown"] for row in curve), -0.01)
    points = [(at, base + FALL_HEIGHT * row["drawdown"] / deepest) for at, row in enumerate(curve)]
    foot = base + FALL_HEIGHT
    return [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" stroke="#888" '
        'stroke-width=".6"/>',
        _line(points, across, "#b71c1c", 1.0),
        f'<text x="{LEFT - 6}" y="{base + 4}" text-anchor="end">0 %</text>',
        f'<text x="{LEFT - 6}" y="{foot + 4}" text-anchor="end">{deepest:.0%}</text>',
        f'<text x="{LEFT + 4}" y="{foot - 4}">fall from the top</text>',
    ]


def _years(curve: Sequence[Any], across: float) -> list[str]:
    parts, last = [], ""
    years = sorted({row["day"][:4] for row in curve})
    step = 1 + len(years) // 16
    for at, row in enumerate(curve):
        year = row["day"][:4]
        if year != last and last and (int(year) - int(years[0])) % step == 0:
            x = LEFT + at * across
            foot = TOP + HEIGHT + GAP + FALL_HEIGHT
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{foot}" stroke="#888" '
                f'stroke-width=".25"/><text x="{x:.1f}" y="{foot + 16}" text-anchor="middle">'
                f"{year}</text>"
            )
        last = year
    return parts


def ticks_between(low: float, high: float) -> list[float]:
    """Return round values for a logarithmic axis, the denser the less it spans."""
    steps = DENSE if high / low < DENSE_BELOW else COARSE
    found = [step * 10.0**power for power in range(12) for step in steps]
    return [value for value in found if low <= value <= high]


def _regimes(document: Document) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{each['sessions']:,}</td><td>{each['share']:.1%}</td>"
        f"<td>{_percent(each['allocation'], 0)}</td></tr>"
        for name, each in document["regimes"].items()
        if each["sessions"]
    )
    changes = len(document["regime_changes"])
    return (
        "<table><tr><th></th><th>sessions</th><th>share</th><th>allocation</th></tr>"
        f"{rows}</table><p>Confirmed changes heard by the daemon: {changes}.</p>"
    )


def _runs(document: Document) -> str:
    heads = (
        "run",
        "day",
        "regime",
        "target",
        "achieved",
        "largest gap",
        "orders",
        "fills",
        "turnover",
        "slippage",
        "outcome",
    )
    body = []
    for run in document["runs"]:
        dropped = ", ".join(f"{each['symbol']} ({each['rule']})" for each in run["dropped"])
        outcome = run["outcome"] + (f"; dropped {dropped}" if dropped else "")
        cells = (
            run["run"],
            run["order_day"],
            run["regime"] or "-",
            _percent(run["target_pct"], 0),
            _percent(run["achieved_pct"]),
            f"{run['gap_max']:.2%}",
            run["orders"],
            run["fills"],
            f"{run['turnover']:.0%}",
            "-" if run["slippage"] is None else f"${float(run['slippage']):,.0f}",
            outcome,
        )
        body.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{each}</th>" for each in heads)
    weights = "".join(_weights(run) for run in document["runs"] if run["lines"])
    return (
        f'<div class="wide"><table><tr>{head}</tr>{"".join(body)}</table></div>'
        f"<h2>Achieved and target weights</h2>{weights}"
    )


def _weights(run: Document) -> str:
    rows = "".join(
        f"<tr><td>{escape(line['symbol'])}</td><td>{line['target']:.2%}</td>"
        f"<td>{line['actual']:.2%}</td><td class='l'>{escape(line['note'])}</td></tr>"
        for line in run["lines"]
    )
    return (
        f"<details><summary>{escape(run['run'])}: {_percent(run['achieved_pct'])} in "
        f"{len(run['lines'])} lines</summary><table><tr><th></th><th>target</th><th>achieved</th>"
        f"<th class='l'>note</th></tr>{rows}</table></details>"
    )


def _troubles(document: Document) -> str:
    told = [
        *(f"slot {each['slot']} missed: {each['why']}" for each in document["missed"]),
        *(f"{each['day']}: {each['text']}" for each in document["troubles"]),
        *(
            f"{each['day']}: the daemon did not rest: {each['why']}"
            for each in document["restless"]
        ),
    ]
    if not told:
        return "<p>No slot was missed, no error and no critical alert was raised.</p>"
    items = "".join(f"<li>{escape(each)}</li>" for each in told)
    return f"<h2>Errors, critical alerts, missed slots</h2><ul>{items}</ul>"


def _percent(number: float | None, places: int = 1) -> str:
    return "-" if number is None else f"{number:.{places}%}"


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"
