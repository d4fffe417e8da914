"""What the shell needs of the world, as Protocols. Each has a real edge in `edges`."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from atlas_daemon.core.brain import SignalsAnswer
from atlas_daemon.core.values import Symbol


class ClockPort(Protocol):
    """Time as the core sees it; the broker's own in local mode."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds of this clock."""
        ...


class LatchPort(Protocol):
    """The latch on disk."""

    def is_on(self) -> bool:
        """True where the latch file is there, whatever is in it, or nobody can say."""
        ...

    def write(self, by: str, reason: str, at: datetime) -> str:
        """Put it there, fsynced; return why that failed, or an empty text."""
        ...

    def remove(self) -> str:
        """Take it away; return why that failed, or an empty text."""
        ...


class BrainPort(Protocol):
    """The slow brain."""

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        """Return the strategy's answer; SignalsError where there is none."""
        ...


class NoticePort(Protocol):
    """Whoever tells people."""

    async def send(self, level: str, key: str, text: str) -> None:
        """Deliver, or drop after a few tries; never raises."""
        ...
