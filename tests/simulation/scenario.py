"""One seed's whole story: the lives of a daemon, the world around them, and what was breached."""

import asyncio
import contextlib
import hashlib
import logging
import random
import shutil
import signal
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from atlas_daemon.app import Daemon, World
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.state import Phase, State
from atlas_daemon.core.values import Mode, Regime
from atlas_daemon.journal import Journal, JournalFullError
from atlas_daemon.journal.codec import encode
from tests.core.invariants import lasting, recovered
from tests.core.telling import tell
from tests.simulation.broker import Broker
from tests.simulation.disk import Acts, Disk, KilledError, Process
from tests.simulation.faults import NAMES, Faults
from tests.simulation.loop import DeadlockError, LivelockError, Timeline, VirtualLoop
from tests.simulation.network import Network, Session
from tests.simulation.scene import (
    CREDENTIALS,
    DUE,
    EPOCH,
    SIGNAL_DAY,
    Brain,
    Clock,
    scene_of,
    settings_of,
)
from tests.simulation.watch import Watch

PATIENCE_S = 3600.0
"""Once faults end the daemon has an hour of the world's time to come to rest."""
LIVES_MAX = 60
SHM = Path("/dev/shm")


@dataclass
class Result:
    """What became of a seed."""

    seed: int
    breaches: list[str]
    fired: Counter[str]
    present: list[str]
    outcome: str
    orders: int
    lives: int
    acts: int
    digest: str
    ended_s: float
    story: list[str] = field(default_factory=list)


class Scenario:
    """One seed. `kill_at` are numbers of acts at which the process is killed."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        *,
        without: Collection[str] = (),
        is_calm: bool = False,
        kill_at: Collection[int] = (),
    ) -> None:
        self.seed, self.folder = seed, folder
        draw = random.Random(f"scenario/{seed}")
        self.timeline = Timeline(EPOCH)
        ends_s = 0.0 if is_calm else draw.choice((120.0, 240.0, 240.0, 600.0))
        self.goes_on = draw.random() < 0.3
        """Whether the faults go on after the run has come to rest, until their time is over."""
        self.faults = Faults(seed, ends_s, without, is_calm)
        self.scene = scene_of(seed)
        self.settings = settings_of(self.scene, folder)
        self.broker = Broker(
            self.timeline,
            self.faults,
            random.Random(f"broker/{seed}"),
            self.scene.cash,
            dict(self.scene.held),
            dict(self.scene.prices),
        )
        self.network = Network(
            self.timeline, self.faults, self.broker, random.Random(f"network/{seed}")
        )
        self.disk, self.acts = Disk(self.faults.fired), Acts()
        self.acts.kill_at.update(kill_at)
        self.acts.on_kill = self._killed
        self.watch = Watch(self.broker, self.disk, self.faults)
        self.network.on_post = self.watch.on_post
        self.broker.on_accept = self.watch.on_accept
        self.broker.note = self._broker_notes
        self.clock = Clock(self.timeline, asyncio.sleep)
        self.brain = Brain(self.scene, self.timeline, self.faults, asyncio.sleep)
        self.chance = random.Random(f"operator/{seed}")
        self.jitter = random.Random(f"jitter/{seed}")
        self.notes: list[tuple[float, tuple[str, ...]]] = []
        self.daemon: Daemon | None = None
        self.process: Process | None = None
        self.lives = 0
        self.is_over = self.has_lost_power = False
        self.stays_halted = False
        self.outcome = "unfinished"
        self._schedule()

    # The world's own events.

    def note(self, *words: str) -> None:
        self.notes.append((self.timeline.now_s, words))

    def _broker_notes(self, *words: str) -> None:
        self.note(*words)
        self.watch.on_fill()

    def _schedule(self) -> None:
        last_s = self.faults.ends_s if self.goes_on else 0.0
        for name in ("price_jump", "crash_regime", "stop", "clock_step", "foreign_order", "kill",
                     "power_cut", "disk_full", "terminate"):  # fmt: skip
            for at_s in self.faults.moments(name):
                self.timeline.after(at_s, getattr(self, f"_{name}"))
                last_s = max(last_s, at_s)
        self.timeline.after(last_s, self._look)

    def _fire(self, name: str, *words: str) -> None:
        self.faults.fired[name] += 1
        self.note("world", name, *words)

    def _price_jump(self) -> None:
        draw = self.faults.source("price_jump")
        symbol = draw.choice(sorted(self.broker.prices))
        price = round(self.broker.prices[symbol] * draw.randint(70, 140) / 100, 2)
        self.broker.prices[symbol] = price
        self._fire("price_jump", symbol, f"{price}")

    def _crash_regime(self) -> None:
        if (daemon := self._living()) is not None:
            self._fire("crash_regime")
            self.brain.regime = Regime.CRASH
            daemon.hear(e.RegimeReported(Regime.CRASH, SIGNAL_DAY, "operator"))

    def _stop(self) -> None:
        if self.process is None or not self.process.loop.deliver(signal.SIGUSR1):
            return
        self._fire("stop")
        draw = self.faults.source("stop")
        self.stays_halted = draw.random() < 0.2
        if not self.stays_halted:
            self.timeline.after(draw.uniform(1, 200), self._resume)

    def _resume(self) -> None:
        daemon = self._living()
        if daemon is None:
            self.timeline.after(30, self._resume)
        elif daemon.state.halt is not None:
            self.note("world", "resumes")
            daemon.hear(e.ResumeRequested("operator"))
            self.timeline.after(30, self._resume)  # a full disk does not take it: again

    def _clock_step(self) -> None:
        draw = self.faults.source("clock_step")
        self.clock.offset += draw.randint(-45, 45)
        self._fire("clock_step", f"{self.clock.offset:+d} s")
        self.timeline.after(draw.uniform(20, 150), self._clock_right)

    def _clock_right(self) -> None:
        self.clock.offset = 0
        self.note("world", "clock set right")

    def _foreign_order(self) -> None:
        draw = self.faults.source("foreign_order")
        symbol = draw.choice(sorted(self.broker.prices))
        name = f"by-hand-{len(self.broker.orders)}"
        self._fire("foreign_order", symbol)
        self.broker.rest(symbol, "buy", self.scene.prices[symbol] * 0 + 1, name)
        order = self.broker.orders[name]
        self.timeline.after(draw.uniform(30, 400), lambda: self.broker._end(order, "canceled"))

    def _kill(self) -> None:
        if self._living() is not None:
            ahead = self.faults.source("kill").randint(1, 40)
            self.acts.kill_at.add(self.acts.count + ahead)

    def _power_cut(self) -> None:
        if self.process is not None and not self.process.is_dead:
            self.faults.fired["power_cut"] += 1
            self.process.kill("power cut")
            self.has_lost_power = True

    def _killed(self, act: str) -> None:
        if act != "power cut":
            self.faults.fired["kill"] += 1
        self.note("world", "kill -9", act)
        self.network.killed()

    def _disk_full(self) -> None:
        draw = self.faults.source("disk_full")
        self.disk.is_full = True
        self.note("world", "disk full")
        self.timeline.after(draw.uniform(5, 90), self._disk_free)

    def _disk_free(self) -> None:
        self.disk.is_full = False
        self.note("world", "disk free")

    def _terminate(self) -> None:
        if self.process is not None and self.process.loop.deliver(signal.SIGTERM):
            self._fire("terminate")

    def _living(self) -> Daemon | None:
        if self.process is None or self.process.is_dead:
            return None
        return self.daemon

    # Rest.

    def _look(self) -> None:
        """Ask every few seconds whether all has come to rest, and end the story."""
        if self.is_over:
            return
        if (daemon := self._living()) is not None and (how := self._at_rest(daemon.state)):
            self.outcome = how
            self._compare(daemon.state)
            self.is_over = True
            self.note("world", "ends the story", how)
            self.process.loop.deliver(signal.SIGTERM)  # type: ignore[union-attr]
            return
        if self.timeline.now_s > self.faults.ends_s + PATIENCE_S:
            self.is_over = True
            state = daemon.state if daemon is not None else None
            self.watch.breach(f"no rest within {PATIENCE_S:.0f} s: {_where(state)}")
            if self.process is not None:
                self.process.kill("patience ended")
            return
        self.timeline.after(5.0, self._look)

    def _at_rest(self, state: State) -> str:
        if self.disk.is_full or (self.daemon is not None and self.daemon.fault):
            return ""  # what holds in memory is written first
        if any(state.open_orders()) or any(o.is_open for o in self.broker.orders.values()):
            return ""
        figures = state.figures
        snapshot, changed_at = figures.snapshot, state.book.changed_at
        if snapshot is None or (changed_at is not None and snapshot.asked_at < changed_at):
            return ""
        if state.halt is not None:
            return "halted" if state.halt.is_complete and self.stays_halted else ""
        if state.born_at is not None and state.born_at > DUE and state.mode is Mode.TRADING:
            return "born after the slot"  # neither due nor missed
        if state.mode is not Mode.TRADING or state.last_run is None or figures.matched_at is None:
            return ""
        if state.run is not None and state.run.phase is not Phase.PARKED:
            return ""
        if state.last_run.outcome == "aborted" and not state.last_run.is_final:
            return ""  # goes on after the resume
        if state.last_run.reason == "CRASH" and state.book.positions:
            return ""  # a run to cash follows
        return f"{state.last_run.outcome}{'' if state.last_run.is_final else ', parked'}"

    def _compare(self, state: State) -> None:
        """At rest the journal's fold is the broker's truth."""
        ours = {s: q for s, q in state.book.positions.items() if q}
        if ours != self.broker.held:
            off = {
                s: (ours.get(s), self.broker.held.get(s))
                for s in sorted({*ours, *self.broker.held})
                if ours.get(s) != self.broker.held.get(s)
            }
            self.watch.breach(f"positions differ (ours, the broker's): {off}")
        if state.frozen:
            self.watch.breach(f"frozen without a reason: {dict(state.frozen)}")
        assert self.daemon is not None
        told = lasting(recovered(self.daemon.entries(), State(now=EPOCH)))
        lived = lasting(state)
        for name in State.__dataclass_fields__:
            if getattr(told, name) != getattr(lived, name):
                self.watch.breach(f"the journal's fold has another {name}")
        if abs(state.book.cash - self.broker.cash) > 1:
            self.watch.breach(f"cash differs: {state.book.cash} and {self.broker.cash}")

    # Lives.

    def run(self) -> Result:
        """Live until the story is over."""
        logging.disable(logging.DEBUG)  # the wire's bodies, which nobody reads here
        try:
            while not self.is_over or self._living() is not None:
                if self.lives >= LIVES_MAX:
                    self.watch.breach(f"over {LIVES_MAX} lives")
                    break
                self._live()
                if not self.is_over:
                    pauses = (2.0,) if self.faults.is_calm else (0.2, 2.0, 5.0, 5.0, 40.0, 120.0)
                    pause_s = self.chance.choice(pauses)
                    self.timeline.run_to(self.timeline.now_s + pause_s)
        except (DeadlockError, LivelockError) as error:
            self.watch.breach(f"{type(error).__name__}: {error}")
        finally:
            logging.disable(logging.NOTSET)
        entries = self._journal()
        return Result(
            self.seed, self.watch.breaches, self.faults.fired, self.faults.present(), self.outcome,
            len(list(self.broker.ours())), self.lives, self.acts.count, self._digest(entries),
            self.timeline.now_s, self._story(entries) if self.watch.breaches else [],
        )  # fmt: skip

    def _live(self) -> None:
        """One life of the daemon, from open to its end or its death."""
        self.lives += 1
        loop = VirtualLoop(self.timeline)
        process = self.process = Process(loop, self.acts)
        asyncio.set_event_loop(loop)
        world = World(
            clock=self.clock,
            open_session=lambda: Session(self.network, process),  # type: ignore[arg-type,return-value]
            jitter=self.jitter.random,
            connect=self.disk.connect(process),
            brain=self.brain,
            has_doors=False,
            environ={},
            console=False,
        )
        self.note("world", "starts the daemon")
        main = loop.create_task(self._main(world), name="main")
        try:
            loop.run_until_complete(main)
        except (DeadlockError, LivelockError):
            raise
        except BaseException:
            if not loop.is_dead and not main.done():
                raise
        finally:
            if not loop.is_dead and main.done() and not main.cancelled():
                self._ended(main.exception())
            for complaint in loop.complaints:
                self.watch.breach(f"the loop complains: {complaint}")
            loop.bury()
            if self.has_lost_power:
                self.has_lost_power = False
                self.disk.cut_power(self.settings.journal_path, self.faults.source("power_cut"))
            asyncio.set_event_loop(None)

    async def _main(self, world: World) -> None:
        daemon = self.daemon = self.watch.daemon = Daemon(self.settings, CREDENTIALS, world)
        try:
            await daemon.open()
        except BaseException:
            await daemon.close()
            raise
        for entry in daemon.entries():  # a kill right after a commit hid its turn from us
            self.watch.learn(entry.event)
        daemon._bus.watch(self.watch.on_turn)
        await daemon.run()

    def _ended(self, error: BaseException | None) -> None:
        if error is None:
            self.note("daemon", "ends in good order")
        elif isinstance(error, JournalFullError) and self.disk.is_full:
            self.note("daemon", "does not start", str(error))
        elif not isinstance(error, KilledError):
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            self.watch.breach(f"the daemon died: {type(error).__name__}: {error} ({where})")

    # What is left behind.

    def _journal(self) -> list[e.Entry]:
        """Read the journal back: the chain holds, nothing is missing, nothing is there twice."""
        if not self.settings.journal_path.exists():
            return []
        try:
            with Journal.open_readonly(self.settings.journal_path) as journal:
                verdict = journal.verify()
                entries = list(journal.read())
        except AtlasError as error:
            self.watch.breach(f"journal: {error}")
            return []
        if not verdict.is_intact:
            self.watch.breach(f"journal: {verdict.fault}")
        booked: defaultdict[str, Decimal] = defaultdict(Decimal)
        for entry in entries:
            if isinstance(entry.event, e.FillBooked):
                booked[entry.event.order_id] += entry.event.qty
        for order in self.broker.ours():
            if order.client_order_id not in self.disk.intents:
                self.watch.breach(
                    f"{order.client_order_id} is at the broker and not in the journal"
                )
            if booked[order.client_order_id] != order.filled_qty:
                had = booked[order.client_order_id]
                self.watch.breach(
                    f"{order.client_order_id}: {had} booked, {order.filled_qty} filled"
                )
        return entries

    def _digest(self, entries: list[e.Entry]) -> str:
        """Hash journal, broker's log and acts; where the files lay is left out."""
        lines = [repr(self.notes), repr(self.acts.names)]
        lines += [f"{x.seq} {x.at} {x.cause} {encode(x.event)}" for x in entries]
        return hashlib.sha256("\n".join(lines).replace(str(self.folder), "").encode()).hexdigest()

    def _story(self, entries: list[e.Entry]) -> list[str]:
        """Both sides of the story in the order of time."""
        lines = [(at_s, 0, f"        {' '.join(words)}") for at_s, words in self.notes]
        for entry in entries:
            at_s = (entry.at - EPOCH).total_seconds()
            lines.append(
                (at_s, entry.seq, f"{entry.seq:5d}<-{entry.cause or ''} {tell(entry.event)}")
            )
        lines.sort(key=lambda line: line[:2])
        return [f"{at_s:9.3f} {text}" for at_s, _, text in lines]


def _where(state: State | None) -> str:
    if state is None:
        return "no daemon lives"
    run = f"{state.run.run_id} {state.run.phase} r{state.run.round}" if state.run else "no run"
    last = f"last {state.last_run.outcome}" if state.last_run else "none finished"
    rests = ", ".join(f"{o.draft.order_id} {o.status}" for o in state.open_orders())
    halt = f", halt complete {state.halt.is_complete}" if state.halt else ""
    return f"{state.mode} ({state.mode_reason}), {run}, {last}{halt}; open: {rests or 'none'}"


@contextlib.contextmanager
def a_folder() -> Iterator[Path]:
    """A folder for one scenario's files, in memory where the machine has such a place."""
    folder = Path(tempfile.mkdtemp(prefix="atlas-sim-", dir=SHM if SHM.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_seed(
    seed: int,
    *,
    without: Collection[str] = (),
    is_calm: bool = False,
    kill_at: Collection[int] = (),
) -> Result:
    """Run one seed from its beginning to its end."""
    with a_folder() as folder:
        return Scenario(seed, folder, without=without, is_calm=is_calm, kill_at=kill_at).run()


__all__ = ["NAMES", "Result", "Scenario", "run_seed"]
