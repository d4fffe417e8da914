"""Drives the core through one forced run over the stand-in account, and records what it decided.

The handlers, the gates and the sizing are the daemon's own: plan, digest, verdicts and quantities
are those of a live run on the same figures. Nothing is decided here.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsAnswer
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.errors import AtlasError, BugError, RefusedError
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.gates import batch_verdicts
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.rules import Verdict
from atlas_daemon.core.state import Book, Phase, Ramp, State
from atlas_daemon.core.values import AccountMode

from .stand_in import Fill, Scene, StandIn, sells_value

BEAT = timedelta(seconds=1)
STEP = timedelta(milliseconds=1)
"""Time between two events: answers are younger than their questions, as in the world."""
BEATS_MAX = 3600
"""An hour of its own time: far beyond any patience of the core's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """All that a run on this scene would decide. Money in dollars, quantities in shares."""

    scene: Scene
    answer: SignalsAnswer
    plan: e.RunPlanned
    """The first round's."""
    verdicts: tuple[Verdict, ...]
    """Every gate on that plan as a whole."""
    fills: tuple[Fill, ...]
    """The orders in the order of sending, each filled at its expected price."""
    refused: tuple[e.OrderRefused, ...]
    trimmed: tuple[e.OrderTrimmed, ...]
    dropped: tuple[e.LineDropped, ...]
    finished: e.RunFinished
    cash_before: Decimal
    cash_after_sells: Decimal
    cash_after_buys: Decimal

    @property
    def passes(self) -> bool:
        """True where every gate lets the plan pass."""
        return all(self.verdicts)


def rehearse(
    scene: Scene, answer: SignalsAnswer, policy: Policy, name: str, mode: AccountMode
) -> DryRun:
    """Return what a run asked for at the scene's moment would do.

    Raises RefusedError where the core would not start one, AtlasError where it would start and
    wait without an end (a regime of another day, say).
    """
    # The scene's account is one figure, taken already: a second look would tell the same. What is
    # only shown needs no certificate.
    stage = _Stage(scene, answer, replace(policy, grace=timedelta(0), needs_certificate=False))
    number = scene.account.number
    stage.hear(e.DaemonStarted("dry run", name, mode, number, "", is_latched=False))
    stage.hear(e.StreamReported("listening"))
    stage.settle()
    stage.beat()  # the mode settles as time passes
    stage.hear(e.RebalanceRequested("dry run", force=True))
    stage.settle()
    for _ in range(BEATS_MAX):
        if stage.is_over:
            break
        stage.refuse_hopeless()
        stage.beat()
    return stage.result()


@dataclass(slots=True)
class _Stage:
    """The core's state, the stand-in, and what was decided so far."""

    scene: Scene
    answer: SignalsAnswer
    policy: Policy
    now: datetime = field(init=False)
    state: State = field(init=False)
    stand_in: StandIn = field(init=False)
    waiting: deque[e.Event] = field(default_factory=deque)
    decided: list[e.Event] = field(default_factory=list)
    verdicts: tuple[Verdict, ...] = ()

    def __post_init__(self) -> None:
        self.now = self.scene.at
        book, ramp = Book(bought=dict(self.scene.bought)), Ramp(scale=self.scene.scale)
        self.state = State(now=self.now, book=book, ramp=ramp)
        self.stand_in = StandIn(self.scene, self.answer)

    @property
    def is_over(self) -> bool:
        """True where the run ended, for ever or for this session."""
        return any(isinstance(event, e.RunFinished) for event in self.decided)

    def settle(self) -> None:
        """Hear every answer that waits, and the answers to what those cause."""
        while self.waiting and not self.is_over:
            self.hear(self.waiting.popleft())

    def beat(self) -> None:
        """Let a second pass."""
        self.now += BEAT
        self.hear(e.Ticked())
        self.settle()

    def hear(self, event: e.Event) -> None:
        """Take one turn and let the stand-in answer its effects."""
        before = self.state
        turn = take_turn(before, event, self.now, self.policy)
        for entry in turn.entries:
            before = evolve(before, entry)
            if isinstance(entry.event, e.RunPlanned) and not self.verdicts:
                # Asked in the very state in which the validator asked.
                self.verdicts = tuple(batch_verdicts(before, entry.event, self.policy))
            self.decided.append(entry.event)
        self.state = turn.state
        self.now += STEP
        for effect in turn.effects:
            self.waiting.extend(self.stand_in.answers(effect, self.now))

    def refuse_hopeless(self) -> None:
        """Raise where the run cannot start, or waits for what will not come in a dry run."""
        run = self.state.run
        alerts = (d for d in self.decided if isinstance(d, e.AlertRaised))
        worst = next((alert.text for alert in alerts if alert.level == "critical"), "")
        for order in self.scene.open_orders:
            if order.is_ours:
                what = f"{order.side} {order.qty} {order.symbol} ({order.client_order_id})"
                worst = worst or f"an order with our prefix rests: {what}"
        if run is None:
            denied = next((d for d in self.decided if isinstance(d, e.RequestDenied)), None)
            why = f"{denied.rule}: {denied.detail}" if denied else "no run was started"
            raise RefusedError(f"a run would not start: {worst or why}")
        if run.phase is Phase.DUE and worst:
            raise AtlasError(f"a run would not start: {worst}")

    def result(self) -> DryRun:
        """Return the record of a run that is over."""
        plan = next((d for d in self.decided if isinstance(d, e.RunPlanned)), None)
        finished = next((d for d in self.decided if isinstance(d, e.RunFinished)), None)
        if plan is None or finished is None:
            raise BugError(f"the dry run does not end: {self.state.run}")
        fills = self.stand_in.fills
        cash = self.scene.account.cash
        return DryRun(
            scene=self.scene,
            answer=self.answer,
            plan=plan,
            verdicts=self.verdicts,
            fills=tuple(fills.values()),
            refused=tuple(d for d in self.decided if isinstance(d, e.OrderRefused)),
            trimmed=tuple(d for d in self.decided if isinstance(d, e.OrderTrimmed)),
            dropped=tuple(d for d in self.decided if isinstance(d, e.LineDropped)),
            finished=finished,
            cash_before=cash,
            cash_after_sells=cash + sells_value(fills),
            cash_after_buys=self.stand_in.cash,
        )
