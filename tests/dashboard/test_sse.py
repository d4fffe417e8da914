"""Open pages are told what changed: what they hear, how often, and who is let go."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.dashboard.live import CLIENTS_MAX, Page
from tests.control.desk import Desk, settings_in

from .served import PATIENCE_S, Served, served

QUICK = {"live__every_s": 0.01}


@pytest.fixture
def desk(tmp_path):
    desk = Desk(settings_in(tmp_path)).open()
    yield desk
    desk.journal.close()


class Listener:
    """A browser with the page open."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader

    async def next(self) -> tuple[str, object]:
        """Return the next event's name and data."""
        async with asyncio.timeout(PATIENCE_S):
            lines = (await self.reader.readuntil(b"\n\n")).decode().splitlines()
        if lines[0].startswith(":"):
            return "comment", lines[0]
        name, data = lines[:2]
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def end(self) -> bytes:
        """Return what is left until the other side ends it."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()


@asynccontextmanager
async def listening(page: Served, *, buffer: int | None = None):
    """Open the stream of events over HTTP/1.0, where nothing is chunked."""
    there = socket.socket()
    if buffer is not None:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    there.setblocking(False)
    await asyncio.get_running_loop().sock_connect(there, ("127.0.0.1", page.port))
    reader, writer = await asyncio.open_connection(sock=there)
    writer.write(b"GET /api/events HTTP/1.0\r\nHost: localhost\r\n\r\n")
    try:
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        assert b"text/event-stream" in head
        assert b"default-src 'none'" in head
        yield Listener(reader)
    finally:
        writer.close()


def alert(desk: Desk, text: str = "look") -> None:
    desk.take(e.AlertRaised("info", "test", text))


@pytest.mark.asyncio
async def test_a_page_is_told_how_it_stands_and_then_what_changed(desk):
    async with served(desk, **QUICK) as page, listening(page) as there:
        assert await there.next() == (
            "status",
            {
                "label": "[LOCAL]",
                "seq": desk.state.seq,
                "mode": "trading",
                "page": page.dashboard._edition,
            },
        )
        alert(desk)
        name, data = await there.next()
        assert name == "changed"
        assert data == {"seq": desk.state.seq, "sections": ["alerts", "tail", "warnings"]}


@pytest.mark.asyncio
async def test_what_many_turns_changed_is_told_once(desk):
    async with served(desk, live__every_s=0.05) as page, listening(page) as there:
        await there.next()
        for n in range(50):
            alert(desk, f"{n}")
        desk.take(e.StopRequested("ann", "test"))
        _, data = await there.next()
        assert data["seq"] == desk.state.seq
        assert {"header", "warnings", "alerts", "tail"} <= set(data["sections"])
        assert len(data["sections"]) == len(set(data["sections"]))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await there.next()


@pytest.mark.asyncio
async def test_a_page_that_is_silent_hears_that_we_are_alive(desk):
    async with served(desk, live__heartbeat_s=0.01) as page, listening(page) as there:
        await there.next()
        assert await there.next() == ("comment", ": alive")


@pytest.mark.asyncio
async def test_a_modern_browser_is_told_in_chunks_and_only_the_head_is_a_head(desk):
    async with served(desk, **QUICK) as page:
        async with page.session.get(f"{page.dashboard.url}/api/events") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["Cache-Control"] == "no-store"
            assert await answer.content.readline() == b"event: status\n"
        status, headers, text = await page.ask("/api/events", "HEAD")
        assert (status, headers["Content-Type"], text) == (200, "text/event-stream", "")


@pytest.mark.asyncio
async def test_the_hundred_and_first_page_is_refused_until_one_goes(desk):
    async with served(desk, **QUICK) as page, AsyncExitStack() as stack:
        first = AsyncExitStack()
        await first.enter_async_context(listening(page))
        rest = [await stack.enter_async_context(listening(page)) for _ in range(CLIENTS_MAX - 1)]
        status, headers, text = await page.ask("/api/events")
        assert (status, text) == (503, "100 pages are told of changes already\n")
        assert headers["Retry-After"] == "30"
        assert (await page.ask("/"))[0] == 200

        await first.aclose()
        async with listening(page):  # though nobody was written to since
            pass
        alert(desk)
        for there in rest:  # everybody hears of it
            assert [(await there.next())[0] for _ in range(2)] == ["status", "changed"]
        async with listening(page) as there:
            assert (await there.next())[0] == "status"
            assert page.dashboard.live.pages == CLIENTS_MAX


@pytest.mark.asyncio
async def test_a_browser_that_never_reads_is_let_go_and_the_others_are_told(desk):
    async with served(desk, live__stuck_s=0.05, **QUICK) as page:
        live = page.dashboard.live
        async with listening(page) as good, listening(page, buffer=4096):
            assert (await good.next())[0] == "status"
            flood = b": " + b"x" * 500_000 + b"\n\n"
            pages = list(live._pages)
            assert len(pages) == 2
            pages[1].tell(1, frozenset({"tail"}), flood)
            async with asyncio.timeout(PATIENCE_S):
                while live.pages == 2:
                    alert(desk)
                    await good.next()
            alert(desk)
            assert (await good.next())[0] == "changed"
        assert desk.state.mode == "trading"


def test_what_a_slow_page_was_not_told_is_gathered_and_has_an_end():
    page = Page()
    page.tell(7, frozenset({"tail"}), b"whole")
    assert page.take() == b"whole"
    for seq in range(1000):
        page.tell(seq, frozenset({"tail", f"part{seq % 3}"}), b"x" * 1000)
    assert page.take() == (
        b'event: changed\ndata: {"seq": 999, "sections": ["part0", "part1", "part2", "tail"]}\n\n'
    )


@pytest.mark.asyncio
async def test_where_no_page_is_open_nobody_looks(desk):
    looks = []
    async with served(desk, **QUICK) as page:
        look = page.dashboard.live._look
        page.dashboard.live._look = lambda: looks.append(1) or look()
        alert(desk)
        await page.ask("/")
        assert looks == []
        async with listening(page) as there:
            await there.next()
            alert(desk)
            await there.next()
        watch = page.dashboard.live._watch
        async with asyncio.timeout(PATIENCE_S):
            while not watch.done():
                alert(desk)
                await asyncio.sleep(0.01)
        assert looks


@pytest.mark.asyncio
async def test_a_bug_in_the_look_is_told_in_the_log_and_pages_come_back(desk, caplog):
    async with served(desk, **QUICK) as page:
        live = page.dashboard.live
        look = live._look
        async with listening(page) as there:
            await there.next()
            live._look = lambda: 1 / 0
            assert await there.end() == b""
            live._look = look
        async with listening(page) as there:
            assert (await there.next())[0] == "status"
            alert(desk)
            assert (await there.next())[0] == "changed"
    told = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in told] == ["Open pages are told no more"]


@pytest.mark.asyncio
async def test_the_end_waits_for_no_page(desk):
    loop = asyncio.get_running_loop()
    async with served(desk) as page, AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(listening(page))
        begun_s = loop.time()
        await page.dashboard.stop()
        assert loop.time() - begun_s < 0.5
        assert page.dashboard.live.pages == 0


@pytest.mark.asyncio
async def test_pages_are_told_a_few_at_a_time(desk):
    """A hundred at once would hold up an order, and then all ask at once."""
    async with served(desk) as page:
        live = page.dashboard.live
        pages = [Page() for _ in range(10)]
        live._pages = dict.fromkeys(pages)
        told = asyncio.create_task(live._tell_all(1, frozenset({"tail"})))
        await asyncio.sleep(0)
        assert [each.woken.is_set() for each in pages] == [True] * 4 + [False] * 6
        await told
        assert all(each.woken.is_set() for each in pages)
        live._pages = {}
