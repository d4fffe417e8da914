"""Lines over days as SVG: a pure function of points. No style and no script, only classes.

May not live here: what the lines mean, where they come from, a word of HTML.
Days are ordinals in here; values are plain numbers, for pixels and not for money.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from math import ceil, floor, log10

POINTS_MAX = 400
"""Points of all lines of one chart together."""
VALUE_MAX = 1e12
"""Beyond it a value is a mistake, and no scale would show anything beside it."""

Point = tuple[date, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line in pieces; between two pieces nothing is known and nothing is drawn."""

    kind: str
    pieces: Sequence[Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of days, both included; `kind` is a class of the sheet, `name` is written on it."""

    start: date
    end: date
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened on a day; `text` is what a pointer is told."""

    day: date
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawing's size and margins; `name` keeps ids of two drawings on a page apart."""

    name: str
    width: int
    height: int
    left: int = 44
    right: int = 14
    top: int = 18
    bottom: int = 40

    @property
    def floor(self) -> float:
        """Where the plot ends below."""
        return self.height - self.bottom


class _Scale:
    """Days and values to places inside the plot."""

    def __init__(self, frame: Frame, points: Sequence[Point]) -> None:
        days = [day.toordinal() for day, _ in points]
        self.first, self.last = min(days), max(days)
        values = [value for _, value in points]
        self.ticks = value_ticks(min(values), max(values), frame.height // 60)
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self._frame = frame

    def x(self, day: int) -> float:
        """A day's place; outside days stand at the edge, a single day in the middle."""
        frame = self._frame
        wide = frame.width - frame.left - frame.right
        if self.last == self.first:
            return frame.left + wide / 2
        share = (day - self.first) / (self.last - self.first)
        return frame.left + wide * min(1.0, max(0.0, share))

    def y(self, value: float) -> float:
        """A value's place."""
        frame = self._frame
        share = (value - self.low) / (self.high - self.low)
        return frame.floor - (frame.floor - frame.top) * min(1.0, max(0.0, share))


def chart_of(
    lines: Sequence[Line],
    bands: Iterable[Band],
    marks: Iterable[Mark],
    frame: Frame,
    label: str,
) -> str:
    """Return the drawing; empty where no point can be drawn. `label` says it in words."""
    drawable = [Line(line.kind, _drawable(line)) for line in lines]
    points = [point for line in drawable for piece in line.pieces for point in piece]
    if not points:
        return ""
    scale = _Scale(frame, points)
    each_max = (POINTS_MAX if frame.width > 500 else POINTS_MAX // 2) // len(drawable)
    parts = [
        *_bands(bands, scale, frame),
        *_grid(scale, frame),
        *_marks(marks, scale, frame),
        *(part for line in drawable for part in _line(line, scale, each_max)),
    ]
    return (
        f'<svg class="chart {frame.name}" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )


def _drawable(line: Line) -> list[list[Point]]:
    """What is no number is not at most anything, and goes as well."""
    pieces = (
        [(day, value) for day, value in piece if abs(value) <= VALUE_MAX] for piece in line.pieces
    )
    return [piece for piece in pieces if piece]


def value_ticks(low: float, high: float, count: int) -> list[float]:
    """Return round values, at least two, that hold `low` and `high` between them."""
    if high - low < 1e-9 * max(1.0, abs(high), abs(low)):
        reach = max(abs(low) * 0.01, 1.0)
        low, high = low - reach, high + reach
    wanted = (high - low) / max(2, count)
    power = 10.0 ** floor(log10(wanted))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= wanted * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def day_ticks(first: date, last: date, count: int) -> list[tuple[date, str]]:
    """Return at most `count` days with their words: days, months or years, whichever fit."""
    days = (last - first).days
    if days <= 45:
        step = max(1, ceil((days + 1) / count))
        found = [first + timedelta(days=n) for n in range(0, days + 1, step)]
        return [(day, f"{day:%b} {day.day}") for day in found][:count]
    months = list(_firsts_of_months(first, last))
    for step in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600):
        kept = [day for day in months if (day.year * 12 + day.month - 1) % step == 0]
        if len(kept) <= count:
            break
    if step >= 12:
        return [(day, f"{day.year}") for day in kept]
    words = [(day, f"{day.year}" if day.month == 1 else f"{day:%b}") for day in kept]
    if words and words[0][0].month != 1:  # which year it begins in is said once
        words[0] = (kept[0], f"{kept[0]:%b} {kept[0].year}")
    return words


def _firsts_of_months(first: date, last: date) -> Iterable[date]:
    month = first.year * 12 + first.month - 1 + (first.day > 1)
    while month // 12 <= min(last.year, date.max.year):
        day = date(month // 12, month % 12 + 1, 1)
        if day > last:
            return
        yield day
        month += 1


def thinned(piece: Sequence[Point], points_max: int) -> list[Point]:
    """Return at most `points_max` points (4 at least), in their order: ends and extremes stay."""
    if len(piece) <= max(4, points_max):
        return list(piece)
    buckets = max(1, (points_max - 2) // 2)
    inner = piece[1:-1]
    kept = [piece[0]]
    for n in range(buckets):
        bucket = inner[n * len(inner) // buckets : (n + 1) * len(inner) // buckets]
        if not bucket:
            continue
        ends = {min(bucket, key=_value_of), max(bucket, key=_value_of)}
        kept += sorted(ends)
    return [*kept, piece[-1]]


def _value_of(point: Point) -> float:
    return point[1]


def _line(line: Line, scale: _Scale, points_max: int) -> Iterable[str]:
    """Every piece as a path, a lonely point as a dot; the latest point has a dot as well."""
    whole = sum(len(piece) for piece in line.pieces)
    path = []
    lonely = []
    for piece in line.pieces[-(points_max // 4) :]:
        kept = thinned(piece, points_max * len(piece) // whole)
        places = [(scale.x(day.toordinal()), scale.y(value)) for day, value in kept]
        if len(places) == 1:
            lonely.append(places[0])
        else:
            path.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places))
    if path:
        yield f'<path class="line {line.kind}" d="{"".join(path)}"/>'
    if line.pieces:
        day, value = line.pieces[-1][-1]
        lonely.append((scale.x(day.toordinal()), scale.y(value)))
    for x, y in dict.fromkeys(lonely):
        yield f'<circle class="dot {line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _bands(bands: Iterable[Band], scale: _Scale, frame: Frame) -> Iterable[str]:
    """A tint over the plot, and a strip below it that carries the name where it fits."""
    yield (
        f'<defs><pattern id="hatch-{frame.name}" width="6" height="6" '
        'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch" width="2" height="6"/></pattern></defs>'
    )
    shown = [band for band in bands if band.end.toordinal() >= scale.first]
    shown = [band for band in shown if band.start.toordinal() <= scale.last]
    for band in shown:
        left = scale.x(band.start.toordinal())
        wide = max(1.0, scale.x(band.end.toordinal()) - left)
        left = min(left, frame.width - frame.right - wide)
        tall = frame.floor - frame.top
        kind = escape(band.kind, quote=True)
        place = f'x="{left:.1f}" width="{wide:.1f}"'
        yield f'<rect class="tint {kind}" {place} y="{frame.top}" height="{tall:.0f}"/>'
        yield f'<rect class="strip {kind}" {place} y="{frame.floor + 1:.0f}" height="12"/>'
        if kind == "crash":
            hatch = f'fill="url(#hatch-{frame.name})"'
            yield f'<rect {hatch} {place} y="{frame.top}" height="{tall + 13:.0f}"/>'
        if wide > 7.5 * len(band.name):
            x, y = left + wide / 2, frame.floor + 10.5
            yield f'<text class="named {kind}" x="{x:.1f}" y="{y:.1f}">{escape(band.name)}</text>'


def _grid(scale: _Scale, frame: Frame) -> Iterable[str]:
    right = frame.width - frame.right
    places = 0 if all(abs(tick - round(tick)) < 1e-9 for tick in scale.ticks) else 2
    for tick in scale.ticks:
        y = scale.y(tick)
        kind = "grid base" if abs(tick - 100) < 1e-9 else "grid"
        yield f'<path class="{kind}" d="M{frame.left} {y:.1f}H{right}"/>'
        text = f"{tick:,.{places}f}"
        yield f'<text class="value" x="{frame.left - 7}" y="{y + 4:.1f}">{text}</text>'
    first, last = date.fromordinal(scale.first), date.fromordinal(scale.last)
    ticks = day_ticks(first, last, max(2, (right - frame.left) // 74))
    for day, text in ticks:
        x = scale.x(day.toordinal())
        yield f'<path class="tick" d="M{x:.1f} {frame.floor + 13:.0f}v4"/>'
        x = min(max(x, frame.left + 12.0), right - 14.0)
        yield f'<text class="day" x="{x:.1f}" y="{frame.height - 8}">{escape(text)}</text>'


def _marks(marks: Iterable[Mark], scale: _Scale, frame: Frame) -> Iterable[str]:
    """A slot is a line with a head above the plot, a flow a diamond at its foot."""
    for mark in marks:
        if not scale.first <= mark.day.toordinal() <= scale.last:
            continue
        x = scale.x(mark.day.toordinal())
        kind, text = escape(mark.kind, quote=True), escape(mark.text)
        if mark.kind == "flow":
            y = frame.floor - 6
            shape = f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>'
        else:
            head = frame.top - 10
            shape = (
                f'<path class="stem" d="M{x:.1f} {frame.top}V{frame.floor:.0f}"/>'
                f'<path d="M{x:.1f} {frame.top}l-5 -{frame.top - head}h10z"/>'
            )
        yield f'<g class="mark {kind}"><title>{text}</title>{shape}</g>'
