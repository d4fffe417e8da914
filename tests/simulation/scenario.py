"""One seed's whole story: the lives of a daemon, the world around them, and what was breached."""

import asyncio
import contextlib
import logging
import random
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from atlas_daemon.app import Daemon, World
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Mode
from atlas_daemon.journal import JournalFullError
from tests.simulation.broker import Broker
from tests.simulation.disk import Acts, Disk, KilledError, Process
from tests.simulation.faults import NAMES
from tests.simulation.happenings import Happenings
from tests.simulation.loop import DeadlockError, LivelockError, Timeline
from tests.simulation.nights import Nights
from tests.simulation.rest import (
    differences,
    is_quiet,
    miscounts,
    reached,
    read_back,
    rest_of,
    where,
)
from tests.simulation.scene import (
    CREDENTIALS,
    DUE,
    Brain,
    Clock,
    course_of,
    scene_of,
    settings_of,
)
from tests.simulation.story import digest_of, story_of
from tests.simulation.tiers import NETWORKS
from tests.simulation.watch import Watch

PATIENCE_S = 3600.0
"""Once faults end the daemon has an hour of the world's time to come to rest."""
LOOKS_EVERY_S = 5.0
LIVES_MAX = 60
IDLE_TICK_S = 3.0
NIGHT_TICK_S = 20.0
LONG_TICK_S = 300.0
"""How slowly the metronome beats where nothing is under way: by day, by night, far from faults."""
DAYS_OFF_S = 5 * 3600.0
"""How long a machine may be down in such a story."""
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
    reached: Counter[str] = field(default_factory=Counter)
    without: tuple[str, ...] = ()
    is_calm: bool = False
    kill_at: tuple[int, ...] = ()
    tier: str = "A"


class PacedWorld(World):
    """A world whose metronome beats at `pace()`: slowly where nobody waits for it."""

    __slots__ = ("pace",)

    @property
    def tick_s(self) -> float:
        return self.pace()

    @tick_s.setter
    def tick_s(self, value: float) -> None:
        """Take the default that the constructor gives; it is not used."""


class Scenario:
    """One seed. `kill_at` are numbers of acts at which the process is killed; see `tiers`."""

    credentials = CREDENTIALS

    def __init__(
        self,
        seed: int,
        folder: Path,
        *,
        without: Collection[str] = (),
        is_calm: bool = False,
        kill_at: Collection[int] = (),
        tier: str = "A",
    ) -> None:
        self.seed, self.folder = seed, folder
        self.asked = tuple(sorted(without)), is_calm, tuple(sorted(kill_at)), tier
        draw = random.Random(f"scenario/{seed}")
        ends_s = 0.0 if is_calm else draw.choice((120.0, 180.0, 240.0, 400.0))
        goes_on = draw.random() < 0.3
        """Whether the faults go on after the run has come to rest, until their time is over."""
        self.faults = NETWORKS[tier].faults_of(seed, ends_s, without, is_calm)
        self.course = course_of(seed, self.faults.nights())
        if self.course.is_long:
            self.faults.only_within(self.course.spans)
        self.timeline = Timeline(self.course.epoch)
        self.scene = scene_of(seed)
        manners = {"reconcile.idle_every_s": 1800} if self.course.is_long else {}
        self.settings = settings_of(self.scene, folder, **manners, **self.manners())
        self.broker = Broker(
            self.timeline,
            self.faults,
            random.Random(f"broker/{seed}"),
            self.scene.cash,
            dict(self.scene.held),
            dict(self.scene.prices),
        )
        self.network = NETWORKS[tier](
            self.timeline, self.faults, self.broker, random.Random(f"network/{seed}")
        )
        self.disk, self.acts = Disk(self.faults.fired), Acts()
        self.acts.kill_at.update(kill_at)
        self.acts.on_kill = self._killed
        self.watch = Watch(self.broker, self.disk)
        self.network.on_post = self.watch.on_post
        self.network.on_cancel_all = self.watch.on_cancel_all
        self.broker.on_accept = self.watch.on_accept
        self.broker.on_refuse = self.watch.on_refuse
        self.broker.on_fill = self.watch.on_fill
        self.broker.note = self.note
        self.clock = Clock(self.timeline, asyncio.sleep)
        self.nights = Nights(self.broker, random.Random(f"nights/{seed}"))
        self.closes = dict(self.scene.prices)
        self.brain = Brain(
            self.scene, self.timeline, self.faults, asyncio.sleep, self.closes, self.nights.renamed
        )
        self.chance = random.Random(f"operator/{seed}")
        self.jitter = random.Random(f"jitter/{seed}")
        self.notes: list[tuple[float, tuple[str, ...]]] = []
        self.lives = 0
        self.is_over = False
        self.outcome = "unfinished"
        self.world = Happenings(
            timeline=self.timeline, faults=self.faults, course=self.course, broker=self.broker,
            disk=self.disk, acts=self.acts, watch=self.watch, clock=self.clock, brain=self.brain,
            nights=self.nights, note=self.note,
        )  # fmt: skip
        last_s = self.world.schedule()
        for close_s in self.course.closes:
            self.timeline.after(close_s, self._at_close)
        if goes_on or self.course.is_long:
            last_s = max(last_s, self.faults.ends_s)
        self.timeline.after(last_s, self._look)

    def manners(self) -> dict[str, object]:
        """Return settings that this kind of story has besides."""
        return {}

    def note(self, *words: str) -> None:
        self.notes.append((self.timeline.now_s, words))

    def _killed(self, act: str) -> None:
        if act != "power cut":
            self.faults.fired["kill"] += 1
        self.note("world", "kill -9", act)
        self.network.killed()

    # Rest.

    def _look(self) -> None:
        """Ask every few seconds whether all has come to rest, and end the story."""
        if self.is_over:
            return
        daemon, now_s = self.world.living(), self.timeline.now_s
        if daemon is not None and self._may_end():
            how = rest_of(daemon, self.broker, stays_halted=self.world.stays_halted)
            if how:
                self.outcome = how
                self._compare(daemon)
                self.is_over = True
                self.note("world", "ends the story", how)
                assert self.world.process is not None
                self.world.process.loop.deliver(signal.SIGTERM)
                return
        if now_s > max(self.faults.ends_s, self.nights.late_until_s) + PATIENCE_S:
            self.is_over = True
            state = daemon.state if daemon is not None else None
            self.watch.breach(f"no rest within {PATIENCE_S:.0f} s: {where(state)}")
            if self.world.process is not None:
                self.world.process.kill("patience ended")
            return
        self.timeline.after(LOOKS_EVERY_S, self._look)

    def _may_end(self) -> bool:
        is_told = self.timeline.now_s >= self.nights.late_until_s
        is_told = is_told and all(at <= self.broker.now for at, _ in self.broker.activities)
        return is_told and not self.disk.is_full and not self.world.waits_for_operator

    def _at_close(self) -> None:
        """Take the day's closing prices; compare, where the day ended at rest."""
        self.closes.update(self.broker.prices)
        daemon = self.world.living()
        if daemon is not None and not daemon.fault and is_quiet(daemon.state, self.broker):
            is_settled = daemon.state.figures.matched_at is not None and not daemon.state.frozen
            if is_settled and daemon.state.cash_dispute is None and not self.world.adopts:
                self._compare(daemon)

    def _compare(self, daemon: Daemon) -> None:
        for text in differences(daemon, self.broker, self.course.epoch):
            self.watch.breach(text)

    # Lives.

    def run(self) -> Result:
        """Live until the story is over."""
        logging.disable(logging.DEBUG)  # the wire's bodies, which nobody reads here
        try:
            while not self.is_over or self.world.living() is not None:
                if self.lives >= LIVES_MAX:
                    self.watch.breach(f"over {LIVES_MAX} lives")
                    break
                self._live()
                if not self.is_over:
                    self.timeline.run_to(self.timeline.now_s + self._pause_s())
        except (DeadlockError, LivelockError) as error:
            self.watch.breach(f"{type(error).__name__}: {error}")
        finally:
            logging.disable(logging.NOTSET)
        entries = []
        if self.settings.journal_path.exists():
            entries = read_back(self.settings.journal_path, self.watch.breach)
            for text in miscounts(entries, self.broker, self.disk):
                self.watch.breach(text)
        story = story_of(self.notes, entries, self.course.epoch) if self.watch.breaches else []
        digest = digest_of(self.notes, self.acts.names, entries, self.folder)
        return Result(
            self.seed, self.watch.breaches, self.faults.fired, self.faults.present(), self.outcome,
            len(list(self.broker.ours())), self.lives, self.acts.count, digest,
            self.timeline.now_s, story, reached(entries), *self.asked,
        )  # fmt: skip

    def _pause_s(self) -> float:
        """How long nobody starts the daemon again."""
        if self.faults.is_calm:
            return 2.0
        pauses = (0.2, 2.0, 5.0, 5.0, 40.0, 120.0)
        is_early = self.timeline.now_s + DAYS_OFF_S < self.faults.ends_s
        return self.chance.choice((*pauses, DAYS_OFF_S) if is_early else pauses)

    def _live(self) -> None:
        """One life of the daemon, from open to its end or its death."""
        self.lives += 1
        loop = self.network.new_loop()
        process = self.world.process = Process(loop, self.acts)
        asyncio.set_event_loop(loop)
        self.note("world", "starts the daemon")
        main = loop.create_task(self._main(self._machine(process)), name="main")
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
            if self.world.has_lost_power:
                self.world.has_lost_power = False
                self.disk.cut_power(self.settings.journal_path, self.faults.source("power_cut"))
            asyncio.set_event_loop(None)

    def _machine(self, process: Process) -> World:
        world = PacedWorld(
            clock=self.clock,
            open_session=self.network.sessions(process),
            jitter=self.jitter.random,
            connect=self.disk.connect(process),
            brain=self.brain,
            has_doors=False,
            environ={"WATCHDOG_USEC": "900000000"} if self.course.is_long else {},
            console=False,
        )
        object.__setattr__(world, "pace", self._pace)
        return world

    def _pace(self) -> float:
        """The metronome's pace: a second where anything is under way, slower where nothing is."""
        now_s, daemon = self.timeline.now_s, self.world.living()
        is_on = self.faults.is_on(now_s)
        is_open = not self.course.is_long or NYSE.session_at(self.timeline.moment()) is not None
        if daemon is None or (is_open and (self._is_busy(daemon) or self._awaits_slot(daemon))):
            return 1.0
        if is_on:
            return IDLE_TICK_S if is_open else NIGHT_TICK_S
        if now_s > self.faults.ends_s or self._is_busy(daemon):
            return NIGHT_TICK_S
        return max(1.0, min(self.course.next_edge(now_s) - now_s, LONG_TICK_S))

    def _awaits_slot(self, daemon: Daemon) -> bool:
        state, ahead = daemon.state, self.timeline.moment() - DUE
        is_near = -timedelta(minutes=5) < ahead < timedelta(hours=1)
        return is_near and state.last_run is None and state.mode is Mode.TRADING

    def _is_busy(self, daemon: Daemon) -> bool:
        state = daemon.state
        return (
            state.mode is not Mode.TRADING
            or (state.run is not None and state.run.phase is not Phase.PARKED)
            or any(state.open_orders())
            or state.figures.drift_at is not None
        ) and not (state.halt is not None and state.halt.is_complete)

    async def _main(self, world: World) -> None:
        daemon = self.world.daemon = self.watch.daemon = Daemon(
            self.settings, self.credentials, world
        )
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
            at = f"{Path(last.filename).name}:{last.lineno}"
            self.watch.breach(f"the daemon died: {type(error).__name__}: {error} ({at})")


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
    tier: str = "A",
) -> Result:
    """Run one seed from its beginning to its end."""
    with a_folder() as folder:
        return Scenario(
            seed, folder, without=without, is_calm=is_calm, kill_at=kill_at, tier=tier
        ).run()


__all__ = ["NAMES", "Result", "Scenario", "run_seed"]
