"""A command that dies at whatever moment is nothing to complain of: not a line is printed."""

import asyncio
import logging
import socket

import pytest

from atlas_daemon.control import ControlServer, ask

from .desk import Desk, settings_in

SAID = {
    "not a word": b"",
    "half a request": b'{"do": "sta',
    "a request": b'{"do": "status"}\n',
    "many requests": 50 * b'{"do": "status"}\n',
    "nonsense": b"x\n",
    "a line too long": b"x" * 100_000,
    "a watcher's request": b'{"do": "watch", "after": 0}\n',
}


@pytest.mark.asyncio
@pytest.mark.parametrize("said", SAID)
async def test_nothing_is_printed_when_a_command_hangs_up_after(tmp_path, caplog, said):
    caplog.set_level(logging.INFO)
    settings = settings_in(tmp_path)
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: complaints.append(told))
    desk = Desk(settings).open()
    server = ControlServer(desk, settings.control_socket_path)
    await server.start()
    try:
        for pauses in range(10):  # each lands in another of our steps
            there = socket.socket(socket.AF_UNIX)
            there.setblocking(False)
            there.connect(str(settings.control_socket_path))
            there.send(SAID[said])
            for _ in range(pauses):
                await asyncio.sleep(0)
            there.close()
            assert await asyncio.to_thread(ask, settings.control_socket_path, "ping")
    finally:
        await server.stop()
        desk.journal.close()
    assert [record.getMessage() for record in caplog.records] == []
    assert complaints == []
