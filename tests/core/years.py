"""Years of calendar in virtual time: the core, the real schedule, beats at the moments that count.

The world's true time goes on by itself; the daemon's clock is that and an error which is drawn.
Machines sleep, are down for days, start again in another zone of the world; the broker answers.
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.runs import slots_around
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Figures, Phase
from atlas_daemon.core.values import AccountMode, Regime
from atlas_daemon.edges.schedule import Schedule

from .builders import a_pick, a_policy, secs
from .faults import ENDED
from .world import World

ZONES = ("UTC", "America/New_York", "Asia/Tokyo", "Europe/Berlin", "Australia/Lord_Howe")
PICKS = ((a_pick("AAPL"), a_pick("MSFT")), (a_pick("MSFT"), a_pick("XOM")))
HOURS = ((0, 10), (6, 30), (20, 0))
"""The fixed moments of New York's day; the others move with the sessions."""
STEPS = (-86400, -7200, -1300, -600, -45, -6, 4, 30, 45, 90, 600, 1300, 7200, 86400, 40 * 86400)
"""Seconds by which a clock is off, until somebody sets it right."""


class Years(World):
    """A daemon over years; `draw` says what befalls its machine."""

    def __post_init__(self) -> None:
        self.off = timedelta(0)
        self.trouble: list[str] = []
        super().__post_init__()
        self.draw = random.Random(f"years/{self.seed}")
        self.schedule = Schedule(lambda: self.policy)
        self.started: list[tuple[datetime, e.RunStarted]] = []
        slots = [slot for year in range(2013, 2030) for slot in _of(year)]
        self.slot_days = {
            session.day
            for slot in slots
            for session in NYSE.sessions_between(slot.session.day, slot.last.day)
        }

    @property
    def told(self) -> datetime:
        """What the machine's clock shows."""
        return self.now + self.off

    def hear(self, event: e.Event) -> None:
        true, self.now = self.now, self.told
        try:
            seen = len(self.journal)
            super().hear(event)
        finally:
            self.now = true
        for entry in self.journal[seen:]:
            if isinstance(entry.event, e.RunStarted):
                self.started.append((true, entry.event))
        self.heard.clear()

    def boot(self) -> None:
        """A new process: what it saw is gone. The journal is held against it at the end."""
        self.process += 1
        self.is_down = False
        self.state = self.state if self.process == 1 else _without_figures(self.state)
        self.schedule = Schedule(lambda: self.policy)
        self.hear(e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "", "d", False))
        self.later(0.3, lambda: self.hear(e.StreamReported("listening")))

    def down(self, for_: timedelta) -> None:
        """The machine is gone for a while; it comes back in some zone of the world."""
        if self.is_down:
            return
        self.is_down = True
        self.process += 1

        def back() -> None:
            os.environ["TZ"] = self.draw.choice(ZONES)
            time.tzset()
            self.boot()

        self._later(for_, back, process=None)

    def asleep(self, for_: timedelta) -> None:
        """The machine sleeps: the process goes on afterwards as if nothing had been."""
        if self.is_down:
            return
        self.is_down = True
        self._later(for_, self._awake, process=None)

    def _awake(self) -> None:
        self.is_down = False

    def wrong(self, by: timedelta, for_: timedelta) -> None:
        """The machine's clock is set wrong, and right again later."""
        self.off = by
        self._later(for_, lambda: setattr(self, "off", timedelta(0)), process=None)

    def _beat(self) -> None:
        if not self.is_down:
            state = self.state
            for event in self.schedule.look(self.told, state.jobs, state.born_at):
                self.hear(event)
            self.hear(e.Ticked())
        if NYSE.session_at(self.now) is None:
            for order in self.orders.values():
                if order.status not in ENDED:
                    self._end(order, "expired")
        self._later(self._next_beat() - self.now, self._beat, process=None)

    def _next_beat(self) -> datetime:
        """Return the next moment worth a look: soon where anything is under way or near."""
        run = self.state.run
        is_busy = run is not None and run.phase is not Phase.PARKED
        if not self.is_down and (is_busy or any(self.state.open_orders()) or self.turns < 30):
            since = run.phase_at if run is not None else None
            is_long = since is None or not timedelta(0) <= self.told - since < timedelta(minutes=3)
            return self.now + secs(60 if is_long and self.turns >= 30 else 2)
        if self._is_near_a_slot() and not self.is_down:
            return self.now + secs(20)
        return min(at for at in self._moments() if at > self.now)

    def _is_near_a_slot(self) -> bool:
        session = NYSE.session_at(self.now)
        if session is None or self.now - session.opens_at > timedelta(minutes=12):
            return False
        return session.day in self.slot_days

    def _moments(self) -> Iterator[datetime]:
        today = self.now.astimezone(NEW_YORK).date()
        for day in (today, today + timedelta(days=1)):
            for hour, minute in HOURS:
                yield datetime(day.year, day.month, day.day, hour, minute, 1, tzinfo=NEW_YORK)
            if (session := NYSE.session_of(day)) is not None:
                yield session.opens_at + timedelta(minutes=5, seconds=1)
                if day in self.slot_days:
                    for minutes in (-60, 0, 60, 200, 340):
                        yield session.opens_at + timedelta(minutes=minutes, seconds=1)
                for minutes in (20, 60):
                    yield session.closes_at + timedelta(minutes=minutes, seconds=1)

    def _clock(self, asked_at: datetime) -> e.ClockReported:
        return e.ClockReported(asked_at, self.told, self.now)

    def _run(self, effect: fx.Effect) -> None:
        match effect:
            case fx.RunDoctor(reason=reason):
                level = self.draw.choice((Level.OK, Level.OK, Level.RED))
                report = e.DoctorReported((Finding("disk", level, "so"),), reason)
                self.later(30, lambda: self.hear(report))
            case fx.RefreshRegime(signal_day=day) if self.draw.random() < 0.1:
                self.later(30, lambda: self.hear(e.FetchFailed("regime", f"no bars of {day}")))
            case fx.RefreshRegime(signal_day=day) | fx.ComputeSignals(signal_day=day):
                picks = PICKS[day.month % 2]
                closes = {p.symbol: p.close for p in PICKS[0] + PICKS[1]}
                regime = self.regime
                answer = e.SignalsReported(day, picks, closes, regime, day, "worker")
                self.later(5, lambda: self.hear(answer))
            case _:
                super()._run(effect)


def _without_figures(state):
    from dataclasses import replace

    return replace(state, figures=Figures())


def befall(world: Years, end: datetime) -> None:
    """Draw what befalls the machine until the end: nothing keeps it down for a whole catch-up."""
    draw, at, slots = world.draw, world.start, _slots(world.start, end)
    around = [(s.due_at - timedelta(days=6), s.last.closes_at) for s in slots]
    while (at := at + timedelta(days=draw.uniform(1, 25))) < end:
        if any(first < at < last for first, last in around):
            continue  # there it is drawn below, so that it leaves a session to catch up in
        kind = draw.choice(("restart", "days", "sleep", "wrong"))
        hours = timedelta(hours=draw.uniform(0.01, 20))
        if kind == "restart":
            world.at(at, lambda: world.down(secs(draw.uniform(1, 600))))
        elif kind == "sleep":
            world.at(at, lambda hours=hours: world.asleep(hours))
        elif kind == "wrong":
            by = secs(draw.choice(STEPS))
            world.at(at, lambda by=by, hours=hours: world.wrong(by, hours))
        else:
            world.at(at, lambda: world.down(timedelta(days=draw.uniform(0.5, 4.5))))
    for slot in slots:  # and where it hurts: around the slots themselves
        if draw.random() < 0.7:
            days = timedelta(days=draw.choice((0.01, 0.1, 1, 2, 4.5)))
            begin = slot.due_at - timedelta(minutes=draw.uniform(-30, 300))
            world.at(begin, lambda days=days: world.down(days))
        if draw.random() < 0.5:
            by, begin = secs(draw.choice(STEPS)), slot.due_at - timedelta(hours=draw.uniform(0, 30))
            hours = timedelta(hours=draw.uniform(0.1, 40))
            world.at(begin, lambda by=by, hours=hours: world.wrong(by, hours))


def _slots(start: datetime, end: datetime) -> list:
    found = {s.name: s for year in range(start.year, end.year + 1) for s in _of(year)}
    return [s for s in found.values() if start < s.due_at and s.last.closes_at < end]


def _of(year: int) -> Iterator:
    return slots_around(datetime(year, 6, 1, tzinfo=NEW_YORK), a_policy())


@contextmanager
def any_zone() -> Iterator[None]:
    """Put the machine's zone back."""
    had = os.environ.get("TZ")
    try:
        yield
    finally:
        os.environ.pop("TZ", None)
        if had is not None:
            os.environ["TZ"] = had
        time.tzset()


def five_years(seed: int, first: date, days: int = 1826) -> Years:
    """Live them, and return the world at their end."""
    start = datetime(first.year, first.month, first.day, 17, tzinfo=NEW_YORK)
    start = start.astimezone(tz=None).astimezone(NYSE.next_session(first).opens_at.tzinfo)
    policy = a_policy(reconcile_idle_every=timedelta(hours=11))
    prices = {"AAPL": 100, "MSFT": 100, "XOM": 100}
    world = Years(
        policy=policy, start=start, seed=seed, prices=prices, is_checked=False,
        regime=Regime.TREND_NEUTRAL,
    )  # fmt: skip
    world.boot()
    end = start + timedelta(days=days)
    befall(world, end)
    with any_zone():
        world.run(end)
    return world


def due_within(world: Years) -> list:
    """The slots that fell due and whose catching up has ended while the world went on."""
    return _slots(world.start, world.now)
