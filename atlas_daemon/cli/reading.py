"""What commands read where no daemon answers: the journal, read-only, folded. No command here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from atlas_daemon.config import Settings
from atlas_daemon.control import NoDaemonError, ask
from atlas_daemon.control.client import ANSWER_S
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.events import Entry
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.spelling import moment_text, span
from atlas_daemon.core.state import State
from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal

AHEAD_MIN = timedelta(minutes=5)
"""A journal so far ahead of this machine's clock was written by another one, or before a step."""


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


def now_of(settings: Settings) -> datetime:
    """Return the present moment: in local mode the running daemon's, whose clock is its broker's.

    Raises ControlError where a daemon runs and does not answer.
    """
    if settings.mode is AccountMode.LOCAL:
        try:
            told = ask(settings.control_socket_path, "status")["at"]
        except NoDaemonError:
            pass
        else:
            return datetime.fromisoformat(told)
    return datetime.now(UTC)


def ask_or_read(
    settings: Settings,
    do: str,
    view_of: Callable[[State, Policy, datetime], Any],
    *,
    timeout_s: float = ANSWER_S,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Answer:
    """Return the running daemon's answer, or the journal's where none runs.

    In local mode the time is the broker's, and it stood still with the daemon: ages are those of
    the journal's last entry. Elsewhere they are those of this machine's clock.
    """
    try:
        return Answer(ask(settings.control_socket_path, do, timeout_s=timeout_s), "")
    except NoDaemonError:
        state = State(now=datetime.min.replace(tzinfo=UTC))
        for entry in entries_of(settings):
            state = evolve(state, entry)
    if not state.seq:
        return Answer(
            view_of(state, settings.policy(), now()),
            "daemon not running; as of never: the journal is empty",
        )
    note = f"daemon not running; as of {moment_text(state.now)}"
    if settings.mode is AccountMode.LOCAL:
        return Answer(view_of(state, settings.policy(), state.now), note)
    ahead = state.now - now()
    if ahead > AHEAD_MIN:
        late = span(ahead.total_seconds())
        note += f", {late} ahead of this machine's clock: ages are not known"
    return Answer(view_of(state, settings.policy(), max(now(), state.now)), note)
