"""The carrier between the daemon and the broker: requests, answers and the stream, with faults.

`Session` stands where aiohttp's session stands in the real daemon and is asked the same things.
A request is two packets; each can be lost, late, or end in a reset. Nothing reaches the dead.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp.client_reqrep import ConnectionKey

from tests.simulation.broker import Broker
from tests.simulation.disk import Process
from tests.simulation.faults import Faults
from tests.simulation.loop import Timeline, VirtualLoop

GHOST_S = 90.0
POST_WEIGHT = 3.0
NOBODY = ConnectionKey("paper-api", 443, True, True, None, None, None)
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


Outcome = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer."""


class Network:
    """What lies between: it outlives every process."""

    faults_of = Faults
    """The faults that this kind of network knows."""

    def __init__(
        self, timeline: Timeline, faults: Faults, broker: Broker, chance: random.Random
    ) -> None:
        self.timeline, self.faults, self.broker, self.chance = timeline, faults, broker, chance
        self.links: list[Link] = []
        self.ghost_until_s = 0.0
        self.posts = 0
        self.on_post: Callable[[Mapping[str, str]], None] = lambda body: None
        self.on_cancel_all: Callable[[], None] = lambda: None
        broker.tell = self.push

    def new_loop(self) -> VirtualLoop:
        """Return the loop of a process' life."""
        return VirtualLoop(self.timeline)

    def sessions(self, process: Process) -> Callable[[], Any]:
        """Return what opens a process' sessions."""
        return lambda: Session(self, process)

    def hits(self, name: str, method: str = "") -> bool:
        """True where a fault happens; orders are few among the requests, and meet more of them."""
        return self.faults.hits(name, self.timeline.now_s, POST_WEIGHT if method == "POST" else 1.0)

    def travel_s(self) -> float:
        return self.chance.uniform(0.002, 0.08)

    def long_s(self) -> float:
        """A late packet's travel: within the request's own deadline of 30 s."""
        return self.chance.uniform(3, 25)

    # Questions, as they arrive at the broker.

    def outcome(self, call: SimpleNamespace) -> Outcome:
        """Let a request reach the broker, or what stands before it, and say what it answers."""
        method = call.method
        if self.hits("limited", method):
            return 429, {"Retry-After": "2", "X-RateLimit-Remaining": "0"}, b""
        if self.hits("limited_bare", method):
            return 429, {}, b'{"message":"too many requests."}'
        for status in (500, 502, 503):
            if self.hits(f"error_{status}", method):
                return status, {}, b""
        if self.hits("error_html", method):
            return 502, {"Content-Type": "text/html"}, HTML
        status, body = self.broker.answer(method, call.path, call.query, call.body)
        if self.hits("error_504_after_accept", method):
            return 504, {}, HTML
        if status == 200 and self.hits("body_cut", method):
            return 200, {}, body[: len(body) // 2]
        return status, {}, body

    def acknowledged(self, text: str | bytes) -> bytes | None:
        """Answer what a listener says; None where it gets no answer."""
        request = json.loads(text)
        if self.hits("stream_no_ack"):
            return None
        if request["action"] == "authenticate":
            reply: dict[str, object] = {"status": "authorized", "action": "authenticate"}
            return json.dumps({"stream": "authorization", "data": reply}).encode()
        return json.dumps({"stream": "listening", "data": request["data"]}).encode()

    # The stream.

    def push(self, event: dict[str, object]) -> None:
        """Send an event to whoever listens."""
        for link in tuple(self.links):
            if self.hits("stream_cut"):
                self.timeline.after(0.01, link.cut)
            if self.hits("stream_half_open"):
                link.silence()
            if self.hits("stream_mute"):
                link.is_mute = True
            if link.is_mute or self.hits("stream_drop"):
                continue
            shown = event
            if self.hits("stream_unknown_event"):
                shown = {**event, "event": "quantum_settled"}
            raw = json.dumps({"stream": "trade_updates", "data": shown}).encode()
            if self.hits("stream_garbled"):
                raw = raw[: len(raw) // 2]
            delay_s = self.travel_s()
            if self.hits("stream_reorder"):
                delay_s = self.chance.uniform(0.01, 4)
            if self.hits("stream_delay"):
                delay_s = self.chance.uniform(5, 40)
            self.timeline.after(delay_s, lambda link=link, raw=raw: link.push(raw))
            if self.hits("stream_duplicate"):
                again_s = delay_s + self.chance.uniform(0, 8)
                self.timeline.after(again_s, lambda link=link, raw=raw: link.push(raw))

    def killed(self) -> None:
        """The process is gone; the broker may go on seeing its connection for a while."""
        for link in self.links:
            link.is_over = True
        if self.links and self.hits("stream_busy"):
            self.ghost_until_s = self.timeline.now_s + self.chance.uniform(10, GHOST_S)
        self.links.clear()


class Session:
    """One session of one process."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network, self._process = network, process

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        pass

    def request(
        self,
        method: str,
        url: Any,
        *,
        params: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        allow_redirects: bool,
        trace_request_ctx: Callable[[], None] | None,
    ) -> "Exchange":
        path = unquote(urlsplit(str(url)).path)
        call = SimpleNamespace(
            method=method, path=path, query=dict(params or {}), body=data or b"",
            timeout_s=timeout.total, gate=trace_request_ctx,
        )  # fmt: skip
        return Exchange(self._network, self._process, call)

    async def ws_connect(self, url: str, *, heartbeat: float, **more: Any) -> "Link":
        network = self._network
        self._process.act("connects the stream")
        if network.hits("connection_refused"):
            raise aiohttp.ClientConnectorError(NOBODY, OSError(111, "connection refused"))
        await asyncio.sleep(network.travel_s() * 3)
        self._process.check()
        if network.timeline.now_s < network.ghost_until_s or network.links:
            raise aiohttp.WSServerHandshakeError(
                SimpleNamespace(real_url=url), (), status=429, message="connection limit"
            )
        link = Link(network, self._process, heartbeat)
        network.links.append(link)
        return link


class Exchange:
    """One request and its answer; the answer's fields are read off it as off a response."""

    def __init__(self, network: Network, process: Process, call: SimpleNamespace) -> None:
        self._network, self._process, self._call = network, process, call
        self.status = 0
        self.headers: dict[str, str] = {}
        self._body = b""

    async def __aenter__(self) -> "Exchange":
        network, process, call = self._network, self._process, self._call
        process.check()
        if network.hits("connection_refused", call.method):
            await asyncio.sleep(network.travel_s())
            raise aiohttp.ClientConnectorError(NOBODY, OSError(111, "connection refused"))
        await asyncio.sleep(network.travel_s())
        if call.gate is not None:
            call.gate()
        if call.method == "POST":
            network.posts += 1
            network.on_post(json.loads(call.body))
        elif (call.method, call.path) == ("DELETE", "/v2/orders"):
            network.on_cancel_all()
        process.act(f"sends {call.method} {call.path}")
        answered = asyncio.get_running_loop().create_future()
        self._send(answered)
        process.act(f"has sent {call.method} {call.path}")
        async with asyncio.timeout(call.timeout_s):
            self.status, self.headers, self._body = await answered
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def read(self) -> bytes:
        return self._body

    def _send(self, answered: "asyncio.Future[Outcome]") -> None:
        network, process, call = self._network, self._process, self._call

        def tell(outcome: Outcome | Exception) -> None:
            if process.is_dead or answered.done():
                return
            if isinstance(outcome, Exception):
                answered.set_exception(outcome)
            else:
                answered.set_result(outcome)

        def arrive() -> None:
            outcome = network.outcome(call)
            if network.hits("reply_lost", call.method):
                return
            delay_s = (
                network.long_s() if network.hits("late_reply", call.method) else network.travel_s()
            )
            network.timeline.after(delay_s, lambda: tell(outcome))

        is_reset = network.hits("reset", call.method)
        if not network.hits("request_lost", call.method):
            is_late = network.hits("late_request", call.method) or (
                is_reset and network.chance.random() < 0.5
            )
            network.timeline.after(network.long_s() if is_late else network.travel_s(), arrive)
        if is_reset:
            network.timeline.after(
                network.chance.uniform(0.001, 2),
                lambda: tell(aiohttp.ClientOSError(104, "connection reset by peer")),
            )


class Link:
    """One connection of the stream, as aiohttp shows it."""

    def __init__(self, network: Network, process: Process, heartbeat_s: float) -> None:
        self._network, self._process, self._heartbeat_s = network, process, heartbeat_s
        self._inbox: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.is_mute = self.is_over = self.is_listening = False
        self.close_code: int | None = None

    def exception(self) -> Exception | None:
        return None

    async def send_str(self, text: str) -> None:
        self._process.check()
        network = self._network
        if (raw := network.acknowledged(text)) is not None:
            network.timeline.after(network.travel_s(), lambda: self.push(raw))

    async def receive(self) -> aiohttp.WSMessage:
        while not self._inbox and not self.is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._process.check()
        if self._inbox:
            return aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, self._inbox.popleft(), None)
        return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

    async def close(self) -> None:
        self.is_over = True
        if self in self._network.links:
            self._network.links.remove(self)

    def push(self, raw: bytes) -> None:
        if not self.is_over:
            self._inbox.append(raw)
            self._wake()

    def cut(self) -> None:
        """The link breaks, and both sides see it."""
        if self in self._network.links:
            self._network.links.remove(self)
        self.is_over = True
        self.close_code = 1006
        self._wake()

    def silence(self) -> None:
        """The link is half open: nothing comes, and the heartbeat notices in its own time."""
        self.is_mute = True
        self._network.timeline.after(self._heartbeat_s * 1.5, self.cut)

    def _wake(self) -> None:
        if self._process.is_dead:
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
