"""Reading query strings as Alpaca does: words, numbers, moments, booleans in any capitals, lists.

Every function raises RefusedError where the value cannot be read.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from atlas_daemon.paper import wire
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.matching import NEW_YORK

Query = Mapping[str, str]


def whole(query: Query, key: str, default: int, highest: int, lowest: int = 1) -> int:
    """A whole number; beyond the highest it is cut down to it."""
    raw = query.get(key, "")
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise refusals.invalid(f"invalid {key}: {raw[:40]}") from None
    if value < lowest:
        raise refusals.invalid(f"invalid {key}: must be at least {lowest}")
    return min(value, highest)


def ranged(query: Query, key: str, default: int, lowest: int, highest: int) -> int:
    """A whole number that is refused beyond its bounds."""
    value = whole(query, key, default, 10**9, lowest)
    if value > highest:
        raise refusals.invalid(f"invalid {key}: must be between {lowest} and {highest}")
    return value


def word(query: Query, key: str, default: str, known: Collection[str]) -> str:
    """One of the known words."""
    raw = query.get(key, "") or default
    if raw not in known:
        raise refusals.invalid(f"invalid {key}: {raw[:40]}")
    return raw


def flag(query: Query, key: str) -> bool:
    """A boolean, in any capitals."""
    raw = query.get(key, "").lower()
    if raw not in ("", "true", "false", "1", "0"):
        raise refusals.invalid(f"invalid {key}: {raw[:40]}")
    return raw in ("true", "1")


def names(query: Query, key: str) -> list[str]:
    """A list separated by commas; empty where absent."""
    return [name.strip().upper() for name in query.get(key, "").split(",") if name.strip()]


def moment_ns(query: Query, key: str) -> int | None:
    """A date or timestamp as nanoseconds since 1970."""
    raw = query.get(key, "")
    if not raw:
        return None
    try:
        return wire.parse_moment_ns(raw)
    except (ValueError, OverflowError):
        raise refusals.invalid(f"invalid {key}: {raw[:40]}") from None


def moment(query: Query, key: str) -> datetime | None:
    """A timestamp (a naive one is UTC), or a date: its New York midnight."""
    raw = query.get(key, "")
    if not raw:
        return None
    try:
        at = datetime.fromisoformat(raw.replace(" ", "+"))
        if len(raw) == 10:
            return at.replace(tzinfo=NEW_YORK)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise refusals.invalid(f"invalid {key}: {raw[:40]}") from None


def day(query: Query, key: str) -> date | None:
    """The date at the front of a date or timestamp."""
    raw = query.get(key, "")
    if not raw:
        return None
    try:
        return date.fromisoformat(raw[:10])
    except ValueError:
        raise refusals.invalid(f"invalid {key}: {raw[:40]}") from None


def amount(query: Query, key: str) -> Decimal | None:
    """A positive number."""
    raw = query.get(key, "")
    if not raw:
        return None
    try:
        value = Decimal(raw)
    except InvalidOperation:
        raise refusals.invalid(f"invalid {key}: {raw[:40]}") from None
    if not value.is_finite() or value <= 0:
        raise refusals.invalid(f"{key} must be > 0")
    return value


def order_id(text: str) -> str:
    """A UUID in its usual spelling; 422 for anything else."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise refusals.invalid(f"order_id is not a valid UUID: {text[:40]}") from None
