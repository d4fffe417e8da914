"""Who holds the account: its lock, journal and latch, and the one number that all three carry.

Lives here: that no other process and no other account gets between them. May not live here: what
the journal says.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import datetime

from atlas_daemon.config import Settings
from atlas_daemon.edges.folders import make_folder
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.lock import AccountLock
from atlas_daemon.journal import Journal, JournalFullError


class AccountClaim:
    """The claim of this process to its account, from `take` to `release`."""

    journal: Journal

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._account = f"{settings.account.mode}-{settings.account.name}"
        self._lock = AccountLock(settings.lock_path)
        self.latch = LatchFile(settings.latch_path)
        self._named = ""

    def take(self) -> None:
        """Make the folders and lock the account. Raises ConfigError, AccountBusyError."""
        settings = self._settings
        for folder in (settings.state_dir, settings.runtime_dir, settings.log_dir):
            make_folder(folder)
        self._lock.take(self._account)

    def open_journal(
        self, connect: Callable[..., sqlite3.Connection], now: Callable[[], datetime]
    ) -> Journal:
        """Open the journal and tie it to the account. Raises JournalError."""
        settings = self._settings
        self.journal = Journal.open(
            settings.journal_path,
            account_mode=settings.mode,
            account_name=settings.account.name,
            connect=connect,
            now=now,
        )
        self.name(self.number)
        return self.journal

    @property
    def number(self) -> str:
        """The account's number; empty until somebody has named it."""
        return self._settings.account.number or self.journal.account()[2]

    def name(self, number: str) -> None:
        """Tie all three to the account's number. Raises JournalError where theirs is another."""
        if number and number != self._named:
            with contextlib.suppress(JournalFullError):  # told as a fault; claimed at the next look
                self.journal.claim_number(number)
                self._named = number
            self._lock.name(f"{self._account} {number}")
            self.latch.account = f"{self._account} {number}"

    def release(self) -> None:
        """Let go of the account."""
        self._lock.release()
