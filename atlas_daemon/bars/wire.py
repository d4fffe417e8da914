"""All pages of an answer of Alpaca's data API, within a deadline, on alpaca-py's transport.

Only the transport: its data clients load pandas (a second), hide the headers that tell how much of
the budget is left, and have no time limit. Pace, repeats and what went wrong in a person's words
are ours. Loading this file costs 0.3 s: only who asks the network does.
"""

import asyncio
import math
import re
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from asyncio_throttle.throttler import Throttler
from requests import RequestException, Response, Session

from atlas_daemon.bars.access import DataAccess
from atlas_daemon.core.brain import FailureKind, SignalsError

REQUESTS_PER_MIN = 150
"""Of the basic plan's 200: the daemon's own quotes are asked for with the same keys."""
SYMBOLS_MAX = 500
"""Symbols in one request: its address then has about 3,000 characters."""
REPEATS = 3
BUSY = (429, 500, 502, 503, 504)
"""Answers after which the same request may well be answered."""

_INVALID = re.compile(r"invalid symbol: ([A-Z0-9.]+)\b")


Pages = list[Mapping[str, Any]]


class _InvalidSymbolError(Exception):
    """The API refuses the whole request for this symbol."""

    def __init__(self, symbol: str, refusal: SignalsError) -> None:
        super().__init__(symbol)
        self.symbol, self.refusal = symbol, refusal


class Wire:
    """Asks one question after the other, never more than the budget allows."""

    def __init__(self, access: DataAccess) -> None:
        self.access = access
        self._client = _Client(access)
        self._throttler = Throttler(rate_limit=REQUESTS_PER_MIN, period=60.0)
        self._not_before = 0.0
        self._ends_at = clock.monotonic() + access.deadline_s

    def close(self) -> None:
        """Close the pooled connections; the next question opens new ones."""
        self._client.close()

    def pages(self, path: str, key: str, symbols: Sequence[str], words: Mapping[str, Any]) -> Pages:
        """Return what stands under `key` on every page, for all symbols. Raises `SignalsError`.

        A symbol that the API calls invalid has no rows.
        """
        try:
            return asyncio.run(self._all(path, key, symbols, words))
        except TimeoutError as error:
            text = f"took longer than {self.access.deadline_s:g} s"
            raise SignalsError(f"the data API at {self.access.url} {text}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            # An empty body, or JSON of another shape.
            text = f"answered what is no list of {key.replace('_', ' ')}: {error}"
            raise SignalsError(f"the data API at {self.access.url} {text}") from error

    async def _all(
        self, path: str, key: str, symbols: Sequence[str], words: Mapping[str, Any]
    ) -> Pages:
        found: Pages = []
        async with asyncio.timeout(self._ends_at - clock.monotonic()):
            for at in range(0, len(symbols), SYMBOLS_MAX):
                found += await self._some(path, key, symbols[at : at + SYMBOLS_MAX], words)
        return found

    async def _some(
        self, path: str, key: str, symbols: Sequence[str], words: Mapping[str, Any]
    ) -> Pages:
        """Return all pages for some symbols.

        The API refuses the whole request for one that it calls invalid: that one is left out, and
        named later for having no bars.
        """
        found: Pages = []
        chunk, token = list(symbols), ""
        while chunk:
            asked = {**words, "symbols": ",".join(chunk)} | ({"page_token": token} if token else {})
            try:
                page = await self._ask(path, asked)
            except _InvalidSymbolError as error:
                if error.symbol not in chunk:
                    raise error.refusal from error
                chunk.remove(error.symbol)
                continue
            found.append({name: list(rows) for name, rows in page[key].items()})
            after = page["next_page_token"]
            if not after:
                break
            if after == token:
                raise ValueError("the same page again and again")
            token = str(after)
        return found

    async def _ask(self, path: str, words: dict[str, Any]) -> Any:
        """Return the answer's JSON; asks again where the service is busy or the line breaks.

        Raises `SignalsError`, and `_InvalidSymbolError` where one symbol is to blame.
        """
        try:
            return await self._repeated(path, words)
        except APIError as error:
            refusal, named = _refusal(error, self.access), _INVALID.search(str(error))
            if named is not None:
                raise _InvalidSymbolError(named[1], refusal) from error
            raise refusal from error
        except RequestException as error:
            text = f"the data API at {self.access.url} cannot be read: {error}"
            raise SignalsError(text) from error

    async def _repeated(self, path: str, words: dict[str, Any]) -> Any:
        version, _, rest = path.strip("/").partition("/")
        for wait_s in (*self._waits(), None):
            async with self._throttler:
                await asyncio.sleep(self._not_before - clock.monotonic())
                try:
                    return await asyncio.to_thread(
                        self._client.get, f"/{rest}", words, api_version=version
                    )
                except APIError as error:
                    if wait_s is None or error.status_code not in BUSY:
                        raise
                except RequestException as error:
                    # What is no JSON is read the same a second time.
                    if wait_s is None or isinstance(error, ValueError):
                        raise
                finally:
                    self._heed(self._client.last)
            await asyncio.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _waits(self) -> Iterator[float]:
        return (self.access.retry_wait_s * 2**n for n in range(REPEATS))

    def _heed(self, response: Response | None) -> None:
        """Ask nothing before the budget is renewed, where the answer says that it is used up."""
        if response is None:
            return
        headers = response.headers
        is_spent = headers.get("X-RateLimit-Remaining") == "0"
        wait_s = 0.0
        if is_spent or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            wait_s = wait_told_s(headers)
        self._not_before = max(self._not_before, clock.monotonic() + wait_s)


class _Client(RESTClient):
    """alpaca-py's transport with a time limit on each request, and the last answer's headers."""

    _session: Session

    def __init__(self, access: DataAccess) -> None:
        super().__init__(access.url, access.key_id, access.secret, raw_data=True)
        self._retry = 0
        self._timeout_s = access.request_timeout_s
        self.last: Response | None = None
        self._session.hooks["response"].append(self._note)

    def close(self) -> None:
        self._session.close()

    def _note(self, response: Response, *_: Any, **__: Any) -> None:
        self.last = response

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        self.last = None
        return super()._one_request(method, url, {**opts, "timeout": self._timeout_s}, retry)


def wait_told_s(headers: Mapping[str, str]) -> float:
    """Return for how long an answer says to wait, on the service's own clock; a minute at most."""
    try:
        if "Retry-After" in headers:
            told = float(headers["Retry-After"])
        else:
            told_at = parsedate_to_datetime(headers["Date"]).timestamp()
            told = float(headers["X-RateLimit-Reset"]) - told_at
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(told, 0.0), 60.0) if math.isfinite(told) else 0.0


def _refusal(error: APIError, access: DataAccess) -> SignalsError:
    """Say in a person's words why the API refused."""
    status = error.status_code
    said = " ".join(str(error).split())[:200]
    if "subscription" in said:
        return SignalsError(
            f"the account's data plan does not permit the feed {access.feed} ({said}): "
            'set data.bars_feed = "iex" or subscribe to the consolidated feed',
            FailureKind.CONFIG,
        )
    if status in (401, 403):
        text = f"the data API at {access.url} refused the keys ({status}: {said})"
        return SignalsError(text, FailureKind.CONFIG)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return SignalsError(f"the data API's rate limit is used up ({said}): ask again in a minute")
    return SignalsError(f"the data API at {access.url} refused the bars ({status}: {said})")
