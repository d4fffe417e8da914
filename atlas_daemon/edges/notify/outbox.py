"""One channel's waiting notices: what is told next, what is a repeat, what is summed up. Pure.

The same key and words within a cool-down are counted and summed up in one later message; the
cool-down grows while it goes on. What ends or changes a state arms it again. Nothing critical is
ever only counted before it was told once. Kept on disk whole, with the place in the journal up to
which everything is in it: what came later is read from there again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atlas_daemon.core.moments import NEW_YORK

from .advice import advice_of
from .news import Ended
from .notice import RANK, Letter, Notice, Severity

COOL_DOWN = timedelta(hours=1)
COOL_DOWN_MAX = timedelta(hours=24)
WAITING_MAX = 400
"""Notices kept; beyond it the oldest that is not critical is only counted."""
NAMES_MAX = 200
"""Names remembered as told."""
A_KEY_MAX = 12
"""Messages about one key within `COOL_DOWN`; what is beyond is counted, unless critical and new."""
SKEW = timedelta(minutes=5)
"""A clock set back by more than this ends a cool-down, and a flood."""


@dataclass(slots=True)
class Told:
    """A name that somebody was told, or is about to be."""

    key: str
    text: str
    severity: Severity
    since: datetime
    last_at: datetime
    until: datetime
    cool_s: float
    seq: int
    repeats: int = 0
    is_armed: bool = False
    """The state was over in between: the next one is news."""
    is_told: bool = False
    """It was in the queue itself, and not only counted."""
    is_open: bool = False
    """Somebody was told of the state, and not yet that it is over."""


@dataclass(slots=True)
class Memory:
    """What an outbox knows, as it is on disk."""

    seen: int = 0
    """Entries up to this one are in here."""
    waiting: list[Notice] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)
    sent_at: dict[str, list[datetime]] = field(default_factory=dict)
    """By key, when its latest notices were put in the queue."""
    uncounted: int = 0
    """Notices that were too many to keep."""
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    why: str = ""


class Outbox:
    """Takes notices in their order and gives back what is to be told."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    @property
    def waiting(self) -> list[Notice]:
        """What nobody was told yet, oldest first."""
        return self.memory.waiting

    def take(self, news: Notice | Ended) -> None:
        """Take in a notice, or that a state is over."""
        if isinstance(news, Ended):
            self._end(news)
            return
        kept = self.memory.told.get(news.name)
        if kept is not None and (_is_repeat(kept, news) or self._is_untold(kept)):
            kept.repeats += 1
            kept.last_at = news.at
            return
        self._change(news)
        is_first = kept is None
        if self._is_flood(news) and not (is_first and news.severity is Severity.CRITICAL):
            self._remember(news, kept, COOL_DOWN)
            self.memory.told[news.name].repeats += 1
            return
        goes_on = kept is not None and not kept.is_armed
        self._remember(news, kept, _longer(kept.cool_s) if goes_on and kept else COOL_DOWN)
        told = self.memory.told[news.name]
        told.is_told = told.is_open = True
        self._queue(news)

    def sum_up(self, now: datetime) -> None:
        """Queue one notice for each name whose cool-down is over and that was repeated in it."""
        for told in self.memory.told.values():
            if not told.repeats or now < told.until:
                continue
            if self._is_untold(told):
                told.until = now + timedelta(seconds=told.cool_s)
                continue
            more = "more " if told.is_told else ""
            times = f"{told.repeats} {more}time{'s'[: told.repeats != 1]}"
            since, last = clock_text(told.since), clock_text(told.last_at)
            text = f"{told.text} ({times} since {since}, last {last})"
            told.repeats, told.is_told = 0, True
            cool_down = _longer(told.cool_s)
            told.cool_s = cool_down.total_seconds()
            told.until = now + cool_down
            notice = Notice(told.seq, told.last_at, told.severity, told.key, text)
            self._queue(notice)

    def due_at(self) -> datetime | None:
        """Return when the next sum is due; None where nothing was repeated."""
        return min((t.until for t in self.memory.told.values() if t.repeats), default=None)

    def settle(self, letter: Letter) -> None:
        """Forget what a message has told."""
        waiting = self.memory.waiting
        waiting[:] = [notice for notice in waiting if notice not in letter.settles]
        self.memory.uncounted -= letter.uncounted

    def _end(self, ended: Ended) -> None:
        """Arm the names under the keys again; tell once that it is over, where it was told of."""
        over = [t for t in self.memory.told.values() if t.key in ended.keys and not t.is_armed]
        for told in over:
            told.is_armed = True
        told_of = [t for t in over if t.is_open and RANK[t.severity] >= RANK[Severity.WARNING]]
        if ended.text and told_of:
            last = max(told_of, key=lambda t: t.last_at)
            repeats = sum(t.repeats for t in told_of)
            more = f" after {repeats} more" if repeats else ""
            text = f"over: {ended.text}{more} ({last.text})"
            self._queue(Notice(last.seq, ended.at, Severity.INFO, last.key, text))
        for told in over:
            told.repeats, told.is_open = 0, False

    def _change(self, news: Notice) -> None:
        """Other words under a state's key are a change: the earlier ones would be news again."""
        if advice_of(news.key).is_state:
            for told in self.memory.told.values():
                if told.key == news.key and told.text != news.text:
                    told.is_armed = True

    def _is_untold(self, kept: Told) -> bool:
        """True where the first of a name still waits, and its state was not over since."""
        untold = (n.seq == kept.seq and n.key == kept.key for n in self.waiting)
        return not kept.is_armed and any(untold)

    def _is_flood(self, news: Notice) -> bool:
        times = self.memory.sent_at.get(news.key, [])
        recent = [at for at in times if news.at - COOL_DOWN < at <= news.at + SKEW]
        return len(recent) >= A_KEY_MAX

    def _remember(self, news: Notice, kept: Told | None, cool_down: timedelta) -> None:
        told = self.memory.told
        told.pop(news.name, None)  # the latest stand last
        told[news.name] = Told(
            news.key,
            news.text,
            news.severity,
            news.at,
            news.at,
            news.at + cool_down,
            cool_down.total_seconds(),
            news.seq,
            0 if kept is None else kept.repeats,
            is_told=kept is not None and kept.is_told,
            is_open=kept is not None and kept.is_open,
        )
        while len(told) > NAMES_MAX:
            del told[next((name for name, t in told.items() if not t.repeats), next(iter(told)))]

    def _queue(self, news: Notice) -> None:
        waiting, sent_at = self.memory.waiting, self.memory.sent_at
        waiting.append(news)
        sent_at[news.key] = [*sent_at.get(news.key, []), news.at][-A_KEY_MAX:]
        if len(waiting) > WAITING_MAX:
            least = next(
                (i for i, n in enumerate(waiting) if n.severity is not Severity.CRITICAL), 0
            )
            del waiting[least]
            self.memory.uncounted += 1


def _longer(cool_s: float) -> timedelta:
    return min(2 * timedelta(seconds=cool_s), COOL_DOWN_MAX)


def _is_repeat(kept: Told, news: Notice) -> bool:
    if kept.is_armed:
        return False
    return kept.since - SKEW <= news.at < kept.until


def clock_text(at: datetime) -> str:
    """Return a moment as people read it: `2027-02-01 09:36 New York`."""
    return f"{at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
