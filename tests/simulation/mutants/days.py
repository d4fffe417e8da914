"""Bugs about time and regime: fires that are lost, wolves that are cried, clocks that are believed.

No order of a simulated day shows most of these: each has a property of its own.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from atlas_daemon.core import freshness, gates, modes, rules, scheduler
from atlas_daemon.core.state import RegimeSeen
from atlas_daemon.core.values import Regime
from atlas_daemon.edges.schedule import Schedule
from tests.core import test_day_work as day_work
from tests.core import test_regime_events as regimes
from tests.edges import test_schedule as schedules
from tests.simulation.mutants.planting import planted


def a_clock_minutes_apart_blocks_buys() -> None:
    told = day_work.answer(told=61)
    day_work.test_clocks_that_differ_by_more_than_the_request_took_are_on_record(told, "60.800")


def an_old_regime_buys_nothing() -> None:
    as_of = regimes.date(2024, 1, 26)
    regimes.test_nothing_is_bought_under_a_regime_older_than_two_sessions(as_of, 3, False)


def a_lower_word_cuts_an_open_run() -> None:
    regimes.test_a_later_word_only_lowers_what_an_open_run_may_buy(Regime.TREND_BEAR, False)


def a_look_in_the_future_answers_no_night() -> None:
    """A look on a clock that ran ahead answers no night of the right one."""
    w = day_work
    ahead = w.Examined((), w.EVENING + timedelta(days=30), "rehearsal", frozenset())
    state = w.a_state(examined=ahead, now=w.EVENING, **w.DONE)
    fired = w.e.JobFired("rehearsal", w.EVENING)
    asked = w.given(state).when(fired, w.e.Ticked(), at=w.EVENING).all(w.fx.RunDoctor)
    assert asked, "the doctor is not asked tonight"


@planted(
    "a job that was missed while the machine slept is forgotten",
    "after a night off nobody knows the regime, and no rehearsal ever warns",
    proof=schedules.test_what_was_missed_while_down_fires_once_late_and_says_how_often,
)
def forgets() -> Iterator[None]:
    def since(self: Any, job: str, fired_at: Any, now: Any) -> Any:
        return max(fired_at, now - timedelta(minutes=5))

    with patch.object(Schedule, "_since", since):
        yield


@planted(
    "a clock that was a month ahead silences the schedule for a month",
    "no refresh, no rehearsal and no report until the wrong date has come",
    proof=schedules.test_a_clock_that_was_a_month_ahead_loses_no_later_fire,
)
def believes_the_last_fire() -> Iterator[None]:
    def since(self: Any, job: str, fired_at: Any, now: Any) -> Any:
        return fired_at

    with patch.object(Schedule, "_since", since):
        yield


@planted(
    "a clock that jumped is believed before it was compared",
    "a date that somebody mistyped closes a slot as missed, for ever",
    proof=day_work.test_a_wrong_clock_calls_no_slot_missed,
)
def believes_its_clock() -> Iterator[None]:
    with patch.object(scheduler, "is_clock_trusted", lambda state: True):
        yield


@planted(
    "buys go on while the clocks are minutes apart",
    "prices that are minutes old pass for fresh ones",
    proof=a_clock_minutes_apart_blocks_buys,
)
def ignores_the_clock() -> Iterator[None]:
    with patch.object(modes, "_is_clock_off", lambda dispute: False):
        yield


@planted(
    "a model's raw CRASH is acted on before it is confirmed",
    "a single odd session sells the whole portfolio",
    proof=regimes.test_a_raw_label_lowers_what_is_bought_and_changes_nothing_that_is_held,
)
def cries_wolf() -> Iterator[None]:
    with patch.object(RegimeSeen, "acted_on", property(lambda seen: seen.regime)):
        yield


@planted(
    "a regime that nobody has refreshed for weeks still lets buys pass",
    "a portfolio is bought under the weather of last month",
    proof=an_old_regime_buys_nothing,
)
def never_too_old() -> Iterator[None]:
    age = rules.regime_age
    with patch.object(rules, "regime_age", lambda n, most: replace(age(n, most), ok=True)):
        yield


@planted(
    "a later, lower regime does not lower an open run",
    "the rest of a rebalance is bought although the storm was announced",
    proof=a_lower_word_cuts_an_open_run,
)
def deaf_to_storms() -> Iterator[None]:
    with patch.object(gates, "regime_allowed", lambda state, plan: plan.regime):
        yield


@planted(
    "a refresh that failed is not tried again before the next close",
    "one bad answer, and a day without a regime",
    proof=regimes.test_a_refresh_that_fails_is_tried_again_ever_later_and_told,
)
def gives_up() -> Iterator[None]:
    from atlas_daemon.core import forecaster

    with patch.object(forecaster, "backoff", lambda tries, first, most: timedelta(days=1)):
        yield


@planted(
    "what the doctor found on a clock ahead is taken for tonight's",
    "nobody looks for weeks, and nobody hears that nobody looks",
    proof=a_look_in_the_future_answers_no_night,
)
def looked_in_the_future() -> Iterator[None]:
    due = freshness.examination_due

    def wrong(state: Any, policy: Any) -> Any:
        examined = state.examined
        return None if examined is not None and examined.at > state.now else due(state, policy)

    from atlas_daemon.core import housekeeper

    with patch.object(housekeeper, "examination_due", wrong):
        yield
