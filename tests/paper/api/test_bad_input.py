"""Whatever a client sends: the documented error or a clean close, and never a traceback."""

import asyncio
import contextlib
import gc
import json
import logging

import aiohttp
import pytest

from atlas_daemon.paper.api import stream
from tests.paper.sockets import Client, running
from tests.paper.world import an_order

pytestmark = pytest.mark.asyncio

KEYS = "APCA-API-KEY-ID: PKLOCAL00000000000000\r\nAPCA-API-SECRET-KEY: local-secret\r\n"


@pytest.fixture(autouse=True)
def no_traceback(caplog, capfd):
    """Nothing of a test here may look like our own mistake."""
    caplog.set_level(logging.INFO)
    yield
    gc.collect()  # what a task left behind is told when it is collected
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in capfd.readouterr().err


async def said(client: Client, sent: bytes, *, within_s: float = 30.0) -> bytes:
    """Send bytes, and read until the broker hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.broker.port)
    try:
        writer.write(sent)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), within_s)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def is_well(client: Client) -> bool:
    return (await client.ask("GET", "/v2/clock"))[0] == 200


MALFORMED = [
    b"\r\n\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /v2/clock HTTP/1.1\r\nHost: x\r\nBroken header\r\n\r\n",
    b"GET /v2/clock HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    b"GET /v2/\x00clock HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1e9\r\n\r\n",
    b"POST /v2/orders HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


async def test_what_is_no_http_is_answered_400_and_closed(caplog):
    async with running(patience_s=0.05) as client:
        for sent in MALFORMED:
            answer = await said(client, sent)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), sent[:80]
        assert await is_well(client)
    assert all("\n" not in record.getMessage() for record in caplog.records)


ADDRESSES = [
    "/v2/assets/%zz",
    "/v2/assets/%",
    "/v2/assets/%ff%fe",
    "/v2/assets/%00",
    "/v2/assets/a%0d%0ab",
    "/v2/assets/%2e%2e%2f",
    "/v2/assets/%ED%A0%80",
    "/v2/orders/%ff",
    "/v2/orders:by_client_order_id?client_order_id=%ff",
    "/v2/orders:by_client_order_id?client_order_id=%ED%A0%80",
    "/v2/orders:by_client_order_id?client_order_id=%zz%00",
    "/v2/positions/%ED%A0%80",
    "/v2/account/activities/%ff",
    "/v2/account/activities?page_token=%ff",
    "/v2/orders?symbols=%ff,%00&limit=%ff",
    "/v2/stocks/bars?symbols=%ff&timeframe=%ff&page_token=%ff",
    "/v2/stocks/quotes/latest?symbols=%ED%A0%80",
    "/v2/stocks/snapshots?symbols=%00",
    "/v2/calendar?start=%ff",
    "/v2/orders?after=9999999999999999999999",
    "/v2/orders?after=0001-01-01T00:00:00%2B23:59&until=9999-12-31T23:59:59-23:59",
    "/v2/calendar?start=0001-01-01&end=9999-12-31",
    "/v2/orders?limit=" + "9" * 5000,
    "/v2/account/portfolio/history?period=%ff&start=0001-01-01",
    "/?symbol=%ff&account=%ED%A0%80&span=%00",
    "//",
    "/v2//orders",
    "/%2fv2/orders",
    "*",
]


async def test_odd_addresses_are_answered_below_500():
    async with running() as client:
        for path in ADDRESSES:
            request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEYS}Connection: close\r\n\r\n"
            answer = await said(client, request.encode())
            assert 200 <= int(answer[9:12]) < 500, (path, answer[:300])
            head, _, body = answer.partition(b"\r\n\r\n")
            if b"application/json" in head.lower() and body:
                json.loads(body)


async def test_the_page_is_not_shown_to_who_names_no_host():
    async with running() as client:
        assert (await said(client, b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 403")


async def test_odd_methods_are_answered_below_500():
    async with running() as client:
        for method in ("GET", "POST", "DELETE", "PATCH", "PUT", "OPTIONS", "TRACE", "X"):
            for path in ("/v2/orders", "/v2/account", "/", "/stream", "/_admin/clock", "/nowhere"):
                assert (await client.ask(method, path))[0] < 500, (method, path)


ODD = [
    "",
    "\x00",
    "😀",
    "x" * 5000,
    -1,
    0,
    1e308,
    1.5e-300,
    True,
    None,
    [],
    {},
    [[]],
    "NaN",
    "Infinity",
    "-0",
    "1e999999",
    "1" * 400,
    "٣",
    "0x10",
    " 1 ",
    "1_000",
]


ORDER_KEYS = (
    *("symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price"),
    *("stop_price", "trail_price", "trail_percent", "extended_hours", "client_order_id"),
    *("order_class", "take_profit", "stop_loss", "legs", "position_intent"),
)


@pytest.mark.parametrize("more", [{}, {"type": "limit", "limit_price": "5"}])
async def test_odd_values_in_an_order_are_refused_or_taken(more):
    async with running(rate_limit_per_min=0) as client:
        for key in ORDER_KEYS:
            for value in ODD:
                body = json.dumps(an_order(**more) | {key: value})
                status, answer = await client.ask("POST", "/v2/orders", data=body)
                assert status in (200, 400, 403, 404, 422), (key, value, status, answer)
                assert isinstance(answer, dict)
        assert await is_well(client)


BODIES = [
    b'{"symbol": "\\ud800"}',
    b'{"symbol": "\xff"}',
    b'{"symbol": 1e400}',
    b'{"symbol": "SPY", "symbol": "SPY"}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b"\xef\xbb\xbf{}",
    b"NaN",
    b'{"qty": -1e9999999}',
    b'{"qty": 1' + b"0" * 10_000 + b"}",
]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/orders"),
        ("PATCH", "/v2/orders/904837e3-3b76-47ec-b432-046db621571b"),
        ("PATCH", "/v2/account/configurations"),
        ("POST", "/_admin/clock"),
        ("POST", "/_admin/faults"),
        ("POST", "/_admin/accounts"),
    ],
)
async def test_malformed_bodies_are_refused(method, path):
    async with running() as client:
        for body in BODIES:
            status, answer = await client.ask(method, path, data=body)
            assert status in (400, 404, 422), (body[:80], status, answer)
            assert "message" in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "nonsense"},
    ],
)
async def test_bodies_that_are_not_what_they_say_are_refused_or_read(headers):
    async with running() as client:
        status, _ = await client.ask(
            "POST", "/v2/orders", data=b"\x1f\x8bgarbage", headers=client.headers | headers
        )
        assert status == 400


async def test_a_body_too_large_is_refused_before_it_is_read():
    async with running(patience_s=0.1) as client:
        head = f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{KEYS}Content-Length: 9999999999\r\n\r\n"
        answer = await said(client, head.encode() + b"x" * 70_000)
        assert answer.startswith(b"HTTP/1.1 413")
        assert await is_well(client)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "GET /v2/clock HTTP/1.1\r\nHost: x\r\n",
        f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{KEYS}Content-Length: 100\r\n\r\n{{",
        f"GET /v2/clock HTTP/1.1\r\nHost: x\r\n{KEYS}Content-Length: 100\r\n\r\n{{",
        f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{KEYS}Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        f"GET /v2/clock HTTP/1.1\r\nHost: x\r\n{KEYS}\r\n",
    ],
    ids=["nothing", "head", "body", "needless-body", "chunk", "idle"],
)
async def test_a_slow_client_is_hung_up_on(sent):
    async with running(patience_s=0.2) as client:
        answer = await said(client, sent.encode(), within_s=5)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 200"))
        assert await is_well(client)


async def test_a_head_that_drips_is_hung_up_on_too():
    async with running(patience_s=0.3) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.broker.port)
        writer.write(b"GET /v2/clock HTTP/1.1\r\n")
        gone = asyncio.create_task(reader.read())
        for _ in range(100):
            if gone.done():
                break
            writer.write(b"A: b\r\n")
            await asyncio.wait([gone], timeout=0.05)
        assert gone.done()
        gone.cancel()
        writer.close()
        assert await is_well(client)


async def test_two_hundred_connections_at_once_are_all_answered():
    async with running(rate_limit_per_min=0) as client:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one(number: int) -> int:
                body = an_order(symbol="CHEAP", client_order_id=f"n{number}")
                url = client.broker.url + "/v2/orders"
                async with session.post(url, json=body, headers=client.headers) as answer:
                    await answer.read()
                    return answer.status

            assert set(await asyncio.gather(*map(one, range(200)))) == {200}
        assert len(await client.get("/v2/orders", status="all", limit="500")) == 200


async def test_two_hundred_idle_connections_hold_nobody_up():
    async with running(patience_s=5) as client:
        held = [await asyncio.open_connection("127.0.0.1", client.broker.port) for _ in range(200)]
        assert await is_well(client)
        for _, writer in held:
            writer.close()


async def test_a_listener_that_never_reads_is_cut_off_and_the_broker_goes_on(monkeypatch):
    monkeypatch.setattr(stream, "UNREAD_MAX", 100_000)
    async with running() as client, client.listening() as deaf:
        transport = deaf.socket._conn.protocol.transport
        assert transport is not None
        transport.pause_reading()
        board = client.broker._runner.app[stream.SWITCHBOARD]
        (connection,) = board._connections
        for _ in range(60):
            connection.send({"much": "x" * 1_000_000})
            await is_well(client)
            if not board.listeners():
                break
        assert board.listeners() == 0
        assert await is_well(client)
        transport.abort()


FRAMES = [
    b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
    b"\x83\x80\x00\x00\x00\x00",  # an opcode that does not exist
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # 8 EiB to come
    b"\x81\xfe\x01\x00\x00\x00\x00\x00" + b"\xff" * 256,  # text that is no UTF-8
    b"\x89\xfe\x01\x00\x00\x00\x00\x00" + b"a" * 256,  # a ping too long
    b"\x88\x81\x00\x00\x00\x00a",  # a farewell of one byte
    b"\x80\x85\x00\x00\x00\x00abcde",  # goes on with nothing
]


async def test_frames_that_cannot_be_end_their_connection_only():
    async with running() as client:
        head = (
            "GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        for frame in FRAMES:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.broker.port)
            writer.write(head.encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            writer.write(frame)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()
            assert await is_well(client)


@pytest.mark.parametrize(
    "message",
    [
        {"action": "auth", "key": ["x"], "secret": {}},
        {"action": "authenticate", "data": "x"},
        {"action": ["auth"]},
        {"action": None},
        {"action": "listen", "data": {"streams": [{}, [], None]}},
        {"action": "listen", "data": {"streams": {"trade_updates": 1}}},
        {"action": "auth", "key": "\x00", "secret": "😀"},
    ],
)
async def test_odd_messages_on_the_stream_are_answered(message):
    async with running() as client, client.listening() as listener:
        await listener.next()
        await listener.socket.send_json(message)
        await listener.next()
        assert await is_well(client)
