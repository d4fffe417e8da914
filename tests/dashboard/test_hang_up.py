"""A browser that goes away at whatever moment is nothing to complain of: not a line is printed."""

import asyncio
import logging
import socket
import struct
from urllib.parse import urlsplit

import aiohttp
import pytest

from atlas_daemon.dashboard import Dashboard
from tests.control.desk import Desk, settings_in

SAID = {
    "not a word": b"",
    "half a line": b"GET /api",
    "a question": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "three questions": 3 * b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
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
