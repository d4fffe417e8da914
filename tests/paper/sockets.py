"""A local broker on a real socket whose clock moves only when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp

from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.server import PaperConfig, RunningBroker, start
from tests.paper.world import NOON, TableMarket, an_order


@dataclass
class Client:
    """A plain HTTP and websocket client with the default account's key."""

    broker: RunningBroker
    session: aiohttp.ClientSession
    market: TableMarket
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and body (JSON, or text where it is none)."""
        options.setdefault("headers", self.headers)
        async with self.session.request(method, self.broker.url + path, **options) as response:
            text = await response.text()
            try:
                return response.status, json.loads(text) if text else None
            except ValueError:
                return response.status, text

    async def get(self, path: str, **params: str) -> Any:
        status, body = await self.ask("GET", path, params=params)
        assert status == 200, body
        return body

    async def order(self, **changes: object) -> Any:
        status, body = await self.ask("POST", "/v2/orders", json=an_order(**changes))
        assert status == 200, body
        return body

    async def wait(self, seconds: float = 30) -> None:
        """Let the broker's time pass."""
        self.go_to(self.broker.desk.clock.now() + timedelta(seconds=seconds))

    def go_to(self, at: datetime) -> None:
        self.broker.desk.clock.set(at=at)
        self.broker.desk.settle()

    @contextlib.asynccontextmanager
    async def listening(self, path: str = "/stream", **options: Any) -> AsyncIterator[Listener]:
        """An authenticated listener to trade updates."""
        url = f"{self.broker.url}{path}"
        async with self.session.ws_connect(url, **options) as socket:
            listener = Listener(socket)
            await socket.send_json(
                {
                    "action": "authenticate",
                    "data": {"key_id": self.broker.key, "secret_key": self.broker.secret},
                }
            )
            assert (await listener.next())["data"]["status"] == "authorized"
            await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
            yield listener


@dataclass
class Listener:
    """One side of a websocket; every frame is awaited with a deadline."""

    socket: aiohttp.ClientWebSocketResponse

    async def frame(self) -> aiohttp.WSMessage:
        return await asyncio.wait_for(self.socket.receive(), 5)

    async def next(self) -> Any:
        return json.loads((await self.frame()).data)


@contextlib.asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Client]:
    """A broker at noon of 1 February 2024, standing still; SPY 99.90/100.00, CHEAP 9.90/10.00."""
    market = TableMarket(SPY=("99.90", "100.00"), CHEAP=("9.90", "10.00"))
    settings: dict[str, Any] = {
        "market": market,
        "calendar": Calendar(),
        "starts_at": NOON,
        "speed": 0.0,
        "partial_fill_pct": 0.0,
        "holdings": {"SPY": (Decimal(5), Decimal(50))},
    }
    broker = await start(PaperConfig(**(settings | changes)))
    try:
        async with aiohttp.ClientSession() as session:
            keys = {"APCA-API-KEY-ID": broker.key, "APCA-API-SECRET-KEY": broker.secret}
            yield Client(broker, session, market, keys)
    finally:
        await broker.stop()
