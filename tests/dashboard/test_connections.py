"""Connections: so many and no more, and none that holds on to us. Trading goes on beside them."""

import asyncio
import resource
import socket
from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from atlas_daemon.dashboard.connections import MOST, STUCK_S, WHOLE_S, room_for
from tests.control.desk import Desk, settings_in

from .served import PATIENCE_S, served


@pytest.fixture
def desk(tmp_path):
    desk = Desk(settings_in(tmp_path)).open()
    yield desk
    desk.journal.close()


async def connected(page, said: bytes = b"", buffer: int | None = None) -> socket.socket:
    there = socket.socket()
    if buffer is not None:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    there.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(there, ("127.0.0.1", page.port))
    if said:
        await loop.sock_sendall(there, said)
    return there


async def ended(there: socket.socket) -> bytes:
    """Return all that comes until the other side ends it."""
    loop, got = asyncio.get_running_loop(), b""
    async with asyncio.timeout(PATIENCE_S):
        try:
            while some := await loop.sock_recv(there, 65_536):
                got += some
        except ConnectionResetError:
            pass
    there.close()
    return got


async def trades_on(desk) -> None:
    """A stop and a resume are taken as ever."""
    desk.take(e.StopRequested("ann", "test"), desk.snapshot())
    assert desk.state.mode is Mode.HALTED
    desk.take(e.ResumeRequested("ann"))
    desk.settle()
    assert desk.state.halt is None


HALF = {
    "not a word": b"",
    "half a line": b"GET /api",
    "half a head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "a head without its end": b"GET / HTTP/1.1\r\nHost: localhost\r\n",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("said", HALF)
async def test_half_a_question_is_waited_for_only_so_long(desk, monkeypatch, said):
    monkeypatch.setattr("atlas_daemon.dashboard.server.IDLE_S", 0.1)
    async with served(desk) as page:
        there = await connected(page, HALF[said])
        assert await ended(there) == b""
        await trades_on(desk)


@pytest.mark.asyncio
async def test_a_head_that_comes_sign_by_sign_is_cut_all_the_same(desk, monkeypatch):
    monkeypatch.setattr("atlas_daemon.dashboard.server.IDLE_S", 0.15)
    async with served(desk) as page:
        there = await connected(page, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        answer = asyncio.create_task(ended(there))
        async with asyncio.timeout(PATIENCE_S):
            while not answer.done():
                try:
                    await asyncio.get_running_loop().sock_sendall(there, b"x")
                except OSError:
                    break
                await asyncio.sleep(0.02)
            assert await answer == b""


@pytest.mark.asyncio
async def test_two_hundred_connections_are_held_answered_and_cost_trading_nothing(desk):
    async with served(desk) as page:
        idle = [await connected(page, b"GET / HT") for _ in range(200)]
        assert (await page.ask("/"))[0] == 200
        await trades_on(desk)
        for there in idle[:20]:
            await asyncio.get_running_loop().sock_sendall(there, b"TP/1.0\r\n\r\n")
        for there in idle[:20]:
            assert (await ended(there)).startswith(b"HTTP/1.0 200")
        for there in idle[20:]:
            there.close()


@pytest.mark.asyncio
async def test_beyond_the_room_there_is_a_short_no_and_later_room_again(desk, monkeypatch):
    monkeypatch.setattr("atlas_daemon.dashboard.connections.MOST", 3)
    async with served(desk) as page:
        held = [await connected(page, b"GET / HT") for _ in range(3)]
        await asyncio.sleep(0)
        answer = await ended(await connected(page))
        assert answer.startswith(b"HTTP/1.1 503 ")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert body == b"too many connections\n"
        assert f"Content-Length: {len(body)}".encode() in head
        held.pop().close()
        async with asyncio.timeout(PATIENCE_S):
            while (await page.raw(b"GET /healthz HTTP/1.0\r\n\r\n"))[9:12] != b"200":
                pass
        for there in held:
            there.close()


@pytest.mark.asyncio
async def test_an_answer_of_which_nothing_is_taken_is_given_up(desk):
    async with served(desk) as page:
        page.dashboard._rendering.page = lambda: "x" * 20_000_000
        connections = page.dashboard._connections
        now_s = 0.0
        connections._time = lambda: now_s
        there = await connected(page, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", buffer=4096)
        async with asyncio.timeout(PATIENCE_S):
            while not connections._unread:
                connections.look()
                await asyncio.sleep(0.01)
        now_s += STUCK_S - 1
        connections.look()
        assert len(connections._unread) == 1
        now_s += 2
        connections.look()
        assert not connections._unread
        got = await ended(there)
        assert 0 < len(got) < 20_000_000
        await trades_on(desk)


@pytest.mark.asyncio
async def test_an_answer_that_is_taken_crumb_by_crumb_is_given_up_in_the_end(desk):
    """Else so many readers would keep so many whole answers in memory for ever."""
    async with served(desk) as page:
        page.dashboard._rendering.page = lambda: "x" * 20_000_000
        connections = page.dashboard._connections
        now_s = 0.0
        connections._time = lambda: now_s
        there = await connected(page, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", buffer=4096)
        async with asyncio.timeout(PATIENCE_S):
            while not connections._unread:
                connections.look()
                await asyncio.sleep(0.01)
            while connections._unread:
                left = connections.unread()
                assert left > 5_000_000
                while connections.unread() >= left:
                    await asyncio.get_running_loop().sock_recv(there, 65_536)
                now_s += STUCK_S / 2
                connections.look()
        there.close()
        assert now_s == WHOLE_S


@pytest.mark.asyncio
async def test_of_large_answers_one_is_made_at_a_time_and_none_while_too_much_lies_unread(
    desk, monkeypatch
):
    """However many ask: an order's turn waits for one piece of one of them."""
    for n in range(600):
        marked = date(2023, 1, 2) + timedelta(days=n)
        desk.chronicle._take(e.Entry(n, desk.now(), n, e.EquityMarked(marked, *(Decimal(9),) * 3)))
    passes = [0]
    made: list[int] = []
    points = desk.chronicle.points

    def watched(*days):
        for some in points(*days):
            made.append(passes[0])
            yield some

    monkeypatch.setattr(desk.chronicle, "points", watched)
    async with served(desk) as page:

        async def counting() -> None:
            while True:
                passes[0] += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(counting())
        answers = await asyncio.gather(*(page.ask("/api/equity") for _ in range(8)))
        counter.cancel()
        assert {status for status, _, _ in answers} == {200}
        assert len(made) == 8 * 3
        assert len(set(made)) == len(made)  # in each pass of the loop one piece
        monkeypatch.setattr(page.dashboard._connections, "unread", lambda: 5_000_000)
        for path in ("/api/equity", "/api/rebalances"):
            assert (await page.ask(path))[::2] == (
                503,
                "too much is asked for and not taken: later\n",
            )
        assert (await page.ask("/"))[0] == 200


@pytest.mark.parametrize(
    ("files_max", "most"), [(64, 16), (256, 64), (1024, MOST), (resource.RLIM_INFINITY, MOST)]
)
def test_of_the_files_a_process_may_open_the_page_takes_a_quarter(monkeypatch, files_max, most):
    """Else browsers would take what the broker's connection and the journal need."""
    monkeypatch.setattr(resource, "getrlimit", lambda what: (files_max, files_max))
    assert room_for() == most


@pytest.mark.asyncio
async def test_an_answer_that_is_taken_slowly_is_not_given_up(desk):
    async with served(desk) as page:
        page.dashboard._rendering.page = lambda: "x" * 3_000_000
        connections = page.dashboard._connections
        now_s = 0.0
        connections._time = lambda: now_s
        there = await connected(page, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", buffer=65_536)
        loop, got = asyncio.get_running_loop(), 0
        async with asyncio.timeout(PATIENCE_S):
            while some := await loop.sock_recv(there, 1_000_000):
                got += len(some)
                now_s += 1
                connections.look()
        there.close()
        assert got > 3_000_000


@pytest.mark.asyncio
async def test_they_are_looked_at_until_the_end(desk, monkeypatch):
    monkeypatch.setattr("atlas_daemon.dashboard.connections.LOOK_S", 0.01)
    looked = asyncio.Event()
    async with served(desk) as page:
        connections = page.dashboard._connections
        connections.end()
        connections.look = looked.set
        connections.begin()
        looked.clear()
        async with asyncio.timeout(PATIENCE_S):
            await looked.wait()
    assert connections._timer.cancelled()
    assert MOST == 256
