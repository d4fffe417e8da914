"""JSON, numbers and moments as Alpaca writes them, read exactly or refused. Pure.

Nothing of orders or accounts lives here.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec

from atlas_daemon.core.errors import AtlasError

T = TypeVar("T")

NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{0,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)
USUAL_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z", re.ASCII
)
"""Those that the standard library reads by itself, on every Python alike, and much quicker."""
MAGNITUDE_MAX = 15
"""Powers of ten that a price, a quantity or a balance may have: beyond it the text is damaged."""
DECIMALS_MAX = 40
"""Digits after the point, likewise: what a machine's own floats leave there is shorter."""
NUMBER_TEXT_MAX = 64
EXCERPT_MAX = 160
TEXTS_KEPT = 4096
"""Numbers and moments kept as read: an order's news repeats most of its own, over and over."""


class WireError(AtlasError):
    """Alpaca's bytes cannot be read: one line of what was expected and how the bytes begin."""

    def __init__(self, text: str) -> None:
        super().__init__("".join(char if char.isprintable() else " " for char in text))


def excerpt(body: bytes | str) -> str:
    """Return the beginning of `body` on one printable line."""
    text = body if isinstance(body, str) else body[: EXCERPT_MAX * 4].decode("utf-8", "replace")
    line = text[:EXCERPT_MAX]
    if not line.isprintable():
        line = "".join(char if char.isprintable() else " " for char in line)
    return line + ("..." if len(text) > EXCERPT_MAX else "")


def shown(raw: object) -> str:
    """Return a value of an untyped field for people, on one line and no longer than an excerpt."""
    try:
        return excerpt(repr(raw[: EXCERPT_MAX + 1] if isinstance(raw, str) else raw))
    except RecursionError:  # nested deeper than Python spells it
        return f"a {type(raw).__name__}"


def said(raw: object) -> str:
    """Return a text as it was said, cut to one line, and anything else as `shown`."""
    return excerpt(raw) if isinstance(raw, str) else shown(raw)


@cache
def _decoder(shape: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(shape, float_hook=Decimal)


def read(body: bytes | str, shape: type[T], what: str) -> T:
    """Decode JSON of `shape`; JSON numbers in untyped fields become exact Decimals."""
    key: Any = shape
    try:
        found: T = _decoder(key).decode(body)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        reason = excerpt(str(error))
        raise WireError(f"{what}: unreadable answer ({reason}): {excerpt(body)!r}") from None
    return found


def number(raw: Any, field: str) -> Decimal | None:
    """Return the number written as text or as a number; None for null and for empty text."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, str) and len(raw) <= NUMBER_TEXT_MAX and (known := _known(raw)) is not None:
        return known
    return _checked(raw, field)


@lru_cache(maxsize=TEXTS_KEPT)
def _known(text: str) -> Decimal | None:
    try:
        return _checked(text, "")
    except WireError:
        return None


def _checked(raw: Any, field: str) -> Decimal:
    if isinstance(raw, str):
        written = len(raw) <= NUMBER_TEXT_MAX and NUMBER.fullmatch(raw) is not None
    else:
        written = isinstance(raw, int | Decimal) and not isinstance(raw, bool)
    if not written:
        raise WireError(f"{field}: {shown(raw)} is not a number")
    value = Decimal(raw)
    exponent = value.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -DECIMALS_MAX
        or value.adjusted() > MAGNITUDE_MAX
    ):
        raise WireError(f"{field}: {shown(raw)} is out of range")
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
    try:
        at = _instant(raw) if isinstance(raw, str) and len(raw) <= NUMBER_TEXT_MAX else None
    except (ValueError, OverflowError):
        raise WireError(f"{field}: {shown(raw)} is no date that exists") from None
    if at is None:
        raise WireError(f"{field}: {shown(raw)} is not a moment with a time zone")
    return at


@lru_cache(maxsize=TEXTS_KEPT)
def _instant(text: str) -> datetime | None:
    if USUAL_MOMENT.fullmatch(text) is not None:
        return datetime.fromisoformat(text)
    match = MOMENT.fullmatch(text)
    if match is None:
        return None
    *parts, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    micros = int((fraction or "").ljust(6, "0")[:6])
    if sign is None:
        return datetime(year, month, day, hour, minute, second, micros, UTC)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    return datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)


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
