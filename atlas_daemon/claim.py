"""Who holds the account: its lock, journal and latch, and the one number that all three carry.

Lives here: that no other process and no other account gets between them. May not live here: what
the journal says.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from datetime import datetime

from atlas_daemon.config import Settings
from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.edges.folders import make_folder
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.lock import AccountLock
from atlas_daemon.journal import Journal, JournalError, JournalFullError

OWNER_NAME = "ACCOUNT"
"""In the log folder: whose files these are. The trades files have no column for it."""


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
        """Open the journal and tie it, and the log folder, to the account.

        Raises JournalError, ConfigError. The log folder is one account's, as each start puts the
        day's trades file right anew.
        """
        settings = self._settings
        self.journal = Journal.open(
            settings.journal_path,
            account_mode=settings.mode,
            account_name=settings.account.name,
            connect=connect,
            now=now,
        )
        try:
            self.name(self.number)
            claim_log_folder(settings)
        except AtlasError:
            self.journal.close()
            raise
        return self.journal

    @property
    def number(self) -> str:
        """The account's number; empty until somebody has named it."""
        return self._settings.account.number or self._named or self.journal.account()[2]

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


def claim_log_folder(settings: Settings) -> None:
    """Write into the log folder whose it is. Raises ConfigError where it is another account's."""
    path = settings.log_dir / OWNER_NAME
    ours = f"[{settings.account.mode.upper()}] {settings.account.name}"
    try:
        theirs = path.read_text("utf-8", "replace").strip()
    except OSError:
        theirs = ""
    if theirs and theirs != ours:
        raise ConfigError(
            f"paths.log_dir {settings.log_dir} has the files of {theirs[:80]!r}, and this is "
            f"{ours}: give this one a folder of its own"
        )
    if not theirs:
        with contextlib.suppress(OSError):  # a full disk: it is written at the next start
            path.write_text(f"{ours}\n", "utf-8")


def refuse_foreign_folder(settings: Settings) -> None:
    """Raise ConfigError where the state folder is another account's: of a mode, name or number.

    A journal that cannot be read says nothing here; who needs it says so.
    """
    if not os.path.exists(settings.journal_path):  # noqa: PTH110  (no right to look is no journal)
        return
    try:
        with Journal.open_readonly(settings.journal_path) as journal:
            mode, name, number = journal.account()
    except JournalError:
        return
    account = settings.account
    pinned = account.number or number
    if (mode, name) != (account.mode, account.name) or number not in ("", pinned):
        raise ConfigError(
            f"paths.state_dir {settings.state_dir} belongs to account {number or '(no number)'} "
            f"({mode}-{name}), and the configuration is of {account.number or '(no number)'} "
            f"({account.mode}-{account.name})"
        )


def refuse_foreign_number(settings: Settings, told: str) -> None:
    """Raise ConfigError where the keys open (`told`) another account than the pinned one.

    Pinned by the configuration, else by the journal of the state folder.
    """
    pinned, where = settings.account.number, f"account.number ({settings.origin('account.number')})"
    if not pinned and os.path.exists(settings.journal_path):  # noqa: PTH110
        with Journal.open_readonly(settings.journal_path) as journal:
            pinned, where = journal.account()[2], f"the journal in {settings.state_dir}"
    if pinned and pinned != told:
        raise ConfigError(
            f"the keys open account {told or '(no number)'}, and {where} says {pinned}"
        )
