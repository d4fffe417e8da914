"""Connections to the broker: what came unasked, and a gate that closes at the last moment."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.edges.alpaca.transport import open_session

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d"
STRAY = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


class RawServer:
    """Answers the n-th request with n, and says `stray` into the idle connection after it."""

    def __init__(self, stray: bytes) -> None:
        self._stray = stray
        self.requests: list[bytes] = []
        self.connections = 0
        self._idle, self._said = asyncio.Event(), asyncio.Event()

    async def stray(self) -> None:
        """Say it now that the connection is idle, and let it come in."""
        self._idle.set()
        await self._said.wait()
        self._said.clear()
        for _ in range(20):
            await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = 2 if b"Content-Length: 2" in head else 0
                self.requests.append(head + await reader.readexactly(size))
                writer.write(ANSWER % len(self.requests))
                if self._stray:
                    await self._idle.wait()
                    self._idle.clear()
                    writer.write(self._stray)
                    self._said.set()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def a_server(stray: bytes = b"") -> AsyncIterator[tuple[RawServer, str]]:
    raw = RawServer(stray)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    try:
        yield raw, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def ask(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as response:
        return await response.read()


async def order(session: aiohttp.ClientSession, url: str, gate: Callable[[], None]) -> bytes:
    async with session.post(url, data=b"{}", trace_request_ctx=gate) as response:
        return await response.read()


def closing_at(number: int) -> Callable[[], None]:
    """Return a gate that is open until it is asked for the `number`th time."""
    asked = 0

    def gate() -> None:
        nonlocal asked
        asked += 1
        if asked >= number:
            raise RefusedError("held back")

    return gate


@pytest.mark.asyncio
@pytest.mark.parametrize("stray", [STRAY, ANSWER % 9])
async def test_what_came_unasked_is_not_the_answer_to_the_next_request(stray: bytes) -> None:
    async with a_server(stray) as (server, url), open_session() as session:
        for number in (1, 2, 3):
            assert await ask(session, url) == b"%d" % number
            await server.stray()
        assert server.connections == 3


@pytest.mark.asyncio
async def test_where_nothing_came_unasked_the_connection_is_used_again() -> None:
    async with a_server() as (server, url), open_session() as session:
        assert [await ask(session, url) for _ in range(3)] == [b"1", b"2", b"3"]
        assert server.connections == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("is_reused", [False, True])
async def test_an_order_held_back_leaves_its_connection_to_the_next_request(
    is_reused: bool,
) -> None:
    async with a_server() as (server, url), open_session() as session:
        if is_reused:
            await ask(session, url)
        for _ in range(3):
            with pytest.raises(RefusedError, match="held back"):
                await order(session, url, closing_at(1))
        await ask(session, url)
        assert server.connections == 1
        assert all(request.startswith(b"GET") for request in server.requests)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_reused", [False, True])
async def test_an_order_is_held_back_until_its_first_byte(is_reused: bool) -> None:
    """The loop may take other turns between the connection and the order: one may be a stop's."""
    async with a_server() as (server, url), open_session() as session:
        if is_reused:
            await ask(session, url)
        with pytest.raises(RefusedError, match="held back"):
            await order(session, url, closing_at(2))
        assert await order(session, url, closing_at(3)) == b"%d" % len(server.requests)
        assert [request[:4] for request in server.requests].count(b"POST") == 1
