"""What bears on real money: evidence on record, the certificate, and the size of the first steps.

Past tense, plain values, no logic.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .heard import Event

# Heard.


@dataclass(frozen=True, slots=True)
class EvidenceReported(Event):
    """Something was tried, measured or approved, and this is what came of it."""

    kind: str
    """One of `evidence.KINDS`: drill, doctor, restore, approval, gap or alert."""
    name: str
    """Which of its kind: `kill9`, `risk-limits`. The latest word under a name counts."""
    is_good: bool
    text: str
    """What was seen, in one line for people, its figures inside."""
    code_digest: str
    """Of the code it was seen of."""
    config_digest: str
    """Of the configuration sections that a certificate binds."""


@dataclass(frozen=True, slots=True)
class CertificateReported(Event):
    """The certificate was read, or could not be: what buys with real money is measured by it."""

    certificate_id: str
    """Empty where there is none that can be read."""
    expires_at: datetime | None
    problem: str
    """Why it does not count, in one line; empty where it does."""


@dataclass(frozen=True, slots=True)
class ScaleRequested(Event):
    """The operator asks for another scale of what is deployed live."""

    by: str
    scale: Decimal
    """A fraction of normal sizes, above 0 and at most 1."""


# Decided.


@dataclass(frozen=True, slots=True)
class ScaleChanged(Event):
    """From the next rebalance on, plans deploy `scale` of normal sizes."""

    by: str
    was: Decimal
    scale: Decimal
    clean_days: int
    """Sessions without anything unclean that it was decided on."""
