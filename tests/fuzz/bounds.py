"""What a parsed value may be: the bounds that every room of parsers promises."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec

from atlas_daemon.edges.alpaca.scalars import DECIMALS_MAX, EXCERPT_MAX, MAGNITUDE_MAX
from atlas_daemon.edges.alpaca.shapes import TEXT_MAX

LINE_MAX = 1_200
"""Characters of a declared error: one line that a log and a person can bear."""
DEPTH_MAX = 8


def breaches(value: object, *, text_max: int = TEXT_MAX, depth: int = 0) -> Iterator[str]:
    """Yield how a parsed value goes beyond what may come in; nothing where it does not."""
    if depth > DEPTH_MAX:
        yield "nested too deeply"
        return
    inner: object = ()
    match value:
        case None | bool() | enum.Enum():
            pass
        case Decimal():
            if not value.is_finite() or value.adjusted() > MAGNITUDE_MAX:
                yield f"the number {value!r:.60}"
            elif value.as_tuple().exponent < -DECIMALS_MAX:
                yield f"a number of too many digits: {value!r:.60}"
        case int():
            if abs(value) >= 10**18:
                yield "a whole number of over 18 digits"
        case float():
            yield f"the float {value!r}"
        case str():
            if len(value) > max(text_max, EXCERPT_MAX + 3):
                yield f"a text of {len(value)} characters: {value[:40]!r}"
            if any("\ud800" <= char <= "\udfff" for char in value):
                yield f"half of a surrogate pair: {value[:40]!r}"
        case datetime():
            if value.utcoffset() is None:
                yield f"the naive moment {value}"
        case date():
            pass
        case Mapping():
            inner = [*value.keys(), *value.values()]
        case tuple() | list() | frozenset():
            inner = value
        case msgspec.Struct():
            inner = [getattr(value, name) for name in value.__struct_fields__]
        case _ if dataclasses.is_dataclass(value):
            inner = [getattr(value, field.name) for field in dataclasses.fields(value)]
        case _:
            yield f"a {type(value).__name__}"
    for each in inner:
        yield from breaches(each, text_max=text_max, depth=depth + 1)


def error_breaches(error: Exception) -> Iterator[str]:
    """Yield what is wrong with a declared error's words."""
    text = str(error)
    if len(text.splitlines()) != 1 or "\n" in text or "\r" in text:
        yield f"not one line: {text[:100]!r}"
    if len(text) > LINE_MAX:
        yield f"a line of {len(text)} characters: {text[:100]!r}"
    try:
        text.encode()
    except UnicodeEncodeError:
        yield f"no text that can be written: {text[:100]!r}"
