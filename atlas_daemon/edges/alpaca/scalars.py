"""JSON, numbers and moments as Alpaca writes them, read exactly or refused. Pure.

Nothing of orders or accounts lives here.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from atlas_daemon.core.errors import AtlasError

T = TypeVar("T")

NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{0,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)
MAGNITUDE_MAX = 15
"""Powers of ten that a price, a quantity or a balance may have: beyond it the text is damaged."""
EXCERPT_MAX = 160


class WireError(AtlasError):
    """Alpaca's bytes cannot be read: says what was expected and shows the beginning."""


def excerpt(body: bytes | str) -> str:
    """Return the beginning of `body` on one printable line."""
    text = body if isinstance(body, str) else body[: EXCERPT_MAX * 4].decode("utf-8", "replace")
    line = text[:EXCERPT_MAX]
    if not line.isprintable():
        line = "".join(char if char.isprintable() else " " for char in line)
    return line + ("..." if len(text) > EXCERPT_MAX else "")


def read(body: bytes | str, shape: type[T], what: str) -> T:
    """Decode JSON of `shape`; JSON numbers in untyped fields become exact Decimals."""
    try:
        return msgspec.json.Decoder(shape, float_hook=Decimal).decode(body)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        reason = excerpt(str(error))
        raise WireError(f"{what}: unreadable answer ({reason}): {excerpt(body)!r}") from None


def number(raw: Any, field: str) -> Decimal | None:
    """Return the number written as text or as a number; None for null and for empty text."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, str):
        written = NUMBER.fullmatch(raw) is not None
    else:
        written = isinstance(raw, int | Decimal) and not isinstance(raw, bool)
    if not written:
        raise WireError(f"{field}: {excerpt(repr(raw))} is not a number")
    value = Decimal(raw)
    if not value.is_finite() or value.adjusted() > MAGNITUDE_MAX:
        raise WireError(f"{field}: {excerpt(repr(raw))} is out of range")
    return value


def needed_number(raw: object, field: str) -> Decimal:
    """Return the number; raises WireError where it is absent."""
    value = number(raw, field)
    if value is None:
        raise WireError(f"{field}: no number")
    return value


def moment(raw: object, field: str) -> datetime | None:
    """Return the RFC 3339 moment in UTC, cut to microseconds; None for null and empty text."""
    if raw is None or raw == "":
        return None
    match = MOMENT.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise WireError(f"{field}: {excerpt(repr(raw))} is not a moment with a time zone")
    *parts, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = map(int, parts)
        micros = int((fraction or "").ljust(6, "0")[:6])
        return datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WireError(f"{field}: {excerpt(repr(raw))} is no date that exists") from None


def needed_moment(raw: object, field: str) -> datetime:
    """Return the moment; raises WireError where it is absent."""
    value = moment(raw, field)
    if value is None:
        raise WireError(f"{field}: no moment")
    return value


def stamp(at: datetime) -> str:
    """Write a moment as Alpaca reads it in a query; raises WireError on one without a zone."""
    if at.tzinfo is None:
        raise WireError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
