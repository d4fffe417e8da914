"""What a scenario leaves behind, for people to read and for runs to be compared by."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from atlas_daemon.core import events as e
from atlas_daemon.journal.codec import encode
from tests.core.telling import tell

Notes = Sequence[tuple[float, tuple[str, ...]]]


def digest_of(notes: Notes, acts: list[str], entries: Iterable[e.Entry], folder: Path) -> str:
    """Hash journal, broker's log and acts; where the files lay is left out."""
    lines = [repr(notes), repr(acts)]
    lines += [f"{x.seq} {x.at} {x.cause} {encode(x.event)}" for x in entries]
    return hashlib.sha256("\n".join(lines).replace(str(folder), "").encode()).hexdigest()


def story_of(notes: Notes, entries: Iterable[e.Entry], epoch: datetime) -> list[str]:
    """Tell both sides of the story in the order of time."""
    lines = [(at_s, 0, f"        {' '.join(words)}") for at_s, words in notes]
    for entry in entries:
        at_s = (entry.at - epoch).total_seconds()
        lines.append((at_s, entry.seq, f"{entry.seq:5d}<-{entry.cause or ''} {tell(entry.event)}"))
    lines.sort(key=lambda line: line[:2])
    return [f"{at_s:9.3f} {text}" for at_s, _, text in lines]
