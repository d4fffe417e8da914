"""What the schedule, the clocks and the regime bring: heard from the edges, and what is decided.

Past tense, plain values, no logic.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from atlas_daemon.core.findings import Finding
from atlas_daemon.core.values import Regime

from .heard import Event

# Heard.


@dataclass(frozen=True, slots=True)
class JobFired(Event):
    """A moment of the schedule came: one of `jobs.JOBS`. What is due then, the core decides."""

    job: str
    due_at: datetime
    """When it was to fire; the entry's own time says how late it was."""
    missed: int = 0
    """Earlier moments of the same job that passed unseen since the one before."""


@dataclass(frozen=True, slots=True)
class DoctorReported(Event):
    """The doctor looked at everything and said what was found."""

    findings: tuple[Finding, ...]
    reason: str = ""
    """Why it was asked: `rehearsal`, `the hour before`."""


@dataclass(frozen=True, slots=True)
class ClockReported(Event):
    """The broker told its time, asked for at `asked_at` and heard at `heard_at` by ours."""

    asked_at: datetime
    heard_at: datetime
    told_at: datetime
    speed: Decimal = Decimal(1)
    """How many seconds pass on the local broker's clock in one of ours."""


# Decided.


@dataclass(frozen=True, slots=True)
class RegimeRequested(Event):
    """Signals and regime of a session were asked for, though no run waits for them."""

    signal_day: date


@dataclass(frozen=True, slots=True)
class RegimeChanged(Event):
    """Another regime is confirmed: by a model's word of several sessions, a file or a person."""

    was: Regime | None
    """None for the first that was ever heard."""
    regime: Regime
    as_of: date
    source: str
    reaction: str
    """By the policy: `cash`, `allocation` (a run of its own to the new one) or `none`."""


@dataclass(frozen=True, slots=True)
class DoctorRequested(Event):
    """The doctor was asked to look at everything."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClockRequested(Event):
    """The broker was asked for its time."""


@dataclass(frozen=True, slots=True)
class ClockDisputed(Event):
    """The broker's clock and ours differ by more than the request took."""

    skew_s: Decimal
    """Seconds; positive where the broker's is ahead."""
    is_blocking: bool
    """So far apart that nothing is bought."""


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """Our clock was set back so far that what is on record lies in the future."""

    was: datetime
    """What it said before."""


@dataclass(frozen=True, slots=True)
class ClockAgreed(Event):
    """The clocks agree again."""
