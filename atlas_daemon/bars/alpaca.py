"""Daily bars from Alpaca's data API, through alpaca-py's historical client.

Two series are read of each symbol: `raw` is what was traded, `all` has splits and dividends taken
out. The client's own waits and hangs are bounded here: one request a page, paced, with a deadline.
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from asyncio_throttle.throttler import Throttler
from requests import RequestException, Session

from atlas_daemon.bars.frame import BarRows, Bars, build_frame, day_number
from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.sessions import NYSE

SIP_DELAY = timedelta(minutes=16)
"""The consolidated feed of the last 15 minutes needs a paid plan; one minute to be sure."""
REQUESTS_PER_S = 3
"""180 a minute, below the basic plan's 200."""
PAGE_BARS = 10_000
"""The API's largest page, counted over all symbols of a request."""

_INVALID = re.compile(r"invalid symbol: ([A-Z0-9.]+)\b")


@dataclass(frozen=True, slots=True)
class DataAccess:
    """Where the data API is, with which keys, which feed, and how long to wait for it."""

    key_id: str
    secret: str
    url: str
    feed: str = "sip"
    request_timeout_s: float = 10.0
    retry_wait_s: int = 3
    """The client asks again three times after a 429 or 504, with this wait."""
    deadline_s: float = 90.0


class BoundedClient(StockHistoricalDataClient):
    """alpaca-py's client with a time limit on each request, which it does not set itself."""

    _session: Session

    def __init__(self, access: DataAccess) -> None:
        super().__init__(access.key_id, access.secret, raw_data=True, url_override=access.url)
        self._timeout_s = access.request_timeout_s
        self._retry_wait = access.retry_wait_s

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        return super()._one_request(method, url, {**opts, "timeout": self._timeout_s}, retry)


def fetch_bars(
    access: DataAccess, symbols: Collection[str], start: date, end: date, now: datetime
) -> Bars:
    """Read the bars of `symbols` from `start` to `end`, inclusive, none younger than 16 minutes.

    `now` is aware, `end` a session that closed 16 minutes ago or earlier. A symbol of which the API
    has no bar gets an empty column. Raises `SignalsError`: CONFIG for missing or refused keys and
    unknown feeds, DATA otherwise.
    """
    if not (access.key_id and access.secret):
        raise SignalsError("data.source alpaca: the data keys are missing", FailureKind.CONFIG)
    if access.feed not in {feed.value for feed in DataFeed}:
        text = f"data.bars_feed: {access.feed!r} is no feed of Alpaca's"
        raise SignalsError(text, FailureKind.CONFIG)
    session = NYSE.session_of(end)
    if session is None:
        raise SignalsError(f"{end} is no session: there are no bars of it")
    until = min(datetime.combine(end, time(23, 59), NEW_YORK), now - SIP_DELAY)
    if until < session.closes_at:
        minutes = SIP_DELAY.seconds // 60
        text = f"the session of {end} is not over since {minutes} min: its bars are half-formed"
        raise SignalsError(text)
    since = datetime.combine(start, time(0), NEW_YORK)
    wanted = sorted(set(symbols))
    raw, total = asyncio.run(_fetch(access, wanted, since.astimezone(UTC), until.astimezone(UTC)))
    bars = build_frame(f"Alpaca's {access.feed} bars", wanted, _rows(wanted, raw, total))
    if bars.row(end) is None:
        raise SignalsError(f"Alpaca's {access.feed} bars have none on {end} of any symbol asked")
    return bars


Pages = Mapping[str, Sequence[Mapping[str, Any]]]


async def _fetch(
    access: DataAccess, symbols: Sequence[str], since: datetime, until: datetime
) -> tuple[Pages, Pages]:
    """Return the raw and the adjusted bars by symbol, within the deadline."""
    client = BoundedClient(access)
    throttler = Throttler(rate_limit=REQUESTS_PER_S, period=1.0)
    # So many symbols that their bars fit one page: then one call of the client is one request.
    sessions_max = (until - since).days * 5 // 7 + 10
    chunk = max(1, PAGE_BARS // sessions_max)
    found: dict[Adjustment, dict[str, Any]] = {Adjustment.RAW: {}, Adjustment.ALL: {}}
    try:
        async with asyncio.timeout(access.deadline_s):
            for at in range(0, len(symbols), chunk):
                wanted = list(symbols[at : at + chunk])
                for adjustment, series in found.items():
                    request = StockBarsRequest(
                        symbol_or_symbols=wanted,
                        timeframe=TimeFrame.Day,
                        start=since,
                        end=until,
                        adjustment=adjustment,
                        feed=DataFeed(access.feed),
                    )
                    series.update(await _ask(client, throttler, request, wanted))
    except TimeoutError as error:
        text = f"the data API at {access.url} took longer than {access.deadline_s:g} s"
        raise SignalsError(text) from error
    except APIError as error:
        raise _refusal(error, access) from error
    except RequestException as error:
        raise SignalsError(f"the data API at {access.url} cannot be read: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        # What the client raises on an empty body, or on JSON of another shape.
        text = f"the data API at {access.url} answered what is no list of bars: {error}"
        raise SignalsError(text) from error
    finally:
        client.close()
    return found[Adjustment.RAW], found[Adjustment.ALL]


async def _ask(
    client: BoundedClient, throttler: Throttler, request: StockBarsRequest, wanted: list[str]
) -> Any:
    """Ask for one chunk; symbols that the API calls invalid are taken out of `wanted`.

    It refuses the whole chunk for one of them; left out, that one has no bars and is named later.
    """
    while wanted:
        try:
            async with throttler:
                return await asyncio.to_thread(client.get_stock_bars, request)
        except APIError as error:
            named = _INVALID.search(str(error))
            if named is None or named[1] not in wanted:
                raise
            wanted.remove(named[1])
            request.symbol_or_symbols = wanted
    return {}


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
    if status == 429:
        return SignalsError(f"the data API's rate limit is used up ({said}): ask again in a minute")
    return SignalsError(f"the data API at {access.url} refused the bars ({status}: {said})")


def _rows(symbols: Sequence[str], raw: Pages, total: Pages) -> BarRows:
    """Join both series by symbol and day; a day that one of them lacks has NaN and fails later."""
    days, codes, figures = [], [], []
    try:
        for code, symbol in enumerate(symbols):
            adjusted = {_day(bar["t"]): bar for bar in total.get(symbol, ())}
            traded = [(_day(bar["t"]), bar) for bar in raw.get(symbol, ())]
            for day, bar in traded:
                other = adjusted.get(day, {"h": np.nan, "c": np.nan, "v": np.nan})
                days.append(day)
                codes.append(code)
                figures.append(
                    [
                        float(other["h"]),
                        float(other["c"]),
                        float(bar["c"]),
                        float(other["v"]),
                        float(bar["c"]) * float(bar["v"]),
                    ]
                )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SignalsError(f"the data API answered a bar that cannot be read: {error!r}") from error
    table = np.array(figures, dtype=np.float64).reshape(len(figures), 5)
    code_array = np.array(codes, dtype=np.int64)
    return BarRows(
        day=np.array(days, dtype=np.int32),
        symbol=code_array,
        high_total=table[:, 0],
        close_total=table[:, 1],
        close_traded=table[:, 2],
        volume=table[:, 3],
        value=table[:, 4],
        action=_actions(code_array, table[:, 1], table[:, 2]),
    )


def _actions(codes: Any, total: Any, traded: Any) -> Any:
    """Flag the days on which the ratio of both series changes: a split or a dividend went ex."""
    flags = np.zeros(len(total), dtype=np.bool_)
    same = codes[1:] == codes[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):  # bad prices are for the checks to name
        factor = total / traded
        change = np.abs(factor[1:] / factor[:-1] - 1)
    # 0.01 % is more than the rounding of prices to cents moves it for prices above $100; below,
    # a flag too many only keeps a jump from being noted.
    flags[1:] = same & (change > 1e-4)
    return flags


def _day(stamp: str) -> int:
    """Return the day of a daily bar: it is stamped with New York's midnight, in UTC."""
    moment = datetime.fromisoformat(stamp)
    return day_number(moment.astimezone(NEW_YORK).date())
