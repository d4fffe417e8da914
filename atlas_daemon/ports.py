"""What the shell needs of the world, as Protocols. Each has a real edge in `edges`."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Protocol

from atlas_daemon.core.brain import RegimeAnswer, SignalsAnswer
from atlas_daemon.core.findings import Finding
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

    async def regime(self, signal_day: date, asked_at: datetime) -> RegimeAnswer:
        """Return the regime alone; SignalsError where there is none."""
        ...


class DoctorPort(Protocol):
    """Whoever looks at the daemon's own circumstances, and rehearses."""

    async def examine(self, reason: str) -> tuple[Finding, ...]:
        """Return what was found; AtlasError in one line where nothing was."""
        ...


class ReporterPort(Protocol):
    """Whoever tells people how a day was."""

    async def report(self, day: date) -> None:
        """Tell of `day` (New York's) where anybody wants it; AtlasError where that failed."""
        ...


class LogKeeperPort(Protocol):
    """Whoever keeps the log files."""

    async def keep(self, today: date) -> None:
        """Archive what is older than `today`; AtlasError where that failed."""
        ...


class MeterPort(Protocol):
    """Whoever wants to know how long turns and commits take."""

    time: Callable[[], float]
    """Seconds; for durations only."""

    def turn(self, duration_s: float) -> None:
        """Take in how long a turn took, its commit included."""
        ...

    def commit(self, duration_s: float) -> None:
        """Take in how long a commit took."""
        ...


class NoticePort(Protocol):
    """Whoever tells people."""

    async def send(self, level: str, key: str, text: str) -> None:
        """Deliver, or drop after a few tries; never raises."""
        ...
