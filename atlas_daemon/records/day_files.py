"""The log folder: one file per kind and New York day, appended to, swapped, archived.

Each write opens and closes its file, so that a moved, deleted or archived one is never written to
unseen and a day's end needs no timer. Errors of the disk are raised to the caller.
"""

import os
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

FILE_MODE = 0o640
KEEP_DAYS = 90
_DAY_FILE = re.compile(r"(?:execution|errors|trades)_(\d{4}-\d{2}-\d{2})\.(?:log|csv)")


class DayFiles:
    """Files of one folder; the folder is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, name: str, text: str, *, opening: Callable[[], str] = str) -> None:
        """Add whole lines to a file, after what `opening` gives where the file is new.

        A write that fails half-way is taken back, so that it can be repeated.
        """
        handle = self._open(name)
        try:
            size = os.fstat(handle).st_size
            if size == 0:
                text = opening() + text
                self._give_to_owner(handle)
            elif os.pread(handle, 1, size - 1) != b"\n":
                text = "\n" + text  # a killed process left half a line
            try:
                _write_all(handle, text.encode("utf-8", "backslashreplace"))
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)

    def swap(self, name: str, text: str) -> bool:
        """Put a whole new content in place of a file's, at once; False where it already is so."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path, raw = self.folder / name, text.encode("utf-8", "backslashreplace")
        if path.exists() and path.read_bytes() == raw:
            return False
        draft = self.folder / f".{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        handle = os.open(draft, flags, FILE_MODE)
        try:
            self._give_to_owner(handle)
            _write_all(handle, raw)
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.replace(path)
        return True

    def archive(self, today: date, keep_days: int = KEEP_DAYS) -> list[str]:
        """Move day files older than `keep_days` to archive/ and return their names."""
        if not self.folder.is_dir():
            return []
        oldest = today - timedelta(days=keep_days)
        names = sorted(p.name for p in self.folder.iterdir() if _is_older(p.name, oldest))
        store = self.folder / "archive"
        for name in names:
            store.mkdir(exist_ok=True)
            (self.folder / name).rename(_free_place(store / name))
        return names

    def _open(self, name: str) -> int:
        path = os.path.join(self.folder, name)  # noqa: PTH118  (as a Path it is the dearest step)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        try:
            return os.open(path, flags, FILE_MODE)
        except FileNotFoundError:
            self.folder.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags, FILE_MODE)

    def _give_to_owner(self, handle: int) -> None:
        if os.geteuid() == 0:  # what root's command writes belongs to whom the folder belongs
            folder = self.folder.stat()
            os.fchown(handle, folder.st_uid, folder.st_gid)


def _write_all(handle: int, raw: bytes) -> None:
    rest = memoryview(raw)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _is_older(name: str, oldest: date) -> bool:
    found = _DAY_FILE.fullmatch(name)
    if found is None:
        return False
    try:
        return date.fromisoformat(found.group(1)) < oldest
    except ValueError:  # the thirtieth of February is nobody's day file
        return False


def _free_place(path: Path) -> Path:
    place, turn = path, 0
    while place.exists():
        turn += 1
        place = path.with_name(f"{path.name}.{turn}")
    return place
