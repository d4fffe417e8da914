"""The broker's memory between two runs: everything in one JSON file, replaced atomically."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from atlas_daemon.paper.accounts import Account

FORMAT = 1


class StateFileError(Exception):
    """The state file cannot be used. Its text is one line meant for a person."""


@dataclass
class Memory:
    """What survives: all accounts with orders and history, the counters, the time."""

    format: int
    at: datetime
    order_count: int
    account_count: int
    accounts: list[Account]


def load(path: Path) -> Memory | None:
    """What a former run left, or None where there is no file. Raises StateFileError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFileError(f"{path}: {error.strerror}") from error
    try:
        memory = msgspec.json.decode(raw, type=Memory)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise StateFileError(f"{path}: not a state file of the local broker ({error})") from error
    if memory.format != FORMAT:
        raise StateFileError(f"{path}: format {memory.format}, this program reads {FORMAT}")
    return memory


def save(path: Path, memory: Memory) -> None:
    """Write beside the file, flush, then put it in its place. Raises StateFileError."""
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(memory))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StateFileError(f"{path}: {error.strerror}") from error
