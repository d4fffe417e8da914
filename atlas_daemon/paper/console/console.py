"""The fault console: what is armed, when it begins, ends and comes again, and the running scenario.

All its times are the broker's. The desk stops here at each moment that `next_at` names, so that
what is due happens then, however far the clock jumps. Nothing waits and nothing is read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from atlas_daemon.paper.console import happenings
from atlas_daemon.paper.console.distorted_market import DistortedMarket
from atlas_daemon.paper.console.script import Script
from atlas_daemon.paper.console.stream_faults import StreamFaults
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.exchange import Exchange
from atlas_daemon.paper.exchange.order_faults import OrderFaults
from atlas_daemon.paper.exchange.orders import Order, Update
from atlas_daemon.paper.faults.fault import Fault
from atlas_daemon.paper.faults.fault_kinds import Place, Shape
from atlas_daemon.paper.faults.faults import Armed, Faults
from atlas_daemon.paper.faults.scenario import Scenario, Step


class Console:
    """One broker's. `seed` is of the faults that name none, `key` the account they are about."""

    def __init__(
        self, exchange: Exchange, prices: DistortedMarket, faults: Faults, key: str
    ) -> None:
        self.faults = faults
        self.orders = OrderFaults(faults)
        self.stream = StreamFaults(faults)
        self.script: Script | None = None
        self.cut_streams: Callable[[], None] = lambda: None
        """How the stream's connections are dropped; the stream puts itself here."""
        self.haunt: Callable[[float], None] = lambda seconds: None
        self._exchange = exchange
        self.orders.on_admitted = self._admitted
        exchange.engine.order_faults = self.orders
        self._stage = happenings.Stage(
            exchange,
            prices,
            key,
            cut_streams=lambda: self.cut_streams(),
            haunt=lambda seconds: self.haunt(seconds),
        )

    @property
    def is_idle(self) -> bool:
        """True where nothing can be due: the desk need not ask."""
        return self.script is None and not self.faults.armed and not self.stream.holds_back

    @property
    def waits_for_news(self) -> bool:
        """True where a step waits for what becomes of an order: it is due at that instant."""
        return self.script is not None and self.script.waits_for_news

    @property
    def is_reachable(self) -> bool:
        """False while nobody listens on the port."""
        return not self.faults.armed or self.faults.condition("connection_refused") is None

    @property
    def clock_skew(self) -> timedelta:
        """By how much the clock that the broker shows is ahead of its own."""
        found = self.faults.conditions("clock_skew")
        return timedelta(seconds=sum(fault.seconds or 0 for fault in found))

    # -- by hand ---------------------------------------------------------------------------------

    def arm(self, fault: Fault, order: Order | None = None) -> Armed:
        """Arm a fault now; `order` is what `symbol = "ordered"` means.

        Raises RefusedError where the symbol means nothing, and for an event that cannot happen.
        """
        fault = self._placed(fault, order)
        now = self._exchange.now
        if fault.spec.shape is Shape.EVENT and fault.count != 0 and fault.probability == 1:
            return self._first(fault, now)
        armed = self.faults.arm(fault, now)
        if fault.spec.shape is Shape.STRIKE:
            if fault.for_s is not None:
                armed.ends_at = now + timedelta(seconds=fault.for_s)
        elif armed in self.faults.armed:
            self._begin(armed, now)
        return armed

    def disarm(self, number: int) -> bool:
        """Take one fault off; False where none has that number."""
        found = [armed for armed in self.faults.armed if armed.number == number]
        for armed in found:
            self._retire(armed)
        return bool(found)

    def clear(self, kind: str = "") -> None:
        """Take all faults off, or all of a kind; orders that were held fill."""
        for armed in list(self.faults.armed):
            if kind in ("", armed.fault.kind):
                self._retire(armed)
        if kind in ("", "stuck_order", "slow_fill"):
            self.orders.release()
        if not kind:
            self.faults.clear()

    def begin(self, scenario: Scenario) -> Script:
        """Run a scenario from now on, in the place of the one that ran."""
        self.clear()
        self.script = Script(scenario, self._exchange.calendar, self._exchange.now)
        self.act()
        return self.script

    # -- in time ---------------------------------------------------------------------------------

    def next_at(self) -> datetime | None:
        """When something is due next."""
        moments = [self.stream.next_at(), self.script.next_at() if self.script else None]
        for armed in self.faults.armed:
            moments += (armed.ends_at, armed.next_at)
        return min((at for at in moments if at is not None), default=None)

    def saw(self, update: Update) -> None:
        """An update arose: the scenario may have waited for it."""
        if self.script is not None:
            self.script.saw(update)

    def act(self) -> bool:
        """Let happen what is due now; True where something did."""
        now = self._exchange.now
        did = False
        for armed in list(self.faults.armed):
            if armed.ends_at is not None and armed.ends_at <= now:
                self._end(armed)
                did = True
            if armed.next_at is not None and armed.next_at <= now:
                self._begin(armed, armed.next_at)
                did = True
        if self.script is None:
            return did
        for step, order in self.script.due(now):
            step.outcome = self._take(step.step, order)
            did = True
        return did

    def _admitted(self, order: Order) -> None:
        if self.script is not None and not order.client_order_id.startswith(happenings.BY_HAND):
            self.script.admitted(order)

    def _take(self, step: Step, order: Order | None) -> str:
        """Do what a step says; returns what came of it."""
        if step.fault is None:
            self.clear("" if step.clear == "all" else step.clear)
            return f"cleared {step.clear}"
        try:
            return self.arm(step.fault, order).note
        except refusals.RefusedError as refused:
            return f"refused: {refused.body.get('message')}"

    def _placed(self, fault: Fault, order: Order | None) -> Fault:
        """The fault with its symbol in letters. Raises RefusedError."""
        if fault.symbol:
            account = self._stage.account(fault)
            symbol = happenings.symbol_of(fault.symbol, account, order)
            if not self._exchange.knows(symbol):
                raise refusals.invalid(f"symbol: {symbol} is not known")
            fault = replace(fault, symbol=symbol)
        return fault

    def _first(self, fault: Fault, now: datetime) -> Armed:
        """Let a certain event happen, and arm it only where it could. Raises RefusedError."""
        note = happenings.happen(fault, self._stage)
        armed = self.faults.arm(fault, now)
        armed.hits()
        armed.fire()
        armed.note = note
        self._plan(armed, now)
        return armed

    def _begin(self, armed: Armed, at: datetime) -> None:
        """One occasion of a condition or an event."""
        fault = armed.fault
        if armed.hits():
            armed.fire()
            if fault.spec.shape is Shape.EVENT:
                try:
                    armed.note = happenings.happen(fault, self._stage)
                except refusals.RefusedError as refused:
                    armed.note = f"refused: {refused.body.get('message')}"
            else:
                armed.is_on = True
                if fault.for_s is not None:
                    armed.ends_at = at + timedelta(seconds=fault.for_s)
                self._switch(armed)
        self._plan(armed, at)

    def _plan(self, armed: Armed, at: datetime) -> None:
        """When it comes again; what does not is retired."""
        every_s = armed.fault.every_s
        armed.next_at = None
        if every_s is not None and not armed.is_spent:
            armed.next_at = at + timedelta(seconds=every_s)
        elif not armed.is_on:
            self.faults.retire(armed)

    def _end(self, armed: Armed) -> None:
        armed.ends_at = None
        armed.is_on = False
        self._switch(armed)
        if armed.next_at is None:
            self.faults.retire(armed)

    def _retire(self, armed: Armed) -> None:
        was_on, armed.is_on = armed.is_on, False
        self.faults.retire(armed)
        if was_on:
            self._switch(armed)

    def _switch(self, armed: Armed) -> None:
        """What begins or ends at the exchange itself with a condition."""
        kind, symbol = armed.fault.kind, armed.fault.symbol
        if kind in ("halted_symbol", "untradable_asset"):
            engine = self._exchange.engine
            switched = engine.halted if kind == "halted_symbol" else engine.untradable
            is_on = any(fault.symbol == symbol for fault in self.faults.conditions(kind))
            (switched.add if is_on else switched.discard)(symbol)
        elif kind == "account_blocked":
            for account in self._exchange.by_key.values():
                account.is_blocked = self.faults.condition(kind) is not None
        elif kind == "trading_blocked":
            for account in self._exchange.by_key.values():
                account.is_trading_blocked = self.faults.condition(kind) is not None
        elif kind == "connection_refused" and armed.is_on:
            self.cut_streams()
        elif armed.fault.spec.place is Place.ORDER and not armed.is_on:
            self.orders.release()
