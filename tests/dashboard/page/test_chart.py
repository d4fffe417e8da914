"""The chart: whatever it is given, what it draws is inside, in order, and says what was there."""

import re
from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.dashboard.page.chart import (
    POINTS_MAX,
    VALUE_MAX,
    Band,
    Frame,
    Line,
    Mark,
    chart_of,
    day_ticks,
    thinned,
    value_ticks,
)

WIDE = Frame("broad", 860, 300)
NARROW = Frame("slim", 360, 230, left=38, right=10)
MONDAY = date(2026, 1, 5)


def a_line(*values: float, start: date = MONDAY, step: int = 1, kind: str = "account") -> Line:
    points = [(start + timedelta(days=step * n), value) for n, value in enumerate(values)]
    return Line(kind, [points])


def drawn(*lines: Line, bands=(), marks=(), frame=WIDE) -> ElementTree.Element:
    return ElementTree.fromstring(chart_of(lines, bands, marks, frame, "said"))


def paths(svg: ElementTree.Element, kind: str = "line") -> list[str]:
    return [p.get("d", "") for p in svg.iter("path") if kind in p.get("class", "").split()]


def places(d: str) -> list[list[tuple[float, float]]]:
    """The points of each piece of a line."""
    return [
        [(float(x), float(y)) for x, y in (point.split() for point in piece.split("L"))]
        for piece in d.split("M")[1:]
    ]


def words(svg: ElementTree.Element, kind: str) -> list[str]:
    return [t.text or "" for t in svg.iter("text") if kind in t.get("class", "").split()]


def test_of_nothing_nothing_is_drawn():
    assert chart_of([], (), (), WIDE, "x") == ""
    assert chart_of([Line("account", [])], (), (), WIDE, "x") == ""
    assert (
        chart_of([Line("account", [[]])], [Band(MONDAY, MONDAY, "bull", "BULL")], (), WIDE, "")
        == ""
    )


def test_one_point_is_a_dot_in_the_middle():
    svg = drawn(a_line(100))
    (dot,) = svg.iter("circle")
    middle = WIDE.left + (WIDE.width - WIDE.left - WIDE.right) / 2
    assert float(dot.get("cx", "")) == middle
    assert paths(svg) == []
    assert words(svg, "day") == ["Jan 5"]


def test_two_points_are_a_line_from_edge_to_edge():
    ((first, last),) = places(paths(drawn(a_line(100, 110)))[0])
    assert (first[0], last[0]) == (WIDE.left, WIDE.width - WIDE.right)
    assert first[1] > last[1]  # what rises goes up


def test_a_flat_line_stands_between_two_ticks():
    ((first, last),) = places(paths(drawn(a_line(100, 100)))[0])
    assert first[1] == last[1]
    assert WIDE.top < first[1] < WIDE.floor


def test_over_a_gap_no_line_is_drawn():
    pieces = [a_line(100, 101).pieces[0], a_line(90, 91, start=MONDAY + timedelta(30)).pieces[0]]
    (d,) = paths(drawn(Line("account", pieces)))
    assert [len(piece) for piece in places(d)] == [2, 2]


def test_a_lonely_day_between_gaps_is_a_dot():
    pieces = [a_line(100, 101).pieces[0], [(MONDAY + timedelta(60), 95.0)]]
    assert len(list(drawn(Line("account", pieces)).iter("circle"))) == 1


def test_ten_years_are_drawn_with_few_points_and_both_extremes():
    values = [100 + (n % 97) * 0.1 for n in range(2520)]
    values[777], values[1888] = 400.0, 3.0
    other = a_line(*[100.0] * 2520, kind="benchmark")
    svg = drawn(a_line(*values), other)
    points = [point for d in paths(svg) for piece in places(d) for point in piece]
    assert len(points) <= POINTS_MAX
    scale = value_ticks(3, 400, 5)
    assert scale[0] <= 3 and scale[-1] >= 400
    heights = [y for _, y in places(paths(svg)[0])[0]]
    assert min(heights) == pytest.approx(_y(400, scale), abs=0.1)
    assert max(heights) == pytest.approx(_y(3, scale), abs=0.1)
    assert words(svg, "day")[0].isdigit()  # years


def _y(value: float, ticks: list[float]) -> float:
    return WIDE.floor - (WIDE.floor - WIDE.top) * (value - ticks[0]) / (ticks[-1] - ticks[0])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, ["Jan 5"]),
        (3, ["Jan 5", "Jan 6", "Jan 7", "Jan 8"]),
        (30, ["Jan 5", "Jan 12", "Jan 19", "Jan 26", "Feb 2"]),
        (100, ["Feb 2026", "Mar", "Apr"]),
        (365, ["Apr 2026", "Jul", "Oct", "2027"]),
        (900, ["Jul 2026", "2027", "Jul", "2028"]),
        (3650, ["2028", "2030", "2032", "2034", "2036"]),
    ],
)
def test_the_days_axis_says_days_months_or_years(days, expected):
    assert [word for _, word in day_ticks(MONDAY, MONDAY + timedelta(days), 5)] == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (80, 160, [80, 100, 120, 140, 160]),
        (99.5, 100.5, [99.5, 99.75, 100, 100.25, 100.5]),
        (100, 100, [99, 99.5, 100, 100.5, 101]),
        (0, 0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_the_values_axis_has_round_figures(low, high, expected):
    assert value_ticks(low, high, 4) == expected


def test_bands_stay_inside_and_are_named_where_there_is_room():
    bands = [
        Band(MONDAY - timedelta(400), MONDAY + timedelta(60), "bull", "BULL"),
        Band(MONDAY + timedelta(61), MONDAY + timedelta(61), "crash", "CRASH"),
        Band(MONDAY + timedelta(62), date.max, "bear", "BEAR"),
        Band(MONDAY + timedelta(900), date.max, "bull", "LATER"),
    ]
    svg = drawn(a_line(*[100.0] * 100), bands=bands)
    assert words(svg, "named") == ["BULL", "BEAR"]
    strips = [r for r in svg.iter("rect") if "strip" in r.get("class", "")]
    assert [r.get("class") for r in strips] == ["strip bull", "strip crash", "strip bear"]
    assert float(strips[1].get("width", "")) >= 1
    assert any(r.get("fill") == "url(#hatch-broad)" for r in svg.iter("rect"))


def test_a_mark_outside_the_days_is_not_drawn_and_one_inside_says_what_it_is():
    marks = [Mark(MONDAY - timedelta(1), "slot done", "before"), Mark(MONDAY, "flow", "$5 <paid>")]
    svg = drawn(a_line(100, 101), marks=marks)
    assert [title.text for title in svg.iter("title")] == ["$5 <paid>"]


def test_nothing_in_it_breaks_the_content_policy():
    bands = [Band(MONDAY, date.max, 'x" onload="', '<script>"')]
    marks = [Mark(MONDAY, 'a" style="', "</svg><script>")]
    text = chart_of([a_line(100, 101)], bands, marks, WIDE, '"><script>')
    svg = ElementTree.fromstring(text)
    assert {shape.tag for shape in svg.iter()}.isdisjoint({"script", "style"})
    assert {name for shape in svg.iter() for name in shape.attrib}.isdisjoint({"style", "onload"})


days = st.integers(0, 4000)
values = st.floats(allow_nan=True, allow_infinity=True)
pieces = st.lists(
    st.dictionaries(days, values, max_size=40).map(
        lambda found: [(MONDAY + timedelta(day), found[day]) for day in sorted(found)]
    ),
    max_size=4,
)


@given(pieces, pieces, st.sampled_from([WIDE, NARROW]))
def test_whatever_comes_is_drawn_inside_the_frame_and_never_as_nan(one, other, frame):
    ordered = sorted((p for p in one if p), key=lambda piece: piece[0][0])
    lines = [Line("account", ordered), Line("benchmark", other)]
    bands = [Band(MONDAY, MONDAY + timedelta(9), "bull", "BULL")]
    text = chart_of(lines, bands, [Mark(MONDAY + timedelta(3), "slot done", "x")], frame, "said")
    seen = [v for line in (one, other) for p in line for _, v in p if abs(v) <= VALUE_MAX]
    assert bool(text) == bool(seen)
    if not text:
        return
    assert not re.search(r"\bnan\b|\binf", text)
    svg = ElementTree.fromstring(text)
    for d in paths(svg):
        for piece in places(d):
            for x, y in piece:
                assert 0 <= x <= frame.width and 0 <= y <= frame.height
            assert all(a[0] <= b[0] for a, b in pairwise(piece))
    for shape in svg.iter():
        for name in ("x", "y", "cx", "cy"):
            if (place := shape.get(name)) is not None:
                assert -1 <= float(place) <= max(frame.width, frame.height)


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300),
    st.integers(4, 120),
)
def test_thinning_keeps_order_ends_and_extremes(values, points_max):
    piece = [(MONDAY + timedelta(n), value) for n, value in enumerate(values)]
    kept = thinned(piece, points_max)
    assert len(kept) <= points_max
    assert (kept[0], kept[-1]) == (piece[0], piece[-1])
    assert all(before[0] < after[0] for before, after in pairwise(kept))
    assert set(kept) <= set(piece)
    assert {min(v for _, v in kept), max(v for _, v in kept)} == {min(values), max(values)}


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(1, 10))
def test_the_values_axis_holds_what_is_drawn(one, other, count):
    low, high = sorted((one, other))
    ticks = value_ticks(low, high, count)
    slack = 1e-6 * max(1.0, high - low)
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    assert len(set(ticks)) == len(ticks) >= 2
    assert ticks == sorted(ticks)
    assert len(ticks) <= count * 2 + 6


@given(st.integers(0, 5000), st.integers(0, 12000), st.integers(2, 12))
def test_the_days_axis_is_rising_and_inside(start, length, count):
    first = MONDAY + timedelta(start)
    last = first + timedelta(length)
    ticks = [day for day, _ in day_ticks(first, last, count)]
    assert len(ticks) <= count
    assert all(first <= day <= last for day in ticks)
    assert ticks == sorted(set(ticks))
