"""Whatever of the daemon speaks to people elsewhere: alerts, the daily line, the sign of life.

Made of the settings, and made anew where they change. Nothing here decides about trading, and
nothing waits for it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from atlas_daemon.bus import Bus
from atlas_daemon.config import Credentials, Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.plain import moment
from atlas_daemon.core.spelling import dollars
from atlas_daemon.core.views import status_of
from atlas_daemon.edges.notify import (
    Channel,
    Delivery,
    Heartbeat,
    Messenger,
    Severity,
    webhook_for,
)
from atlas_daemon.edges.notify.apprise import Apprise
from atlas_daemon.journal import Journal


class Teller:
    """One account's teller: NoticePort and ReporterPort of the daemon."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        *,
        label: str,
        journal: Journal,
        bus: Bus,
        now: Callable[[], datetime],
    ) -> None:
        self._settings, self._credentials = settings, credentials
        self._journal, self._bus, self._now = journal, bus, now
        self._logger = logging.getLogger("Notify")
        self._turns = -1
        self._changed = asyncio.Event()
        self._messenger = Messenger(
            channels_of(settings, now),
            folder=settings.state_dir,
            label=label,
            head=journal.head,
            now=now,
            secrets=self._secrets(),
        )
        self._heartbeat = self._new_heartbeat()
        self._messenger.open(journal.read)

    async def run(self) -> None:
        """Deliver and ping until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._messenger.run(), name="messenger")
            while True:
                self._changed.clear()
                beating = None
                if self._heartbeat is not None:
                    beating = tasks.create_task(self._heartbeat.run(), name="heartbeat")
                await self._changed.wait()
                if beating is not None:
                    beating.cancel()

    def follow(self, settings: Settings) -> None:
        """Go on by a new configuration."""
        if settings.notify == self._settings.notify:
            self._settings = settings
            return
        self._settings = settings
        self._messenger.replace(channels_of(settings, self._now), self._secrets())
        self._heartbeat = self._new_heartbeat()
        self._changed.set()

    def on_turn(self, entries: Sequence[e.Entry]) -> None:
        """Take in the entries of a committed turn."""
        self._messenger.on_turn(entries)

    async def send(self, level: str, key: str, text: str) -> None:
        """Take in an alert that is perhaps not on disk."""
        await self._messenger.send(level, key, text)

    async def report(self, day: date) -> None:
        """Put the line of a day in the log, and send it where `notify.daily` asks for it."""
        line = self._daily_line(day)
        seq, digest = self._journal.head()
        self._logger.info("Daily: %s; journal %d:%s", line, seq, digest)
        if self._settings.notify.daily:
            self._messenger.tell(Severity.INFO, "daily", line)

    def deliveries(self) -> list[dict[str, Any]]:
        """Return how each channel and the sign of life do, as plain data."""
        told = [_plain(delivery) for delivery in self._messenger.deliveries()]
        if (beat := self._heartbeat) is not None:
            told.append(
                {
                    "channel": "healthcheck",
                    "waiting": 0,
                    "waiting_since": None,
                    "delivered_at": moment(beat.pinged_at),
                    "failed_at": moment(beat.failed_at),
                    "why": beat.why,
                    "is_durable": True,
                }
            )
        return told

    def _daily_line(self, day: date) -> str:
        bus = self._bus
        view = status_of(bus.state, bus.policy, self._now(), fault=bus.fault)
        equity, regime, slot = view["money"]["equity"], view["regime"], view["next_slot"]
        held = view["positions"]
        parts = [
            f"{day}",
            view["daemon"]["mode"],
            f"equity {dollars(None if equity is None else Decimal(equity))}",
            "positions unknown" if held is None else f"{len(held)} position{'s'[: len(held) != 1]}",
            f"regime {regime['regime']} of {regime['as_of']}" if regime else "regime unknown",
        ]
        if slot is not None:
            parts.append(_slot_words(slot))
        told = sum(1 for at, _ in bus.state.alerts if new_york_day(at) == day)
        parts.append(f"{told} alert{'s'[: told != 1]} that day")
        return ", ".join(parts)

    def _secrets(self) -> tuple[str, ...]:
        return secrets_of(self._settings, self._credentials)

    def _new_heartbeat(self) -> Heartbeat | None:
        notify = self._settings.notify
        if not notify.healthcheck_url:
            return None
        return Heartbeat(
            notify.healthcheck_url,
            every_s=notify.healthcheck_every_s,
            why_not=self._why_unwell,
            now=self._now,
        )

    def _why_unwell(self) -> str:
        """Return what is wrong with ourselves: a loop that takes no turns, a full disk."""
        before, self._turns = self._turns, self._bus.turns
        if self._bus.fault:
            return f"the journal cannot be written: {self._bus.fault}"
        return "no turn is taken" if self._bus.turns == before else ""


def _slot_words(slot: Mapping[str, Any]) -> str:
    """Say when the next slot is, or that one is due or was missed, as status does."""
    if slot["is_due"]:
        return f"rebalance {slot['name']} is due (until {slot['last_session']})"
    if slot["is_over"]:
        return f"rebalance {slot['name']} was not done by {slot['last_session']}"
    days = slot["days_to_session"]
    return f"next rebalance {slot['session']} (in {days} day{'s'[: days != 1]})"


def channels_of(settings: Settings, now: Callable[[], datetime]) -> tuple[Channel, ...]:
    """Return the ways to people that are configured."""
    notify = settings.notify
    channels: list[Channel] = []
    if notify.webhook_url:
        channels.append(webhook_for(notify.webhook_url, notify.template, now))
    if notify.apprise_url:
        channels.append(Apprise(notify.apprise_url))
    return tuple(channels)


def secrets_of(settings: Settings, credentials: Credentials) -> tuple[str, ...]:
    """Return everything that no text may hold."""
    notify = settings.notify
    addresses = (notify.webhook_url, notify.apprise_url, notify.healthcheck_url)
    own = (credentials.secret, credentials.key_id, credentials.dashboard_token)
    return tuple(x for x in (*own, *addresses) if x)


def _plain(delivery: Delivery) -> dict[str, Any]:
    return {
        "channel": delivery.channel,
        "waiting": delivery.waiting,
        "waiting_since": moment(delivery.waiting_since),
        "delivered_at": moment(delivery.delivered_at),
        "failed_at": moment(delivery.failed_at),
        "why": delivery.why,
        "is_durable": delivery.is_durable,
    }
