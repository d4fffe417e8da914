"""The watchdog's ping: proof that loop, inbox and journal work, and a line on where we stand.

Nothing else is proven by it: trouble with broker, stream or data is mode, status and alert, and a
kill would mend none of it. Runs only where systemd listens.
"""

import asyncio
from collections.abc import Callable

from atlas_daemon.edges.systemd import Notifier

STATUS_EVERY_S = 10.0
PINGS = 3
"""Pings within systemd's patience."""


class Watchdog:
    """Pings while ticks come out of the inbox and the journal takes a commit, or says why not.

    `commit` writes nothing new to the journal; it returns why the disk took it not, or an empty
    text. `line` is the status for people.
    """

    def __init__(
        self, notifier: Notifier, *, commit: Callable[[], str], line: Callable[[], str]
    ) -> None:
        self._notifier, self._commit, self._line = notifier, commit, line
        self._beats = 0
        self.pings = 0
        """How often systemd was told that all is well."""

    def beat(self) -> None:
        """Take note that a tick was taken: so was all that had been heard before it."""
        self._beats += 1

    def tell(self, *lines: str) -> None:
        """Tell where we stand now."""
        if self._notifier.is_heard:
            self._notifier.tell(*lines, f"STATUS={self._line()}")

    async def run(self) -> None:
        """Ping until cancelled; return at once where nobody listens."""
        if not self._notifier.is_heard:
            return
        patience_s = self._notifier.watchdog_s
        every_s = patience_s / PINGS if patience_s else STATUS_EVERY_S
        seen = -1
        while True:
            await asyncio.sleep(every_s)
            # A disk that hangs holds us up right here, which is what the watchdog is for. One that
            # is full or read-only is said instead: a start would find it as full.
            fault = self._commit()
            if self._beats != seen or fault:
                seen = self._beats
                self.pings += 1
                self.tell("WATCHDOG=1")
