"""The process and its disk: every act of the daemon that the world can see passes here.

A kill is a fence: from that act on nothing of the process reaches the world. The journal is real
SQLite on a real file; COMMIT is the only thing that lasts, with a kill point on each side of it.
"""

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.simulation.loop import VirtualLoop


class KilledError(BaseException):
    """What code of a dead process runs into: no handler of the daemon's catches it."""


class Acts:
    """Counts the acts of all lives; a kill may wait for one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.kill_at: set[int] = set()
        self.names: list[str] = []
        self.on_kill: Callable[[str], None] = lambda act: None


class Process:
    """One life of the daemon."""

    def __init__(self, loop: VirtualLoop, acts: Acts) -> None:
        self.loop, self._acts = loop, acts

    @property
    def is_dead(self) -> bool:
        return self.loop.is_dead

    def check(self) -> None:
        """Raise where the process is dead."""
        if self.loop.is_dead:
            raise KilledError

    def act(self, name: str) -> None:
        """One visible act; kill -9 may strike here."""
        self.check()
        self._acts.count += 1
        self._acts.names.append(name)
        if self._acts.count in self._acts.kill_at:
            self.kill(name)
            raise KilledError

    def kill(self, name: str) -> None:
        """Not one more instruction."""
        if not self.loop.is_dead:
            self.loop.is_dead = True
            self._acts.on_kill(name)


class Disk:
    """What is on disk, seen from outside: which orders were written as submitted, and when full."""

    def __init__(self, fired: Counter[str]) -> None:
        self.is_full = False
        self._fired = fired
        self.intents: set[str] = set()
        """Orders whose OrderSubmitted entry is committed."""
        self.unsynced: list[bytes] = []
        """What the file held before each commit that was not synced: a power cut may undo those."""

    def refuse(self) -> None:
        """What SQLite says on a full disk."""
        self._fired["disk_full"] += 1
        raise sqlite3.OperationalError("database or disk is full")

    def cut_power(self, path: Path, chance: random.Random) -> None:
        """Lose the tail of what was committed without being synced; synced commits stay."""
        if not self.unsynced:
            return
        for name in (f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        path.write_bytes(chance.choice(self.unsynced))
        self.unsynced.clear()

    def connect(self, process: Process) -> Callable[..., sqlite3.Connection]:
        """Return what stands where `sqlite3.connect` stands."""

        def connect(*args: Any, **more: Any) -> sqlite3.Connection:
            process.check()
            connection = sqlite3.connect(*args, factory=Connection, **more)
            connection.disk, connection.process = self, process
            return connection

        return connect


class Connection(sqlite3.Connection):
    """A connection whose process may die and whose disk may be full."""

    disk: Disk
    process: Process
    is_synced = False
    _written: tuple[str, ...] = ()
    _before = b""

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if not hasattr(self, "process"):
            return super().execute(sql, *args)
        self.process.check()
        if sql.startswith("PRAGMA synchronous"):
            self.is_synced = sql.endswith("FULL")
        if sql.startswith("UPDATE") and self.disk.is_full:
            self.disk.refuse()
        if sql != "COMMIT":
            return super().execute(sql, *args)
        self.process.act("commits")
        if not self.is_synced:
            self.disk.unsynced.append(self._before)
        done = super().execute(sql)
        self.disk.intents.update(self._written)
        self._written = ()
        self.process.act("has committed")
        return done

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        self.process.check()
        if self.disk.is_full:
            self.disk.refuse()
        rows = list(rows)
        if not self.is_synced:
            self._before = sqlite3.Connection.serialize(self)
        self._written = tuple(
            json.loads(row[4])["order_id"] for row in rows if row[3] == "OrderSubmitted"
        )
        return super().executemany(sql, rows)
