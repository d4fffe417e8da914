"""The page needs nothing else and keeps others' words harmless; the CSV and the JSON are whole."""

import csv
import io
import json
import re
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.analysis import plots
from atlas_daemon.analysis.document import Past, Promised, Wanted, document_of
from atlas_daemon.analysis.page import page_of
from atlas_daemon.analysis.sheet import COLUMNS, sheet_of
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.values import Symbol
from tests.analysis.tales import DAY, Tale
from tests.analysis.test_performance import SESSIONS

EVIL = '<script>alert(1)</script>"><img src=x onerror=y>\x1b[31m\u202e'
VOID = {"meta"}


def a_tale(reason="why", marks=30):
    """A run with a rest, one that a gate refused, one of another day, and marks."""
    tale = Tale().run().plan(("AAPL", 0, 10, "100"), ("MSFT", 0, 5, "400"))
    tale.bought("AAPL", 10, "100.1", "100.2")
    tale.step(tale.order("MSFT", "buy", 5, "401"), "rejected", reason)
    tale.tell(e.LineDropped(tale.run_id, Symbol("XOM"), "untradable", reason))
    line = e.AchievedLine(
        Symbol("AAPL"), *(Decimal(x) for x in ("10", "10", "0.01", "0.0098")), note=reason
    )
    tale.finish("degraded", reason=reason, lines=(line,)).close(DAY, MSFT="404")
    tale.wait(days=40).run("force-20240312-1", day=SESSIONS[48], trigger="force")
    tale.plan(("AAPL", 10, 0, "120"))
    no = e.GateAnswer("total_allocation", False, "1", "0", reason)
    tale.tell(e.GatesAnswered(tale.run_id, 1, (no,))).finish("refused", reason=reason)
    for at in range(marks):
        tale.mark(SESSIONS[at], 1000 + at * at % 37, 470 + at)
    return tale


class Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.open, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(page):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_asks_for_nothing_and_runs_nothing():
    page = page_of(a_tale(EVIL).document(promised=Promised(Decimal("0.1"))))
    found = outline(page)
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(found.tags)
    names = {name for _, name, _ in found.attributes}
    assert not {"src", "href", "style", "srcset", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]
    told = re.sub("'sha256-[^']+'", "", page)
    assert not re.search(r"https?://|//[a-z]|url\(|@import", told)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_the_policy_of_the_page_allows_its_own_style_by_its_hash_alone():
    page = page_of(a_tale().document())
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    policy = re.search(r'Security-Policy" content="([^"]+)"', page)[1]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"


def test_every_image_and_every_table_has_a_name():
    found = outline(page_of(a_tale().document()))
    images = found.tags.count("svg")
    named = sum((tag, name) == ("svg", "aria-label") for tag, name, _ in found.attributes)
    hidden = sum((tag, name) == ("svg", "aria-hidden") for tag, name, _ in found.attributes)
    assert images == named + hidden
    assert named == 6, "curves, falls and parts, each broad and slim"
    regions = sum((tag, name) == ("div", "aria-label") for tag, name, _ in found.attributes)
    assert regions == found.tags.count("table")


@pytest.mark.parametrize(
    "tale",
    [
        Tale().run(),
        Tale().run().plan(("AAPL", 0, 10, "100")),
        Tale().mark(SESSIONS[0], 100),
        Tale().mark(SESSIONS[0], 100).mark(SESSIONS[1], 100),
        a_tale(marks=0),
    ],
    ids=["begun", "planned", "one mark", "two marks", "no marks"],
)
def test_a_page_of_little_is_a_page_all_the_same(tale):
    page = page_of(tale.document())
    outline(page)
    assert "nan" not in page.lower().replace("finance", "")
    assert "None" not in page


def test_the_document_is_json_with_every_digit_of_money_as_text():
    document = a_tale().document()
    again = json.loads(json.dumps(document))
    assert again == document
    run = again["runs"][0]
    parts = [Decimal(row[name]) for row in run["rows"] for name in ("delay", "trading")]
    assert sum(parts) == Decimal(run["shortfall"]["delay"]) + Decimal(run["shortfall"]["trading"])
    assert run["rows"][0]["average_price"] == "100.2"
    assert run["lines"][0]["gap"] == "-0.0002"


def test_the_bps_of_every_row_and_run_add_up():
    document = a_tale().document()
    shown = [row for run in document["runs"] for row in run["rows"]]
    for each in [*shown, *(run["shortfall"] for run in document["runs"]), document["shortfall"]]:
        if each["bps"] is not None:
            *parts, whole = map(Decimal, each["bps"].values())
            assert sum(parts) == whole


def test_the_csv_has_one_row_an_order_and_pandas_reads_it():
    document = a_tale(EVIL).document()
    told = sheet_of(document)
    frame = pd.read_csv(io.StringIO(told))
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["symbol"]) == ["AAPL", "MSFT"]
    assert frame["trading"].sum() == pytest.approx(1.0)
    rows = list(csv.DictReader(io.StringIO(told)))
    assert rows[1]["rest_why"].startswith("rejected: <script>")
    assert "\x1b" not in told
    assert Decimal(rows[1]["opportunity"]) == 20


def test_a_run_that_there_is_not_is_named_with_those_there_are():
    with pytest.raises(UsageError, match=r"no run '2030-01'; runs: force-20240312-1 2024-02"):
        a_tale().document(Wanted(run="2030-01"))
    with pytest.raises(UsageError, match="no run is on record yet"):
        document_of(Past(Tale().mark(DAY, 1).entries, Wanted(run="x")), Promised())


def test_days_choose_runs_and_marks():
    document = a_tale().document(Wanted(first=SESSIONS[40]))
    assert [run["run"] for run in document["runs"]] == ["force-20240312-1"]
    assert document["performance"]["marks"] == 0
    early = a_tale().document(Wanted(last=SESSIONS[10]))
    assert [run["run"] for run in early["runs"]] == []
    assert early["performance"]["marks"] == 11


def test_a_report_of_one_run_has_no_performance():
    assert a_tale().document(Wanted(run="2024-02"))["performance"] is None


# Plots.


@settings(max_examples=40)
@given(st.floats(-1e9, 1e9), st.floats(0.001, 1e9))
def test_ticks_are_few_round_and_inside(low, span):
    found = plots.ticks(low, low + span)
    assert 1 <= len(found) <= 12
    slack = span * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= value <= low + span + slack for value in found)


def test_a_line_breaks_where_nobody_knows_what_was_between():
    days = [*SESSIONS[:5], *SESSIONS[30:35]]
    series = [plots.Series("x", "c0", [1.0, 2.0, None, 3.0, 4.0, *[5.0] * 5])]
    drawn = plots.lines(days, series, str, plots.SLIM)
    assert drawn.count("<polyline") == 3


def test_bars_of_parts_stand_on_both_sides_of_the_axis():
    drawn = plots.stacks([plots.Stack("r", [("c0", 5.0), ("c1", -2.0)])], str, plots.BROAD)
    heights = [float(x) for x in re.findall(r'height="([\d.]+)"', drawn)]
    assert len(heights) == 2
    assert heights[0] / heights[1] == pytest.approx(2.5, rel=0.01)
