"""How a command puts evidence on record: through the running daemon, or by the same turn here.

No command lives here.
"""

import contextlib
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime

from atlas_daemon.bus import Bus
from atlas_daemon.claim import AccountClaim
from atlas_daemon.config import Settings
from atlas_daemon.control import NoDaemonError, ask
from atlas_daemon.core.errors import AtlasError, UsageError
from atlas_daemon.core.events import EvidenceReported
from atlas_daemon.core.evidence import why_unfit
from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal


def record_evidence(settings: Settings, event: EvidenceReported) -> None:
    """Have `event` on record in the account's journal when this returns.

    Raises UsageError for what is no evidence, ControlError where the daemon does not answer,
    AccountBusyError where a daemon is about to start, JournalError, and AtlasError for a full disk.
    """
    if why := why_unfit(event):
        raise UsageError(f"evidence: {why}")
    try:
        ask(settings.control_socket_path, "record", **asdict(event))
    except NoDaemonError:
        _record_here(settings, event)


def _record_here(settings: Settings, event: EvidenceReported) -> None:
    claim = AccountClaim(settings)
    with contextlib.ExitStack() as exits:
        claim.take()
        exits.callback(claim.release)
        journal = claim.open_journal(sqlite3.connect, _machine_time)
        exits.callback(journal.close)
        bus = Bus(
            journal=journal,
            latch=claim.latch,
            clock=_Clock(_last_moment(settings, journal)),
            policy=settings.policy(),
            run_effect=lambda effect: None,  # the world is not asked anything
        )
        bus.take(event)
        if bus.fault:
            raise AtlasError(f"the evidence is not on record: {bus.fault}")


class _Clock:
    """The moment of the one turn."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    async def sleep(self, delay_s: float) -> None:
        """Nothing here waits."""


def _last_moment(settings: Settings, journal: Journal) -> datetime:
    """Return the time of the turn: now, or in local mode, where time is the broker's, the last."""
    if settings.mode is not AccountMode.LOCAL:
        return _machine_time()
    return max((entry.at for entry in journal.read()), default=_machine_time())


def _machine_time() -> datetime:
    return datetime.now(UTC)
