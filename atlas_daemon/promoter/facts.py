"""What the checks are measured on: figures and answers, gathered by whoever asks. No judgement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from atlas_daemon.analysis.performance import Performance
from atlas_daemon.analysis.shortfall import Slippage
from atlas_daemon.config import Settings

from .evidence import Evidence


@dataclass(frozen=True, slots=True)
class Head:
    """Place and hash of the last entry that was verified, and how many were."""

    seq: int
    hash: str
    entries: int


@dataclass(frozen=True, slots=True)
class DoctorSeen:
    """What the doctor found."""

    at: datetime
    reds: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class LiveAccount:
    """What the live account's broker says; `problem` where it could not be asked or refused."""

    number: str = ""
    equity: Decimal | None = None
    is_blocked: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a check may look at."""

    now: datetime
    version: str
    code: str
    """Digest of the code that runs here."""
    sections: str
    """Digest of the live configuration's bound sections."""
    live: Settings
    paper: Settings
    paper_number: str
    """Of the journal: empty where the broker never named one."""
    head: Head
    evidence: Evidence
    performance: Performance
    slippage: Slippage
    trades_fault: str = ""
    """Where the trades files differ from the journal; empty where they agree."""
    trades_files: int = 0
    page_url: str = ""
    """Where the paper daemon serves its page now; empty where no daemon answers."""
    doctor: DoctorSeen | None = None
    keys_source: str = ""
    """Where the live keys were found."""
    keys_problem: str = ""
    live_account: LiveAccount = field(default_factory=LiveAccount)
    drills: Sequence[str] = ()
    """Names of the drills that there are."""
