"""What the broker of the virtual world keeps of an order, and what may go wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from atlas_daemon.core.values import BrokerOrderId, Side, Symbol

ENDED = {"filled", "canceled", "expired", "rejected"}


@dataclass
class BrokerOrder:
    """An order as the broker of this world keeps it."""

    order_id: str
    symbol: Symbol
    side: Side
    qty: Decimal
    status: str = "new"
    filled_qty: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    executions: int = 0

    @property
    def broker_id(self) -> BrokerOrderId:
        return BrokerOrderId(f"b-{self.order_id}")

    @property
    def avg(self) -> Decimal | None:
        return self.filled_value / self.filled_qty if self.filled_qty else None


@dataclass
class Faults:
    """What goes wrong. Each is asked with an order's id (or symbol) and answers by name."""

    submit: Callable[[str, int], str] = lambda order_id, sends: "ok"
    """ok, refuse, lose_request, lose_answer or hang (by id and how often it was sent)."""
    fill: Callable[[str], str] = lambda symbol: "all"
    """all, rest, reject or a number of shares after which the order rests."""
    figures: Callable[[], bool] = lambda: False
    """True where account, positions and orders cannot be fetched now."""
    activities: Callable[[], bool] = lambda: False
    """True where the account's activities cannot be fetched now."""
    stream: Callable[[], bool] = lambda: True
    """Whether stream frames arrive."""
    repeats: bool = False
    """Every frame comes twice."""
