"""The server's end of one websocket: what `Network.push` asks of a link, in frames.

It knows the trade's events only as bytes; which of them come at all is the network's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import wire_bytes as wire

if TYPE_CHECKING:
    from tests.simulation.wire_broker import Conversation, WireNetwork

UNNOTICED_S = 20.0
"""A server that hears nothing gives a half-open connection up after so long."""
CLOSINGS = (
    (1000, ""),
    (1001, "going away"),
    (1011, "internal error"),
    (1012, "service restart"),
    (4000, "slow client"),
)


class WireLink:
    """One stream. `is_mute`, `cut`, `silence` and `push` as the network uses them."""

    def __init__(self, network: WireNetwork, conversation: Conversation) -> None:
        self._network, self._conversation = network, conversation
        self.is_mute = self.is_over = False

    def heard(self, frame: wire.Frame) -> None:
        """Take a frame of the client's."""
        network = self._network
        if frame.opcode == wire.TEXT:
            if (raw := network.acknowledged(frame.payload)) is not None:
                self._say(self._message(raw))
        elif frame.opcode == wire.PING:
            self._say(wire.frame(wire.PONG, frame.payload))
        elif frame.opcode == wire.CLOSE and not self.is_over:
            self._say(wire.frame(wire.CLOSE, frame.payload[:2]))
            self._conversation.close()

    def push(self, raw: bytes) -> None:
        """Send an event, or what comes in its place."""
        if self.is_over:
            return
        network, chance = self._network, self._network.chance
        message = self._message(raw)
        if network.hits("frame_cut"):
            self._say(message[: chance.randint(1, len(message) - 1)])
            self.cut()
        elif network.hits("close_frame"):
            self._say(wire.close_frame(*chance.choice(CLOSINGS)))
            self._conversation.close()
        elif network.hits("close_frame_bare"):
            self._say(wire.close_frame(None))
            self._conversation.close()
        elif network.hits("bad_frame"):
            self._say(chance.choice(wire.BAD_FRAMES))
        else:
            self._say(message)

    def cut(self) -> None:
        """The link breaks, and both sides see it."""
        self._conversation.close(is_reset=self._network.chance.random() < 0.5)

    def silence(self) -> None:
        """The link is half open: nothing passes any more, and each side notices in its own time."""
        self.is_mute = True
        self._conversation.up.stall()
        self._conversation.down.drop()
        self._network.timeline.after(UNNOTICED_S, self.ended)

    def ended(self) -> None:
        """The link is over for the server."""
        self.is_over = True
        if self in self._network.links:
            self._network.links.remove(self)

    def _message(self, raw: bytes) -> bytes:
        network = self._network
        is_text = network.shape("shape_text", 0.2)
        if is_text:
            try:
                raw.decode()
            except UnicodeDecodeError:
                is_text = False
        opcode = wire.TEXT if is_text else wire.BINARY
        if network.shape("shape_fragments", 0.1):
            return wire.fragments(opcode, raw, network.chance)
        ping = wire.frame(wire.PING, b"there?") if network.shape("shape_ping", 0.1) else b""
        return ping + wire.frame(opcode, raw)

    def _say(self, data: bytes) -> None:
        self._conversation.say(data, self._network.travel_s())
