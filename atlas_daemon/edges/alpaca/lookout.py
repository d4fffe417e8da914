"""The lookout: says that a host leaves questions unanswered, now and then how many, and the end.

A broker that is dark for three days fails fifty thousand times, and one line for each would bury
the rest of the log. What concerns one order (a submit, a cancel, a look-up) is no question of
this kind: each of its failures is told, by `transport`. Nothing is asked or retried here.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.edges.alpaca.faults import Accepted, RateLimited, RefusalKind, Refused, Verdict

REMIND_EVERY = timedelta(hours=1)
QUIET = timedelta(minutes=5)
"""Without a failure for so long, and with answers, it is over for questions nobody asks again."""
ORDINARY = {RefusalKind.NOT_FOUND, RefusalKind.NOT_CANCELABLE}
"""A no that is the answer to an ordinary question; whoever asked judges it."""


@dataclass(slots=True)
class _Outage:
    """Questions to one host that fail, from the first of them on."""

    since: datetime
    told_at: datetime
    failed_at: datetime
    answered_at: datetime | None = None
    """The first answer after the last failure."""
    level: int = logging.WARNING
    count: int = 0
    unanswered: set[str] = field(default_factory=set)
    reasons: set[tuple[str, ...]] = field(default_factory=set)


class Lookout:
    """Tells of questions (GETs) that fail, host by host: the first, one an hour, and the end.

    `now` is the daemon's clock, for what is told and when.
    """

    def __init__(self, logger: logging.Logger, now: Callable[[], datetime]) -> None:
        self._logger = logger
        self.now = now
        self._outages: dict[str, _Outage] = {}

    def retries(self, url: str, verdict: Verdict, wait_s: float, brief: str) -> None:
        """Tell that `url` is asked again; not where its host is known to fail like that."""
        outage = self._outages.get(_host(url))
        is_known = outage is not None and _reason(url, verdict) in outage.reasons
        if not is_known or is_of_one_order(url):
            self._logger.warning("Retrying GET %s in %.1f s: %s", url, wait_s, brief)

    def hears(self, url: str, verdict: Verdict, brief: str) -> None:
        """Take the last word on a question: an answer, or none."""
        is_answer = isinstance(verdict, Accepted) or is_ordinary(verdict)
        if is_answer and not self._outages:
            return
        if is_answer:
            self._answered(url)
        elif is_of_one_order(url):
            self._logger.log(level_of(verdict), "GET %s failed: %s", url, brief)
        else:
            self._failed(url, verdict, brief)

    def _failed(self, url: str, verdict: Verdict, brief: str) -> None:
        host, now, level = _host(url), self.now(), level_of(verdict)
        outage = self._outages.setdefault(host, _Outage(now, now, now))
        outage.failed_at, outage.answered_at = now, None
        outage.count += 1
        outage.unanswered.add(url)
        outage.level = max(outage.level, level)
        reason = _reason(url, verdict)
        if reason not in outage.reasons:
            outage.reasons.add(reason)
            self._logger.log(level, "GET %s failed: %s", url, brief)
        elif now - outage.told_at >= REMIND_EVERY:
            self._logger.log(
                outage.level,
                "%s leaves questions unanswered since %s (%s): %s; last, GET %s: %s",
                host,
                outage.since.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M:%S New York"),
                length(now - outage.since),
                _failures(outage.count),
                url,
                brief,
            )
        else:
            return
        outage.told_at = now

    def _answered(self, url: str) -> None:
        host = _host(url)
        outage = self._outages.get(host)
        if outage is None:
            return
        now = self.now()
        outage.unanswered.discard(url)
        outage.answered_at = outage.answered_at or now
        if outage.unanswered and now - outage.failed_at < QUIET:
            return
        del self._outages[host]
        # At the level of the beginning: each file that told of the one tells of the other.
        lasted = length(outage.answered_at - outage.since)
        self._logger.log(
            outage.level, "%s is back after %s: %s", host, lasted, _failures(outage.count)
        )


def is_of_one_order(url: str) -> bool:
    """True for a question about one order, by the broker's id or by ours."""
    return "/v2/orders/" in url or "/v2/orders:" in url


def is_ordinary(verdict: Verdict) -> bool:
    """True for a no that is the answer to an ordinary question."""
    return isinstance(verdict, Refused) and verdict.kind in ORDINARY


def level_of(verdict: Verdict) -> int:
    """By the handbook's standard: unanswered or refused is an error, 429 a warning."""
    if is_ordinary(verdict):
        return logging.DEBUG
    return logging.WARNING if isinstance(verdict, RateLimited) else logging.ERROR


def length(lasted: timedelta) -> str:
    """Write a span by its two largest units: 2 d 3 h; below a minute 7 s; never below 0."""
    minutes, s = divmod(max(0, int(lasted.total_seconds())), 60)
    units = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60, "s": s}
    largest = next((place for place, count in enumerate(units.values()) if count), 0)
    told = [f"{count} {unit}" for unit, count in list(units.items())[largest:][:2] if count]
    return " ".join(told) or "0 s"


def _failures(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'} failed"


def _host(url: str) -> str:
    return url.split("/")[2]


def _reason(url: str, verdict: Verdict) -> tuple[str, ...]:
    """What makes a failure news: its kind; a refusal is about its question."""
    kind = type(verdict).__name__
    return (kind, url) if isinstance(verdict, Refused) else (kind,)
