"""What several handlers ask for: figures, not too often; an order's end; a warning, said once."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from . import events as e
from .effects import CancelOrder, Effect, FetchActivities, FetchFigures, SendAlert
from .orders import Order
from .policy import Policy
from .state import State
from .values import Symbol

ALERT_AGAIN_AFTER = timedelta(hours=6)
"""The same alert goes on record again so late: what came back months later is news."""
ASK_GAP = timedelta(seconds=1)
"""Figures are never asked for more often than this: a burst of fills asks once."""


def may_ask(state: State, policy: Policy) -> bool:
    """True where no question for figures is under way, and the last one is a moment ago."""
    figures = state.figures
    if figures.asked_at is None:
        return True
    age = state.now - figures.asked_at
    snapshot = figures.snapshot
    is_answered = snapshot is not None and snapshot.asked_at >= figures.asked_at
    has_failed = "snapshot" in figures.failures
    if is_answered:
        return age >= ASK_GAP
    return age >= (policy.poll_blind_every if has_failed else policy.answer_wait)


def ask_figures(
    state: State, quotes: Iterable[Symbol] = (), assets: Iterable[Symbol] = ()
) -> Iterator[e.Event | Effect]:
    """Yield the question for snapshot, quotes and assets, and that it was asked."""
    symbols = tuple(sorted(quotes))
    yield e.FiguresRequested(symbols)
    yield FetchFigures(state.now, symbols, tuple(sorted(assets)))


ACTIVITIES_AGAIN_AFTER = timedelta(seconds=15)
"""A list that failed is asked for again so late: each question is several requests."""
OVERLAP = timedelta(days=3)
"""Lists of activities reach back so far: some are dated by day, and told late."""


def may_ask_activities(state: State, policy: Policy) -> bool:
    """True where there is a book to explain, and no question for activities is under way."""
    figures = state.figures
    if not state.book.is_known:
        return False
    if figures.activities_asked_at is None:
        return True
    age = state.now - figures.activities_asked_at
    is_answered = figures.activities_at is not None and (
        figures.activities_at >= figures.activities_asked_at
    )
    if "activities" in figures.failures:
        return age >= ACTIVITIES_AGAIN_AFTER
    return age >= (policy.poll_blind_every if is_answered else policy.answer_wait)


def ask_activities(state: State) -> Iterator[e.Event | Effect]:
    """Yield the question for the account's activities, and that it was asked."""
    since = state.activities.read_at or state.now
    yield e.ActivitiesRequested()
    yield FetchActivities(since - OVERLAP, state.now)


def cancel(order: Order, why: str) -> Iterator[e.Event | Effect]:
    """Yield what cancels one order of ours; nothing for one that is done."""
    if order.is_done:
        return
    yield e.CancelRequested(order.draft.order_id, why)
    yield CancelOrder(order.draft.order_id, order.broker_order_id)


def alert_once(state: State, level: str, key: str, text: str) -> Iterator[e.Event | Effect]:
    """Yield an alert, unless the same words are among the latest ones and not long ago."""
    recent = (alert for at, alert in state.alerts if state.now - at < ALERT_AGAIN_AFTER)
    if not any(alert.key == key and alert.text == text for alert in recent):
        yield e.AlertRaised(level, key, text)


def on_alert_raised(
    state: State, event: e.AlertRaised, policy: Policy
) -> Iterator[e.Event | Effect]:
    """What is on record as an alert goes out as one."""
    yield SendAlert(event.level, event.key, event.text)
