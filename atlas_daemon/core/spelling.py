"""Figures as people read them: money, percentages, spans of time, days. Text only, no questions.

`None` is a figure nobody has seen; it is spelled `unknown`, never as a zero.
"""

from datetime import date, datetime
from decimal import Decimal

from .moments import NEW_YORK

UNKNOWN = "unknown"


def dollars(value: Decimal | None) -> str:
    """Return `$10,245.67`; a negative amount as `-$5.00`."""
    if value is None:
        return UNKNOWN
    amount = f"{abs(value):,.2f}"
    return f"{'-' if value < 0 and amount != '0.00' else ''}${amount}"


def whole_dollars(value: Decimal | None) -> str:
    """Return `$1,520`."""
    if value is None:
        return UNKNOWN
    amount = f"{abs(value):,.0f}"
    return f"{'-' if value < 0 and amount != '0' else ''}${amount}"


def gain(value: Decimal | None) -> str:
    """Return whole dollars with their sign: `+$40`, `-$12`."""
    if value is None:
        return UNKNOWN
    amount = f"{abs(value):,.0f}"
    return f"{'-' if value < 0 and amount != '0' else '+'}${amount}"


def percent(fraction: Decimal | None, *, places: int = 1, signed: bool = False) -> str:
    """Return a fraction as a percentage: `14.8%`, signed `+2.7%`."""
    if fraction is None:
        return UNKNOWN
    return f"{fraction:{'+' if signed else 'z'}.{places}%}"


def shares(qty: Decimal | None) -> str:
    """Return a quantity in plain digits without trailing zeros: `15`, `0.25`."""
    if qty is None:
        return UNKNOWN
    text = f"{qty:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def span(seconds: float | None) -> str:
    """Return a span of time in its two largest units, rounded: `1h 28m`, `2d 3h`, `45s`."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, round(seconds))
    minutes, left = divmod(whole, 60)
    if whole < 60:
        return f"{left}s"
    if whole < 3600:
        return f"{minutes}m {left}s"
    minutes = (whole + 30) // 60
    hours = (whole + 1800) // 3600
    if minutes < 1440:
        return f"{minutes // 60}h {minutes % 60}m"
    return f"{hours // 24}d {hours % 24}h"


def day_text(day: date) -> str:
    """Return `Feb 1, 2026`."""
    return f"{day:%b} {day.day}, {day.year}"


def weekday_text(day: date) -> str:
    """Return `Mon, Feb 2, 2026`."""
    return f"{day:%a}, {day_text(day)}"


def moment_text(at: datetime) -> str:
    """Return an aware moment as `2025-11-18 14:32:05 ET`."""
    return f"{at.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} ET"


def order_status(status: str, reason: str, evidence: str) -> str:
    """Return an order's status, why it is so, and what is known of one in doubt."""
    why = "; ".join(text for text in (reason, evidence) if text)
    return f"{status} ({why})" if why else status
