"""What a run says of itself at its end: records inside an event. No event lives here."""

from dataclasses import dataclass
from decimal import Decimal

from atlas_daemon.core.values import Regime, Symbol


@dataclass(frozen=True, slots=True)
class AchievedLine:
    """What became of one symbol of a run."""

    symbol: Symbol
    target_qty: Decimal
    actual_qty: Decimal
    target_weight: Decimal
    """Of the managed equity."""
    actual_weight: Decimal
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """The handbook's summary report, and achieved against target."""

    total_orders: int
    filled_orders: int
    rejected_orders: int
    total_slippage: Decimal
    """Sum over filled orders of (fill - expected price), dollars per share (the handbook's)."""
    slippage_cost: Decimal
    """What the fills cost against the expected prices, in dollars; positive is a cost."""
    final_equity: Decimal
    regime: Regime
    allocation_pct: Decimal
    achieved_pct: Decimal
    """Managed value over managed equity, from the broker's positions."""
    lines: tuple[AchievedLine, ...] = ()
    discrepancies: tuple[str, ...] = ()
    scale: Decimal = Decimal(1)
    """Part of `allocation_pct` that the run was to deploy."""
