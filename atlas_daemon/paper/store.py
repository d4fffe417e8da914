"""The broker's memory between two runs: one file, a snapshot and then every change as a line.

A line is a checksum, a blank, JSON and a newline, and is written by one call before what it tells
is answered or streamed: whoever is killed, at any moment, has told nobody what the file does not
know. A torn last line is cut off; any other damage is refused. Values only: who changes them, and
when, is the exchange's business; what a line looks like inside is `lines`'.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import msgspec

from atlas_daemon.paper.changes import AccountChange, Change, MarketState, Row
from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.orders import Activity, Order

FORMAT = 2
OLD_VERSIONS_MAX = 10_000
"""Replaced records of orders that a file may hold before a start writes it anew."""
_TAIL_BYTES = 1 << 20


class StateFileError(Exception):
    """The state file cannot be used. Its text is one line meant for a person."""


class Header(msgspec.Struct, frozen=True):
    """The first line: what the file is, and on which market its prices were made."""

    format: int
    market: str
    seed: int
    begun_on: date
    """New York date of the first start: a synthetic market is made around it."""


@dataclass
class _Parts:
    """One account as the lines read so far tell it."""

    head: dict[str, object] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    closing_equity: list[tuple[date, Decimal]] = field(default_factory=list)


@dataclass
class Memory:
    """What a file tells: all accounts with orders and history, the counters, the time."""

    header: Header
    at: datetime | None = None
    order_count: int = 0
    account_count: int = 0
    market: MarketState = field(default_factory=MarketState)
    accounts: list[Account] = field(default_factory=list)
    sound_bytes: int = 0
    """Bytes up to the end of the last whole line."""
    old_versions: int = 0
    """Records of orders that later ones in the file replace."""

    @property
    def is_wasteful(self) -> bool:
        """True where the file holds so much that is past that it should be written anew."""
        orders = sum(len(account.orders) for account in self.accounts)
        return self.old_versions > max(OLD_VERSIONS_MAX, orders // 2)


class StateFile:
    """An open state file, locked: a second broker on it is refused."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._is_unsynced = False

    def append(self, change: Change[Row]) -> None:
        """Write one change as one line; a kill right after it loses nothing. StateFileError."""
        line = _line(msgspec.json.encode(change))
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise StateFileError(f"{self.path}: {error.strerror}") from error
        if written != len(line):
            raise StateFileError(f"{self.path}: only a part of a line could be written")
        self._is_unsynced = True

    def sync(self) -> None:
        """Bring what was written to the disk, for a loss of power. Raises StateFileError."""
        if self._is_unsynced:
            self._is_unsynced = False
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                raise StateFileError(f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._descriptor)


def open_existing(path: Path) -> tuple[StateFile, Memory] | None:
    """What a former run left and the file to go on with; None where there is none.

    A torn last line is cut off. Raises StateFileError; a file that is refused is left as it is.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFileError(f"{path}: {error.strerror}") from error
    try:
        _lock(path, descriptor)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            raw = file.read()
        memory = _memory(path, raw)
        if memory.sound_bytes < len(raw):
            os.ftruncate(descriptor, memory.sound_bytes)
    except OSError as error:
        os.close(descriptor)
        raise StateFileError(f"{path}: {error.strerror}") from error
    except StateFileError:
        os.close(descriptor)
        raise
    return StateFile(path, descriptor), memory


def create(path: Path, header: Header, changes: Iterable[Change[Row]]) -> StateFile:
    """Write a new file whole, in the place of what is there, and keep it open.

    It appears under its name only when it is complete and on the disk. Raises StateFileError.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise StateFileError(f"{path}: {error.strerror}") from error
    try:
        _lock(path, descriptor)
        os.ftruncate(descriptor, 0)
        with os.fdopen(os.dup(descriptor), "ab") as file:
            file.write(_line(msgspec.json.encode(header)))
            for change in changes:
                file.write(_line(msgspec.json.encode(change)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        os.close(descriptor)
        raise StateFileError(f"{path}: {error.strerror}") from error
    except StateFileError:
        os.close(descriptor)
        raise
    return StateFile(path, descriptor)


def peek(path: Path) -> tuple[Header, datetime | None] | None:
    """The header and the time of the last change, without the rest. Raises StateFileError."""
    try:
        with path.open("rb") as file:
            first = file.readline(_TAIL_BYTES)
            file.seek(max(len(first), path.stat().st_size - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFileError(f"{path}: {error.strerror}") from error
    header = _header(path, _checked(first.removesuffix(b"\n")) or b"")
    for line in reversed(tail.split(b"\n")):
        sound = _checked(line)
        if sound is not None:
            with suppress(msgspec.DecodeError):
                return header, _CHANGES.decode(sound).at
    return header, None


_CHANGES = msgspec.json.Decoder(Change[Order])


def _memory(path: Path, raw: bytes) -> Memory:
    lines = _lines(path, raw)
    header, end = next(lines, (b"", 0))
    memory = Memory(_header(path, header), sound_bytes=end)
    parts: dict[str, _Parts] = {}
    try:
        for line, end in lines:
            _apply(memory, parts, _CHANGES.decode(line))
            memory.sound_bytes = end
        memory.accounts = [_account(one) for one in parts.values()]
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise StateFileError(f"{path}: not what this program has written ({error})") from error
    return memory


def _line(payload: bytes) -> bytes:
    return b"%08x %b\n" % (crc32(payload), payload)


def _checked(line: bytes) -> bytes | None:
    """What a line says, or None where its checksum does not fit."""
    payload = line[9:]
    return payload if line[:9] == b"%08x " % crc32(payload) else None


def _lines(path: Path, raw: bytes) -> Iterator[tuple[bytes, int]]:
    """Each sound line with the place where it ends. Raises StateFileError for a damaged one."""
    begin, number, damaged = 0, 0, 0
    while begin < len(raw):
        end = raw.find(b"\n", begin)
        stop = len(raw) if end < 0 else end + 1
        number += 1
        payload = _checked(raw[begin:end]) if end >= 0 else None
        if payload is None:
            damaged = damaged or number
        elif damaged:
            raise StateFileError(f"{path}: damaged in line {damaged}")
        else:
            yield payload, stop
        begin = stop


def _header(path: Path, line: bytes) -> Header:
    try:
        found = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        found = {}
    number = found.get("format")
    if not isinstance(number, int):
        raise StateFileError(f"{path}: not a state file of the local broker")
    if number != FORMAT:
        raise StateFileError(f"{path}: format {number}, this program reads {FORMAT}")
    try:
        return msgspec.convert(found, Header)
    except msgspec.ValidationError as error:
        raise StateFileError(f"{path}: its first line cannot be read ({error})") from error


def _apply(memory: Memory, parts: dict[str, _Parts], change: Change[Order]) -> None:
    memory.at = change.at
    memory.order_count = change.order_count
    memory.account_count = change.account_count
    if change.market is not None:
        memory.market = change.market
    for account_id in change.gone:
        parts.pop(account_id, None)
    for one in change.accounts:
        memory.old_versions += _enter(parts.setdefault(one.id, _Parts()), one)


def _enter(parts: _Parts, change: AccountChange[Order]) -> int:
    """Take a change into an account; return how many orders were known already."""
    if change.head is not None:
        parts.head = change.head
    for symbol, position in change.positions.items():
        if position is None:
            parts.positions.pop(symbol, None)
        else:
            parts.positions[symbol] = position
    before = len(parts.orders)
    parts.orders.update((order.id, order) for order in change.orders)
    if change.activities_from != len(parts.activities):
        raise ValueError("activities are missing")
    parts.activities += change.activities
    if change.closings_from != len(parts.closing_equity):
        raise ValueError("closing figures are missing")
    parts.closing_equity += change.closings
    return len(change.orders) - (len(parts.orders) - before)


def _account(parts: _Parts) -> Account:
    account = msgspec.convert(parts.head, Account)
    account.positions = parts.positions
    account.orders = {o.id: o for o in sorted(parts.orders.values(), key=lambda o: o.seq)}
    account.activities = parts.activities
    account.closing_equity = parts.closing_equity
    account.__post_init__()
    return account


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateFileError(f"{path}: another broker is using it") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
