"""Asks a broker by plain requests, and keeps what it did not expect."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

STEP_S = 20.0


@dataclass
class Asker:
    """Asks the broker behind `url`; the tap keeps what is said, this keeps what surprised."""

    session: aiohttp.ClientSession
    url: str
    key: str
    secret: str
    side_door: str
    """The broker's own address, for what is not Alpaca's."""
    surprises: list[str] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, status: int, body: object = None, /, **query: object
    ) -> Any:
        """Ask; return the answer's JSON (None where there is none), whatever its status."""
        headers = {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret}
        texts = {name: str(value) for name, value in query.items()}
        asked: dict[str, Any] = {"headers": headers, "params": texts}
        if isinstance(body, bytes):
            asked["data"] = body
        elif body is not None:
            asked["json"] = body
        async with self.session.request(method, self.url + path, **asked) as answer:
            said = await answer.read()
            if answer.status != status:
                words = f"{answer.status} {said[:200]!r}"
                self.surprises.append(f"{method} {path} {query} {body}: {words}")
            return json.loads(said) if answer.content_type == "application/json" else None

    async def get(self, path: str, status: int = 200, /, **query: object) -> Any:
        return await self.ask("GET", path, status, None, **query)

    async def order(self, status: int = 200, **changes: object) -> Any:
        """POST an order: a market DAY buy of 1 SPY, changed as asked; None takes a key out."""
        body = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "market"}
        body = body | {"time_in_force": "day"} | changes
        body = {key: value for key, value in body.items() if value is not None}
        return await self.ask("POST", "/v2/orders", status, body)

    async def command(self, path: str, body: dict[str, object]) -> None:
        """Tell the broker itself, past the tap: its clock, its accounts."""
        async with self.session.post(f"{self.side_door}/_admin/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Ask again until it is so."""
        async with asyncio.timeout(STEP_S):
            while not await is_so():  # noqa: ASYNC110 - a question, not a flag
                await asyncio.sleep(0.01)

    async def ended(self, order: Any, status: str) -> None:
        """Wait until the order has this status."""

        async def is_so() -> bool:
            return (await self.get(f"/v2/orders/{order['id']}"))["status"] == status

        await self.until(is_so)
