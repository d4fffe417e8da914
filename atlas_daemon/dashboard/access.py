"""Who may look: by a name of this machine, and by a token where one is set.

The page of this machine alone asks for nothing; so it must not be read through a stranger's name
for the same address (DNS rebinding), and a request under such a name is refused. A rebound name is
never an address in digits, and brings no cookie of ours: where a token is asked for, those pass.
The token itself is in no answer, no cookie and no line of the log.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from atlas_daemon.config import Settings
from atlas_daemon.core.errors import ConfigError

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE = "atlas"
OPEN_PATHS = frozenset({"/healthz"})
"""What a monitor asks without a token: it says that the loop turns, and nothing else."""
ELSEWHERE = frozenset({"cross-site", "same-site"})
"""Other origins, as a browser names them: another port of this machine is one of the same site."""
WRONG_S = 1.0
"""A wrong token is answered so late; the loop goes on meanwhile."""
WRONG_MAX = 16
"""While so many wrong ones wait for their answer no further token is looked at."""
TOLD_EVERY_S = 60.0

LOGGER = logging.getLogger("Dashboard")


def refuse_unguarded(settings: Settings, token: str) -> None:
    """Raise ConfigError where others could look and nothing would ask them for a token."""
    if token:
        return
    wanted = settings.dashboard
    for name, opens in (
        ("dashboard.host", "" if _is_of_this_machine(wanted.host) else wanted.host),
        ("dashboard.hosts", ", ".join(wanted.hosts)),
    ):
        if opens:
            raise ConfigError(
                f"dashboard.token is missing: {name} = {opens} ({settings.origin(name)}) lets "
                "others look; set a token of 32 characters or more, e.g. in "
                f"{settings.dotenv_path} as ATLAS_DASHBOARD__TOKEN"
            )


class Access:
    """`hosts` are further names by which the page may be asked for."""

    def __init__(
        self,
        token: str,
        hosts: Sequence[str] = (),
        *,
        time: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"atlas page", hashlib.sha256).hexdigest()
        # A browser keeps the cookies of all ports of a host together: two daemons, two names.
        name = hmac.new(self._token, b"name of the cookie", hashlib.sha256).hexdigest()
        self._cookie_name = f"{COOKIE}-{name[:8]}"
        self._hosts = frozenset(hosts)
        self._time, self._sleep = time, sleep
        self.wrong = 0
        """Wrong tokens so far."""
        self._waiting = 0
        self._told_at_s: float | None = None

    async def refusal(self, request: web.Request) -> web.Response | None:
        """Return why this one may not look, or the way in after a token; None where it may."""
        if (refused := self._name_refused(request)) is not None:
            return refused
        if _is_of_another_page(request):
            return _said(403, "a page of another origin asks")
        if not self._token or request.path in OPEN_PATHS:
            return None
        if _same(request.cookies.get(self._cookie_name, ""), self._cookie.encode()):
            # The address is left as soon as may be: it stands in the browser's history.
            return _to_the_page() if "token" in request.query else None
        bearer = _bearer(request)
        given = bearer or (request.query.get("token", "") if request.path == "/" else "")
        if not given:
            return _said(401, "a token is needed: open /?token=..., or send it as a Bearer")
        if self._waiting >= WRONG_MAX:
            return _said(429, "too many wrong tokens: later")
        if not _same(given, self._token):
            return await self._wrong(request)
        if bearer:
            return None
        answer = _to_the_page()
        answer.set_cookie(
            self._cookie_name, self._cookie, path="/", httponly=True, samesite="Strict"
        )
        return answer

    def _name_refused(self, request: web.Request) -> web.Response | None:
        host = request.headers.get("Host")
        if host is None:  # HTTP/1.0 has none, and no browser speaks it; of others it is asked for
            return None
        name = _name_of(host)
        if _is_of_this_machine(name) or name in self._hosts:
            return None
        if self._token and _is_address(name):
            return None
        return _said(403, "unknown host name")

    async def _wrong(self, request: web.Request) -> web.Response:
        self.wrong += 1
        now_s = self._time()
        if self._told_at_s is None or now_s - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = now_s
            LOGGER.warning("A wrong token from %s, %d so far", request.remote, self.wrong)
        self._waiting += 1
        try:
            await self._sleep(WRONG_S)
        finally:
            self._waiting -= 1
        return _said(401, "wrong token")


def _is_of_another_page(request: web.Request) -> bool:
    """True for what another origin's page asks for itself; a person may follow its links."""
    headers = request.headers
    if headers.get("Sec-Fetch-Site") not in ELSEWHERE:
        return False
    where = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
    return where != ("navigate", "document")


def _bearer(request: web.Request) -> str:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _same(given: str, ours: bytes) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), ours)


def _said(status: int, text: str) -> web.Response:
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "10"}}.get(status)
    return web.Response(status=status, text=f"{text}\n", headers=headers)


def _to_the_page() -> web.Response:
    return web.Response(status=303, text="", headers={"Location": "/"})


def _name_of(host: str) -> str:
    """Return the name of `name:port`, in small letters and without brackets."""
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    return name.strip("[]").lower()


def _is_of_this_machine(name: str) -> bool:
    return name in OWN_NAMES or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
