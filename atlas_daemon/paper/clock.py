"""The broker's clock: starts at any instant, runs at any speed, may be set forward.

Its only source is a monotonic function handed in, so a simulation can drive it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class BrokerClock:
    """`speed` is broker seconds for each second of `monotonic`; 0 stands still."""

    def __init__(self, starts_at: datetime, speed: float, monotonic: Callable[[], float]) -> None:
        if starts_at.tzinfo is None:
            raise ValueError("the broker's clock needs an aware start")
        self._monotonic = monotonic
        self._anchor_at = starts_at.astimezone(UTC)
        self._anchor = monotonic()
        self.speed = checked_speed(speed)

    def now(self) -> datetime:
        """The broker's time, UTC."""
        return self._anchor_at + timedelta(seconds=(self._monotonic() - self._anchor) * self.speed)

    def set(self, *, at: datetime | None = None, speed: float | None = None) -> None:
        """Jump forward to `at` and go on at `speed`. Raises ValueError for a step back."""
        now = self.now()
        if at is not None and at < now:
            raise ValueError(f"the broker's clock never goes back (it is {now.isoformat()})")
        new_speed = self.speed if speed is None else checked_speed(speed)
        self._anchor_at = at.astimezone(UTC) if at is not None else now
        self._anchor = self._monotonic()
        self.speed = new_speed


def checked_speed(speed: float) -> float:
    """The speed itself. Raises ValueError for a negative or absurd one."""
    if not 0 <= speed <= 1_000_000:
        raise ValueError(f"speed must be between 0 and 1000000, not {speed}")
    return float(speed)
