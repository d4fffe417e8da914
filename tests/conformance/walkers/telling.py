"""What both Python walkers share: one JSON line a step, and the wait for the stream's next word.

Used by the walkers only, which run as programs of their own under foreign libraries.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal

URL, STREAM_URL, KEY, SECRET = sys.argv[1:5]
STEP_S = 20.0


def tell(step: str, **saw: object) -> None:
    """Say what the client made of the broker's answer."""
    print(json.dumps({"step": step, "saw": saw}), flush=True)


def refused(step: str, status: int, code: int | None, message: str) -> None:
    """Say with what words the broker refused, as the client tells them."""
    print(
        json.dumps({"step": step, "refused": {"code": code, "message": message, "status": status}}),
        flush=True,
    )


def number(value: object) -> str | None:
    """A number, whatever type the client gave it, as plain text."""
    return None if value is None else f"{Decimal(str(value)).normalize():f}"


def minute(moment: datetime) -> str:
    """The minute of a moment, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def totals(amounts: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    """The exact sum of each name's amounts."""
    sums: dict[str, Decimal] = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, Decimal(0)) + Decimal(amount)
    return {name: number(total) for name, total in sorted(sums.items())}


class Updates:
    """What the stream said, waiting to be asked for."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue = asyncio.Queue()

    async def note(self, update: object) -> None:
        """Take one update; the client's handler."""
        await self._queue.put(update)

    async def until(self, event: str, client_order_id: str, name: Callable[[object], str]) -> list:
        """Return what came about the order, up to and including this event."""
        heard = []
        while True:
            update = await asyncio.wait_for(self._queue.get(), STEP_S)
            if name(update) == client_order_id:
                heard.append(update)
                if update.event == event:
                    return heard
