"""What is told to people: how urgent, about what, since when. Records only, nothing is decided."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that somebody is to be told."""

    seq: int
    """Place of its entry in the journal."""
    at: datetime
    severity: Severity
    key: str
    """What it is about: a row of `advice.ADVICE`."""
    text: str

    @property
    def name(self) -> str:
        """Same name, same news: key and words."""
        return f"{self.key}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, ready for a channel: what it says, and which notices it settles."""

    severity: Severity
    about: str
    title: str
    text: str
    at: datetime
    head: str
    label: str
    settles: frozenset[Notice]
    """The waiting notices that are told by it."""
    uncounted: int = 0
    """So many that were too many to keep are told of by it."""
    meaning: str = ""
    by_itself: str = ""
    to_do: str = ""
    lines: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """The message as plain text, without its title."""
        parts = [self.text, *self.lines]
        if self.by_itself:
            parts.append(f"By itself: {self.by_itself}")
        if self.to_do:
            parts.append(f"To do: {self.to_do}")
        parts.append(f"journal {self.head}")
        return "\n".join(parts)
