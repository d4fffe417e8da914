"""Bytes as the broker reads and writes them: HTTP/1.1 and RFC 6455, the right ones and others.

Pure: bytes in, records out, and back. Chance is given.
"""

import base64
import gzip
import hashlib
import json
import random
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import parse_qsl, unquote, urlsplit

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REASONS = {200: "OK", 204: "No Content", 207: "Multi-Status", 429: "Too Many Requests"}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PAD_BYTES = 200_000


def request_in(buffer: bytes) -> tuple[SimpleNamespace, bytes] | None:
    """Take one whole request off the front of `buffer`; None while it is not all there."""
    head, blank, rest = buffer.partition(b"\r\n\r\n")
    if not blank:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    size = int(headers.get("content-length", "0"))
    if len(rest) < size:
        return None
    url = urlsplit(target)
    request = SimpleNamespace(
        method=method,
        path=unquote(url.path),
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers=headers,
        body=rest[:size],
    )
    return request, rest[size:]


SHAPES: Mapping[str, float] = {
    "shape_chunked": 0.2,
    "shape_until_close": 0.04,
    "shape_connection_close": 0.04,
    "shape_gzipped": 0.1,
    "shape_padded": 0.01,
    "shape_lower_case": 0.2,
}
"""Ways to say the same thing, and how often; none of them is a fault."""


def answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    shape: Collection[str],
    draw: random.Random,
) -> tuple[bytes, bool]:
    """Return an answer's bytes, and whether the server closes after them."""
    lines = {"Content-Type": "application/json", **headers}
    if status == 204:
        return _head(status, lines, shape), False
    if "shape_padded" in shape:
        body += b" " * PAD_BYTES
    if "shape_gzipped" in shape:
        body = gzip.compress(body, 1, mtime=0)
        lines["Content-Encoding"] = "gzip"
    ends = "shape_connection_close" in shape or "shape_until_close" in shape
    if ends:
        lines["Connection"] = "close"
    if "shape_until_close" in shape:
        return _head(status, lines, shape) + body, True
    if "shape_chunked" in shape:
        lines["Transfer-Encoding"] = "chunked"
        return _head(status, lines, shape) + _chunked(body, draw), ends
    lines["Content-Length"] = str(len(body))
    return _head(status, lines, shape) + body, ends


def _head(status: int, lines: Mapping[str, str], shape: Collection[str]) -> bytes:
    text = [f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}"]
    for name, value in lines.items():
        text.append(f"{name.lower() if 'shape_lower_case' in shape else name}: {value}")
    return "\r\n".join([*text, "", ""]).encode()


def _chunked(body: bytes, draw: random.Random) -> bytes:
    parts = []
    while body:
        size = draw.randint(1, 2000)
        part, body = body[:size], body[size:]
        parts.append(b"%x%s\r\n%s\r\n" % (len(part), draw.choice((b"", b";note=x")), part))
    return b"".join([*parts, b"0\r\n\r\n"])


GARBAGE: tuple[Callable[[random.Random], bytes], ...] = (
    lambda draw: draw.randbytes(draw.randint(1, 400)),
    lambda draw: b"SSH-2.0-OpenSSH_9.6\r\n",
    lambda draw: b"\x15\x03\x03\x00\x02\x02\x28",  # a TLS alert in the clear
    lambda draw: b"\x00" * draw.randint(1, 64),
    lambda draw: b"HTTP/1.1 abc OK\r\n\r\n",
    lambda draw: b"HTTP/7.3 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    lambda draw: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    lambda draw: b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nX: \xff\xfe\x00\r\nContent-Length: 2\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 2\r\n\r\nx\x9c",
    lambda draw: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    lambda draw: b"HTTP/1.1 200 OK\r\nSet-Cookie: =;;=\r\nContent-Length: 2\r\n\r\n{}",
    lambda draw: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n",
    lambda draw: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip
"""What may stand where an answer was expected."""

INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n",
)
STRAYS = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n<html>Your browser</html>",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
)
"""What servers say into an idle connection before they close it."""
REDIRECT = (
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://elsewhere.example/v2/orders\r\n"
    b"Content-Length: 0\r\n\r\n"
)
OVERSIZED = (
    b"HTTP/1.1 200 OK\r\nX-Junk: " + b"a" * 9000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n" + b"X-Junk: a\r\n" * 200 + b"Content-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 " + b"O" * 9000 + b"K\r\nContent-Length: 2\r\n\r\n{}",
)

# The websocket.


@dataclass(frozen=True)
class Frame:
    """One frame of the client's, unmasked."""

    opcode: int
    payload: bytes


def upgrade(key: str) -> bytes:
    """Return the answer that opens a websocket."""
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def frame(opcode: int, payload: bytes = b"", *, is_last: bool = True) -> bytes:
    """Return a frame as servers send it, without a mask."""
    first, size = opcode | (0x80 if is_last else 0), len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def fragments(opcode: int, payload: bytes, draw: random.Random) -> bytes:
    """Return a message in two or three frames, with a ping in between."""
    cuts = sorted(draw.randint(0, len(payload)) for _ in range(draw.choice((1, 2))))
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    out = frame(opcode, parts[0], is_last=False) + frame(PING, b"in between")
    for number, part in enumerate(parts[1:], 2):
        out += frame(0, part, is_last=number == len(parts))
    return out


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Return a close frame, without a code where it is None."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


BAD_FRAMES: tuple[bytes, ...] = (
    b"\xf1\x02{}",  # reserved bits
    b"\x83\x00",  # an opcode that nobody knows
    b"\x81\x82abcd{}",  # masked by a server
    b"\x89\x7e\x00\x80" + b"x" * 128,  # a ping beyond 125 bytes
    b"\x09\x00",  # a ping in fragments
    b"\x80\x01x",  # goes on with what nobody began
    b"\x81\x02\xc3\x28",  # text that is no UTF-8
    b"\x82\x7f\x7f" + b"\xff" * 7,  # 2**63 bytes to come
    b"\x82\x7f\x00\x00\x00\x00\x00\x50\x00\x00",  # more than a message may have
    b"\x88\x01x",  # a close code of one byte
    b"\x88\x02\x00\x01",  # a close code that does not exist
    b"\x88\x04\x03\xe8\xff\xff",  # a close reason that is no UTF-8
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
)


def frames_in(buffer: bytes) -> Iterator[tuple[Frame, bytes]]:
    """Take the client's whole frames off the front of `buffer`, each with what is left after it."""
    while len(buffer) >= 6:
        size, at = buffer[1] & 0x7F, 2
        if size == 126:
            size, at = struct.unpack_from("!H", buffer, 2)[0], 4
        if len(buffer) < at + 4 + size:
            return
        mask = int.from_bytes((buffer[at : at + 4] * (size // 4 + 1))[:size], "big")
        masked = int.from_bytes(buffer[at + 4 : at + 4 + size], "big")
        payload = (mask ^ masked).to_bytes(size, "big")
        head, buffer = buffer[0], buffer[at + 4 + size :]
        yield Frame(head & 0x0F, payload), buffer


def decoded(body: bytes) -> dict[str, str]:
    """Read an order's body."""
    content: dict[str, str] = json.loads(body)
    return content
