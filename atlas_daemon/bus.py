"""The one inbox and the one writer: take the next event, commit its turn, then let it out.

Between deciding and writing there is no await: nothing can come between. Effects begin only after
their turn is on disk; the latch is put on disk right there, before any other effect begins.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from atlas_daemon.core import events as e
from atlas_daemon.core.effects import Effect, RemoveLatch, WriteLatch
from atlas_daemon.core.engine import Turn, take_turn
from atlas_daemon.core.errors import BugError
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.journal import Journal, JournalFullError
from atlas_daemon.ports import ClockPort, LatchPort

INBOX_MAX = 10_000
"""More than this waiting is our bug: the sources are slower than a turn by far."""

Watcher = Callable[["Committed"], None]


@dataclass(frozen=True, slots=True)
class Committed:
    """A turn that is on disk, as the watchers are told of it."""

    turn: Turn
    before: State
    event: e.Event


class Bus:
    """Feeds events to the core one at a time. `run_effect` is given each effect to begin."""

    def __init__(
        self,
        *,
        journal: Journal,
        latch: LatchPort,
        clock: ClockPort,
        policy: Policy,
        run_effect: Callable[[Effect], None],
    ) -> None:
        self._journal, self._latch, self._clock = journal, latch, clock
        self._run_effect = run_effect
        self._inbox: deque[e.Event] = deque()
        self._heard = asyncio.Event()
        self._drained = asyncio.Event()
        self._watchers: list[Watcher] = []
        self._logger = logging.getLogger("Bus")
        self.policy = policy
        self.state = fold(journal.read(), State(now=clock.now()))
        self.is_stop_heard = False
        """A stop was heard and is perhaps not yet taken: the fence is closed by it already."""
        self.fault = ""
        """Why the journal did not take the last turn; empty while it does."""
        self._unwritten: tuple[e.Entry, ...] = ()
        """A stop that holds in memory: written with the next turn that can be."""
        self.turns = 0

    def hear(self, event: e.Event) -> None:
        """Put an event in the inbox; a stop goes to the front and closes the fence at once.

        Only a resume that was heard before it comes before it: taken after it, it would undo it.
        """
        if isinstance(event, e.StopRequested):
            self.is_stop_heard = True
            resumes = [waits for waits in self._inbox if isinstance(waits, e.ResumeRequested)]
            rest = [waits for waits in self._inbox if not isinstance(waits, e.ResumeRequested)]
            self._inbox = deque((*resumes, event, *rest))
        elif len(self._inbox) >= INBOX_MAX:
            raise BugError(f"over {INBOX_MAX} events are waiting")
        else:
            self._inbox.append(event)
        self._heard.set()
        self._drained.clear()

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every committed turn, in order. It may tell, and never ask."""
        self._watchers.append(watcher)

    async def drained(self) -> None:
        """Wait until the inbox is empty."""
        await self._drained.wait()

    async def run(self) -> None:
        """Take turns until cancelled. An exception in a turn is our bug and ends it."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            while self._inbox:
                self.take(self._inbox.popleft())
                await asyncio.sleep(0)  # a long inbox must not starve the sockets
            self._drained.set()

    def take(self, event: e.Event) -> None:
        """Take one turn: decide, commit, let out, tell."""
        before = self.state
        turn = take_turn(before, event, self._clock.now(), self.policy)
        if turn.entries:
            try:
                self._journal.append((*self._unwritten, *turn.entries))
            except JournalFullError as error:
                self._not_written(event, turn, error)
                return
            self.fault, self._unwritten = "", ()
        self.state = turn.state
        self.turns += 1
        if isinstance(event, e.StopRequested) or self.state.halt is not None:
            self.is_stop_heard = False  # from here on the state itself says it
        self._let_out(turn.effects)
        committed = Committed(turn, before, event)
        for watcher in self._watchers:
            watcher(committed)

    def _let_out(self, effects: Iterable[Effect]) -> None:
        rest = []
        for effect in effects:
            if isinstance(effect, WriteLatch):
                detail = self._latch.write(effect.by, effect.reason, self._clock.now())
                self.hear(e.LatchFailed(detail) if detail else e.LatchWritten())
            elif isinstance(effect, RemoveLatch):
                detail = self._latch.remove()
                if detail:
                    self.hear(e.LatchFailed(detail))
            else:
                rest.append(effect)
        for effect in rest:
            self._run_effect(effect)

    def _not_written(self, event: e.Event, turn: Turn, error: JournalFullError) -> None:
        """What cannot be written does not happen; but a stop does, in memory.

        A fill that is lost here is found again by the next look at its order.
        """
        if not self.fault:
            self._logger.critical("The journal cannot be written: %s", error)
        self.fault = str(error)
        if not isinstance(event, e.StopRequested):
            return
        self.state = turn.state
        self._unwritten += turn.entries
        self._let_out(turn.effects)
        self.hear(e.LatchFailed(f"journal: {error}"))


def fold(entries: Iterable[e.Entry], state: State) -> State:
    """Return the state after all `entries`: recovery."""
    for entry in entries:
        state = evolve(state, entry)
    return state
