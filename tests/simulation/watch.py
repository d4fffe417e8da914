"""What must hold at every moment, whatever happens. Each breach is noted once, in one line.

The core's own invariants are asked at every turn; those here look from outside: at the broker, at
the wire, at the disk. Prices may jump between a yes and its fill: what that costs is measured, and
no more than that is forgiven.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from atlas_daemon.app import Daemon
from atlas_daemon.bus import Committed
from atlas_daemon.core import events as e
from atlas_daemon.core.effects import SubmitOrder
from atlas_daemon.core.gates import price_paid
from atlas_daemon.core.values import ALLOCATION, Approved, Regime, Side
from tests.core.invariants import check_turn
from tests.simulation.broker import Broker, Order
from tests.simulation.decisions import wrong_decisions
from tests.simulation.disk import Disk
from tests.simulation.market import ZERO

ORDER_ID = re.compile(r"atlas-(?P<run>.+)-r(?P<round>\d+)-(?P<side>buy|sell)-(?P<symbol>.+)-\d+")
SLACK = Decimal("1.06")
"""A target is re-sized where the price left the drift band (5 %)."""
CENT = Decimal("0.01")
LISTED_AFTER = timedelta(seconds=90)
"""A list of open orders that was asked for before an order came may be so late."""
PEAK_S = 900.0
"""Equity is decided on as it was at most so long ago."""
Plan = e.RunPlanned


class Watch:
    """Keeps what was breached. `daemon` is the one that lives now."""

    def __init__(self, broker: Broker, disk: Disk) -> None:
        self.broker, self.disk = broker, disk
        self.breaches: list[str] = []
        self.daemon: Daemon | None = None
        self.plans: dict[tuple[str, int], Plan] = {}
        self.approved: dict[str, Approved] = {}
        self.is_stopped = False
        """Stopped by a turn that was taken, and not resumed by the operator since."""
        self.is_asked_to_resume = False
        self.resumes = 0
        self.is_certified: Callable[[datetime], bool] = lambda now: True
        """Whether real money may buy at a moment of the daemon's clock."""
        self.forgiven = ZERO
        """Dollars that fills cost above what was reserved for them, and that somebody else took."""
        self._peaks: list[tuple[float, Decimal]] = []

    def breach(self, text: str) -> None:
        at = f"{self.broker.now:%d %H:%M:%S}"
        if all(text != old.split(" ", 2)[2] for old in self.breaches):
            self.breaches.append(f"{at} {text}")
            self.broker.note("BREACH", text)

    # At every turn.

    def on_turn(self, committed: Committed) -> None:
        assert self.daemon is not None
        policy, turn = self.daemon.policy, committed.turn
        if isinstance(committed.event, e.Ticked) and not (turn.entries or turn.effects):
            return  # nothing was decided, nothing has moved
        try:
            check_turn(committed.before, committed.event, committed.turn, policy)
        except AssertionError as error:
            if not (self.forgiven and "cash" in str(error)):
                self.breach(f"core: {error}")
        has_jumped = self.broker.faults.fired["price_jump"] > 0
        touched = self.broker.touched
        for text in wrong_decisions(committed, policy, touched, has_jumped=has_jumped):
            self.breach(text)
        if any(_is_buy(effect) for effect in committed.turn.effects):
            self._decided_on_cash(committed)
        for entry in committed.turn.entries:
            self.learn(entry.event)
            if isinstance(entry.event, e.HaltCompleted):
                self._nothing_rests()
            elif isinstance(entry.event, e.RunPlanned):
                self._planned_on_equity(entry.event)

    def learn(self, event: e.Event) -> None:
        """Take note of what is written; a new process reads it all again to us."""
        if isinstance(event, e.RunPlanned):
            self.plans[event.run_id, event.round] = event
        elif isinstance(event, e.OrderApproved):
            self.approved[event.approved.draft.order_id] = event.approved
        elif isinstance(event, e.ResumeRequested):
            self.is_asked_to_resume = True
            self.resumes += 1
        elif isinstance(event, e.TradingHalted):
            self.is_stopped, self.is_asked_to_resume = True, False
        elif isinstance(event, e.TradingResumed) and self.is_asked_to_resume:
            self.is_stopped = False

    def _nothing_rests(self) -> None:
        """Neither an order of ours nor, where all are to go, an old one of somebody else."""
        assert self.daemon is not None
        rests = [o.client_order_id for o in self.broker.ours() if o.is_open]
        if self.daemon.settings.emergency.scope == "account":
            since = self.broker.now - LISTED_AFTER
            there = [o for o in self.broker.open_orders() if o.at < since]
            rests += [o.client_order_id for o in there if o.client_order_id not in rests]
        if rests:
            self.breach(f"the halt is called complete while {', '.join(rests)} rest")

    def _decided_on_cash(self, committed: Committed) -> None:
        """Where a buy is said yes to, cash of this very moment covers all open buys."""
        assert self.daemon is not None
        state, collar = committed.turn.state, 1 + self.daemon.policy.collar_pct
        buys = [o for o in state.open_orders() if o.draft.side is Side.BUY]
        need = sum((o.open_qty * price_paid(o.draft) for o in buys), ZERO) * collar
        if need > state.book.cash + CENT:
            self.breach(f"buys of {need:.2f} are said yes to, cash is {state.book.cash:.2f}")

    def _planned_on_equity(self, plan: Plan) -> None:
        if plan.equity > self.peak() * Decimal("1.0005") + 1:  # spreads were paid since
            self.breach(f"{plan.run_id} is planned on {plan.equity}, there was {self.peak():.2f}")

    # What the account was worth.

    def mark(self) -> None:
        """Remember what the account is worth, just before that changes."""
        self._peaks.append((self.broker.timeline.now_s, self.broker.equity))

    def peak(self) -> Decimal:
        """Return the most that the account was worth lately."""
        since_s = self.broker.timeline.now_s - PEAK_S
        return max([self.broker.equity, *(x for at_s, x in self._peaks if at_s >= since_s)])

    # At an order's first byte.

    def on_post(self, body: Mapping[str, str]) -> None:
        daemon, order_id = self.daemon, body["client_order_id"]
        assert daemon is not None
        if order_id not in self.disk.intents:
            self.breach(f"{order_id} left before it was written")
        state = daemon.state
        is_stopped = self.is_stopped or state.halt is not None or daemon._bus.is_stop_heard
        if is_stopped or daemon.settings.latch_path.exists():
            self._halted_post(body)
        approved = self.approved.get(order_id)
        if approved is not None and daemon.now() >= approved.expires_at:
            self.breach(f"{order_id} left on an old approval")
        crash = state.regime is not None and state.regime.regime is Regime.CRASH
        if body["side"] == "buy" and crash:
            self.breach(f"{order_id} left under CRASH")
        if body["side"] == "buy" and not self.is_certified(daemon.now()):
            self.breach(f"{order_id} left without a certificate")

    def _halted_post(self, body: Mapping[str, str]) -> None:
        """Nothing leaves while halted but the sells of a flatten, once all cancels are seen."""
        assert self.daemon is not None
        order_id, state = body["client_order_id"], self.daemon.state
        run, halt, symbol = state.run, state.halt, body["symbol"]
        is_flatten = (
            run is not None
            and run.trigger == "stop"
            and order_id.startswith(run.prefix)
            and body["side"] == "sell"
            and halt is not None
            and halt.is_complete
        )
        if not is_flatten or self.daemon.settings.emergency.action != "flatten":
            self.breach(f"{order_id} left while halted")
            return
        assert run is not None
        rests = [
            o.client_order_id
            for o in self.broker.ours()
            if o.is_open and not o.client_order_id.startswith(run.prefix)
        ]
        if rests:
            self.breach(f"{order_id} left while {', '.join(rests)} rest")
        held = self.broker.held.get(symbol, ZERO)
        if Decimal(body["qty"]) > held and symbol not in self.broker.touched:
            self.breach(f"{order_id} sells {body['qty']} of {held}")

    def on_cancel_all(self) -> None:
        """No cancel of all leaves before the stop would outlive the process, or is said not to."""
        assert self.daemon is not None
        halt = self.daemon.state.halt
        if halt is None:
            self.breach("all orders are cancelled by a daemon that is not halted")
        elif not self.daemon.settings.latch_path.exists() and "latch" not in halt.missing:
            self.breach("all orders are cancelled before the latch is on disk")

    # At the broker.

    def on_refuse(self, body: Mapping[str, str], why: str) -> None:
        if body["symbol"] not in self.broker.touched:
            self.breach(f"{body['client_order_id']}: {why}")

    def on_accept(self, order: Order) -> None:
        broker = self.broker
        self._nothing_comes_late(order)
        for other in broker.ours():
            if other is not order and other.is_open and other.symbol == order.symbol:
                self.breach(f"two live orders: {other.client_order_id}, {order.client_order_id}")
        self._within_target(order)
        if order.side == "sell":
            return
        if any(o.is_open and o.side == "sell" for o in broker.ours()):
            self.breach(f"{order.client_order_id} was bought before the sells were done")
        buys = [o for o in broker.ours() if o.is_open and o.side == "buy"]
        need = sum((o.left * self._price(o.client_order_id) for o in buys), ZERO)
        if need > broker.cash + self.forgiven + 1:
            self.breach(f"open buys need {need:.2f}, cash is {broker.cash:.2f}")
        self._within_limits(order, buys)

    def _nothing_comes_late(self, order: Order) -> None:
        """A stop is complete when no request of ours can arrive any more."""
        bus = getattr(self.daemon, "_bus", None)
        if bus is None or bus.state.halt is None or not bus.state.halt.is_complete:
            return
        run = bus.state.run
        if run is None or not order.client_order_id.startswith(run.prefix) or run.trigger != "stop":
            self.breach(f"{order.client_order_id} arrives after the halt was called complete")

    def on_fill(self, order: Order, qty: Decimal, price: Decimal) -> None:
        """No fill takes what is not there, but by as much as its price had jumped."""
        if order.id.startswith("f-"):
            self.forgiven += qty * price if order.side == "buy" else ZERO
        elif order.side == "buy" and (approved := self.approved.get(order.client_order_id)):
            reserved = price_paid(approved.draft) * Decimal("1.04")
            self.forgiven += max(price - reserved, ZERO) * qty
        if self.broker.cash < -self.forgiven:
            self.breach(f"the broker's cash is {self.broker.cash:.2f}")

    def _price(self, order_id: str) -> Decimal:
        approved = self.approved.get(order_id)
        return ZERO if approved is None else price_paid(approved.draft)

    def _plan_of(self, order: Order) -> Plan | None:
        match = ORDER_ID.fullmatch(order.client_order_id)
        return self.plans.get((match["run"], int(match["round"]))) if match else None

    def _within_target(self, order: Order) -> None:
        """No order moves a line beyond its target, whatever else is under way."""
        plan = self._plan_of(order)
        line = plan and next((x for x in plan.lines if x.symbol == order.symbol), None)
        if not line:
            self.breach(f"{order.client_order_id} stands in no plan")
            return
        if order.symbol in self.broker.touched:
            return  # what it held when the plan was made is not what it holds now
        price, most = self.broker.prices[order.symbol], line.target_qty
        least = line.target_qty
        if line.price is not None:
            most = max(most, line.target_qty * line.price / price)
            least = min(least, line.target_qty * line.price / price)
        there = self.broker.held.get(order.symbol, ZERO)
        coming = sum(
            (o.left * o.sign for o in self.broker.ours() if o.is_open and o.symbol == order.symbol),
            ZERO,
        )
        after = there + coming
        is_beyond = after > most * SLACK + 1 if order.side == "buy" else after < least / SLACK - 1
        if is_beyond:
            text = f"{there} held and {coming} coming, the target is {line.target_qty}"
            self.breach(f"{order.client_order_id} goes beyond its target: {text}")

    def _within_limits(self, order: Order, buys: list[Order]) -> None:
        """Neither a line over its cap nor all lines over the regime, at the prices decided on."""
        assert self.daemon is not None
        plan, policy, held = self._plan_of(order), self.daemon.policy, self.broker.held
        if plan is None:
            return
        value = (held.get(order.symbol, ZERO) + order.left) * self._price(order.client_order_id)
        limit = self.peak() * policy.max_position_pct
        if value > limit + 1:
            self.breach(f"{order.client_order_id}: {value:.2f} is over the cap {limit:.2f}")
        prices = {line.symbol: line.price or ZERO for line in plan.lines}
        if self.broker.touched & prices.keys():
            return
        total = sum((held.get(s, ZERO) * price for s, price in prices.items()), ZERO)
        for buy in buys:
            price = prices.get(buy.symbol, ZERO)  # type: ignore[call-overload]
            paid = self._price(buy.client_order_id)
            is_drifted = not price or abs(paid / price - 1) > policy.drift_band_pct
            total += buy.left * (paid if is_drifted else price)
        limit = plan.equity * ALLOCATION[plan.regime]
        if total > limit + 1:
            self.breach(f"{total:.2f} are deployed, {plan.regime} allows {limit:.2f}")


def _is_buy(effect: object) -> bool:
    return isinstance(effect, SubmitOrder) and effect.approved.draft.side is Side.BUY
