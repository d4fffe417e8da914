"""Judgements on time: the machine's clock, the broker's, the calendar, the slot to come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.moments import NEW_YORK, new_york_day
from atlas_daemon.core.runs import Slot
from atlas_daemon.core.sessions import NYSE, Calendar
from atlas_daemon.core.spelling import span
from atlas_daemon.core.values import Session

from .asking import NotKnown, Reply, not_known

SKEW_WARN = timedelta(seconds=2)
SKEW_RED = timedelta(seconds=20)
"""A third of the age at which a quote is no longer believed (`risk.max_price_age_s`, 60 s)."""
TABLE_WARN = timedelta(days=366)
DIFFERENCES_SHOWN = 5

SYNC_ADVICE = "`timedatectl set-ntp true`, or install chrony"


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at the broker's clock: our time before and after it, its own in between."""

    asked_at: datetime
    told: datetime
    heard_at: datetime

    @property
    def skew(self) -> timedelta:
        """How far our clock is ahead of the broker's, as far as the travel lets one say."""
        if self.asked_at <= self.told <= self.heard_at:
            return timedelta(0)
        return (self.asked_at if self.told < self.asked_at else self.heard_at) - self.told


def on_clock(reply: Reply[Looked | None], is_synchronised: bool | None) -> Iterator[Finding]:
    """Judge our clock by the broker's. A look of None: the broker's own time is followed."""
    if isinstance(reply, NotKnown):
        yield not_known("clock", reply)
        return
    look = reply.value
    ntp = {
        True: "NTP keeps it",
        False: "NTP does not keep it",
        None: "whether NTP keeps it is not known",
    }[is_synchronised]
    if look is None:
        yield Finding("clock", Level.OK, "the local broker's time is followed")
        return
    seconds = look.skew.total_seconds()
    way = "ahead of" if seconds > 0 else "behind"
    said = f"{abs(seconds):.1f} s {way} the broker's; {ntp}"
    if abs(look.skew) > SKEW_RED:
        yield Finding("clock", Level.RED, f"this machine's clock is {said}", SYNC_ADVICE)
    elif abs(look.skew) > SKEW_WARN:
        yield Finding("clock", Level.WARN, f"this machine's clock is {said}", SYNC_ADVICE)
    elif is_synchronised is False:
        text = f"agrees with the broker's today; {ntp}"
        yield Finding("clock", Level.WARN, text, SYNC_ADVICE)
    else:
        yield Finding("clock", Level.OK, f"agrees with the broker's; {ntp}")


def on_calendar(
    first: date, last: date, reply: Reply[Sequence[Session]], calendar: Calendar = NYSE
) -> Iterator[Finding]:
    """Compare the broker's sessions with ours: where they differ no slot is due."""
    if isinstance(reply, NotKnown):
        yield not_known("calendar", reply)
        return
    ours = {session.day: session for session in calendar.sessions_between(first, last)}
    theirs = {session.day: session for session in reply.value}
    off = [
        f"{day}: ours {_hours(ours.get(day))}, the broker's {_hours(theirs.get(day))}"
        for day in sorted({*ours, *theirs})
        if ours.get(day) != theirs.get(day)
    ]
    if not off:
        text = f"{len(ours)} sessions from {first} to {last}, the same at the broker"
        yield Finding("calendar", Level.OK, text)
        return
    more = "" if len(off) <= DIFFERENCES_SHOWN else f" and {len(off) - DIFFERENCES_SHOWN} more"
    yield Finding(
        "calendar",
        Level.RED,
        f"the calendars differ: {'; '.join(off[:DIFFERENCES_SHOWN])}{more}",
        "a newer atlas_daemon may know it; until they agree no slot is due",
    )


def on_table(today: date, slot: Slot | None, last: date = NYSE.last) -> Iterator[Finding]:
    """Judge how far our own table of sessions reaches."""
    advice = "upgrade atlas_daemon: each release reaches further"
    if slot is None or slot.last.day > last:
        text = f"ends on {last}, before the next slot could be caught up"
        yield Finding("sessions", Level.RED, text, advice)
    elif last - today < TABLE_WARN:
        yield Finding("sessions", Level.WARN, f"ends on {last}, within a year", advice)
    else:
        yield Finding("sessions", Level.OK, f"known until {last}")


def on_slot(now: datetime, slot: Slot | None, is_run_open: str) -> Iterator[Finding]:
    """Say when the next slot is due. `is_run_open` names the run under way, empty for none."""
    if is_run_open:
        yield Finding("slot", Level.OK, f"run {is_run_open} is under way")
        return
    if slot is None:
        text = "no slot is known"
        yield Finding("slot", Level.RED, text, "the table of sessions ends: upgrade atlas_daemon")
        return
    due = slot.due_at.astimezone(NEW_YORK)
    if slot.due_at <= now:
        ends = slot.last.day
        text = f"slot {slot.name} is due since {due:%Y-%m-%d %H:%M} New York, until {ends}"
        advice = "`atlasd status` says what it waits for"
        yield Finding("slot", Level.WARN, text, advice)
        return
    days = (slot.session.day - new_york_day(now)).days
    left = f"in {days} days" if days > 1 else f"in {span(int((slot.due_at - now).total_seconds()))}"
    yield Finding("slot", Level.OK, f"{slot.name} is due {due:%Y-%m-%d %H:%M} New York, {left}")


def _hours(session: Session | None) -> str:
    if session is None:
        return "closed"
    opens, closes = (at.astimezone(NEW_YORK) for at in (session.opens_at, session.closes_at))
    return f"{opens:%H:%M}-{closes:%H:%M}"
