"""The local broker on a stage: endpoints behind memory, an exchange woken when something is due.

The broker is the one that `atlasd paper` runs; only the port and the tick are not here.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from atlas_daemon.paper.api.patience import patient_runner
from atlas_daemon.paper.api.stream import SWITCHBOARD
from atlas_daemon.paper.desk import Desk, PaperConfig
from atlas_daemon.paper.server import application

from .memory_net import FarEnd, MemoryTransport, Wire
from .virtual_loop import Timeline

PEER = ("127.0.0.1", 50_000)
URL = "http://127.0.0.1:8182"
"""Where the broker seems to be; nothing listens there."""
TRAVEL_S = 0.02
"""One way between daemon and broker. Without any, a question and what came of it would be of one
moment."""
FOR_EVER_S = 1e9
"""Longer than any replay: a silent connection is nobody's fault on a clock that leaps."""


class StageBroker:
    """A desk, its endpoints, and the alarm that lets its exchange live on. Needs a running loop."""

    def __init__(self, config: PaperConfig, timeline: Timeline) -> None:
        self._timeline = timeline
        self.desk = Desk(config)
        self._runner = patient_runner(application(self.desk, (self._watched,)), config.patience_s)
        self._alarm: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Be there to be dialled."""
        await self._runner.setup()
        self.live_on()

    async def close(self) -> None:
        """Say farewell to the listeners."""
        if self._alarm is not None:
            self._alarm.cancel()
        await self._runner.app[SWITCHBOARD].close_all()
        await self._runner.cleanup()
        self.desk.close()

    async def dial(self) -> FarEnd:
        """Connect: return what the caller's transport writes into."""
        assert self._runner.server is not None
        await asyncio.sleep(TRAVEL_S)
        protocol = self._runner.server()
        theirs, back = Wire(self._timeline, TRAVEL_S), Wire(self._timeline, TRAVEL_S)
        transport = MemoryTransport(asyncio.get_running_loop(), protocol, back, PEER)
        protocol.connection_made(transport)
        return _Dialled(theirs, transport, back)

    def live_on(self) -> None:
        """Let the exchange live up to now, and wake again when something is due."""
        self.desk.settle()
        self._plan()

    def _plan(self) -> None:
        due = self.desk.exchange.engine.next_at
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        delay_s = (due - self.desk.clock.now()).total_seconds()
        self._alarm = loop.call_at(loop.time() + max(delay_s, 0.0), self.live_on)

    @web.middleware
    async def _watched(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """After whatever may have put something on the exchange's agenda, plan anew."""
        try:
            return await handler(request)
        finally:
            if request.method != "GET":
                self._plan()


class _Dialled:
    """The caller's end: once its transport is known, the broker's end writes into that."""

    def __init__(self, wire: Wire, broker_side: MemoryTransport, back: Wire) -> None:
        self._wire, self._back = wire, back
        wire.peer = broker_side

    @property
    def client(self) -> MemoryTransport:
        """The caller's transport."""
        return self._back.peer

    @client.setter
    def client(self, transport: MemoryTransport) -> None:
        self._back.peer = transport

    def leaving(self, data: bytes) -> None:
        """Carry bytes to the broker."""
        self._wire.leaving(data)

    def client_closed(self) -> None:
        """Tell the broker's end."""
        self._wire.client_closed()
