import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from atlas_daemon.edges.alpaca.frames import TradeUpdate
from atlas_daemon.edges.alpaca.stream import (
    BadFrame,
    LinkStatus,
    StreamNews,
    StreamState,
    TradeStream,
    backoff_s,
)
from atlas_daemon.edges.alpaca.transport import open_session
from tests.edges.samples import a_trade_update
from tests.edges.stub import Link, Stub, running_stub

AUTHORIZED = {
    "stream": "authorization",
    "data": {"status": "authorized", "action": "authenticate"},
}
UNAUTHORIZED = {
    "stream": "authorization",
    "data": {"status": "unauthorized", "message": "access key verification failed"},
}
ACK = {"stream": "listening", "data": {"streams": ["trade_updates"]}}


class Enough(Exception):  # noqa: N818
    """The test has seen what it wanted."""


class Listener:
    """Collects the news; sleeping counts, and the nth sleep ends the run."""

    def __init__(self, stub: Stub, naps: int = 1, **changes: Any) -> None:
        self.news: list[StreamNews] = []
        self.slept: list[float] = []
        self.naps = naps
        self.arrived = asyncio.Condition()
        self.stream = TradeStream(
            stub.url.replace("http", "ws") + "/stream",
            "PKTEST",
            "s3cr3t",
            open_session,
            self.hear,
            **{"sleep": self.sleep, "jitter": lambda: 0.0, "ack_timeout_s": 5.0} | changes,
        )

    def hear(self, news: StreamNews) -> None:
        self.news.append(news)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self.naps:
            raise Enough

    async def run(self) -> list[Any]:
        with pytest.raises(Enough):
            await self.stream.run()
        return [news.status.value if isinstance(news, StreamState) else news for news in self.news]

    @property
    def last_detail(self) -> str:
        state = self.news[-1]
        assert isinstance(state, StreamState)
        return state.detail


def a_link(
    stub: Stub,
    *frames: Any,
    auth: Any = AUTHORIZED,
    ack: Any = ACK,
    then: Callable[[web.WebSocketResponse], Awaitable[Any]] | None = None,
) -> Link:
    """A broker's side: the handshake, then frames (bytes go binary, str text, dicts as text)."""

    async def play(socket: web.WebSocketResponse, request: web.Request) -> None:
        await stub.heard(socket)
        for told in auth if isinstance(auth, list) else [auth]:
            await send(socket, told)
        if await stub.heard(socket) is None:
            return
        for told in ack if isinstance(ack, list) else [ack]:
            await send(socket, told)
        for told in frames:
            await send(socket, told)
        if then is not None:
            await then(socket)
        elif not socket.closed:
            await socket.close(code=1001, message=b"going away")

    return play


async def send(socket: web.WebSocketResponse, told: Any) -> None:
    if told is None:
        return
    if isinstance(told, bytes):
        await socket.send_bytes(told)
    else:
        await socket.send_str(told if isinstance(told, str) else json.dumps(told))


@pytest.mark.asyncio
async def test_the_handshake_is_awaited_and_both_kinds_of_frames_are_read() -> None:
    async with running_stub() as stub:
        binary = json.dumps(a_trade_update("partial_fill")).encode()
        stub.links.append(a_link(stub, a_trade_update(), b"\x01", binary, b""))
        listener = Listener(stub)
        news = await listener.run()
    assert stub.said == [
        {"action": "authenticate", "data": {"key_id": "PKTEST", "secret_key": "s3cr3t"}},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ]
    kinds = [item.event if isinstance(item, TradeUpdate) else item for item in news]
    assert kinds == ["connecting", "listening", "fill", "partial_fill", "lost"]
    assert "1001 going away" in listener.last_detail
    assert listener.slept == [1.0]


@pytest.mark.asyncio
async def test_binary_handshake_replies_are_understood() -> None:
    async with running_stub() as stub:
        link = a_link(stub, auth=json.dumps(AUTHORIZED).encode(), ack=json.dumps(ACK).encode())
        stub.links.append(link)
        assert await Listener(stub).run() == ["connecting", "listening", "lost"]


@pytest.mark.asyncio
async def test_an_update_before_the_acknowledgement_is_told_but_is_not_listening() -> None:
    async with running_stub() as stub:
        stub.links.append(a_link(stub, ack=[a_trade_update(), ACK]))
        news = await Listener(stub).run()
    assert [news[0], news[2], news[3]] == ["connecting", "listening", "lost"]
    assert isinstance(news[1], TradeUpdate)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "link",
    [
        {"auth": UNAUTHORIZED},
        {"ack": {"stream": "authorization", "data": {"status": "unauthorized"}}},
    ],
)
async def test_s116_refused_credentials_are_a_state_and_wait_half_a_minute(link: Any) -> None:
    async with running_stub() as stub:
        stub.links.extend(a_link(stub, **link) for _ in range(3))
        listener = Listener(stub, naps=3)
        news = await listener.run()
    assert news == ["connecting", "refused"] * 3
    assert "unauthorized" in listener.last_detail
    assert listener.slept == [30.0, 30.0, 60.0]


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "state"), [(401, "refused"), (403, "refused"), (503, "lost")])
async def test_an_upgrade_refused_by_http_has_a_state(status: int, state: str) -> None:
    async with running_stub() as stub:
        stub.links.append(status)
        listener = Listener(stub)
        assert await listener.run() == ["connecting", state]
    assert str(status) in listener.last_detail


@pytest.mark.asyncio
async def test_a_redirected_upgrade_is_not_followed_and_no_key_is_said() -> None:
    async with running_stub() as stub:
        stub.links.append(302)
        listener = Listener(stub)
        assert await listener.run() == ["connecting", "lost"]
        assert "redirect refused" in listener.last_detail
        assert (stub.requests, stub.said) == ([], [])


@pytest.mark.asyncio
async def test_s117_another_connection_of_the_account_is_its_own_state_with_a_long_wait() -> None:
    limit = {"action": "error", "data": {"error_message": "connection limit exceeded"}}
    async with running_stub() as stub:
        stub.links.extend([429, 406, a_link(stub, auth=limit)])
        listener = Listener(stub, naps=3)
        news = await listener.run()
    assert news == ["connecting", "busy"] * 3
    assert min(listener.slept) >= 30


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("link", "request_name"), [({"auth": None}, "authenticate"), ({"ack": None}, "listen")]
)
async def test_an_answer_that_never_comes_ends_the_link_at_its_deadline(
    link: Any, request_name: str
) -> None:
    async with running_stub() as stub:
        stub.links.append(a_link(stub, **link, then=stub.heard))
        listener = Listener(stub, ack_timeout_s=0.1)
        assert await listener.run() == ["connecting", "lost"]
    assert listener.last_detail == f"no answer to {request_name} within 0.1 s"


@pytest.mark.asyncio
async def test_an_acknowledgement_without_our_stream_is_no_subscription() -> None:
    async with running_stub() as stub:
        stub.links.append(a_link(stub, ack={"stream": "listening", "data": {"streams": []}}))
        listener = Listener(stub)
        assert await listener.run() == ["connecting", "lost"]
    assert "without trade_updates" in listener.last_detail


@pytest.mark.asyncio
async def test_s097_garbage_is_told_and_the_stream_lives() -> None:
    garbage = [b"\xff\xfe\x00", "{", "[]", {"stream": "trade_updates", "data": {"event": "fill"}}]
    complaint = {"action": "error", "data": {"error_message": "slow down"}}
    other = {"stream": "account_updates", "data": {}}
    async with running_stub() as stub:
        stub.links.append(a_link(stub, *garbage, complaint, other, a_trade_update()))
        news = await Listener(stub).run()
    bad = [item for item in news if isinstance(item, BadFrame)]
    assert len(bad) == 6
    assert bad[4].detail == "the broker says: slow down"
    assert "account_updates" in bad[5].detail
    assert isinstance(news[-2], TradeUpdate)
    assert news[-1] == "lost"


@pytest.mark.asyncio
async def test_a_dropped_link_is_lost_and_comes_back() -> None:
    async def drop(socket: web.WebSocketResponse) -> None:
        assert socket._req is not None
        assert socket._req.transport is not None
        socket._req.transport.abort()

    async with running_stub() as stub:
        stub.links.extend([a_link(stub, then=drop), a_link(stub)])
        listener = Listener(stub, naps=2)
        assert await listener.run() == ["connecting", "listening", "lost"] * 2


@pytest.mark.asyncio
async def test_a_link_that_is_given_up_is_closed_politely_and_opened_anew() -> None:
    async with running_stub() as stub:
        stub.links.extend([a_link(stub, then=stub.heard), a_link(stub)])
        listener = Listener(stub, naps=2)
        told = listener.stream._on_event
        details = []

        def hear(news: StreamNews) -> None:
            told(news)
            if news == StreamState(LinkStatus.LISTENING) and not details:
                listener.stream.reopen("too early: it does not listen yet")
                asyncio.get_running_loop().call_soon(listener.stream.reopen, "mute")
            if isinstance(news, StreamState) and news.status is LinkStatus.LOST:
                details.append(news.detail)

        listener.stream._on_event = hear
        assert await listener.run() == ["connecting", "listening", "lost"] * 2
    assert details == ["given up: mute", "closed by the broker: 1001 going away"]
    assert stub.closed_with[0] == 1000


@pytest.mark.asyncio
async def test_a_broker_that_is_not_there_is_lost() -> None:
    async with running_stub() as stub:
        url = stub.url
    stub.url = url
    listener = Listener(stub)
    assert await listener.run() == ["connecting", "lost"]
    assert "ClientConnector" in listener.last_detail


@pytest.mark.asyncio
async def test_cancelling_closes_the_link_politely() -> None:
    async with running_stub() as stub:
        stub.links.append(a_link(stub, then=stub.heard))
        listener = Listener(stub)
        listening = asyncio.Event()
        listener.stream._on_event = lambda news: (
            listening.set() if news == StreamState(LinkStatus.LISTENING) else None
        )
        task = asyncio.create_task(listener.stream.run())
        await listening.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stub.closed_with == [1000]


@pytest.mark.asyncio
async def test_a_listener_that_raises_ends_the_run_and_is_not_taken_for_the_network() -> None:
    async with running_stub() as stub:
        stub.links.append(a_link(stub, a_trade_update()))
        listener = Listener(stub)

        def hear(news: StreamNews) -> None:
            if isinstance(news, TradeUpdate):
                raise OSError("disk full")

        listener.stream._on_event = hear
        with pytest.raises(OSError, match="disk full"):
            await listener.stream.run()
    assert listener.slept == []


@pytest.mark.asyncio
async def test_the_back_off_grows_and_starts_anew_after_a_healthy_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_stub() as stub:
        listener = Listener(stub, naps=6)
        listened = iter([0.0, 0.0, 0.0, 61.0, 59.0, 0.0])

        async def one_link() -> tuple[StreamState, float]:
            return StreamState(LinkStatus.LOST, "x"), next(listened)

        monkeypatch.setattr(listener.stream, "_one_link", one_link)
        await listener.run()
    assert listener.slept == [1.0, 1.0, 2.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("status", list(LinkStatus))
@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_the_back_off_stays_within_its_bounds(status: LinkStatus, jitter: float) -> None:
    waits = [backoff_s(status, failures, jitter) for failures in range(2000)]
    least, most = {"refused": (30, 300), "busy": (30, 90)}.get(status.value, (1, 30))
    assert all(least <= wait <= most for wait in waits)
    assert waits == sorted(waits)
