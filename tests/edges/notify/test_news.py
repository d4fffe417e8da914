"""What an entry is to people: told, the end of a state, or nothing."""

from datetime import date

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from atlas_daemon.edges.notify.advice import ADVICE
from atlas_daemon.edges.notify.news import TRIGGERS, Ended, news_of
from atlas_daemon.edges.notify.notice import Notice, Severity
from tests.core.builders import some_signals
from tests.edges.notify.post import START, alert

DAY = date(2027, 2, 1)


def read(event: e.Event) -> list[Notice | Ended]:
    return list(news_of(e.Entry(7, START, None, event)))


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (e.ModeChanged(Mode.TRADING, "x"), {"broker", "credentials", "account", "activities"}),
        (e.StreamReported("listening"), {"stream"}),
        (e.CalendarAgreed(DAY, DAY), {"calendar"}),
        (e.ClockAgreed(), {"clock"}),
        (some_signals(), {"signals"}),
        (e.TradingResumed("ann"), {"halt", "latch", "flatten", "suspend"}),
    ],
)
def test_what_ends_a_state_says_which(event, keys) -> None:
    (ended,) = read(event)
    assert isinstance(ended, Ended)
    assert set(ended.keys) == keys
    assert ended.at == START
    assert all(ADVICE[key].is_state for key in ended.keys)


@pytest.mark.parametrize(
    "event",
    [
        e.Ticked(),
        e.ModeChanged(Mode.REDUCE_ONLY, "x"),
        e.StreamReported("lost"),
        e.BookMatched(),
        e.RunStarted("stop-20270201-1", "stop", None, DAY, DAY),  # the flatten's own alert tells
        alert("2027-02 plans again", "warning", "round"),
        alert("below the regime's allocation", "info", "gate"),
    ],
)
def test_what_is_no_news_is_told_to_nobody(event) -> None:
    assert read(event) == []


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_the_beginning_of_a_rebalance_is_told_with_its_reason(trigger) -> None:
    (told,) = read(e.RunStarted("2027-02", trigger, "2027-02", DAY, DAY))
    assert (told.severity, told.key, told.seq, told.at) == (Severity.INFO, "started", 7, START)
    assert TRIGGERS[trigger] in told.text


def test_an_end_by_a_fault_of_our_own_is_critical() -> None:
    (told,) = read(e.DaemonCrashed("KeyError: x at bus.py:1"))
    assert (told.severity, told.key) == (Severity.CRITICAL, "crash")
    assert "KeyError: x at bus.py:1" in told.text


@pytest.mark.parametrize(
    ("level", "severity"),
    [("info", "info"), ("warning", "warning"), ("error", "warning"), ("critical", "critical")],
)
def test_an_alert_is_told_with_a_persons_severity(level, severity) -> None:
    (told,) = read(alert("x", level, "cash"))
    assert told == Notice(7, START, Severity(severity), "cash", "x")
