"""ULIDs: ids of 26 letters that sort as their moments do, 48 bits of milliseconds and 80 others.

The others are a running number here, so that ids of one millisecond keep their order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def ulid(at: datetime, number: int) -> str:
    """The id of a moment (milliseconds count) and a number of 0 or more."""
    value = ((at - _EPOCH) // _MILLISECOND << 80) | (number & ((1 << 80) - 1))
    return "".join(_LETTERS[value >> shift & 31] for shift in range(125, -1, -5))


def moment_of(text: str) -> datetime:
    """The millisecond that an id begins with. Raises ValueError for what is no ULID."""
    value = 0
    if len(text) != 26 or text[0] > "7":
        raise ValueError(f"no ULID: {text[:40]}")
    for letter in text.upper():
        if letter not in _VALUES:
            raise ValueError(f"no ULID: {text[:40]}")
        value = value << 5 | _VALUES[letter]
    try:
        return _EPOCH + (value >> 80) * _MILLISECOND
    except OverflowError:
        raise ValueError(f"no ULID: {text[:40]}") from None
