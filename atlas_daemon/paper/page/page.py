"""The broker's page at /: read-only, for this machine only, nothing from elsewhere.

It asks for no password, so it must not be read through a stranger's name for this address (DNS
rebinding): a request whose Host is not this machine's own is refused. Addresses and headers live
here; what the page says is `page_text`'s.
"""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from atlas_daemon.paper.api.gate import DESK
from atlas_daemon.paper.api.stream import SWITCHBOARD
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.page.page_text import choice_of, page_of

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def routes() -> list[web.RouteDef]:
    """The page and what it is made of."""
    return [
        web.get("/", show_page),
        web.get("/page.css", show_style),
        web.get("/page.js", show_script),
    ]


async def show_page(request: web.Request) -> web.Response:
    """GET /?account=KEY&symbol=SYMBOL&span=day: everything that can be seen."""
    _check_host(request)
    desk = request.app[DESK]
    desk.settle()
    asked = request.query
    choice = choice_of(
        desk,
        asked.get("account", ""),
        asked.get("symbol", "").strip().upper(),
        asked.get("span", ""),
    )
    text = page_of(desk, choice, request.app[SWITCHBOARD].listeners())
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=HEADERS)


async def show_style(request: web.Request) -> web.Response:
    """GET /page.css."""
    return _asset(request, "page.css", "text/css")


async def show_script(request: web.Request) -> web.Response:
    """GET /page.js."""
    return _asset(request, "page.js", "text/javascript")


def _asset(request: web.Request, name: str, kind: str) -> web.Response:
    _check_host(request)
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=kind, charset="utf-8", headers=HEADERS)


def _check_host(request: web.Request) -> None:
    """Refuse a name that is not this machine's own. Raises RefusedError."""
    host = request.headers.get("Host", "")
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    name = name.strip("[]").lower()
    if name not in _OWN_NAMES and not (name.startswith("127.") and name.count(".") == 3):
        raise refusals.RefusedError(403, {"message": "forbidden."})
