"""Tells open pages which of their sections changed: server-sent events.

Nobody is told of anything by the bus: while a page is open, what is true now is compared with what
was true a quarter of a second ago, and the names of the sections that differ are said, once for
all pages. Each page is written to by its own request. For one that is slow the names are gathered
in a set, which has an end; one that takes nothing is let go. The pages are told a few at a time,
so that a hundred of them neither hold up the loop nor all ask at once.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType

from aiohttp import web

from .differences import Look, differing

EVERY_S = 0.25
"""At most so often is a page told."""
HEARTBEAT_S = 15.0
CLIENTS_MAX = 100
STUCK_S = 10.0
"""A page that takes nothing for so long is let go: it comes back, and asks for all anew."""
AT_ONCE = 4
SPREAD_S = 0.016
"""So many pages are told, then so long nothing: a hundred take less than half a second."""

LOGGER = logging.getLogger("Dashboard")


class Page:
    """An open page: the sections that it was not told of yet."""

    def __init__(self, transport: asyncio.Transport | None = None) -> None:
        self.transport = transport
        self.woken = asyncio.Event()
        self.is_over = False
        self.seq = 0
        self.notice = b""
        """What it is to be told, encoded, where that is the same for all."""
        self.sections: frozenset[str] = frozenset()

    def tell(self, seq: int, sections: frozenset[str], notice: bytes) -> None:
        """Tell it soon; together with what waits already."""
        if self.sections:
            sections |= self.sections
            notice = b""
        self.seq, self.sections, self.notice = seq, sections, notice
        self.woken.set()

    def take(self) -> bytes:
        """Return what is to be sent now."""
        self.woken.clear()
        told = self.notice or changed(self.seq, self.sections)
        self.sections, self.notice = frozenset(), b""
        return told

    def leave(self) -> None:
        """Let it go: it comes back by itself."""
        self.is_over = True
        self.woken.set()


class Live:
    """`look` says what is true now, `greeting` what a page is told first; `headers` go with it."""

    def __init__(
        self,
        look: Callable[[], Look],
        greeting: Callable[[], dict[str, object]],
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        every_s: float = EVERY_S,
        heartbeat_s: float = HEARTBEAT_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._look, self._greeting, self._headers = look, greeting, headers
        self._every_s, self._heartbeat_s, self._stuck_s = every_s, heartbeat_s, stuck_s
        self._pages: dict[Page, None] = {}
        self._watch: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    def _let_gone_go(self) -> None:
        """One that went is else noticed when it is next written to."""
        for page in self._pages:
            if page.transport is None or page.transport.is_closing():
                page.leave()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Tell one page of changes until it goes."""
        if len(self._pages) >= CLIENTS_MAX:
            self._let_gone_go()
            await asyncio.sleep(0)  # and they have gone
        if len(self._pages) >= CLIENTS_MAX or self._is_over:
            return web.Response(
                status=503,
                text=f"{CLIENTS_MAX} pages are told of changes already\n",
                headers={"Retry-After": "30"},
            )
        page = Page(request.transport)
        self._pages[page] = None
        try:
            return await self._tell(request, page)
        except ConnectionResetError:  # it went before it was told anything
            return web.Response(status=503)
        finally:
            del self._pages[page]

    async def close(self) -> None:
        """Let every page go."""
        self._is_over = True
        for page in self._pages:
            page.leave()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    async def _tell(self, request: web.Request, page: Page) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        answer.headers.update(self._headers)
        if request.method == "HEAD":
            await answer.prepare(request)
            return answer
        answer.enable_chunked_encoding() if request.version >= (1, 1) else answer.force_close()
        await answer.prepare(request)
        if request.transport is not None:  # what it does not read is seen at once
            request.transport.set_write_buffer_limits(high=0)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching(), name="dashboard")
            self._watch.add_done_callback(self._ended)
        said = _event("status", self._greeting())
        while not page.is_over:
            try:
                async with asyncio.timeout(self._stuck_s):
                    await answer.write(said)
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
                break
            except ConnectionResetError:  # it went, and nothing had told us yet
                break
            said = await self._next(page)
        return answer

    async def _next(self, page: Page) -> bytes:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await page.woken.wait()
        except TimeoutError:
            return b": alive\n\n"
        return page.take()

    async def _watching(self) -> None:
        """Look at what is true for as long as a page is open."""
        seen = self._look()
        while self._pages:
            await asyncio.sleep(self._every_s)
            before, seen = seen, self._look()
            if sections := differing(before, seen):
                await self._tell_all(seen.seq, sections)

    async def _tell_all(self, seq: int, sections: frozenset[str]) -> None:
        notice = changed(seq, sections)
        left = iter(tuple(self._pages))
        while some := tuple(islice(left, AT_ONCE)):
            for page in some:
                page.tell(seq, sections, notice)
            await asyncio.sleep(SPREAD_S)

    def _ended(self, watch: "asyncio.Task[None]") -> None:
        """A bug of ours in here ends no daemon: it is told, and the pages come back."""
        if watch.cancelled() or (error := watch.exception()) is None:
            return
        LOGGER.error("Open pages are told no more", exc_info=error)
        for page in self._pages:
            page.leave()


def changed(seq: int, sections: Iterable[str]) -> bytes:
    """Return the event that names the sections which are to be fetched anew."""
    return _event("changed", {"seq": seq, "sections": sorted(sections)})


def _event(name: str, data: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
