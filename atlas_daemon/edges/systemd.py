"""What systemd is told: readiness, a line for people, the watchdog's ping. Nothing where it is not.

The protocol is one datagram (sd_notify(3)); the packages for it were found wanting
(docs/dependencies.md).
"""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

READ_AT_ONCE = 5_000
"""Entries of the journal between two words; on a slow disk some seconds."""
READING_S = 60.0

T = TypeVar("T")


def more_time(for_s: float) -> str:
    """Return the line by which a start or an end asks for so much time from now on."""
    return f"EXTEND_TIMEOUT_USEC={round(for_s * 1e6)}"


class Notifier:
    """Sends to NOTIFY_SOCKET; a full or missing socket never holds up the loop."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)
        self.watchdog_s = _watchdog_s(environ)

    @property
    def is_heard(self) -> bool:
        """True where somebody said that he listens."""
        return self._socket is not None

    def tell(self, *lines: str) -> bool:
        """Send `lines` as one message; return whether somebody took it."""
        if self._socket is None:
            return False
        text = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:
            return False
        return True

    def while_reading(self, entries: Iterable[T]) -> Iterator[T]:
        """Yield `entries`, asking for more time as they come: a long journal is no hang."""
        for number, entry in enumerate(entries, start=1):
            if number % READ_AT_ONCE == 0:
                status = f"STATUS=starting: {number} entries of the journal read"
                self.tell(more_time(READING_S), status)
            yield entry

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's patience in seconds; None where there is none for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) > 0 else None
