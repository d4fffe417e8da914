"""A paper account's entries, written by hand: what a daemon would have put on record."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import AccountMode, Regime

SECTIONS, CODE = "5ec7" * 16, "c0de" * 16
FIRST = date(2026, 10, 1)
STARTED = datetime(2026, 10, 1, 13, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
"""After the close of the last session."""


def started(sections: str = SECTIONS, code: str = CODE) -> e.DaemonStarted:
    return e.DaemonStarted("1", "PAPER", AccountMode.PAPER, "PA1", "x", False, code, sections)


def mark(day: date, equity: str = "20000") -> e.EquityMarked:
    return e.EquityMarked(day, Decimal(equity), Decimal(equity), Decimal(480))


def closes(first: date = FIRST, now: datetime = NOW) -> list[tuple[datetime, date]]:
    """Each session of the paper operation: half an hour after its close."""
    sessions = NYSE.sessions_between(first, now.date())
    late = timedelta(minutes=30)
    return [(s.closes_at + late, s.day) for s in sessions if s.closes_at + late <= now]


def run(
    run_id: str, trigger: str, at: datetime, filled: int = 2, off: tuple[str, ...] = ()
) -> list[tuple[datetime, e.Event]]:
    """A run that ended well, or met its lines but for what is `off`."""
    day = at.date()
    report = e.RunReport(
        filled,
        filled,
        0,
        Decimal(0),
        Decimal(0),
        Decimal(1),
        Regime.TREND_BULL,
        Decimal(1),
        Decimal(1),
        discrepancies=off,
    )
    line: Any = "a line, which is only counted"
    none = Decimal(0)
    planned = e.RunPlanned(
        run_id, 1, Regime.TREND_BULL, Decimal(1), none, none, none, none, (line,), (), ""
    )
    return [
        (at, e.RunStarted(run_id, trigger, None, order_day=day, signal_day=day)),
        (at, planned),
        (at, e.RunFinished(run_id, "done", True, "", report)),
    ]


def word(kind: str, name: str, *, is_good: bool = True, **more: str) -> e.EvidenceReported:
    given = {"text": f"{name} as it should", "code_digest": CODE, "config_digest": SECTIONS}
    return e.EvidenceReported(kind, name, is_good, **{**given, **more})


def entries(happened: Iterable[tuple[datetime, e.Event]]) -> list[e.Entry]:
    """The journal: what happened, in the order of time."""
    ordered = sorted(happened, key=lambda each: each[0])
    return [e.Entry(n, at, None, event) for n, (at, event) in enumerate(ordered, 1)]


def paper_weeks() -> list[tuple[datetime, e.Event]]:
    """Seven weeks without a flaw."""
    told: list[tuple[datetime, e.Event]] = [(STARTED, started())]
    told += [(at, mark(day)) for at, day in closes()]
    return told
