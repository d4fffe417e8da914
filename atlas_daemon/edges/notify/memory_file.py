"""An outbox on disk: JSON, written whole beside the old one, fsynced, swapped in."""

import os
from pathlib import Path

import msgspec

from .outbox import Memory


def read(path: Path) -> Memory | None:
    """Return what is kept at `path`; None where nothing is. Raises ValueError, OSError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(raw, type=Memory)


def write(path: Path, memory: Memory) -> None:
    """Put it on the disk. Raises OSError; then the old one is still there."""
    beside = path.with_suffix(".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(msgspec.json.encode(memory))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
