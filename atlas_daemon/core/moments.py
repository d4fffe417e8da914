"""New York days of moments: people's dates, while machines keep UTC."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def new_york_day(at: datetime) -> date:
    """Return the New York date of an aware moment."""
    return at.astimezone(NEW_YORK).date()
