"""TCP in memory, on virtual time: the loop that dials it and one end of a connection.

Only what the kernel does stands here: names, connections, bytes in order, closing and resetting,
flow control. What is said over a connection and what goes wrong there is the far end's.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from .virtual_loop import Timeline, VirtualLoop


class FarEnd(Protocol):
    """The other side of a connection, as this side's transport meets it."""

    client: "MemoryTransport"

    def leaving(self, data: bytes) -> None:
        """Take what is written: the bytes leave the process now."""

    def client_closed(self) -> None:
        """Hear that this side has closed its end."""


class CountedFuture(asyncio.Future[Any]):
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
        resolve: Callable[[str], None] = lambda host: None,
    ) -> None:
        super().__init__(timeline)
        self._dial, self._resolve = dial, resolve
        self._future_number = 0

    def create_future(self) -> CountedFuture:
        """A numbered future."""
        future = CountedFuture(loop=self)
        self._future_number = future.number = self._future_number + 1
        return future

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """One address for each name that `resolve` lets pass."""
        self._resolve(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    async def sock_connect(self, sock: socket.socket, address: object) -> None:
        """Nothing: `create_connection` dials."""

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], Any], *, sock: socket.socket, **more: Any
    ) -> Any:
        """Dial, and give the protocol its transport."""
        sock.close()
        far_end = await self._dial()
        protocol = factory()
        far_end.client = transport = self.make_transport(protocol, far_end)
        protocol.connection_made(transport)
        return transport, protocol

    def make_transport(self, protocol: Any, far_end: FarEnd) -> "MemoryTransport":
        """Return this side's end of a new connection."""
        return MemoryTransport(self, protocol, far_end)


class MemoryTransport(asyncio.Transport):
    """One end. The far end calls `deliver`, `ended`, `lost`, `choke` and `relieve`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: Any,
        far_end: FarEnd,
        peer: tuple[str, int] = ("192.0.2.1", 443),
    ) -> None:
        super().__init__()
        self._loop, self._protocol, self._far_end = loop, protocol, far_end
        self._peer = peer
        self._is_closing = self._is_gone = self._is_choked = False
        self._unread: deque[bytes | None] | None = None
        """What came while reading is paused, None for the end; None while it is not."""

    # What this side asks of it.

    def write(self, data: Any) -> None:
        """Send bytes."""
        if not self._is_deaf:
            self._far_end.leaving(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        """Send bytes as one."""
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """True from the close on."""
        return self._is_closing

    def close(self) -> None:
        """Close; what was sent before arrives."""
        self._close(None)

    def abort(self) -> None:
        """Close."""
        self._close(None)

    def set_protocol(self, protocol: Any) -> None:
        """Let another protocol go on with the connection."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """The protocol in charge."""
        return self._protocol

    def pause_reading(self) -> None:
        """Keep what comes."""
        if self._unread is None:
            self._unread = deque()

    def resume_reading(self) -> None:
        """Hand over what was kept, in order."""
        held, self._unread = self._unread, None
        for data in held or ():
            self._loop.call_soon(self._take, data)

    def is_reading(self) -> bool:
        """True while nothing is kept back."""
        return self._unread is None

    def get_write_buffer_size(self) -> int:
        """Nothing waits here: the far end has it."""
        return 0

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        """No buffer, no limits."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer's address, and nothing else."""
        return self._peer if name == "peername" else default

    # What reaches it.

    @property
    def _is_deaf(self) -> bool:
        return self._is_closing

    def deliver(self, data: bytes) -> None:
        """Bytes arrive."""
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
        if self._is_over():
            return
        self._far_end.client_closed()
        self._loop.call_soon(self._end, error)

    def _is_over(self) -> bool:
        """True where nobody is left to be told that the connection has ended."""
        return self._loop.is_closed()

    def _end(self, error: Exception | None) -> None:
        self._is_gone = True
        self._protocol.connection_lost(error)


class Wire:
    """One end of a connection whose other end is in this process too: a delay, and no loss.

    `client` is the transport that writes into this end, `peer` the one that hears it.
    """

    client: MemoryTransport
    peer: MemoryTransport

    def __init__(self, timeline: Timeline, travel_s: float) -> None:
        self._timeline, self._travel_s = timeline, travel_s

    def leaving(self, data: bytes) -> None:
        """Deliver after the way."""
        self._timeline.after(self._travel_s, lambda: self.peer.deliver(data))

    def client_closed(self) -> None:
        """Tell the peer, after all that was sent."""
        self._timeline.after(self._travel_s, lambda: self.peer.ended())
