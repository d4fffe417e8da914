"""A year in which nothing happens: the daemon that is left alone does not grow.

The unmodified daemon on virtual time, with the simulation's broker; the metronome beats slowly.
"""

import asyncio
import functools
import gc
import logging
import random
import sys
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from atlas_daemon.app import Daemon, World
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import Mode
from tests.simulation.broker import Broker
from tests.simulation.disk import Acts, Process
from tests.simulation.loop import Timeline
from tests.simulation.scenario import a_folder
from tests.simulation.scene import CREDENTIALS, Brain, Clock, scene_of, settings_of
from tests.simulation.tiers import NETWORKS

EPOCH = datetime(2024, 2, 12, 15, 0, tzinfo=UTC)
QUIET = {"reconcile.idle_every_s": 86_400, "rebalance.anchors": ["02-01"]}
"""The only slot of the year was just before."""
TICK_S = 6 * 3600.0
DAY_S = 86_400.0
WARM_DAYS, DAYS = 60, 350
BLOCKS_A_DAY = 25
"""Blocks of memory that a day may leave behind: its mark of equity has a dozen, for three years."""


class QuietDoctor:
    async def examine(self, reason: str) -> tuple[Finding, ...]:
        return tuple(Finding(f"check_{n}", Level.OK, "as it should be") for n in range(30))


@dataclass
class Year:
    """One daemon, and how much of it there was after so many days."""

    folder: Path
    blocks: dict[int, int] = field(default_factory=dict)
    kinds: dict[int, Counter[str]] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    mode: Mode = Mode.STARTING
    slots: dict[str, str] = field(default_factory=dict)

    def run(self, days: list[int]) -> "Year":
        """Live through the days; look after each of those named."""
        logging.disable(logging.DEBUG)
        timeline = Timeline(EPOCH)
        faults = NETWORKS["A"].faults_of(0, 0.0, (), True)
        scene = replace(scene_of(0), cash=Decimal(100_000), held={}, is_limit=False)
        broker = Broker(*(timeline, faults, random.Random(1), scene.cash, {}, dict(scene.prices)))
        broker.note = lambda *words: None
        network = NETWORKS["A"](timeline, faults, broker, random.Random(2))
        loop = network.new_loop()
        loop.steps = -(10**9)
        acts = Acts()
        acts.names = deque(maxlen=1)  # type: ignore[assignment]
        world = World(
            clock=Clock(timeline, asyncio.sleep),
            open_session=network.sessions(Process(loop, acts)),
            jitter=random.Random(3).random,
            brain=Brain(scene, timeline, faults, asyncio.sleep, dict(scene.prices), {}),
            doctor=QuietDoctor(),
            has_doors=False,
            environ={},
            console=False,
            tick_s=TICK_S,
        )
        settings = settings_of(scene, self.folder, **QUIET)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._live(Daemon(settings, CREDENTIALS, world), days))
        finally:
            loop.bury()
            asyncio.set_event_loop(None)
            logging.disable(logging.NOTSET)
        return self

    async def _live(self, daemon: Daemon, days: list[int]) -> None:
        await daemon.open()
        task = asyncio.get_running_loop().create_task(daemon.run(), name="daemon")
        passed = 0
        for day in days:
            await asyncio.sleep((day - passed) * DAY_S)
            passed = day
            _forget()
            gc.collect()
            self.blocks[day] = sys.getallocatedblocks()
            self.kinds[day] = Counter(type(x).__name__ for x in gc.get_objects())
            self.entries[day] = daemon.journal_head()[0]
        self.mode, self.slots = daemon.state.mode, dict(daemon.state.slots)
        daemon.stop("the test")
        await task

    def grown(self, first: int, last: int) -> str:
        """Which kinds of objects became more between two days."""
        more = self.kinds[last] - self.kinds[first]
        return ", ".join(f"{name} +{count}" for name, count in more.most_common(12))


def _forget() -> None:
    """Empty the caches that have a bound: while they fill up they look like a leak."""
    for cached in gc.get_objects():
        is_cache = isinstance(cached, functools._lru_cache_wrapper)
        if is_cache and cached.cache_parameters()["maxsize"] is not None:
            cached.cache_clear()


def test_a_daemon_that_is_left_alone_does_not_grow() -> None:
    with a_folder() as folder:
        year = Year(folder).run([WARM_DAYS, DAYS])
    assert year.mode is Mode.TRADING
    assert year.slots == {}
    assert year.entries[DAYS] > 5 * DAYS, "every day's jobs fired"
    grown = (year.blocks[DAYS] - year.blocks[WARM_DAYS]) / (DAYS - WARM_DAYS)
    assert grown < BLOCKS_A_DAY, f"{grown:.0f} blocks a day: {year.grown(WARM_DAYS, DAYS)}"
