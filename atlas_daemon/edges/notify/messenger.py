"""Tells people what is on record, over every channel there is. Never holds up trading.

The journal has every alert as an entry; beside it each channel keeps what it has still to tell. A
start reads from the journal what came after that, so nothing is lost between a commit and a
delivery. A turn costs one look at its entries, and nothing where no channel is configured.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from atlas_daemon.core import events as e

from .advice import severity_of
from .courier import Courier, Delivery
from .notice import Notice, Severity
from .webhook import Channel

Entries = Callable[[int], Iterable[e.Entry]]


class Messenger:
    """One account's messenger. `head` gives place and hash of the journal's last entry."""

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        folder: Path,
        label: str,
        head: Callable[[], tuple[int, str]],
        now: Callable[[], datetime],
        secrets: Sequence[str] = (),
    ) -> None:
        self._folder, self._label, self._head, self._now = folder, label, head, now
        self._secrets = tuple(secret for secret in secrets if secret)
        self._changed = asyncio.Event()
        self._entries: Entries = lambda after: ()
        self._written: Counter[tuple[str, str]] = Counter()
        self._unwritten: Counter[tuple[str, str]] = Counter()
        self._couriers = self._couriers_for(channels)

    def open(self, entries: Entries) -> None:
        """Take up what was still to tell, and what the journal has had since."""
        self._entries = entries
        self._recover(self._couriers)

    def replace(self, channels: Sequence[Channel], secrets: Sequence[str] = ()) -> None:
        """Go on over other channels: the configuration was read again."""
        self._secrets = tuple(secret for secret in secrets if secret)
        couriers = self._couriers_for(channels)
        self._recover(couriers)
        self._couriers = couriers
        self._changed.set()

    def on_turn(self, entries: Sequence[e.Entry]) -> None:
        """Take in the entries of a committed turn."""
        if not self._couriers:
            return
        for entry in entries:
            take = Courier.take
            if isinstance(entry.event, e.AlertRaised):
                name = entry.event.key, entry.event.text
                if _count_down(self._unwritten, name):
                    take = Courier.pass_over
                else:
                    self._written[name] += 1
            for courier in self._couriers:
                take(courier, entry)

    async def send(self, level: str, key: str, text: str) -> None:
        """Take in an alert that is perhaps not on disk: with a full disk it is told all the same.

        One that is on disk was taken in with its turn.
        """
        if not self._couriers or _count_down(self._written, (key, text)):
            return
        self._unwritten[key, text] += 1
        severity = severity_of(level, key)
        if severity is not None:
            for courier in self._couriers:
                courier.add(Notice(courier.seen + 1, self._now(), severity, key, text))

    def tell(self, severity: Severity, key: str, text: str) -> None:
        """Tell what is no entry: the daily line."""
        for courier in self._couriers:
            courier.add(Notice(courier.seen, self._now(), severity, key, text))
            courier.save()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(courier.run()) for courier in self._couriers]
                await self._changed.wait()
                for task in tasks:
                    task.cancel()

    def deliveries(self) -> tuple[Delivery, ...]:
        """Return how each channel does."""
        return tuple(courier.state() for courier in self._couriers)

    def _recover(self, couriers: Sequence[Courier]) -> None:
        for courier in couriers:
            since = courier.open(self._head()[0])
            for entry in self._entries(courier.seen):
                if since is None or entry.at >= since:
                    courier.take(entry)

    def _couriers_for(self, channels: Sequence[Channel]) -> tuple[Courier, ...]:
        return tuple(
            Courier(
                channel,
                self._folder / f"notices-{channel.name}.json",
                label=self._label,
                head=self._head_text,
                now=self._now,
                mask=self._mask,
            )
            for channel in channels
        )

    def _head_text(self) -> str:
        seq, digest = self._head()
        return f"{seq}:{digest}"

    def _mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _count_down(counted: Counter[tuple[str, str]], name: tuple[str, str]) -> bool:
    """Take one of `name` away; False where there is none."""
    if not counted[name]:
        del counted[name]
        return False
    counted[name] -= 1
    if not counted[name]:
        del counted[name]
    return True
