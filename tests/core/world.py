"""A world in virtual time: a small broker, a metronome and a journal around `take_turn`. Pure.

No loop, no socket: a heap of moments. Answers come after small delays drawn from a seed. The
broker knows orders by our id, fills them, keeps cash and positions; `faults` bend what it does.
"""

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Phase, State
from atlas_daemon.core.values import (
    Account,
    AccountMode,
    Activity,
    Approved,
    Asset,
    OpenOrder,
    Pick,
    Position,
    Quote,
    Regime,
    Side,
    Symbol,
)

from .builders import OPEN, a_pick, an_activity, secs
from .faults import ENDED, BrokerOrder, Faults
from .invariants import check_turn, lasting, recovered, the_turn_is_deterministic

QUIET = timedelta(minutes=6)
"""Longer than any wait that ends by the second; after it a beat comes every ten."""


@dataclass
class World:
    """One account, one broker, one daemon."""

    policy: Policy = field(default_factory=Policy)
    start: datetime = OPEN - timedelta(minutes=30)
    seed: int = 0
    cash: Decimal = Decimal(100_000)
    held: dict[str, Decimal] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    picks: tuple[Pick, ...] = (a_pick("AAPL"), a_pick("MSFT"))
    regime: Regime = Regime.TREND_BULL
    closes: dict[str, Decimal] = field(default_factory=dict)
    untradable: set[str] = field(default_factory=set)
    unquoted: set[str] = field(default_factory=set)
    slippage: Decimal = Decimal(0)
    faults: Faults = field(default_factory=Faults)
    skew: timedelta = timedelta(0)
    """How far the broker's clock is ahead."""
    off: timedelta = timedelta(0)
    """How far the daemon's clock is ahead of the world's."""
    is_checked: bool = True
    mode: AccountMode = AccountMode.PAPER
    fractionable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.now = self.start
        self.held = {Symbol(s): Decimal(q) for s, q in self.held.items()}
        self.prices = {"SPY": Decimal(400), **{s: Decimal(p) for s, p in self.prices.items()}}
        self.prices = {p.symbol: p.close for p in self.picks if p.close} | self.prices
        self.orders: dict[str, BrokerOrder] = {}
        self.foreign: list[OpenOrder] = []
        self.activities: list[Activity] = []
        self.sends: dict[str, int] = {}
        self.journal: list[e.Entry] = []
        self.heard: list[tuple[datetime, e.Event, object]] = []
        self.alerts: list[tuple[str, str, str]] = []
        self.is_latched = self.is_down = False
        self._down_at = self._news_at = self.now
        self.process = self._count = 0
        self._heap: list[tuple[datetime, int, int | None, Callable[[], None]]] = []
        self._at_turn: dict[int, Callable[[], None]] = {}
        self.turns = 0
        self.state = State(now=self.now)
        self._later(timedelta(0), self._beat, process=None)

    # The daemon's side.

    def boot(self) -> None:
        """Start a process on the journal there is."""
        self.process += 1
        self.is_down = False
        self.state = recovered(self.journal, State(now=self.start))
        self.hear(e.DaemonStarted("1", "LARGE", self.mode, "", "d", self.is_latched))
        if self.faults.stream():
            self.later(0.3, lambda: self.hear(e.StreamReported("listening")))

    def crash(self, back_after: float = 5) -> None:
        """Kill the process: what it waited for is lost, what it sent is not."""
        self.is_down = True
        self._down_at = self.now
        self.process += 1
        self._later(secs(back_after), self.boot, process=None)

    def hear(self, event: e.Event) -> None:
        """Take a turn: write, then let the effects out."""
        if self.is_down:
            return
        before = self.state
        at = self.now + self.off
        turn = take_turn(before, event, at, self.policy)
        if self.is_checked:
            check_turn(before, event, turn, self.policy)
            if turn.entries or turn.effects or self.turns % 8 == 0:
                the_turn_is_deterministic(before, event, at, self.policy, turn)
        self.journal.extend(turn.entries)
        if turn.entries:
            self._news_at = self.now
        self.state = turn.state
        self.turns += 1
        self.heard.append((self.now, event, turn))
        if turn.entries and self.is_checked and self.turns % 7 == 0:
            self.check_recovery()
        if (action := self._at_turn.pop(self.turns, None)) is not None:
            action()  # killed after the commit, before any effect
            return
        for effect in turn.effects:
            self._run(effect)

    def check_recovery(self) -> None:
        """What the journal tells is what was lived through."""
        told, lived = lasting(recovered(self.journal, State(now=self.start))), lasting(self.state)
        for name in State.__dataclass_fields__:
            assert getattr(told, name) == getattr(lived, name), f"recovered {name} differs"

    def at_turn(self, number: int, action: Callable[[], None]) -> None:
        """Do something right after the commit of a turn, instead of its effects."""
        self._at_turn[number] = action

    # Time.

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let something happen to this very process."""
        self._later(secs(delay_s), action, process=self.process)

    def at(self, moment: datetime, action: Callable[[], None]) -> None:
        """Let something happen in the world."""
        self._later(moment - self.now, action, process=None)

    def run(self, until: datetime | Callable[["World"], bool], limit: timedelta | None = None):
        """Let time pass until a moment, or until something holds (checked after each event)."""
        end = self.now + (limit or timedelta(days=1)) if callable(until) else until
        while self._heap and self._heap[0][0] <= end:
            self.now, _, process, action = heapq.heappop(self._heap)
            if process is None or process == self.process:
                action()
            if callable(until) and until(self):
                return self
        if callable(until):
            raise AssertionError(f"not reached by {end}: {self.story(12)}")
        self.now = end
        return self

    def _later(self, delay: timedelta, action: Callable[[], None], process: int | None) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay, self._count, process, action))

    def _beat(self) -> None:
        self.hear(e.Ticked())
        run = self.state.run
        is_busy = run is not None and run.phase is not Phase.PARKED
        is_busy |= any(self.state.open_orders()) or self.turns < 20
        is_busy |= self.state.halt is not None and not self.state.halt.is_complete
        session = NYSE.session_at(self.now)
        is_busy |= session is not None and self.now - session.opens_at < timedelta(minutes=8)
        if NYSE.session_of(self.now.date()) and session is None:  # expire what the day left
            for order in self.orders.values():
                if order.status not in ENDED and self.now.hour >= 18:
                    self._end(order, "expired")
        is_busy &= not self.is_down or self.now < self._down_at + timedelta(minutes=10)
        busy_s = 1 if run is None or self.now < self._news_at + QUIET else 10
        gap_s = busy_s if is_busy else 120 if session is not None else 300
        self._later(secs(gap_s), self._beat, process=None)

    def _delay(self, most: float = 0.4) -> float:
        return self.chance.randrange(1, int(most * 1000)) / 1000

    # The broker's side.

    @property
    def equity(self) -> Decimal:
        return self.cash + sum((q * self.prices[s] for s, q in self.held.items()), Decimal(0))

    def _run(self, effect: fx.Effect) -> None:
        match effect:
            case fx.SubmitOrder(approved=approved):
                self.later(self._delay(0.1), lambda: self._submit(approved))
            case fx.CancelOrder(order_id=order_id):
                self.later(self._delay(), lambda: self._cancel(order_id))
            case fx.CancelAllOrders():
                self.later(self._delay(), self._cancel_all)
            case fx.FetchOrder(order_id=order_id):
                self._look_up(order_id)
            case fx.FetchFigures():
                self._figures(effect)
            case fx.FetchActivities():
                self._later_activities(effect)
            case fx.FetchSessions(first=first, last=last):
                answer = e.SessionsReported(first, last, NYSE.sessions_between(first, last))
                self.later(self._delay(), lambda: self.hear(answer))
            case fx.FetchClock(asked_at=asked_at):
                self.later(self._delay(), lambda: self.hear(self._clock(asked_at)))
            case fx.ComputeSignals(signal_day=day) | fx.RefreshRegime(signal_day=day):
                closes = {**self.prices, **self.closes}
                answer = e.SignalsReported(day, self.picks, closes, self.regime, day, "test")
                self.later(2 + self._delay(), lambda: self.hear(answer))
            case fx.WriteLatch():
                self.is_latched = True
            case fx.RemoveLatch():
                self.is_latched = False
            case fx.SendAlert(level=level, key=key, text=text):
                self.alerts.append((level, key, text))

    def _clock(self, asked_at: datetime) -> e.ClockReported:
        return e.ClockReported(asked_at, self.now + self.off, self.now + self.skew)

    def _submit(self, approved: Approved) -> None:
        draft = approved.draft
        regime = self.state.regime.regime if self.state.regime else None
        if self.state.halt is not None and not self.state.halt.is_complete:
            return self.hear(e.SubmitWithheld(draft.order_id, "halted"))
        if draft.side is Side.BUY and regime is Regime.CRASH:
            return self.hear(e.SubmitWithheld(draft.order_id, "the regime is CRASH"))
        sends = self.sends[draft.order_id] = self.sends.get(draft.order_id, 0) + 1
        fate = self.faults.submit(draft.order_id, sends)
        if fate == "refuse":
            answer = e.SubmitRefused(draft.order_id, "other", 403, 40310000, "not today")
            return self.later(self._delay(), lambda: self.hear(answer))
        if fate in ("lose_request", "lose_answer"):
            lost = e.SubmitUnconfirmed(draft.order_id, "timeout")
            self.later(10, lambda: self.hear(lost))
        if fate not in ("lose_request", "hang"):
            self._later(secs(self._delay()), lambda: self._accept(approved, fate), process=None)
        return None

    def _accept(self, approved: Approved, fate: str) -> None:
        draft = approved.draft
        known = self.orders.get(draft.order_id)
        assert known is None or self.sends[draft.order_id] > 1, "sent twice without a doubt"
        if known is not None:  # must be unique: asked after by id
            unsure = e.SubmitUnconfirmed(draft.order_id, "client_order_id must be unique")
            return self.later(self._delay(), lambda: self.hear(unsure))
        order = BrokerOrder(draft.order_id, draft.symbol, draft.side, draft.qty)
        self.orders[draft.order_id] = order
        if fate == "ok":
            self.later(self._delay(), lambda: self.hear(self._word(order, "submit")))
        self._frame(order)
        plan = self.faults.fill(draft.symbol)
        if plan == "reject":
            self._later(secs(0.5), lambda: self._end(order, "rejected"), process=None)
        elif plan != "rest":
            most = order.qty if plan == "all" else min(Decimal(plan), order.qty)
            parts = [most] if most < 20 else [most // 3, most - most // 3]
            for number, qty in enumerate(parts, 1):
                action = lambda qty=qty: self._fill(order, qty)  # noqa: E731
                self._later(secs(number * 0.7 + self._delay()), action, process=None)
        return None

    def _fill(self, order: BrokerOrder, qty: Decimal) -> None:
        if order.status in ENDED:
            return
        sign = order.side.sign
        price = self.prices[order.symbol] * (1 + self.slippage * sign)
        order.filled_qty += qty
        order.filled_value += qty * price
        order.executions += 1
        order.status = "filled" if order.filled_qty == order.qty else "partially_filled"
        self.cash -= sign * qty * price
        left = self.held.get(order.symbol, Decimal(0)) + sign * qty
        assert left >= 0, f"{order.order_id} sells what is not held"
        self.held = {**{s: q for s, q in self.held.items() if s != order.symbol}}
        if left:
            self.held[order.symbol] = left
        news = e.OrderFilled(
            order.order_id, order.broker_id, order.symbol, order.side, order.qty,
            f"{order.order_id}-x{order.executions}", qty, price, order.filled_qty, order.avg,
            order.status,
        )  # fmt: skip
        self.activity("FILL", order.symbol, qty, price, order=order)
        self._tell(news)

    def activity(self, kind, symbol="", qty=None, price=None, net=None, side="", order=None):
        """Put an activity on the list; cash and positions are the caller's to move."""
        more, id_ = {"at": self.now, "side": side}, f"{len(self.activities):05}"
        if (o := order) is not None:
            more |= {"side": o.side, "broker_order_id": o.broker_id, "cum_qty": o.filled_qty}
        self.activities.append(an_activity(kind, net, symbol, qty, price, id_, **more))

    def _later_activities(self, effect: fx.FetchActivities) -> None:
        def answer() -> None:
            if self.faults.activities():
                return self.hear(e.FetchFailed("activities", "reset"))
            news = tuple(a for a in self.activities if a.at > effect.after)
            return self.hear(e.ActivitiesReported(effect.after, effect.asked_at, news))

        self.later(self._delay(), answer)

    def _end(self, order: BrokerOrder, status: str) -> None:
        if order.status not in ENDED:
            order.status = status
            self._frame(order)

    def _cancel(self, order_id: str) -> None:
        order = self.orders.get(order_id)
        if order is not None:
            self._later(secs(self._delay()), lambda: self._end(order, "canceled"), process=None)

    def _cancel_all(self) -> None:
        self.foreign = []
        for order_id in self.orders:
            self._cancel(order_id)

    def _frame(self, order: BrokerOrder) -> None:
        self._tell(self._word(order, "stream"))

    def _tell(self, news: e.Event) -> None:
        is_open = self.state.figures.stream in ("listening", "doubted")
        if self.is_down or not is_open or not self.faults.stream():
            return
        delay = self._delay()
        self.later(delay, lambda: self.hear(news))
        if self.faults.repeats:
            self.later(delay + self._delay(), lambda: self.hear(news))

    def _word(self, order: BrokerOrder, source: str) -> e.OrderReported:
        return e.OrderReported(
            order.order_id, order.broker_id, order.symbol, order.side, order.qty, order.status,
            order.filled_qty, order.avg, source,
        )  # fmt: skip

    def _look_up(self, order_id: str) -> None:
        asked_at, delay = self.now, self._delay()

        def answer() -> None:
            order = self.orders.get(order_id)
            if order is None:
                self.hear(e.OrderNotFound(order_id, asked_at))
            else:
                self.hear(self._word(order, "lookup"))

        self.later(delay, answer)

    def _figures(self, effect: fx.FetchFigures) -> None:
        def answer() -> None:
            if self.faults.figures():
                return self.hear(e.FetchFailed("snapshot", "connection reset"))
            quotes = tuple(
                Quote(s, p - Decimal("0.01"), p + Decimal("0.01"), self.now, p, self.now)
                for s in effect.quotes
                if s not in self.unquoted and (p := self.prices.get(s)) is not None
            )
            assets = tuple(
                Asset(s, s not in self.untradable, s in self.fractionable) for s in effect.assets
            )
            if effect.quotes:
                self.hear(e.QuotesReported(effect.asked_at, quotes))
            if effect.assets:
                self.hear(e.AssetsReported(effect.assets, assets))
            return self.hear(self.snapshot(effect.asked_at))

        self.later(self._delay(), answer)

    def snapshot(self, asked_at: datetime) -> e.SnapshotReported:
        """Everything the broker lists at this very moment."""
        ours = [
            OpenOrder(o.broker_id, o.order_id, o.symbol, o.side, o.qty, o.filled_qty, o.status)
            for o in self.orders.values()
            if o.status not in ENDED
        ]
        resting = {o.symbol: o.qty - o.filled_qty for o in ours if o.side is Side.SELL}
        positions = tuple(
            Position(s, q, self.prices[s], q - resting.get(s, Decimal(0)), self.prices[s])
            for s, q in sorted(self.held.items())
        )
        account = Account("PA1", "ACTIVE", self.equity, self.cash, max(self.cash, Decimal(0)) * 4)
        return e.SnapshotReported(asked_at, account, positions, (*ours, *self.foreign))

    # What the tests ask.

    def events(self, kind: type) -> list:
        """Everything of a kind that was written."""
        return [entry.event for entry in self.journal if isinstance(entry.event, kind)]

    def finished(self) -> list[tuple[str, str, bool]]:
        """How the runs ended."""
        return [(x.run_id, x.outcome, x.is_final) for x in self.events(e.RunFinished)]

    def story(self, last: int = 30) -> str:
        """The latest entries, for failures."""
        from .telling import tell

        lines = [f"{x.at:%d %H:%M:%S} {x.seq}<-{x.cause} {tell(x.event)}" for x in self.journal]
        return "\n" + "\n".join(lines[-last:]) + f"\n{self.state.mode} {self.state.mode_reason}"


def is_done(run_id: str = "2024-02") -> Callable[[World], bool]:
    return lambda world: any(x.run_id == run_id and x.is_final for x in world.events(e.RunFinished))


def has(kind: type, count: int = 1) -> Callable[[World], bool]:
    return lambda world: len(world.events(kind)) >= count


def a_world(**more) -> World:
    world = World(**more)
    world.boot()
    return world


def ten_picks(symbols: Iterable[str] = "ABCDEFGHIJ") -> tuple[Pick, ...]:
    return tuple(a_pick(s, "0.1", str(20 + 7 * n)) for n, s in enumerate(symbols))
