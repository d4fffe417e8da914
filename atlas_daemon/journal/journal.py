"""The journal's file: opened, appended to, read and verified. It knows rows, not meanings.

A file that is not ours to use (foreign, newer, another account's, damaged) is refused before a
byte of it is changed. What cannot be written is rolled back whole and may be tried again.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from atlas_daemon.core.errors import AccountBusyError, BugError
from atlas_daemon.core.events import Entry
from atlas_daemon.core.values import AccountMode

from .codec import decode, encode, moment, moment_text
from .errors import JournalError
from .file import (
    Connect,
    connect_readonly,
    connect_to,
    create,
    inspect,
    is_there,
    keep_private,
    reading,
    set_up,
    writing,
)
from .schema import FIRST_HASH, SCHEMA_VERSION, chained_hash, migrate

Head = tuple[int, str]
"""An entry's place and its hash: `seq:hash` names the whole journal up to it."""

BATCH = 1000
"""Rows read at a time, so that no read stays open across an append."""


class StoredEntry(NamedTuple):
    """An entry as the columns of its row: what its hash is made of (see `schema`), and the hash."""

    seq: int
    at: str
    cause: int | None
    type: str
    payload: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how far the chain holds, and the first entry that breaks it."""

    entries: int
    """Entries whose hash follows from the one before."""
    head_seq: int
    head_hash: str
    fault_seq: int | None = None
    fault: str = ""
    """One line that names the first altered, missing or moved entry; empty where there is none."""

    @property
    def is_intact(self) -> bool:
        """True where every entry follows from the one before, and the given head is among them."""
        return not self.fault


class Journal:
    """Append-only entries of one account. Open it with `open` or `open_readonly`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, is_readonly: bool) -> None:
        self.path = path
        self._connection = connection
        self._is_readonly = is_readonly
        with reading(path):
            self._head = self._stored_head()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        account_mode: AccountMode,
        account_name: str,
        connect: Connect = sqlite3.connect,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the account's journal for appending; make it where there is none.

        `now` only dates a new file. Raises JournalError for a file that is not this account's, and
        JournalFullError where the disk lets nothing be written; both leave the file as it is.
        """
        account = f"{account_mode}-{account_name}"
        with writing(path):
            if not is_there(path):
                create(path, connect, account_mode, account_name, now())
            version = inspect(path, connect, account)
            keep_private(path)
            connection = connect_to(connect, path, "rw")
            try:
                set_up(path, connection)
                if version < SCHEMA_VERSION:
                    migrate(connection, version)
                return cls(path, connection, is_readonly=False)
            except BaseException:
                connection.close()
                raise

    @classmethod
    def open_readonly(cls, path: Path, *, connect: Connect = sqlite3.connect) -> Self:
        """Open any account's journal for reading, beside a daemon that may be appending to it."""
        if not is_there(path):
            raise JournalError(f"journal {path} does not exist")
        version = inspect(path, connect, None)
        if version < SCHEMA_VERSION:
            raise JournalError(
                f"journal {path} has schema version {version}, older than {SCHEMA_VERSION}: "
                "`atlasd run` brings it up to date"
            )
        with reading(path):
            connection = connect_readonly(connect, path)
        try:
            return cls(path, connection, is_readonly=True)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def append(self, entries: Sequence[Entry]) -> Head:
        """Write the entries of one turn, all or none, and return the new head.

        On return they are on the disk. Raises BugError for a gap in their sequence,
        JournalFullError where the disk does not take them (nothing is written, and the same call
        may be made again), AccountBusyError where another process writes to this file.
        """
        if self._is_readonly:
            raise BugError(f"journal {self.path} was opened for reading only")
        if not entries:
            return self._head
        rows = self._chain(entries)
        connection = self._connection
        with writing(self.path):
            try:
                connection.execute("BEGIN IMMEDIATE")
                stored = self._stored_head()
                if stored != self._head:
                    raise AccountBusyError(
                        f"another process wrote to journal {self.path}: "
                        f"its head is entry {stored[0]}, ours {self._head[0]}"
                    )
                connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has already rolled back after some failures, and says so.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        last = rows[-1]
        self._head = (last[0], last[5])
        return self._head

    def probe(self) -> None:
        """Write nothing new, to the disk: JournalFullError where it still takes nothing."""
        if self._is_readonly:
            raise BugError(f"journal {self.path} was opened for reading only")
        with writing(self.path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("UPDATE meta SET schema_version = schema_version")
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, after: int = 0) -> Iterator[Entry]:
        """Yield the entries after `after`, in order, each checked against the chain.

        Raises JournalError at the first entry that is missing, altered or not readable.
        """
        prev_seq, prev_hash = after, self._hash_of(after)
        told, at = None, None
        for row in self._rows(after):
            fault = _fault(prev_seq, prev_hash, row)
            if fault:
                raise JournalError(f"journal {self.path}: {fault}")
            prev_seq, prev_hash = row[0], row[5]
            if at is None or told != row[1]:  # the entries of a turn share one moment
                told, at = row[1], moment(row[0], row[1])
            yield Entry(row[0], at, row[2], decode(row[0], row[3], row[4]))

    def rows(self, after: int = 0) -> Iterator[StoredEntry]:
        """Yield the entries after `after` as they stand in the file, neither checked nor decoded.

        Raises JournalError where the file cannot be read.
        """
        yield from map(StoredEntry._make, self._rows(after))

    def head(self) -> Head:
        """Return place and hash of the last entry; (0, 64 zeros) for an empty journal."""
        if self._is_readonly:
            with reading(self.path):
                return self._stored_head()
        return self._head

    def verify(self, head: Head | None = None) -> Verdict:
        """Recompute the chain from the first entry, and look for `head` in it.

        Without a head kept elsewhere, a chain that was cut or recomputed whole looks intact.
        """
        count, prev = 0, (0, FIRST_HASH)
        found = head is None or head == prev
        try:
            for row in self._rows(0):
                fault = _fault(*prev, row)
                if fault:
                    return Verdict(count, *prev, prev[0] + 1, fault)
                count, prev = count + 1, (row[0], row[5])
                found = found or prev == head
        except JournalError as error:
            return Verdict(count, *prev, prev[0] + 1, str(error))
        if not found and head is not None:
            fault = (
                f"entry {head[0]} is missing: the journal ends at {prev[0]}"
                if head[0] > prev[0]
                else f"entry {head[0]} or one before it is not the one the given head names"
            )
            return Verdict(count, *prev, head[0], fault)
        return Verdict(count, *prev)

    def copy_to(self, path: Path) -> None:
        """Write a journal of its own at `path`, as this one is after its last commit.

        Beside a daemon that goes on appending. Raises JournalError, JournalFullError.
        """
        with writing(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, that needs no log beside it

    def account(self) -> tuple[str, str, str]:
        """Return mode, name and number of the account; the number is empty until claimed."""
        with reading(self.path):
            row = self._connection.execute(
                "SELECT account_mode, account_name, account_number FROM meta"
            ).fetchone()
        return row[0], row[1], row[2]

    def claim_number(self, number: str) -> None:
        """Tie the journal to the broker's account number; JournalError where it has another."""
        mode, name, known = self.account()
        if known and known != number:
            raise JournalError(
                f"state folder {self.path.parent} belongs to account {known} ({mode}-{name}), "
                f"not {number}"
            )
        if not known:
            with writing(self.path):
                self._connection.execute("UPDATE meta SET account_number = ?", (number,))

    def _chain(self, entries: Sequence[Entry]) -> list[tuple[int, str, int | None, str, str, str]]:
        seq, prev_hash = self._head
        rows = []
        told: datetime | None = None
        for entry in entries:
            seq += 1
            if entry.seq != seq:
                raise BugError(f"entry {entry.seq} cannot follow entry {seq - 1} in the journal")
            if entry.at is not told:  # the entries of a turn share one moment
                told, at = entry.at, moment_text(entry.at)
            kind, payload = encode(entry.event)
            prev_hash = chained_hash(prev_hash, seq, at, entry.cause, kind, payload)
            rows.append((seq, at, entry.cause, kind, payload, prev_hash))
        return rows

    def _rows(self, after: int) -> Iterator[tuple[Any, ...]]:
        while True:
            with reading(self.path):
                batch = self._connection.execute(
                    "SELECT seq, at, cause, type, payload, hash FROM entries"
                    " WHERE seq > ? ORDER BY seq LIMIT ?",
                    (after, BATCH),
                ).fetchall()
            if not batch:
                return
            yield from batch
            after = batch[-1][0]

    def _hash_of(self, seq: int) -> str:
        if seq == 0:
            return FIRST_HASH
        with reading(self.path):
            row = self._connection.execute(
                "SELECT hash FROM entries WHERE seq = ?", (seq,)
            ).fetchone()
        if row is None:
            raise JournalError(f"journal {self.path}: entry {seq} is missing")
        return str(row[0])

    def _stored_head(self) -> Head:
        row = self._connection.execute(
            "SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return (0, FIRST_HASH) if row is None else (row[0], row[1])


def _fault(prev_seq: int, prev_hash: str, row: tuple[Any, ...]) -> str:
    seq, at, cause, kind, payload, stored = row
    if seq != prev_seq + 1:
        return f"entry {prev_seq + 1} is missing: {prev_seq} is followed by {seq}"
    if stored != chained_hash(prev_hash, seq, at, cause, kind, payload):
        return f"entry {seq} was altered or moved: its hash does not follow from entry {prev_seq}"
    return ""
