"""A desk that is served: a dashboard over a real socket for the length of a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from atlas_daemon.dashboard import Dashboard
from tests.control.desk import Desk

PATIENCE_S = 10.0


class Served:
    """One dashboard, one session, and raw sockets to it."""

    def __init__(self, desk: Desk, dashboard: Dashboard, session: aiohttp.ClientSession) -> None:
        self.desk, self.dashboard, self.session = desk, dashboard, session
        self.port = urlsplit(dashboard.url).port

    async def ask(self, path: str, method: str = "GET", **how: object):
        """Return status, headers and text of one request."""
        url = self.dashboard.url + path
        async with self.session.request(method, url, allow_redirects=False, **how) as answer:
            return answer.status, answer.headers, await answer.text()

    async def json(self, path: str):
        async with self.session.get(self.dashboard.url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def raw(self, said: bytes) -> bytes:
        """Return all that is answered to these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(said)
            async with asyncio.timeout(PATIENCE_S):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def served(desk: Desk, token: str = "", **tune: object) -> AsyncIterator[Served]:
    """Serve a desk; `tune` sets what its parts have by those names: `live__every_s`."""
    dashboard = Dashboard(desk, token)
    for name, value in tune.items():
        part, _, field = name.partition("__")
        setattr(getattr(dashboard, part), f"_{field}", value)
    await dashboard.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Served(desk, dashboard, session)
    finally:
        await dashboard.stop()
