"""The file on its disk: made, recognised, opened, and what its failures mean.

A journal is made whole or not at all, and looked at without a trace before it is opened. No entry
is read or written here.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from atlas_daemon.core.errors import AccountBusyError, AtlasError
from atlas_daemon.core.values import AccountMode

from .codec import moment_text
from .errors import JournalError, JournalFullError
from .schema import APPLICATION, APPLICATION_ID, CREATE, SCHEMA_VERSION

Connect = Callable[..., sqlite3.Connection]
"""`sqlite3.connect`, or something that takes its arguments and may fail on purpose."""

BUSY_TIMEOUT_S = 2.0
SAID_MAX = 300

# Conditions of the disk that may pass, and of a second writer; by SQLite's primary result code.
_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL_WORDS = ("full", "readonly", "read-only", "disk i/o", "unable to open")


def is_there(path: Path) -> bool:
    """Return True for a file to be inspected, False where a new one may be made."""
    try:
        if path.stat().st_size == 0:
            raise JournalError(f"journal {path} is empty: what was in it is lost")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error
    else:
        return True
    # A new file beside an old write-ahead log would take up that log's pages.
    wal = _log_beside(path)
    if wal.exists() and wal.stat().st_size:
        raise JournalError(f"journal {path} is missing, and {wal.name} is not")
    return False


def _log_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def create(
    path: Path, connect: Connect, account_mode: AccountMode, account_name: str, at: datetime
) -> None:
    """Make a whole journal beside its place and move it there: a kill leaves all of it or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    for leftover in (draft, draft.with_name(f"{draft.name}-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(connect_to(connect, draft, "rw")) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in CREATE:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO meta VALUES (?, ?, ?, ?, '', ?)",
            (SCHEMA_VERSION, APPLICATION, account_mode.value, account_name, moment_text(at)),
        )
        connection.execute("COMMIT")
    if os.geteuid() == 0:  # what root's command makes belongs to whom the folder belongs
        folder = path.parent.stat()
        os.chown(draft, folder.st_uid, folder.st_gid)
    draft.rename(path)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def inspect(path: Path, connect: Connect, account: str | None) -> int:
    """Return the schema version; JournalError for a file that is not ours. Changes nothing."""
    try:
        with path.open("rb") as file:
            magic = file.read(16)
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error
    if magic != b"SQLite format 3\0":
        raise JournalError(f"{path} is not a journal: it is no SQLite file")
    wal = _log_beside(path)
    is_folded = not wal.exists() or wal.stat().st_size == 0
    try:
        # With no log beside it the file is all there is, and `immutable` leaves no trace.
        with closing(connect_to(connect, path, "ro", is_immutable=is_folded)) as connection:
            rows = connection.execute(
                "SELECT schema_version, application, account_mode, account_name FROM meta"
            ).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if "no such" in str(error):
            raise JournalError(f"{path} is not a journal of {APPLICATION}") from error
        raise JournalError(f"journal {path} cannot be read: {_said(error)}") from error
    if len(rows) != 1 or rows[0][1] != APPLICATION:
        raise JournalError(f"{path} is not a journal of {APPLICATION}")
    version, _, mode, name = rows[0]
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise JournalError(
            f"journal {path} has schema version {version}, newer than {SCHEMA_VERSION}: "
            "it was written by a later atlas_daemon"
        )
    if account is not None and f"{mode}-{name}" != account:
        raise JournalError(f"state folder {path.parent} belongs to {mode}-{name}, not {account}")
    return version


def keep_private(path: Path) -> None:
    """Take the journal out of sight of others, where it was put there by hand."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        with suppress(PermissionError):  # not our file to change, but ours to use
            path.chmod(mode & 0o700)


def connect_to(
    connect: Connect, path: Path, mode: str, *, is_immutable: bool = False
) -> sqlite3.Connection:
    """Open an existing file; `immutable` promises that nobody writes to it meanwhile."""
    uri = f"{path.absolute().as_uri()}?mode={mode}{'&immutable=1' if is_immutable else ''}"
    return connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def connect_readonly(connect: Connect, path: Path) -> sqlite3.Connection:
    """Open a journal beside a writer, or in a folder where the reader may write nothing."""
    connection = connect_to(connect, path, "ro")
    try:
        connection.execute("SELECT count(*) FROM meta").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if _log_beside(path).exists():
            raise
        # Without a log the file is all there is.
        connection = connect_to(connect, path, "ro", is_immutable=True)
    return connection


def set_up(path: Path, connection: sqlite3.Connection) -> None:
    """Ask for what a commit promises: a log in front of the file, synced before it counts."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode is None or mode[0] != "wal":
        raise JournalError(f"journal {path} is on a file system without write-ahead logging")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise what SQLite says of a read as JournalError."""
    try:
        yield
    # SQLite quotes damaged text in its complaints, which are then no text themselves.
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise JournalError(f"journal {path} cannot be read: {_said(error)}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise what the disk says as JournalFullError, another writer as AccountBusyError."""
    try:
        yield
    except OSError as error:
        raise JournalFullError(f"journal {path} cannot be written: {error.strerror}") from error
    except sqlite3.Error as error:
        raise _write_error(path, error) from error
    except UnicodeDecodeError as error:
        raise JournalError(f"journal {path} cannot be read: {_said(error)}") from error


def _said(error: Exception) -> str:
    """Return what SQLite says on one line: it quotes what it found in a damaged file."""
    return " ".join(str(error).split())[:SAID_MAX]


def _write_error(path: Path, error: sqlite3.Error) -> AtlasError:
    text = str(error).lower()
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _BUSY or (primary is None and "locked" in text):
        return AccountBusyError(f"another process writes to journal {path}: {text}")
    if primary in _FULL or (primary is None and any(word in text for word in _FULL_WORDS)):
        return JournalFullError(f"journal {path} cannot be written: {text}")
    return JournalError(f"journal {path} cannot be written: {text}")
