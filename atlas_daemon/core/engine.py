"""One turn: an event in; a new state, the entries to keep and the effects to run, out. Pure."""

from dataclasses import dataclass
from datetime import datetime

from .effects import Effect, SubmitOrder
from .errors import BugError, TurnTooLongError
from .events import VOLATILE, Entry, Event
from .evolve import evolve
from .frozen import replace
from .policy import Policy
from .routes import ROUTES, Handler
from .state import State

ENTRIES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one event. `entries` is empty where the turn is not worth writing."""

    state: State
    entries: tuple[Entry, ...]
    effects: tuple[Effect, ...]


def take_turn(state: State, event: Event, at: datetime, policy: Policy) -> Turn:
    """Return what `event`, heard at `at`, makes of `state`.

    Depth first: what a handler yields happens, whole, before what it yielded next, as if it were
    a call; each handler sees the state as it is when its turn comes. A turn of volatile entries
    only (figures that decided nothing) changes the state in memory, and is not written.

    Raises TurnTooLongError where one event causes over 1,000 entries, BugError where an order
    would leave without an entry.
    """
    before, entries, effects = state, list[Entry](), list[Effect]()
    todo: list[tuple[Event | Effect | Handler, Event | None, int | None]] = [(event, None, None)]
    while todo:
        item, heard, cause = todo.pop()
        if isinstance(item, Event):
            if len(entries) >= ENTRIES_MAX:
                raise TurnTooLongError(f"{type(event).__name__} caused over {ENTRIES_MAX} entries")
            entry = Entry(state.seq + 1, at, cause, item)
            state = evolve(state, entry)
            entries.append(entry)
            handlers = ROUTES.get(type(item), ())
            todo.extend([(handler, item, entry.seq) for handler in reversed(handlers)])
        elif isinstance(item, Effect):
            effects.append(item)
        else:
            answers = list(item(state, heard, policy))
            todo.extend([(answer, None, cause) for answer in reversed(answers)])
    if all(type(entry.event) in VOLATILE for entry in entries):
        if any(isinstance(effect, SubmitOrder) for effect in effects):
            raise BugError(f"{type(event).__name__} sends an order that is not written")
        born_at = before.born_at
        return Turn(replace(state, seq=before.seq, born_at=born_at), (), tuple(effects))
    return Turn(state, tuple(entries), tuple(effects))
