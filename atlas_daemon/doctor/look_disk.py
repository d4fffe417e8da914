"""What the disk says: a file really written and synced, the room that is left, who may read what.

A probe leaves nothing behind. Nothing is judged here.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

PROBE = ".doctor-probe"
PROBE_BYTES = 65_536
"""More than a turn of the journal writes at once."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a file system for an ordinary user. None where it does not count."""

    free_bytes: int
    free_files: int | None


@dataclass(frozen=True, slots=True)
class Modes:
    """A file or folder as the file system shows it."""

    path: Path
    bits: int
    uid: int


def write_and_sync(folder: Path) -> None:
    """Write a file in `folder`, sync it and take it away. Raises OSError where that fails."""
    path = folder / PROBE
    path.unlink(missing_ok=True)  # of a look that was killed
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        left = b"\0" * PROBE_BYTES
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def room_of(folder: Path) -> Room:
    """Return the room that is left where `folder` is. Raises OSError."""
    seen = os.statvfs(folder)
    return Room(seen.f_bavail * seen.f_frsize, seen.f_favail if seen.f_files else None)


def modes_of(path: Path) -> Modes | None:
    """Return who may do what with a path; None where there is nothing. Raises OSError."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return Modes(path, stat.S_IMODE(seen.st_mode), seen.st_uid)
