"""Everything the core may ask of the world, in the imperative. Nothing leaves but as one of these.

Each may run twice (a crash can hide whether it ran): it is harmless then, by its id or by nature.
"""

from dataclasses import dataclass
from datetime import date, datetime

from .values import Approved, BrokerOrderId, OrderId, Symbol


@dataclass(frozen=True, slots=True)
class Effect:
    """Base of all effects. Frozen; no logic."""


@dataclass(frozen=True, slots=True)
class SubmitOrder(Effect):
    """Send an approved order; the fence is asked right before its first byte."""

    approved: Approved


@dataclass(frozen=True, slots=True)
class CancelOrder(Effect):
    order_id: OrderId
    broker_order_id: BrokerOrderId | None


@dataclass(frozen=True, slots=True)
class CancelAllOrders(Effect):
    """Cancel every open order of the account in one request."""


@dataclass(frozen=True, slots=True)
class FetchOrder(Effect):
    """Ask for an order by our id."""

    order_id: OrderId


@dataclass(frozen=True, slots=True)
class FetchFigures(Effect):
    """Ask for quotes, assets and the snapshot, and report them in this order.

    Whoever hears the snapshot has heard the rest, or that it failed.
    """

    asked_at: datetime
    quotes: tuple[Symbol, ...] = ()
    assets: tuple[Symbol, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchSessions(Effect):
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class FetchActivities(Effect):
    """Ask for all activities of the account that were created after `after`."""

    after: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class ComputeSignals(Effect):
    """Let the child process compute picks and regime of a signal session."""

    signal_day: date
    held: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class RefreshRegime(Effect):
    """Let the child process compute picks and regime of a session that no run waits for.

    Where the picks cannot be had the regime alone is told.
    """

    signal_day: date
    held: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class FetchClock(Effect):
    """Ask for the broker's time."""

    asked_at: datetime


@dataclass(frozen=True, slots=True)
class RunDoctor(Effect):
    """Let the doctor look at everything, in a process of its own."""

    reason: str


@dataclass(frozen=True, slots=True)
class SendDailyReport(Effect):
    """Tell people how the day was, where they want to be told."""

    day: date


@dataclass(frozen=True, slots=True)
class KeepLogs(Effect):
    """Archive the log files of days that are over; `today` is New York's."""

    today: date


@dataclass(frozen=True, slots=True)
class WriteLatch(Effect):
    """Put the latch on disk, fsynced, before any other effect of the same turn begins."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemoveLatch(Effect):
    pass


@dataclass(frozen=True, slots=True)
class SuspendTrading(Effect):
    """Set or clear the broker's own latch: while it is on every order is refused, sells too."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class ReopenStream(Effect):
    """Give up the stream's connection, which brings nothing, for a new one."""

    why: str


@dataclass(frozen=True, slots=True)
class SendAlert(Effect):
    level: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class StopDaemon(Effect):
    """End the process in good order."""

    why: str
