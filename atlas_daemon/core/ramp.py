"""Real money in small steps: a person's wish for another scale, what is told of the certificate.

What a certificate that does not count keeps from happening is decided where it would happen: by the
mode, the gates and the fence.
"""

from collections.abc import Iterator
from datetime import timedelta

from . import events as e
from .asking import alert_once
from .certificate import CERTIFICATE, EXPIRY, expiry_warning, slot_warning, why_uncertified
from .effects import Effect
from .policy import Policy
from .scale import scale_in_force, spelled, why_not_scaled
from .state import State

UNREAD_MAX = timedelta(minutes=1)
"""A certificate that was not read for so long after a start is told of."""
TOLD_AGAIN_AFTER = timedelta(hours=1)
"""One that comes and goes is told of no more often."""


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Tell once that the certificate does not count, and ahead of time that it soon will not."""
    if not policy.needs_certificate or state.figures.is_shutting_down:
        return
    if why := why_uncertified(state, policy):
        yield from _tell_refusal(state, why)
        return
    for text in (expiry_warning(state), slot_warning(state, policy)):
        if text and text not in state.ramp.warned:
            yield from alert_once(state, "warning", EXPIRY, text)


def on_scale_requested(
    state: State, event: e.ScaleRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Lower the scale at once, raise it after enough clean days; only between two runs."""
    if (no := why_not_scaled(state, policy, event.scale)) is not None:
        yield e.RequestDenied("scale", *no)
        return
    had = scale_in_force(state, policy)
    yield e.ScaleChanged(event.by, had, event.scale, state.ramp.clean_days)
    word = "raised" if event.scale > had else "lowered"
    text = (
        f"scale {word} from {spelled(had)} to {spelled(event.scale)}: "
        "the next rebalance deploys that part of normal sizes"
    )
    yield e.AlertRaised("warning", "scale", text)


def _tell_refusal(state: State, why: str) -> Iterator[e.Event | Effect]:
    figures = state.figures
    if figures.certificate is None:
        since = figures.started_at or state.now
        if state.now - since < UNREAD_MAX or figures.set_back_from is not None:
            return
    text = f"{why}. Nothing is bought; a stop and a CRASH still work"
    told = any(
        alert.key == CERTIFICATE and alert.text == text and state.now - at < TOLD_AGAIN_AFTER
        for at, alert in state.alerts
    )
    if text != state.ramp.refusal_told and not told:
        yield e.AlertRaised("critical", CERTIFICATE, text)
