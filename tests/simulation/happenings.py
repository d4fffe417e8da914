"""What the world does of itself while a daemon lives: prices, hands, signals, kills, full disks.

One method an event of `EVENTS`; the operator, who resumes, adopts and clears up after it, is here
as well.
"""

import signal
from collections.abc import Callable
from decimal import Decimal

from atlas_daemon.app import Daemon
from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Mode, Regime, Symbol
from tests.simulation.broker import Broker
from tests.simulation.disk import Acts, Disk, Process
from tests.simulation.faults import EVENTS, Faults
from tests.simulation.loop import Timeline
from tests.simulation.nights import Nights
from tests.simulation.scene import Brain, Clock, Course
from tests.simulation.watch import Watch

LOOKS_EVERY_S = 10.0
HEARD_WITHIN_S = 0.5
IDLE_EVERY_S = 120.0
ADOPTS_AFTER_S = 1200.0
"""How long a person waits for an explanation: the daemon looks for one every 15 minutes."""
REDUCES_MAX_S = 3600.0
"""Longer than the daemon may only reduce while no fault fires: what explains it is told by then."""


class Happenings:
    """Lets a seed's events happen. `process` and `daemon` are those that live now, or did last."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        faults: Faults,
        course: Course,
        broker: Broker,
        disk: Disk,
        acts: Acts,
        watch: Watch,
        clock: Clock,
        brain: Brain,
        nights: Nights,
        note: Callable[..., None],
    ) -> None:
        self.timeline, self.faults, self.course = timeline, faults, course
        self.broker, self.disk, self.acts, self.watch = broker, disk, acts, watch
        self.clock, self.brain, self.nights = clock, brain, nights
        self.note = note
        self.daemon: Daemon | None = None
        self.process: Process | None = None
        self.has_lost_power = False
        self.stays_halted = False
        self._resumes_at_s = 0.0
        self._suspended_until_s = 0.0
        self.adopts: dict[str, float] = {}
        self._reduces_since_s: float | None = None
        self._odd_since_s: float | None = None

    def schedule(self) -> float:
        """Put all events in the world's calendar; return the moment of the last one."""
        last_s = 0.0
        for name in EVENTS:
            for at_s in self.faults.moments(name):
                self.timeline.after(at_s, getattr(self, f"_{name}"))
                last_s = max(last_s, at_s)
        for at_s, name in self.course.nights:
            self.timeline.after(at_s, lambda name=name: self._at_night(name))
            last_s = max(last_s, at_s)
        self.timeline.after(LOOKS_EVERY_S, self._operator)
        return last_s

    def living(self) -> Daemon | None:
        """Return the daemon, where one lives."""
        if self.process is None or self.process.is_dead:
            return None
        return self.daemon

    @property
    def waits_for_operator(self) -> bool:
        """True while somebody is still to clear up."""
        return bool(self.adopts) or (self.broker.is_suspended and not self.stays_halted)

    def _fire(self, name: str, *words: str) -> None:
        self.faults.fired[name] += 1
        self.note("world", name, *words)

    # Market and account.

    def _price_jump(self) -> None:
        draw = self.faults.source("price_jump")
        symbol = draw.choice(sorted(self.broker.prices))
        price = round(self.broker.prices[symbol] * draw.randint(70, 140) / 100, 2)
        self.watch.mark()
        self.broker.prices[symbol] = price
        self._fire("price_jump", symbol, f"{price}")

    def _crash_regime(self) -> None:
        if (daemon := self.living()) is not None:
            self._fire("crash_regime")
            self.brain.label = Regime.CRASH
            day = NYSE.last_completed(self.timeline.moment()).day
            daemon.hear(e.RegimeReported(Regime.CRASH, day, "operator"))

    def _regime_word(self) -> None:
        """A model's confirmed label changes, and a refresh between runs tells of it at once."""
        if (daemon := self.living()) is None:
            return
        draw = self.faults.source("regime_word")
        self.brain.label = draw.choice((Regime.TREND_NEUTRAL, Regime.TREND_BEAR))
        self._fire("regime_word", self.brain.label)
        day, word = NYSE.last_completed(self.timeline.moment()).day, self.brain.label
        daemon.hear(e.RegimeReported(word, day, "worker", word, word, day))

    def _foreign_order(self) -> None:
        draw = self.faults.source("foreign_order")
        symbol = draw.choice(sorted(set(self.broker.prices) - self.broker.gone))
        self._fire("foreign_order", symbol)
        name = f"by-hand-{len(self.broker.orders)}"
        order = self.broker.rest(symbol, "buy", self.broker.prices[symbol] * 0 + 1, name)
        self.timeline.after(draw.uniform(30, 400), lambda: self.broker.end(order, "canceled"))

    def _manual_trade(self) -> None:
        draw, broker = self.faults.source("manual_trade"), self.broker
        if NYSE.session_at(self.timeline.moment()) is None:
            return
        side = draw.choice(("buy", "sell", "sell"))
        there = sorted(broker.held) if side == "sell" else sorted(set(broker.prices) - broker.gone)
        if not there:
            return
        symbol = draw.choice(there)
        most = int(broker.available(symbol)) if side == "sell" else 3
        if most < 1 or (side == "buy" and broker.prices[symbol] * most > broker.cash):
            return
        qty = Decimal(draw.randint(1, most))
        self._fire("manual_trade", side, f"{qty} {symbol}")
        self.watch.mark()
        broker.trade_by_hand(symbol, side, qty, f"by-hand-{len(broker.orders)}")

    def _unexplained(self) -> None:
        """Shares come or go and nobody ever says why; the operator adopts what there is."""
        draw, broker = self.faults.source("unexplained"), self.broker
        there = [s for s in sorted(broker.held) if broker.available(s) == broker.held[s] > 1]
        if not there:
            return
        symbol = draw.choice(there)
        self._fire("unexplained", symbol)
        self.watch.mark()
        broker.touched.add(symbol)
        broker.move(symbol, Decimal(draw.choice((-1, 1, 5))), Decimal(0))
        self.adopts[symbol] = self.timeline.now_s + draw.uniform(30, 300)

    def _suspended_by_hand(self) -> None:
        draw = self.faults.source("suspended_by_hand")
        self._fire("suspended_by_hand")
        self.broker.is_suspended = True
        self._suspended_until_s = self.timeline.now_s + draw.uniform(10, 200)

    def _at_night(self, name: str) -> None:
        self.watch.mark()
        if words := self.nights.happen(name):
            self._fire(name, words)

    # Signals, the machine.

    def _stop(self) -> None:
        if self.process is None or not self.process.loop.deliver(signal.SIGUSR1):
            return
        self._fire("stop")
        draw = self.faults.source("stop")
        self.stays_halted = draw.random() < 0.25
        self._resumes_at_s = self.timeline.now_s + draw.uniform(1, 200)
        self._must_halt()

    def _must_halt(self) -> None:
        """A stop that reached the process halts it, or its fence is closed until it does."""
        daemon, process, since = self.daemon, self.process, self.watch.resumes

        def look() -> None:
            if daemon is None or process is None or process.is_dead or process is not self.process:
                return
            is_closed = daemon.state.halt is not None or daemon._bus.is_stop_heard
            if not is_closed and self.watch.resumes == since:
                self.watch.breach("a stop was not heard")

        self.timeline.after(HEARD_WITHIN_S, look)

    def _full_disk_stop(self) -> None:
        """The disk is full when the stop comes: it holds in memory, and at the broker."""
        draw = self.faults.source("full_disk_stop")
        if self.living() is None:
            return
        self._fire("full_disk_stop")
        self.disk.is_full = True
        full_s = draw.uniform(20, 200)
        self._resumes_at_s = self.timeline.now_s + full_s + draw.uniform(5, 60)

        def stop() -> None:
            if self.process is not None:
                self.process.loop.deliver(signal.SIGUSR1)
                self._must_halt()

        self.timeline.after(draw.uniform(0.5, 5), stop)
        self.timeline.after(full_s, self._disk_free)

    def _clock_step(self) -> None:
        draw = self.faults.source("clock_step")
        self.clock.offset += draw.randint(-45, 45)
        self._fire("clock_step", f"{self.clock.offset:+d} s")
        self.timeline.after(draw.uniform(20, 150), self._clock_right)

    def _clock_far_off(self) -> None:
        """Somebody sets the clock by minutes, and back."""
        draw = self.faults.source("clock_far_off")
        self.clock.offset = draw.choice((-700, -70, 70, 700))
        self._fire("clock_far_off", f"{self.clock.offset:+d} s")
        self.timeline.after(draw.uniform(20, 150), self._clock_right)

    def _clock_right(self) -> None:
        self.clock.offset = 0
        self.note("world", "clock set right")

    def _kill(self) -> None:
        if self.living() is not None:
            ahead = self.faults.source("kill").randint(1, 40)
            self.acts.kill_at.add(self.acts.count + ahead)

    def _power_cut(self) -> None:
        if self.process is not None and not self.process.is_dead:
            self.faults.fired["power_cut"] += 1
            self.process.kill("power cut")
            self.has_lost_power = True

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

    # The operator.

    def _is_lively(self, is_reducing: bool) -> None:
        """Whatever blocks the daemon must pass, once nothing new goes wrong."""
        now_s = self.timeline.now_s
        if not is_reducing or self.faults.is_on(now_s) or self.broker.is_suspended:
            self._reduces_since_s = None
            return
        self._reduces_since_s = self._reduces_since_s or now_s
        if now_s - self._reduces_since_s > REDUCES_MAX_S:
            assert self.daemon is not None
            self.watch.breach(f"only reduces for an hour: {self.daemon.state.mode_reason}")

    def _operator(self) -> None:
        """Look in now and then, and put right what only a person may."""
        now_s = self.timeline.now_s
        is_near = self.faults.is_on(now_s) or now_s > self.faults.ends_s
        self.timeline.after(LOOKS_EVERY_S if is_near else IDLE_EVERY_S, self._operator)
        daemon = self.living()
        if daemon is None or daemon.state.born_at is None:
            return
        state = daemon.state
        self._is_lively(state.mode is Mode.REDUCE_ONLY)
        if self.broker.is_suspended and now_s >= self._suspended_until_s and not state.suspension:
            self.broker.is_suspended = False
            self.note("world", "lifts suspend_trade")
        elif state.halt is not None and not self.stays_halted and now_s >= self._resumes_at_s:
            self.note("world", "resumes")
            daemon.hear(e.ResumeRequested("operator"))
        self._adopt_at_last(state)
        for symbol, at_s in sorted(self.adopts.items()):
            if now_s < at_s:
                continue
            if symbol in state.frozen:
                self.note("world", "adopts", symbol)
                daemon.hear(e.AdoptRequested("operator", Symbol(symbol)))
            elif state.book.positions.get(Symbol(symbol), 0) == self.broker.held.get(symbol, 0):
                del self.adopts[symbol]

    def _adopt_at_last(self, state: State) -> None:
        """Take the broker's word for what somebody else moved and nothing will explain any more.

        A first look can fall between a trade by hand and its telling: the daemon stops short of
        the symbol and says so, and a person has to look.
        """
        odd = sorted(set(state.frozen) & self.broker.touched)
        is_odd = bool(odd) or (state.cash_dispute is not None and bool(self.broker.touched))
        now_s = self.timeline.now_s
        if not is_odd or self.faults.is_on(now_s) or now_s < self.nights.late_until_s:
            self._odd_since_s = None
            return
        self._odd_since_s = self._odd_since_s or now_s
        if now_s - self._odd_since_s < ADOPTS_AFTER_S:
            return
        assert self.daemon is not None
        self.note("world", "adopts what is left", *odd)
        self.daemon.hear(e.AdoptRequested("operator", None))
