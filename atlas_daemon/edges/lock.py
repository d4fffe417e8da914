"""One daemon for an account: an advisory lock that dies with its process."""

import contextlib
import fcntl
import os
from pathlib import Path

from atlas_daemon.core.errors import AccountBusyError, ConfigError

_OPENING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""No link is followed: root's commands take the lock in a folder that is not root's."""


class AccountLock:
    """STATE/lock, held for as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self, account: str) -> None:
        """Hold the lock for `account`. Raises AccountBusyError where another instance has it."""
        try:
            descriptor = os.open(self.path, _OPENING, 0o600)
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise AccountBusyError(
                f"another instance holds {account}: {holder or self.path}"
            ) from None
        self._descriptor = descriptor
        if os.geteuid() == 0:  # what root's command makes belongs to whom the folder belongs
            owner = self.path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        self.name(account)

    def name(self, account: str) -> None:
        """Write into the file who holds it for which account: its mode, name and number."""
        if self._descriptor is None:
            return
        text = f"process {os.getpid()}, account {account}\n"
        with contextlib.suppress(OSError):  # a full disk: it is a word for people, no more
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)

    def release(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """True where some process holds the lock now."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)
