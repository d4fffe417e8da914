"""A session that can only look, and a budget that asks little.

Any method but GET is refused before its first byte; and where the account's minute runs low
nothing more is asked, so that a rebalance beside it finds the requests unspent.
"""

import asyncio
from collections import Counter
from types import SimpleNamespace

import aiohttp

from atlas_daemon.core.errors import AtlasError, BugError
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.transport import open_session

LEFT_MIN = 60
"""Requests of the account's minute that are left to the daemon: a rebalance's and its cancels."""


class NotReadingError(BugError):
    """The doctor tried to change something at the broker."""


class BudgetLowError(AtlasError):
    """So few of the minute's requests are left that nothing more is asked."""


def open_readonly_session() -> aiohttp.ClientSession:
    """Open a session as the daemon's, through which nothing but a GET can leave."""
    session = open_session()
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_refuse_writing)
    trace.freeze()
    session.trace_configs.append(trace)
    return session


async def _refuse_writing(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    start: aiohttp.TraceRequestStartParams,
) -> None:
    if start.method != "GET":
        raise NotReadingError(f"the doctor only reads: {start.method} {start.url} is refused")


class Tally:
    """Opens such sessions, and counts by method what left through them: the proof of a dry run."""

    def __init__(self) -> None:
        self.left: Counter[str] = Counter()
        """Requests whose head was written, by method."""

    def open_session(self) -> aiohttp.ClientSession:
        """Open a session that only reads, and is counted."""
        session = open_readonly_session()
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._count)
        trace.freeze()
        session.trace_configs.append(trace)
        return session

    async def _count(
        self,
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        sent: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        self.left[sent.method] += 1


class ThriftyBudget(RequestBudget):
    """Stops asking where the broker's own count runs low, and remembers what it said."""

    def __init__(self, left_min: int = LEFT_MIN) -> None:
        super().__init__(cancel_reserve=0)
        self._left_min = left_min
        self.told_left: int | None = None
        """Requests of this minute that the broker still grants; None where it does not say."""
        self.told_limit: int | None = None
        self.was_refused = False
        """The broker has answered 429."""

    async def acquire(self, *, is_cancel: bool = False) -> None:
        """Take a token. Raises BudgetLowError rather than wait or take one of the daemon's."""
        self._refuse_after_refusal()
        least = min(self._left_min, (self.told_limit or 3 * self._left_min) // 3)
        if self.told_left is not None and self.told_left < least:
            raise BudgetLowError(f"{self.told_left} requests of this minute are left: not asked")
        await super().acquire(is_cancel=is_cancel)

    def heed(self, remaining: int, limit: int | None, reset_in_s: float | None) -> None:
        """Remember the broker's own count."""
        self.told_left, self.told_limit = remaining, limit
        super().heed(remaining, limit, reset_in_s)

    def pause(self, wait_s: float) -> None:
        """After a 429 nothing more is asked."""
        self.was_refused = True
        super().pause(wait_s)

    async def sleep(self, delay_s: float) -> None:
        """Wait between two tries, but never for the minute to end."""
        self._refuse_after_refusal()
        await asyncio.sleep(delay_s)

    def _refuse_after_refusal(self) -> None:
        if self.was_refused:
            raise BudgetLowError("the broker answers 429: the account's requests are spent")
