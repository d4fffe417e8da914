"""A bare socket that keeps the requests it is sent and answers each with the same JSON."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.conformance.tap import Reader, Talk


@dataclass
class Captured:
    """The requests in their order, and where they were sent to."""

    url: str = ""
    talks: list[Talk] = field(default_factory=list)


@contextlib.asynccontextmanager
async def capture(*answers: object, status: int = 200) -> AsyncIterator[Captured]:
    """Listen on a free port; the last of `answers` (JSON values) goes on for ever."""
    captured = Captured()
    bodies = [b"" if answer is None else json.dumps(answer).encode() for answer in answers]

    lines: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines[asyncio.current_task()] = writer
        cut = Reader(is_client=True)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for request in cut.feed(data):
                    body = bodies[min(len(captured.talks), len(bodies) - 1)]
                    captured.talks.append(Talk(request))
                    writer.write(_answer(status, body))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    captured.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield captured
    finally:
        server.close()
        for writer in lines.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, lines))


def _answer(status: int, body: bytes) -> bytes:
    if not body and status == 204:
        return b"HTTP/1.1 204 X\r\n\r\n"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
