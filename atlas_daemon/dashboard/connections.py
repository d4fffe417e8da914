"""The connections of the page: so many and no more, and none that holds on to us.

One that sends no whole question, or is idle, is ended by the web server's own timer; one that
takes nothing of its answer is ended here. A browser costs trading nothing: there is room for a
known number of them, and what they do not read is not kept for long.
"""

import asyncio
import resource
import socket
from collections.abc import Callable
from typing import cast

from aiohttp import web

MOST = 256
SHARE = 4
"""Of the files that the process may open, one in so many: the broker's and the journal's go first.
"""
SEND_BUFFER = 65_536
"""Bytes that the kernel holds of one answer: more would hide that nobody reads."""
LOOK_S = 5.0
STUCK_S = 20.0
"""An answer of which nothing was taken for so long is given up."""
WHOLE_S = 120.0
"""So is one of which there is still something left after so long."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 21\r\nRetry-After: 10\r\nConnection: close\r\n\r\ntoo many connections\n"
)


def room_for() -> int:
    """Return how many connections there may be under this process's limit of open files."""
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files_max == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, files_max // SHARE))


class Connections:
    """Makes the protocol of each new connection to `server`, and looks after those there are."""

    def __init__(
        self, server: web.Server, *, time: Callable[[], float], most: int | None = None
    ) -> None:
        self._server, self._time = server, time
        self.most = room_for() if most is None else most
        self._unread: dict[asyncio.WriteTransport, tuple[int, float, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def admit(self) -> asyncio.Protocol:
        """Return who speaks on a new connection: the server, or a short no."""
        if len(self._server.connections) >= self.most:
            return _Full()
        return self._server()

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Listen, and look at all connections every few seconds until `end`. Raises OSError."""
        loop = asyncio.get_running_loop()
        # So many are accepted in one pass of the loop, also of those that are only told no.
        crowd = max(1, self.most // SHARE)
        listener = await loop.create_server(self.admit, host, port, backlog=crowd)
        for each in listener.sockets:  # those that are accepted have it from here
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.begin()
        return listener

    def begin(self) -> None:
        """Look at all connections now, and again every few seconds."""
        self.look()
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self.begin)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """End every connection whose other side has taken nothing for too long."""
        now_s, had = self._time(), self._unread
        self._unread = {}
        for each in self._server.connections:
            transport = cast(asyncio.WriteTransport | None, each.transport)
            if transport is None:
                continue
            size = transport.get_write_buffer_size()
            before = had.get(transport)
            if not size:
                continue
            since_s = before[1] if before is not None and size >= before[0] else now_s
            begun_s = before[2] if before is not None else now_s
            if now_s - since_s >= STUCK_S or now_s - begun_s >= WHOLE_S:
                transport.abort()
            else:
                self._unread[transport] = (size, since_s, begun_s)

    def unread(self) -> int:
        """Return how many bytes of answers are held here because nobody took them yet."""
        there = (cast(asyncio.WriteTransport | None, x.transport) for x in self._server.connections)
        return sum(each.get_write_buffer_size() for each in there if each is not None)


class _Full(asyncio.Protocol):
    """Says that there is no room, and goes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        there = cast(asyncio.WriteTransport, transport)
        there.write(_FULL)
        there.close()
