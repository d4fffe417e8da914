"""The trade_updates websocket: authentication, listening, one seat for each account, its faults.

A slow reader never holds up the broker: what is told waits in its transport's buffer, and it is cut
off when too much waits there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from atlas_daemon.paper.api.gate import DESK, KEY_HEADER, SECRET_HEADER
from atlas_daemon.paper.console.request_faults import html
from atlas_daemon.paper.console.stream_faults import STREAM, Message
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.orders import Update

UNREAD_MAX = 32 * 1024 * 1024
"""Bytes that may wait for a reader (about 25,000 updates) before it is cut off."""
AUTH_WITHIN_S = 30.0


class Connection:
    """One websocket: who it speaks for, what it listens to, what waits to be sent."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        binary: bool,
        msgpack: bool,
    ) -> None:
        self.socket = socket
        self.account: Account | None = None
        self.is_listening = False
        self._transport = transport
        self._msgpack = msgpack
        self._first_byte = 0x82 if binary or msgpack else 0x81
        self._encode: Callable[[object], bytes] = (
            msgspec.msgpack.encode if msgpack else msgspec.json.encode
        )
        self._waiting: list[bytes] = []

    def send(self, message: object) -> None:
        """Send a message soon, with all others of this turn; a reader too slow for it is cut off.

        Whole frames go past aiohttp straight to the transport: one system call takes many.
        """
        self.send_raw(self._encode(message))

    def send_raw(self, payload: bytes) -> None:
        """Send a frame as it is, likewise."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting += (_frame_head(self._first_byte, len(payload)), payload)

    def decode(self, message: WSMessage) -> dict[str, object]:
        """The object in a frame: JSON, or MessagePack where it was agreed; {} for anything else."""
        reads: list[Callable[[bytes], object]] = [msgspec.json.decode]
        if self._msgpack and message.type is WSMsgType.BINARY:
            reads.insert(0, msgspec.msgpack.decode)
        for read in reads:
            try:
                content = read(message.data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            return content if isinstance(content, dict) else {}
        return {}

    def cut(self) -> None:
        """Drop the TCP connection without a farewell."""
        self._waiting.clear()
        self._transport.abort()

    def _flush(self) -> None:
        if self.socket.closed or self._transport.is_closing():
            self._waiting.clear()
            return
        self._transport.write(b"".join(self._waiting))
        self._waiting.clear()
        if self._transport.get_write_buffer_size() > UNREAD_MAX:
            self.cut()


class Switchboard:
    """All connections of the broker; hands each account's updates to its listener."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seats: dict[str, Connection] = {}
        self._ghosts: dict[str, float] = {}
        self._connections: set[Connection] = set()
        desk.publish = self.publish
        desk.deliver = self.deliver
        desk.console.cut_streams = self.cut_all
        desk.console.haunt = self.haunt

    def has_seat(self, account: Account) -> bool:
        """True where the account has no connection, and no ghost of one."""
        until = self._ghosts.get(account.id)
        if until is not None and until <= self._desk.config.monotonic():
            del self._ghosts[account.id]
            until = None
        return account.id not in self._seats and until is None

    def has_any_seat(self) -> bool:
        """True where at least one account could still connect."""
        return any(self.has_seat(account) for account in self._desk.exchange.by_key.values())

    def join(self, connection: Connection) -> None:
        """Count a connection that has not said yet who it is."""
        self._connections.add(connection)

    def take_seat(self, connection: Connection, account: Account) -> bool:
        """Seat a connection for its account; False where the seat is taken."""
        if connection.account is account:
            return True
        if connection.account is not None or not self.has_seat(account):
            return False
        connection.account = account
        self._seats[account.id] = connection
        return True

    def leave(self, connection: Connection, *, politely: bool) -> None:
        """Free the seat; a connection lost without a farewell haunts it for a while."""
        self._connections.discard(connection)
        if connection.account is None:
            return
        del self._seats[connection.account.id]
        if not politely and self._desk.config.ghost_s > 0:
            until = self._desk.config.monotonic() + self._desk.config.ghost_s
            self._ghosts[connection.account.id] = until

    def cut_all(self) -> None:
        """Drop every connection without a farewell."""
        for connection in list(self._connections):
            connection.cut()

    def haunt(self, seconds: float) -> None:
        """Let the place of every account be taken for so long, by the broker's clock."""
        until = self._desk.config.monotonic() + seconds / (self._desk.clock.speed or 1.0)
        for account in self._desk.exchange.by_key.values():
            self._ghosts[account.id] = until

    async def close_all(self) -> None:
        """Say farewell on every connection."""
        for connection in list(self._connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    def listeners(self) -> int:
        """How many connections are listening to trade updates."""
        return sum(connection.is_listening for connection in self._seats.values())

    def publish(self, update: Update) -> None:
        """Send an update to the account's listener, distorted by the faults that strike."""
        connection = self._seats.get(update.account_id)
        if connection is not None and connection.is_listening:
            for message in self._desk.console.stream.messages(update):
                self.deliver(message)

    def deliver(self, message: Message) -> None:
        """Send what the stream's faults made of an update, if somebody listens still."""
        account_id, content = message
        connection = self._seats.get(account_id)
        if connection is None or not connection.is_listening:
            return
        if isinstance(content, bytes):
            connection.send_raw(content)
        else:
            connection.send(content)


SWITCHBOARD: web.AppKey[Switchboard] = web.AppKey("switchboard", Switchboard)


async def stream(request: web.Request) -> web.StreamResponse:
    """GET /stream and /stream/: upgrade, then talk until one side leaves."""
    desk, board = request.app[DESK], request.app[SWITCHBOARD]
    by_header = desk.account_with(
        request.headers.get(KEY_HEADER, ""), request.headers.get(SECRET_HEADER, "")
    )
    is_free = board.has_seat(by_header) if by_header else board.has_any_seat()
    if not is_free:
        raise refusals.too_many_requests()
    refused = desk.faults.for_stream("stream_refused")
    if refused is not None:
        return html(refused.status or 429, "Refused")
    socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=65536)
    if not socket.can_prepare(request).ok:
        raise refusals.malformed("websocket upgrade expected")
    await socket.prepare(request)
    msgpack = request.headers.get("Content-Type") == "application/msgpack"
    transport = request.transport
    if transport is None:  # hung up amid the handshake
        return socket
    connection = Connection(socket, transport, binary=desk.config.binary_frames, msgpack=msgpack)
    board.join(connection)
    try:
        await _talk(connection, desk, board)
    finally:
        board.leave(connection, politely=socket.close_code not in (None, 1006))
    return socket


def _frame_head(first_byte: int, size: int) -> bytes:
    """What precedes a whole unmasked message (RFC 6455, section 5.2)."""
    if size < 126:
        return bytes((first_byte, size))
    if size < 1 << 16:
        return b"%c\x7e" % first_byte + size.to_bytes(2, "big")
    return b"%c\x7f" % first_byte + size.to_bytes(8, "big")


async def _talk(connection: Connection, desk: Desk, board: Switchboard) -> None:
    socket, monotonic = connection.socket, asyncio.get_running_loop().time
    heard_at = monotonic()
    while True:
        is_known = connection.account is not None
        try:
            message = await socket.receive(desk.config.ping_every_s if is_known else AUTH_WITHIN_S)
        except TimeoutError:
            if not is_known:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION)
                return
            if monotonic() - heard_at >= desk.config.drops_silent_after_s:
                connection.cut()
                return
            if not desk.console.stream.is_half_open:
                await socket.ping()
            continue
        heard_at = monotonic()
        if message.type is WSMsgType.PING:
            if not desk.console.stream.is_half_open:
                await socket.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            _answer(connection, message, desk, board)
        elif message.type is not WSMsgType.PONG:
            return


def _answer(connection: Connection, message: WSMessage, desk: Desk, board: Switchboard) -> None:
    request = connection.decode(message)
    action = request.get("action")
    if desk.console.stream.is_half_open:
        return
    if action in ("authenticate", "auth"):
        key, secret = _keys(request)
        account = desk.account_with(key, secret)
        if desk.faults.for_stream("unauthorized_stream"):
            account = None
        is_welcome = account is not None and board.take_seat(connection, account)
        if not desk.faults.for_stream("no_auth_reply"):
            status = "authorized" if is_welcome else "unauthorized"
            connection.send(_authorization(status, action))
    elif action == "listen":
        if connection.account is None:
            connection.send(_authorization("unauthorized", action))
            return
        data = request.get("data")
        wanted = data.get("streams") if isinstance(data, dict) else None
        granted = [STREAM] if isinstance(wanted, list) and STREAM in wanted else []
        # What happened before this moment is not for this listener.
        desk.settle()
        connection.is_listening = bool(granted)
        if desk.faults.for_stream("empty_listening_ack"):
            connection.is_listening, granted = False, []
        if not desk.faults.for_stream("no_listening_ack"):
            connection.send({"stream": "listening", "data": {"streams": granted}})
    else:
        connection.send({"action": "error", "data": {"error_message": "invalid message"}})


def _keys(request: dict[str, object]) -> tuple[str, str]:
    """Key and secret from either form: nested (`authenticate`) or flat (`auth`)."""
    data = request.get("data")
    nested = data if isinstance(data, dict) else {}
    key = nested.get("key_id") or request.get("key")
    secret = nested.get("secret_key") or request.get("secret")
    return str(key or ""), str(secret or "")


def _authorization(status: str, action: str) -> dict[str, object]:
    data = {"action": action, "status": status}
    if status == "unauthorized" and action != "listen":
        data["message"] = "access key verification failed"
    return {"stream": "authorization", "data": data}
