"""The journal as it lies on the disk: its chain recomputed, its entries folded. Reading only."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from atlas_daemon.bus import fold
from atlas_daemon.core.state import State
from atlas_daemon.journal import Journal, Verdict


@dataclass(frozen=True, slots=True)
class JournalLook:
    """What the journal says, if there is one. `state` is only told where the chain is whole."""

    verdict: Verdict
    number: str
    """The account's number that it is claimed for; empty where none is."""
    state: State | None


def look_at_journal(path: Path, now: datetime, head: tuple[int, str] | None) -> JournalLook | None:
    """Return what is to be known of the journal at `path`; None where there is none.

    `head` is the running daemon's: the file must hold it. Raises the journal's errors.
    """
    if not path.exists():
        return None
    with Journal.open_readonly(path) as journal:
        verdict = journal.verify(head)
        number = journal.account()[2]
        state = fold(journal.read(), State(now=now)) if verdict.is_intact else None
    return JournalLook(verdict, number, state)
