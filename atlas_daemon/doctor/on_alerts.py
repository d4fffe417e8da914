"""Judgement on whether anybody would hear: is a channel configured, did it last deliver."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from atlas_daemon.config import Settings
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.moments import NEW_YORK

from .asking import NotKnown, Reply, not_known

CHANNELS = ("notify.webhook_url", "notify.apprise_url")
FIX = "look at the address in [notify], then `atlasd reload`"


def on_alerts(
    settings: Settings, deliveries: Reply[Sequence[Mapping[str, Any]]]
) -> Iterator[Finding]:
    """Judge the channels by their last delivery: `deliveries` is the running daemon's word."""
    if not any(settings.found[name].value for name in CHANNELS if name in settings.found):
        text = "no channel is configured: nobody is told of anything"
        yield Finding("alerts", Level.WARN, text, f"set {' or '.join(CHANNELS)}")
        return
    if isinstance(deliveries, NotKnown):
        yield not_known("alerts", deliveries)
        return
    off = [one for one in deliveries.value if one["failed_at"] and one["why"]]
    if off:
        words = "; ".join(
            f"{one['channel']}: {one['waiting']} wait, last tried {_at(one['failed_at'])}: "
            f"{one['why']}"
            for one in off
        )
        yield Finding("alerts", Level.RED, f"alerts do not get out: {words}", FIX)
        return
    told = [f"{one['channel']} {_delivered(one)}" for one in deliveries.value]
    yield Finding("alerts", Level.OK, "; ".join(told) or "nothing was to be told yet")


def _delivered(one: Mapping[str, Any]) -> str:
    at = one["delivered_at"]
    return f"delivered on {_at(at)}" if at else "has had nothing to deliver yet"


def _at(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
