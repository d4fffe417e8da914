"""The report as one HTML file: figures, plots, every order. No script, no address, light and dark.

Its policy forbids loading anything, and allows only the style that stands in it, by its hash.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from html import escape
from importlib.resources import files

from atlas_daemon.core.spelling import dollars, percent, shares, span
from atlas_daemon.records.lines import stamp

from . import plots
from .document import Document
from .performance_page import performance_of_page
from .row_told import PARTS
from .tables import NOTHING, cards, money, pct, price, rate_of, table, words

STACKS_MAX = 24
PART_NAMES = {
    "delay": "delay",
    "trading": "trading",
    "opportunity": "not traded",
    "fees": "fees",
}
COLOURS = {"delay": "c1", "trading": "c0", "opportunity": "c2", "fees": "c3"}


def page_of(document: Document) -> str:
    """Return the report as HTML."""
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    title = f"{document['account']} report"
    body = "\n".join(part for part in _sections(document) if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{words(title)}</title><style>{style}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _sections(document: Document) -> Iterable[str]:
    journal, runs = document["journal"], document["runs"]
    yield f"<h1>{words(document['account'])}</h1>"
    yield f'<p class="sub">{words(_subtitle(document))}</p>'
    if journal["fault"]:
        yield f'<p class="bad">Told without what follows: {words(journal["fault"])}</p>'
    yield cards(_cards(document))
    if document["performance"] is not None:
        yield performance_of_page(document["performance"])
    yield "<h2>Implementation shortfall</h2>"
    if not runs:
        yield "<p>No run in it: nothing was traded, and so nothing cost anything.</p>"
        return
    yield _costs(document)
    yield _slippage(document)
    yield _rejections(document)
    yield _latency(document)
    yield "<h2>Runs</h2>"
    latest = next((run for run in reversed(runs) if run["rows"]), runs[-1])
    for run in reversed(runs):
        yield _run(run, is_open=run is latest)
    yield _words()


def _subtitle(document: Document) -> str:
    journal, first, last = document["journal"], document["from"], document["to"]
    count = len(document["runs"])
    what = f"{count} run{'' if count == 1 else 's'}"
    if document["run"]:
        what = f"Run {document['run']}"
    days = (f" from {first}" if first else "") + (f" to {last}" if last else "")
    return (
        f"{what}{days}. Journal of {journal['entries']:,} entries, {_when(journal['first_at'])} to "
        f"{_when(journal['last_at'])} New York."
    )


def _cards(document: Document) -> Iterable[tuple[str, str, str]]:
    costs, slippage = document["shortfall"], document["slippage"]
    rejections, made = document["rejections"], document["performance"]
    if document["runs"]:
        bps = costs["bps"]
        told = NOTHING if bps is None else f"{Decimal(bps['total']):+.1f} bps"
        yield "Shortfall", dollars(Decimal(costs["total"])), f"{told} of what was decided"
        weighted = slippage["weighted"]
        yield (
            "Slippage",
            NOTHING if weighted is None else f"{weighted:+.1f} bps",
            "value-weighted, against expected prices",
        )
        rate = rejections["broker_rate"]
        yield (
            "Rejected",
            rate_of(rate),
            f"{rejections['broker']} of {rejections['sent']} by the broker, "
            f"{rejections['ours']} by rules of ours",
        )
    if made is not None:
        ahead, told = made["ahead"], made["why"].get("total", "time-weighted")
        if ahead is not None:
            told = f"{abs(ahead):.2%} {'ahead of' if ahead >= 0 else 'behind'} SPY"
        yield "Return", pct(made["total"]), told


def _costs(document: Document) -> str:
    runs, whole = document["runs"], document["shortfall"]
    heads = ("Run", "Day", "Decided", "Delay", "Trading", "Not traded", "Fees", "Total", "bps")
    rows = [
        [
            *(run["run"], run["order_day"] or NOTHING),
            *_cost_cells(run["shortfall"]),
            "refused by a gate" if run["is_refused"] else run["outcome"],
        ]
        for run in reversed(runs)
    ]
    if len(runs) > 1:
        rows.append(["all", "", *_cost_cells(whole), ""])
    shown = [run for run in runs if not run["is_refused"]][-STACKS_MAX:]
    picture = ""
    if any(Decimal(run["shortfall"][name]) for run in shown for name in PARTS):
        found = [
            plots.Stack(
                run["run"],
                [(COLOURS[name], float(Decimal(run["shortfall"][name]))) for name in PARTS],
            )
            for run in shown
        ]
        title = "Cost of each run in dollars, by its parts; the table says the same"
        picture = plots.key([(COLOURS[name], PART_NAMES[name]) for name in PARTS]) + plots.twice(
            title, lambda width: plots.stacks(found, lambda value: f"${value:,.10g}", width)
        )
    unknown = [
        f"{len(whole[name])} with {what}: {', '.join(whole[name][:6])}"
        for name, what in (
            ("unpriced", "a rest whose cost is unknown, not in the sum"),
            ("unmeasured", "fills without any price to measure from, not in the sum"),
        )
        if whole[name]
    ]
    notes = "".join(f'<p class="warn">{words(each)}</p>' for each in unknown)
    told = "Positive is a cost. Basis points are of what was decided to be traded."
    return (
        f"<p>{told}</p>{picture}"
        + table((*heads, "Outcome"), rows, left={0, 1, 9}, name="Shortfall by run")
        + notes
    )


def _cost_cells(costs: Document) -> list[str]:
    bps = costs["bps"]
    return [
        dollars(Decimal(costs["notional"])),
        *(dollars(Decimal(costs[name])) for name in (*PARTS, "total")),
        NOTHING if bps is None else f"{Decimal(bps['total']):+.1f}",
    ]


def _slippage(document: Document) -> str:
    found, handbook = document["slippage"], document["handbook"]
    head = "<h2>Slippage</h2>"
    if found["all"] is None:
        return f"{head}<p>No order with an expected price was filled.</p>"
    rows = []
    for name, each in (("all", found), *found["sides"].items()):
        if each["all"] is not None:
            told = each["all"]
            percents = told["percentiles"]
            figures = (
                *(each["weighted"], told["mean"], told["median"]),
                *(percents["5"], percents["25"], percents["75"], percents["95"]),
                *(told["least"], told["most"]),
            )
            rows.append([name, str(told["count"]), *(f"{figure:+.2f}" for figure in figures)])
    heads = ("", "Orders", "Weighted", "Mean", "Median", "5 %", "25 %", "75 %", "95 %", "Best")
    bins = [(each["low"], each["high"], each["count"]) for each in found["bins"]]
    picture = ""
    if len(bins) > 1:
        picture = plots.twice(
            "Histogram of the orders' slippage in basis points",
            lambda width: plots.bars(bins, lambda value: f"{value:+g}", width),
        )
    mean = handbook["mean_slippage"]
    raw = (
        f"The handbook's raw figures, dollars per share, buys and sells alike: sum over filled "
        f"orders {Decimal(handbook['raw_sum']):+.4f}; mean over fills ({handbook['fills']}) "
        f"{NOTHING if mean is None else f'{mean:+.6f}'}."
    )
    return (
        f"{head}<p>Fill against expected price in basis points; positive is a cost. "
        f"Worst: {words(found['worst_order'])}.</p>{picture}"
        + table((*heads, "Worst"), rows, left={0}, name="Slippage")
        + f"<p>{raw}</p>"
    )


def _rejections(document: Document) -> str:
    found, handbook = document["rejections"], document["handbook"]
    rows = [
        [
            "the broker",
            str(found["broker"]),
            f"{found['sent']} sent",
            rate_of(found["broker_rate"]),
        ],
        [
            "rules of ours",
            str(found["ours"]),
            f"{found['drafted']} wanted",
            rate_of(found["our_rate"]),
        ],
    ]
    rate = handbook["rejection_rate"]
    rows.append(
        [
            "the handbook's rate",
            str(handbook["rejected"]),
            f"{handbook['rows']} rows",
            rate_of(rate),
        ]
    )
    reasons = [
        ["the broker", reason, str(count)] for reason, count in found["broker_reasons"].items()
    ] + [["rules of ours", reason, str(count)] for reason, count in found["our_reasons"].items()]
    told = ""
    if reasons:
        told = table(("By", "Reason", "Times"), reasons, left={0, 1}, name="Reasons")
    more = (
        f"<p>Orders cut: {found['cut']}; lines dropped: {found['dropped']}; "
        f"plans refused whole: {found['plans']}.</p>"
    )
    heads = ("Rejected by", "Times", "Of", "Rate")
    return "<h2>Rejections</h2>" + table(heads, rows, left={0}, name="Rejections") + more + told


def _latency(document: Document) -> str:
    found = document["latency"]
    rows = []
    for name, each in (("first fill", found["first_fill"]), ("filled", found["whole_fill"])):
        if each is not None:
            percents = each["percentiles"]
            figures = (
                *(each["median"], each["mean"], percents["5"], percents["25"]),
                *(percents["75"], percents["95"], each["most"]),
            )
            rows.append([name, str(each["count"]), *(f"{figure:,.2f}" for figure in figures)])
    if not rows:
        return "<h2>Fill latency</h2><p>Nothing was filled.</p>"
    heads = ("To", "Orders", "Median", "Mean", "5 %", "25 %", "75 %", "95 %", "Longest")
    told = "<p>Seconds from the first request, by the journal's clock.</p>"
    return f"<h2>Fill latency</h2>{told}" + table(heads, rows, left={0}, name="Fill latency")


def _run(run: Document, *, is_open: bool) -> str:
    regime = "no regime" if run["regime"] is None else f"{run['regime']}"
    share = "" if run["achieved"] is None else f", {percent(Decimal(run['achieved']))} deployed"
    head = f"{run['run']}: {run['outcome']}, {regime}{share}, {len(run['rows'])} rows"
    fills = ""
    if run["first_fill_at"]:
        fills = f", fills {_when(run['first_fill_at'])} to {_when(run['last_fill_at'])[-8:]}"
    about = (
        f"Begun {_when(run['started_at'])} New York by {run['trigger'] or 'nobody knows what'}, "
        f"{span(run['seconds'])} in all, {run['sessions']} session(s), {run['rounds']} round(s)"
        f"{fills}. {run['reason']}"
    )
    notes = [f"{row['order']}: {text}" for row in run["rows"] for text in row["notes"]]
    notes += [f"{no['symbol']} dropped by {no['rule']}: {no['detail']}" for no in run["dropped"]]
    notes += [f"{no['symbol']} cut by {no['rule']}: {no['detail']}" for no in run["cut"]]
    if run["is_refused"]:
        notes += [f"refused by {no['rule']}: {no['detail']}" for no in run["gates"]]
    listed = "".join(f"<li>{words(each)}</li>" for each in notes)
    opened = " open" if is_open else ""
    return (
        f"<details{opened}><summary>{words(head)}</summary><p>{words(about)}</p>"
        + (_orders(run) if run["rows"] else "<p>No order.</p>")
        + (f"<ul>{listed}</ul>" if listed else "")
        + _weights(run)
        + "</details>"
    )


def _orders(run: Document) -> str:
    heads = (
        *("Side", "Symbol", "Filled", "Not traded", "Decision", "Arrival", "Fill", "Delay"),
        *("Trading", "Opportunity", "Total", "bps", "First fill", "Status"),
    )
    rows = []
    for row in run["rows"]:
        qty = row["qty"] or row["wanted_qty"]
        seconds, bps = row["seconds_to_first_fill"], row["bps"]
        status = row["status"] if not row["rest_why"] else f"{row['status']}: {row['rest_why']}"
        rows.append(
            [
                *(row["side"], row["symbol"]),
                f"{shares(Decimal(row['filled_qty']))} of {shares(Decimal(qty))}",
                shares(Decimal(row["rest_qty"])),
                *(price(row[n]) for n in ("decision_price", "arrival_price", "average_price")),
                *(money(row[name]) for name in ("delay", "trading", "opportunity", "total")),
                NOTHING if bps is None else f"{Decimal(bps['total']):+.1f}",
                NOTHING if seconds is None else f"{seconds:.1f} s",
                row["status"] if row["rest_why"].startswith(row["status"]) else status,
            ]
        )
    return table(heads, rows, left={0, 1, 13}, name=f"Orders of {run['run']}")


def _weights(run: Document) -> str:
    if not run["lines"]:
        return "<p>The run has told no weights: it has not ended with a report.</p>"
    rows = [
        [
            line["symbol"],
            percent(Decimal(line["target_weight"]), places=2),
            percent(Decimal(line["actual_weight"]), places=2),
            percent(Decimal(line["gap"]), places=2, signed=True),
            f"{shares(Decimal(line['actual_qty']))} of {shares(Decimal(line['target_qty']))}",
            line["note"],
        ]
        for line in run["lines"]
    ]
    heads = ("Symbol", "Target", "Achieved", "Gap", "Shares", "Note")
    return table(heads, rows, left={0, 5}, name=f"Weights of {run['run']}")


def _words() -> str:
    told: Sequence[str] = (
        "Delay: the market between the plan and the order's approval.",
        "Trading: fill against the price expected at the approval, share by share.",
        "Not traded: what was wanted and left over, at the close after the run or, until that is "
        "known, the last price on record.",
        "The parts add up to the total, in dollars to the last digit and in basis points.",
        "The method is Perold's implementation shortfall (1988). docs/report.md works an example.",
    )
    items = "".join(f"<li>{escape(each)}</li>" for each in told)
    return f"<h2>What the figures mean</h2><ul>{items}</ul>"


def _when(told: str) -> str:
    return stamp(datetime.fromisoformat(told))
