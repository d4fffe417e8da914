"""The changes of state that touch only `figures`: what the world said, and what it was asked.

A new process asks anew, so none of these need be written. Nothing here decides anything.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from . import events as e
from .clocks import is_of_future
from .frozen import replace
from .orders import BROKER_NEWS, OrderNews
from .state import State

Change = Callable[[State, Any], State]
ALIVE_NEWS = frozenset({OrderNews.WORKING, OrderNews.CANCELING})
NOT_FOUND_MAX = 64
"""Moments kept of an order that is not found: over a minute of them."""
CLOCKS_APART = timedelta(seconds=2)
"""The broker's clock and ours may differ so much."""


def with_figures(state: State, **news: object) -> State:
    """Return the state with other figures."""
    return replace(state, figures=replace(state.figures, **news))  # type: ignore[arg-type]


def _shutdown_requested(state: State, event: e.ShutdownRequested) -> State:
    return with_figures(state, is_shutting_down=True)


def _stream_reported(state: State, event: e.StreamReported) -> State:
    had = state.figures
    # Tries to connect that fail move nothing: what counts is since when it listens, or does not.
    is_turn = "listening" in (event.condition, had.stream) or had.stream_at is None
    return with_figures(
        state,
        stream=event.condition,
        stream_at=state.now if is_turn else had.stream_at,
        stream_detail=event.detail,
        refused_at=_refused_at(state, event),
        unstreamed={},
    )


def _frame_unread(state: State, event: e.FrameUnread) -> State:
    return with_figures(state, unread=state.figures.unread + 1)


def _refused_at(state: State, event: e.StreamReported) -> datetime | None:
    if event.condition == "refused":
        return state.figures.refused_at or state.now
    return state.figures.refused_at if event.condition == "connecting" else None


def _stream_doubted(state: State, event: e.StreamDoubted) -> State:
    return with_figures(
        state, stream="doubted", stream_at=state.now, stream_detail=event.why, unstreamed={}
    )


def _order_filled(state: State, event: e.OrderFilled) -> State:
    return with_figures(state, unstreamed={}) if state.figures.unstreamed else state


def _order_reported(state: State, event: e.OrderReported) -> State:
    """Remember what a look-up tells that the listening stream should have brought."""
    figures = state.figures
    if event.source == "stream":
        return with_figures(state, unstreamed={}) if figures.unstreamed else state
    order = state.orders.get(event.order_id)
    since = figures.stream_at
    if event.source != "lookup" or order is None or since is None or figures.stream != "listening":
        return state
    is_end = BROKER_NEWS.get(event.status, OrderNews.WORKING) not in ALIVE_NEWS
    is_news = event.filled_qty > order.filled_qty or (is_end and not order.is_done)
    happened_at = event.reported_at or order.sent_at
    if not is_news or happened_at <= since + CLOCKS_APART or order.is_in_doubt:
        return state
    unstreamed = {event.order_id: state.now, **figures.unstreamed}
    return with_figures(state, unstreamed=unstreamed)


def answered(state: State, *what: str) -> dict[str, str]:
    """Return what still failed when last asked for, now that `what` was answered."""
    return {name: why for name, why in state.figures.failures.items() if name not in what}


def _quotes_reported(state: State, event: e.QuotesReported) -> State:
    return with_figures(
        state,
        quotes={**state.figures.quotes, **{q.symbol: q for q in event.quotes}},
        failures=answered(state, "quotes"),
    )


def _sessions_reported(state: State, event: e.SessionsReported) -> State:
    return with_figures(state, failures=answered(state, "sessions"))


def _assets_reported(state: State, event: e.AssetsReported) -> State:
    return with_figures(
        state,
        assets={**state.figures.assets, **{a.symbol: a for a in event.assets}},
        assets_asked=state.figures.assets_asked | set(event.asked),
        failures=answered(state, "assets"),
    )


def _activities_requested(state: State, event: e.ActivitiesRequested) -> State:
    return with_figures(state, activities_asked_at=state.now)


def _activities_reported(state: State, event: e.ActivitiesReported) -> State:
    asked_at = min(event.asked_at, state.now)
    return with_figures(state, activities_at=asked_at, failures=answered(state, "activities"))


def _cash_differs(state: State, event: e.CashDriftSeen) -> State:
    return with_figures(state, cash_differs_at=state.figures.cash_differs_at or state.now)


def _order_not_found(state: State, event: e.OrderNotFound) -> State:
    if is_of_future(event.asked_at, state.now):
        return state
    moments = (*state.figures.not_found.get(event.order_id, ()), event.asked_at)
    not_found = {**state.figures.not_found, event.order_id: moments[-NOT_FOUND_MAX:]}
    return with_figures(state, not_found=not_found)


def _fetch_failed(state: State, event: e.FetchFailed) -> State:
    clean_since = None if event.what == "snapshot" else state.figures.clean_since
    return with_figures(
        state,
        failures={**state.figures.failures, event.what: event.detail},
        clean_since=clean_since,
    )


def _figures_requested(state: State, event: e.FiguresRequested) -> State:
    return with_figures(state, asked_at=state.now)


def _look_up_requested(state: State, event: e.LookUpRequested) -> State:
    return with_figures(state, looked_up={**state.figures.looked_up, event.order_id: state.now})


def _sessions_requested(state: State, event: e.SessionsRequested) -> State:
    return with_figures(state, sessions_asked_at=state.now)


def _signals_requested(state: State, event: e.SignalsRequested) -> State:
    return with_figures(state, signals_asked_at=state.now)


def _book_matched(state: State, event: e.BookMatched) -> State:
    return with_figures(
        state,
        matched_at=state.now,
        first_matched_at=state.figures.first_matched_at or state.now,
        drift_at=None,
        drift_symbols=(),
        cash_differs_at=None,
    )


def _drift_seen(state: State, event: e.DriftSeen) -> State:
    if state.figures.drift_symbols == event.symbols:
        return state
    return with_figures(state, drift_at=state.now, drift_symbols=event.symbols)


FIGURE_CHANGES: Mapping[type[e.Event], Change] = {
    e.ShutdownRequested: _shutdown_requested,
    e.StreamReported: _stream_reported,
    e.StreamDoubted: _stream_doubted,
    e.FrameUnread: _frame_unread,
    e.OrderFilled: _order_filled,
    e.OrderReported: _order_reported,
    e.ActivitiesRequested: _activities_requested,
    e.ActivitiesReported: _activities_reported,
    e.CashDriftSeen: _cash_differs,
    e.QuotesReported: _quotes_reported,
    e.AssetsReported: _assets_reported,
    e.SessionsReported: _sessions_reported,
    e.OrderNotFound: _order_not_found,
    e.FetchFailed: _fetch_failed,
    e.FiguresRequested: _figures_requested,
    e.LookUpRequested: _look_up_requested,
    e.SessionsRequested: _sessions_requested,
    e.SignalsRequested: _signals_requested,
    e.BookMatched: _book_matched,
    e.DriftSeen: _drift_seen,
}
"""Looked up by `evolve`, with its own."""
