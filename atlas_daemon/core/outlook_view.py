"""The regime as people are shown it: the latest word, how old it is, what is to follow from it."""

from datetime import datetime
from typing import Any

from .freshness import sessions_old
from .moments import NEW_YORK
from .plain import age, text
from .policy import Policy
from .sessions import CalendarRangeError
from .state import State
from .values import ALLOCATION


def outlook_of(state: State, policy: Policy, now: datetime) -> dict[str, Any] | None:
    """Return the regime in force with its age; None where none was ever heard."""
    seen, pending = state.regime, state.outlook.pending
    if seen is None:
        return None
    old = _sessions_old(state, now)
    return {
        "regime": seen.regime.value,
        "allocation": text(ALLOCATION[seen.regime]),
        "as_of": seen.as_of.isoformat(),
        "source": seen.source,
        "age_s": age(seen.heard_at, now),
        "raw": None if seen.raw is None else seen.raw.value,
        "confirmed": seen.acted_on.value,
        "sessions_old": old,
        "is_stale": old is not None and old > policy.regime_age_max,
        "follows": "" if pending is None or not policy.regime_reacts else pending.regime.value,
    }


def stale_regime(state: State, policy: Policy, now: datetime) -> str:
    """Return in words that the regime is too old to buy by; empty where it is not."""
    seen, old = state.regime, _sessions_old(state, now)
    if seen is None or old is None or old <= policy.regime_age_max:
        return ""
    return f"regime {seen.regime} is {old} sessions old"


def jobs_of(state: State) -> dict[str, str]:
    """Return when each job of the schedule was last due, in New York's time."""
    return {job: f"{at.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" for job, at in state.jobs.items()}


def _sessions_old(state: State, now: datetime) -> int | None:
    """Return the age in sessions; None where nobody knows the calendar of that time."""
    try:
        return None if state.regime is None else sessions_old(state.regime.as_of, now)
    except CalendarRangeError:
        return None
