"""Ten years of a daemon's life as a journal: what a start has to read when everybody has left."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.bus import fold
from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import AccountMode, Regime
from atlas_daemon.journal import Journal
from atlas_daemon.records import ExecutionLogger, Recorder
from bench.core import BORN_AT
from bench.figure import Figure
from bench.rebalance import Desk

FIRST, YEARS = date(2016, 1, 4), 10
JOBS_A_DAY = ("calendar_check", "rebalance_check", "regime_refresh", "daily_report", "log_upkeep")
CHECKS = 30
"""Findings of a nightly look of the doctor."""
RESTART_DAYS = 30
ROUNDS = 2
"""Whole runs at each slot: forty orders."""


def decade() -> Iterator[e.Entry]:
    """Yield the entries: every session's jobs, regime, mark and findings; twenty slots' runs."""
    for seq, (at, event) in enumerate(_happenings(), start=1):
        yield e.Entry(seq, at, seq - 1 or None, event)


def figures() -> Iterator[Figure]:
    """Measure what a start reads: the chain checked, the state folded, the trades files rebuilt."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write(folder / "journal.db")
        logger = ExecutionLogger(folder / "logs", console=False)
        begun_s = time.process_time()
        with Journal.open_readonly(folder / "journal.db") as journal:
            fold(Recorder(logger).rebuilding(journal.read()), State(now=BORN_AT))
        spent_s = time.process_time() - begun_s
        how = f"{count:,} entries, each hash checked, processor time"
        yield Figure("recovery over ten years", how, spent_s)
        begun_s = time.process_time()
        with Journal.open_readonly(folder / "journal.db") as journal:
            assert journal.verify().is_intact
        how = "the chain alone"
        yield Figure("verifying ten years", how, time.process_time() - begun_s)


def write(path: Path) -> int:
    """Write a decade's journal at `path`; return how many entries it has."""
    entries = list(decade())
    with Journal.open(path, account_mode=AccountMode.LOCAL, account_name="BENCH") as journal:
        for first in range(0, len(entries), 1000):
            journal.append(entries[first : first + 1000])
    return len(entries)


def _happenings() -> Iterator[tuple[datetime, e.Event]]:
    runs = _runs()
    day, last = FIRST, date(FIRST.year + YEARS, FIRST.month, FIRST.day)
    number = 0
    slots = _slots()
    while day < last:
        at = datetime(day.year, day.month, day.day, 15, 0, tzinfo=UTC)
        if number % RESTART_DAYS == 0:
            mode = AccountMode.LOCAL
            yield at, e.DaemonStarted("bench", "BENCH", mode, "PA1", "d" * 64, is_latched=False)
        if NYSE.session_of(day) is not None:
            yield from ((at, event) for event in _day(day, number))
            if day in slots:
                for _ in range(ROUNDS):
                    yield from ((at, event) for event in next(runs))
        day, number = day + timedelta(days=1), number + 1


def _day(day: date, number: int) -> Iterator[e.Event]:
    at = datetime(day.year, day.month, day.day, 15, 0, tzinfo=UTC)
    for job in JOBS_A_DAY:
        yield e.JobFired(job, at)
    yield e.RegimeReported(Regime.TREND_BULL, day, "jump_model")
    yield e.EquityMarked(day, Decimal("102345.67") + number, Decimal(2150), Decimal(480))
    told = "the broker's calendar and ours agree for the coming fourteen days"
    yield e.DoctorReported(
        tuple(Finding(f"check {n}", Level.OK, told) for n in range(CHECKS)), "rehearsal"
    )


def _slots() -> set[date]:
    days = set()
    for year in range(FIRST.year, FIRST.year + YEARS):
        for month in (2, 8, 11):  # and a crash in November
            days.add(NYSE.next_session(date(year, month, 1)).day)
    return days


def _runs() -> Iterator[list[e.Event]]:
    """Yield what whole runs of twenty orders wrote, lived through: all bought, all sold."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.drain()
        desk.journal._connection.execute("PRAGMA synchronous = OFF")
        while True:
            before, _ = desk.journal.head()
            desk.run()
            yield [entry.event for entry in desk.journal.read(before)]
