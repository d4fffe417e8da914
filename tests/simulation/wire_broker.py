"""The simulated broker behind real bytes: each connection the daemon's own aiohttp makes to it.

The daemon opens its sessions as in production; only the loop's dialling ends here. The faults of
the packets act on bytes, and those that only bytes can have are in `WIRE_CHANCES`.
"""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import aiohttp

from atlas_daemon.edges.alpaca.transport import open_session
from tests.simulation import wire_bytes as wire
from tests.simulation.broker import Broker
from tests.simulation.disk import Process
from tests.simulation.faults import Faults
from tests.simulation.loop import Timeline
from tests.simulation.memory_net import (
    GAP_S,
    Direction,
    MemoryLoop,
    MemoryTransport,
    segments,
)
from tests.simulation.network import Network
from tests.simulation.wire_stream import WireLink

WIRE_CHANCES: Mapping[str, float] = {
    # before a connection stands
    "name_unresolved": 0.1,
    "tls_failed": 0.1,
    "connect_hangs": 0.06,
    # a request's bytes
    "keepalive_closed": 0.15,
    "request_cut": 0.06,
    "half_open": 0.04,
    "window_closed": 0.1,
    # an answer's bytes
    "half_header": 0.08,
    "half_body": 0.08,
    "stall_in_body": 0.05,
    "garbage": 0.1,
    "oversized_header": 0.06,
    "interim": 0.2,
    "bare_204": 0.06,
    "redirected": 0.06,
    "stray_answer": 0.1,
    "answered_twice": 0.1,
    # the stream's bytes
    "upgrade_refused": 0.5,
    "upgrade_garbled": 0.4,
    "frame_cut": 0.35,
    "close_frame": 0.35,
    "close_frame_bare": 0.5,
    "bad_frame": 0.35,
}
"""As `faults.CHANCES`, for what a stand-in for the session could not have."""

WAYS: Mapping[str, float] = {"mtu": 0.15, "pieces": 0.2, "bytes": 0.03}
"""How often messages are cut, and how; the others travel whole."""

WIRE_SHAPES = (
    *wire.SHAPES,
    *(f"shape_{way}" for way in WAYS),
    *("shape_text", "shape_fragments", "shape_ping", "shape_glued"),
)
WIRE_NAMES = (*WIRE_CHANCES, *WIRE_SHAPES)
HOST = "paper-api.alpaca.markets"
HOSTS = frozenset({HOST, "data.alpaca.markets"})


class WireFaults(Faults):
    """A seed's faults, and those of its bytes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._is_long = False  # real heartbeats through nights of world time take too long
        draw = random.Random(f"wire swarm/{self.seed}")
        share = draw.choice((0.1, 0.3, 0.5))
        for name, most in WIRE_CHANCES.items():
            exists, size = draw.random() < share, draw.random()
            if exists and name not in self.without and not self.is_calm:
                self._chances[name] = most * (0.2 + 0.8 * size)


class WireNetwork(Network):
    """What lies between, in bytes."""

    faults_of = WireFaults

    def __init__(
        self, timeline: Timeline, faults: Faults, broker: Broker, chance: random.Random
    ) -> None:
        super().__init__(timeline, faults, broker, chance)
        self.process: Process | None = None
        self.conversations: list[Conversation] = []

    def new_loop(self) -> MemoryLoop:
        return MemoryLoop(self.timeline, self._dial, self._resolve)

    def sessions(self, process: Process) -> Callable[[], aiohttp.ClientSession]:
        self.process = process

        def opened() -> aiohttp.ClientSession:
            session = open_session()
            process.loop.sessions.append(session)
            return session

        return opened

    def killed(self) -> None:
        super().killed()
        for conversation in self.conversations:
            conversation.orphaned()
        self.conversations.clear()

    def shape(self, name: str, chance: float) -> bool:
        """True where bytes take this lawful shape; at any time, in the calmest seed too."""
        if name in self.faults.without or self.faults.source(name).random() >= chance:
            return False
        self.faults.fired[name] += 1
        return True

    def cut(self, data: bytes) -> list[bytes]:
        """Return the segments in which a message travels."""
        way = next((way for way, chance in WAYS.items() if self.shape(f"shape_{way}", chance)), "")
        return segments(data, way, self.chance)

    def _resolve(self, host: str) -> None:
        if host not in HOSTS:
            raise RuntimeError(f"keys were about to be sent to {host}")
        if self.hits("name_unresolved"):
            raise socket.gaierror(-3, "Temporary failure in name resolution")

    async def _dial(self) -> "Conversation":
        process = self.process
        assert process is not None
        process.act("connects")
        if self.hits("connect_hangs"):
            await asyncio.sleep(120)
        await asyncio.sleep(self.travel_s())
        process.check()
        if self.hits("connection_refused", "POST"):
            raise ConnectionRefusedError(111, "connection refused")
        await asyncio.sleep(self.travel_s() * 2)
        process.check()
        if self.hits("tls_failed"):
            raise ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] internal error")
        conversation = Conversation(self, process)
        self.conversations.append(conversation)
        return conversation


class Conversation:
    """One connection, from the first byte to the end of both sides."""

    client: MemoryTransport

    def __init__(self, network: WireNetwork, process: Process) -> None:
        self.network, self.process = network, process
        self.up, self.down = Direction(network.timeline), Direction(network.timeline)
        self.link: WireLink | None = None
        self._buffer = b""
        self._asked = self._answers = 0
        self._is_closed = False

    # The client's side: what the process does.

    def leaving(self, data: bytes) -> None:
        """The process writes; from here on only the network has a say."""
        process, network = self.process, self.network
        process.check()
        head = data[: data.find(b"\r\n")].split(b" ")
        if self.link is not None or len(head) != 3:
            self._rise(data, network.travel_s())
            return
        method, path = head[0].decode(), head[1].decode().partition("?")[0]
        if method == "POST":
            found = wire.request_in(data)
            assert found is not None, "an order left in more than one piece"
            network.posts += 1
            network.on_post(wire.decoded(found[0].body))
        elif (method, path) == ("DELETE", "/v2/orders"):
            network.on_cancel_all()
        self._asked += 1
        process.act(f"sends {method} {path}")
        self._send(data, method)
        process.act(f"has sent {method} {path}")

    def client_closed(self) -> None:
        self.up.carry(self._left, self.network.travel_s())

    def orphaned(self) -> None:
        """The process was killed: what it had sent travels on, nothing comes back to it."""
        self.down.drop()
        self.client_closed()
        if self.link is not None:
            self.link.is_over = True

    def _send(self, data: bytes, method: str) -> None:
        network, chance = self.network, self.network.chance
        if self._answers and network.hits("keepalive_closed", method):
            self.close(is_reset=chance.random() < 0.5)  # under way already: nobody reads this
            return
        is_reset = network.hits("reset", method)
        if network.hits("half_open", method):
            self.up.stall()
            self.down.drop()
            return
        if network.hits("request_lost", method):
            self.up.stall()
        if network.hits("request_cut", method):
            data = data[: chance.randint(1, len(data) - 1)]
            is_reset = True
        is_late = network.hits("late_request", method) or (is_reset and chance.random() < 0.5)
        delay_s = network.long_s() if is_late else network.travel_s()
        if network.hits("window_closed", method):
            self.client.choke()
            delay_s = chance.uniform(0.5, 20)
            network.timeline.after(delay_s, self.client.relieve)
        self._rise(data, delay_s)
        if is_reset:
            network.timeline.after(chance.uniform(0.001, 2), self.reset)

    def _rise(self, data: bytes, delay_s: float) -> None:
        for number, part in enumerate(self.network.cut(data)):
            self.up.carry(lambda part=part: self._received(part), delay_s + number * GAP_S)

    # The server's side.

    def _received(self, data: bytes) -> None:
        if self._is_closed:
            return
        self._buffer += data
        while self.link is None and (found := wire.request_in(self._buffer)) is not None:
            request, self._buffer = found
            if "upgrade" in request.headers:
                self._upgrade(request)
            else:
                self._answer(request)
            if self._is_closed:
                return
        if self.link is not None:
            for frame, rest in wire.frames_in(self._buffer):
                self._buffer = rest
                self.link.heard(frame)

    def _answer(self, request: SimpleNamespace) -> None:
        network, method = self.network, request.method
        status, headers, body = network.outcome(request)
        if network.hits("reply_lost", method):
            self.down.stall()
            return
        delay_s = network.long_s() if network.hits("late_reply", method) else network.travel_s()
        if self._spoil(method, status, delay_s):
            return
        shape = [name for name, chance in wire.SHAPES.items() if network.shape(name, chance)]
        raw, ends = wire.answer(status, headers, body, shape, network.chance)
        if network.hits("interim", method):
            raw = network.chance.choice(wire.INTERIM) + raw
        head_size = raw.index(b"\r\n\r\n")
        chance = network.chance
        if network.hits("half_header", method):
            self.say(raw[: chance.randint(1, head_size)], delay_s)
            self.close(is_reset=chance.random() < 0.3)
            return
        if network.hits("half_body", method):
            self.say(raw[: chance.randint(head_size + 4, len(raw) - bool(body))], delay_s)
            self.close(is_reset=chance.random() < 0.3)
            return
        if network.hits("stall_in_body", method):
            self.say(raw[: chance.randint(head_size, len(raw) - bool(body))], delay_s)
            self.down.stall()
            return
        self.say(raw, delay_s)
        self._answers += 1
        if ends:
            self.close()
        elif network.hits("stray_answer", method):
            network.timeline.after(delay_s + chance.uniform(0, 3), self._stray)
        elif network.hits("answered_twice", method):
            self._say_again(raw, delay_s + chance.choice((0, chance.uniform(0, 2))))

    def _say_again(self, raw: bytes, delay_s: float) -> None:
        """Send an answer twice. Whoever has asked something new by then could not tell."""
        asked = self._asked

        def arrive() -> None:
            if self._asked == asked:
                self.client.deliver(raw)

        self.down.carry(arrive, delay_s)

    def _stray(self) -> None:
        """Say something into the idle connection, and close it."""
        if not self._is_closed:
            self.say(self.network.chance.choice(wire.STRAYS), 0.0)
            self.close()

    def _spoil(self, method: str, status: int, delay_s: float) -> bool:
        """Say something else instead of the answer, after the broker has acted."""
        network = self.network
        if network.hits("garbage", method):
            self.say(network.chance.choice(wire.GARBAGE)(network.chance), delay_s)
        elif network.hits("oversized_header", method):
            self.say(network.chance.choice(wire.OVERSIZED), delay_s)
        elif network.hits("redirected", method):
            self.say(wire.REDIRECT, delay_s)
            return True
        elif status == 200 and network.hits("bare_204", method):
            self.say(b"HTTP/1.1 204 No Content\r\n\r\n", delay_s)
            return True
        else:
            return False
        self.close()
        return True

    def _upgrade(self, request: SimpleNamespace) -> None:
        network = self.network
        delay_s = network.travel_s()
        is_busy = network.timeline.now_s < network.ghost_until_s or network.links
        if is_busy or network.hits("upgrade_refused"):
            status = 429 if is_busy else 503
            self.say(wire.answer(status, {}, b"", (), network.chance)[0], delay_s)
            return
        raw = wire.upgrade(request.headers["sec-websocket-key"])
        if network.hits("upgrade_garbled"):
            raw = wire.upgrade("somebody else's key")
        if network.shape("shape_glued", 0.2):
            raw += wire.frame(wire.PING) + wire.frame(wire.BINARY)
        self.link = WireLink(network, self)
        network.links.append(self.link)
        self.say(raw, delay_s)

    # What the server does to the connection.

    def say(self, data: bytes, delay_s: float) -> None:
        """Send bytes to the client, in segments and in order."""
        for number, part in enumerate(self.network.cut(data)):
            self.down.carry(lambda part=part: self.client.deliver(part), delay_s + number * GAP_S)

    def close(self, *, is_reset: bool = False) -> None:
        """Close the server's end; the client hears of it after all that was said."""
        ended = self.client.lost if is_reset else self.client.ended
        self.down.carry(ended, self.network.travel_s())
        self._left()

    def reset(self) -> None:
        """Something in between resets the client; what the client had sent may still arrive."""
        self.down.drop()
        self.client.lost()

    def _left(self) -> None:
        self._is_closed = True
        if self.link is not None:
            self.link.ended()
        if self in self.network.conversations:
            self.network.conversations.remove(self)
