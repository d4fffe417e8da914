"""Figures as programs read them: Decimals as strings, moments as RFC 3339, ages in whole seconds.

What nobody has seen is None. Text for people is `spelling`'s.
"""

from datetime import UTC, datetime
from decimal import Decimal


def share(part: Decimal | None, whole: Decimal) -> Decimal | None:
    """Return the fraction; None where there is no whole."""
    return None if part is None or whole <= 0 else rounded(part / whole)


def rounded(value: Decimal | None) -> Decimal | None:
    """Return at most six decimals."""
    return None if value is None else round(value, 6)


def text(value: Decimal | None) -> str | None:
    """Return the digits as they are, never an exponent."""
    return None if value is None else f"{value:f}"


def moment(at: datetime | None) -> str | None:
    """Return `2027-02-01T14:35:00Z`."""
    if at is None:
        return None
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='seconds')}Z"


def age(since: datetime | None, now: datetime) -> int | None:
    """Return whole seconds from `since` to `now`, at least 0."""
    return None if since is None else max(0, int((now - since).total_seconds()))
