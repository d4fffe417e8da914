"""When a replay looks: the moments of each session at which the daemon has something to do.

Between them its clock leaps; while a run, an order or a difference is open it goes by the second.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import Slot, slots_around
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import Session

BEFORE_OPEN = timedelta(minutes=60)
AFTER_CLOSE = timedelta(minutes=61)
"""An hour after the close every job of the evening has fired."""
MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Course:
    """The sessions of a replay and the slots among them."""

    starts_at: datetime
    """The evening before the first session: its slot is still to come."""
    sessions: tuple[Session, ...]
    slots: tuple[Slot, ...]
    policy: Policy

    def moments(
        self, session: Session, closed: Collection[str], *, is_on_call: bool
    ) -> Iterator[datetime]:
        """Yield when to look in a session; `is_on_call`: something may begin at its open."""
        if self.may_run_on(session.day, closed):
            yield session.opens_at - BEFORE_OPEN + MOMENT
            is_on_call = True
        if is_on_call:
            yield session.opens_at + self.policy.open_delay + MOMENT
        yield session.closes_at + AFTER_CLOSE

    def may_run_on(self, day: date, closed: Collection[str]) -> bool:
        """True where a slot that is not `closed` falls due on `day`, or may be caught up then."""
        return any(
            slot.session.day <= day <= slot.last.day and slot.name not in closed
            for slot in self.slots
        )


def course_of(first: date, last: date, policy: Policy) -> Course:
    """Return the course over the sessions of [first, last].

    Raises UsageError where there is no session or no slot in it, CalendarRangeError beyond what is
    known of the exchange.
    """
    if first > last:
        raise UsageError(f"--from {first} is after --to {last}")
    sessions = NYSE.sessions_between(first, last)
    if not sessions:
        raise UsageError(f"--from {first} --to {last}: no session lies between")
    before = NYSE.session_before(sessions[0].day)
    slots = tuple(
        slot
        for year in range(first.year, last.year + 1)
        for slot in slots_around(datetime(year, 7, 1, tzinfo=before.closes_at.tzinfo), policy)
        if slot.session.day.year == year and first <= slot.session.day <= last
    )
    if not slots:
        named = ", ".join(f"{month:02d}-{day:02d}" for month, day in policy.anchors)
        raise UsageError(f"--from {first} --to {last}: no slot (anchors {named}) lies between")
    return Course(before.closes_at + AFTER_CLOSE, sessions, slots, policy)
