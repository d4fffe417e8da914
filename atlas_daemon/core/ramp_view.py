"""How far real money is used, for people and programs: scale, clean days, certificate."""

from typing import Any

from .certificate import why_uncertified
from .plain import moment, text
from .policy import Policy
from .scale import clean_since, scale_in_force
from .state import State


def ramp_of(state: State, policy: Policy) -> dict[str, Any] | None:
    """Return what the status shows of it; None where no real money is at stake."""
    if not policy.needs_certificate:
        return None
    ramp, word = state.ramp, state.figures.certificate
    why, since = clean_since(state)
    return {
        "scale": text(scale_in_force(state, policy)),
        "since": moment(ramp.changed_at or ramp.first_buy_at),
        "clean_days": ramp.clean_days,
        "clean_days_needed": policy.clean_days_min,
        "clean_since": moment(since),
        "clean_since_what": why,
        "certificate": {
            "id": (word.certificate_id or None) if word is not None else None,
            "expires_at": moment(word.expires_at) if word is not None else None,
            "problem": why_uncertified(state, policy),
        },
    }
