"""TCP in memory, on virtual time: the loop that dials it and the client's end of a connection.

Only what the kernel does stands here: names, connections, bytes in order, closing and resetting,
flow control. What is said over a connection and what goes wrong there is the far end's.
"""

import asyncio
import random
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import aiohttp
import aiohttp.connector

from tests.simulation.loop import Timeline, VirtualLoop

MTU_BYTES = 1448
HEAD_BYTES = 60
GAP_S = 0.0003
"""Between two segments of one message."""


class FarEnd(Protocol):
    """The other side of a connection, as the client's transport meets it."""

    client: "MemoryTransport"

    def leaving(self, data: bytes) -> None:
        """The client writes: the bytes leave the process now."""

    def client_closed(self) -> None:
        """The client has closed its end."""


class CountedFuture(asyncio.Future):
    """A future whose hash is its number: sets of futures iterate in the same order in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class MemoryLoop(VirtualLoop):
    """A virtual loop whose connections end at `dial`; its name service is `resolve`."""

    def __init__(
        self,
        timeline: Timeline,
        dial: Callable[[], Awaitable[FarEnd]],
        resolve: Callable[[str], None],
    ) -> None:
        super().__init__(timeline)
        self._dial, self._resolve = dial, resolve
        self._future_number = 0
        self.transports: list[MemoryTransport] = []
        self.sessions: list[aiohttp.ClientSession] = []

    def create_future(self) -> CountedFuture:
        future = CountedFuture(loop=self)
        self._future_number = future.number = self._future_number + 1
        return future

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        self._resolve(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    async def sock_connect(self, sock: socket.socket, address: object) -> None:
        pass  # `create_connection` dials

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], Any], *, sock: socket.socket, ssl: object = None, **more: Any
    ) -> Any:
        sock.close()
        if ssl is None:
            raise RuntimeError("keys were about to be sent without TLS")
        far_end = await self._dial()
        protocol = factory()
        far_end.client = transport = MemoryTransport(self, protocol, far_end)
        self.transports.append(transport)
        protocol.connection_made(transport)
        return transport, protocol

    def run_forever(self) -> None:
        with _virtual_monotonic(self.timeline):
            super().run_forever()

    def run_until_complete(self, future: Any) -> Any:
        try:
            return super().run_until_complete(future)
        finally:
            if not self.is_dead:
                left = sum(not transport.is_closing() for transport in self.transports)
                self.complaints += [f"{left} connections were left open"] * bool(left)

    def bury(self) -> None:
        super().bury()
        for session in self.sessions:  # else their finalizers would complain of a killed process
            if (connector := session.connector) is not None:
                session.detach()
                connector._closed = True


@contextmanager
def _virtual_monotonic(timeline: Timeline) -> Iterator[None]:
    """Let aiohttp's pool age its connections by the world's time, not by the machine's."""
    aiohttp.connector.monotonic = lambda: timeline.now_s  # type: ignore[attr-defined]
    try:
        yield
    finally:
        aiohttp.connector.monotonic = time.monotonic  # type: ignore[attr-defined]


class MemoryTransport(asyncio.Transport):
    """The client's end. The far end calls `deliver`, `ended`, `lost`, `choke` and `relieve`."""

    def __init__(self, loop: MemoryLoop, protocol: Any, far_end: FarEnd) -> None:
        super().__init__()
        self._loop, self._protocol, self._far_end = loop, protocol, far_end
        self._is_closing = self._is_gone = self._is_choked = False
        self._unread: deque[bytes | None] | None = None
        """What came while reading is paused, None for the end; None while it is not."""

    # What the client asks of it.

    def write(self, data: Any) -> None:
        if not self._is_deaf:
            self._far_end.leaving(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(None)

    def pause_reading(self) -> None:
        if self._unread is None:
            self._unread = deque()

    def resume_reading(self) -> None:
        held, self._unread = self._unread, None
        for data in held or ():
            self._loop.call_soon(self._take, data)

    def is_reading(self) -> bool:
        return self._unread is None

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 443) if name == "peername" else default

    # What reaches it.

    @property
    def _is_deaf(self) -> bool:
        return self._is_closing or self._loop.is_dead

    def deliver(self, data: bytes) -> None:
        if not self._is_deaf:
            self._loop.call_soon(self._take, data)

    def ended(self) -> None:
        """The other side has closed; what it sent before is read first."""
        if not self._is_deaf:
            self._loop.call_soon(self._take, None)

    def lost(self) -> None:
        """The connection is reset; what was not read is gone."""
        if not self._is_deaf:
            self._loop.call_soon(self._close, ConnectionResetError(104, "reset by peer"))

    def choke(self) -> None:
        """The send buffer is full."""
        if not self._is_deaf and not self._is_choked:
            self._is_choked = True
            self._loop.call_soon(self._say, "pause_writing")

    def relieve(self) -> None:
        """The send buffer has drained."""
        if not self._is_deaf and self._is_choked:
            self._is_choked = False
            self._loop.call_soon(self._say, "resume_writing")

    def _say(self, name: str) -> None:
        if not self._is_gone:
            getattr(self._protocol, name)()

    def _take(self, data: bytes | None) -> None:
        if self._is_closing:
            return
        if self._unread is not None:
            self._unread.append(data)
        elif data is not None:
            self._protocol.data_received(data)
        elif not self._protocol.eof_received():
            self.close()

    def _close(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if self._loop.is_dead or self._loop.is_closed():
            return
        self._far_end.client_closed()
        self._loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        self._is_gone = True
        self._protocol.connection_lost(error)


class Direction:
    """One direction of a connection: everything arrives in order, or nothing does any more."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._last_s = 0.0
        self._under_way: deque[Callable[[], None]] = deque()
        self.is_stalled = False

    def carry(self, arrive: Callable[[], None], delay_s: float) -> None:
        """Let something arrive `delay_s` seconds from now, after all that was sent before it."""
        if self.is_stalled:
            return
        now_s = self._timeline.now_s
        self._last_s = max(self._last_s, now_s + delay_s)
        self._under_way.append(arrive)
        self._timeline.after(max(0.0, self._last_s - now_s), self._arrive)

    def stall(self) -> None:
        """A packet is lost for good: what is under way arrives, nothing after it."""
        self.is_stalled = True

    def drop(self) -> None:
        """Nobody is there any more: not even what is under way arrives."""
        self.is_stalled = True
        self._under_way.clear()

    def _arrive(self) -> None:
        if self._under_way:
            self._under_way.popleft()()


def segments(data: bytes, way: str, chance: random.Random) -> list[bytes]:
    """Cut a message as TCP might: `whole`, by `mtu`, in some `pieces`, or its head in `bytes`."""
    size = len(data)
    if way == "mtu":
        cuts = list(range(MTU_BYTES, size, MTU_BYTES))
    elif way == "pieces" and size > 4:
        cuts = sorted(chance.sample(range(1, size), chance.randint(1, 3)))
    elif way == "bytes":
        cuts = list(range(1, min(size, HEAD_BYTES)))
    else:
        return [data]
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]


__all__ = ["GAP_S", "Direction", "FarEnd", "MemoryLoop", "MemoryTransport", "segments"]
