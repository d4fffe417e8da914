"""Tells people: an alert goes to a webhook as JSON, where one is set. Never holds up trading.

The log and the journal have every alert anyway; what cannot be delivered is logged and dropped.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec

TRIES_S = (0.0, 2.0, 10.0)
TIMEOUT_S = 10.0


class Webhook:
    """POSTs alerts to `url`; does nothing where it is empty."""

    def __init__(
        self,
        url: str,
        account_label: str,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._url, self._label, self._sleep = url, account_label, sleep
        self._logger = logging.getLogger("Webhook")

    async def send(self, level: str, key: str, text: str) -> None:
        """Deliver one alert, or drop it after three tries."""
        if not self._url:
            return
        body = msgspec.json.encode(
            {"account": self._label, "level": level, "about": key, "text": text}
        )
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        problem = ""
        for delay_s in TRIES_S:
            await self._sleep(delay_s)
            try:
                async with (
                    aiohttp.ClientSession(timeout=timeout) as session,
                    session.post(
                        self._url, data=body, headers={"Content-Type": "application/json"}
                    ) as response,
                ):
                    if response.status < 300:
                        return
                    problem = f"HTTP {response.status}"
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
                # UnicodeError: a host's name that cannot be one
                problem = type(error).__name__
        self._logger.error("Alert not delivered to the webhook: %s", problem)
