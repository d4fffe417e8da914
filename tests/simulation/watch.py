"""What must hold at every moment, whatever happens. Each breach is noted once, in one line.

The core's own invariants are asked at every turn; those here look from outside: at the broker, at
the wire, at the disk.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from atlas_daemon.app import Daemon
from atlas_daemon.bus import Committed
from atlas_daemon.core import events as e
from atlas_daemon.core.gates import price_paid
from atlas_daemon.core.values import Approved, Regime
from tests.core.invariants import check_turn
from tests.simulation.broker import Broker, Order
from tests.simulation.disk import Disk
from tests.simulation.faults import Faults

ORDER_ID = re.compile(r"atlas-(?P<run>.+)-r(?P<round>\d+)-(?P<side>buy|sell)-(?P<symbol>.+)-\d+")
SLACK = Decimal("1.06")
"""A target is re-sized where the price left the drift band (5 %)."""


class Watch:
    """Keeps what was breached. `daemon` is the one that lives now."""

    def __init__(self, broker: Broker, disk: Disk, faults: Faults) -> None:
        self.broker, self.disk, self.faults = broker, disk, faults
        self.breaches: list[str] = []
        self.daemon: Daemon | None = None
        self.plans: dict[tuple[str, int], e.RunPlanned] = {}
        self.approved: dict[str, Approved] = {}
        self.is_stopped = False
        """Stopped by a turn that was taken, and not resumed by the operator since."""
        self.is_asked_to_resume = False

    def breach(self, text: str) -> None:
        at = f"{self.broker.now:%H:%M:%S}"
        if all(text != old.split(" ", 1)[1] for old in self.breaches):
            self.breaches.append(f"{at} {text}")

    # At every turn.

    def on_turn(self, committed: Committed) -> None:
        assert self.daemon is not None
        try:
            check_turn(committed.before, committed.event, committed.turn, self.daemon.policy)
        except AssertionError as error:
            if not (self.has_jumped and "cash" in str(error)):
                self.breach(f"core: {error}")
        for entry in committed.turn.entries:
            self.learn(entry.event)
            if isinstance(entry.event, e.HaltCompleted):
                self._nothing_rests()

    def learn(self, event: e.Event) -> None:
        """Take note of what is written; a new process reads it all again to us."""
        if isinstance(event, e.RunPlanned):
            self.plans[event.run_id, event.round] = event
        elif isinstance(event, e.OrderApproved):
            self.approved[event.approved.draft.order_id] = event.approved
        elif isinstance(event, e.ResumeRequested):
            self.is_asked_to_resume = True
        elif isinstance(event, e.TradingHalted):
            self.is_stopped, self.is_asked_to_resume = True, False
        elif isinstance(event, e.TradingResumed) and self.is_asked_to_resume:
            self.is_stopped = False

    def _nothing_rests(self) -> None:
        rests = [o.client_order_id for o in self.broker.ours() if o.is_open]
        if rests:
            self.breach(f"the halt is called complete while {', '.join(rests)} rest")

    @property
    def has_jumped(self) -> bool:
        return self.faults.fired["price_jump"] > 0

    # At an order's first byte.

    def on_post(self, body: Mapping[str, str]) -> None:
        daemon, order_id = self.daemon, body["client_order_id"]
        assert daemon is not None
        if order_id not in self.disk.intents:
            self.breach(f"{order_id} left before it was written")
        state = daemon.state
        is_flatten = state.run is not None and state.run.trigger == "stop"
        is_stopped = self.is_stopped or state.halt is not None or daemon._bus.is_stop_heard
        if (is_stopped or daemon.settings.latch_path.exists()) and not (
            is_flatten and body["side"] == "sell"
        ):
            self.breach(f"{order_id} left while halted")
        approved = self.approved.get(order_id)
        if approved is not None and daemon.now() >= approved.expires_at:
            self.breach(f"{order_id} left on an old approval")
        crash = state.regime is not None and state.regime.regime is Regime.CRASH
        if body["side"] == "buy" and crash:
            self.breach(f"{order_id} left under CRASH")

    # At the broker.

    def on_accept(self, order: Order) -> None:
        broker = self.broker
        for other in broker.ours():
            if other is not order and other.is_open and other.symbol == order.symbol:
                self.breach(f"two live orders: {other.client_order_id}, {order.client_order_id}")
        if order.side == "sell":
            return
        if any(o.is_open and o.side == "sell" for o in broker.ours()):
            self.breach(f"{order.client_order_id} was bought before the sells were done")
        self._within_target(order)
        if not self.has_jumped:
            buys = [o for o in broker.ours() if o.is_open and o.side == "buy"]
            need = sum((o.left * self._price(o.client_order_id) for o in buys), Decimal(0))
            if need > broker.cash + 1:
                self.breach(f"open buys need {need:.2f}, cash is {broker.cash:.2f}")

    def _price(self, order_id: str) -> Decimal:
        approved = self.approved.get(order_id)
        return Decimal(0) if approved is None else price_paid(approved.draft)

    def _within_target(self, order: Order) -> None:
        match = ORDER_ID.fullmatch(order.client_order_id)
        plan = match and self.plans.get((match["run"], int(match["round"])))
        line = plan and next((x for x in plan.lines if x.symbol == order.symbol), None)
        if not line:
            self.breach(f"{order.client_order_id} stands in no plan")
            return
        price = self.broker.prices[order.symbol]
        most = line.target_qty
        if line.price is not None:
            most = max(most, line.target_qty * line.price / price)
        there = self.broker.held.get(order.symbol, Decimal(0))
        coming = sum(
            o.left for o in self.broker.ours()
            if o.is_open and o.symbol == order.symbol and o.side == "buy"
        )  # fmt: skip
        if there + coming > most * SLACK + 1:
            text = f"{there} held and {coming} coming, the target is {line.target_qty}"
            self.breach(f"{order.client_order_id} buys beyond its target: {text}")

    def on_fill(self) -> None:
        if self.broker.cash < 0 and not self.has_jumped:
            self.breach(f"the broker's cash is {self.broker.cash:.2f}")
