"""The changes of state that touch only `figures`: what the world said, and what it was asked.

A new process asks anew, so none of these need be written. Nothing here decides anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from . import events as e
from .state import State

Change = Callable[[State, Any], State]


def with_figures(state: State, **news: object) -> State:
    """Return the state with other figures."""
    return replace(state, figures=replace(state.figures, **news))  # type: ignore[arg-type]


def _shutdown_requested(state: State, event: e.ShutdownRequested) -> State:
    return with_figures(state, is_shutting_down=True)


def _stream_reported(state: State, event: e.StreamReported) -> State:
    return with_figures(
        state, stream=event.condition, stream_at=state.now, stream_detail=event.detail
    )


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


def _order_not_found(state: State, event: e.OrderNotFound) -> State:
    moments = state.figures.not_found.get(event.order_id, ())
    return with_figures(
        state,
        not_found={**state.figures.not_found, event.order_id: (*moments, event.asked_at)},
    )


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
    return with_figures(state, matched_at=state.now, drift_at=None, drift_symbols=())


def _drift_seen(state: State, event: e.DriftSeen) -> State:
    if state.figures.drift_symbols == event.symbols:
        return state
    return with_figures(state, drift_at=state.now, drift_symbols=event.symbols)


FIGURE_CHANGES: Mapping[type[e.Event], Change] = {
    e.ShutdownRequested: _shutdown_requested,
    e.StreamReported: _stream_reported,
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
