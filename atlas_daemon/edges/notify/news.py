"""Reads committed entries for what people want to know: what is told, and what ends a state.

Quiet by default: the start and the result of a rebalance, a change of the regime, halts and
resumes, failures, findings. Everything else is for the log and the page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode

from .advice import severity_of
from .notice import Notice, Severity

TRIGGERS = {
    "slot": "its date has come",
    "force": "asked for by a person",
    "crash": "CRASH: everything goes to cash",
    "regime": "the regime changed",
    "first": "the first one",
}
"""Why a run begins, in words. A stop's own run is told by its alert."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The states under these keys are over: told again when they come again."""

    at: datetime
    keys: tuple[str, ...]
    text: str
    """What to say to somebody who was told of the state; empty where that is said otherwise."""


def news_of(entry: e.Entry) -> Iterator[Notice | Ended]:
    """Yield what an entry means to people."""
    match entry.event:
        case e.AlertRaised(level=level, key=key, text=text):
            if (severity := severity_of(level, key)) is not None:
                yield Notice(entry.seq, entry.at, severity, key, text)
        case e.RunStarted(run_id=run_id, trigger=trigger) as started if trigger in TRIGGERS:
            text = (
                f"rebalance {run_id} begins: {TRIGGERS[trigger]}; "
                f"session {started.order_day}, signals of {started.signal_day}"
            )
            yield Notice(entry.seq, entry.at, Severity.INFO, "started", text)
        case e.DaemonCrashed(detail=detail):
            text = f"the daemon ended by a fault of its own: {detail}"
            yield Notice(entry.seq, entry.at, Severity.CRITICAL, "crash", text)
        case event if (over := _over(event)) is not None:
            yield Ended(entry.at, *over)


def _over(event: e.Event) -> tuple[tuple[str, ...], str] | None:
    """Return the keys whose states an event ends, and what to say."""
    match event:
        case e.ModeChanged(mode=Mode.TRADING):
            keys = ("broker", "credentials", "account", "activities")
            return keys, "trading is open again"
        case e.StreamReported(condition="listening"):
            return ("stream",), "the stream of order news listens again"
        case e.CalendarAgreed():
            return ("calendar",), "the calendars agree again"
        case e.ClockAgreed():
            return ("clock",), "the clocks agree again"
        case e.SignalsReported():
            return ("signals",), "the strategy answers again"
        case e.TradingResumed():  # told by an alert of its own
            return ("halt", "latch", "flatten", "suspend"), ""
    return None
