"""A price as SVG: the line of a day or of many days, entry price and executions upon it.

Pure: points in, text out. Positions are attributes, looks are classes of the style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from math import ceil, floor, log10

_TAG_HEIGHT = 20


@dataclass(frozen=True)
class Mark:
    """An execution: at which place of the time axis (0 to 1), its price, and what it was."""

    place: float
    price: float
    side: str
    text: str


@dataclass(frozen=True)
class Line:
    """What is drawn. Places run from 0 (left) to 1 (right); labels stand on the time axis."""

    title: str
    points: Sequence[tuple[float, float]]
    labels: Sequence[tuple[float, str]]
    before: float | None = None
    """The close before the first point: a day is up or down against it."""
    entry: float | None = None
    marks: Sequence[Mark] = ()


def chart(line: Line) -> str:
    """Two drawings of the same, a wide and a narrow one; the style sheet shows one of them."""
    if len(line.points) < 2:
        return '<p class="none">No price is known for this span yet.</p>'
    return _drawn(line, 960, 300, "wide-chart", every=1) + _drawn(
        line, 400, 240, "narrow-chart", every=2
    )


def _drawn(line: Line, width: int, height: int, name: str, *, every: int) -> str:
    left, right, top, bottom = 8, 64, 10, 26
    across, down = width - left - right, height - top - bottom
    low, high = _span(line)

    def x(place: float) -> str:
        return f"{left + place * across:.1f}"

    def y(price: float) -> str:
        return f"{top + (high - price) / (high - low) * down:.1f}"

    parts = [
        f'<svg class="chart {name} {_direction(line)}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(line.title)}">'
    ]
    last_y = float(y(line.points[-1][1]))
    for price in _steps(low, high, 3 if every > 1 else 5):
        level = y(price)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{level}" y2="{level}"/>'
        )
        if abs(float(level) - last_y) > _TAG_HEIGHT:  # what the tag would cover
            parts.append(
                f'<text class="scale" x="{width - right + 8}" y="{level}" dy="4">'
                f"{price:,.2f}</text>"
            )
    for number, (place, text) in enumerate(line.labels):
        if number % every == 0:
            parts.append(
                f'<text class="scale" x="{x(place)}" y="{height - 6}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
    drawn = " ".join(f"{x(place)},{y(price)}" for place, price in line.points)
    first, last = line.points[0], line.points[-1]
    floor_y = f"{top + down:.1f}"
    parts.append(
        f'<polygon class="area" points="{x(first[0])},{floor_y} {drawn} {x(last[0])},{floor_y}"/>'
    )
    parts += [
        f'<line class="{what}" x1="{left}" x2="{width - right}" y1="{y(level)}" y2="{y(level)}"/>'
        for what, level in (("before", line.before), ("entry", line.entry))
        if level is not None and low <= level <= high
    ]
    parts.append(f'<polyline class="price" points="{drawn}"/>')
    parts += [_mark(mark, float(x(mark.place)), float(y(mark.price))) for mark in line.marks]
    parts.append(
        f'<circle class="now" cx="{x(last[0])}" cy="{y(last[1])}" r="4"/>'
        f'<g class="tag"><rect x="{width - right + 4}" y="{last_y - _TAG_HEIGHT / 2:.1f}" '
        f'width="{right - 6}" height="{_TAG_HEIGHT}" rx="4"/><text x="{width - right + 8}" '
        f'y="{y(last[1])}" dy="4">{last[1]:,.2f}</text></g></svg>'
    )
    return "".join(parts)


def _direction(line: Line) -> str:
    base = line.before if line.before is not None else line.points[0][1]
    return "up" if line.points[-1][1] >= base else "down"


def _span(line: Line) -> tuple[float, float]:
    """Lowest and highest price shown; a far-off entry price does not flatten the line."""
    prices = [price for _, price in line.points] + [mark.price for mark in line.marks]
    low, high = min(prices), max(prices)
    width = (high - low) or max(high * 0.01, 0.01)
    for extra in (line.before, line.entry):
        if extra is not None and low - width <= extra <= high + width:
            low, high = min(low, extra), max(high, extra)
    margin = ((high - low) or width) * 0.06
    return low - margin, high + margin


def _steps(low: float, high: float, wanted: int) -> list[float]:
    """Round figures between low and high, about as many as wanted."""
    rough = (high - low) / wanted
    power = 10.0 ** floor(log10(rough))
    step = next((n * power for n in (1, 2, 2.5, 5) if n * power >= rough), 10 * power)
    first = ceil(low / step)
    return [number * step for number in range(first, floor(high / step) + 1)]


def _mark(mark: Mark, x: float, y: float) -> str:
    """An arrow below a buy, above a sell."""
    tip = y + 5 if mark.side == "buy" else y - 5
    foot = tip + (9 if mark.side == "buy" else -9)
    return (
        f'<polygon class="{escape(mark.side)}" points="{x:.1f},{tip:.1f} {x - 5:.1f},{foot:.1f} '
        f'{x + 5:.1f},{foot:.1f}"><title>{escape(mark.text)}</title></polygon>'
    )


def place_of(at: datetime, begin: datetime, end: datetime) -> float:
    """Where a moment stands between two others, as a share of the way."""
    return (at - begin) / (end - begin)
