"""Stands before the local broker on a socket of its own, and counts who wants what.

It may also lie as a proxy would: name another account, send the caller elsewhere, say nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

DROPPED = {"Transfer-Encoding", "Content-Encoding", "Content-Length", "Connection"}


@dataclass
class Doorman:
    """What came, by method; and what it says instead of the broker."""

    behind: str
    url: str = ""
    number: str = ""
    """Put in the place of the account's own."""
    sends_to: str = ""
    """Every request is answered with a redirect to that address."""
    is_mute_on_account: bool = False
    """The account is not told: HTTP 500."""
    asked: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)

    @property
    def changes(self) -> int:
        """How many requests came that change something."""
        return sum(self.asked.values()) - self.asked["GET"]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.method] += 1
        self.keys.add(request.headers.get("APCA-API-KEY-ID", ""))
        if self.sends_to:
            return web.Response(status=307, headers={"Location": self.sends_to + request.path_qs})
        if self.is_mute_on_account and request.path == "/v2/account":
            return web.Response(status=500)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                self.behind + request.path_qs,
                data=await request.read(),
                headers={k: v for k, v in request.headers.items() if k != "Host"},
            ) as told,
        ):
            body = await told.read()
            if self.number and request.path == "/v2/account":
                body = json.dumps(json.loads(body) | {"account_number": self.number}).encode()
            headers = {k: v for k, v in told.headers.items() if k not in DROPPED}
            return web.Response(status=told.status, body=body, headers=headers)


@contextlib.asynccontextmanager
async def a_doorman(behind: str) -> AsyncIterator[Doorman]:
    doorman = Doorman(behind)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", doorman.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    doorman.url = f"http://127.0.0.1:{port}"
    try:
        yield doorman
    finally:
        await runner.cleanup()
