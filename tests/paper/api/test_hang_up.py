"""A client that hangs up, at whatever moment, is nothing to complain of: not a line is printed."""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable

import aiohttp
import pytest

from tests.paper.sockets import Client, running

pytestmark = pytest.mark.asyncio

UPGRADE = (
    "GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING = b"\x89\x80\0\0\0\0"
"""A ping without content, masked by zeros (RFC 6455, 5.2)."""


def _order(keys: str) -> str:
    body = '{"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"}'
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{keys}{length}{body}"


SAID: dict[str, Callable[[str], bytes]] = {
    "not a word": lambda keys: b"",
    "half a line": lambda keys: b"GET /v2/acc",
    "half a header": lambda keys: b"GET /v2/account HTTP/1.1\r\nHost: x\r\nAPCA",
    "an upgrade": lambda keys: UPGRADE.encode(),
    "an upgrade and a ping": lambda keys: UPGRADE.encode() + PING,
    "an upgrade and half a frame": lambda keys: UPGRADE.encode() + b"\x81\xfe",
    "a question": lambda keys: f"GET /v2/account HTTP/1.1\r\nHost: x\r\n{keys}\r\n".encode(),
    "two questions": lambda keys: 2 * f"GET /v2/clock HTTP/1.1\r\nHost: x\r\n{keys}\r\n".encode(),
    "an order": lambda keys: _order(keys).encode(),
    "half an order": lambda keys: _order(keys).encode()[:-20],
    "an admin's question": lambda keys: b"GET /_admin/state HTTP/1.1\r\nHost: x\r\n\r\n",
    "half an admin's order": lambda keys: (
        b"POST /_admin/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    ),
}
PAUSES = range(8)
"""Turns of the loop between the client's words and its end: each lands in another of our steps."""


@pytest.fixture
def complaints(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO)
    return lambda: [f"{record.getMessage()}: {record.exc_text}" for record in caplog.records]


def _hang_up(there: socket.socket, by_reset: bool) -> None:
    if by_reset:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    there.close()


async def _let_it_notice(client: Client) -> None:
    """Two questions later the broker has been through whatever the lost client left behind."""
    for _ in range(2):
        assert (await client.ask("GET", "/v2/clock"))[0] == 200


async def _turns_until(is_so: Callable[[], object]) -> None:
    """Let the loop turn: what is waited for is on its way, on this machine and in this loop."""
    async with asyncio.timeout(10):
        while True:
            if is_so():
                return
            await asyncio.sleep(0)


@pytest.mark.parametrize("by_reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("said", SAID)
async def test_nothing_is_printed_when_a_client_hangs_up_after(said, by_reset, complaints):
    async with running() as client:
        keys = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
        for pauses in PAUSES:
            there = socket.create_connection(("127.0.0.1", client.broker.port))
            there.sendall(SAID[said](keys))
            for _ in range(pauses):
                await asyncio.sleep(0)
            _hang_up(there, by_reset)
            await _let_it_notice(client)
    assert complaints() == []


@pytest.mark.parametrize("by_reset", [False, True], ids=["close", "reset"])
async def test_nothing_is_printed_when_a_client_does_not_wait_for_its_answer(by_reset, complaints):
    async with running() as client:
        keys = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
        fault = {"kind": "delay", "seconds": 0.05, "method": "POST", "path": "/v2/orders"}
        await client.ask("POST", "/_admin/faults", json=fault)
        before = asyncio.all_tasks()
        there = socket.create_connection(("127.0.0.1", client.broker.port))
        there.sendall(_order(keys).encode())
        account = client.broker.desk.exchange.by_key[client.broker.key]
        await _turns_until(lambda: account.orders)
        _hang_up(there, by_reset)
        await _turns_until(lambda: not asyncio.all_tasks() - before)
    assert complaints() == []


async def test_nothing_is_printed_when_a_listener_is_gone_while_it_is_told_something(complaints):
    async with running() as client:
        for pauses in PAUSES:
            async with aiohttp.ClientSession() as session:
                another = Client(client.broker, session, client.market, client.headers)
                async with another.listening() as listener:
                    await listener.next()
                    await client.order()
                    listener.socket._writer.transport.abort()
                    for _ in range(pauses):
                        await asyncio.sleep(0)
                    await client.wait()
            await _let_it_notice(client)
    assert complaints() == []
