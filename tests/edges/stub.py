"""A small real HTTP and websocket server that answers as told, and a clock driven by hand."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

HANG = "hang"
RESET = "reset"

Link = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class HandClock:
    """Time that passes only by sleeping."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Stub:
    """Gives each request the next answer; each websocket the next link."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.answers: deque[Any] = deque()
        self.links: deque[Link | int] = deque()
        self.said: list[Any] = []
        self.closed_with: list[int | None] = []
        self.url = ""
        self._hang = asyncio.Event()

    def answer(self, body: Any = None, status: int = 200, **headers: str) -> "Stub":
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, b"" if body is None else raw, named))
        return self

    def fail(self, how: str) -> "Stub":
        self.answers.append(how)
        return self

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.rstrip("/") == "/stream":
            return await self._link(request)
        self.requests.append(
            Seen(
                request.method,
                request.raw_path.split("?")[0],
                dict(request.query),
                dict(request.headers),
                await request.read(),
            )
        )
        told = self.answers.popleft()
        if told == HANG:
            await self._hang.wait()
            return web.Response()
        if told == RESET:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, body, headers = told
        return web.Response(status=status, body=body, headers=headers)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        told = self.links.popleft() if self.links else 503
        if isinstance(told, int):
            return web.Response(status=told, headers={"Location": "/elsewhere"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await told(socket, request)
        self.closed_with.append(socket.close_code)
        return socket

    async def heard(self, socket: web.WebSocketResponse) -> Any:
        """The next message of the client; None when it closes."""
        message = await socket.receive()
        if message.type is not WSMsgType.TEXT:
            return None
        self.said.append(json.loads(message.data))
        return self.said[-1]


@asynccontextmanager
async def running_stub() -> AsyncIterator[Stub]:
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", stub._handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        stub._hang.set()
        await runner.cleanup()
