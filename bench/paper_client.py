"""A client that costs next to nothing: it keeps the local broker busy and counts what comes back.

`python -m bench.paper_client URL` takes commands as JSON lines on standard input and answers each
with a JSON line. Requests are bytes made beforehand, answers are read as far as they must be.
"""

import asyncio
import base64
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET

CONNECTIONS = 8
PATIENCE_S = 120.0
_KEYS = f"APCA-API-KEY-ID: {LOCAL_KEY}\r\nAPCA-API-SECRET-KEY: {LOCAL_SECRET}\r\n"


def request_bytes(method: str, path: str, host: str, body: object = None) -> bytes:
    """Return a whole request, with the keys of the default account."""
    payload = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{_KEYS}"
    if payload:
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    return f"{head}\r\n".encode() + payload


class Asker(asyncio.Protocol):
    """One kept connection: sends the next request as soon as the answer is there."""

    def __init__(self, requests: Iterator[bytes], statuses: dict[str, int]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._heard = b""
        self.transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head_end = self._heard.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._heard[:head_end].lower()
        begins = head.find(b"content-length: ")
        size = int(head[begins + 16 :].split(b"\r\n", 1)[0]) if begins >= 0 else 0
        if len(self._heard) < head_end + 4 + size:
            return
        status = head[9:12].decode()
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self.body = self._heard[head_end + 4 :]
        self._heard = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the broker hung up"))

    def _next(self) -> None:
        assert self.transport is not None
        request = next(self._requests, None)
        if request is not None:
            self.transport.write(request)
            return
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()


class Ear(asyncio.Protocol):
    """A listener to trade updates that counts frames and reads none of them."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._heard = bytearray()
        self._is_upgraded = False
        self.frames = 0
        self._wanted = 0
        self._reached = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(b"0123456789abcdef").decode()
        transport.write(
            (
                f"GET /stream HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if not self._is_upgraded:
            end = self._heard.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._heard.startswith(b"HTTP/1.1 101"), bytes(self._heard[:200])
            del self._heard[: end + 4]
            self._is_upgraded = True
            auth = {"action": "auth", "key": LOCAL_KEY, "secret": LOCAL_SECRET}
            self._say(auth)
            self._say({"action": "listen", "data": {"streams": ["trade_updates"]}})
        self._count()
        if self.frames >= self._wanted:
            self._reached.set()

    async def until(self, frames: int) -> None:
        """Wait until so many frames have come in all."""
        self._wanted = frames
        if self.frames < frames:
            self._reached.clear()
            await asyncio.wait_for(self._reached.wait(), PATIENCE_S)

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.abort()

    def _count(self) -> None:
        heard, at, held = self._heard, 0, len(self._heard)
        while held - at >= 2:
            size, head = heard[at + 1], 2
            if size >= 126:
                head += 2 if size == 126 else 8
                if held - at < head:
                    break
                size = int.from_bytes(heard[at + 2 : at + head], "big")
            if held - at < head + size:
                break
            at += head + size
            self.frames += 1
        del heard[:at]

    def _say(self, message: object) -> None:
        assert self._transport is not None
        payload = json.dumps(message).encode()
        assert len(payload) < 126
        # Masked by zeros: a mask that leaves the payload as it is.
        self._transport.write(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)


class Load:
    """All that the bench can ask of one broker."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None
        self.address = (parts.hostname, parts.port)
        self.host = parts.netloc
        self.numbers = itertools.count(1)
        self.ear: Ear | None = None

    async def obey(self, command: dict[str, Any]) -> object:
        """Do what a line of standard input says; return what is answered."""
        match command["do"]:
            case "listen":
                _, ear = await asyncio.get_running_loop().create_connection(
                    lambda: Ear(self.host), *self.address
                )
                self.ear = ear
                await ear.until(2)  # authorized, listening
                return None
            case "orders":
                return await self._ask(self._orders(command["count"], command["order"]))
            case "ask":
                made = request_bytes(
                    command["method"], command["path"], self.host, command.get("body")
                )
                return await self._ask([made] * command.get("count", 1), connections=1)
            case "heard":
                assert self.ear is not None
                await self.ear.until(command["frames"])
                return self.ear.frames
            case "frames":
                return self.ear.frames if self.ear is not None else 0
            case other:
                raise ValueError(f"nobody knows how to {other}")

    def _orders(self, count: int, order: dict[str, Any]) -> list[bytes]:
        return [
            request_bytes(
                "POST",
                "/v2/orders",
                self.host,
                order | {"client_order_id": f"atlas-bench-{next(self.numbers)}"},
            )
            for _ in range(count)
        ]

    async def _ask(
        self, requests: list[bytes], connections: int = CONNECTIONS
    ) -> dict[str, object]:
        waiting, statuses = iter(requests), dict[str, int]()
        loop = asyncio.get_running_loop()
        begun_s = time.perf_counter()
        askers = [
            (await loop.create_connection(lambda: Asker(waiting, statuses), *self.address))[1]
            for _ in range(min(connections, len(requests)))
        ]
        await asyncio.wait_for(asyncio.gather(*(asker.done for asker in askers)), PATIENCE_S)
        took_s = time.perf_counter() - begun_s
        return {"took_s": took_s, "statuses": statuses, "size": len(askers[0].body)}


async def main(url: str) -> None:
    """Obey until standard input ends."""
    load = Load(url)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await load.obey(json.loads(line))), flush=True)
    if load.ear is not None:
        load.ear.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
