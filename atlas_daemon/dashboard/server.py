"""The web server of the page: addresses, methods, headers. It binds this machine only.

The page asks for no password, so it must not be read through a stranger's name for this address
(DNS rebinding): a request whose Host is not this machine's own is refused.
"""

import errno
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.views import orders_of, status_of

from .health import why_not
from .metrics import Host, exposition
from .page import page_of

STYLE = Path(__file__).with_name("page.css")
OWN_NAMES = frozenset({"localhost", "::1"})
REQUEST_MAX = 16_384
SHUTDOWN_S = 1.0

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "atlas",
}


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell a fault of our own from bytes that are no HTTP, which are their sender's."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


LOGGER = logging.getLogger("Dashboard")
LOGGER.addFilter(_is_ours)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dashboard:
    """Serves `host` at its settings' address."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._style = STYLE.read_text(encoding="utf-8")
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> str:
        """Listen, and return the page's address. Raises ConfigError where the port is taken."""
        app = web.Application(middlewares=[_guard], client_max_size=REQUEST_MAX)
        app.router.add_get("/", self._page)
        app.router.add_get("/page.css", self._css)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/orders", self._orders)
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=LOGGER,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_S,
        )
        await runner.setup()
        settings = self._host.settings
        wanted = settings.dashboard
        # `localhost` is often two addresses, and a free port is not the same on both.
        host = "127.0.0.1" if wanted.host == "localhost" else wanted.host
        try:
            await web.TCPSite(runner, host, wanted.port).start()
        except OSError as error:
            await runner.cleanup()
            is_taken = error.errno == errno.EADDRINUSE
            why = "another program has it" if is_taken else (error.strerror or str(error))
            origin = settings.origin("dashboard.port")
            raise ConfigError(
                f"dashboard.port = {wanted.port} ({origin}): cannot listen on "
                f"{host}:{wanted.port}: {why}"
            ) from error
        self._runner = runner
        port = runner.addresses[0][1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        """Stop listening; who is still connected is let go."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _view(self) -> dict[str, Any]:
        host = self._host
        return status_of(
            host.state,
            host.policy,
            host.now(),
            fault=host.fault,
            head=host.journal_head(),
            url=self.url,
        ) | {"deliveries": host.deliveries()}

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=page_of(self._view()), content_type="text/html")

    async def _css(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=self._style, content_type="text/css")

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return _json(self._view())

    async def _orders(self, request: web.Request) -> web.StreamResponse:
        host = self._host
        now = host.now()
        view = status_of(host.state, host.policy, now)
        return _json({"label": view["label"], "orders": orders_of(host.state, now)})

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="alive\n")

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        reasons = why_not(self._host.state, self._host.policy, self._host.fault)
        said = {"ready": not reasons, "reason": "; ".join(reasons), "reasons": list(reasons)}
        return _json(said, status=503 if reasons else 200)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        body, kind = exposition(self._host)
        return web.Response(body=body, headers={"Content-Type": kind})


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is not a plain question to this machine; put the headers on every answer."""
    try:
        if request.method not in ("GET", "HEAD"):
            response: web.StreamResponse = web.Response(
                status=405, text="this page is read-only\n", headers={"Allow": "GET, HEAD"}
            )
        elif not _is_own_name(request.host):
            response = web.Response(status=403, text="unknown host name\n")
        else:
            response = await handler(request)
    except web.HTTPException as refusal:
        response = web.Response(status=refusal.status, text=f"{refusal.reason}\n")
    response.headers.update(HEADERS)
    return response


def _is_own_name(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    return name in OWN_NAMES or (
        name.startswith("127.") and name.replace(".", "").isdecimal() and name.count(".") == 3
    )


def _json(value: object, status: int = 200) -> web.Response:
    text = json.dumps(value, ensure_ascii=False) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")
