"""A browser that goes away at whatever moment is nothing to complain of: not a line is printed."""

import asyncio
import logging
import socket
import struct
from urllib.parse import urlsplit

import aiohttp
import pytest

from atlas_daemon.core import events as e
from atlas_daemon.dashboard import Dashboard
from tests.control.desk import Desk, settings_in

from .served import PATIENCE_S, served

SAID = {
    "not a word": b"",
    "half a line": b"GET /api",
    "a question": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "three questions": 3 * b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a wish to be told": b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a question of a stranger": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "half an order": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("lingers", [(0, 0), (1, 0)], ids=["close", "reset"])
@pytest.mark.parametrize("said", SAID)
async def test_nothing_is_printed_when_a_browser_hangs_up_after(tmp_path, caplog, said, lingers):
    caplog.set_level(logging.INFO)
    desk = Desk(settings_in(tmp_path)).open()
    dashboard = Dashboard(desk)
    url = await dashboard.start()
    try:
        async with aiohttp.ClientSession() as session:
            for pauses in range(8):  # each lands in another of our steps
                there = socket.create_connection(("127.0.0.1", urlsplit(url).port))
                there.sendall(SAID[said])
                for _ in range(pauses):
                    await asyncio.sleep(0)
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *lingers))
                there.close()
                async with session.get(f"{url}/healthz") as response:
                    assert await response.text() == "alive\n"
    finally:
        await dashboard.stop()
        desk.journal.close()
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.asyncio
@pytest.mark.parametrize("lingers", [(0, 0), (1, 0)], ids=["close", "reset"])
async def test_nothing_is_printed_when_an_open_page_goes_as_it_is_told(tmp_path, caplog, lingers):
    caplog.set_level(logging.INFO)
    desk = Desk(settings_in(tmp_path)).open()
    try:
        async with served(desk, live__every_s=0.01) as page:
            for pauses in range(8):
                there = socket.create_connection(("127.0.0.1", page.port))
                there.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                there.setblocking(False)
                while b"event: status" not in await _some(there):
                    pass
                (live,) = page.dashboard.live._pages
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *lingers))
                there.close()
                for _ in range(pauses):
                    await asyncio.sleep(0)
                live.transport.close()  # as the loop does once it has seen the end
                desk.take(e.AlertRaised("info", "test", f"look {pauses}"))
                async with asyncio.timeout(PATIENCE_S):
                    while page.dashboard.live.pages:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.01)
    finally:
        desk.journal.close()
    assert [record.getMessage() for record in caplog.records] == []


async def _some(there: socket.socket) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.get_running_loop().sock_recv(there, 65536)


MALFORMED = {
    "no version": b"GET / \r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
    "a header that goes on and on": b"GET / HTTP/1.1\r\nX: " + 20_000 * b"x" + b"\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a second request that is none": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    b"\x16\x03\x01\r\n\r\n",
    "a chunk without an end": b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("said", MALFORMED)
async def test_bytes_that_are_no_http_are_refused_without_a_word_in_the_log(tmp_path, caplog, said):
    caplog.set_level(logging.INFO)
    desk = Desk(settings_in(tmp_path)).open()
    dashboard = Dashboard(desk)
    url = await dashboard.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(MALFORMED[said])
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        assert b" 400 " in answer
    finally:
        await dashboard.stop()
        desk.journal.close()
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.asyncio
async def test_a_fault_of_our_own_is_in_the_log(tmp_path, caplog, monkeypatch):
    desk = Desk(settings_in(tmp_path)).open()
    dashboard = Dashboard(desk)
    url = await dashboard.start()
    monkeypatch.setattr("atlas_daemon.dashboard.rendering.page_of", lambda *view: 1 / 0)
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.status == 500
    finally:
        await dashboard.stop()
        desk.journal.close()
    assert [record.name for record in caplog.records if record.exc_info] == ["Dashboard"]
