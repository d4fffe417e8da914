"""The handbook's six steps from paper to live: which are done, which is next, what to type.

Judged from what the journal and the broker say; nothing is asked here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from atlas_daemon.config import Settings
from atlas_daemon.core.state import State

DONE, NEXT, LATER = "done", "next", "later"
CLEAN_DAYS = 30
NAMES = (
    "Credentials: paper -> live",
    "Dry run with the live account",
    "First live rebalance, at 25 % of normal sizes",
    "Close watch for 30 days",
    "Full position sizes",
    "Daily watch, for good",
)
"""The handbook's transition procedure, in its order."""


class Judged(NamedTuple):
    """Whether a step is done, what was seen, and what to do where it is not."""

    is_done: bool
    text: str
    to_do: str


def steps(settings: Settings, state: State, seen: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the six steps; the first that is not done is the next. `seen` is the look so far."""
    ramp: Mapping[str, Any] = seen["ramp"] or {}
    judged = (
        _credentials(seen),
        _dry_run(seen),
        _first_rebalance(state, seen, ramp),
        _watched(ramp),
        _scaled(ramp),
        _daily(settings),
    )
    told, has_next = [], False
    for name, (is_done, text, to_do) in zip(NAMES, judged, strict=True):
        status = DONE if is_done else LATER if has_next else NEXT
        has_next = has_next or not is_done
        told.append({"step": name, "status": status, "text": text, "to_do": to_do})
    return told


def _credentials(seen: Mapping[str, Any]) -> Judged:
    who = seen["identity"]
    said = f"{who['keys']} at {who['endpoint']} open account {who['number']}"
    if not seen["is_live"]:
        return Judged(False, f"{said}: a rehearsal, no live account", "account.mode, live keys")
    return Judged(True, f"{said}, the pinned one", "")


def _dry_run(seen: Mapping[str, Any]) -> Judged:
    if not seen["is_live"]:
        return Judged(False, "done on this account, not on a live one", "atlasd transition")
    if seen["problems"]:
        return Judged(False, "; ".join(seen["problems"]), "atlasd transition")
    return Judged(True, "this one: everything was seen, nothing was sent", "")


def _first_rebalance(state: State, seen: Mapping[str, Any], ramp: Mapping[str, Any]) -> Judged:
    if seen["is_live"] and state.book.bought:
        return Judged(True, f"{len(state.book.bought)} symbols were bought live", "")
    problem = (ramp.get("certificate") or {}).get("problem") or ""
    if problem:
        return Judged(False, f"nothing is bought: {problem}", "atlasd promote")
    slot = seen["slot"]
    when = f"slot {slot['name']}: {slot['due']} New York" if slot else "no slot is known"
    return Judged(False, f"not yet; {when}", "atlasd rebalance --first-trade")


def _watched(ramp: Mapping[str, Any]) -> Judged:
    clean, needed = ramp.get("clean_days") or 0, ramp.get("clean_days_needed") or CLEAN_DAYS
    return Judged(clean >= needed, f"{clean} of {needed} clean days", "atlasd status")


def _scaled(ramp: Mapping[str, Any]) -> Judged:
    scale = ramp.get("scale")
    if scale is None:
        return Judged(False, "the ramp begins with the live account", "atlasd scale 1")
    return Judged(str(scale) == "1", f"{scale} of normal sizes", "atlasd scale 1")


def _daily(settings: Settings) -> Judged:
    told = settings.notify
    if not (told.webhook_url or told.apprise_url):
        return Judged(False, "nobody is told anything", "notify.webhook_url, atlasd notify test")
    daily = "with a line each day" if told.daily else "notify.daily is off"
    return Judged(False, f"alerts go out, {daily}; it never ends", "atlasd status")
