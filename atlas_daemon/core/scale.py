"""How much of normal sizes real money is used for, and when that may be more. Questions only.

Live trading begins small. The scale is what the configuration says until the first rebalance; from
then on the journal has it, and only a person raises it, after enough clean days.
"""

from datetime import datetime
from decimal import Decimal

from .moments import new_york_day
from .policy import Policy
from .state import State

FULL = Decimal(1)
RESTORED = "atlasd restore"
"""Who sets the scale where a journal was put back: what came after it was saved is not on record.
"""


def spelled(scale: Decimal) -> str:
    """Return `25 %`: equal scales are spelled alike."""
    return f"{(scale * 100).normalize():f} %"


def scale_in_force(state: State, policy: Policy) -> Decimal:
    """Return the part of normal sizes that the next plan deploys: 1 but with real money."""
    return policy.scale if state.ramp.scale is None else state.ramp.scale


def why_not_scaled(state: State, policy: Policy, scale: Decimal) -> tuple[str, str] | None:
    """Return gate and words of why the scale cannot become `scale` now; None where it can."""
    if not policy.needs_certificate:
        return "mode", "scale is of live mode only: here sizes are always normal"
    if not (scale.is_finite() and 0 < scale <= FULL):
        return "scale", f"scale {scale} must lie above 0 and be at most 1"
    if state.run is not None:
        return "one run", f"{state.run.run_id} is {state.run.phase}: it keeps its scale to its end"
    had = scale_in_force(state, policy)
    if scale == had:
        return "scale", f"the scale is {spelled(scale)} already"
    if scale < had:
        return None
    return _why_not_raised(state, policy)


def clean_since(state: State) -> tuple[str, datetime | None]:
    """Return from what event on clean days are counted, and its moment; None before any."""
    ramp = state.ramp
    begun = [
        (ramp.first_buy_at, "the first live buy"),
        (ramp.raised_at, "the last raise"),
        (ramp.unclean_at, ramp.unclean),
    ]
    at, why = max(((at, why) for at, why in begun if at is not None), default=(None, ""))
    return (why, at) if ramp.first_buy_at is not None else ("nothing was bought live yet", None)


def _why_not_raised(state: State, policy: Policy) -> tuple[str, str] | None:
    counted, least = state.ramp.clean_days, policy.clean_days_min
    why, at = clean_since(state)
    if at is None:
        return "clean_days", f"{why}: {least} clean sessions come first"
    if counted >= least:
        return None
    since = f"{new_york_day(at)} ({why})"
    return "clean_days", f"{counted} clean sessions since {since}, needed {least}"
