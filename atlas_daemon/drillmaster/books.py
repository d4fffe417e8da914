"""What both sides have written once a drill is over: the broker's record, the journal, the wire.

Here it is gathered and nothing is judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from atlas_daemon.core import events as e
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.state import State
from atlas_daemon.journal import Journal

from .broker import Broker
from .home import Home
from .wire import Passed, Post

T = TypeVar("T")

OURS = "atlas-"
"""How the ids of our orders begin."""
FAR_PAST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Both sides' record of one drill."""

    orders: Sequence[Mapping[str, Any]]
    """Ours at the broker, oldest first, as its API shows them."""
    executed: Mapping[str, Decimal]
    """Shares by our order id, summed over the broker's executions."""
    positions: Mapping[str, Decimal]
    cash: Decimal
    open_orders: int
    entries: Sequence[e.Entry]
    journal_fault: str
    """Why the journal's chain is broken; empty where it is whole."""
    posts: Sequence[Post]
    """Each time an order passed the wire."""
    complaints: Sequence[str] = ()
    """Last lines of daemons that ended by an exception of their own."""
    codes: frozenset[str] = frozenset()
    """Digests of the code that the daemons ran."""

    def all(self, kind: type[T]) -> list[T]:
        """Return the journal's events of a kind."""
        return [entry.event for entry in self.entries if isinstance(entry.event, kind)]

    def state(self) -> State:
        """Return what the journal adds up to."""
        state = State(now=FAR_PAST)
        for entry in self.entries:
            state = evolve(state, entry)
        return state


def gather(broker: Broker, home: Home, passed: Passed) -> Books:
    """Read both sides. The broker must still run."""
    with Journal.open_readonly(home.state / "journal.db") as journal:
        verdict = journal.verify()
        entries = list(journal.read())
    orders = [o for o in broker.orders() if str(o["client_order_id"]).startswith(OURS)]
    ours = {order["id"]: str(order["client_order_id"]) for order in orders}
    executed: dict[str, Decimal] = {}
    for execution in broker.executions():
        order_id = ours.get(execution["order_id"], execution["order_id"])
        executed[order_id] = executed.get(order_id, Decimal(0)) + Decimal(execution["qty"])
    account = broker.account()
    return Books(
        orders=orders,
        executed=executed,
        positions=broker.positions(),
        cash=Decimal(account["cash"]),
        open_orders=int(account["open_orders"]),
        entries=entries,
        journal_fault="" if verdict.is_intact else verdict.fault,
        posts=tuple(passed.posts),
        codes=frozenset(
            entry.event.code_digest for entry in entries if isinstance(entry.event, e.DaemonStarted)
        ),
        complaints=tuple(d.last_word() for d in home.daemons if "Traceback" in d.said()),
    )
