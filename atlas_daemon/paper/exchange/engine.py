"""Time: what is due is done, each at its own instant; the day's bells and the watch on the market.

Pure: time comes as an argument. Everything between two calls of `run_to` happens in order, however
far apart the calls are. What happens to a single order is `floor`'s business; whether a request is
acceptable is the exchange's.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.paper.exchange import charges, corporate, groups
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.floor import ROUTE_MS, Floor
from atlas_daemon.paper.exchange.hours import Phase, next_bell, phase_at
from atlas_daemon.paper.exchange.matching import execution_price, waits_for_stop, watch_stop
from atlas_daemon.paper.exchange.orders import Order, Status, TimeInForce
from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar
from atlas_daemon.paper.market.market import Market, MarketQuote

WATCH_EVERY = timedelta(seconds=5)
"""How often resting orders are compared with the market, in the broker's time, unless told."""

_SPLITS = ("forward_split", "reverse_split")


class Engine(Floor):
    """Drives the open orders of all accounts through time; collects the updates that arise."""

    def __init__(
        self, market: Market, calendar: Calendar, seed: int, partial_fill_pct: float, now: datetime
    ) -> None:
        super().__init__(market, calendar, seed, partial_fill_pct, now)
        self.like_live = charges.LikeLive()
        self.watch_every = WATCH_EVERY
        self.splits: dict[str, Decimal] = {}
        """The splits that became effective with the latest day: new shares for one old share."""
        self._calendar = calendar
        self._watch_at: datetime | None = None
        self._phase_began_at = self.session.opens_at if self.session else now
        self.begun_on: date | None = None
        self.closed_on: date | None = None
        self._bell_at = next_bell(calendar, now)

    def run_to(self, at: datetime, *, until_news: bool = False) -> None:
        """Let everything due up to and including `at` happen, each at its own instant.

        `until_news` stops at the instant of the first update that arises.
        """
        while True:
            due = self.next_at
            if due > at:
                break
            self.now = max(due, self.now)
            if due == self._bell_at:
                self._ring()
            elif due == self._watch_at:
                self._watch()
            else:
                self._do_next()
            if until_news and self.updates:
                return
        self.now = max(at, self.now)

    @property
    def next_at(self) -> datetime:
        """When something is due next: a bell, a look at the market, a step of an order."""
        due = self._bell_at
        if self._watch_at is not None and self._watch_at < due:
            due = self._watch_at
        if self._agenda and self._agenda[0][0] < due:
            due = self._agenda[0][0]
        return due

    # -- bells -----------------------------------------------------------------------------------

    def _ring(self) -> None:
        before = self.phase
        self.session = self._calendar.session_at(self.now)
        self.phase = phase_at(self._calendar, self.now)
        self._bell_at = next_bell(self._calendar, self.now)
        if self.phase is not before:
            self._phase_began_at = self.now
        if self.phase in (Phase.EARLY, Phase.REGULAR):
            self._begin_day()
            self._release()
        elif before is Phase.REGULAR:
            self._close_session()
        elif before is Phase.LATE and self.phase is not before:
            self._end_day()
        self._end_aged()
        self._watch_at = None
        self._plan_watch()

    def _begin_day(self) -> None:
        """Let what became effective overnight befall the accounts, once a day."""
        day = self.now.astimezone(NEW_YORK).date()
        if self.begun_on == day:
            return
        self.begun_on = day
        first = self.closed_on + timedelta(days=1) if self.closed_on else day
        actions = self.market.actions(first, day)
        self.splits = {a.symbol: a.ratio for a in actions if a.kind in _SPLITS and a.ratio}
        changed = {a.symbol for a in actions if a.kind != "cash_dividend"}
        for account in self.accounts.values():
            corporate.begin_day(account, actions, self.now, self.like_live.dividends, self.market)
            for order in list(account.open.values()):
                if order.symbol in changed and order.is_open:
                    self.close_order(order, Status.CANCELED, "canceled")

    def _release(self) -> None:
        """Send what waited for this phase to the market."""
        for account in self.accounts.values():
            for order in account.open.values():
                if order.status is Status.ACCEPTED and self.may_trade(order.extended_hours):
                    self._after(order, "route", ROUTE_MS)

    def _close_session(self) -> None:
        for account in self.accounts.values():
            for order in list(account.open.values()):
                if order.tif is TimeInForce.CLS and order.status is Status.NEW:
                    self._trade_at_the_close(order)
            self._expire(account)
            corporate.end_day(account, self.market, self.now)
        self.closed_on = self.now.astimezone(NEW_YORK).date()

    def _end_day(self) -> None:
        """Charge and credit what a live account would be, in the evening of a session."""
        day = self.now.astimezone(NEW_YORK).date()
        next_day = self._calendar.next_open(self.now).astimezone(NEW_YORK).date()
        for account in self.accounts.values():
            if self.like_live.fees:
                charges.charge_fees(account, self.now)
            if self.like_live.interest:
                charges.accrue_interest(account, day, next_day, self.like_live)
                if next_day.month != day.month:
                    charges.post_interest(account, self.now)

    def _end_aged(self) -> None:
        """Expire what lived to the end of extended trading; cancel GTC orders of 90 days."""
        for account in self.accounts.values():
            self._expire(account)
            for order in list(account.open.values()):
                if order.tif is TimeInForce.GTC and order.expires_at <= self.now:
                    self.ask_cancel(order)

    def _expire(self, account: Account) -> None:
        for order in list(account.open.values()):
            is_over = order.tif is not TimeInForce.GTC and order.expires_at <= self.now
            if is_over and order.is_open:
                self.close_order(order, Status.EXPIRED, "expired")

    # -- the watch -------------------------------------------------------------------------------

    def rest(self, order: Order) -> None:
        """Compare the order with the market from now on."""
        super().rest(order)
        self._plan_watch()

    def _plan_watch(self) -> None:
        """Set the next look at resting orders on a grid from the phase's begin, or none."""
        is_needed = self.resting if self.session is not None else self.resting.has_extended
        if not is_needed or self.phase is Phase.CLOSED:
            self._watch_at = None
            return
        if self._watch_at is None or self._watch_at <= self.now:
            passed = (self.now - self._phase_began_at) // self.watch_every
            self._watch_at = self._phase_began_at + (passed + 1) * self.watch_every

    def _watch(self) -> None:
        for symbol in self.resting.symbols():
            if symbol in self.halted:
                continue
            quote = self.market.quote(symbol, self.now)
            if quote is None:
                continue
            for order in self.resting.of(symbol):
                is_free = not self.order_faults.holds(order, self.now)
                if is_free and order.is_open and self.may_trade(order.extended_hours):
                    self._look_at(order, quote)
        self._plan_watch()

    def _look_at(self, order: Order, quote: MarketQuote) -> None:
        """Compare a resting order with the market: trail, elect, trade."""
        if waits_for_stop(order):
            last = self.last_price(order.symbol)
            if last is not None:
                watch_stop(order, last)
            if order.is_triggered and order.is_dormant:
                groups.elect(self, self.accounts[order.account_id], order)
        if execution_price(order, quote) is not None:
            self.resting.remove(order)
            self._trade(order, quote, whole=False)
