"""Garbage at the daemon's doors: the stream, the broker's answers, the control socket, the page.

The parsers alone are asked in `test_parsers`; here whole rooms stand behind a real socket or the
real bus and journal. Whatever comes, they answer or let go, and the next honest word is heard.
"""

import asyncio
import gzip
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from atlas_daemon import bus
from atlas_daemon.control import ask
from atlas_daemon.control.messages import LINE_MAX
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.values import Side
from atlas_daemon.dashboard import Dashboard
from atlas_daemon.edges.alpaca import transport
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.frames import TradeUpdate
from atlas_daemon.edges.alpaca.stream import BadFrame, StreamNews, TradeStream
from atlas_daemon.edges.alpaca.transport import open_session
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.edges.stream_news import events_of
from tests.control.desk import Desk, DeskThread, settings_in
from tests.edges import samples
from tests.edges.stub import HandClock
from tests.fuzz.frames import flood, growing
from tests.fuzz.mutator import Mutator
from tests.fuzz.rooms import BODIES, trade_updates

FRAMES = 20_000


# The stream.


@pytest.mark.asyncio
async def test_twenty_thousand_frames_leave_nothing_behind_but_what_is_on_record(tmp_path) -> None:
    done = await flood(tmp_path, FRAMES, steps=4)
    assert sum(done.kinds.values()) == FRAMES
    assert min(done.kinds.values()) > 100
    assert growing(done.seen) == {}
    half, end = done.seen[1], done.seen[-1]
    assert end.objects < half.objects * 1.05
    assert done.verdict.is_intact
    assert done.state.halt is None
    assert 0 < done.entries["FrameUnread"] < FRAMES / 100
    assert done.inbox_peak < 200


def ws_frame(body: bytes) -> bytes:
    """Return a binary frame as a server sends it (RFC 6455, 5.2)."""
    if len(body) < 126:
        return bytes((0x82, len(body))) + body
    return b"\x82\x7e" + len(body).to_bytes(2, "big") + body


@asynccontextmanager
async def streaming(
    raw: bytes,
    hear: Callable[[StreamNews], None],
    room: Callable[[], Awaitable[object]] | None = None,
) -> AsyncIterator[asyncio.Task]:
    """A stream that listens to a server which writes `raw` as fast as it can, and then nothing."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        link = web.WebSocketResponse()
        await link.prepare(request)
        await link.receive()
        await link.send_json({"stream": "authorization", "data": {"status": "authorized"}})
        await link.receive()
        await link.send_json({"stream": "listening", "data": {"streams": ["trade_updates"]}})
        assert request.transport is not None
        request.transport.write(raw)
        await link.receive()
        return link

    async def never(seconds: float) -> None:
        await asyncio.Event().wait()

    app = web.Application()
    app.router.add_get("/stream", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/stream"
    keys = ("PKTEST", "never-shown")
    stream = TradeStream(url, *keys, open_session, hear, sleep=never, room=room)
    task = asyncio.create_task(stream.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


@pytest.mark.asyncio
async def test_damaged_frames_in_one_burst_are_each_told_over_a_real_socket() -> None:
    mutator = Mutator(random.Random(7), BODIES)
    good = trade_updates()[:9]
    bodies = [mutator.body(mutator.chance.choice(good))[:4000] or b"{}" for _ in range(1000)]
    last = samples.a_trade_update("new", execution_id="the-last")
    heard: list[StreamNews] = []
    ended = asyncio.Event()

    def hear(news: StreamNews) -> None:
        heard.append(news)
        if isinstance(news, TradeUpdate) and news.execution_id == "the-last":
            ended.set()

    raw = b"".join(map(ws_frame, (*bodies, json.dumps(last).encode())))
    async with streaming(raw, hear), asyncio.timeout(30):
        await ended.wait()
    bad = [news for news in heard if isinstance(news, BadFrame)]
    assert len(bad) > 300
    assert all(len(news.detail) < 1000 and len(news.excerpt) < 200 for news in bad)


@pytest.mark.asyncio
async def test_a_burst_beyond_the_inboxs_places_does_not_end_the_daemon(
    tmp_path, monkeypatch
) -> None:
    """60,000 frames `{}` fit into one read of 240 kB; here 4,000 meet an inbox of 1,500 places."""
    monkeypatch.setattr(bus, "INBOX_MAX", bus.CROWD + 500)
    desk = Desk(settings_in(tmp_path), is_mute=True).open()
    turns = asyncio.create_task(desk.bus.run())
    raw = ws_frame(b"{}") * 4_000 + ws_frame(json.dumps(samples.a_trade_update("new")).encode())
    ended = asyncio.Event()

    def hear(news: StreamNews) -> None:
        for event in events_of(news):
            desk.hear(event)
        if isinstance(news, TradeUpdate):
            ended.set()

    try:
        async with streaming(raw, hear, desk.bus.room) as stream, asyncio.timeout(60):
            waits = [asyncio.ensure_future(ended.wait()), stream, turns]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            waits[0].cancel()
            for task in (stream, turns):
                if task.done():
                    await task
            await desk.bus.drained()
    finally:
        turns.cancel()
        await asyncio.gather(turns, return_exceptions=True)
        desk.journal.close()


# The broker's answers, byte by byte.

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HOSTILE = {
    "nothing": b"",
    "zeros": b"\x00" * 400,
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "binary": bytes(range(256)) * 4,
    "a status that is none": b"HTTP/1.1 999999 ???\r\n\r\n",
    "a version that is none": b"HTTP/9.9 200 OK\r\n\r\n",
    "cut in the headers": OK + b"Content-Le",
    "cut in the body": OK + b"Content-Length: 500\r\n\r\n{",
    "a negative length": OK + b"Content-Length: -5\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "a length of a thousand digits": OK + b"Content-Length: " + b"9" * 1000 + b"\r\n\r\n{}",
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk without end": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n{}",
    "a header of 100 kB": OK + b"X-Large: " + b"x" * 100_000 + b"\r\n\r\n{}",
    "ten thousand headers": OK + b"X-Many: 1\r\n" * 10_000 + b"\r\n{}",
    "a zip that is none": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "a damaged zip": OK
    + b"Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n"
    + gzip.compress(b"{}" * 99, mtime=0)[:30],
    "an encoding nobody knows": OK + b"Content-Encoding: odd\r\nContent-Length: 2\r\n\r\n{}",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    "a charset nobody knows": (
        b"HTTP/1.1 400 Bad\r\nContent-Type: text/html; charset=odd\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "counts of five thousand digits": OK
    + b"X-RateLimit-Remaining: "
    + b"9" * 5000
    + b"\r\nX-RateLimit-Limit: -1\r\nX-RateLimit-Reset: nan\r\nDate: never\r\n"
    + b"Content-Length: 4\r\n\r\nnull",
    "a wait beyond all measure": b"HTTP/1.1 429 Slow\r\nRetry-After: "
    + b"9" * 400
    + b"\r\nContent-Length: 0\r\n\r\n",
    "continue for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "null": OK + b"Content-Length: 4\r\n\r\nnull",
}
ID = "atlas-2027-02-r1-buy-SPY-1"
QUESTIONS = {
    "account": lambda client: client.get_account(),
    "positions": lambda client: client.get_positions(),
    "configurations": lambda client: client.get_configurations(),
    "suspend": lambda client: client.set_suspend_trade(True),
    "submit": lambda client: client.submit_market_order("SPY", 1, Side.BUY, client_order_id=ID),
    "close": lambda client: client.close_position("SPY", client_order_id=ID),
    "cancel": lambda client: client.cancel_order("61e69015-8549-4bfd-b9c3-01e75843f47d"),
    "cancel all": lambda client: client.cancel_all_orders(),
    "order": lambda client: client.get_order_status("61e69015-8549-4bfd-b9c3-01e75843f47d"),
    "order by our id": lambda client: client.get_order_by_client_id(ID),
    "orders": lambda client: client.list_orders(),
    "activities": lambda client: client.activities(),
    "clock": lambda client: client.get_clock(),
    "assets": lambda client: client.get_assets(),
    "asset": lambda client: client.get_asset("SPY"),
    "quotes": lambda client: LatestQuotes(client).get_quotes(["SPY"]),
}
HARMLESS = {"cancel", "cancel all"}
"""Where a 2xx says all that there is to say: the cancel was asked for."""


async def asked(raw: bytes, question) -> AtlasError | None:
    """Ask a server that says `raw` to every connection, and hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clock = HandClock()
    keys = {"key_id": "PKTEST", "secret": "never-shown", "trading_url": url, "data_url": url}
    client = AlpacaTradingClient(**keys, sleep=clock.sleep, wall=clock, timeout_s=5.0)
    try:
        await question(client)
    except AtlasError as error:
        return error
    finally:
        await client.close()
        server.close()
        await server.wait_closed()
    return None


@pytest.mark.asyncio
@pytest.mark.parametrize("name", HOSTILE)
async def test_whatever_bytes_a_server_answers_with_a_question_ends_in_one_line(
    name: str, monkeypatch
) -> None:
    monkeypatch.setattr(transport, "RETRY_S", (0.0,))
    for what, question in QUESTIONS.items():
        error = await asked(HOSTILE[name], question)
        if error is None:
            assert what in HARMLESS
            continue
        assert len(str(error).splitlines()) == 1, what
        assert len(str(error)) < 1000
        assert "never-shown" not in str(error)


@pytest.mark.asyncio
async def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch) -> None:
    monkeypatch.setattr(transport, "BODY_MAX", 100_000)
    monkeypatch.setattr(transport, "RETRY_S", ())
    body = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 65535 + b"\r\n"
    error = await asked(body + b"ffff\r\n" + b"x" * 65535 + b"\r\n", QUESTIONS["account"])
    assert "an answer of over 100000 bytes" in str(error)
    # A small zip of a large body counts as what it becomes.
    packed = gzip.compress(b" " * 10_000_000, mtime=0)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    error = await asked(head + packed, QUESTIONS["account"])
    assert "an answer of over 100000 bytes" in str(error)


# The control socket.

REQUESTS = (
    {"do": "status"},
    {"do": "orders", "wait_s": 1},
    {"do": "regime", "set": "CRASH", "by": "ann"},
    {"do": "adopt", "symbol": "SPY", "by": "ann"},
    {"do": "watch", "after": 3, "until": 2},
    {"do": "rebalance", "by": "ann", "force": False},
)


def test_whatever_a_client_sends_the_control_plane_answers_in_lines_and_lives(tmp_path) -> None:
    settings = settings_in(tmp_path)
    path = settings.control_socket_path
    with DeskThread(settings, is_mute=True):
        for number in range(150):
            mutator = Mutator(random.Random(f"control/{number}"), BODIES)
            line = mutator.body(mutator.chance.choice(REQUESTS)).replace(b"\n", b" ")
            for answer in _answers(path, line[: 2 * LINE_MAX] + b"\n"):
                said = json.loads(answer)
                assert said.get("ok") in (True, False) or "entry" in said, (line[:200], answer)
                if said.get("ok") is False:
                    assert len(said["error"].splitlines()) == 1, line[:200]
        assert ask(path, "status")


def _answers(path, data: bytes) -> list[bytes]:
    """Send bytes, and hang up after what comes at once: some requests are watched for ever."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(path))
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        found = b""
        while piece := link.recv(65_536):
            found += piece
            if found.endswith(b"\n"):
                break
    return found.splitlines()


# The page.

PAGE_REQUEST = b"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"


@pytest.mark.asyncio
async def test_whatever_a_browser_sends_the_page_refuses_or_answers_and_lives(tmp_path) -> None:
    desk = Desk(settings_in(tmp_path)).open()
    dashboard = Dashboard(desk)
    url = await dashboard.start()
    host, port = url.removeprefix("http://").split(":")
    statuses: set[bytes] = set()
    try:
        for number in range(300):
            mutator = Mutator(random.Random(f"page/{number}"))
            raw = mutator.body(PAGE_REQUEST)[:20_000]
            answer = await _exchange(host, int(port), raw + b"\r\n\r\n" + PAGE_REQUEST)
            if answer:
                statuses.add(answer.split(b" ")[1])
                assert b"Traceback" not in answer
        last = await _exchange(host, int(port), PAGE_REQUEST)
    finally:
        await dashboard.stop()
        desk.journal.close()
    assert last.startswith(b"HTTP/1.1 200 OK")
    assert {b"200", b"400", b"403"} <= statuses
    assert b"500" not in statuses


async def _exchange(host: str, port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(raw)
        async with asyncio.timeout(1):  # of half a request the rest is waited for
            return await reader.read(4096)
    except (ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()
