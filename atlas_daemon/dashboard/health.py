"""Why no order may be sent now, every reason of it: what `/readyz` says."""

from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Mode
from atlas_daemon.core.views import why_not_ready, why_this_mode


def why_not(state: State, policy: Policy, fault: str) -> tuple[str, ...]:
    """Return every reason, the weightiest first; nothing where orders may be sent."""
    figures, reasons = state.figures, []
    if fault:
        reasons.append(f"the journal cannot be written: {fault}")
    if state.mode is not Mode.TRADING:
        reasons.append(f"{state.mode}: {why_this_mode(state, policy)}")
    if figures.is_shutting_down:
        reasons.append("shutting down")
    if state.calendar_dispute:
        reasons.append(f"calendars differ: {state.calendar_dispute}")
    first = why_not_ready(state, policy, fault)
    if first and first not in reasons:  # the one rule of what is ready is the core's
        reasons.insert(0, first)
    return tuple(reasons)
