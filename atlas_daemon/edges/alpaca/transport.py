"""One HTTP request and its verdict; GETs again after 1, 2 and 4 s, everything else once.

An order is never repeated here: whoever sent it asks what became of it. (aiohttp itself repeats a
GET or a DELETE once where a connection breaks; a POST or PATCH never.)
Endpoints, orders and their meaning live in `client`. Headers with keys are never logged.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace

import aiohttp
import msgspec
from yarl import URL

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.faults import (
    Accepted,
    NoVerdict,
    RateLimited,
    RateLimitedError,
    Refused,
    Unknown,
    Verdict,
    classify,
    error_for,
    wait_of,
)
from atlas_daemon.edges.alpaca.lookout import Lookout, level_of
from atlas_daemon.edges.alpaca.pool import CleanConnector, Gate, GatedRequest, asked_for
from atlas_daemon.edges.alpaca.scalars import excerpt

RETRY_S = (1.0, 2.0, 4.0)
"""Waits between the tries of a GET (the handbook: exponential back-off, 3 retries)."""
WAIT_MAX_S = 60.0
"""A GET waits no longer for a rate limit; the caller is told instead."""
CONNECT_TIMEOUT_S = 10.0
IDLE_S = 15.0
BODY_MAX = 64 * 1024 * 1024
"""Bytes of an answer; the longest list there is, of all assets, has a tenth of it."""
HEADERS_READ = (
    "Date",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
    "X-Atlas-Clock-Speed",
)
"""The headers anybody here looks at, by the names they are read under (Alpaca's case varies)."""

OpenSession = Callable[[], aiohttp.ClientSession]
SessionSource = aiohttp.ClientSession | OpenSession | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Transport:
    """A pooled session of requests to one account, with a budget per host.

    `session` is a session (then its owner closes it), what opens one, or None for `open_session`.
    """

    def __init__(
        self,
        *,
        key_id: str,
        secret: str,
        session: SessionSource,
        timeout_s: float,
        sleep: Callable[[float], Awaitable[object]],
        logger: logging.Logger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._keys = {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
        self._given = session if isinstance(session, aiohttp.ClientSession) else None
        self._open = open_session if isinstance(session, aiohttp.ClientSession | None) else session
        self._own: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)
        )
        self._sleep = sleep
        self._logger = logger
        self._wall = wall
        self.lookout = Lookout(logger, lambda: datetime.fromtimestamp(wall(), UTC))

    async def get(
        self, url: str, params: Mapping[str, str] | None, budget: RequestBudget
    ) -> Answer:
        """Ask; again after a network error, 5xx or 429. Raises the faults' errors."""
        for delay_s in (*RETRY_S, None):
            await budget.acquire()
            verdict, answer = await self._exchange("GET", url, params, None, budget)
            wait_s = None if answer is not None else _retry_wait(verdict, delay_s)
            if wait_s is None:
                self.lookout.hears(url, verdict, _brief(verdict))
                if answer is not None:
                    return answer
                raise _error(f"GET {url}", verdict)
            self.lookout.retries(url, verdict, wait_s, _brief(verdict))
            await self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    async def send(
        self,
        method: str,
        url: str,
        payload: Mapping[str, object] | None,
        budget: RequestBudget,
        *,
        params: Mapping[str, str] | None = None,
        is_cancel: bool = False,
        gate: Gate | None = None,
    ) -> Answer:
        """Send once what changes something. Raises the faults' errors; never sends twice.

        What `gate` raises comes through: then not a byte has left.

        Only a cancel waits for the budget: an order that waited would outlive its approval.
        """
        what = f"{method} {url}"
        if is_cancel:
            await budget.acquire(is_cancel=True)
        elif (wait_s := budget.try_acquire()) > 0:
            self._logger.warning("%s withheld: our request budget is spent", what)
            raise RateLimitedError(what, RateLimited(wait_s, was_sent=False))
        verdict, answer = await self._exchange(method, url, params, payload, budget, gate)
        if answer is not None:
            return answer
        self._logger.log(level_of(verdict), "%s failed: %s", what, _brief(verdict))
        raise _error(what, verdict)

    async def close(self) -> None:
        """Close our own session; a given one is its owner's."""
        if self._own is not None:
            own, self._own = self._own, None
            await own.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = self._open()
        return self._own

    async def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        payload: Mapping[str, object] | None,
        budget: RequestBudget,
        gate: Gate | None = None,
    ) -> tuple[Verdict, Answer | None]:
        headers = dict(self._keys)
        body = None
        if payload is not None:
            body = msgspec.json.encode(payload)
            headers["Content-Type"] = "application/json"
            self._logger.debug("%s %s payload %s", method, url, body.decode())
        try:
            async with self._session().request(
                method,
                URL(url, encoded=True),
                params=params,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                trace_request_ctx=gate,
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            never_left = isinstance(
                error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
            )
            return classify(method, None, failure=error, may_have_arrived=not never_left), None
        seen = {name: response.headers[name] for name in HEADERS_READ if name in response.headers}
        if self._logger.isEnabledFor(logging.DEBUG):
            request_id = seen.get("X-Request-ID", "-")
            text = "%s %s -> %d request %s: %s"
            self._logger.debug(text, method, url, response.status, request_id, excerpt(raw))
        verdict = classify(method, response.status, raw, seen, wall_s=self._wall())
        self._heed(verdict, seen, budget)
        if isinstance(verdict, Accepted):
            return verdict, Answer(response.status, raw, seen)
        return verdict, None

    def _heed(self, verdict: Verdict, seen: Mapping[str, str], budget: RequestBudget) -> None:
        """Tell the budget what the broker says of its own count."""
        if isinstance(verdict, RateLimited):
            budget.pause(RETRY_S[0] if verdict.wait_s is None else verdict.wait_s)
        remaining = _count(seen.get("X-RateLimit-Remaining"))
        if remaining is not None:
            until = {key: seen[key] for key in ("Date", "X-RateLimit-Reset") if key in seen}
            limit = _count(seen.get("X-RateLimit-Limit"))
            budget.heed(remaining, limit, wait_of(until, self._wall()))


def open_session(idle_s: float = IDLE_S) -> aiohttp.ClientSession:
    """Open a session that keeps no cookies, asks no environment and follows no redirect.

    Keys go to the address that was configured and nowhere else, websockets included. A connection
    that nobody uses for `idle_s` is closed.
    """
    trace = aiohttp.TraceConfig(trace_config_ctx_factory=_Asked)
    trace.on_request_redirect.append(_refuse_redirect)
    trace.on_request_start.append(_remember_gate)
    return aiohttp.ClientSession(
        connector=CleanConnector(keepalive_timeout=idle_s),
        request_class=GatedRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[trace],
        response_class=BoundedResponse,
    )


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that is not read beyond `BODY_MAX`: it may have no end."""

    async def read(self) -> bytes:
        """Return the whole body; ClientPayloadError where it is longer than any of Alpaca's."""
        chunks, size = [], 0
        async for chunk in self.content.iter_any():
            size += len(chunk)
            if size > BODY_MAX:
                raise aiohttp.ClientPayloadError(f"an answer of over {BODY_MAX} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


class _Asked(SimpleNamespace):
    """A request's context in the session's traces: carries its gate, if it has one."""

    def __init__(self, trace_request_ctx: Gate | None = None) -> None:
        super().__init__(gate=trace_request_ctx)


async def _remember_gate(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    start: aiohttp.TraceRequestStartParams,
) -> None:
    asked_for.set(context.gate)


async def _refuse_redirect(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    redirect: aiohttp.TraceRequestRedirectParams,
) -> None:
    raise aiohttp.ClientError(f"redirect refused: {redirect.url}")


def root_of(url: str) -> str:
    """Return an address without what users copy along with it: the slash and the version."""
    return url.strip().rstrip("/").removesuffix("/v2").rstrip("/")


def _retry_wait(verdict: Verdict, delay_s: float | None) -> float | None:
    """Seconds until the next try of a GET; None where another try is no use."""
    if delay_s is None:
        return None
    if isinstance(verdict, RateLimited):
        wait_s = delay_s if verdict.wait_s is None else verdict.wait_s
        return wait_s if wait_s <= WAIT_MAX_S else None
    if isinstance(verdict, Unknown) and verdict.is_transient:
        return delay_s
    return None


def _error(what: str, verdict: Verdict) -> Exception:
    assert not isinstance(verdict, Accepted)
    return error_for(what, verdict)


def _brief(verdict: Verdict) -> str:
    match verdict:
        case Refused():
            return f"HTTP {verdict.status} {verdict.kind}: {verdict.message}"
        case Unknown():
            return verdict.detail
        case NoVerdict():
            return f"HTTP {verdict.status} {verdict.message}: check the credentials"
        case RateLimited():
            return "HTTP 429 too many requests"
        case Accepted():
            return f"HTTP {verdict.status}"


def _count(text: str | None) -> int | None:
    """Return the count that a header gives; none has more than nine digits."""
    if text is None or len(text) > 9 or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def check_page(field: str, size: int, least: int, most: int) -> None:
    """Raise RefusedError for a page size beyond what the broker serves.

    One that it cuts without a word would look like the last page.
    """
    if not least <= size <= most:
        raise RefusedError(f"{field} {size} must be from {least} to {most}")
