"""Time. The machine's own for paper and live; the broker's, which may run fast, in local mode.

The only place of the daemon, besides the simulation's own, that reads a clock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds."""
        await asyncio.sleep(delay_s)


class _Told(Protocol):
    @property
    def timestamp(self) -> datetime: ...
    @property
    def speed(self) -> Decimal | None: ...


class BrokerClock:
    """The broker's clock, followed between two looks at it by the loop's monotonic time."""

    def __init__(
        self, get_clock: Callable[[], Awaitable[_Told]], monotonic_s: Callable[[], float]
    ) -> None:
        self._get_clock, self._monotonic_s = get_clock, monotonic_s
        self._told_at = datetime.now(UTC)
        self._read_s = monotonic_s()
        self._speed = 1.0

    async def sync(self) -> None:
        """Ask the broker for its time and speed. Raises what the client raises."""
        sent_s = self._monotonic_s()
        told = await self._get_clock()
        self._read_s = (sent_s + self._monotonic_s()) / 2
        self._told_at = told.timestamp
        self._speed = float(told.speed) if told.speed else 1.0

    async def follow(self, every_s: float = 5.0) -> None:
        """Sync until cancelled; a broker that does not answer leaves the clock running on."""
        from atlas_daemon.edges.alpaca.faults import (
            BrokerRefusedError,
            NoVerdictError,
            OutcomeUnknownError,
            RateLimitedError,
        )

        while True:
            await asyncio.sleep(every_s)
            try:
                await self.sync()
            except (
                OutcomeUnknownError,
                NoVerdictError,
                RateLimitedError,
                BrokerRefusedError,
            ):
                continue

    def now(self) -> datetime:
        """Return the broker's present moment, in UTC."""
        passed_s = (self._monotonic_s() - self._read_s) * self._speed
        return self._told_at + timedelta(seconds=passed_s)

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds of the broker's time."""
        await asyncio.sleep(delay_s / self._speed)
