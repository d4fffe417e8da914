"""The dead man's switch: an address elsewhere hears from us while all is well, and misses us.

Pinged by GET every few minutes while the loop turns and the journal takes entries; a halt, a dark
broker or a lost stream are no silence of ours. Where the address is a check of healthchecks.io's
kind (its own, or a self-hosted `/ping/...`), what is wrong is told at once at its `/fail`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from yarl import URL

from .webhook import Delivered, Never, OpenSession, Verdict, ask, quiet_session

AGAIN_S = 30.0
TRIES = 3
CHECK_HOSTS = frozenset({"hc-ping.com"})


class Heartbeat:
    """Pings `url` every `every_s` seconds; `why_not` says what is wrong, empty where nothing is."""

    def __init__(
        self,
        url: str,
        *,
        every_s: float,
        why_not: Callable[[], str],
        now: Callable[[], datetime],
        open_session: OpenSession = quiet_session,
    ) -> None:
        self._url, self._every_s, self._why_not = url, every_s, why_not
        self._now, self._open_session = now, open_session
        self._logger = logging.getLogger("Notify")
        self.pinged_at: datetime | None = None
        """When the address was last reached and told that all is well."""
        self.failed_at: datetime | None = None
        self.why = ""
        """Why the latest ping was not sent or not taken."""

    async def run(self) -> None:
        """Ping until cancelled."""
        while True:
            pause_s = await self.beat()
            await asyncio.sleep(pause_s)

    async def beat(self) -> float:
        """Ping once, again where nobody answers; return the seconds until the next one."""
        before, slept_s = self.why, 0.0
        for tries in range(TRIES):
            if tries:
                await asyncio.sleep(AGAIN_S)
                slept_s += AGAIN_S
            fault = self._why_not()
            verdict = await self.ping(fault)
            if fault:
                self.failed_at, self.why = self._now(), fault
                break
            if isinstance(verdict, Delivered):
                self.pinged_at, self.why = self._now(), ""
                break
            self.failed_at, self.why = self._now(), verdict.why
        if self.why and not before:
            self._logger.warning("No sign of life could be given: %s", self.why)
        elif before and not self.why:
            self._logger.info("Signs of life are given again")
        return max(self._every_s - slept_s, 1.0)

    async def ping(self, fault: str = "") -> Verdict:
        """Send one sign of life; of a fault, where the address takes that."""
        try:
            url = URL(self._url)
        except ValueError:
            return Never("notify.healthcheck_url is no address")
        if not fault:
            return await ask("GET", url, self._now, self._open_session)
        if not _is_check(url):
            return Delivered()  # silence says it
        fail = url.with_path(f"{url.path.rstrip('/')}/fail").with_query(url.query)
        return await ask("POST", fail, self._now, self._open_session, fault.encode()[:1000])


def _is_check(url: URL) -> bool:
    return url.host in CHECK_HOSTS or "/ping/" in url.path
