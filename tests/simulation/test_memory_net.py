"""TCP in memory: order, segments, flow control, endings; and what a life leaves open."""

import asyncio
import random
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.simulation.loop import Timeline
from tests.simulation.memory_net import Direction, MemoryLoop, MemoryTransport, segments
from tests.simulation.wire_bytes import PING, TEXT, fragments, frame, frames_in, request_in

EPOCH = datetime(2024, 2, 1, 14, 30, tzinfo=UTC)


class Server:
    """A far end that notes what reaches it."""

    client: MemoryTransport

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.is_left = False

    def leaving(self, data: bytes) -> None:
        self.heard.append(data)

    def client_closed(self) -> None:
        self.is_left = True


class Listener(asyncio.Protocol):
    """A client that notes what happens to it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def eof_received(self) -> None:
        self.heard.append("end")

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append(exc and type(exc))

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")


def lived(
    play: Callable[[Server, MemoryTransport], None], *, closes: bool = True
) -> tuple[Server, Listener, MemoryLoop]:
    """Run a client through `play` and to its end."""
    server = Server()

    async def dial() -> Server:
        return server

    loop = MemoryLoop(Timeline(EPOCH), dial, lambda host: None)

    async def life() -> Listener:
        transport, listener = await loop.create_connection(
            Listener, sock=socket.socket(), ssl=object()
        )
        play(server, transport)
        for _ in range(5):
            await asyncio.sleep(0)
        if closes:
            transport.close()
            await asyncio.sleep(0)
        return listener

    try:
        return server, loop.run_until_complete(life()), loop
    finally:
        loop.bury()


def test_what_a_server_says_is_read_before_its_end() -> None:
    def play(server: Server, transport: MemoryTransport) -> None:
        for part in (b"a", b"b"):
            server.client.deliver(part)
        server.client.ended()

    server, listener, _ = lived(play, closes=False)
    assert listener.heard == [b"a", b"b", "end", None]
    assert server.is_left


def test_a_reset_is_an_error_and_nothing_is_read_after_it() -> None:
    def play(server: Server, transport: MemoryTransport) -> None:
        server.client.lost()
        server.client.deliver(b"late")

    _, listener, _ = lived(play, closes=False)
    assert listener.heard == [ConnectionResetError]


def test_while_reading_is_paused_bytes_wait_in_order() -> None:
    def play(server: Server, transport: MemoryTransport) -> None:
        transport.pause_reading()
        for part in (b"a", b"b"):
            server.client.deliver(part)
        transport._loop.call_soon(transport._loop.call_soon, transport.resume_reading)

    _, listener, _ = lived(play)
    assert listener.heard == [b"a", b"b", None]


def test_a_full_send_buffer_pauses_the_client_once() -> None:
    def play(server: Server, transport: MemoryTransport) -> None:
        server.client.choke()
        server.client.choke()
        server.client.relieve()

    _, listener, _ = lived(play)
    assert listener.heard == ["pause", "resume", None]


def test_a_connection_that_nobody_closed_is_a_complaint() -> None:
    *_, loop = lived(lambda server, transport: None, closes=False)
    assert loop.complaints == ["1 connections were left open"]
    *_, loop = lived(lambda server, transport: None)
    assert loop.complaints == []


def test_keys_are_never_sent_without_tls() -> None:
    async def dial() -> Server:
        raise AssertionError("dialled")

    loop = MemoryLoop(Timeline(EPOCH), dial, lambda host: None)
    try:
        with pytest.raises(RuntimeError, match="without TLS"):
            loop.run_until_complete(loop.create_connection(Listener, sock=socket.socket()))
    finally:
        loop.bury()


def test_what_is_late_holds_up_what_was_sent_after_it() -> None:
    timeline, arrived = Timeline(EPOCH), []
    direction = Direction(timeline)
    for number, delay_s in enumerate((3.0, 0.1, 7.0, 0.1)):
        direction.carry(lambda number=number: arrived.append((timeline.now_s, number)), delay_s)
    timeline.run_to(10)
    assert arrived == [(3.0, 0), (3.0, 1), (7.0, 2), (7.0, 3)]


def test_after_a_lost_packet_nothing_arrives_but_what_was_under_way() -> None:
    timeline, arrived = Timeline(EPOCH), []
    direction = Direction(timeline)
    direction.carry(lambda: arrived.append(1), 1.0)
    direction.stall()
    direction.carry(lambda: arrived.append(2), 1.0)
    timeline.run_to(10)
    assert arrived == [1]
    direction.drop()


@pytest.mark.parametrize("way", ["mtu", "pieces", "bytes", ""])
@pytest.mark.parametrize("size", [1, 4, 5, 1448, 5000])
def test_segments_are_the_message(way: str, size: int) -> None:
    data = random.Random(size).randbytes(size)
    parts = segments(data, way, random.Random(way))
    assert b"".join(parts) == data
    assert all(parts)


def test_a_request_is_taken_when_it_is_whole() -> None:
    raw = b"POST /v2/x?a=1%202 HTTP/1.1\r\nContent-Length: 2\r\nA: b\r\n\r\n{}GET"
    for end in range(len(raw) - 3):
        assert request_in(raw[:end]) is None
    found = request_in(raw)
    assert found is not None
    request, rest = found
    assert (request.method, request.path, request.query) == ("POST", "/v2/x", {"a": "1 2"})
    assert (request.body, rest) == (b"{}", b"GET")


@pytest.mark.parametrize("size", [0, 5, 125, 126, 65535, 65536])
def test_frames_say_how_long_they_are(size: int) -> None:
    raw = frame(TEXT, b"x" * size)
    assert len(raw) == size + (2 if size < 126 else 4 if size < 65536 else 10)


def test_a_clients_frames_are_unmasked_one_by_one() -> None:
    masked = bytes(a ^ b for a, b in zip(b"hello", b"abcda", strict=True))
    raw = b"\x81\x85abcd" + masked + b"\x89\x80abcd" + b"\x81"
    taken = list(frames_in(raw))
    assert [(f.opcode, f.payload) for f, _ in taken] == [(TEXT, b"hello"), (PING, b"")]
    assert taken[-1][1] == b"\x81"


def test_a_message_in_fragments_begins_once_and_ends_once() -> None:
    raw = fragments(TEXT, b"some words", random.Random(1))
    assert raw[0] == TEXT
    assert frame(PING, b"in between") in raw
