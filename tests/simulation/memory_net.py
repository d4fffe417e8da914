"""TCP in memory as the simulation has it: a client that may be killed, and lossy directions.

Loop and transport are the package's own (`atlas_daemon.stage`); what goes wrong on the way is here.
"""

import random
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import aiohttp.connector

from atlas_daemon.stage import memory_net
from atlas_daemon.stage.memory_net import FarEnd
from tests.simulation.loop import Timeline, VirtualLoop

MTU_BYTES = 1448
HEAD_BYTES = 60
GAP_S = 0.0003
"""Between two segments of one message."""


class MemoryLoop(memory_net.MemoryLoop, VirtualLoop):
    """A life's loop whose connections end at `dial`; its name service is `resolve`."""

    def __init__(
        self,
        timeline: Timeline,
        dial: Callable[[], Awaitable[FarEnd]],
        resolve: Callable[[str], None],
    ) -> None:
        super().__init__(timeline, dial, resolve)
        self.transports: list[MemoryTransport] = []
        self.sessions: list[aiohttp.ClientSession] = []

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], Any], *, sock: socket.socket, ssl: object = None, **more: Any
    ) -> Any:
        if ssl is None:
            sock.close()
            raise RuntimeError("keys were about to be sent without TLS")
        return await super().create_connection(factory, sock=sock, **more)

    def make_transport(self, protocol: Any, far_end: FarEnd) -> "MemoryTransport":
        transport = MemoryTransport(self, protocol, far_end)
        self.transports.append(transport)
        return transport

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


class MemoryTransport(memory_net.MemoryTransport):
    """The client's end; nothing reaches a dead one."""

    _loop: MemoryLoop

    @property
    def _is_deaf(self) -> bool:
        return self._is_closing or self._loop.is_dead

    def _is_over(self) -> bool:
        return self._loop.is_dead or self._loop.is_closed()


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
