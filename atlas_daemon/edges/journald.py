"""The console under systemd: each line an entry of its journal, with fields that can be asked for.

Lives here: the journal's native protocol (one datagram an entry) and what of a line becomes which
field. May not live here: what is worth a line. `journalctl ATLAS_COMPONENT=Daemon -p warning` finds
what it names; the time of an entry is the machine's, ATLAS_AT the daemon's own (New York).
"""

import os
import re
import socket
from collections.abc import Mapping

SOCKET_PATH = "/run/systemd/journal/socket"
PRIORITIES = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}
"""syslog(3)."""
WAIT_S = 0.25
MESSAGE_MAX = 150_000
"""Bytes: a datagram of some 200 kB is not taken."""
LINE = re.compile(
    r"\[(?P<at>[^]]+)\] \[(?P<level>[A-Z]+)\] (?P<component>[^:]+): (?P<text>.*)", re.S
)


class JournalConsole:
    """A stream for lines of the log. A journal that is stuck or gone holds nobody up.

    One that is only slow is waited for, `WAIT_S` at most; then every line that it does not take at
    once is dropped until it takes one again. The log's files have them all.
    """

    encoding = "utf-8"

    def __init__(self, account: str, path: str = SOCKET_PATH) -> None:
        self._account, self._path = account, path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(WAIT_S)

    def write(self, text: str) -> int:
        """Send a line, or several, as one entry."""
        text = text.rstrip("\n")
        fields = {"MESSAGE": text, "PRIORITY": "6"}
        if (line := LINE.fullmatch(text)) is not None:
            fields = {
                "MESSAGE": f"{line['component']}: {line['text']}",
                "PRIORITY": str(PRIORITIES.get(line["level"], 6)),
                "ATLAS_COMPONENT": line["component"],
                "ATLAS_AT": line["at"],
            }
        fields |= {"SYSLOG_IDENTIFIER": "atlasd", "ATLAS_ACCOUNT": self._account}
        try:
            self._socket.sendto(b"".join(_field(*item) for item in fields.items()), self._path)
        except OSError:
            self._socket.settimeout(0)
            return 0
        self._socket.settimeout(WAIT_S)
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def is_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """True where systemd has tied this descriptor to its journal (JOURNAL_STREAM=device:inode)."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _field(name: str, value: str) -> bytes:
    text = value.encode(errors="backslashreplace")[:MESSAGE_MAX]
    if b"\n" not in text:
        return b"%s=%s\n" % (name.encode(), text)
    return b"%s\n%s%s\n" % (name.encode(), len(text).to_bytes(8, "little"), text)
