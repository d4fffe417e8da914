"""One channel's delivery: waits, writes the next message, hands it over, keeps what became of it.

A task of its own. Nothing waits for it, and it raises nothing but our own bugs.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from atlas_daemon.core import events as e

from . import memory_file
from .letters import write
from .news import Ended, news_of
from .notice import Letter, Notice
from .outbox import Memory, Outbox
from .webhook import Channel, Delivered, Later, Never

GATHER_S = 1.0
"""What happens within so long of a notice is told with it."""
BACKOFF_S = (5.0, 15.0, 60.0, 300.0)
"""Waits between tries; the last one goes on for as long as it takes."""
NEVER_MAX = 3
"""So many refusals that do not pass drop a message."""
LOOK_S = 60.0
"""The longest wait while something falls due later: the daemon's clock may run faster than ours."""
CORRUPT_BACK = timedelta(days=1)
"""Where the file on disk cannot be read, entries of so long ago are told again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a channel does, for status, doctor and metrics."""

    channel: str
    waiting: int
    waiting_since: datetime | None
    delivered_at: datetime | None
    failed_at: datetime | None
    why: str
    """Why the latest try failed; empty where it did not."""
    is_durable: bool


class Courier:
    """Delivers over `channel` what its outbox at `path` holds."""

    def __init__(
        self,
        channel: Channel,
        path: Path,
        *,
        label: str,
        head: Callable[[], str],
        now: Callable[[], datetime],
        mask: Callable[[str], str],
    ) -> None:
        self.channel, self._path = channel, path
        self._label, self._head, self._now, self._mask = label, head, now, mask
        self._logger = logging.getLogger("Notify")
        self._news = asyncio.Event()
        self.outbox = Outbox(Memory())
        self._is_durable = True

    def open(self, head_seq: int) -> datetime | None:
        """Read what is on disk, so that the journal can be read from `seen` on.

        Returns since when entries are to be read where the file cannot be; a channel without a
        file begins with what comes.
        """
        since = None
        try:
            memory = memory_file.read(self._path)
        except (OSError, ValueError) as error:
            self._logger.error(
                "%s cannot be read, alerts of a day are told again: %s",
                self._path,
                type(error).__name__,
            )
            memory, since = Memory(), self._now() - CORRUPT_BACK
        if memory is None:
            memory = Memory(seen=head_seq)
        memory.seen = min(memory.seen, head_seq)  # a journal restored from a backup is shorter
        self.outbox = Outbox(memory)
        self.save()
        return since

    @property
    def seen(self) -> int:
        """Entries up to this one are in the outbox."""
        return self.outbox.memory.seen

    def take(self, entry: e.Entry) -> None:
        """Take in a committed entry; one that is in already is passed over."""
        memory = self.outbox.memory
        if entry.seq <= memory.seen:
            return
        memory.seen = entry.seq
        for news in news_of(entry):
            self.add(news)

    def pass_over(self, entry: e.Entry) -> None:
        """Let an entry by that was told before it was written."""
        self.outbox.memory.seen = max(self.seen, entry.seq)

    def add(self, news: Notice | Ended) -> None:
        """Put a notice in the outbox, or that a state is over."""
        if isinstance(news, Notice):
            news = replace(news, text=self._mask(news.text))
        self.outbox.take(news)
        if self.outbox.waiting:
            self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        failures = refusals = 0
        while True:
            await self._something()
            if not failures:
                await asyncio.sleep(GATHER_S)
            self.outbox.sum_up(self._now())
            memory = self.outbox.memory
            letter = write(
                memory.waiting,
                label=self._label,
                head=self._head(),
                limit=self.channel.limit,
                uncounted=memory.uncounted,
            )
            verdict = await self.channel.deliver(letter)
            if isinstance(verdict, Delivered):
                if failures:
                    self._logger.info("%s delivers again", self.channel.name)
                failures = refusals = 0
                memory.delivered_at, memory.why = self._now(), ""
                self._settle(letter)
                continue
            failures += 1
            memory.failed_at, memory.why = self._now(), verdict.why
            if failures == 1:
                self._logger.warning("Alerts wait for %s: %s", self.channel.name, verdict.why)
            if isinstance(verdict, Never):
                refusals += 1
                if refusals >= NEVER_MAX:
                    failures = refusals = 0
                    self._logger.error(
                        "%s refuses, %d alert(s) dropped: %s",
                        self.channel.name,
                        len(letter.settles),
                        verdict.why,
                    )
                    self._settle(letter)
                    continue
            wait_s = verdict.wait_s if isinstance(verdict, Later) else 0.0
            backoff_s = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
            await asyncio.sleep(max(wait_s, backoff_s))

    def state(self) -> Delivery:
        """Return how the channel does."""
        memory = self.outbox.memory
        return Delivery(
            self.channel.name,
            len(memory.waiting) + memory.uncounted,
            memory.waiting[0].at if memory.waiting else None,
            memory.delivered_at,
            memory.failed_at,
            memory.why,
            self._is_durable,
        )

    async def _something(self) -> None:
        """Wait until something is to be told."""
        while not self.outbox.waiting:
            self.outbox.sum_up(self._now())
            if self.outbox.waiting:
                return
            due_at, timeout_s = self.outbox.due_at(), None
            if due_at is not None:
                timeout_s = min(max((due_at - self._now()).total_seconds(), 1.0), LOOK_S)
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()

    def _settle(self, letter: Letter) -> None:
        self.outbox.settle(letter)
        self.save()

    def save(self) -> None:
        """Put the outbox on the disk: after each delivery, and never on the way of an order."""
        try:
            memory_file.write(self._path, self.outbox.memory)
        except OSError as error:
            if self._is_durable:
                self._logger.error(
                    "%s cannot be written, alerts may be told twice after a restart: %s",
                    self._path,
                    error.strerror,
                )
            self._is_durable = False
        else:
            self._is_durable = True
