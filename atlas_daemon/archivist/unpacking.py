"""Reading a backup: nothing in it is believed before its sum, its chain and its owner fit.

Everything is laid out in a folder of its own inside the state folder first; the journal is moved
to its place last, and where it stands the restore has happened.
"""

import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from atlas_daemon.config import Settings
from atlas_daemon.journal import Journal

from .manifest import (
    CONFIG,
    JOURNAL,
    MANIFEST_MAX,
    NAME,
    BackupError,
    ForeignBackupError,
    Manifest,
    read_manifest,
)
from .packing import sync_folder

DRAFT = ".restoring"
_CHUNK = 1024 * 1024
_LEFTOVERS = frozenset({DRAFT, "lock", "run"})
"""What a restore that was cut off, or a daemon that could not start, may leave behind."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A backup that lies in the draft folder, proven whole."""

    manifest: Manifest
    folder: Path
    differing: tuple[str, ...]
    """Keys of the configuration that had other values when the backup was made."""

    @property
    def journal_path(self) -> Path:
        """The journal's copy."""
        return self.folder / JOURNAL


def unpack(settings: Settings, source: Path) -> Unpacked:
    """Lay a backup out inside the account's state folder, and prove it.

    Raises BackupError for a folder that is not empty, a backup that is damaged or of another
    account; then nothing but an empty folder is left.
    """
    _check_empty(settings.state_dir)
    draft = settings.state_dir / DRAFT
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        with _readable(source) as archive:
            manifest = _laid_out(archive, draft)
        _check_account(settings, manifest)
        _check_chain(draft / JOURNAL, manifest)
        return Unpacked(manifest, draft, _differing(settings, draft / CONFIG))
    except BackupError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise type(error)(f"{source}: {error}") from error
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise BackupError(f"{source}: {error.strerror or error}") from error


def put_in_place(settings: Settings, unpacked: Unpacked) -> None:
    """Move what was laid out to where it belongs, the journal last. Raises BackupError."""
    state, folder = settings.state_dir, unpacked.folder
    try:
        names = [name for name in unpacked.manifest.files if name not in (JOURNAL, CONFIG)]
        for name in (*names, JOURNAL):
            place = state / name
            if name.startswith("logs/"):
                place = settings.log_dir / name.removeprefix("logs/")
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.exists():
                    continue  # what is written there already is of this machine
            shutil.move(folder / name, place)
            if os.geteuid() == 0:
                owner = place.parent.stat()
                os.chown(place, owner.st_uid, owner.st_gid)
            sync_folder(place.parent)
        shutil.rmtree(folder)
    except OSError as error:
        raise BackupError(f"{state} cannot be written: {error.strerror or error}") from error


def _check_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise BackupError(f"{folder} cannot be used: {error.strerror}") from error
    strange = [name for name in names if name not in _LEFTOVERS]
    if JOURNAL in names or (strange and DRAFT not in names):
        raise BackupError(
            f"{folder} is not empty ({', '.join(strange[:3])}): a restore replaces nothing; "
            "move it away first"
        )


@contextmanager
def _readable(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, mode="r:gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupError(f"damaged, or no backup: {error}") from error


def _laid_out(archive: tarfile.TarFile, draft: Path) -> Manifest:
    manifest: Manifest | None = None
    seen: set[str] = set()
    for member in archive:
        file = archive.extractfile(member) if member.isreg() else None
        if file is None:
            raise BackupError(f"{member.name[:80]!r} in it is no plain file")
        if manifest is None:
            if member.name != NAME or member.size > MANIFEST_MAX:
                raise BackupError(f"no backup of atlas_daemon: it does not begin with {NAME}")
            manifest = read_manifest(file.read())
            continue
        part = manifest.files.get(member.name)
        if part is None or member.name in seen or member.size != part.size:
            raise BackupError(f"{member.name[:80]!r} in it is not as its {NAME} says")
        seen.add(member.name)
        place = draft / member.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if _copied(file, place) != part.sha256:
            raise BackupError(f"{member.name} in it is damaged: its sum is another")
    if manifest is None:
        raise BackupError("there is nothing in it")
    if missing := sorted(manifest.files.keys() - seen):
        raise BackupError(f"cut off: {missing[0]} is missing")
    return manifest


def _copied(file: IO[bytes], place: Path) -> str:
    digest = hashlib.sha256()
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest()


def _check_account(settings: Settings, manifest: Manifest) -> None:
    ours = f"{settings.account.mode}-{settings.account.name}"
    if manifest.account != ours:
        raise ForeignBackupError(
            f"the backup is of {manifest.account}, and the configuration of {ours}"
        )
    given, kept = settings.account.number, manifest.account_number
    if given and kept and given != kept:
        raise ForeignBackupError(
            f"the backup is of account {kept}, and the configuration of {given}"
        )


def _check_chain(path: Path, manifest: Manifest) -> None:
    with Journal.open_readonly(path) as journal:
        mode, name, number = journal.account()
        verdict = journal.verify((manifest.head_seq, manifest.head_hash))
        head = journal.head()
    if not verdict.is_intact:
        raise BackupError(f"its journal is damaged: {verdict.fault}")
    if head != (manifest.head_seq, manifest.head_hash):
        raise BackupError("its journal goes on beyond the head that its manifest names")
    if (f"{mode}-{name}", number) != (manifest.account, manifest.account_number):
        raise ForeignBackupError(f"its journal is of {mode}-{name} {number}")


def _differing(settings: Settings, path: Path) -> tuple[str, ...]:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return ()
    except msgspec.DecodeError as error:
        raise BackupError(f"{CONFIG} in it cannot be read") from error
    now = {item.name: item.value for item in settings.items()}
    return tuple(name for name, value in kept.items() if now.get(name, value) != value)
