"""Entries as lines for other programs, each with what its hash is made of.

    hash = sha256( prev_hash | seq | at | cause | type | payload )   as lower-case hex

over the UTF-8 text of these columns joined by `|`; `cause` is empty where there is none, and
`prev_hash` is the hash of the entry before, 64 zeros before the first. `payload` is the JSON text
of the event's fields, verbatim: it must not be parsed and written again before it is hashed.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from atlas_daemon.core.moments import new_york_day
from atlas_daemon.journal import JournalError, StoredEntry
from atlas_daemon.journal.schema import FIRST_HASH, chained_hash


class ExportedEntry(NamedTuple):
    """A line of the export: its columns, in their order."""

    seq: int
    at: str
    cause: int | None
    type: str
    payload: str
    prev_hash: str
    hash: str
    is_redacted: bool
    """True where a secret was taken out of `payload`, whose hash cannot be made again then."""
    account: str
    """Whose journal it is: `live-LARGE`. It is no part of the hash."""


COLUMNS = ExportedEntry._fields


@dataclass(frozen=True, slots=True)
class Range:
    """Entries from one to another, both included: by number or by New York day; None is open."""

    first: int | date | None = None
    last: int | date | None = None

    def has(self, stored: StoredEntry) -> bool:
        """True for an entry within it."""
        return not self._is_before(stored) and not self._is_after(stored)

    def _is_before(self, stored: StoredEntry) -> bool:
        match self.first:
            case None:
                return False
            case date():
                return _day(stored) < self.first
            case _:
                return stored.seq < self.first

    def _is_after(self, stored: StoredEntry) -> bool:
        match self.last:
            case None:
                return False
            case date():
                return _day(stored) > self.last
            case _:
                return stored.seq > self.last


def exported(
    stored: Iterable[StoredEntry], wanted: Range, redact: Callable[[str], str], account: str
) -> Iterator[ExportedEntry]:
    """Yield the wanted entries of a whole journal, each checked against the chain.

    Raises JournalError naming the first entry that is altered, missing or moved.
    """
    prev_seq, prev_hash = 0, FIRST_HASH
    for entry in stored:
        if entry.seq != prev_seq + 1:
            raise JournalError(f"entry {prev_seq + 1} is missing: {prev_seq} precedes {entry.seq}")
        if entry.hash != chained_hash(prev_hash, *entry[:5]):
            raise JournalError(f"entry {entry.seq} was altered or moved")
        if wanted.has(entry):
            payload = redact(entry.payload)
            is_redacted = payload != entry.payload
            proof = prev_hash, entry.hash, is_redacted
            yield ExportedEntry(*entry[:4], payload, *proof, account)
        prev_seq, prev_hash = entry.seq, entry.hash


def lines_of(entries: Iterable[ExportedEntry], style: str) -> Iterator[str]:
    """Yield the export's lines with their ends: `jsonl`, or `csv` with a first line of names."""
    if style == "jsonl":
        for entry in entries:
            yield json.dumps(entry._asdict(), ensure_ascii=False, separators=(",", ":")) + "\n"
        return
    yield _csv_line(COLUMNS)
    for entry in entries:
        yield _csv_line(_cell(value) for value in entry)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _csv_line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _day(stored: StoredEntry) -> date:
    return new_york_day(datetime.fromisoformat(stored.at))
