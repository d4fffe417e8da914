"""What a look at the daemon's own circumstances found: the words of doctor and nightly rehearsal.

Records only, fit for the journal; who looks and who alerts live elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Not known, or not yet in the way of the next slot: somebody should look this week."""
    RED = "red"
    """The next slot would fail, or nobody would hear that it did: act now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question."""

    check: str
    """What was asked, as one word with dots or underscores: stable, alerts are keyed by it."""
    level: Level
    text: str
    """What was found, in one line."""
    advice: str = ""
    """What a person may type or do about it; empty where there is nothing to do."""


def reds(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what is red, in the order found."""
    return tuple(finding for finding in findings if finding.level is Level.RED)
