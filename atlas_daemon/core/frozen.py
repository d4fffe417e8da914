"""`replace`: a copy of a frozen record with some fields changed.

The standard library's calls `__init__` with every field, which for the state's records costs more
than the rest of a turn. This one copies the record's `__dict__`: it is for frozen dataclasses
without slots and without `__post_init__`. Nothing else lives here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # What mypy knows of `dataclasses.replace` (names and types of the fields) holds for ours too.
    from dataclasses import replace
else:

    def replace(record, /, **changes):
        """Return a copy of `record` with `changes`. Raises TypeError for a field it has not."""
        had = record.__dict__
        fields = had | changes
        if len(fields) != len(had):
            strange = sorted(changes.keys() - had.keys())
            raise TypeError(f"{type(record).__name__} has no field {', '.join(strange)}")
        copy = object.__new__(type(record))
        object.__setattr__(copy, "__dict__", fields)
        return copy


__all__ = ["replace"]
