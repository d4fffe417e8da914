"""A tap in the line between a real daemon and a real broker: loopback TCP, every word seen passing.

It tells what passes, holds a word back while it does, and may swallow it, or answer a request in
the broker's place.
"""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

PIECE = 65_536
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Kind(StrEnum):
    """What passes."""

    ORDER = "order"
    """A request that submits one."""
    REQUEST = "request"
    ANSWER = "answer"
    """The answer to an order."""
    REPLY = "reply"
    FRAME = "frame"
    """Something the stream tells."""


@dataclass(frozen=True, slots=True)
class Words:
    """One thing that passes; `client_order_id` where it is about an order's submission."""

    kind: Kind
    text: bytes
    client_order_id: str = ""


Hear = Callable[[Words], bool | bytes]
"""Told of each thing before it is passed on; True lets it pass, False cuts the connection, bytes
are the answer to a request that the broker never sees."""


class Tap:
    """Listens at a port of its own and passes everything on to the broker's."""

    def __init__(self, port: int, hear: Hear) -> None:
        self._there = ("127.0.0.1", port)
        self._hear = hear
        self._lock = threading.RLock()
        self._lines: dict[_Line, None] = {}
        self._threads: list[threading.Thread] = []
        door = self._open(0)
        self._door: socket.socket | None = door
        self.port = int(door.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def refuse(self) -> None:
        """Cut every connection, and refuse new ones from here on."""
        door, self._door = self._door, None
        if door is not None:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
        self.cut()

    def accept(self) -> None:
        """Take connections again."""
        if self._door is None:
            self._door = self._open(self.port)

    def cut(self) -> None:
        """Cut every connection."""
        with self._lock:
            lines = tuple(self._lines)
        for line in lines:
            line.cut()

    def close(self) -> None:
        """End every connection and every thread."""
        self.refuse()
        for thread in self._threads:
            thread.join()
        self.cut()  # what came in at the last moment
        while self._lines:
            time.sleep(0.001)

    def _open(self, port: int) -> socket.socket:
        door = socket.create_server(("127.0.0.1", port))
        thread = threading.Thread(target=self._welcome, args=(door,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return door

    def _welcome(self, door: socket.socket) -> None:
        with door, contextlib.suppress(OSError):
            while True:
                here, _ = door.accept()
                try:
                    there = socket.create_connection(self._there)
                except OSError:
                    here.close()
                    continue
                line = _Line(here, there, self._told, self._left)
                with self._lock:
                    self._lines[line] = None
                line.start()

    def _told(self, words: Words) -> bool | bytes:
        with self._lock:
            return self._hear(words)

    def _left(self, line: "_Line") -> None:
        with self._lock:
            self._lines.pop(line, None)


class _Line:
    """One connection, a thread for each direction."""

    def __init__(
        self,
        here: socket.socket,
        there: socket.socket,
        hear: Hear,
        on_end: Callable[["_Line"], None],
    ) -> None:
        self._here, self._there, self._hear, self._on_end = here, there, hear, on_end
        for end in (here, there):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_stream = False
        self._asked = ""
        """The id of the order whose answer comes next."""
        self._pumping = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        """Let words pass."""
        for pump in (self._pump_requests, self._pump_replies):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def cut(self) -> None:
        """End the connection on both sides."""
        for end in (self._here, self._there):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _run(self, pump: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            pump()
        self.cut()
        with self._lock:
            self._pumping -= 1
            is_last = not self._pumping
        if is_last:  # a socket must not be closed while another thread waits at it
            self._here.close()
            self._there.close()
            self._on_end(self)

    def _pump_requests(self) -> None:
        waiting = b""
        while piece := self._here.recv(PIECE):
            if self._is_stream:
                self._there.sendall(piece)
                continue
            waiting += piece
            while (end := _end_of_request(waiting)) is not None:
                request, waiting = waiting[:end], waiting[end:]
                if not self._pass_request(request):
                    return

    def _pass_request(self, request: bytes) -> bool:
        self._is_stream = request.startswith(b"GET /stream")
        words = Words(Kind.REQUEST, request)
        if request.startswith(b"POST /v2/orders"):
            self._asked = str(json.loads(request.partition(b"\r\n\r\n")[2])["client_order_id"])
            words = Words(Kind.ORDER, request, self._asked)
        verdict = self._hear(words)
        if isinstance(verdict, bytes):
            self._asked = ""
            self._here.sendall(verdict)
            return True
        if verdict:
            self._there.sendall(request)
        return verdict

    def _pump_replies(self) -> None:
        while piece := self._there.recv(PIECE):
            words = Words(Kind.REPLY, piece)
            if self._is_stream:
                words = Words(Kind.FRAME, piece)
            elif self._asked:
                words = Words(Kind.ANSWER, piece, self._asked)
                self._asked = ""
            if not self._hear(words):
                return
            self._here.sendall(piece)


def _end_of_request(text: bytes) -> int | None:
    """Where the first request in `text` ends; None while it is not all there."""
    head, separator, _ = text.partition(b"\r\n\r\n")
    if not separator:
        return None
    length = LENGTH.search(head)
    end = len(head) + len(separator) + (int(length[1]) if length else 0)
    return end if len(text) >= end else None
