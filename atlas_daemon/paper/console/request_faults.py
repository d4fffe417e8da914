"""Faults of a request and its answer, acted out: held up, cut off, answered by something else.

Which fault strikes is drawn by `faults`; the door (`gate`) hands the request over.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.faults.fault import Fault

HANGS_S = 3600.0
_LOOKS_EVERY_S = 0.25
_TITLES = {
    200: "Welcome",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_INSTEAD = {"http_500_html": 500, "http_502": 502, "http_503": 503, "http_504": 504}
_AFTER = {"accept_then_504": 504, "accept_then_html": 200}

Handle = Callable[[], Awaitable[web.StreamResponse]]


def html(status: int, title: str = "") -> web.Response:
    """An answer from the edge in front of the API: HTML, whatever was asked."""
    title = title or _TITLES.get(status, "Error")
    text = f"<html><head><title>{status} {title}</title></head><body>{title}</body></html>"
    return web.Response(text=text, status=status, content_type="text/html")


async def new_order(request: web.Request) -> dict[str, object]:
    """The body of a new order, for faults that look at it; empty for any other request."""
    if request.method != "POST" or request.path != "/v2/orders":
        return {}
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


async def act(
    request: web.Request, fault: Fault, handle: Handle, headers: dict[str, str], speed: float
) -> web.StreamResponse:
    """Act out a fault, some before `handle` and some after. `speed` is the broker's clock's.

    `headers` are those that the answer will get. Raises RefusedError.
    """
    seconds = (fault.seconds or 0.0) / (speed or 1.0)
    if (instead := _before(request, fault, headers)) is not None:
        return instead
    if fault.kind == "hang_before_accept":
        return await _hang(request)
    if fault.kind == "late_request":
        await asyncio.sleep(seconds)
        return await handle()
    try:
        response = await handle()
    except refusals.RefusedError as refused:
        body = msgspec.json.encode(refused.body)
        response = web.Response(body=body, status=refused.status, content_type="application/json")
    if fault.kind == "accept_then_reset":
        return reset(request)
    if fault.kind in _AFTER:
        return html(_AFTER[fault.kind])
    if fault.kind == "accept_then_cut":
        return await _cut(request, response)
    if fault.kind == "hang":
        return await _hang(request)
    await asyncio.sleep(seconds)
    return response


def _before(request: web.Request, fault: Fault, headers: dict[str, str]) -> web.Response | None:
    """The answer of a request that is not done; None where it is done, now or later."""
    if fault.kind == "drop_before_accept":
        return reset(request)
    if fault.kind in _INSTEAD:
        return html(_INSTEAD[fault.kind])
    if fault.kind == "http_500":
        return web.Response(status=500)
    if fault.kind == "http_429":
        if not fault.headers:
            headers.clear()
        raise refusals.too_many_requests()
    if fault.kind == "unauthorized":
        raise refusals.unauthorized()
    if fault.kind == "refuse_order":
        message = fault.message or "insufficient buying power"
        raise refusals.refusal(fault.status or 403, fault.code or 40310000, message)
    return None


def reset(request: web.Request) -> web.Response:
    """Cut the connection with a TCP reset; the answer returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _hang(request: web.Request) -> web.Response:
    """Say nothing until the client has given up."""
    for _ in range(int(HANGS_S / _LOOKS_EVERY_S)):
        if request.transport is None:
            break
        await asyncio.sleep(_LOOKS_EVERY_S)
    return reset(request)


async def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Announce the whole body, send half of it, and hang up."""
    body = response.body if isinstance(response, web.Response) else None
    content = body if isinstance(body, bytes) else b"{}"
    half = web.StreamResponse(status=response.status)
    half.content_type = "application/json"
    half.content_length = len(content)
    await half.prepare(request)
    await half.write(content[: len(content) // 2])
    if request.transport is not None:
        request.transport.close()
    return half
