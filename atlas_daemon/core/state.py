"""What is true now: records only. How they change is `evolve`'s, what follows is the handlers'.

`Figures` holds what was seen of the world since the process started; it is not recovered but asked
for anew, and everything else in `State` is the same whether lived through or folded. None of
them has slots: they change often, and `frozen.replace` is the quick way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from . import events as e
from .findings import Finding
from .orders import DONE, Order
from .values import (
    ZERO,
    AccountMode,
    Asset,
    Mode,
    OrderId,
    Quote,
    Regime,
    RunId,
    Symbol,
)

MARKS_MAX = 800
"""Daily equity marks kept in memory: three years, enough for a status page."""
FLOWS_MAX = 200
"""The latest deposits and withdrawals; what was made since one that is forgotten is not known."""
ALERTS_MAX = 20
ACTIVITIES_MAX = 20
FOREIGN_MAX = 200
"""The latest foreign orders are known by name; an older one that still rests is told of again."""
CRASHES_MAX = 3
"""So many ends by our own exception make a crash loop."""


class Phase(StrEnum):
    """Where a run stands."""

    DUE = "due"
    SELLING = "selling"
    BUYING = "buying"
    RECONCILING = "reconciling"
    PARKED = "parked"
    """Unfinished, waiting for a later session or for a resume."""


@dataclass(frozen=True)
class Run:
    """One attempt to reach a target."""

    run_id: RunId
    trigger: str
    slot: str | None
    order_day: date
    signal_day: date
    started_at: datetime
    first_day: date
    """The first session it was tried in: catching up is counted from here."""
    phase: Phase = Phase.DUE
    phase_at: datetime | None = None
    round: int = 0
    """Counts up over the whole life of the run: it is part of the orders' ids."""
    session_round: int = 0
    """The same, counted from the session's first plan."""
    plan: e.RunPlanned | None = None
    signals: e.SignalsReported | None = None
    """Symbols and weights freeze with the first plan that filled."""
    dropped: Mapping[Symbol, str] = field(default_factory=dict)
    trimmed: Mapping[Symbol, str] = field(default_factory=dict)
    """Lines cut by a cap or for cash, and how."""
    agreed: Mapping[Symbol, Decimal] = field(default_factory=dict)
    """Quantities that approved buys of this round lead to; they stand for the plan's targets."""
    tried: frozenset[Symbol] = frozenset()
    """Lines whose order was refused in this phase."""
    has_filled: bool = False

    @property
    def prefix(self) -> str:
        """What the ids of this run's orders begin with."""
        return f"atlas-{self.run_id}-"


@dataclass(frozen=True)
class Book:
    """Our account as fills made it. `bought` is the part of a position that the journal bought."""

    cash: Decimal = ZERO
    positions: Mapping[Symbol, Decimal] = field(default_factory=dict)
    bought: Mapping[Symbol, Decimal] = field(default_factory=dict)
    changed_at: datetime | None = None
    is_known: bool = False
    unnamed_cash: Decimal = ZERO
    """What our cash followed the broker's by, and no activity has named yet."""
    sold: Decimal = ZERO
    """Dollars of our sells on the day `sold_on` (New York's)."""
    sold_on: date | None = None
    adopted_at: datetime | None = None
    """When the whole book was taken from the broker."""
    adopted: Mapping[Symbol, datetime] = field(default_factory=dict)
    """When the operator adopted single positions."""


@dataclass(frozen=True)
class ActivityLog:
    """Which of the account's activities are in the book."""

    heard: Mapping[str, datetime] = field(default_factory=dict)
    """Their ids, and when they were put on record."""
    read_at: datetime | None = None
    """When a list that was read whole was asked for; None before the first one."""
    latest: tuple[tuple[datetime, e.ActivityBooked], ...] = ()


@dataclass(frozen=True)
class Halt:
    """The latch, as the journal knows it."""

    by: str
    reason: str
    at: datetime
    is_complete: bool = False
    missing: frozenset[str] = frozenset()
    """What would keep the halt over a restart and could not be written: latch, journal."""
    flatten: RunId | None = None
    """The run that sells what is held, once it began."""

    @property
    def is_durable(self) -> bool:
        """True where a restart finds the halt by journal and latch."""
        return not self.missing


@dataclass(frozen=True)
class Figures:
    """What the world said to this process. Gone with it."""

    started_at: datetime | None = None
    snapshot: e.SnapshotReported | None = None
    heard_at: datetime | None = None
    quotes: Mapping[Symbol, Quote] = field(default_factory=dict)
    assets: Mapping[Symbol, Asset] = field(default_factory=dict)
    assets_asked: frozenset[Symbol] = frozenset()
    asked_at: datetime | None = None
    """When snapshot and quotes were last asked for."""
    looked_up: Mapping[OrderId, datetime] = field(default_factory=dict)
    not_found: Mapping[OrderId, tuple[datetime, ...]] = field(default_factory=dict)
    stream: str = "connecting"
    stream_at: datetime | None = None
    stream_detail: str = ""
    clean_since: datetime | None = None
    """Since when every snapshot asked for has come."""
    matched_at: datetime | None = None
    drift_at: datetime | None = None
    drift_symbols: tuple[Symbol, ...] = ()
    agreed_since: Mapping[Symbol, datetime] = field(default_factory=dict)
    """Frozen symbols of which the broker shows our quantity again, and since which look."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """What failed when last asked for, and how."""
    first_matched_at: datetime | None = None
    """When this process first found the books equal: before it, it is still starting."""
    cash_differs_at: datetime | None = None
    activities_asked_at: datetime | None = None
    activities_at: datetime | None = None
    """When the latest list of activities that came was asked for."""
    unread: int = 0
    """Frames that could not be read and were not told of yet."""
    refused_at: datetime | None = None
    """Since when the stream is refused."""
    unstreamed: Mapping[OrderId, datetime] = field(default_factory=dict)
    """Orders of which a look-up told more than the listening stream, and since when."""
    rival: str = ""
    sessions_asked_at: datetime | None = None
    sessions_agreed: tuple[date, date] | None = None
    signals_asked_at: datetime | None = None
    regime_asked_at: datetime | None = None
    """When signals and regime were last asked for though no run waits for them."""
    regime_tries: int = 0
    """How often, since they last came."""
    doctor_asked_at: datetime | None = None
    doctor_tries: int = 0
    clock_asked_at: datetime | None = None
    is_clock_doubted: bool = False
    """Our clock jumped, or the process just began, and the broker's was not heard since."""
    clock_doubted_at: datetime | None = None
    """Since when, where it still is."""
    set_back_from: datetime | None = None
    """What our clock said before it was set back, where that is still to be put right."""
    clock_dispute: e.ClockDisputed | None = None
    """How far the broker's clock is from ours, where that is too far."""
    first_book: e.FirstBookSeen | None = None
    """The latest look at a book that is still to be adopted."""
    is_first_look: bool = False
    """The latest snapshot is the first that this process has seen."""
    pulled_at: datetime | None = None
    """When the cancels of a halt were last asked for again."""
    suspension_asked_at: datetime | None = None
    is_shutting_down: bool = False
    certificate: e.CertificateReported | None = None
    """What was read of it. A new process reads it anew, and so does a clock that was set back."""

    @property
    def differs_at(self) -> datetime | None:
        """Since when the books differ and nobody knows why; None where they do not."""
        return self.drift_at or self.cash_differs_at


@dataclass(frozen=True)
class RegimeSeen:
    """The latest word on the regime."""

    regime: Regime
    """What a buy is measured by: of a model the lower of its raw and its confirmed label."""
    as_of: date
    source: str
    heard_at: datetime
    raw: Regime | None = None
    confirmed: Regime | None = None
    is_computed: bool = False
    """By a source that speaks of sessions, not by a person of this very moment."""

    @property
    def acted_on(self) -> Regime:
        """What is acted on between slots: a person's word and a file's are confirmed at once."""
        return self.confirmed or self.regime


@dataclass(frozen=True)
class Outlook:
    """What is known ahead of any run, beside the regime itself."""

    confirmed: Regime | None = None
    """The regime that the latest `RegimeChanged` told of."""
    pending: e.RegimeChanged | None = None
    """A change that waits for its run to the new allocation."""
    file_word: e.RegimeReported | None = None
    """What the watched file said last."""
    signals: e.SignalsReported | None = None
    """What the strategy wants, computed ahead: a run of the same signal session takes it."""
    refreshed_day: date | None = None
    """The session of which the source spoke last, asked ahead; and when it did."""
    refreshed_at: datetime | None = None


@dataclass(frozen=True)
class Examined:
    """What the doctor found last."""

    findings: tuple[Finding, ...]
    at: datetime
    reason: str
    red_before: frozenset[str]
    """The checks that were red the time before."""


@dataclass(frozen=True)
class Evidence:
    """The latest word on something that was tried, measured or approved."""

    word: e.EvidenceReported
    at: datetime


@dataclass(frozen=True)
class Ramp:
    """How real money was used so far. Empty in the other modes."""

    first_buy_at: datetime | None = None
    """The first live fill of a buy: clean days are counted from then."""
    scale: Decimal | None = None
    """Part of normal sizes, as the first rebalance had it or a person set it; None before."""
    changed_at: datetime | None = None
    """When a person last set it."""
    raised_at: datetime | None = None
    clean_days: int = 0
    """Sessions since the first buy, the last raise and the last unclean thing."""
    counted_day: date | None = None
    """The session that was counted last, or that the count began in."""
    unclean_at: datetime | None = None
    unclean: str = ""
    """What began the count anew, in a few words."""
    warned: frozenset[str] = frozenset()
    """What was told of the present certificate's end."""
    warned_of: str = ""
    """The certificate that is meant."""
    refusal_told: str = ""
    """Why the certificate does not count, where that was told; empty since it counts."""


@dataclass(frozen=True)
class Mark:
    """The account's equity, and the benchmark's price, as they were at a moment."""

    day: date
    """The session that it is the end of, or that its run belongs to."""
    at: datetime
    equity: Decimal
    benchmark: Decimal | None


@dataclass(frozen=True)
class Flow:
    """Value that came from outside or went there: no gain and no loss."""

    day: date
    at: datetime | None
    """When it moved; None where only the day was told."""
    heard_at: datetime
    amount: Decimal | None
    """Dollars, negative where they went; None where nobody knows what the shares were worth."""


@dataclass(frozen=True)
class RunRecord:
    """A run that ended, for status pages."""

    run_id: RunId
    order_day: date
    finished_at: datetime
    outcome: str
    is_final: bool
    reason: str
    report: e.RunReport | None


@dataclass(frozen=True, kw_only=True)
class State:
    """All that the core knows. `now` is the time of the latest entry."""

    now: datetime
    seq: int = 0
    born_at: datetime | None = None
    account_name: str = ""
    account_mode: AccountMode | None = None
    account_number: str = ""
    mode: Mode = Mode.STARTING
    mode_reason: str = "starting"
    trading_at: datetime | None = None
    """When the mode last became TRADING."""
    halt: Halt | None = None
    suspension: str = ""
    """The broker's suspend_trade as far as we set it: wanted, on, clearing; empty where not."""
    crashes: tuple[tuple[datetime, str], ...] = ()
    """The latest ends by our own exception since a person last resumed, oldest first."""
    book: Book = Book()
    frozen: Mapping[Symbol, str] = field(default_factory=dict)
    overfilled: frozenset[Symbol] = frozenset()
    """Those of the frozen that only the operator takes off: no activity explains an overfill."""
    cash_dispute: e.CashUnexplained | None = None
    activities: ActivityLog = ActivityLog()
    closed_fills: Mapping[str, Decimal] = field(default_factory=dict)
    """Shares filled of our orders that left `orders`, by the broker's id."""
    foreign: Mapping[str, e.ForeignOrderFound] = field(default_factory=dict)
    orders: Mapping[OrderId, Order] = field(default_factory=dict)
    run: Run | None = None
    slots: Mapping[str, str] = field(default_factory=dict)
    """Slots closed for ever, and how."""
    run_ids: frozenset[RunId] = frozenset()
    last_run: RunRecord | None = None
    regime: RegimeSeen | None = None
    outlook: Outlook = Outlook()
    jobs: Mapping[str, datetime] = field(default_factory=dict)
    """The jobs of the schedule, and when each was last due."""
    examined: Examined | None = None
    config_digest: str = ""
    calendar_dispute: str = ""
    marks: tuple[Mark, ...] = ()
    flows: tuple[Flow, ...] = ()
    evidence: Mapping[tuple[str, str], Evidence] = field(default_factory=dict)
    """By kind and name."""
    ramp: Ramp = Ramp()
    alerts: tuple[tuple[datetime, e.AlertRaised], ...] = ()
    figures: Figures = Figures()

    def open_orders(self) -> Iterator[Order]:
        """Orders of ours that are not done, oldest first."""
        return (order for order in self.orders.values() if order.status not in DONE)

    @property
    def is_halted(self) -> bool:
        """True while the latch is on."""
        return self.halt is not None
