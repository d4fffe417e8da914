"""What the handlers of the core decide: yielded in a turn, written, and then true.

Past tense, plain values, no logic.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from atlas_daemon.core.values import (
    Approved,
    BrokerOrderId,
    Draft,
    Mode,
    OrderId,
    Regime,
    RunId,
    Side,
    Symbol,
)

from .heard import Event
from .report import RunReport


@dataclass(frozen=True, slots=True)
class FiguresRequested(Event):
    """Snapshot and quotes were asked for at this entry's time."""

    symbols: tuple[Symbol, ...] = ()


@dataclass(frozen=True, slots=True)
class LookUpRequested(Event):
    """The broker was asked for an order by our id."""

    order_id: OrderId


@dataclass(frozen=True, slots=True)
class SessionsRequested(Event):
    pass


@dataclass(frozen=True, slots=True)
class ModeChanged(Event):
    mode: Mode
    reason: str


@dataclass(frozen=True, slots=True)
class BookAdopted(Event):
    """The broker's figures become ours: at the first start, or because the operator said so."""

    cash: Decimal | None
    """None leaves our cash as it is."""
    positions: tuple[tuple[Symbol, Decimal], ...]
    """The symbols restated here, with their quantities; others stay unless `is_whole`."""
    is_whole: bool
    why: str


@dataclass(frozen=True, slots=True)
class BookMatched(Event):
    """At rest, the broker's positions and cash were ours."""


@dataclass(frozen=True, slots=True)
class DriftSeen(Event):
    """Positions differ at rest; a second look after the grace window decides."""

    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class DriftFound(Event):
    """An unexplained quantity: the symbol is frozen until the operator adopts it."""

    symbol: Symbol
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True)
class CashRestated(Event):
    """The broker's cash differs from ours at rest; sizing uses the broker's figure from here on."""

    ours: Decimal
    theirs: Decimal
    is_within_tolerance: bool


@dataclass(frozen=True, slots=True)
class ForeignOrderFound(Event):
    """An open order that is not in our journal."""

    broker_order_id: BrokerOrderId
    client_order_id: str
    symbol: Symbol
    side: Side
    qty: Decimal | None
    carries_our_prefix: bool


@dataclass(frozen=True, slots=True)
class CalendarDisputed(Event):
    """The broker's calendar differs from ours: no slot until they agree."""

    detail: str


@dataclass(frozen=True, slots=True)
class CalendarAgreed(Event):
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class SlotMissed(Event):
    slot: str
    why: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run is due and begins."""

    run_id: RunId
    trigger: str
    """slot, force, first, crash, regime or stop."""
    slot: str | None
    order_day: date
    signal_day: date


@dataclass(frozen=True, slots=True)
class RunContinued(Event):
    """An unfinished run goes on: after a resume, or in a later session."""

    run_id: RunId
    order_day: date
    signal_day: date


@dataclass(frozen=True, slots=True)
class SignalsRequested(Event):
    signal_day: date


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One symbol of a plan: where we stand, where we go, and why not further."""

    symbol: Symbol
    current_qty: Decimal
    target_qty: Decimal
    weight: Decimal
    """Of the deployable value; zero for a position to close."""
    price: Decimal | None
    close: Decimal | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunPlanned(Event):
    """The whole plan of a run, in one entry."""

    run_id: RunId
    round: int
    regime: Regime
    allocation: Decimal
    equity: Decimal
    """Managed equity the plan is sized on."""
    portfolio_value: Decimal
    """The account's whole equity, on which the limits are measured."""
    deployable: Decimal
    cash: Decimal
    lines: tuple[PlanLine, ...]
    notes: tuple[str, ...]
    digest: str
    """Hash of all the rest but the run's id: the same inputs give the same plan anywhere."""
    scale: Decimal = Decimal(1)
    """Part of normal sizes that is deployed: below 1 in the first months of real money."""


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What one gate said of a plan: rule, actual, limit."""

    rule: str
    ok: bool
    actual: str
    limit: str
    text: str


@dataclass(frozen=True, slots=True)
class GatesAnswered(Event):
    """Every gate's answer on a whole plan; one no aborts the run before any order."""

    run_id: RunId
    round: int
    answers: tuple[GateAnswer, ...]


@dataclass(frozen=True, slots=True)
class LineDropped(Event):
    """A symbol leaves the run by policy; it is neither bought nor sold in it."""

    run_id: RunId
    symbol: Symbol
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class LinesChecked(Event):
    """Every line has a price and may be traded, or was dropped: the plan can be made."""

    run_id: RunId


@dataclass(frozen=True, slots=True)
class PhaseStarted(Event):
    run_id: RunId
    phase: str
    """selling, buying or reconciling."""
    round: int


@dataclass(frozen=True, slots=True)
class PhaseDrafted(Event):
    """Every draft that the phase allows now has had its answer."""

    run_id: RunId
    phase: str


@dataclass(frozen=True, slots=True)
class OrderTrimmed(Event):
    """An order over a limit is cut to the largest quantity that passes."""

    order_id: OrderId
    symbol: Symbol
    wanted_qty: Decimal
    qty: Decimal
    rule: str
    actual: str
    limit: str


@dataclass(frozen=True, slots=True)
class OrderRefused(Event):
    """A rule of ours said no: the order is not sent."""

    draft: Draft
    rule: str
    actual: str
    limit: str
    detail: str


@dataclass(frozen=True, slots=True)
class OrderDrafted(Event):
    """The planner wants an order; the validator answers in the same turn."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class OrderApproved(Event):
    approved: Approved


@dataclass(frozen=True, slots=True)
class OrderSubmitted(Event):
    """Written before the request leaves. `sends` counts the requests made under this id."""

    order_id: OrderId
    sends: int


@dataclass(frozen=True, slots=True)
class OrderStepped(Event):
    """An order's status changed, in our words; `reason` says why where it is an end."""

    order_id: OrderId
    status: str
    broker_status: str
    broker_order_id: BrokerOrderId | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FillBooked(Event):
    """Shares and money moved: the increase of an order's cumulative figures."""

    order_id: OrderId
    symbol: Symbol
    side: Side
    qty: Decimal
    price: Decimal
    filled_qty: Decimal
    is_complete: bool
    execution_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderDisputed(Event):
    """The broker's order under our id is not the one we meant; its figures stand."""

    order_id: OrderId
    detail: str


@dataclass(frozen=True, slots=True)
class CancelRequested(Event):
    order_id: OrderId
    why: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """A run ended: done, degraded, aborted (stop, CRASH) or refused by a gate.

    `is_final` closes it for ever; otherwise the same run goes on later.
    """

    run_id: RunId
    outcome: str
    is_final: bool
    reason: str
    report: RunReport | None


@dataclass(frozen=True, slots=True)
class TradingHalted(Event):
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class HaltCompleted(Event):
    """No open order is listed, and none of ours is sending or unknown."""


@dataclass(frozen=True, slots=True)
class CancelsRepeated(Event):
    """The halt is not complete: every cancel was asked for again at this entry's time."""


@dataclass(frozen=True, slots=True)
class HaltDurabilityChanged(Event):
    """What would keep the halt over a restart is lost, or held again."""

    what: str
    """latch or journal."""
    is_held: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SuspendTradeRequested(Event):
    """The broker's own latch, suspend_trade, was asked for: on or off."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class TradingResumed(Event):
    by: str


@dataclass(frozen=True, slots=True)
class RequestDenied(Event):
    """What the operator asked for cannot be done now."""

    what: str
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class AlertRaised(Event):
    """Somebody should know. `level` is info, warning, error or critical."""

    level: str
    key: str
    """What it is about, for de-duplication."""
    text: str


@dataclass(frozen=True, slots=True)
class EquityMarked(Event):
    """The account's equity at the end of a session or of a run, beside the benchmark's price."""

    day: date
    equity: Decimal
    cash: Decimal
    benchmark: Decimal | None
