"""The trade_updates websocket: authentication, listening, one seat for each account, its faults.

A slow reader never holds up the broker: each connection has its own queue and writer, and is cut
when the queue overflows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from atlas_daemon.paper import refusals, wire
from atlas_daemon.paper.accounts import Account
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.gate import DESK, KEY_HEADER, SECRET_HEADER
from atlas_daemon.paper.orders import Update

STREAM = "trade_updates"
QUEUE_MAX = 20_000
AUTH_WITHIN_S = 30.0


class Connection:
    """One websocket: who it speaks for, what it listens to, what waits to be sent."""

    def __init__(self, socket: web.WebSocketResponse, *, binary: bool, msgpack: bool) -> None:
        self.socket = socket
        self.account: Account | None = None
        self.is_listening = False
        self._binary = binary or msgpack
        self._encode: Callable[[object], bytes] = (
            msgspec.msgpack.encode if msgpack else msgspec.json.encode
        )
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, message: object) -> None:
        """Queue a message; a reader too slow for it is cut off."""
        if self._queue.qsize() >= QUEUE_MAX:
            self.cut()
            return
        self._queue.put_nowait(self._encode(message))

    def cut(self) -> None:
        """Drop the TCP connection without a farewell."""
        writer: Any = self.socket._writer
        if writer is not None and writer.transport is not None:
            writer.transport.abort()

    async def write_on(self) -> None:
        """Send what is queued until the connection ends."""
        while True:
            payload = await self._queue.get()
            try:
                if self._binary:
                    await self.socket.send_bytes(payload)
                else:
                    await self.socket.send_str(payload.decode())
            except ConnectionError:
                return


class Switchboard:
    """All connections of the broker; hands each account's updates to its listener."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seats: dict[str, Connection] = {}
        self._ghosts: dict[str, float] = {}
        self._connections: set[Connection] = set()
        desk.publish = self.publish

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
        if connection is None or not connection.is_listening:
            return
        faults = self._desk.faults
        if faults.armed:
            if faults.is_armed("mute_stream") or faults.for_stream("lost_events"):
                return
            if faults.for_stream("unknown_event"):
                update = replace(update, event="event_of_the_future")
        data = wire.trade_update(update)
        if faults.armed:
            if faults.for_stream("missing_timestamp"):
                del data["timestamp"]
            order = data["order"]
            if isinstance(order, dict) and faults.for_stream("unknown_status"):
                order["status"] = "status_of_the_future"
        message = {"stream": STREAM, "data": data}
        connection.send(message)
        if faults.for_stream("duplicate_events"):
            connection.send(message)


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
    socket = web.WebSocketResponse(autoping=False, max_msg_size=65536)
    if not socket.can_prepare(request).ok:
        raise refusals.malformed("websocket upgrade expected")
    await socket.prepare(request)
    msgpack = request.headers.get("Content-Type") == "application/msgpack"
    connection = Connection(socket, binary=desk.config.binary_frames, msgpack=msgpack)
    board.join(connection)
    writer = asyncio.create_task(connection.write_on())
    try:
        await _talk(connection, desk, board)
    finally:
        writer.cancel()
        board.leave(connection, politely=socket.close_code not in (None, 1006))
    return socket


async def _talk(connection: Connection, desk: Desk, board: Switchboard) -> None:
    socket = connection.socket
    while True:
        try:
            waits_s = AUTH_WITHIN_S if connection.account is None else None
            message = await socket.receive(timeout=waits_s)
        except TimeoutError:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return
        if message.type is WSMsgType.PING:
            if not desk.faults.is_armed("mute_stream"):
                await socket.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            _answer(connection, message, desk, board)
        elif message.type is not WSMsgType.PONG:
            return


def _answer(connection: Connection, message: WSMessage, desk: Desk, board: Switchboard) -> None:
    try:
        request = msgspec.json.decode(message.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        request = None
    action = request.get("action") if isinstance(request, dict) else None
    if desk.faults.is_armed("mute_stream"):
        return
    if action in ("authenticate", "auth"):
        key, secret = _keys(request)
        account = desk.account_with(key, secret)
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
