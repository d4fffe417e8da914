"""Plots as SVG that needs nothing else: lines over days, bars of counts, stacked parts. Text only.

Each is drawn twice, broad and slim, and the page's style shows the one that fits: so its words stay
readable on a phone. Colours are the page's (classes `c0` ...), for light and dark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from math import ceil, floor, log10

BROAD, SLIM = 900, 360
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 10, 26
TICKS = 5
POINTS_MAX = 1_200
LABEL_WIDTH = 105
"""Room for a day's label; as many stand below as fit."""
LETTER_WIDTH = 7.5
GAP_DAYS = 14
"""Over more days without a value no line is drawn: nobody knows what was between."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a name, its class of colour, and a value for each day; None leaves a gap."""

    name: str
    colour: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Stack:
    """One bar of parts that may point either way: (class of colour, value) from the axis out."""

    name: str
    parts: Sequence[tuple[str, float]]


def twice(title: str, draw: Callable[[int], str]) -> str:
    """Return a plot in both widths; `title` says in words what it shows."""
    named = f'<svg role="img" aria-label="{escape(title, quote=True)}"'
    return "".join(
        f'<div class="{name}">{draw(width).replace("<svg", named, 1)}</div>'
        for name, width in (("broad", BROAD), ("slim", SLIM))
    )


def ticks(low: float, high: float) -> list[float]:
    """Return about five round values in [low, high]."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / TICKS
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    first = floor(low / step)
    found = [round((first + at) * step, 12) for at in range(TICKS * 3)]
    return [value for value in found if low - step * 1e-9 <= value <= high + step * 1e-9]


@dataclass(frozen=True, slots=True)
class _Frame:
    width: int
    height: int
    low: float
    high: float

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def foot(self) -> int:
        return self.height - BOTTOM

    def y(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return TOP + (self.foot - TOP) * (1 - (value - self.low) / span)

    def open(self) -> str:
        return f'<svg viewBox="0 0 {self.width} {self.height}">'

    def grid(self, spell: Callable[[float], str]) -> str:
        return "".join(
            f'<line class="grid" x1="{LEFT}" x2="{self.right}" y1="{self.y(value):.1f}" '
            f'y2="{self.y(value):.1f}"/><text class="end" x="{LEFT - 6}" '
            f'y="{self.y(value) + 4:.1f}">{escape(spell(value))}</text>'
            for value in ticks(self.low, self.high)
        )


def lines(
    days: Sequence[date],
    series: Sequence[Series],
    spell: Callable[[float], str],
    width: int,
    height: int = 300,
) -> str:
    """Return lines over days, each day as wide as the calendar says."""
    known = [value for each in series for value in each.values if value is not None]
    low, high = min(known), max(known)
    margin = (high - low) * 0.04 or abs(high) * 0.01 or 0.01
    frame = _Frame(width, height, low - margin, high + margin)
    span = max((days[-1] - days[0]).days, 1)

    def x_of(day: date) -> float:
        return LEFT + (frame.right - LEFT) * (day - days[0]).days / span

    parts = [frame.open(), frame.grid(spell), _day_labels(days, x_of, frame)]
    step = max(1, len(days) // POINTS_MAX)
    kept = sorted({*range(0, len(days), step), len(days) - 1})
    for each in series:
        drawn: list[list[str]] = [[]]
        for at in kept:
            value = each.values[at]
            if value is None or (at and (days[at] - days[at - 1]).days > GAP_DAYS):
                drawn.append([])
            if value is not None:
                drawn[-1].append(f"{x_of(days[at]):.1f},{frame.y(value):.1f}")
        for points in drawn:
            if len(points) == 1:
                x, y = points[0].split(",")
                parts.append(f'<circle class="{each.colour}" cx="{x}" cy="{y}" r="3"/>')
            elif points:
                parts.append(f'<polyline class="{each.colour}" points="{" ".join(points)}"/>')
    return "".join([*parts, "</svg>"])


def _day_labels(days: Sequence[date], x_of: Callable[[date], float], frame: _Frame) -> str:
    count = max(2, min((frame.right - LEFT) // LABEL_WIDTH, 8))
    span = (days[-1] - days[0]).days
    ordinals = sorted({days[0].toordinal() + span * at // (count - 1) for at in range(count)})
    told = []
    for at, ordinal in enumerate(ordinals):
        day = date.fromordinal(ordinal)
        anchor = "start" if at == 0 else "end" if at == len(ordinals) - 1 else "mid"
        told.append(
            f'<text class="{anchor}" x="{x_of(day):.1f}" y="{frame.foot + 18}">{day}</text>'
        )
    return "".join(told)


def bars(
    bins: Sequence[tuple[float, float, int]], spell: Callable[[float], str], width: int
) -> str:
    """Return a histogram of (low, high, count)."""
    most = max(count for _, _, count in bins)
    frame = _Frame(width, 220, 0.0, most * 1.05)
    across = (frame.right - LEFT) / len(bins)
    parts = [frame.open(), frame.grid(lambda value: f"{value:g}" if value == int(value) else "")]
    every = max(1, ceil(6 * LETTER_WIDTH / across))
    for at, (low, high, count) in enumerate(bins):
        x, y = LEFT + at * across, frame.y(count)
        parts.append(
            f'<rect class="c0" x="{x + 1:.1f}" y="{y:.1f}" width="{max(across - 2, 1):.1f}" '
            f'height="{frame.foot - y:.1f}"><title>{spell(low)} to {spell(high)}: {count}</title>'
            "</rect>"
        )
        if at % every == 0:
            parts.append(
                f'<text class="mid" x="{x:.1f}" y="{frame.foot + 18}">{escape(spell(low))}</text>'
            )
    return "".join([*parts, "</svg>"])


def stacks(found: Sequence[Stack], spell: Callable[[float], str], width: int) -> str:
    """Return bars of parts: what costs stands above the axis, what gains below it."""
    highs = [sum(value for _, value in each.parts if value > 0) for each in found]
    lows = [sum(value for _, value in each.parts if value < 0) for each in found]
    low, high = min([*lows, 0.0]), max([*highs, 0.0])
    margin = (high - low) * 0.05 or 1.0
    frame = _Frame(width, 260, low - (margin if low else 0.0), high + margin)
    across = (frame.right - LEFT) / len(found)
    parts = [frame.open(), frame.grid(spell)]
    every = max(1, ceil((max(len(each.name) for each in found) + 1) * LETTER_WIDTH / across))
    for at, each in enumerate(found):
        wide = min(across * 0.7, 60)
        x = LEFT + at * across + (across - wide) / 2
        above = below = 0.0
        for colour, value in each.parts:
            start = above if value >= 0 else below
            top, foot = frame.y(max(start, start + value)), frame.y(min(start, start + value))
            above, below = (above + value, below) if value >= 0 else (above, below + value)
            if foot > top:
                parts.append(
                    f'<rect class="{colour}" x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" '
                    f'height="{foot - top:.1f}"><title>{escape(each.name)}: {spell(value)}'
                    "</title></rect>"
                )
        if (len(found) - 1 - at) % every == 0:
            parts.append(
                f'<text class="mid" x="{x + wide / 2:.1f}" y="{frame.foot + 18}">'
                f"{escape(each.name)}</text>"
            )
    zero = frame.y(0.0)
    parts.append(
        f'<line class="axis" x1="{LEFT}" x2="{frame.right}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
    )
    return "".join([*parts, "</svg>"])


def key(names: Sequence[tuple[str, str]]) -> str:
    """Return a legend of (class of colour, name)."""
    told = "".join(
        f'<span><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="{colour}" width="12" '
        f'height="12"/></svg>{escape(name)}</span>'
        for colour, name in names
    )
    return f'<p class="key">{told}</p>'
