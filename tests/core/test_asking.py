"""An alert is said once in the same words, and again when it is news; a dark broker is told of."""

from datetime import timedelta

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.asking import ALERT_AGAIN_AFTER, alert_once
from atlas_daemon.core.reconciler import DARK_AFTER
from tests.core.builders import NOW, a_run, a_snapshot, a_state
from tests.core.playbook import given

SAID = e.AlertRaised("critical", "credentials", "the broker refuses our keys")


@pytest.mark.parametrize(
    ("ago", "is_said"),
    [
        (timedelta(0), False),
        (ALERT_AGAIN_AFTER - timedelta(seconds=1), False),
        (ALERT_AGAIN_AFTER, True),
        (timedelta(days=100), True),
    ],
)
def test_the_same_alert_is_said_again_only_when_it_may_be_news(ago, is_said) -> None:
    state = a_state(alerts=((NOW - ago, SAID),))
    again = list(alert_once(state, SAID.level, SAID.key, SAID.text))
    assert again == ([SAID] if is_said else [])
    assert list(alert_once(state, SAID.level, SAID.key, "other words"))


@pytest.mark.parametrize(("run", "level"), [(None, "error"), (a_run(), "critical")])
def test_a_broker_that_is_dark_for_long_is_told_of_once(run, level) -> None:
    state = a_state(run=run, seen={"snapshot": a_snapshot(NOW - DARK_AFTER)})
    failed = e.FetchFailed("snapshot", "timeout")
    played = given(state).when(failed)
    (told,) = [x for x in played.all(e.AlertRaised) if x.key == "broker"]
    assert (told.level, told.text) == (
        level,
        "the broker has not answered since 2024-02-01 14:21 UTC",
    )
    state = a_state(run=run, seen={"snapshot": a_snapshot(NOW - DARK_AFTER)}, alerts=((NOW, told),))
    assert not [x for x in given(state).when(failed).all(e.AlertRaised) if x.key == "broker"]


def test_a_question_that_fails_once_is_no_dark_broker() -> None:
    state = a_state(seen={"snapshot": a_snapshot(NOW - timedelta(minutes=14))})
    played = given(state).when(e.FetchFailed("snapshot", "timeout"))
    assert not played.all(e.AlertRaised)
