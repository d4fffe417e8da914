"""Posts a message to a webhook, and reads what became of it. One request, no repeats, no secrets.

The address is a secret itself: it is in no text that leaves here. Redirects are not followed, no
body is read, certificates are checked.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp
from yarl import URL

from .notice import Letter
from .templates import Template, template_for

TIMEOUT_S = 10.0
WAIT_MAX_S = 3600.0
"""A longer Retry-After is not believed."""
AGAIN = frozenset({408, 425, 429})
"""Refusals that pass."""

OpenSession = Callable[[], aiohttp.ClientSession]


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has arrived."""


@dataclass(frozen=True, slots=True)
class Later:
    """It has perhaps not arrived; the same may arrive later."""

    why: str
    wait_s: float = 0.0
    """At least so long."""


@dataclass(frozen=True, slots=True)
class Never:
    """It was refused in a way that does not pass."""

    why: str


Verdict = Delivered | Later | Never


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """Name for people and files."""
        ...

    @property
    def limit(self) -> int:
        """Characters of one message."""
        ...

    async def deliver(self, letter: Letter) -> Verdict:
        """Hand over one message. Raises nothing."""
        ...


def quiet_session() -> aiohttp.ClientSession:
    """Open a session that keeps no cookies and asks no environment."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    )


@dataclass(frozen=True, slots=True)
class Webhook:
    """A channel over HTTP."""

    url: str
    template: Template
    now: Callable[[], datetime]
    open_session: OpenSession = quiet_session
    name: str = "webhook"

    @property
    def limit(self) -> int:
        """Characters of one message."""
        return self.template.limit

    async def deliver(self, letter: Letter) -> Verdict:
        """Post one message."""
        try:
            url = URL(self.url)
            body = self.template.bytes_of(letter, url)
            address = self.template.address(url)
        except ValueError:
            return Never("notify.webhook_url is no address")
        headers = {"Content-Type": "application/json"}
        return await ask("POST", address, self.now, self.open_session, body, headers)


def webhook_for(url: str, template: str, now: Callable[[], datetime]) -> Webhook:
    """Return the channel for an address, its template by name or, `auto`, by the address."""
    return Webhook(url, template_for(template, url), now)


async def ask(
    method: str,
    url: URL,
    now: Callable[[], datetime],
    open_session: OpenSession,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Verdict:
    """Send one request and judge its answer by status and headers alone."""
    try:
        async with open_session() as session:
            response = await session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            )
            status, wait_s = response.status, _retry_after(response.headers, now())
            response.close()  # whatever its body is, nobody waits for it
    except (aiohttp.InvalidURL, UnicodeError, ValueError):
        return Never("the address cannot be one")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Later(_failure(error))
    if status < 300:
        return Delivered()
    if status < 400:
        return Never(f"HTTP {status}: redirects are not followed")
    if status >= 500 or status in AGAIN:
        return Later(f"HTTP {status}", min(wait_s, WAIT_MAX_S))
    return Never(f"HTTP {status}")


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds that Retry-After asks for; 0 where it asks for nothing."""
    text = headers.get("Retry-After", "").strip()
    try:
        return max(0.0, min(float(text), WAIT_MAX_S))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _failure(error: Exception) -> str:
    """Return a failure in words that hold nothing of the address."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return "its certificate is not accepted"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed"
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, OSError) and error.errno:  # its own words may name the address
        return f"no connection: {os.strerror(error.errno)}"
    return type(error).__name__
