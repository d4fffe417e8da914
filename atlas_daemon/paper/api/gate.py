"""The door of the server: request ids, keys, the rate limit, faults acted out, refusals as JSON."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

import msgspec
from aiohttp import web

from atlas_daemon.paper.api import answers
from atlas_daemon.paper.console import request_faults
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.accounts import Account

DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
LIMITS: web.AppKey[dict[str, Window]] = web.AppKey("limits", dict)
KEY_HEADER = "APCA-API-KEY-ID"
SECRET_HEADER = "APCA-API-SECRET-KEY"  # noqa: S105 - a header's name

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DATA_PATHS = ("/v2/stocks", "/v1/corporate-actions")
"""The data API's: a key has a budget of its own there."""
_STREAM_PATH = "/stream"
_PAGE_PATHS = frozenset({"/", "/page.css", "/page.js"})
_HTML_401 = (
    "<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n"
    "<center><h1>401 Authorization Required</h1></center>\r\n<hr><center>nginx</center>\r\n"
    "</body>\r\n</html>\r\n"
)


@dataclass
class Window:
    """Requests of one key in the running minute."""

    minute: int
    used: int = 0


def reply(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


async def json_body(request: web.Request) -> object:
    """The request's JSON, {} where there is none. Raises RefusedError (400, 408)."""
    try:
        if request.content.is_eof():  # all of it came with the head, as it mostly does
            raw = await request.read()
        else:
            async with asyncio.timeout(request.app[DESK].config.patience_s):
                raw = await request.read()
    except TimeoutError:
        raise refusals.RefusedError(408, {"message": "the request body did not come."}) from None
    except web.RequestPayloadError:
        raise refusals.malformed() from None
    if not raw:
        return {}
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refusals.malformed() from None


def account_of(request: web.Request) -> Account:
    """The account whose key the request carries; the gate has checked the secret."""
    return request.app[DESK].exchange.by_key[request.headers[KEY_HEADER]]


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every request passes here; nothing but a JSON answer (or a fault) leaves."""
    desk = request.app[DESK]
    request_id = desk.next_request_id()
    headers = {"X-Request-ID": request_id}
    try:
        response = await _pass(request, handler, desk, headers)
    except refusals.RefusedError as refused:
        response = reply(refused.body, refused.status)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        response = reply(refusals.not_found("endpoint not found.").body, 404)
    except web.HTTPRequestEntityTooLarge:
        response = reply({"code": 41310000, "message": "request body is too large"}, 413)
    except ConnectionError:
        # The client hung up amid its body or the stream's handshake. No handler connects anywhere
        # itself, so it is never anybody else; this answer goes nowhere.
        response = web.Response()
    if desk.has_failed:
        # What cannot be written down was not done, as far as anybody will ever know.
        return request_faults.reset(request)
    if not response.prepared:
        # The broker's own time, so that the moment of X-RateLimit-Reset can be compared with it.
        shown = desk.exchange.now + desk.console.clock_skew
        response.headers["Date"] = _date(shown.replace(microsecond=0))
        response.headers.update(headers)
    return response


@lru_cache(maxsize=64)
def _date(at: datetime) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(at, usegmt=True)


async def _pass(
    request: web.Request, handler: Handler, desk: Desk, headers: dict[str, str]
) -> web.StreamResponse:
    if request.path.startswith("/_admin") or request.path in _PAGE_PATHS:
        _check_local(request)
        response = await handler(request)
        if request.method != "GET":
            desk.write_down()
        return response
    if not desk.console.is_reachable:
        return request_faults.reset(request)
    if request.path.startswith(_STREAM_PATH):
        return await handler(request)
    key = request.headers.get(KEY_HEADER)
    secret = request.headers.get(SECRET_HEADER)
    if key is None or secret is None:
        return web.Response(text=_HTML_401, status=401, content_type="text/html")
    if desk.account_with(key, secret) is None:
        raise refusals.unauthorized()
    desk.settle()
    budget = f"{key} data" if request.path.startswith(_DATA_PATHS) else key
    _count(request.app[LIMITS], desk, budget, headers)
    if not desk.faults.armed:
        return await _handled(request, handler, desk)
    return await _troubled(request, handler, desk, headers)


async def _troubled(
    request: web.Request, handler: Handler, desk: Desk, headers: dict[str, str]
) -> web.StreamResponse:
    """A request while faults are armed."""
    order = await request_faults.new_order(request)

    async def handle() -> web.StreamResponse:
        response = await _handled(request, handler, desk)
        return answers.told(desk, account_of(request), request, response)

    fault = desk.faults.for_request(request.method, request.path, order)
    if fault is None:
        return await handle()
    return await request_faults.act(request, fault, handle, headers, desk.clock.speed)


async def _handled(request: web.Request, handler: Handler, desk: Desk) -> web.StreamResponse:
    try:
        return await handler(request)
    finally:
        if request.method != "GET":
            desk.touch()
            desk.settle()


def _count(windows: dict[str, Window], desk: Desk, budget: str, headers: dict[str, str]) -> None:
    """Take one request off a budget and say so in headers. Raises RefusedError (429)."""
    limit = desk.config.rate_limit_per_min
    if limit <= 0:
        return
    # Counted in the time that the client waits in, which a fast broker's clock is not.
    passed_s = desk.config.monotonic()
    minute = math.floor(passed_s / 60)
    reset_in_s = math.ceil((minute + 1) * 60 - passed_s)
    window = windows.get(budget)
    if window is None or window.minute != minute:
        window = windows[budget] = Window(minute)
    window.used += 1
    headers["X-RateLimit-Limit"] = str(limit)
    headers["X-RateLimit-Remaining"] = str(max(limit - window.used, 0))
    headers["X-RateLimit-Reset"] = str(int(desk.exchange.now.timestamp()) + reset_in_s)
    if window.used > limit:
        raise refusals.too_many_requests()


def _check_local(request: web.Request) -> None:
    """Let only this machine in, and no web page's script. Raises RefusedError."""
    remote = request.remote
    is_local = remote is not None and ipaddress.ip_address(remote).is_loopback
    if not is_local or "Origin" in request.headers:
        raise refusals.RefusedError(403, {"message": "forbidden."})
