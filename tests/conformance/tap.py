"""A tap between a client and the broker: passes the bytes on as they are, and keeps what was said.

It reads HTTP/1.1 as far as it must to tell one message from the next. After an upgrade (the order
stream) it only passes on.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Message:
    """One HTTP message: its first line, its headers by lower-case name, its body."""

    first: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Talk:
    """One request and the answer to it."""

    request: Message
    answer: Message | None = None

    @property
    def method(self) -> str:
        return self.request.first.split(" ")[0]

    @property
    def path(self) -> str:
        return urlsplit(self.request.first.split(" ")[1]).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Names and values as they were sent, in their order, percent-decoded."""
        query = urlsplit(self.request.first.split(" ")[1]).query
        return parse_qsl(query, keep_blank_values=True)

    @property
    def is_stream(self) -> bool:
        """True for the upgrade that opens the order stream."""
        return self.path.rstrip("/") == "/stream"

    @property
    def status(self) -> int:
        """The answer's status; 0 where none came."""
        return int(self.answer.first.split(" ")[1]) if self.answer else 0

    @property
    def told(self) -> object:
        """The answer's JSON, of a stream of events all of them; None for an empty body.

        Raises ValueError where it is none.
        """
        if self.answer is None or not self.answer.body:
            return None
        if self.answer.headers.get("content-type", "").startswith("text/event-stream"):
            lines = self.answer.body.decode().splitlines()
            return [json.loads(line[5:]) for line in lines if line.startswith("data:")]
        return json.loads(self.answer.body)


@dataclass
class Reader:
    """Cuts one direction of a connection into messages."""

    is_client: bool
    raw: bytearray = field(default_factory=bytearray)
    is_over: bool = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take more bytes; yield each message that they complete."""
        self.raw += data
        while not self.is_over:
            head, mark, rest = bytes(self.raw).partition(b"\r\n\r\n")
            if not mark:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines)
            message = Message(first, {name.lower(): value.strip() for name, _, value in pairs})
            body, left = self._body(message, rest)
            if body is None:
                return
            message.body = body
            self.raw = bytearray(left)
            yield message

    def _body(self, message: Message, rest: bytes) -> tuple[bytes | None, bytes]:
        """Cut the message's body off what follows its head; None while it is not whole."""
        if not self.is_client:
            status = message.first.split(" ")[1]
            if status == "101":
                self.is_over = True
            if status in ("101", "204", "304"):
                return b"", rest
        if "chunked" in message.headers.get("transfer-encoding", ""):
            return _unchunked(rest)
        length = int(message.headers.get("content-length", "0"))
        return (rest[:length], rest[length:]) if len(rest) >= length else (None, rest)


def _unchunked(rest: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        size, mark, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16) if mark else 0
        if not mark or len(rest) < length + 2:
            return None, rest
        body, rest = body + rest[:length], rest[length + 2 :]
        if not length:
            return body, rest


class Tap:
    """What was said through one tap, in the order of the requests."""

    def __init__(self, host: str, port: int) -> None:
        self.talks: list[Talk] = []
        self.port = 0
        self._to = (host, port)
        self._lines: dict[asyncio.Task[None] | None, tuple[asyncio.StreamWriter, ...]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Tap"]:
        """Listen on a free port; on leaving, cut what is still connected."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writers in self._lines.values():
                for writer in writers:
                    writer.transport.abort()
            await asyncio.gather(*filter(None, self._lines))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(*self._to)
        waiting: list[Talk] = []

        def asked(message: Message) -> None:
            waiting.append(Talk(message))
            self.talks.append(waiting[-1])

        def answered(message: Message) -> None:
            waiting.pop(0).answer = message

        self._lines[asyncio.current_task()] = (writer, here)
        await asyncio.gather(
            _pass_on(reader, here, Reader(is_client=True), asked),
            _pass_on(there, writer, Reader(is_client=False), answered),
        )


async def _pass_on(reader, writer, cut: Reader, keep) -> None:
    """Pass bytes on until the end; what they say is kept before they are, so never too late."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            for message in cut.feed(data):
                keep(message)
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
