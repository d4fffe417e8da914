"""Days without a mark of equity, and how a person names them: `2027-03-04`, or two with `..`."""

from datetime import date

from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.sessions import NYSE, CalendarRangeError

RANGE = ".."


def named_gap(text: str) -> str:
    """Return the name under which an explanation is on record. Raises UsageError naming `text`."""
    first, last = _ends(text)
    try:
        sessions = NYSE.sessions_between(first, last)
    except CalendarRangeError:
        sessions = ()
    if not sessions:
        raise UsageError(f"{text}: no session of the exchange")
    return f"{first}" if first == last else f"{first}{RANGE}{last}"


def days_of_gap(name: str) -> tuple[date, ...]:
    """Return the session days of a name on record; none where it is no such name."""
    try:
        first, last = _ends(name)
        return tuple(session.day for session in NYSE.sessions_between(first, last))
    except (UsageError, CalendarRangeError):
        return ()


def _ends(text: str) -> tuple[date, date]:
    first, range_, last = text.partition(RANGE)
    try:
        ends = date.fromisoformat(first), date.fromisoformat(last if range_ else first)
    except ValueError:
        raise UsageError(f"{text}: a day (2027-03-04) or two (2027-03-04..2027-03-09)") from None
    if ends[0] > ends[1]:
        raise UsageError(f"{text}: the first day is after the last")
    return ends
