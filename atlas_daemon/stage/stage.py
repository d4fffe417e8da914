"""The stage: a daemon and the local broker, one clock for both, and the leaps of that clock.

Time passes second by second while something is under way. Where the daemon rests, `leap` puts the
clock forward: for both it is as if the machine had slept, and the metronome beats at once.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Protocol, TypeVar

import aiohttp

from atlas_daemon.config import Settings
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.state import Phase, State
from atlas_daemon.core.values import Mode
from atlas_daemon.edges.alpaca.transport import open_session
from atlas_daemon.paper.desk import PaperConfig
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import Market
from atlas_daemon.ports import ClockPort

from .broker import FOR_EVER_S, URL, StageBroker
from .memory_net import MemoryLoop
from .scratch_disk import connect
from .virtual_loop import Timeline

T = TypeVar("T")

LOOK_S = 0.5
"""How often, in virtual seconds, it is looked whether the daemon rests."""
BEAT_S = 1.1
"""A beat of the metronome, and what it takes."""
LEAD_S = 1.3
"""Clocks are compared so long before a moment that is leapt to."""
MOMENT_S = 0.1


class Player(Protocol):
    """A daemon as the stage knows it: `atlas_daemon.app.Daemon`."""

    async def open(self) -> None:
        """Build the parts."""

    async def run(self) -> None:
        """Run to the end."""

    async def close(self) -> None:
        """Let go of what was opened."""

    def stop(self, by: str) -> None:
        """End in good order."""

    @property
    def state(self) -> State:
        """The state after the last turn."""

    @property
    def is_quiet(self) -> bool:
        """True while nothing waits in the inbox and no effect is under way."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What a daemon on the stage takes in place of this machine (fields of `assembly.World`)."""

    clock: ClockPort
    open_session: Callable[[], aiohttp.ClientSession]
    connect: Callable[..., sqlite3.Connection] = connect


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The broker as it is when the curtain rises. `holdings`: (shares, average entry price)."""

    market: Market
    calendar: Calendar
    starts_at: datetime
    cash: Decimal
    holdings: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    seed: int = 1
    partial_fill_pct: float = 0.0


MakePlayer = Callable[[Settings, Backdrop], Player]
"""Makes the daemon; `settings` name the stage's broker."""


class StageClock:
    """The broker's own clock, for a daemon on the broker's loop."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now

    async def sleep(self, delay_s: float) -> None:
        """Wait so many virtual seconds."""
        await asyncio.sleep(delay_s)


class Stage:
    """What a play may do: look at broker and daemon, let time pass, let it leap."""

    def __init__(self, broker: StageBroker, player: Player, timeline: Timeline) -> None:
        self.broker, self.player = broker, player
        self._timeline = timeline

    def now(self) -> datetime:
        """The present moment, UTC."""
        return self._timeline.moment()

    async def leap(self, at: datetime) -> None:
        """Let time be `at`; a moment that has passed is now.

        The clock is put forward to shortly before it: a daemon that sees time jump first compares
        its clock with the broker's. What is due at the broker meanwhile happens, each at its own
        moment; timers of the daemon that have run out do so at once.
        """
        left_s = (at - self.now()).total_seconds()
        if left_s > LEAD_S:
            self._timeline.now_s += left_s - LEAD_S
            self.broker.live_on()
            left_s = LEAD_S
        await asyncio.sleep(max(left_s, 0.0) + MOMENT_S)

    async def rest(self, patience_s: float) -> bool:
        """Let time pass until the daemon has rested for a beat; False after `patience_s`."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + patience_s
        busy_s = loop.time()
        while loop.time() < until_s:
            if not (self.player.is_quiet and is_resting(self.player.state)):
                busy_s = loop.time()
            elif loop.time() - busy_s >= BEAT_S:
                return True
            await asyncio.sleep(LOOK_S)
        return False

    async def until(self, is_so: Callable[[], bool], patience_s: float) -> bool:
        """Let time pass until it is so; False where it is not within `patience_s`."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + patience_s
        while not is_so():
            if loop.time() >= until_s:
                return False
            await asyncio.sleep(LOOK_S)
        return True


def is_resting(state: State) -> bool:
    """True where nothing is under way that needs the seconds: a run, an order, a difference."""
    figures, run = state.figures, state.run
    if any(state.open_orders()) or figures.differs_at is not None:
        return False
    # A run that waits for signals that nobody can give is looked at again later.
    waits = run is not None and run.phase is Phase.DUE and "signals" in figures.failures
    if run is not None and run.phase is not Phase.PARKED and not waits:
        return False
    return state.mode in (Mode.TRADING, Mode.HALTED)


def perform(
    play: Callable[[Stage], Awaitable[T]],
    settings: Settings,
    scene: Scene,
    make_player: MakePlayer,
) -> T:
    """Run `play` on a stage and return what it returns; daemon and broker end with it.

    `settings` of mode local. Raises what daemon, broker or play raise.
    """
    timeline = Timeline(scene.starts_at)
    # The loop dials a broker that needs a running loop to be made.
    brokers: list[StageBroker] = []

    def new_loop() -> MemoryLoop:
        return MemoryLoop(timeline, lambda: brokers[0].dial())

    async def performed() -> T:
        async with _staged(settings, scene, make_player, timeline, brokers) as (stage, ending):
            playing = asyncio.ensure_future(play(stage))
            try:
                await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
                if playing.done():
                    return playing.result()
                ending.result()
                raise AtlasError("the daemon ended before the play did")
            finally:
                playing.cancel()
                await asyncio.wait({playing})

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(performed())


@asynccontextmanager
async def _staged(
    settings: Settings,
    scene: Scene,
    make_player: MakePlayer,
    timeline: Timeline,
    brokers: list[StageBroker],
) -> AsyncIterator[tuple[Stage, "asyncio.Task[None]"]]:
    loop = asyncio.get_running_loop()
    config = PaperConfig(
        market=scene.market,
        calendar=scene.calendar,
        starts_at=scene.starts_at,
        cash=scene.cash,
        holdings=scene.holdings,
        seed=scene.seed,
        partial_fill_pct=scene.partial_fill_pct,
        patience_s=FOR_EVER_S,
        drops_silent_after_s=FOR_EVER_S,
        monotonic=loop.time,
    )
    broker = StageBroker(config, timeline)
    brokers.append(broker)
    await broker.open()
    clock = StageClock(timeline.moment)
    backdrop = Backdrop(clock, partial(open_session, FOR_EVER_S))
    player = make_player(settings.at_local_broker(URL), backdrop)
    try:
        await player.open()
    except BaseException:
        await player.close()
        await broker.close()
        raise
    ending = asyncio.create_task(player.run(), name="daemon")
    try:
        yield Stage(broker, player, timeline), ending
    finally:
        player.stop("the end of the play")
        await asyncio.wait({ending})
        await broker.close()
