"""Whether real money may be used: what was read of the certificate, and how long it still counts.

Questions only. Fails closed: what was not read, or was read before our clock was set back, does not
count. Nothing here can be overridden.
"""

from datetime import datetime, timedelta

from .moments import NEW_YORK
from .policy import Policy
from .runs import next_slot
from .state import State

CERTIFICATE, EXPIRY = "certificate", "certificate_expiry"
"""Keys of the alerts: that it does not count, and that it will not for long."""
LAPSED = "certificate: "
"""What the reason of a run that its certificate ended begins with, and the mode's."""
WARN_DAYS = (30, 7, 1)
"""So many days before its end somebody is told."""


def why_uncertified(state: State, policy: Policy, now: datetime | None = None) -> str:
    """Return why nothing may be bought for want of a certificate; empty where it may.

    Measured at `now`, or at the latest entry's time.
    """
    if not policy.needs_certificate:
        return ""
    word = state.figures.certificate
    if word is None:
        return "it was not read yet"
    if word.problem:
        return word.problem
    if state.figures.set_back_from is not None:
        return "our clock was set back: it is to be read anew"
    if word.expires_at is None:
        return f"{word.certificate_id} names no day of its end"
    if (now or state.now) >= word.expires_at:
        return f"{word.certificate_id} expired on {_day(word.expires_at)}"
    return ""


def expiry_warning(state: State) -> str:
    """Return what is to be told of the end of a certificate that counts; empty where nothing is.

    The same words as long as the same is to be told.
    """
    word = state.figures.certificate
    if word is None or word.expires_at is None:
        return ""
    left, named = word.expires_at - state.now, word.certificate_id
    due = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    if due:
        days = f"{due[-1]} day{'s'[: due[-1] != 1]}"
        return f"{named} ends within {days}, on {_day(word.expires_at)}: renew it"
    return ""


def slot_warning(state: State, policy: Policy) -> str:
    """Return that one that counts ends before the next slot's session does; empty where not."""
    word, slot = state.figures.certificate, next_slot(state, policy)
    if word is None or word.expires_at is None or slot is None:
        return ""
    if word.expires_at >= slot.session.closes_at:
        return ""
    return (
        f"{word.certificate_id} ends on {_day(word.expires_at)}, before slot {slot.name} "
        f"({slot.session.day}): renew it"
    )


def _day(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
