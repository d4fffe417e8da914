"""The shape of the file: its tables, its versions and the steps between them, and the hash.

The hash of an entry, to be recomputed by hand:

    sha256( prev_hash | seq | at | cause | type | payload )   as lower-case hex

over the UTF-8 text of the row's own columns joined by `|`. `prev_hash` is the hash of the entry
before, 64 zeros before the first; `cause` is empty where the column is NULL. With the sqlite3
program: `SELECT seq, at, ifnull(cause, ''), type, payload, hash FROM entries ORDER BY seq`.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

from atlas_daemon.core.errors import BugError

APPLICATION = "atlas_daemon"
APPLICATION_ID = 0x41544C53
"""`ATLS`, in the file's header, where `file` and other tools look."""
SCHEMA_VERSION = 1
FIRST_HASH = "0" * 64

_ENTRIES = """
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    cause INTEGER,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    hash TEXT NOT NULL
)
"""
_META = """
CREATE TABLE meta (
    schema_version INTEGER NOT NULL,
    application TEXT NOT NULL,
    account_mode TEXT NOT NULL,
    account_name TEXT NOT NULL,
    account_number TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL
)
"""
# The insert guard also stops INSERT OR REPLACE, which deletes without asking the delete guard.
_GUARDS = (
    """
    CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'journal entries are never changed'); END
    """,
    """
    CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'journal entries are never deleted'); END
    """,
    """
    CREATE TRIGGER entries_are_appended_in_order BEFORE INSERT ON entries
    WHEN NEW.seq IS NOT (SELECT ifnull(max(seq), 0) + 1 FROM entries)
    BEGIN SELECT RAISE(ABORT, 'journal entries are appended in order'); END
    """,
)
CREATE: tuple[str, ...] = (_ENTRIES, _META, *_GUARDS)

MIGRATIONS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        # 0 knew neither the account's number nor the guards.
        0: ("ALTER TABLE meta ADD COLUMN account_number TEXT NOT NULL DEFAULT ''", *_GUARDS),
    }
)
"""From each older version the statements that lead to the next one. Entries never change."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of `version` to SCHEMA_VERSION, each step in a transaction of its own.

    A step is done whole or not at all; what is not done is done at the next start.
    """
    if version > SCHEMA_VERSION:
        raise BugError(f"there is no way back from schema version {version}")
    for older in range(version, SCHEMA_VERSION):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in MIGRATIONS[older]:
                connection.execute(statement)
            connection.execute("UPDATE meta SET schema_version = ?", (older + 1,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def chained_hash(
    prev_hash: str, seq: int, at: str, cause: int | None, kind: str, payload: str
) -> str:
    """Return the hash of an entry over its columns as they stand in the file."""
    text = f"{prev_hash}|{seq}|{at}|{'' if cause is None else cause}|{kind}|{payload}"
    # A row forged with a lone surrogate must not stop the search for it.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
