"""Raw daily bars and corporate actions from Alpaca's data API, page by page, within a deadline."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from atlas_daemon.bars.access import DataAccess
from atlas_daemon.bars.actions import Action, read_actions
from atlas_daemon.bars.frame import day_number
from atlas_daemon.bars.raw import RawBars, rows_of
from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.sessions import NYSE

if TYPE_CHECKING:
    from atlas_daemon.bars.wire import Wire

FEEDS = ("sip", "iex", "boats", "otc")
SIP_DELAY = timedelta(minutes=16)
"""The consolidated feed of the last 15 minutes needs a paid plan; one minute to be sure."""
PAGE_BARS = 10_000
"""The API's largest page, counted over all symbols of a request."""
PAGE_ACTIONS = 1_000


class AlpacaVendor:
    """A `Vendor`. `now` is the asker's clock, aware."""

    def __init__(self, access: DataAccess, now: datetime) -> None:
        self.access, self.now = access, now
        self.label = f"Alpaca's {access.feed} bars"
        self.identity = f"{access.feed} {access.url.partition('://')[2]}"
        self._wire: Wire | None = None

    def close(self) -> None:
        """Close the pooled connections."""
        if self._wire is not None:
            self._wire.close()

    def _opened(self) -> "Wire":
        """Return the wire. Raises `SignalsError` (CONFIG) for no keys and unknown feeds."""
        from atlas_daemon.bars.wire import Wire  # 0.3 s that a fresh store does not need

        access = self.access
        if not (access.key_id and access.secret):
            raise SignalsError("data.source alpaca: the data keys are missing", FailureKind.CONFIG)
        if access.feed not in FEEDS:
            text = f"data.bars_feed: {access.feed!r} is no feed of Alpaca's"
            raise SignalsError(text, FailureKind.CONFIG)
        if self._wire is None:
            self._wire = Wire(access)
        return self._wire

    def bars(self, symbols: Collection[str], first: date, last: date) -> RawBars:
        """Return the raw bars of [first, last], inclusive, none younger than 16 minutes.

        Symbols that the API does not know have none. Raises `SignalsError`: CONFIG for refused
        or missing keys and unknown feeds, DATA otherwise, also for a session that is not over since
        16 minutes.
        """
        until = self._until(last)
        since = datetime.combine(first, time(0), NEW_YORK)
        words = {
            "timeframe": "1Day",
            "start": _stamp(since),
            "end": _stamp(until),
            "adjustment": "raw",
            "feed": self.access.feed,
            "limit": PAGE_BARS,
        }
        wanted = sorted(set(symbols))
        pages = self._opened().pages("/v2/stocks/bars", "bars", wanted, words)
        return _rows(wanted, pages)

    def actions(self, symbols: Collection[str], first: date, last: date) -> list[Action]:
        """Return the actions that the API processed or will process in [first, last].

        Raises `SignalsError` as `bars` does.
        """
        words = {"start": str(first), "end": str(last), "limit": PAGE_ACTIONS}
        wanted = sorted(set(symbols))
        path, key = "/v1/corporate-actions", "corporate_actions"
        pages = self._opened().pages(path, key, wanted, words)
        # A rename between two of ours comes with both of their requests.
        return list(dict.fromkeys(one for page in pages for one in read_actions(page)))

    def _until(self, last: date) -> datetime:
        session = NYSE.session_of(last)
        end = datetime.combine(last, time(23, 59), NEW_YORK)
        until = min(end, self.now - SIP_DELAY).astimezone(UTC)
        if session is not None and until < session.closes_at:
            minutes = SIP_DELAY.seconds // 60
            text = (
                f"the session of {last} is not over since {minutes} min: its bars are half-formed"
            )
            raise SignalsError(text)
        return until


def _rows(symbols: Sequence[str], pages: Sequence[Mapping[str, Any]]) -> RawBars:
    """Return the bars of all pages as rows; symbols that nobody asked for are left out."""
    place = {symbol: at for at, symbol in enumerate(symbols)}
    days: dict[str, int] = {}
    rows = []
    try:
        for page in pages:
            for symbol, bars in page.items():
                code = place.get(symbol)
                for bar in bars if code is not None else ():
                    stamp = bar["t"]
                    if stamp not in days:
                        days[stamp] = _day(stamp)
                    figures = (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"])
                    rows.append((code, days[stamp], *figures))
        return rows_of(symbols, rows)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise SignalsError(f"the data API answered a bar that cannot be read: {error!r}") from error


def _day(stamp: str) -> int:
    """Return the day of a daily bar: it is stamped with New York's midnight, in UTC."""
    moment = datetime.fromisoformat(stamp)
    if moment.tzinfo is None:
        raise ValueError(f"the moment {stamp} has no time zone")
    return day_number(moment.astimezone(NEW_YORK).date())


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
