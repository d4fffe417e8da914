"""What systemd is told: readiness, a line for people, the watchdog's ping. Nothing where it is not.

The protocol is one datagram (sd_notify(3)); the packages for it were found wanting
(docs/dependencies.md).
"""

import os
import socket
from collections.abc import Mapping


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
