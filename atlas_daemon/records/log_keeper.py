"""The upkeep of the log folder: old day files archived, the archive compressed and bounded.

The journal has everything for ever; these files are for reading. Trades files are small and stay.
May not live here: writing of lines.
"""

import asyncio
import gzip
import os
import re
import zlib
from datetime import date, timedelta
from pathlib import Path

from atlas_daemon.core.errors import AtlasError

from .day_files import DayFiles

ARCHIVE_DAYS = 730
"""An archived log is kept for so long; archived trades for ever."""
_LOG = re.compile(r"(?:execution|errors)_(\d{4}-\d{2}-\d{2})\.log(?:\.\d+)?(?:\.gz)?")
_PLAIN = re.compile(r"(?:execution|errors|trades)_\d{4}-\d{2}-\d{2}\.(?:log|csv)(?:\.\d+)?")


class LogKeeper:
    """Keeps one log folder. What it does once too often does no harm."""

    def __init__(self, folder: Path) -> None:
        self._files = DayFiles(folder)
        self._archive = folder / "archive"

    async def keep(self, today: date) -> None:
        """Archive what is older than the days kept, compress it, let go of the oldest logs.

        `today` is New York's. One file at a time, so that nothing else waits for long. Raises
        AtlasError where the disk does not let it; the next night takes it up.
        """
        try:
            self._files.archive(today)
            for path in self._found(_PLAIN):
                _compress(path)
                await asyncio.sleep(0)
            oldest = today - timedelta(days=ARCHIVE_DAYS)
            for path in self._found(_LOG):
                if _day(path) < oldest:
                    path.unlink(missing_ok=True)
        except OSError as error:
            where = error.filename or self._files.folder
            raise AtlasError(f"{where}: {error.strerror or error}") from error

    def _found(self, pattern: re.Pattern[str]) -> list[Path]:
        if not self._archive.is_dir():
            return []
        return sorted(p for p in self._archive.iterdir() if pattern.fullmatch(p.name))


def _compress(path: Path) -> None:
    """Put `name.gz` in the place of `name`; a kill leaves one of them whole."""
    draft = path.with_name(f".{path.name}.gz.new")
    try:
        with path.open("rb") as source, draft.open("wb") as target:
            raw = source.read()
            owner = os.fstat(source.fileno())
            os.fchmod(target.fileno(), owner.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(target.fileno(), owner.st_uid, owner.st_gid)
            target.write(gzip.compress(raw, mtime=0))
            target.flush()
            os.fsync(target.fileno())
        draft.replace(_place(path, raw))
        path.unlink()
    finally:
        draft.unlink(missing_ok=True)


def _place(path: Path, raw: bytes) -> Path:
    """Return where `raw` may lie: never in place of something else."""
    place, turn = path.with_name(f"{path.name}.gz"), 0
    while place.exists() and not _holds(place, raw):
        turn += 1
        place = path.with_name(f"{path.name}.{turn}.gz")
    return place


def _holds(place: Path, raw: bytes) -> bool:
    try:
        return gzip.decompress(place.read_bytes()) == raw
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _day(path: Path) -> date:
    found = _LOG.fullmatch(path.name)
    assert found is not None
    try:
        return date.fromisoformat(found.group(1))
    except ValueError:  # the thirtieth of February is nobody's day file
        return date.max
