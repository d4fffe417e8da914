"""The local store: raw bars and corporate actions in a folder, one parquet file a calendar year.

`manifest.json` names the files that count, with their sizes and checksums; it is replaced last and
in one step, so that a kill at any moment leaves the store as it was. What does not agree with it is
never trusted: the store then counts as empty, and that is said. Deleting the folder loses nothing
that cannot be fetched again.
"""

import errno
import fcntl
import io
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from atlas_daemon.bars.actions import Action
from atlas_daemon.bars.raw import FIGURES, NO_BARS, RawBars, by_year, joined

FORMAT = 1
MANIFEST = "manifest.json"
LOCK_WAIT_S = 20.0
"""How long another process that fetches is waited for."""
_LOCK_POLL_S = 0.05


class Coverage(msgspec.Struct, frozen=True):
    """What the store has of one symbol: everything that the vendor had in [first, through]."""

    first: int
    """Days since 1970-01-01."""
    through: int
    asked_at: datetime
    """When the vendor was last asked about it."""


class _File(msgspec.Struct, frozen=True):
    name: str
    size: int
    crc: int


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    vendor: str
    generation: int
    symbols: dict[str, Coverage]
    years: dict[int, _File]
    actions: tuple[Action, ...]
    digest: str = ""
    """CRC-32 of the manifest without it."""


class _Form(msgspec.Struct, frozen=True):
    """What every version of the manifest states."""

    format: int


class DamageError(Exception):
    """A file of the store is not what its manifest says, or of another make."""


@dataclass(slots=True)
class Kept:
    """What a store holds: years are read when they are asked for."""

    coverage: dict[str, Coverage] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    generation: int = 0
    files: dict[int, _File] = field(default_factory=dict)
    read: dict[int, RawBars] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    """Years whose bars are no longer those of their files."""
    is_changed: bool = False
    """True where anything is no longer what the manifest says."""

    def years(self) -> set[int]:
        """Return the calendar years of which there are bars."""
        return set(self.files) | set(self.read)

    def put(self, bars: RawBars, gone: Mapping[str, tuple[int, int]], folder: "Folder") -> None:
        """Replace what is kept of the symbols in `gone`, in their days, by `bars`.

        Raises `DamageError` where a year that is touched cannot be read.
        """
        new = by_year(bars)
        spans = [_years(span) for span in gone.values()]
        touched = {year for year in self.years() if any(a <= year <= z for a, z in spans)}
        for year in sorted(touched | set(new)):
            old = folder.year(self, year)
            stays = ~_inside(old, gone)
            if year not in new and stays.all():
                continue
            parts = [old.where(stays), *([new[year]] if year in new else [])]
            self.read[year] = joined(parts)
            self.changed.add(year)


def _years(days: tuple[int, int]) -> tuple[int, int]:
    first, last = (np.datetime64(day, "D").astype("datetime64[Y]").astype(int) for day in days)
    return int(first) + 1970, int(last) + 1970


def _inside(bars: RawBars, spans: Mapping[str, tuple[int, int]]) -> Any:
    """Return which rows belong to a symbol of `spans` and its days."""
    nowhere = (1, 0)
    edges = np.array([spans.get(name, nowhere) for name in bars.symbols]).reshape(-1, 2)
    first, last = edges[bars.symbol, 0], edges[bars.symbol, 1]
    return (bars.day >= first) & (bars.day <= last)


class Folder:
    """One vendor's store on disk. `vendor` says whose bars: another's are never mixed in."""

    def __init__(self, path: Path, vendor: str) -> None:
        self.path, self.vendor = path, vendor

    @contextmanager
    def held(self, wait_s: float = LOCK_WAIT_S) -> Iterator[str]:
        """Hold the store against other processes; yields why it may not be written, or nothing.

        A process that cannot have it answers from what it fetches and keeps nothing.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.path / "lock", flags, 0o600)
        except OSError as error:
            yield error.strerror or str(error)
            return
        try:
            yield "" if _locked(descriptor, wait_s) else "another process is fetching bars"
        finally:
            os.close(descriptor)

    def load(self) -> tuple[Kept, tuple[str, ...]]:
        """Return what is kept, and a note where there is something that cannot be trusted."""
        try:
            raw = (self.path / MANIFEST).read_bytes()
        except FileNotFoundError:
            return Kept(), ()
        except OSError as error:
            return Kept(), (f"{self.path / MANIFEST}: {error.strerror}: all bars are fetched anew",)
        try:
            stated = self._manifest(raw)
        except (msgspec.MsgspecError, DamageError, RecursionError, UnicodeDecodeError) as error:
            return Kept(), (self.distrusted(error),)
        return Kept(dict(stated.symbols), stated.actions, stated.generation, dict(stated.years)), ()

    def distrusted(self, error: Exception) -> str:
        """Return what is said of a store that cannot be used."""
        return f"{self.path}: {error}: all bars are fetched anew"

    def _manifest(self, raw: bytes) -> _Manifest:
        form = msgspec.json.decode(raw, type=_Form)
        if form.format != FORMAT:
            raise DamageError(f"the store has the format {form.format}, this release {FORMAT}")
        stated = msgspec.json.decode(raw, type=_Manifest)
        if stated.digest != _digest(stated):
            raise DamageError(f"{MANIFEST} is damaged")
        if stated.vendor != self.vendor:
            raise DamageError(f"the store is of {stated.vendor}, not of {self.vendor}")
        return stated

    def year(self, kept: Kept, year: int) -> RawBars:
        """Return the bars of one year. Raises `DamageError` where its file is not as stated."""
        if year not in kept.read:
            file = kept.files.get(year)
            kept.read[year] = NO_BARS if file is None else self._read(file)
        return kept.read[year]

    def _read(self, file: _File) -> RawBars:
        path = self.path / Path(file.name).name
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise DamageError(f"{file.name}: {error.strerror}") from error
        if len(raw) != file.size or zlib.crc32(raw) != file.crc:
            raise DamageError(f"{file.name} is damaged")
        return _decoded(file.name, raw)

    def save(self, kept: Kept) -> tuple[str, ...]:
        """Replace the store. A note where that fails: what was there before stays."""
        if not kept.is_changed:
            return ()
        generation = kept.generation + 1
        files, written = dict(kept.files), []
        try:
            for year in sorted(kept.changed):
                files.pop(year, None)
                if len(kept.read[year]):
                    path = self.path / f"{year}-{generation}.parquet"
                    written.append(path)
                    files[year] = _write(path, _encoded(kept.read[year]))
            coverage = dict(kept.coverage)
            stated = _Manifest(FORMAT, self.vendor, generation, coverage, files, kept.actions)
            stated = msgspec.structs.replace(stated, digest=_digest(stated))
            new = self.path / f"{MANIFEST}.new"
            _write(new, msgspec.json.encode(stated))
            self._sync()  # the files that it names are there before it is
            new.replace(self.path / MANIFEST)
            self._sync()
        except OSError as error:
            for path in written:
                with suppress(OSError):
                    path.unlink()
            return (f"{self.path}: the bars cannot be kept: {error.strerror}",)
        kept.generation, kept.files, kept.changed = generation, files, set()
        self._tidy({file.name for file in files.values()})
        return ()

    def _sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _tidy(self, named: set[str]) -> None:
        """Remove files of earlier manifests and of writers that were killed."""
        for path in self.path.glob("[12][0-9][0-9][0-9]-*.parquet"):
            if path.name not in named:
                with suppress(OSError):  # left for the next time
                    path.unlink()


def _locked(descriptor: int, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EINTR):
                return False  # a file system without locks
            if time.monotonic() >= until:
                return False
            time.sleep(_LOCK_POLL_S)
        else:
            return True


def _digest(stated: _Manifest) -> str:
    bare = msgspec.structs.replace(stated, digest="")
    return f"{zlib.crc32(msgspec.json.encode(bare)):08x}"


def _write(path: Path, raw: bytes) -> _File:
    """Write a file whole and onto the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    return _File(path.name, len(raw), zlib.crc32(raw))


# Imported where they are used: no bars from the store, no 0.1 s for pyarrow.


def _encoded(bars: RawBars) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    from atlas_daemon.bars.columns import column_of, symbol_column

    order = np.lexsort((bars.day, bars.symbol))
    columns = {
        "date": column_of(bars.day[order].astype(np.int32), pa.date32()),
        "symbol": symbol_column(bars.symbols, bars.symbol[order]),
    }
    columns |= {name: column_of(getattr(bars, name)[order], pa.float64()) for name in FIGURES}
    sink = io.BytesIO()
    # Statistics are of no use here: a year is read whole.
    parquet.write_table(
        pa.Table.from_arrays(list(columns.values()), names=list(columns)),
        sink,
        compression="zstd",
        compression_level=1,
        write_statistics=False,
    )
    return sink.getvalue()


def _decoded(name: str, raw: bytes) -> RawBars:
    import pyarrow as pa
    from pyarrow import parquet

    from atlas_daemon.bars.columns import floats, numbers, symbols_of

    try:
        with parquet.ParquetFile(pa.BufferReader(raw), read_dictionary=["symbol"]) as file:
            table = file.read(columns=["date", "symbol", *FIGURES])
        names, codes = symbols_of(table.column("symbol"))
        days = numbers(table.column("date"), np.dtype(np.int32))
        figures = {one: floats(table.column(one)) for one in FIGURES}
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DamageError(f"{name} cannot be read as bars: {error}") from error
    return RawBars(tuple(names.to_pylist()), codes, days, **figures)
