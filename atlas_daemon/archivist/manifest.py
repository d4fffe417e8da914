"""The list in front of a backup: whose it is, how far its journal goes, each file's sum.

May not live here: reading or writing of files.
"""

import re
from collections.abc import Mapping

import msgspec

from atlas_daemon.core.errors import AtlasError

NAME = "manifest.json"
JOURNAL = "journal.db"
CONFIG = "config.json"
"""The values in force at the backup, without secrets: to compare with, not to be put back."""
FORMAT = 1
MANIFEST_MAX = 1024 * 1024
TOTAL_MAX = 8 * 1024**3
_SAFE = re.compile(r"(logs/(archive/)?)?[A-Za-z0-9_][A-Za-z0-9._-]{0,120}")
_NOT_KEPT = re.compile(
    r"journal\.db.*|config\.json|manifest\.json|lock|broker\.json.*|.*\.new|\..*"
    r"|.*-(wal|shm|journal)"  # of the database itself, and not of its copy
)


class BackupError(AtlasError):
    """A backup cannot be made, or is not fit to be restored; nothing was changed."""


class ForeignBackupError(BackupError):
    """The backup is of another account: of a mode, a name or a number."""

    exit_code = 78


class Part(msgspec.Struct, frozen=True):
    """A file of the backup."""

    size: int
    """Bytes."""
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in `manifest.json`."""

    format: int
    version: str
    """Of the program that made it."""
    account_mode: str
    account_name: str
    account_number: str
    created_at: str
    head_seq: int
    head_hash: str
    files: Mapping[str, Part]

    @property
    def account(self) -> str:
        """Mode and name: `paper-LARGE`."""
        return f"{self.account_mode}-{self.account_name}"


def read_manifest(raw: bytes) -> Manifest:
    """Return a manifest. Raises BackupError for one that is not ours, or names unsafe files."""
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BackupError(f"no backup of atlas_daemon: {NAME} cannot be read") from error
    if manifest.format != FORMAT:
        raise BackupError(f"format {manifest.format} of a later version: this one reads {FORMAT}")
    unsafe = [name for name in manifest.files if not _is_ours(name)]
    if unsafe:
        raise BackupError(f"a file may not be called {unsafe[0][:80]!r}")
    if JOURNAL not in manifest.files:
        raise BackupError(f"there is no {JOURNAL} in it")
    sizes = [part.size for part in manifest.files.values()]
    if min(sizes) < 0 or sum(sizes) > TOTAL_MAX:
        raise BackupError(f"its files have {sum(sizes)} bytes: at most {TOTAL_MAX} are taken")
    return manifest


def is_safe(name: str) -> bool:
    """True for the plain name of a file, or of a log: nothing that leads elsewhere."""
    return _SAFE.fullmatch(name) is not None


def _is_ours(name: str) -> bool:
    return (
        name in (JOURNAL, CONFIG) or (name.startswith("logs/") and is_safe(name)) or is_state(name)
    )


def is_state(name: str) -> bool:
    """True for a file of the state folder that a backup keeps beside the journal."""
    return is_safe(name) and _NOT_KEPT.fullmatch(name) is None
