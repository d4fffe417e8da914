"""What commands read where no daemon answers: the journal, read-only, folded. No command here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_daemon.config import Settings
from atlas_daemon.control import NoDaemonError, ask
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.events import Entry
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.spelling import moment_text
from atlas_daemon.core.state import State
from atlas_daemon.journal import Journal


class NoStateError(AtlasError):
    """The daemon has never run with this state folder."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A view, and what must be said with it: empty where the running daemon gave it."""

    view: Any
    note: str


def entries_of(settings: Settings) -> Iterator[Entry]:
    """Yield the journal's entries. Raises NoStateError where there is no journal."""
    if not settings.journal_path.exists():
        raise NoStateError(f"no state at {settings.state_dir}: has the daemon ever run?")
    with Journal.open_readonly(settings.journal_path) as journal:
        yield from journal.read()


def ask_or_read(
    settings: Settings, do: str, view_of: Callable[[State, Policy, datetime], Any]
) -> Answer:
    """Return the running daemon's answer, or the journal's where none runs."""
    try:
        return Answer(ask(settings.control_socket_path, do), "")
    except NoDaemonError:
        state = State(now=datetime.min.replace(tzinfo=UTC))
        for entry in entries_of(settings):
            state = evolve(state, entry)
        note = "daemon not running; as of " + (
            moment_text(state.now) if state.seq else "never: the journal is empty"
        )
        now = datetime.now(UTC)
        return Answer(view_of(state, settings.policy(), max(now, state.now)), note)
