"""The account against its benchmark: from the chronicle's equity to a chart and its table.

Both begin at 100. What was paid in or out is taken out of the account's line: its return over a day
is (equity - flow) / equity before. Where equity was not seen, nothing is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from atlas_daemon.core.spelling import UNKNOWN, day_text, dollars, percent
from atlas_daemon.dashboard.curve import MARK_GAP

from .chart import Band, Frame, Line, Mark, Point, chart_of
from .markup import View, bullets, number, paragraph, safe, section, table

WIDE = Frame("broad", 860, 300)
NARROW = Frame("slim", 360, 230, left=38, right=10)
ROWS_MAX = 24
HUNDRED = Decimal(100)

_REGIMES = {
    "TREND_BULL": ("bull", "BULL"),
    "TREND_NEUTRAL": ("neutral", "NEUTRAL"),
    "TREND_BEAR": ("bear", "BEAR"),
    "CRASH": ("crash", "CRASH"),
}


@dataclass(slots=True)
class Curve:
    """One line rebased to 100: its pieces, and every point by its day."""

    pieces: list[list[tuple[date, Decimal]]] = field(default_factory=list)
    by_day: dict[date, Decimal] = field(default_factory=dict)
    unknown_flows: int = 0
    """How many days' deposits and withdrawals nobody knows: they are not taken out."""
    lost_on: date | None = None
    """The day on which nothing was left, if any: from there no growth can be told."""

    def add(self, day: date, value: Decimal, after: date | None, *, is_new_piece: bool) -> None:
        """Take in the next day; `after` is the day that was marked before it, drawn or not."""
        if self.pieces and not is_new_piece:
            is_new_piece = day - max(self.pieces[-1][-1][0], after or date.min) > MARK_GAP
        if not self.pieces or is_new_piece:
            self.pieces.append([])
        self.pieces[-1].append((day, value))
        self.by_day[day] = value

    @property
    def latest(self) -> Decimal | None:
        """The last value; None where there is none."""
        return self.pieces[-1][-1][1] if self.pieces else None

    @property
    def change(self) -> Decimal | None:
        """What was gained from the first value to the last; None where there is none."""
        if not self.pieces:
            return None
        first, last = self.pieces[0][0][1], self.pieces[-1][-1][1]
        return last / first - 1 if first > 0 else None

    def reach(self, points: Sequence[View]) -> str:
        """Return from when and until when it is known, where that is not the whole of `points`."""
        if not self.pieces:
            return ""
        first, last = self.pieces[0][0][0], self.pieces[-1][-1][0]
        since = "" if first.isoformat() == points[0]["day"] else f" from {day_text(first)}"
        return since + ("" if last.isoformat() == points[-1]["day"] else f" to {day_text(last)}")

    def drawn(self, kind: str) -> Line:
        """Return what the chart takes."""
        pieces: list[list[Point]] = [
            [(day, float(value)) for day, value in piece] for piece in self.pieces
        ]
        return Line(kind, pieces)


def account_curve(points: Sequence[View]) -> Curve:
    """Return the account's line: what was paid in or out is neither gain nor loss."""
    curve, index, before = Curve(), HUNDRED, None
    is_new, flow = True, Decimal(0)
    for point in points:
        equity, moved = _figure(point["equity"]), _figure(point.get("flow"))
        flow += moved or 0
        if before is not None and moved is None:
            curve.unknown_flows += 1
        if equity is None:
            is_new = True
            continue
        if before is not None and before > 0:
            index *= (equity - flow) / before
        elif before is not None:
            is_new = True  # nothing was there to gain or lose on
        curve.add(date.fromisoformat(point["day"]), index, _after(point), is_new_piece=is_new)
        if index <= 0:
            curve.lost_on = date.fromisoformat(point["day"])
            break
        is_new, before, flow = False, equity, Decimal(0)
    return curve


def benchmark_curve(points: Sequence[View], account: Curve) -> Curve:
    """Return the benchmark's line. Its first price has the account's value of that day."""
    curve = Curve()
    base: Decimal | None = None
    is_new = True
    for point in points:
        price, day = _figure(point["benchmark"]), date.fromisoformat(point["day"])
        if price is None or price <= 0:
            is_new = True
            continue
        if base is None:
            base = price * HUNDRED / account.by_day.get(day, HUNDRED)
        value = price / base * HUNDRED if base else HUNDRED
        curve.add(day, value, _after(point), is_new_piece=is_new)
        is_new = False
    return curve


def _after(point: View) -> date | None:
    return date.fromisoformat(point["after"]) if point.get("after") else None


def _figure(text: str | None) -> Decimal | None:
    try:
        figure = number(text)
    except InvalidOperation:
        return None
    return figure if figure is not None and figure.is_finite() else None


def equity_section(view: View) -> str:
    """Chart, legend and table; where there is no mark yet, that is said."""
    equity = view.get("equity")
    points = equity["points"] if equity is not None else []
    if equity is None or not points:
        text = "No day's equity is on record yet: the first is marked after the first close."
        return section("chart", "Equity", paragraph(text, "empty"))
    benchmark = equity["benchmark"]
    account = account_curve(points)
    other = benchmark_curve(points, account)
    bands, marks = _bands(equity["regimes"]), _marks(equity["slots"], points)
    said = _said(points, account, other, benchmark)
    lines_named = [
        ("account", f"Account {_change(account, points)}"),
        ("benchmark", f"{benchmark} {_change(other, points)}"),
    ]
    lines = [other.drawn("benchmark"), account.drawn("account")]
    drawings = "".join(chart_of(lines, bands, marks, each, said) for each in (WIDE, NARROW))
    first, last = date.fromisoformat(points[0]["day"]), date.fromisoformat(points[-1]["day"])
    reach = day_text(first) if first == last else f"{day_text(first)} to {day_text(last)}"
    notes = (
        f"{reach}; the first day's close is 100, deposits and withdrawals are taken out. A return "
        "since a rebalance begins at the rebalance's end, not at a close."
    )
    if account.unknown_flows:
        days = f"{account.unknown_flows} day{'s'[: account.unknown_flows != 1]}"
        notes += f" The deposits and withdrawals of {days} are not known, and still in it."
    if account.lost_on is not None:
        lost = day_text(account.lost_on)
        notes += f" Nothing was left on {lost}: growth from there cannot be told."
    body = (
        f"{_legend(lines_named, bands, marks)}<figure>{drawings}"
        f"<figcaption>{safe(notes)}</figcaption></figure>{_details(points, account, other, equity)}"
    )
    return section("chart", f"Equity against {benchmark}", body)


def _bands(regimes: Sequence[View]) -> list[Band]:
    """A band goes on to the next one's first day where they touch: a weekend is no gap."""
    bands = []
    for n, each in enumerate(regimes):
        kind, name = _REGIMES.get(each["regime"], ("other", each["regime"]))
        start = date.fromisoformat(each["from"])
        end = date.fromisoformat(each["to"]) if each["to"] else date.max
        if n + 1 < len(regimes):
            coming = date.fromisoformat(regimes[n + 1]["from"])
            if end < coming <= end + MARK_GAP:
                end = coming
        bands.append(Band(start, end, kind, name))
    return bands


def _marks(slots: Sequence[View], points: Sequence[View]) -> list[Mark]:
    marks = []
    for slot in slots:
        kind = "done" if slot["outcome"] == "done" else "undone"
        text = f"{slot['run']}: {slot['outcome'] or 'under way'}, {slot['day']}"
        marks.append(Mark(date.fromisoformat(slot["day"]), f"slot {kind}", text))
    for point in points:
        flow = _figure(point.get("flow"))
        if flow:
            word = "paid in" if flow > 0 else "paid out"
            text = f"{dollars(abs(flow))} {word}, {point['day']}"
            marks.append(Mark(date.fromisoformat(point["day"]), "flow", text))
    return marks


def _change(curve: Curve, points: Sequence[View]) -> str:
    return percent(curve.change, places=1, signed=True) + curve.reach(points)


def _said(points: Sequence[View], account: Curve, other: Curve, benchmark: str) -> str:
    """The chart in a sentence, for who does not see it."""
    return (
        f"From {points[0]['day']} to {points[-1]['day']}: the account {_change(account, points)}, "
        f"{benchmark} {_change(other, points)}, both rebased to 100. "
        "The figures are in the table below."
    )


def _legend(lines: Sequence[tuple[str, str]], bands: Sequence[Band], marks: Sequence[Mark]) -> str:
    keys = [(f'<path class="line {kind}" d="M0 6H22"/>', said) for kind, said in lines]
    kinds = dict.fromkeys((band.kind, band.name) for band in bands)
    keys += [
        (f'<rect class="strip {safe(kind)}" y="1" width="22" height="10"/>', name.capitalize())
        for kind, name in kinds
    ]
    seen = {mark.kind for mark in marks}
    shapes = {
        "slot done": ('<path d="M11 11l-5 -9h10z"/>', "Rebalance"),
        "slot undone": ('<path d="M11 11l-5 -9h10z"/>', "Rebalance not complete"),
        "flow": ('<path d="M11 1l5 5l-5 5l-5 -5z"/>', "Paid in or out"),
    }
    keys += [
        (f'<g class="mark {kind}">{shape}</g>', word)
        for kind, (shape, word) in shapes.items()
        if kind in seen
    ]
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 22 12" aria-hidden="true" focusable="false">{drawn}'
        f"</svg>{safe(word)}</li>"
        for drawn, word in keys
    )
    return f'<ul class="legend">{items}</ul>'


def _details(points: Sequence[View], account: Curve, other: Curve, equity: View) -> str:
    """The figures as a table, newest first: every day of the last, then ends of months."""
    rows = [
        (
            day_text(date.fromisoformat(point["day"])),
            dollars(_figure(point["equity"])),
            _index(account, point),
            _index(other, point),
            _paid(point),
        )
        for point in _picked(points)
    ]
    heads = f"Day,Equity,Account,{equity['benchmark'].replace(',', ' ')},Paid in or out"
    shown = table("chart", "Equity against the benchmark, both rebased to 100", heads, rows, (0,))
    slots = [
        f"{s['day']}: rebalance {s['run']}, {s['outcome'] or 'under way'}" for s in equity["slots"]
    ]
    regimes = [f"{r['from']} to {r['to'] or 'now'}: {r['regime']}" for r in equity["regimes"]]
    past = "".join(
        f"<h3>{title}</h3>{bullets(texts[-ROWS_MAX:][::-1])}"
        for title, texts in (("Regimes", regimes), ("Rebalances", slots))
        if texts
    )
    return (
        '<details id="chart-table"><summary>The figures as a table</summary>'
        f"{shown}{past}</details>"
    )


def _picked(points: Sequence[View]) -> list[View]:
    """Return the latest five days, then the last day of each month before, newest first."""
    newest = list(points[::-1])
    picked = newest[:5]
    for later, point in pairwise(newest[4:]):
        if point["day"][:7] != later["day"][:7]:
            picked.append(point)
    if points[0] not in picked[:ROWS_MAX]:
        picked = [*picked[: ROWS_MAX - 1], points[0]]
    return picked


def _paid(point: View) -> str:
    flow = _figure(point.get("flow"))
    return "–" if flow == 0 else dollars(flow)


def _index(curve: Curve, point: View) -> str:
    value = curve.by_day.get(date.fromisoformat(point["day"]))
    return UNKNOWN if value is None else f"{value:.1f}"
