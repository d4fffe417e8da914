"""TradeStream: listens to trade_updates, for ever, and says what state the link is in.

It only tells: frames become news in the order of their arrival. What was missed while the link
was down is asked after elsewhere (the stream never replays).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

import aiohttp
import msgspec

from atlas_daemon.edges.alpaca.frames import (
    Authorization,
    Complaint,
    Frame,
    Listening,
    Stranger,
    TradeUpdate,
    frame,
    is_heartbeat,
)
from atlas_daemon.edges.alpaca.scalars import WireError, excerpt

STREAM = "trade_updates"
PING_EVERY_S = 10.0
"""A pong must come within half of it (aiohttp's rule): a dead link is noticed in 15 s."""
CLOSE_TIMEOUT_S = 2.0
BACKOFF_MIN_S, BACKOFF_MAX_S = 1.0, 30.0
BUSY_MIN_S, BUSY_MAX_S = 30.0, 90.0
"""One connection an account: a killed predecessor's ghost blocks the place for about 90 s."""
REFUSED_MIN_S, REFUSED_MAX_S = 30.0, 300.0
HEALTHY_S = 60.0
"""A link that listened for so long was good: the next back-off starts from the beginning."""


class LinkStatus(StrEnum):
    """The states of the link, in the words of the news."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    LOST = "lost"
    BUSY = "busy"
    REFUSED = "refused"


UPGRADE_STATUS = {
    401: LinkStatus.REFUSED,
    403: LinkStatus.REFUSED,
    406: LinkStatus.BUSY,
    429: LinkStatus.BUSY,
}
"""What an HTTP answer to the upgrade means; any other is a lost link."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """The link changed its state; `busy`: the broker has another connection of this account."""

    status: LinkStatus
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame that could not be read or was not expected; the stream lives on."""

    detail: str
    excerpt: str


StreamNews = StreamState | TradeUpdate | BadFrame


class _LinkEndedError(Exception):
    """The link is over: `state` says how."""

    def __init__(self, status: LinkStatus, detail: str) -> None:
        super().__init__(detail)
        self.state = StreamState(status, detail)


class TradeStream:
    """The trade_updates stream of one account.

    `on_event` is called on the loop, synchronously, and must not block; what it raises ends
    `run()`. `session_factory` (`transport.open_session`) gives a fresh session for each
    connection; the stream closes it. `jitter` returns a number in [0, 1). `room` is awaited before
    each frame: what is not read yet waits at the broker's end.
    """

    def __init__(
        self,
        url: str,
        key_id: str,
        secret: str,
        session_factory: Callable[[], aiohttp.ClientSession],
        on_event: Callable[[StreamNews], None],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        room: Callable[[], Awaitable[object]] | None = None,
        ack_timeout_s: float = 10.0,
    ) -> None:
        self._url = url
        self._keys = {"key_id": key_id, "secret_key": secret}
        self._session_factory = session_factory
        self._on_event = on_event
        self._sleep = sleep
        self._jitter = jitter
        self._room = room
        self._ack_timeout_s = ack_timeout_s
        self._patience: asyncio.Timeout | None = None
        """Runs out when somebody gives up a link that listens."""
        self._given_up = ""

    async def run(self) -> None:
        """Keep the link up until cancelled; then close it politely."""
        failures = 0
        while True:
            self._on_event(StreamState(LinkStatus.CONNECTING))
            ended, listened_s = await self._one_link()
            if listened_s >= HEALTHY_S:
                failures = 0
            self._on_event(ended)
            await self._sleep(backoff_s(ended.status, failures, self._jitter()))
            failures += 1

    def reopen(self, why: str) -> None:
        """Give up a link that listens, and connect anew; nothing where none does."""
        if self._patience is not None:
            self._given_up = why
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _one_link(self) -> tuple[StreamState, float]:
        """Connect, subscribe and listen until the link ends; return how, and the seconds it did."""
        now = asyncio.get_running_loop().time
        since: float | None = None
        try:
            async with self._session_factory() as session:
                socket = await self._connect(session)
                try:
                    await self._subscribe(socket)
                    since = now()
                    await self._listen(socket)
                finally:
                    await socket.close()
        except _LinkEndedError as ended:
            return ended.state, 0.0 if since is None else now() - since

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(self._ack_timeout_s):
                return await session.ws_connect(
                    self._url,
                    heartbeat=PING_EVERY_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                )
        except aiohttp.WSServerHandshakeError as error:
            status = UPGRADE_STATUS.get(error.status, LinkStatus.LOST)
            raise _LinkEndedError(status, f"HTTP {error.status} at the upgrade") from error
        except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
            raise _LinkEndedError(LinkStatus.LOST, _named(error)) from error

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Authenticate and listen; each answer has its deadline, and none is taken for granted."""
        await self._say(socket, {"action": "authenticate", "data": self._keys})
        await self._hear(socket, Authorization, "authenticate")
        await self._say(socket, {"action": "listen", "data": {"streams": [STREAM]}})
        await self._hear(socket, Listening, "listen")
        self._on_event(StreamState(LinkStatus.LISTENING))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> NoReturn:
        """Take messages until the link ends or somebody gives it up."""
        try:
            async with asyncio.timeout(None) as patience:
                self._patience = patience
                while True:
                    await self._next(socket)
        except TimeoutError:
            if not patience.expired():
                raise
            raise _LinkEndedError(LinkStatus.LOST, f"given up: {self._given_up}") from None
        finally:
            self._patience, self._given_up = None, ""

    async def _say(
        self, socket: aiohttp.ClientWebSocketResponse, message: dict[str, object]
    ) -> None:
        try:
            await socket.send_str(msgspec.json.encode(message).decode())
        except (aiohttp.ClientError, OSError) as error:
            raise _LinkEndedError(LinkStatus.LOST, _named(error)) from error

    async def _hear(
        self, socket: aiohttp.ClientWebSocketResponse, kind: type[Frame], request: str
    ) -> None:
        """Take frames until the answer to `request` is among them, or its deadline has passed."""
        try:
            async with asyncio.timeout(self._ack_timeout_s) as deadline:
                while not isinstance(await self._next(socket), kind):
                    pass
        except TimeoutError:
            if not deadline.expired():
                raise
            detail = f"no answer to {request} within {self._ack_timeout_s:g} s"
            raise _LinkEndedError(LinkStatus.LOST, detail) from None

    async def _next(self, socket: aiohttp.ClientWebSocketResponse) -> Frame | None:
        """Take one message and tell what it says; None where it says nothing."""
        if self._room is not None:
            await self._room()
        message = await socket.receive()
        if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
            raise _LinkEndedError(LinkStatus.LOST, _ending(socket, message))
        raw: bytes | str = message.data
        if is_heartbeat(raw):
            return None
        try:
            heard = frame(raw)
        except WireError as error:
            self._on_event(BadFrame(str(error), excerpt(raw)))
            return None
        match heard:
            case TradeUpdate():
                self._on_event(heard)
            case Authorization(is_authorized=False):
                raise _LinkEndedError(LinkStatus.REFUSED, heard.detail)
            case Listening(streams) if STREAM not in streams:
                raise _LinkEndedError(LinkStatus.LOST, f"acknowledged without {STREAM}")
            case Complaint(code, text) if code == 406 or "connection limit" in text.lower():
                raise _LinkEndedError(LinkStatus.BUSY, text)
            case Complaint():
                self._on_event(BadFrame(f"the broker says: {heard.message}", excerpt(raw)))
            case Stranger():
                detail = f"stream {heard.stream!r} was not asked for"
                self._on_event(BadFrame(detail, excerpt(raw)))
            case _:
                pass  # an answer that _hear waits for
        return heard


def backoff_s(status: LinkStatus, failures: int, jitter: float) -> float:
    """Seconds until the next try: doubling, half of it by chance, after `failures` in a row.

    The floors hold without any luck: 30 s where the broker refuses or is busy with another link.
    """
    doubled = 2.0 ** min(failures, 10)
    if status in {LinkStatus.REFUSED, LinkStatus.BUSY}:
        refused = status is LinkStatus.REFUSED
        least, most = (REFUSED_MIN_S, REFUSED_MAX_S) if refused else (BUSY_MIN_S, BUSY_MAX_S)
        span = min(least * doubled, most)
        return max(least, span * (0.5 + 0.5 * jitter))
    span = min(BACKOFF_MIN_S * doubled, BACKOFF_MAX_S)
    return max(BACKOFF_MIN_S, span * (0.5 + 0.5 * jitter))


def _named(error: BaseException) -> str:
    return f"{type(error).__name__} {excerpt(str(error))}".strip()


def _ending(socket: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> str:
    """How a link ended, in the words of the broker where it has said any."""
    if message.type is aiohttp.WSMsgType.CLOSE:
        return f"closed by the broker: {message.data} {excerpt(message.extra or '')}".strip()
    error = socket.exception()
    return f"link broken ({socket.close_code})" if error is None else _named(error)
