"""Bugs about the disk: what is written, when, and whether it lasts."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from atlas_daemon import bus
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AccountBusyError
from atlas_daemon.edges.lock import AccountLock
from atlas_daemon.journal import Journal, JournalFullError
from atlas_daemon.journal import file as journal_file
from tests.simulation.mutants.planting import planted
from tests.simulation.mutants.worlds import Focused
from tests.simulation.scenario import a_folder

FULL = Focused(chances={"slow_fill": 0.5}, events={"disk_full": 31.0})
UNWRITTEN = "an order of ours that the journal does not know"


@planted("the journal is written after the order is sent", UNWRITTEN)
def written_behind() -> Iterator[None]:
    append = Journal.append

    def later(self: Any, entries: Any) -> Any:
        waits = [*getattr(self, "waits", ()), *entries]
        sends = any(isinstance(entry.event, e.OrderSubmitted) for entry in entries)
        self.waits = waits if sends else []
        return self._head if sends else append(self, waits)

    with patch.object(Journal, "append", later):
        yield


@planted("commits are not synced", "a power cut loses orders and fills")
def not_synced() -> Iterator[None]:
    def set_up(path: object, connection: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")

    with (
        patch.object(journal_file, "set_up", set_up),
        patch("atlas_daemon.journal.journal.set_up", set_up),
    ):
        yield


@planted("a turn that the disk does not take goes out all the same", UNWRITTEN, world=FULL)
def out_unwritten() -> Iterator[None]:
    with patch.object(bus.Bus, "_may_be_held", lambda self, committed: True):
        yield


@planted("a full disk is logged and forgotten", UNWRITTEN, world=FULL)
def swallowed() -> Iterator[None]:
    append = Journal.append

    def quiet(self: Any, entries: Any) -> Any:
        with contextlib.suppress(JournalFullError):
            return append(self, entries)
        return self._head

    with patch.object(Journal, "append", quiet):
        yield


def a_second_daemon_ends() -> None:
    """Raise AssertionError where two processes may hold one account."""
    with a_folder() as folder:
        first, second = AccountLock(folder / "lock"), AccountLock(folder / "lock")
        first.take("paper-SIM")
        try:
            second.take("paper-SIM")
        except AccountBusyError:
            return
        finally:
            first.release()
            second.release()
    raise AssertionError("two processes hold one account")


@planted(
    "the lock is a file with a number in it",
    "two daemons trade one account",
    proof=a_second_daemon_ends,
)
def paper_lock() -> Iterator[None]:
    def take(self: Any, account: str) -> None:
        self.path.write_text(account)

    with patch.object(AccountLock, "take", take):
        yield
