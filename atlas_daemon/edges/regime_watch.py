"""The regime file while the daemon runs: looked at every few seconds, so that it can speak at noon.

Read where it changed; told where it says something else than the journal has of it. What it means
is the core's to judge.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from atlas_daemon.core.brain import SignalsError
from atlas_daemon.core.events import FetchFailed, RegimeReported
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.regime_text import SIZE_MAX, parse_regime

LOOKS_EVERY = timedelta(seconds=5)
FILE = "file:"
Stamp = tuple[int, int, int]
"""A file's place on the disk, size and moment of change."""


class RegimeWatch:
    """Watches the file of `regime.source`; nothing where another source is configured."""

    def __init__(self, source: str) -> None:
        self._source = source
        is_file = source.startswith(FILE)
        self._path = Path(source.removeprefix(FILE)).expanduser() if is_file else None
        self._stamp: Stamp | None = None
        self._looked_at: datetime | None = None

    def look(
        self, now: datetime, known: RegimeReported | None
    ) -> Iterator[RegimeReported | FetchFailed]:
        """Yield the file's word where it is another one than `known`, its latest on record."""
        if self._path is None:
            return
        looked_at = self._looked_at
        if looked_at is not None and timedelta(0) <= now - looked_at < LOOKS_EVERY:
            return
        self._looked_at = now
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            with self._path.open("rb") as file:
                raw = file.read(SIZE_MAX + 1)
            reading = parse_regime(str(self._path), raw, json.loads)
        except OSError as error:
            if self._stamp is not None:  # it was there; the child tells of one that never was
                yield FetchFailed("regime", f"{self._path}: {error.strerror or error}")
            self._stamp = None
            return
        except SignalsError as error:
            self._stamp = stamp
            yield FetchFailed("regime", str(error))
            return
        self._stamp = stamp
        if reading.as_of > new_york_day(now):
            text = f"{self._path}: as_of {reading.as_of} is a day to come"
            yield FetchFailed("regime", text)
            return
        if known is not None and known.source == self._source and reading.as_of < known.as_of:
            text = f"as_of {reading.as_of} is older than {known.as_of}, which it said before"
            yield FetchFailed("regime", f"{self._path}: {text}")
            return
        word = RegimeReported(reading.regime, reading.as_of, self._source)
        if known is None or (known.regime, known.as_of) != (word.regime, word.as_of):
            yield word
