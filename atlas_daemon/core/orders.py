"""One order's life: the record, and the table of lawful steps. Nothing else decides a status.

Two voices move an order. The broker's is believed in every status: its word may come late, twice
or before the answer to our request, and it is never a reason to fall over. Our own (sent again,
withheld, lapsed ...) must be lawful; a step that is not in the table is our bug and raises.
Fills are not steps: they are booked as the increase of the broker's cumulative figure, whatever
the status, so that a repeat, a gap or a wrong order of arrival does no harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from .errors import UnlawfulStepError
from .frozen import replace
from .values import ZERO, BrokerOrderId, Draft, OrderId


class OrderStatus(StrEnum):
    """Where an order of ours stands, in our words."""

    SENDING = "sending"
    """Written, and perhaps sent: no answer yet."""
    UNKNOWN = "unknown"
    """The answer was lost: asked after by id until the broker knows."""
    WORKING = "working"
    """The broker has it; it may fill."""
    CANCELING = "canceling"
    """We asked for its end, which has not been seen."""
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"
    """The broker took it and then turned it down."""
    REFUSED = "refused"
    """The broker's answer to our request was no."""
    WITHHELD = "withheld"
    """It surely never left."""
    LAPSED = "lapsed"
    """Twice not found, long after any request could still arrive: its id is never used again."""


class OrderNews(StrEnum):
    """What can be said of an order. The first seven are the broker's, the rest our own."""

    WORKING = "working"
    CANCELING = "canceling"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"

    REFUSED = "refused"
    WITHHELD = "withheld"
    UNCONFIRMED = "unconfirmed"
    RESENT = "resent"
    CANCEL_ASKED = "cancel asked"
    LAPSED = "lapsed"


BROKER_NEWS: Mapping[str, OrderNews] = {
    "new": OrderNews.WORKING,
    "partially_filled": OrderNews.WORKING,
    "filled": OrderNews.FILLED,
    "done_for_day": OrderNews.WORKING,  # not an end: the order may live on tomorrow
    "canceled": OrderNews.CANCELED,
    "expired": OrderNews.EXPIRED,
    "replaced": OrderNews.REPLACED,
    "pending_cancel": OrderNews.CANCELING,
    "pending_replace": OrderNews.WORKING,
    "accepted": OrderNews.WORKING,
    "pending_new": OrderNews.WORKING,
    "accepted_for_bidding": OrderNews.WORKING,
    "stopped": OrderNews.WORKING,  # a trade is guaranteed and not yet done
    "rejected": OrderNews.REJECTED,
    "suspended": OrderNews.WORKING,
    "calculated": OrderNews.WORKING,  # done, but its last figures are still to come
    "held": OrderNews.WORKING,
    "pending_review": OrderNews.WORKING,
}
"""Every order status of Alpaca's API and SDK. One that is not here counts as no end."""

_S, _N = OrderStatus, OrderNews

DONE = frozenset(
    {
        _S.FILLED,
        _S.CANCELED,
        _S.EXPIRED,
        _S.REPLACED,
        _S.REJECTED,
        _S.REFUSED,
        _S.WITHHELD,
        _S.LAPSED,
    }
)

_ENDS = {
    _N.FILLED: _S.FILLED,
    _N.CANCELED: _S.CANCELED,
    _N.EXPIRED: _S.EXPIRED,
    _N.REPLACED: _S.REPLACED,
    _N.REJECTED: _S.REJECTED,
}
_ALIVE = {_N.WORKING: _S.WORKING, _N.CANCELING: _S.CANCELING}


def _stays(status: OrderStatus, *news: OrderNews) -> dict[OrderNews, OrderStatus]:
    return dict.fromkeys(news, status)


# An end stays an end whatever comes late, but for two: a complete fill is the truth everywhere,
# and an order that we thought had never lived may turn out to live.
def _ended(status: OrderStatus) -> dict[OrderNews, OrderStatus]:
    late = _stays(status, *_ENDS, *_ALIVE, _N.REFUSED, _N.WITHHELD, _N.UNCONFIRMED)
    return late | {_N.FILLED: _S.FILLED}


def _never_lived(status: OrderStatus) -> dict[OrderNews, OrderStatus]:
    return _ENDS | _ALIVE | _stays(status, _N.REFUSED, _N.WITHHELD, _N.UNCONFIRMED)


STEPS: Mapping[OrderStatus, Mapping[OrderNews, OrderStatus]] = {
    _S.SENDING: _ENDS
    | _ALIVE
    | {
        _N.REFUSED: _S.REFUSED,
        _N.WITHHELD: _S.WITHHELD,
        _N.UNCONFIRMED: _S.UNKNOWN,
        _N.CANCEL_ASKED: _S.SENDING,
    },
    _S.UNKNOWN: _ENDS
    | _ALIVE
    | {
        _N.REFUSED: _S.UNKNOWN,  # a second request's no is no word on the first one
        _N.WITHHELD: _S.UNKNOWN,
        _N.UNCONFIRMED: _S.UNKNOWN,
        _N.RESENT: _S.SENDING,
        _N.CANCEL_ASKED: _S.UNKNOWN,
        _N.LAPSED: _S.LAPSED,
    },
    _S.WORKING: _ENDS
    | _ALIVE
    | _stays(_S.WORKING, _N.REFUSED, _N.WITHHELD, _N.UNCONFIRMED)
    | {_N.CANCEL_ASKED: _S.CANCELING},
    _S.CANCELING: _ENDS
    | _stays(
        _S.CANCELING,
        _N.WORKING,
        _N.CANCELING,
        _N.REFUSED,
        _N.WITHHELD,
        _N.UNCONFIRMED,
        _N.CANCEL_ASKED,
    ),
    _S.FILLED: _ended(_S.FILLED),
    _S.CANCELED: _ended(_S.CANCELED),
    _S.EXPIRED: _ended(_S.EXPIRED),
    _S.REPLACED: _ended(_S.REPLACED),
    _S.REJECTED: _ended(_S.REJECTED),
    _S.REFUSED: _never_lived(_S.REFUSED),
    _S.WITHHELD: _never_lived(_S.WITHHELD),
    _S.LAPSED: _never_lived(_S.LAPSED),
}


def step(order_id: OrderId, status: OrderStatus, news: OrderNews) -> OrderStatus:
    """Return the status after `news`; UnlawfulStepError where the table has no such step."""
    try:
        return STEPS[status][news]
    except KeyError:
        raise UnlawfulStepError(order_id, status, news) from None


@dataclass(frozen=True)  # no slots: changed by `frozen.replace`
class Order:
    """An order of ours, as the journal knows it. Money is in dollars, quantities in shares."""

    draft: Draft
    status: OrderStatus
    approved_at: datetime
    changed_at: datetime
    sent_at: datetime
    """When the latest request under its id was written."""
    broker_order_id: BrokerOrderId | None = None
    broker_status: str = ""
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    executions: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """Shares and price of each execution that was booked by its id."""
    disputed: frozenset[str] = frozenset()
    """Ids of executions that were told again with other figures."""
    sends: int = 1
    is_cancel_wanted: bool = False
    reason: str = ""

    @property
    def is_done(self) -> bool:
        """True where no further step is expected."""
        return self.status in DONE

    @property
    def is_in_doubt(self) -> bool:
        """True where a request is under way or its answer was lost."""
        return self.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN)

    @property
    def open_qty(self) -> Decimal:
        """Shares that may still fill."""
        left = self.draft.qty - self.filled_qty
        return left if left > 0 and self.status not in DONE else ZERO

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Average price per share over all fills; None before the first."""
        return self.filled_value / self.filled_qty if self.filled_qty else None

    def with_fill(self, qty: Decimal, price: Decimal, execution_id: str, at: datetime) -> "Order":
        """Return the order with `qty` more shares filled at `price`."""
        known = self.executions
        return replace(
            self,
            filled_qty=self.filled_qty + qty,
            filled_value=self.filled_value + qty * price,
            executions={**known, execution_id: (qty, price)} if execution_id else known,
            changed_at=at,
        )
