"""One replay from a configuration to its report: bars and market read, the play lived, told.

Daemon and worker are handed in: they stand on a floor above.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from atlas_daemon.bars.frame import day_number, day_of
from atlas_daemon.config import Settings
from atlas_daemon.core.brain import SignalsError, SignalsRequest
from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Regime
from atlas_daemon.edges.folders import make_folder
from atlas_daemon.journal import Journal
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import MarketDataError
from atlas_daemon.paper.market.replay import ReplayMarket
from atlas_daemon.ports import BrainPort
from atlas_daemon.stage import Backdrop, Player, Scene, perform
from atlas_daemon.stage.stage import MakePlayer
from atlas_daemon.strategy.momentum_52w import WINDOW_SESSIONS

from .brain import JUMP_MODEL, HeldBrain, Thinking
from .chronicle import chronicle_of
from .course import Course, course_of
from .held_bars import HeldBars, LoadBars
from .play import Progress, play
from .report import Document, Played, document_of

AHEAD = timedelta(days=400)
"""How far beyond the last session the broker's calendar reaches."""
FILE = "file:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be replayed. None takes what the data allows."""

    first: date | None
    last: date | None
    cash: Decimal
    seed: int
    benchmark: Path | None
    """Bars of SPY that reach further back than the data's, for the regime model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays: made on a floor above, from the settings in force."""

    question: Callable[[Settings, date, tuple[str, ...], datetime], SignalsRequest]
    thinking: Callable[[Callable[[SignalsRequest], LoadBars]], Thinking]
    player_with: Callable[[BrainPort], MakePlayer]


def replay(settings: Settings, wanted: Wanted, cast: Cast, progress: Progress) -> Document:
    """Replay into the folders of the settings and return the report.

    `settings` are of mode local, their bars a file. Raises UsageError for dates that cannot be,
    SignalsError and ConfigError for files, AtlasError where the daemon does not live through it.
    """
    path = _bars_path(settings)
    bars = HeldBars(path, wanted.benchmark)
    course = _course(settings, wanted, bars)
    calendar = Calendar(bars.first, course.sessions[-1].day + AHEAD)
    try:
        final = course.sessions[-1].day
        market = ReplayMarket(path, wanted.seed, last_day=final, calendar=calendar)
    except MarketDataError as error:
        raise ConfigError(str(error)) from error
    brain = HeldBrain(
        question=partial(cast.question, settings),
        thinking=cast.thinking(bars.at_hand),
        needs_picks=lambda day: _needs_picks(course, players[-1].state, day),
    )
    players: list[Player] = []
    make_player = cast.player_with(brain)

    def make(settings: Settings, backdrop: Backdrop) -> Player:
        players.append(make_player(settings, backdrop))
        return players[-1]

    scene = Scene(
        market=market,
        calendar=calendar,
        starts_at=course.starts_at,
        cash=wanted.cash,
        seed=wanted.seed,
    )
    with _quiet():
        _ask_once(brain, course)
        make_folder(settings.state_dir)
        _judge_all(brain, settings, course)
        act = partial(play, course=course, progress=progress)
        seen = perform(act, settings, scene, make)
        with Journal.open_readonly(settings.journal_path) as journal:
            verdict = journal.verify()
            told = chronicle_of(journal.read())
    return document_of(
        Played(
            settings=settings,
            course=course,
            cash=wanted.cash,
            seed=wanted.seed,
            bars=bars,
            seen=seen,
            told=told,
            journal={
                "path": str(settings.journal_path),
                "entries": verdict.entries,
                "head": f"{verdict.head_seq}:{verdict.head_hash}",
                "is_intact": verdict.is_intact,
            },
        )
    )


def _bars_path(settings: Settings) -> Path:
    source = settings.data.source
    if not source.startswith(FILE):
        raise ConfigError(
            f"data.source = {source}: a replay needs the bars of a file: give --data file:PATH"
        )
    return Path(source.removeprefix(FILE)).expanduser()


def _course(settings: Settings, wanted: Wanted, bars: HeldBars) -> Course:
    """Return the sessions to play. Raises UsageError where the data does not reach."""
    traded = [day_of(number) for number in bars.bars.sessions.tolist()]
    if len(traded) <= WINDOW_SESSIONS:
        raise UsageError(
            f"{bars.path} holds {len(traded)} sessions: signals need {WINDOW_SESSIONS} before the "
            "first slot"
        )
    earliest = traded[WINDOW_SESSIONS]
    first, last = wanted.first or earliest, wanted.last or bars.last
    if last > bars.last:
        raise UsageError(f"--to {last}: {bars.path} ends on {bars.last}")
    if first < bars.first:
        raise UsageError(f"--from {first}: {bars.path} begins on {bars.first}")
    course = course_of(first, last, settings.policy())
    slot = course.slots[0].session.day
    before = int(np.searchsorted(bars.bars.sessions, day_number(slot), "left"))
    if before < WINDOW_SESSIONS:
        raise UsageError(
            f"--from {first}: the slot of {slot} has {before} of {WINDOW_SESSIONS} sessions of "
            f"bars before it; begin on {earliest} or later"
        )
    return course


def _needs_picks(course: Course, state: State, signal_day: date) -> bool:
    """True where a run is open, or a slot may begin one in the session after `signal_day`."""
    order_day = NYSE.session_after(signal_day).day
    return state.run is not None or course.may_run_on(order_day, state.slots)


def _ask_once(brain: HeldBrain, course: Course) -> None:
    """Ask for the first slot's picks, whatever the regime: raises SignalsError where none are."""
    slot = course.slots[0]
    signal_day = NYSE.session_before(slot.session.day).day
    request = brain.question(signal_day, (), slot.session.opens_at)
    brain.thinking.decide(replace(request, regime=f"fixed:{Regime.TREND_BULL}"))


def _judge_all(brain: HeldBrain, settings: Settings, course: Course) -> None:
    """Let the regime model judge all sessions; refuse where it can do so for no slot at all."""
    if settings.regime.source != JUMP_MODEL:
        return
    last = course.sessions[-1].day
    brain.grow_labels(last, course.sessions[-1].closes_at)
    final = course.slots[-1]
    signal_day = NYSE.session_before(final.session.day).day
    if signal_day not in brain.labels:
        raise SignalsError(
            f"regime.source jump_model: no session before the slot of {final.session.day} could "
            "be judged, the bars of SPY begin too late: give --benchmark file:PATH or --regime"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave the requests out of the logs: of eleven years they are 20,000 lines nobody reads."""
    before = logging.root.manager.disable
    logging.disable(logging.DEBUG)
    try:
        yield
    finally:
        logging.disable(before)


__all__ = ["Cast", "Wanted", "replay"]
