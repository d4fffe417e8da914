"""One line of the checklists, answered: what was measured, against what, and what to do next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SHOWN_MAX = 4
"""So many days or names are listed; the rest is counted."""
JOURNAL = "the paper journal"


class Status(StrEnum):
    """How a line stands."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived by config"
    """Below its mark, which `promote.require` does not make a condition."""
    STATED = "stated"
    """Nothing that this machine could measure: who vouches for it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A line of a checklist."""

    name: str
    """One word with dashes: stable, in certificates and JSON."""
    line: str
    """The handbook's words."""
    status: Status
    measured: str
    limit: str
    source: str
    """Where the figure is from."""
    advice: str = ""
    """What a person may type or do where it failed."""

    @property
    def is_in_the_way(self) -> bool:
        """True where no certificate is written because of it."""
        return self.status is Status.FAILED


def judged(
    name: str,
    line: str,
    is_good: bool,
    measured: str,
    limit: str,
    source: str = JOURNAL,
    advice: str = "",
) -> Check:
    """Return a check that passed or failed."""
    status = Status.PASSED if is_good else Status.FAILED
    return Check(
        name=name,
        line=line,
        status=status,
        measured=measured,
        limit=limit,
        source=source,
        advice="" if is_good else advice,
    )


def wished(check: Check, required: Sequence[str], word: str) -> Check:
    """Return a check that is only in the way where `promote.require` names `word`."""
    if check.status is not Status.FAILED or word in required:
        return check
    return Check(
        name=check.name,
        line=check.line,
        status=Status.WAIVED,
        measured=check.measured,
        limit=f"{check.limit}; shown only, promote.require does not name {word!r}",
        source=check.source,
    )


def stated(name: str, line: str, who: str, source: str) -> Check:
    """Return a line that a machine cannot check."""
    return Check(
        name=name, line=line, status=Status.STATED, measured=who, limit="none", source=source
    )


def some(items: Iterable[object]) -> str:
    """Return items as a list for people, cut to a few."""
    found = [str(item) for item in items]
    more = len(found) - SHOWN_MAX
    return ", ".join(found[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def count(number: int, what: str) -> str:
    """Return `1 order`, `2 orders`."""
    return f"{number} {what}{'s' * (number != 1)}"


def told(found: Sequence[tuple[datetime, str]]) -> str:
    """Return what happened and on which days, the latest first."""
    return some(f"{at:%Y-%m-%d} {text}" for at, text in reversed(found))
