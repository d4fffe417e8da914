"""Fingerprints of what evidence is bound to: the code that trades, and what it was told to do.

Lives here: which files and which sections count. May not live here: what a change of them means.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

from atlas_daemon.core.errors import ConfigError

from .settings import Settings

CODE_ROOMS = ("bars", "core", "edges", "journal", "strategy")
"""Every file below these that Python would import counts."""
CODE_FILES = ("bus.py", "outlet.py", "scanners.py", "worker.py")
"""The inbox, the fence, and what leads from bars to signals."""
SECTIONS = ("strategy", "regime", "risk", "rebalance")
"""What is traded, how much of it and when. Where a value is `file:PATH`, its path counts."""

_PACKAGE = Path(__file__).resolve().parent.parent
_CACHE = "__pycache__"
_IMPORTED = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES)
"""An extension module goes before a source file of its name, and bytecode stands in for none."""


@cache
def code_digest() -> str:
    """Return the SHA-256 (hex) of the code that trades, as this process found it on the disk.

    Looked at once: what a later upgrade puts in its place is not what this process runs.
    Raises ConfigError as `digest_of_code`.
    """
    return digest_of_code(_PACKAGE)


def digest_of_code(package: Path) -> str:
    """Return the SHA-256 (hex) over names and bytes of the files that count in `package`.

    The same code gives the same digest wherever it lies and however its lines end. Raises
    ConfigError where a file cannot be read, or a room has no source: a digest of less than the
    code would be no proof.
    """
    whole = hashlib.sha256()
    for path in _files_that_count(package):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        if path.suffix in SOURCE_SUFFIXES:  # as Python reads it
            content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        name = path.relative_to(package).as_posix()
        whole.update(f"{name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def sections_digest(settings: Settings) -> str:
    """Return the SHA-256 (hex) of the values in force of the sections that evidence is bound to."""
    return settings.digest(*SECTIONS)


def _files_that_count(package: Path) -> list[Path]:
    found = [package / name for name in CODE_FILES]
    for room in CODE_ROOMS:
        files = sorted(_imported_below(package / room))
        if not any(path.suffix in SOURCE_SUFFIXES for path in files):
            raise ConfigError(f"{package / room}: no source files: the code cannot be told apart")
        found += files
    return found


def _imported_below(room: Path) -> Iterator[Path]:
    """Yield what an import can find; a folder that is a link is as good as one."""
    for place, folders, names in os.walk(room, onerror=_refuse, followlinks=True):
        folders[:] = [folder for folder in folders if folder != _CACHE]
        yield from (Path(place, name) for name in names if name.endswith(_IMPORTED))


def _refuse(error: OSError) -> None:
    raise ConfigError(f"{error.filename}: cannot be read: {error.strerror}") from error
