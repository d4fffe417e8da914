"""Judgements on our own side: the journal, the latch, the daemon that should be running."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from atlas_daemon import __version__
from atlas_daemon.config import Settings
from atlas_daemon.control import NoDaemonError
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.runs import Slot, open_slots
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Mode

from .asking import Known, NotKnown, Reply
from .look_journal import JournalLook

STARTING_WITHIN = timedelta(minutes=1)
"""A start that has not seen the account by then is held up by something."""
RESUME = "`atlasd resume` takes it off, once you know why it is there"


def on_journal(path: Path, reply: Reply[JournalLook | None]) -> Iterator[Finding]:
    """Judge the chain of the journal."""
    advice = "keep a copy, and restore the last good one"
    match reply:
        case NotKnown():
            yield Finding("journal", Level.RED, reply.why, advice)
        case Known(value=None):
            text = f"{path} is not there: the daemon has never run with it"
            yield Finding("journal", Level.OK, text)
        case Known(value=JournalLook(verdict=verdict)) if not verdict.is_intact:
            text = f"{path} does not verify: {verdict.fault}"
            yield Finding("journal", Level.RED, text, advice)
        case Known(value=JournalLook(verdict=verdict)):
            head = f"{verdict.head_seq}:{verdict.head_hash[:12]}"
            text = f"{verdict.entries} entries, each follows from the one before; head {head}"
            yield Finding("journal", Level.OK, text)


def on_latch(path: Path, is_there: Reply[bool], state: State | None) -> Iterator[Finding]:
    """Judge the latch: while it is on, no slot runs."""
    if isinstance(is_there, NotKnown):
        text = f"{path} cannot be looked at, which counts as halted: {is_there.why}"
        yield Finding("latch", Level.RED, text)
        return
    halt = state.halt if state is not None else None
    if is_there.value:
        who = f"by {halt.by}: {halt.reason}" if halt is not None else f"{path} is there"
        yield Finding("latch", Level.RED, f"trading is halted {who}", RESUME)
    elif halt is not None:
        text = f"the journal says halted by {halt.by}, and {path} is not there"
        yield Finding("latch", Level.RED, text, RESUME)
    else:
        yield Finding("latch", Level.OK, "off")


def on_daemon(
    ping: Reply[Mapping[str, Any]], settings: Settings, has_journal: bool
) -> Iterator[Finding]:
    """Judge whether the daemon runs, which version, and with which configuration."""
    if isinstance(ping, NotKnown):
        start = "start it: `systemctl start atlas`, or `atlasd run`"
        if not isinstance(ping.error, NoDaemonError):
            yield Finding("daemon", Level.RED, ping.why, "`systemctl status atlas`")
        elif has_journal:
            yield Finding("daemon", Level.RED, "it does not run: no slot would be seen", start)
        else:
            yield Finding("daemon", Level.WARN, "it has never run here", start)
        return
    told = ping.value
    version = told.get("version", __version__)
    if version != __version__:
        text = f"runs version {version}, and {__version__} is installed"
        yield Finding("daemon", Level.WARN, text, "`systemctl restart atlas`")
    else:
        yield Finding("daemon", Level.OK, f"version {version} runs")
    digest = told.get("config_digest")
    name = settings.config_path or "the configuration"
    if digest is None:
        yield Finding("config", Level.WARN, "not known: the daemon does not say what it runs with")
    elif digest != settings.digest():
        yield Finding(
            "config",
            Level.WARN,
            f"{name} (or the environment) says something else than the daemon runs with",
            "`atlasd reload`, or a restart where that refuses",
        )
    else:
        yield Finding("config", Level.OK, f"the daemon runs with {name} as it is")


def on_mode(status: Reply[Mapping[str, Any]]) -> Iterator[Finding]:
    """Judge what the running daemon says of itself: its mode, its stream."""
    if isinstance(status, NotKnown):
        return  # told by `daemon` already
    daemon = status.value["daemon"]
    if daemon["fault"]:
        text = f"the journal cannot be written: {daemon['fault']}"
        yield Finding("mode", Level.RED, text, "free the disk")
    elif daemon["mode"] == Mode.TRADING and not daemon["why_not_ready"]:
        yield Finding("mode", Level.OK, "trading: a due slot would start")
    elif daemon["mode"] == Mode.HALTED:
        yield Finding("mode", Level.RED, daemon["reason"], RESUME)
    elif daemon["mode"] == Mode.STARTING and _has_just_started(status.value):
        text = f"{daemon['reason']}: the daemon has just started"
        yield Finding("mode", Level.WARN, text, "look again in a minute")
    else:
        why = daemon["why_not_ready"] or f"{daemon['mode']}: {daemon['reason']}"
        yield Finding("mode", Level.RED, f"a due slot would wait: {why}", "`atlasd status`")
    stream, detail = daemon["stream"], daemon["stream_detail"]
    said = f"{stream}: {detail}" if detail else str(stream)
    if stream == "listening":
        yield Finding("stream", Level.OK, "the daemon listens")
    elif stream == "refused":
        advice = "does another program listen with these keys? The broker admits one"
        yield Finding("stream", Level.RED, f"the broker refuses the daemon's: {said}", advice)
    else:
        text = f"not listening ({said}): fills are polled for, buys wait two minutes"
        yield Finding("stream", Level.WARN, text)


def _has_just_started(view: Mapping[str, Any]) -> bool:
    """True within the time that a start takes: what is missing then is no fault yet."""
    started_at = view["daemon"]["started_at"]
    if not started_at:
        return False
    age = datetime.fromisoformat(view["at"]) - datetime.fromisoformat(started_at)
    return age < STARTING_WITHIN


def next_slot_of(state: State, settings: Settings, now: datetime) -> Slot | None:
    """Return the slot that is due at `now`, or else the next one to come."""
    slots = open_slots(state, settings.policy())
    return next((slot for slot in slots if now < slot.last.closes_at), None)
