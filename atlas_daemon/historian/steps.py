"""Entries as the steps of a story: the words of the log, and the numbers behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Symbol
from atlas_daemon.records.words import words

from .figures import figures
from .history import History

QUIET = frozenset(
    {e.BookMatched, e.FiguresRequested, e.PhaseDrafted, e.LinesChecked, e.ActivitiesNoted}
)
"""Steps that decide nothing, left out of a chain unless all is asked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """An entry as a person reads it."""

    seq: int
    cause: int | None
    at: datetime
    kind: str
    level: str
    speaker: str
    text: str
    figures: tuple[str, ...] = ()


def is_told(history: History, seq: int) -> bool:
    """True for a step that a person wants to read without asking for all."""
    event = history.entry(seq).event
    line = words(event, history.known_before(seq))
    return line is not None and line.level != "debug"


def steps_of(history: History, seqs: Iterable[int], focus: Symbol | None) -> tuple[Step, ...]:
    """Return the entries at these places as steps, in their order; `focus` as in `figures`."""
    return tuple(_step(history, seq, focus) for seq in sorted(set(seqs)))


def _step(history: History, seq: int, focus: Symbol | None) -> Step:
    entry, known = history.entry(seq), history.known_before(seq)
    event = entry.event
    kind = type(event).__name__
    line = words(event, known)
    level, speaker, text = ("debug", "", "A beat of the clock") if line is None else line
    told = tuple(figures(event, focus, known))
    return Step(seq, entry.cause, entry.at, kind, level, speaker, text, told)
