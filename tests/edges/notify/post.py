"""A small real webhook that fails as told, a loop whose time jumps, and a journal in a list."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from atlas_daemon.core import events as e
from atlas_daemon.edges.notify import Delivered, Letter, Messenger, Notice, Severity
from tests.e2e.fast_loop import FastLoop

START = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
HEAD = "ab" * 32


def play(story: Awaitable[Any]) -> Any:
    """Run to its end what waits for hours."""

    async def told() -> Any:
        return await story

    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(told())


def loop_now() -> datetime:
    """A clock that goes by the loop's own time."""
    return START + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass
class Post:
    """A webhook: each request takes the next fault; without one it is taken."""

    faults: deque[Any] = field(default_factory=deque)
    taken: list[Any] = field(default_factory=list)
    asked: list[tuple[str, str, datetime]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.asked.append((request.method, request.path_qs, loop_now()))
        fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault == "endless":
            answer = web.StreamResponse()
            await answer.prepare(request)
            while True:
                await answer.write(b"x" * 65536)
        if fault is not None:
            status, headers = fault if isinstance(fault, tuple) else (fault, {})
            return web.Response(status=status, headers=headers)
        self.taken.append(json.loads(raw) if raw else None)
        return web.Response(text="ok")


@asynccontextmanager
async def posted(*faults: Any) -> AsyncIterator[Post]:
    post = Post(deque(faults))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", post.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    post.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/secret-token"
    try:
        yield post
    finally:
        await runner.cleanup()


@dataclass
class Ears:
    """A channel that notes what it hears; `answers` are its verdicts, else it takes all."""

    answers: Callable[[], Any] = Delivered
    heard: list[Letter] = field(default_factory=list)
    name: str = "ears"
    limit: int = 2000
    delay_s: float = 0.1

    async def deliver(self, letter: Letter) -> Any:
        await asyncio.sleep(self.delay_s / 2)
        verdict = self.answers()
        if isinstance(verdict, Delivered):
            self.heard.append(letter)
            await asyncio.sleep(self.delay_s / 2)
        return verdict


class Paper:
    """A journal."""

    def __init__(self) -> None:
        self.entries: list[e.Entry] = []

    def write(self, event: e.Event, at: datetime) -> e.Entry:
        entry = e.Entry(len(self.entries) + 1, at, None, event)
        self.entries.append(entry)
        return entry

    def read(self, after: int = 0) -> Iterator[e.Entry]:
        return iter(self.entries[after:])

    def head(self) -> tuple[int, str]:
        return len(self.entries), HEAD


def messenger_of(
    *channels: Any, folder: Path, paper: Paper, now: Any = loop_now, secrets: tuple[str, ...] = ()
) -> Messenger:
    made = Messenger(
        channels, folder=folder, label="[PAPER] LARGE", head=paper.head, now=now, secrets=secrets
    )
    made.open(paper.read)
    return made


def notice(
    seq: int, text: str = "", severity: str = "warning", key: str = "order", at: datetime = START
) -> Notice:
    return Notice(seq, at, Severity(severity), key, text or f"text {seq}")


def alert(text: str, level: str = "warning", key: str = "order") -> e.AlertRaised:
    return e.AlertRaised(level, key, text)
