"""What the edges put in the inbox: from ourselves, from time, the operator and the broker.

Past tense, plain values, no logic. A repeat of any of these must be harmless.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from atlas_daemon.core.values import (
    Account,
    AccountMode,
    Activity,
    Asset,
    BrokerOrderId,
    OpenOrder,
    OrderId,
    Pick,
    Position,
    Quote,
    Regime,
    Session,
    Side,
    Symbol,
)


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


# Heard from ourselves, from time and from the operator.


@dataclass(frozen=True, slots=True)
class DaemonStarted(Event):
    """A process took up the journal. What was asked of the world before is forgotten."""

    version: str
    account_name: str
    account_mode: AccountMode
    account_number: str
    """Empty until the configuration or the broker names it."""
    config_digest: str
    is_latched: bool
    """The latch file was there at the start, whatever is in it."""
    code_digest: str = ""
    """Of the code that trades; empty in entries of before it was told."""
    sections_digest: str = ""
    """Of the configuration sections that a certificate binds; empty as above."""


@dataclass(frozen=True, slots=True)
class Ticked(Event):
    """The metronome's beat."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested(Event):
    """No new order from here on; answers are awaited, the run goes on at the next start."""

    by: str


@dataclass(frozen=True, slots=True)
class StopRequested(Event):
    """The emergency stop."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ResumeRequested(Event):
    """The operator takes the latch off, and the broker's suspend_trade too where asked for."""

    by: str
    lifts_suspension: bool = False


@dataclass(frozen=True, slots=True)
class RebalanceRequested(Event):
    """The operator asks for a run: the due slot's, or one of its own."""

    by: str
    force: bool
    is_first_trade: bool = False
    """A few dollars of the best picks instead of a whole rebalance."""


@dataclass(frozen=True, slots=True)
class AdoptRequested(Event):
    """The operator accepts the broker's figures of a symbol; of all where None."""

    by: str
    symbol: Symbol | None


@dataclass(frozen=True, slots=True)
class PolicyChanged(Event):
    """A new configuration is in force from this entry on; no run was under way."""

    config_digest: str
    changed: tuple[str, ...] = ()
    """Names of the keys whose values differ from before; never the values, which may be secret."""
    sections_digest: str = ""
    """Of the configuration sections that a certificate binds; empty where it was not told."""


# Heard from the broker's stream and from its answers.


@dataclass(frozen=True, slots=True)
class StreamReported(Event):
    """The trade_updates stream is `connecting`, `listening`, `lost` or `refused`."""

    condition: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FrameUnread(Event):
    """A frame that could not be read. It may have been news of an order."""

    detail: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class OrderReported(Event):
    """What the broker says of an order as a whole: status and cumulative figures."""

    order_id: OrderId
    broker_order_id: BrokerOrderId
    symbol: Symbol
    side: Side
    qty: Decimal | None
    status: str
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    source: str
    """stream, submit, lookup or list."""
    reported_at: datetime | None = None
    """The broker's own moment of its last change."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OrderFilled(Event):
    """One execution of an order, with the cumulative figures after it."""

    order_id: OrderId
    broker_order_id: BrokerOrderId
    symbol: Symbol
    side: Side
    order_qty: Decimal | None
    execution_id: str
    qty: Decimal
    price: Decimal
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    status: str
    filled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SubmitRefused(Event):
    """The broker said no, and surely did nothing."""

    order_id: OrderId
    kind: str
    http_status: int
    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class SubmitWithheld(Event):
    """The order surely never left: the fence was closed, or the budget was spent for too long."""

    order_id: OrderId
    why: str


@dataclass(frozen=True, slots=True)
class SubmitUnconfirmed(Event):
    """The request left, and nobody knows what became of it."""

    order_id: OrderId
    detail: str


@dataclass(frozen=True, slots=True)
class OrderNotFound(Event):
    """The broker, asked by our id at `asked_at`, knows no such order."""

    order_id: OrderId
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class CancelUnconfirmed(Event):
    """A request to cancel was refused or lost; the order stands as it stood."""

    order_id: OrderId | None
    """None for a request to cancel all."""
    detail: str


@dataclass(frozen=True, slots=True)
class SnapshotReported(Event):
    """Account, positions and open orders, all asked for after `asked_at`."""

    asked_at: datetime
    account: Account
    positions: tuple[Position, ...]
    open_orders: tuple[OpenOrder, ...]


@dataclass(frozen=True, slots=True)
class QuotesReported(Event):
    asked_at: datetime
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class AssetsReported(Event):
    """`asked` names all symbols asked for; one not in `assets` is unknown to the broker."""

    asked: tuple[Symbol, ...]
    assets: tuple[Asset, ...]


@dataclass(frozen=True, slots=True)
class SessionsReported(Event):
    """The broker's calendar over the days [first, last]."""

    first: date
    last: date
    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class ActivitiesReported(Event):
    """All activities of the account created after `after`, oldest first; asked for at `asked_at`.

    Never a part of the list: where a page is missing the question has failed.
    """

    after: datetime
    asked_at: datetime
    activities: tuple[Activity, ...]


@dataclass(frozen=True, slots=True)
class SignalsReported(Event):
    """The strategy's answer for a signal session, and the regime of that day."""

    signal_day: date
    picks: tuple[Pick, ...]
    closes: Mapping[Symbol, Decimal]
    """As-traded closes of the signal session."""
    regime: Regime
    regime_as_of: date
    source: str
    candidates: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    regime_raw: Regime | None = None
    """What a model says of that session alone; `regime` is the lower of it and the confirmed."""
    regime_confirmed: Regime | None = None
    """What a model has said long enough to be acted on between slots; None: `regime` is."""


@dataclass(frozen=True, slots=True)
class RegimeReported(Event):
    """The regime source spoke, or a person did."""

    regime: Regime
    as_of: date
    source: str
    raw: Regime | None = None
    confirmed: Regime | None = None
    """As in `SignalsReported`."""
    signal_day: date | None = None
    """The session it was computed for; None where somebody spoke of his own accord."""


@dataclass(frozen=True, slots=True)
class FetchFailed(Event):
    """A question to the world got no answer. Never read as an empty one."""

    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class LatchWritten(Event):
    """What keeps a stop over restarts is on the disk."""

    what: str = "latch"
    """latch or journal."""


@dataclass(frozen=True, slots=True)
class LatchFailed(Event):
    """What keeps a stop over restarts could not be put on disk, or not be taken away."""

    detail: str
    what: str = "latch"
    """latch, journal or removal."""


@dataclass(frozen=True, slots=True)
class SuspendTradeChanged(Event):
    """The broker confirmed its own latch, suspend_trade: on or off."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class DaemonCrashed(Event):
    """A process ended by an exception of our own, and wrote it down as it died."""

    detail: str
