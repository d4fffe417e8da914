"""Making a backup while the daemon runs: one file, whole or not at all.

The journal is copied by SQLite itself, as of one commit; what stands beside it is swapped by its
writers, so that each read sees a whole one. Keys, tokens and the lock are not in it.
"""

import hashlib
import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from atlas_daemon import __version__
from atlas_daemon.config import Settings
from atlas_daemon.journal import Journal
from atlas_daemon.journal.codec import moment_text

from .manifest import CONFIG, FORMAT, JOURNAL, NAME, BackupError, Manifest, Part, is_safe, is_state

SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Packed:
    """A backup that is on disk."""

    path: Path
    size: int
    manifest: Manifest


def pack(settings: Settings, target: Path, at: datetime, *, has_logs: bool = False) -> Packed:
    """Write the account's state to `target`, which must not exist yet; mode 0600, synced.

    Raises BackupError for a journal that does not verify or a place that cannot be written,
    JournalError for one that is not the account's.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: a backup replaces nothing")
    for kept in (settings.state_dir, *([settings.log_dir] if has_logs else [])):
        if target.parent.resolve().is_relative_to(kept.resolve()):  # the next one would hold it too
            raise BackupError(f"{target} lies in {kept}, which it is of: choose another folder")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
            contents = _gathered(settings, Path(folder), has_logs=has_logs)
            manifest = _manifest(settings, Path(folder) / JOURNAL, contents, at)
            draft = Path(folder) / "archive"
            _write(draft, manifest, contents, at)
            if os.geteuid() == 0:  # what root's command makes belongs to whom the folder belongs
                owner = target.parent.stat()
                os.chown(draft, owner.st_uid, owner.st_gid)
            draft.rename(target)
            sync_folder(target.parent)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror or error}") from error
    return Packed(target, target.stat().st_size, manifest)


def sync_folder(folder: Path) -> None:
    """Put on disk which files a folder has."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def config_document(settings: Settings) -> bytes:
    """Return the values in force as JSON; secret ones are not in it."""
    values = {item.name: item.value for item in settings.items() if not _is_secret(item.name)}
    return msgspec.json.format(msgspec.json.encode(values))


def _is_secret(name: str) -> bool:
    from atlas_daemon.config import KEYS

    return KEYS[name].secret


def _gathered(settings: Settings, folder: Path, *, has_logs: bool) -> dict[str, Path]:
    """Return each file's name and where a copy of it lies that nobody changes."""
    with Journal.open_readonly(settings.journal_path) as journal:
        journal.copy_to(folder / JOURNAL)
    (folder / CONFIG).write_bytes(config_document(settings))
    found = {JOURNAL: folder / JOURNAL, CONFIG: folder / CONFIG}
    for path in sorted(settings.state_dir.iterdir()):
        if path.is_file() and not path.is_symlink() and is_state(path.name):
            copy = folder / f"state-{path.name}"
            if _copied(path, copy):
                found[path.name] = copy
    if has_logs:
        for name, path in _logs(settings.log_dir):
            copy = folder / f"log-{path.name}"
            if _copied(path, copy):
                found[name] = copy
    return found


def _logs(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted((*folder.glob("*"), *folder.glob("archive/*"))):
        name = f"logs/{path.relative_to(folder)}"
        if path.is_file() and not path.is_symlink() and is_safe(name):
            yield name, path


def _copied(path: Path, copy: Path) -> bool:
    """Copy a file as it is at one moment; False where it went meanwhile."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return False
    if raw.startswith(SQLITE):
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            try:
                source.backup(target)
            except sqlite3.Error as error:
                raise BackupError(f"{path} cannot be copied: {error}") from error
    else:
        copy.write_bytes(raw)
    return True


def _manifest(
    settings: Settings, journal_path: Path, contents: Mapping[str, Path], at: datetime
) -> Manifest:
    with Journal.open_readonly(journal_path) as journal:
        verdict = journal.verify()
        mode, name, number = journal.account()
    if not verdict.is_intact:
        raise BackupError(f"the journal is damaged: {verdict.fault}")
    if (mode, name) != (settings.account.mode, settings.account.name):
        raise BackupError(f"{settings.journal_path} is the journal of {mode}-{name}")
    files = {name: Part(path.stat().st_size, sum_of(path)) for name, path in contents.items()}
    return Manifest(
        format=FORMAT,
        version=__version__,
        account_mode=mode,
        account_name=name,
        account_number=number,
        created_at=moment_text(at),
        head_seq=verdict.head_seq,
        head_hash=verdict.head_hash,
        files=files,
    )


def sum_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(draft: Path, manifest: Manifest, contents: Mapping[str, Path], at: datetime) -> None:
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            raw = msgspec.json.format(msgspec.json.encode(manifest))
            archive.addfile(_member(NAME, len(raw), at), io.BytesIO(raw))
            for name, path in contents.items():
                with path.open("rb") as source:
                    archive.addfile(_member(name, path.stat().st_size, at), source)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int, at: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(at.timestamp())
    return member
