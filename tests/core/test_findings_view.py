"""What the doctor found last, as status and page show it."""

from datetime import timedelta

from atlas_daemon.cli.status_text import status_text
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.findings_view import examined_of, examined_text
from atlas_daemon.core.state import Examined
from atlas_daemon.core.views import status_of
from atlas_daemon.dashboard.page import page_of
from tests.core.builders import NOW, POLICY, a_state

FOUND = (
    Finding("broker", Level.OK, "it answers"),
    Finding("bars", Level.RED, "bars end on <2024-01-29>", "look"),
    Finding("alerts", Level.WARN, "no channel"),
)


def examined(*findings):
    return a_state(examined=Examined(findings, NOW - timedelta(hours=3), "rehearsal", frozenset()))


def test_before_the_first_look_nothing_is_shown():
    assert examined_of(a_state(), NOW) is None
    view = status_of(a_state(), POLICY, NOW)
    assert "Rehearsed" not in status_text(view)
    assert "The doctor has not looked yet" in page_of(view)


def test_the_latest_look_is_shown_with_its_age_and_what_is_not_well():
    view = examined_of(examined(*FOUND), NOW)
    assert (view["age_s"], view["ok"], view["warn"], view["red"]) == (3 * 3600, 1, 1, 1)
    assert [found["check"] for found in view["findings"]] == ["bars", "alerts"]
    assert examined_text(view) == "RED: bars, 1 warning"
    assert examined_text(examined_of(examined(FOUND[0]), NOW)) == "nothing red, 0 warnings"


def test_status_and_page_say_what_is_red():
    view = status_of(examined(*FOUND), POLICY, NOW)
    assert "  Rehearsed: 3h 0m ago, RED: bars, 1 warning" in status_text(view)
    page = page_of(view)
    assert "bars end on &lt;2024-01-29&gt;" in page
    assert "RED: bars, 1 warning; looked 3h 0m ago" in page
