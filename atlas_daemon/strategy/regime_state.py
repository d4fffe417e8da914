"""The labels given so far, in one file: read, and replaced whole.

The file belongs to one source of bars and one set of parameters; any other reader starts anew. A
label that stands in it is never computed again.
"""

import hashlib
import os
import zlib
from pathlib import Path

import msgspec

from atlas_daemon.core.brain import RegimeModel

from .regime import EMPTY, Track

FORMAT = 1


class _Kept(msgspec.Struct, frozen=True):
    format: int
    owner: str
    track: Track
    digest: str
    """CRC-32 of the track as JSON: a damaged file is not half believed."""


def owner_of(source: str, model: RegimeModel) -> str:
    """Return what a track belongs to: the source of bars and all that changes a label."""
    penalty = float(model.penalty)  # 1.5 and 1.50 are the same
    parts = (source, model.lookback, penalty, model.mode, model.window, model.vix)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def read_state(path: Path, owner: str) -> tuple[Track, tuple[str, ...]]:
    """Return the kept track, and a note where there is a file and it cannot be used."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return EMPTY, ()
    except OSError as error:
        return EMPTY, (f"{path}: the labels given so far cannot be read: {error.strerror}",)
    try:
        kept = msgspec.json.decode(raw, type=_Kept)
        if kept.digest != _digest(kept.track):
            raise ValueError("it is damaged")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return EMPTY, (f"{path}: cannot be used, all labels are computed anew: {error}",)
    if kept.format != FORMAT or kept.owner != owner:
        return EMPTY, (f"{path} is of other bars or parameters: all labels are computed anew",)
    return kept.track, ()


def write_state(path: Path, owner: str, track: Track) -> tuple[str, ...]:
    """Replace the file. A note where that fails: the answer stands without it."""
    new = path.with_name(f"{path.name}.new")
    try:
        raw = msgspec.json.encode(_Kept(FORMAT, owner, track, _digest(track)))
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        return (f"{path}: the labels cannot be kept: {error.strerror}",)
    return ()


def _digest(track: Track) -> str:
    return f"{zlib.crc32(msgspec.json.encode(track)):08x}"
