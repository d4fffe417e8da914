"""A broker in a process of its own, small and quick: what is measured is who talks to it.

`python -m bench.broker` says its address on standard output, takes commands as JSON lines on
standard input and answers each with a JSON line. Its moments are `time.monotonic_ns()`, one clock
for all processes of a machine. It fills nothing by itself, refuses nothing and keeps no rules.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.sessions import NYSE
from bench.words import FRAMES_AT_ONCE, PRICE, order_words, update_words, ws_frame

OPENS_AT = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
"""Where its clock stands when it starts: half an hour into a session."""
CASH = Decimal(10_000_000)
UNSENT_MAX = 1 << 16


class Broker:
    """One account; orders rest until a command fills them."""

    def __init__(self) -> None:
        self.begun_s = time.monotonic()
        self.orders: dict[str, dict[str, Any]] = {}
        self.held: dict[str, int] = {}
        self.cash = CASH
        self.numbers = itertools.count(1)
        self.sockets: set[web.WebSocketResponse] = set()
        self.cancel_seen_ns = 0
        self.is_busy = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.fills_after_s: float | None = None
        """So long after it came an order is filled whole; None where that is commanded."""
        self.placed_ns: dict[str, int] = {}

    # Requests.

    def routes(self) -> list[web.RouteDef]:
        """Every address that a client of ours or alpaca-py's asks for here."""
        answers: dict[str, Callable[[web.Request], object]] = {
            "/v2/account": lambda _: self._account(),
            "/v2/positions": lambda _: [self._position(s, q) for s, q in self.held.items()],
            "/v2/orders": lambda _: list(self.orders.values()),
            "/v2/account/activities": lambda _: [],
            "/v2/clock": lambda _: self._clock(),
            "/v2/calendar": lambda request: _calendar(request.query["start"], request.query["end"]),
            "/v2/assets/{symbol}": lambda request: _asset(request.match_info["symbol"]),
            "/v2/stocks/quotes/latest": lambda request: {"quotes": self._quotes(request)},
            "/v2/stocks/trades/latest": lambda request: {"trades": self._trades(request)},
        }
        return [
            *(web.get(path, _answering(answer)) for path, answer in answers.items()),
            web.post("/v2/orders", self.place),
            web.delete("/v2/orders", self.cancel_all),
            web.get("/v2/orders:by_client_order_id", self.look_up),
            web.get("/stream", self.listen),
            web.get("/burst/{count}", self.burst),
        ]

    async def place(self, request: web.Request) -> web.Response:
        """Take an order, whatever it is. Nothing of it is kept, unless it is to be filled."""
        read_ns = time.monotonic_ns()
        asked = json.loads(await request.read())
        number, name = next(self.numbers), asked["client_order_id"]
        words = order_words(number, name, asked["symbol"], str(asked["qty"]))
        words |= {"side": asked["side"], "status": "new"}
        if self.fills_after_s is not None:
            self.placed_ns[name] = read_ns
            self.orders[name] = words
            asyncio.get_running_loop().call_later(self.fills_after_s, self._fill_soon, name)
        return _reply(words)

    async def cancel_all(self, request: web.Request) -> web.Response:
        """Note when the request was read, and let the orders rest on."""
        self.cancel_seen_ns = self.cancel_seen_ns or time.monotonic_ns()
        return _reply([{"id": order["id"], "status": 200} for order in self.orders.values()], 207)

    async def look_up(self, request: web.Request) -> web.Response:
        """Answer for one order by its owner's id."""
        order = self.orders.get(request.query["client_order_id"])
        if order is None:
            return _reply({"code": 40410000, "message": "order not found"}, 404)
        return _reply(order)

    # The stream.

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """Sit at the other end of a stream until it is closed."""
        socket = await self._welcome(request)
        self.sockets.add(socket)
        async for _ in socket:
            pass
        self.sockets.discard(socket)
        return socket

    async def burst(self, request: web.Request) -> web.WebSocketResponse:
        """Send so many updates as fast as they are taken, made before the first leaves."""
        count = int(request.match_info["count"])
        frames = [ws_frame(json.dumps(words).encode()) for words in update_words(count)]
        socket = await self._welcome(request)
        transport = request.transport
        assert transport is not None
        for first in range(0, count, FRAMES_AT_ONCE):
            transport.write(b"".join(frames[first : first + FRAMES_AT_ONCE]))
            while transport.get_write_buffer_size() > UNSENT_MAX:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        async for _ in socket:
            pass
        return socket

    async def _welcome(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await _say(socket, "authorization", {"action": "authenticate", "status": "authorized"})
        await socket.receive()
        await _say(socket, "listening", {"streams": ["trade_updates"]})
        return socket

    # Commands.

    async def obey(self, command: dict[str, Any]) -> object:
        """Do what a line of standard input says; return what is answered."""
        match command["do"]:
            case "rest":  # these orders rest from now on
                self.orders = {
                    name: order_words(next(self.numbers), name, symbol, qty) | {"status": "new"}
                    for name, symbol, qty in command["orders"]
                }
                self.held, self.cash, self.cancel_seen_ns = {}, CASH, 0
                self.begun_s, self.is_busy = time.monotonic(), False
                return None
            case "trade":  # orders are filled from now on, whole
                self.fills_after_s = command["after_s"]
                return None
            case "placed_ns":  # when each was read, since this was asked last
                told, self.placed_ns = self.placed_ns, {}
                return told
            case "busy":  # fills, one after the other, until told otherwise
                self.is_busy = True
                task = asyncio.create_task(self._keep_busy(command["gap_s"]))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                return None
            case "quiet":
                self.is_busy = False
                return None
            case "fill":
                return await self._fill_all(command["count"], command["gap_s"])
            case "cancel_seen_ns":
                return self.cancel_seen_ns
            case "listeners":
                return len(self.sockets)
            case other:
                raise ValueError(f"nobody knows how to {other}")

    async def _keep_busy(self, gap_s: float) -> None:
        names = itertools.cycle(list(self.orders))
        while self.is_busy and not self.cancel_seen_ns:
            await self._fill(next(names))
            await asyncio.sleep(gap_s)

    async def _fill_all(self, count: int, gap_s: float) -> list[tuple[str, int]]:
        names = itertools.cycle(list(self.orders))
        told = []
        for name in itertools.islice(names, count):
            told.append(await self._fill(name))
            await asyncio.sleep(gap_s)
        return told

    def _fill_soon(self, name: str) -> None:
        task = asyncio.create_task(self._fill_whole(name))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _fill_whole(self, name: str) -> None:
        await self._fill(name, int(self.orders[name]["qty"]))
        del self.orders[name]

    async def _fill(self, name: str, qty: int = 1) -> tuple[str, int]:
        """Fill so many shares; return the execution's id, and when its frame was written."""
        order = self.orders[name]
        filled, sign = int(order["filled_qty"]) + qty, 1 if order["side"] == "buy" else -1
        is_whole = filled == int(order["qty"])
        order |= {"filled_qty": str(filled), "filled_avg_price": PRICE}
        order |= {"status": "filled" if is_whole else "partially_filled", "updated_at": self._now()}
        held = self.held.get(order["symbol"], 0) + sign * qty
        self.held |= {order["symbol"]: held}
        if not held:
            del self.held[order["symbol"]]
        self.cash -= sign * qty * Decimal(PRICE)
        execution_id = f"execution-{next(self.numbers)}"
        data = {
            "event": "fill" if is_whole else "partial_fill",
            "execution_id": execution_id,
            "order": order,
            "position_qty": str(held),
            "price": PRICE,
            "qty": str(qty),
            "timestamp": self._now(),
        }
        text = json.dumps({"stream": "trade_updates", "data": data})
        written_ns = time.monotonic_ns()
        for socket in tuple(self.sockets):
            with contextlib.suppress(ConnectionError):  # its daemon was killed
                await socket.send_bytes(text.encode())
        return execution_id, written_ns

    # Figures.

    def _now(self) -> str:
        at = OPENS_AT + timedelta(seconds=time.monotonic() - self.begun_s)
        return at.isoformat().replace("+00:00", "Z")

    def _clock(self) -> dict[str, object]:
        return {
            "timestamp": self._now(),
            "is_open": True,
            "next_open": "2026-02-03T09:30:00-05:00",
            "next_close": "2026-02-02T16:00:00-05:00",
        }

    def _account(self) -> dict[str, object]:
        equity = self.cash + sum(self.held.values()) * Decimal(PRICE)
        return {
            "id": "b1",
            "account_number": "PA3BENCH",
            "status": "ACTIVE",
            "equity": str(equity),
            "cash": str(self.cash),
            "buying_power": str(self.cash),
            "last_equity": str(equity),
        }

    def _position(self, symbol: str, qty: int) -> dict[str, object]:
        return {
            "symbol": symbol,
            "qty": str(qty),
            "qty_available": str(qty),
            "avg_entry_price": PRICE,
            "current_price": PRICE,
            "side": "long",
        }

    def _quotes(self, request: web.Request) -> dict[str, object]:
        return {s: {"t": self._now(), "bp": 101.26, "ap": 101.28} for s in _symbols(request)}

    def _trades(self, request: web.Request) -> dict[str, object]:
        return {s: {"t": self._now(), "p": float(PRICE)} for s in _symbols(request)}


def _answering(answer: Callable[[web.Request], object]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        return _reply(answer(request))

    return handle


def _reply(body: object, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


async def _say(socket: web.WebSocketResponse, stream: str, data: object) -> None:
    await socket.send_bytes(json.dumps({"stream": stream, "data": data}).encode())


def _symbols(request: web.Request) -> list[str]:
    return request.query["symbols"].split(",")


def _asset(symbol: str) -> dict[str, object]:
    return {"symbol": symbol, "tradable": True, "fractionable": True, "status": "active"}


def _calendar(first: str, last: str) -> list[dict[str, str]]:
    return [
        {
            "date": session.day.isoformat(),
            "open": f"{session.opens_at.astimezone(NEW_YORK):%H:%M}",
            "close": f"{session.closes_at.astimezone(NEW_YORK):%H:%M}",
        }
        for session in NYSE.sessions_between(date.fromisoformat(first), date.fromisoformat(last))
    ]


async def main() -> None:
    """Serve until standard input ends."""
    broker = Broker()
    app = web.Application()
    app.add_routes(broker.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await broker.obey(json.loads(line))), flush=True)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
