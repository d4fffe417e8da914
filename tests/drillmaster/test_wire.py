"""The wire notes each order that passes, may swallow it, and may answer in the broker's place."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from atlas_daemon.drillmaster.tap import Kind, Words
from atlas_daemon.drillmaster.wire import Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REFUSAL = b"HTTP/1.1 429 Too Many\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\n{}"
ORDER = '{"client_order_id": "atlas-1", "symbol": "AAPL"}'


class FakeBroker:
    """Answers every request with 200 and keeps its first line."""

    def __init__(self) -> None:
        self.door = socket.create_server(("127.0.0.1", 0))
        self.heard: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line:
            while piece := line.recv(65_536):
                self.heard.append(piece.split(b"\r\n")[0].decode())
                line.sendall(OK)


@contextmanager
def a_wire() -> Iterator[tuple[Wire, FakeBroker]]:
    fake = FakeBroker()
    broker: Any = SimpleNamespace(url=f"http://127.0.0.1:{fake.door.getsockname()[1]}")
    wire = Wire(broker)
    try:
        yield wire, fake
    finally:
        wire.close()
        fake.door.shutdown(socket.SHUT_RDWR)
        fake.door.close()


def ask(wire: Wire, method: str, path: str, body: str | None = None) -> int:
    connection = http.client.HTTPConnection(wire.url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_order_its_answer_a_look_up_and_a_cancel_are_noted() -> None:
    with a_wire() as (wire, fake):
        wire.on_cancel = lambda: False
        assert ask(wire, "POST", "/v2/orders", ORDER) == 200
        ask(wire, "GET", "/v2/orders:by_client_order_id?client_order_id=atlas-1")
        ask(wire, "DELETE", "/v2/orders")
        (post,) = wire.passed.posts
        assert (post.order_id, post.has_arrived, post.status) == ("atlas-1", True, 200)
        assert post.answered_at_s is not None and post.answered_at_s >= post.at_s
        assert wire.passed.looked_up == ["atlas-1"]
        assert wire.passed.cancels == [False]
        assert [line.split()[0] for line in fake.heard] == ["POST", "GET", "DELETE"]


def test_an_order_that_is_swallowed_reaches_nobody_and_is_noted_so() -> None:
    with a_wire() as (wire, fake):
        wire.strike = lambda words: words.kind is not Kind.ORDER
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            ask(wire, "POST", "/v2/orders", ORDER)
        assert fake.heard == []
        (post,) = wire.passed.posts
        assert (post.has_arrived, post.status) == (False, None)


def test_an_answer_in_the_brokers_place_is_read_as_its_own() -> None:
    def strike(words: Words) -> bool | bytes:
        return REFUSAL if words.kind is Kind.ORDER else True

    with a_wire() as (wire, fake):
        wire.strike = strike
        assert ask(wire, "POST", "/v2/orders", ORDER) == 429
        assert fake.heard == []
        (post,) = wire.passed.posts
        assert (post.has_arrived, post.status) == (False, 429)


def test_a_line_that_was_cut_comes_back_at_the_same_address() -> None:
    with a_wire() as (wire, _):
        wire.refuse()
        with pytest.raises(OSError):
            ask(wire, "GET", "/v2/clock")
        wire.accept()
        assert ask(wire, "GET", "/v2/clock") == 200
