"""The one inbox and the one writer: take the next event, commit its turn, then let it out.

Between deciding and writing there is no await: nothing can come between. Effects begin only after
their turn is on disk; the latch is put on disk right there, before any other effect begins.
"""

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from atlas_daemon.core import events as e
from atlas_daemon.core.effects import Effect, RemoveLatch, SubmitOrder, WriteLatch
from atlas_daemon.core.engine import Turn, take_turn
from atlas_daemon.core.errors import AtlasError, BugError
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.journal import Journal, JournalFullError
from atlas_daemon.ports import ClockPort, LatchPort, MeterPort

INBOX_MAX = 10_000
"""More than this waiting is our bug: whoever can bring so much waits for room."""
CROWD = 1_000
"""From so many waiting events on the stream reads no further."""
RETRY_S = 1.0
"""A start that the disk does not take is tried again after so long."""

HELD_MAX = 10_000
"""Turns of a stop that are held in memory while the disk takes none."""

NEWS_AT_ONCE = 32
"""Turns of waiting news that one commit may hold: a few milliseconds of a busy stream."""
NEWS = (e.OrderFilled, e.OrderReported)

CRASH_TEXT_MAX = 400

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
        entries: Iterable[e.Entry] | None = None,
    ) -> None:
        """`entries` is the whole journal, where somebody else reads it too as it goes by."""
        self._journal, self._latch, self._clock = journal, latch, clock
        self._run_effect = run_effect
        self._inbox: deque[e.Event] = deque()
        self._heard = asyncio.Event()
        self._drained = asyncio.Event()
        self._watchers: list[Watcher] = []
        self._logger = logging.getLogger("Bus")
        self.policy = policy
        told = journal.read() if entries is None else entries
        self.state = fold(told, State(now=clock.now()))
        self.is_stop_heard = False
        """A stop was heard and is perhaps not yet taken: the fence is closed by it already."""
        self._stop_heard: e.StopRequested | None = None
        self.fault = ""
        """Why the journal did not take the last turn; empty while it does."""
        self._held: list[Committed] = []
        """A stop that holds in memory, and what followed it: written with the next that can be."""
        self.turns = 0
        self.meter: MeterPort | None = None
        """Who is told how long turns and commits take."""
        self.is_start_unwritten = False
        """The disk does not take the start: everything but a stop waits until it does."""

    def hear(self, event: e.Event) -> None:
        """Put an event in the inbox; a stop goes to the front and closes the fence at once.

        Only a resume that was heard before it comes before it: taken after it, it would undo it.
        """
        if isinstance(event, e.StopRequested):
            self.is_stop_heard, self._stop_heard = True, event
            resumes = [waits for waits in self._inbox if isinstance(waits, e.ResumeRequested)]
            rest = [waits for waits in self._inbox if not isinstance(waits, e.ResumeRequested)]
            self._inbox = deque((*resumes, event, *rest))
        elif self.is_start_unwritten and isinstance(event, e.Ticked | e.JobFired):
            return  # nothing is done by time before the start
        elif len(self._inbox) >= INBOX_MAX:
            raise BugError(f"over {INBOX_MAX} events are waiting")
        else:
            self._inbox.append(event)
        self._heard.set()
        self._drained.clear()

    def swap(self, policy: Policy, event: e.PolicyChanged) -> bool:
        """Decide by `policy` from the turn of `event` on; False where that could not be written.

        It is no event of the inbox: between its place in there and its turn a run might begin.
        """
        before, turns = self.policy, self.turns
        if self.is_start_unwritten or not turns:
            return False  # the start's own entry comes first
        self.policy = policy
        self.take(event)
        if self.turns == turns:
            self.policy = before
            return False
        return True

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every committed turn, in order. It may tell, and never ask."""
        self._watchers.append(watcher)

    @property
    def depth(self) -> int:
        """How many events wait."""
        return len(self._inbox)

    @property
    def is_idle(self) -> bool:
        """True while nothing waits."""
        return not self._inbox

    async def room(self) -> None:
        """Wait while many events wait: a burst of frames is read no faster than it is taken."""
        if len(self._inbox) >= CROWD:
            await self.drained()

    async def drained(self) -> None:
        """Wait until the inbox is empty."""
        await self._drained.wait()

    async def run(self) -> None:
        """Take turns until cancelled. An exception in a turn is our bug and ends it."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            while self._inbox:
                if isinstance(self._inbox[0], NEWS):
                    await asyncio.sleep(0)  # what the sockets hold by now shares its commit
                self._take_timed()
                # A long inbox must not starve the sockets.
                await asyncio.sleep(RETRY_S if self.is_start_unwritten else 0)
            self._drained.set()

    def _take_timed(self) -> None:
        meter = self.meter
        if meter is None:
            self._take_next()
            return
        began_s = meter.time()
        self._take_next()
        meter.turn(meter.time() - began_s)

    def _take_next(self) -> None:
        """Take the next event; the broker's news that waits behind it is committed with it.

        As long as none of their turns asks anything of the world: what does ends the batch, so no
        effect waits for a turn after its own. A disk that does not take them sees them one by one.
        """
        batch: list[Committed] = []
        is_plain = not self._held and not self.fault and self.state.halt is None
        is_plain = is_plain and len(self._inbox) > 1 and isinstance(self._inbox[1], NEWS)
        while is_plain and len(batch) < NEWS_AT_ONCE and self._inbox:
            if not isinstance(self._inbox[0], NEWS):
                break
            before = batch[-1].turn.state if batch else self.state
            batch.append(self._decide(self._inbox.popleft(), before))
            if batch[-1].turn.effects or batch[-1].turn.state.halt is not None:
                break
        if not batch:
            self.take(self._inbox.popleft())
            return
        if len(batch) == 1:
            self._settle(batch[0])
            return
        entries = tuple(entry for committed in batch for entry in committed.turn.entries)
        if entries and not self._write(entries):
            self._inbox.extendleft(committed.event for committed in reversed(batch))
            self.take(self._inbox.popleft())
            return
        self.state = batch[-1].turn.state
        self.turns += len(batch)
        for committed in batch:
            self._let_out(committed.turn.effects)
            self._tell(committed)

    def take(self, event: e.Event) -> None:
        """Take one turn: decide, commit, let out, tell."""
        self._settle(self._decide(event, self.state))

    def _decide(self, event: e.Event, state: State) -> Committed:
        """Return the turn of an event on top of `state`; nothing has happened yet."""
        return Committed(take_turn(state, event, self._clock.now(), self.policy), state, event)

    def _settle(self, committed: Committed) -> None:
        """Commit a turn that was decided on the present state, let it out and tell of it."""
        event, turn, is_held = committed.event, committed.turn, False
        if turn.entries and not self._write(turn.entries):
            if not self._may_be_held(committed):
                if isinstance(event, e.DaemonStarted):
                    self.is_start_unwritten = True
                    self._inbox.appendleft(event)
                return
            self._held.append(committed)
            is_held = True
        elif not turn.entries and isinstance(event, e.Ticked) and (self._held or self.fault):
            self.commit()
        self.state = turn.state
        self.turns += 1
        if isinstance(event, e.DaemonStarted):
            self.is_start_unwritten = False
        if isinstance(event, e.StopRequested) or self.state.halt is not None:
            self.is_stop_heard = False  # from here on the state itself says it
        self._let_out(turn.effects)
        if is_held:
            self._say_not_durable()
        else:
            self._tell(committed)

    def commit(self) -> str:
        """Commit what is held in memory, or nothing new; return why the disk took it not.

        Nothing else may be waiting to try where it took nothing before.
        """
        if self._held:
            self._write(())
            return self.fault
        try:
            self._journal.probe()
        except JournalFullError as error:
            if not self.fault:
                self._logger.critical("The journal cannot be written: %s", error)
            self.fault = str(error)
        else:
            self.fault = ""
        return self.fault

    def latch_stop(self) -> None:
        """Put the latch on, as the process ends, for a stop that was heard and never taken."""
        stop = self._stop_heard
        if self.is_stop_heard and stop is not None:
            detail = self._latch.write(stop.by, stop.reason, self._clock.now())
            if detail:
                self._logger.critical("The stop by %s cannot be latched: %s", stop.by, detail)

    def write_crash(self, detail: str) -> None:
        """Write down, as the process dies, that an exception of our own ended it.

        Straight to the journal: what holds in memory is lost with the process. Best effort.
        """
        try:
            seq, _ = self._journal.head()
            entry = e.Entry(seq + 1, self._clock.now(), None, e.DaemonCrashed(detail))
            self._journal.append((entry,))
        except AtlasError as error:
            self._logger.critical("The end cannot be written down: %s", error)

    def _write(self, entries: tuple[e.Entry, ...]) -> bool:
        """Commit what is held in memory, and then these; False where the disk takes nothing."""
        held = tuple(entry for committed in self._held for entry in committed.turn.entries)
        meter = self.meter
        began_s = 0.0 if meter is None else meter.time()
        try:
            self._journal.append((*held, *entries))
        except JournalFullError as error:
            if not self.fault:
                self._logger.critical("The journal cannot be written: %s", error)
            self.fault = str(error)
            return False
        if meter is not None:
            meter.commit(meter.time() - began_s)
        self.fault = ""
        told, self._held = self._held, []
        for committed in told:
            self._tell(committed)
        if told:
            self.hear(e.LatchWritten("journal"))
        return True

    def _may_be_held(self, committed: Committed) -> bool:
        """What cannot be written does not happen; but a stop does, in memory, and what follows it.

        No order leaves unwritten. A fill that is lost here is found again by the next look at it.
        """
        turn = committed.turn
        if turn.state.halt is None or any(isinstance(x, SubmitOrder) for x in turn.effects):
            return False
        return isinstance(committed.event, e.StopRequested) or len(self._held) < HELD_MAX

    def _say_not_durable(self) -> None:
        halt = self.state.halt
        held = (entry.event for committed in self._held for entry in committed.turn.entries)
        is_halt_held = any(isinstance(event, e.TradingHalted) for event in held)
        if halt is not None and is_halt_held and "journal" not in halt.missing:
            self.hear(e.LatchFailed(self.fault, "journal"))

    def _tell(self, committed: Committed) -> None:
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
                    self.hear(e.LatchFailed(detail, "removal"))
            else:
                rest.append(effect)
        for effect in rest:
            self._run_effect(effect)


def bug_in(error: BaseException) -> str | None:
    """Return in one line the exception of our own that an end was caused by, and where it rose.

    None where it was caused by anything else: a cancel, or what is raised on purpose.
    """
    if isinstance(error, BaseExceptionGroup):
        return next((text for each in error.exceptions if (text := bug_in(each))), None)
    is_meant = isinstance(error, AtlasError) and not isinstance(error, BugError)
    if is_meant or not isinstance(error, Exception):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:CRASH_TEXT_MAX] + where


def fold(entries: Iterable[e.Entry], state: State) -> State:
    """Return the state after all `entries`: recovery."""
    for entry in entries:
        state = evolve(state, entry)
    return state
