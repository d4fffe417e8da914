"""The latch: a file that stops all trading while it is there, whatever is in it."""

import os
from datetime import datetime
from pathlib import Path


class LatchFile:
    """STATE/HALTED. Written whole and fsynced; asked by looking at the disk, never remembered."""

    def __init__(self, path: Path, account: str = "") -> None:
        self.path = path
        self.account = account
        """Mode, name and number of the account, for whoever reads the file."""

    def is_on(self) -> bool:
        """True where the file is there, or where nobody can say: doubt keeps it on."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def write(self, by: str, reason: str, at: datetime) -> str:
        """Put the file there and on the disk; return why that failed, or an empty text.

        A latch that is on already stays as it is: who stopped first stays on record.
        """
        account = f" ({self.account})" if self.account else ""
        text = f"halted at {at.isoformat()} by {by}: {reason}{account}\n"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
        except FileExistsError:
            return ""
        except OSError as error:
            return f"{self.path}: {error.strerror}"
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        except OSError as error:
            return f"{self.path}: {error.strerror}"  # an empty file is a latch as well
        finally:
            os.close(descriptor)
        return self._sync_folder()

    def remove(self) -> str:
        """Take the file away; return why that failed, or an empty text."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            return f"{self.path}: {error.strerror}"
        return self._sync_folder()

    def _sync_folder(self) -> str:
        try:
            descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            return f"{self.path.parent}: {error.strerror}"
        return ""
