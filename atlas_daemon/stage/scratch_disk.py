"""The disk under a journal that nobody will miss: what is written reaches it when it reaches it."""

import sqlite3
from typing import Any

PROMISE, NO_PROMISE = "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF"


class ScratchConnection(sqlite3.Connection):
    """A connection whose commits do not wait for the disk: a play that dies is begun anew."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement; what would promise durability promises none."""
        return super().execute(NO_PROMISE if sql == PROMISE else sql, parameters)


def connect(*args: Any, **options: Any) -> sqlite3.Connection:
    """Connect as `sqlite3.connect` does."""
    return sqlite3.connect(*args, factory=ScratchConnection, **options)
