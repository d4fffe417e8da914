"""The regime ahead of any run: asked for after each close, told on when it changes or grows old.

What follows from a change is the scheduler's and the planner's; here is known what it is.
"""

from collections.abc import Iterator

from . import events as e
from .asking import alert_once
from .effects import Effect, RefreshRegime
from .freshness import backoff, refresh_wanted, regime_age
from .policy import Policy
from .state import Phase, State
from .values import ALLOCATION, Regime


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask for what is wanted, again and ever later while it fails; tell when nothing is bought."""
    if state.figures.is_shutting_down or not state.jobs:
        return
    age = regime_age(state)
    if age is not None and age > policy.regime_age_max and state.regime is not None:
        text = f"the regime {last_known(state)}: nothing is bought until it is refreshed"
        yield from alert_once(state, "error", "regime", text)
    wanted = refresh_wanted(state, policy)
    if wanted is None or _is_run_asking(state) or not state.book.is_known:
        return  # what is held is a part of the question
    figures = state.figures
    wait = backoff(figures.regime_tries, policy.refresh_gap, policy.refresh_gap_max)
    if figures.regime_asked_at is not None and state.now - figures.regime_asked_at < wait:
        return
    yield e.RegimeRequested(wanted)
    yield RefreshRegime(wanted, tuple(sorted(state.book.positions)))


def on_regime_heard(
    state: State, event: e.RegimeReported | e.SignalsReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A confirmed change goes on record with what follows from it; an old word is told of."""
    seen = state.regime
    assert seen is not None
    was, now = state.outlook.confirmed, seen.acted_on
    if now is not was:
        reaction = _reaction(was, now, policy)
        yield e.RegimeChanged(was, now, seen.as_of, seen.source, reaction)
    spoke_of = event.signal_day
    told = event.as_of if isinstance(event, e.RegimeReported) else event.regime_as_of
    if state.jobs and spoke_of is not None and told < spoke_of:
        text = f"the regime source speaks of {told}, the last session is {spoke_of}"
        yield from alert_once(state, "warning", "regime", text)


def on_regime_changed(
    state: State, event: e.RegimeChanged, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Tell people; the first word of all is none that changed."""
    if event.was is None and event.reaction == "none":
        return
    follows = {
        "cash": "what is held goes to cash as soon as it can be traded",
        "allocation": "a run to the new allocation follows as soon as it can be traded",
    }.get(event.reaction, "nothing is traded before the next slot")
    was = f"from {event.was} " if event.was is not None else ""
    text = f"the regime went {was}to {event.regime} as of {event.as_of} ({event.source}): {follows}"
    level = "critical" if event.regime is Regime.CRASH else "warning"
    yield from alert_once(state, level, "regime", text)  # a word that flaps is told once


def on_fetch_failed(
    state: State, event: e.FetchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Say that it is not known, and what was known last."""
    if event.what == "regime":
        text = f"the regime cannot be refreshed: {event.detail}; it {last_known(state)}"
        yield from alert_once(state, "error", "regime", text)


def last_known(state: State) -> str:
    """Return the last known regime and its age in words, as the end of a sentence."""
    seen, age = state.regime, regime_age(state)
    if seen is None or age is None:
        return "was never known"
    return f"is {seen.regime} as of {seen.as_of}, {age} session{'s'[: age != 1]} old"


def _reaction(was: Regime | None, now: Regime, policy: Policy) -> str:
    if now is Regime.CRASH:
        return "cash" if policy.crash_reacts else "none"
    if was is None or not policy.regime_reacts or ALLOCATION[was] == ALLOCATION[now]:
        return "none"
    return "allocation"


def _is_run_asking(state: State) -> bool:
    """True while the open run asks the child itself."""
    run = state.run
    return run is not None and run.phase is Phase.DUE and run.signals is None
