"""A strategy for every event class of the core, made from its own type hints."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache

from hypothesis import strategies as st

from atlas_daemon.core.events import Event

DECIMALS = st.decimals(
    min_value=Decimal("-1e9"), max_value=Decimal("1e9"), allow_nan=False, allow_infinity=False
) | st.sampled_from([Decimal("10.00"), Decimal("1E+3"), Decimal("0E-8"), Decimal("-0")])
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))
PRIMITIVES = {
    str: st.text(max_size=12),
    int: st.integers(-(2**40), 2**40),
    bool: st.booleans(),
    Decimal: DECIMALS,
    datetime: MOMENTS,
    date: st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)),
    type(None): st.none(),
}


def of_hint(hint):
    if isinstance(hint, typing.NewType):
        return of_hint(hint.__supertype__)
    if hint in PRIMITIVES:
        return PRIMITIVES[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([of_hint(arg) for arg in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(of_hint(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*[of_hint(arg) for arg in args])
    if origin is Mapping:
        return st.dictionaries(of_hint(args[0]), of_hint(args[1]), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if is_dataclass(hint):
        return an_event(hint)
    raise TypeError(f"no strategy for {hint}")


@cache
def an_event(kind: type[Event]):
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{f.name: of_hint(hints[f.name]) for f in fields(kind)})
