"""The handbook's checklists, line by line, each as a check that ran. And what a certificate keeps.

The order is the handbook's: Pre-Deployment, Paper Trading, Pre-Live Deployment, Requirements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .check import Check
from .checks_build import pre_deployment
from .checks_live import pre_live, requirements
from .checks_paper import paper_trading
from .facts import Facts

LISTS = (
    ("Pre-deployment", pre_deployment),
    ("Paper trading", paper_trading),
    ("Pre-live", pre_live),
    ("Requirements and transition", requirements),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the lists."""

    title: str
    checks: tuple[Check, ...]


def checklist(facts: Facts) -> tuple[Part, ...]:
    """Return every list with its checks."""
    return tuple(Part(title, tuple(lines(facts))) for title, lines in LISTS)


def in_the_way(parts: Sequence[Part]) -> tuple[Check, ...]:
    """Return what keeps a certificate from being written, in the order of the lists."""
    return tuple(check for part in parts for check in part.checks if check.is_in_the_way)


def kept(facts: Facts, parts: Sequence[Part]) -> dict[str, Any]:
    """Return what a certificate keeps of the proof: JSON values, no secret among them."""
    return {
        "version": facts.version,
        "paper_account": {"name": facts.paper.account.name, "number": facts.paper_number},
        "journal": {"seq": facts.head.seq, "hash": facts.head.hash},
        "evidence_since": None
        if facts.evidence.since is None
        else facts.evidence.since.isoformat(timespec="seconds"),
        "evidence": list(rows_of(parts)),
    }


def rows_of(parts: Sequence[Part]) -> Iterator[dict[str, str]]:
    """Yield each check as JSON's values."""
    for part in parts:
        for check in part.checks:
            yield {
                "list": part.title,
                "check": check.name,
                "line": check.line,
                "status": check.status.value,
                "measured": check.measured,
                "limit": check.limit,
                "source": check.source,
                "advice": check.advice,
            }
