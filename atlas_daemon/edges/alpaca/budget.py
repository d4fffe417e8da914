"""How many requests a minute we allow ourselves: tokens that come back after a minute.

Time and sleep are given, so that a test or a simulation drives them. No request is made here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

MARGIN_S = 0.01
"""Slept beyond the computed wait, so that a timer that fires early finds the token there."""


class RequestBudget:
    """At most `per_minute` requests in any 60 s; the last `cancel_reserve` only for cancels.

    Each token comes back 60 s after it was taken, so no minute, however cut, holds more than the
    broker allows (200, facts of the Trading API). What the broker says of its own count
    (X-RateLimit-Remaining, Retry-After) narrows it further. Cancels ignore a wait imposed on the
    others: an emergency stop must go out, and is answered 429 at worst.
    """

    def __init__(
        self,
        per_minute: int = 200,
        cancel_reserve: int = 20,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        window_s: float = 60.0,
    ) -> None:
        if not 0 <= cancel_reserve < per_minute:
            raise ValueError(f"cancel_reserve {cancel_reserve} must be below {per_minute}")
        self._per_minute = per_minute
        self._reserve = cancel_reserve
        self._clock = clock
        self._sleep = sleep
        self._window_s = window_s
        self._taken_at: deque[float] = deque()
        self._remaining: int | None = None
        self._remaining_until = 0.0
        self._broker_reserve = cancel_reserve
        self._blocked_until = 0.0

    def try_acquire(self, *, is_cancel: bool = False) -> float:
        """Take a token and return 0.0, or take none and return the seconds until there is one."""
        now = self._now()
        self._forget(now)
        wait = self._wait(now, is_cancel=is_cancel)
        if wait > 0:
            return wait
        self._taken_at.append(now)
        if self._remaining is not None:
            self._remaining = max(0, self._remaining - 1)
        return 0.0

    async def acquire(self, *, is_cancel: bool = False) -> None:
        """Take a token, waiting for it as long as it takes."""
        while (wait := self.try_acquire(is_cancel=is_cancel)) > 0:
            await self._sleep(wait + MARGIN_S)

    @property
    def left(self) -> int:
        """How many requests may be made now, cancels' own share not counted."""
        now = self._now()
        self._forget(now)
        ours = self._per_minute - self._reserve - len(self._taken_at)
        if self._blocked_until > now:
            return 0
        theirs = ours if self._remaining is None else self._remaining - self._broker_reserve
        return max(0, min(ours, theirs))

    def heed(self, remaining: int, limit: int | None, reset_in_s: float | None) -> None:
        """Believe the broker's own count until it resets (60 s where it does not say when)."""
        if limit is not None:
            # A smaller limit than ours keeps the same share back, or nothing else would ever go.
            self._broker_reserve = min(self._reserve, limit // 10)
        span = self._window_s if reset_in_s is None else min(max(reset_in_s, 0.0), self._window_s)
        self._remaining, self._remaining_until = remaining, self._now() + span

    def pause(self, wait_s: float) -> None:
        """After a 429: nothing but cancels for `wait_s`."""
        self._blocked_until = max(self._blocked_until, self._now() + wait_s)

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()

    def _forget(self, now: float) -> None:
        while self._taken_at and self._taken_at[0] + self._window_s <= now:
            self._taken_at.popleft()
        if self._remaining_until <= now:
            self._remaining = None

    def _wait(self, now: float, *, is_cancel: bool) -> float:
        """Seconds until a token is there for this kind of request; 0.0 for now."""
        limit = self._per_minute if is_cancel else self._per_minute - self._reserve
        wait = 0.0
        excess = len(self._taken_at) - limit
        if excess >= 0:
            wait = self._taken_at[excess] + self._window_s - now
        if is_cancel:
            return wait
        if self._remaining is not None and self._remaining <= self._broker_reserve:
            wait = max(wait, self._remaining_until - now)
        return max(wait, self._blocked_until - now)
