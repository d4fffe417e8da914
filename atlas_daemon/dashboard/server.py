"""The web server of the page: addresses, methods, headers, and what a question may look like.

A bug of ours in an answer is a 500 and a stack trace in the log, and ends nothing: a page decides
nothing, and a daemon that ended because of a table would leave a run half way. What takes entries
in (`chronicle`) is held to the law of every watcher instead: a bug there ends the process.
"""

import asyncio
import errno
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from atlas_daemon import __version__
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.views import orders_of

from . import metrics, rendering
from .access import Access, refuse_unguarded
from .connections import Connections
from .differences import Look, look_at
from .health import why_not
from .live import Live
from .page import SECTIONS
from .rendering import KEPT, Rendering

FOLDER = Path(__file__).parent
ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
EVENTS = "/api/events"
REQUEST_MAX = 16_384
SHUTDOWN_S = 1.0
IDLE_S = 15.0
"""So long a connection may take to ask its whole question, its first or its next one."""
LINGER_S = 1.0
WARM_AFTER_S = 1.0
"""By then a start has asked the broker for what it needs, and waits for the answers."""
WARM_EVERY_S = 5.0
SHOWN_MAX = 80
UNREAD_MAX = 4_000_000
"""Bytes of answers that nobody takes: beyond it no further large one is made."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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


class Host(metrics.Host, rendering.Host, Protocol):
    """The daemon as the dashboard sees it."""


class Dashboard:
    """Serves `host` at its settings' address; `token` is asked for where there is one."""

    def __init__(self, host: Host, token: str = "") -> None:
        self._host, self._token = host, token
        self._assets = {
            name: (FOLDER / name).read_text(encoding="utf-8")
            for name in ASSETS
            if (FOLDER / name).exists()
        }
        # An open page hears by this that the daemon came back with another one.
        text = "\n".join((__version__, *SECTIONS, *self._assets.values()))
        self._edition = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._one_at_a_time = asyncio.Lock()
        self._one_large_at_a_time = asyncio.Lock()
        self._rendering = Rendering(host, lambda: self.url)
        self.live = Live(self._look, self._greeting, HEADERS)
        """The pages that are open."""
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._connections: Connections | None = None
        self._warming: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self) -> str:
        """Listen, and return the page's address.

        Raises ConfigError where the port is taken, and where others could look without a token.
        """
        settings = self._host.settings
        refuse_unguarded(settings, self._token)
        wanted = settings.dashboard
        loop = asyncio.get_running_loop()
        self._access = Access(self._token, wanted.hosts, time=loop.time)
        runner = self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=LOGGER,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=IDLE_S,
            lingering_time=LINGER_S,
        )
        await runner.setup()
        assert runner.server is not None
        self._connections = Connections(runner.server, time=loop.time)
        # `localhost` is often two addresses, and a free port is not the same on both.
        host = "127.0.0.1" if wanted.host == "localhost" else wanted.host
        try:
            self._server = await self._connections.listen(host, wanted.port)
        except OSError as error:
            await runner.cleanup()
            is_taken = error.errno == errno.EADDRINUSE
            why = "another program has it" if is_taken else (error.strerror or str(error))
            origin = settings.origin("dashboard.port")
            raise ConfigError(
                f"dashboard.port = {wanted.port} ({origin}): cannot listen on "
                f"{host}:{wanted.port}: {why}"
            ) from error
        self._warming = asyncio.create_task(self._warm(), name="dashboard")
        self._warming.add_done_callback(_tell_bug)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        """Stop listening; who is still connected is let go."""
        if self._server is not None:
            self._server.close()
        if self._connections is not None:
            self._connections.end()
        if self._warming is not None:
            self._warming.cancel()
        await self.live.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _warm(self) -> None:
        """Make what is dear before anybody asks: the page once, what is kept when it changes."""
        await asyncio.sleep(WARM_AFTER_S)
        self._rendering.page()
        while True:
            await asyncio.sleep(WARM_EVERY_S)
            for name in KEPT:
                self._rendering.section(name)

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard()], client_max_size=REQUEST_MAX)
        for path, answer in (
            ("/", self._page),
            ("/part/{name}", self._part),
            ("/api/status", self._status),
            ("/api/orders", self._orders),
            ("/api/rebalances", self._rebalances),
            ("/api/equity", self._equity),
            (EVENTS, self.live.serve),
            ("/healthz", self._alive),
            ("/readyz", self._ready),
            ("/metrics", self._metrics),
            *((f"/{name}", self._asset) for name in self._assets),
        ):
            app.router.add_get(path, answer)
        return app

    def _guard(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            """Refuse what is no plain question of one who may ask; put headers on every answer."""
            response: web.StreamResponse | None
            try:
                if request.method not in ("GET", "HEAD"):
                    response = _line(405, "this page is read-only", {"Allow": "GET, HEAD"})
                elif (response := await self._access.refusal(request)) is None:
                    if request.path != EVENTS:
                        await self._turn()
                    response = await handler(request)
            except web.HTTPException as refusal:
                said = refusal.said if isinstance(refusal, _Refusal) else refusal.reason
                response = _line(refusal.status, said)
            if not response.prepared:
                response.headers.update(HEADERS)
            return response

        return guard

    async def _turn(self) -> None:
        """Wait for one's turn: in each pass of the loop one answer is made, and orders go on."""
        async with self._one_at_a_time:
            await asyncio.sleep(0)

    @asynccontextmanager
    async def _large(self) -> AsyncIterator[None]:
        """Make one answer of many pieces at a time, and none while too much is not taken."""
        async with self._one_large_at_a_time:
            if self._connections is not None and self._connections.unread() > UNREAD_MAX:
                raise _Refusal(503, "too much is asked for and not taken: later")
            yield

    # Answers.

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=self._rendering.page(), content_type="text/html")

    async def _part(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        try:
            text = self._rendering.section(name)
        except KeyError:
            raise _unknown(f"{_shown(name)}: no such section") from None
        return web.Response(text=text, content_type="text/html")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        name = request.path.removeprefix("/")
        return web.Response(text=self._assets[name], content_type=ASSETS[name], charset="utf-8")

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return _json(self._rendering.status())

    async def _orders(self, request: web.Request) -> web.StreamResponse:
        host, wanted = self._host, request.query.get("id")
        if wanted is None:
            return _json(self._labelled(orders=orders_of(host.state, host.now())))
        order = host.chronicle.order(wanted)
        if order is None:
            raise _unknown(f"id = {_shown(wanted)}: no order of this id is kept here")
        return _json(self._labelled(order=order))

    async def _rebalances(self, request: web.Request) -> web.StreamResponse:
        chronicle, wanted = self._host.chronicle, request.query.get("run")
        if wanted is None:
            since, until = _days(request)
            pieces = []
            async with self._large():
                for name in chronicle.rebalance_names(since, until):
                    if (run := chronicle.rebalance(name)) is not None:  # else let go meanwhile
                        pieces.append(json.dumps(run))
                    await self._turn()
            return self._in_pieces({}, "rebalances", pieces)
        run = chronicle.rebalance(wanted)
        if run is None:
            raise _unknown(f"run = {_shown(wanted)}: no rebalance of this name is kept here")
        return _json(self._labelled(rebalance=run))

    async def _equity(self, request: web.Request) -> web.StreamResponse:
        since, until = _days(request)
        chronicle, benchmark = self._host.chronicle, self._host.policy.benchmark
        pieces = []
        async with self._large():
            frame = chronicle.equity_frame(benchmark, since, until)
            for some in chronicle.points(since, until):
                pieces.append(json.dumps(some)[1:-1])
                await self._turn()
        return self._in_pieces(frame, "points", pieces)

    def _in_pieces(self, frame: dict[str, Any], name: str, pieces: list[str]) -> web.Response:
        """Return JSON of which one list was written a piece at a time.

        So an order does not wait for ten years of figures, and they are not all held at once.
        """
        head = json.dumps(self._labelled(**frame))
        text = f'{head[:-1]}, "{name}": [{", ".join(pieces)}]}}\n'
        return web.Response(text=text, content_type="application/json")

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="alive\n")

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        reasons = why_not(self._host.state, self._host.policy, self._host.fault)
        said = {"ready": not reasons, "reason": "; ".join(reasons), "reasons": list(reasons)}
        return _json(said, status=503 if reasons else 200)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        body, kind = metrics.exposition(self._host)
        return web.Response(body=body, headers={"Content-Type": kind})

    # What open pages are told.

    def _look(self) -> Look:
        host = self._host
        return look_at(
            host.state,
            host.chronicle,
            host.now(),
            policy=host.policy,
            fault=host.fault,
            deliveries=[(one["channel"], one["why"], one["waiting"]) for one in host.deliveries()],
        )

    def _greeting(self) -> dict[str, object]:
        state = self._host.state
        return self._labelled(seq=state.seq, mode=state.mode.value, page=self._edition)

    def _labelled(self, **more: object) -> dict[str, object]:
        mode = self._host.state.account_mode
        return {"label": f"[{mode.upper()}]" if mode is not None else "[UNKNOWN]", **more}


def _tell_bug(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        LOGGER.error("The page cannot be made", exc_info=error)


def _days(request: web.Request) -> tuple[date | None, date | None]:
    """Return the days of `from` and `to`, both included."""
    since, until = _day(request, "from"), _day(request, "to")
    if since is not None and until is not None and since > until:
        raise _bad(f"from = {since}: must not be after to = {until}")
    return since, until


def _day(request: web.Request, name: str) -> date | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        if len(text) != len("2027-01-29"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise _bad(f"{name} = {_shown(text)}: must be a day such as 2027-01-29") from None


class _Refusal(web.HTTPException):
    """A question that has no answer, and why, in one line."""

    def __init__(self, status: int, text: str) -> None:
        self.status_code, self.said = status, text
        super().__init__()


def _bad(text: str) -> _Refusal:
    return _Refusal(400, text)


def _unknown(text: str) -> _Refusal:
    return _Refusal(404, text)


def _shown(text: str) -> str:
    """Return what somebody made up, fit for one line."""
    plain = repr(text)[1:-1]
    return f'"{plain if len(plain) <= SHOWN_MAX else plain[:SHOWN_MAX] + "..."}"'


def _line(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=headers)


def _json(value: object, status: int = 200) -> web.Response:
    text = json.dumps(value, ensure_ascii=False) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")
