"""`given(state).when(event).then(...)`: a turn as bare events and effects, side by side on failure.

`then` names everything the turn yields after the event itself, in order; an item may be a whole
event or effect, or only its type. `then_some` asks for items in this order, others between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from atlas_daemon.core.effects import Effect
from atlas_daemon.core.engine import Turn, take_turn
from atlas_daemon.core.events import Event
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.routes import ROUTES
from atlas_daemon.core.state import State

from .builders import POLICY
from .telling import tell

Wanted = Event | Effect | type


@dataclass(frozen=True)
class Given:
    state: State
    policy: Policy

    def when(self, *events: Event, at: datetime | None = None) -> "Played":
        """Take a turn for each event; what the last one yields is compared."""
        state, turn, happened = self.state, None, []
        for event in events:
            happened = trace(state, event, at or state.now, self.policy)
            turn = take_turn(state, event, at or state.now, self.policy)
            state = turn.state
        assert turn is not None
        return Played(turn, happened[1:])


@dataclass(frozen=True)
class Played:
    turn: Turn
    happened: list[Event | Effect]
    """What followed the event, depth first, effects where they were yielded."""

    @property
    def state(self) -> State:
        return self.turn.state

    def then(self, *wanted: Wanted) -> "Played":
        if len(wanted) != len(self.happened) or not all(map(_fits, wanted, self.happened)):
            raise AssertionError(_side_by_side(wanted, self.happened))
        return self

    def then_some(self, *wanted: Wanted) -> "Played":
        rest = iter(self.happened)
        for item in wanted:
            if not any(_fits(item, got) for got in rest):
                raise AssertionError(_side_by_side(wanted, self.happened))
        return self

    def then_none_of(self, *kinds: type) -> "Played":
        got = [item for item in self.happened if isinstance(item, kinds)]
        if got:
            raise AssertionError(_side_by_side((), got))
        return self

    def then_nothing(self) -> "Played":
        return self.then()

    def the(self, kind: type):
        """Return the one item of a kind."""
        found = [item for item in self.happened if isinstance(item, kind)]
        assert len(found) == 1, _side_by_side((kind,), self.happened)
        return found[0]

    def all(self, kind: type) -> list:
        return [item for item in self.happened if isinstance(item, kind)]


def given(state: State, policy: Policy = POLICY) -> Given:
    return Given(state, policy)


def trace(state: State, event: Event, at: datetime, policy: Policy) -> list[Event | Effect]:
    """Return what a turn makes, in the order of its making: also what is not worth writing."""
    from atlas_daemon.core.events import Entry
    from atlas_daemon.core.evolve import evolve

    out: list[Event | Effect] = []

    def happen(item: Event | Effect, state: State) -> State:
        out.append(item)
        if isinstance(item, Event):
            state = evolve(state, Entry(state.seq + 1, at, None, item))
            for handler in ROUTES.get(type(item), ()):
                for answer in list(handler(state, item, policy)):
                    state = happen(answer, state)
        return state

    happen(event, state)
    return out


def _fits(wanted: Wanted, got: Event | Effect) -> bool:
    return type(got) is wanted if isinstance(wanted, type) else got == wanted


def _side_by_side(wanted: Sequence[Wanted], got: Sequence[Event | Effect]) -> str:
    left = [item.__name__ if isinstance(item, type) else tell(item) for item in wanted]
    right = [tell(item) for item in got]
    width = max([len(text) for text in left] + [8])
    lines = [f"  {'expected':<{width}}   got", f"  {'-' * width}   ---"]
    for want, have, ours, theirs in zip_longest(left, right, wanted, got, fillvalue=None):
        same = ours is not None and theirs is not None and _fits(ours, theirs)
        lines.append(f"{' ' if same else '!'} {want or '':<{width}}   {have or ''}")
        if not same and want == have:
            lines.append(f"  {ours!r}\n  {theirs!r}")
    return "\n" + "\n".join(lines)
