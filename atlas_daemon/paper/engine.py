"""What time does to orders: routing, fills, cancels, expiry, the opening and closing bell.

Pure: time comes as an argument, chance from a seed, prices from the market. Everything between two
calls of `run_to` happens at its own instant, in order, however far apart the calls are. Whether a
request is acceptable is the exchange's business, not this file's.
"""

from __future__ import annotations

import heapq
from datetime import date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.paper import corporate
from atlas_daemon.paper.accounts import Account
from atlas_daemon.paper.calendar import Calendar
from atlas_daemon.paper.market import Market, MarketQuote
from atlas_daemon.paper.matching import (
    NEW_YORK,
    execution_price,
    latency,
    part_of,
    shares_for,
    waits_for_stop,
    watch_stop,
)
from atlas_daemon.paper.orders import (
    ZERO,
    Activity,
    Draw,
    Order,
    Side,
    Status,
    TimeInForce,
    Update,
    id_of,
)

WATCH_EVERY = timedelta(seconds=5)
"""How often resting orders are compared with the market, in the broker's time, unless told."""

_ROUTE_MS = (3, 25)
_FILL_MS = (30, 250)
_REMAINDER_MS = (100, 900)
_CANCEL_MS = (20, 120)


class Engine:
    """Drives the open orders of all accounts through time; collects the updates that arise."""

    def __init__(
        self, market: Market, calendar: Calendar, seed: int, partial_fill_pct: float, now: datetime
    ) -> None:
        self.market = market
        self.now = now
        self.accounts: dict[str, Account] = {}
        self.updates: list[Update] = []
        self.halted: set[str] = set()
        self.rejecting: dict[str, int] = {}
        """Symbols whose next orders are rejected after acceptance, and how many of them."""
        self.pays_dividends = False
        self.watch_every = WATCH_EVERY
        self.splits: dict[str, Decimal] = {}
        """The splits that became effective with the latest open: new shares for one old share."""
        self._calendar = calendar
        self._seed = seed
        self._partial_fill_pct = partial_fill_pct
        self._steps: list[tuple[datetime, int, str, Order]] = []
        self._step_count = 0
        self._resting: dict[str, dict[str, Order]] = {}
        self._watch_at: datetime | None = None
        self._closed_on: date | None = None
        self.session = calendar.session_at(now)
        self._bell_at = self._next_bell()

    def enter(self, account: Account) -> None:
        """Take over an account with the open orders it may already have."""
        self.accounts[account.id] = account
        for order in list(account.open.values()):
            if order.cancel_asked_at is not None:
                self._after(order, "cancel", _CANCEL_MS)
            if order.status in (Status.NEW, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL):
                self._rest(order)
            elif self.session is not None and order.tif is not TimeInForce.OPG:
                self._after(order, "route", _ROUTE_MS)

    def leave(self, account: Account) -> None:
        """Forget an account; what was scheduled for its orders comes to nothing."""
        del self.accounts[account.id]
        for order in account.open.values():
            self._unrest(order)
            order.status = Status.CANCELED

    def admit(self, order: Order) -> None:
        """Start the life of an order that the exchange has accepted and entered."""
        if order.status is Status.ACCEPTED:
            self.tell(order, "accepted")
        else:
            self._after(order, "route", _ROUTE_MS)

    def ask_cancel(self, order: Order) -> None:
        """Begin to cancel; a fill may still come first."""
        if order.cancel_asked_at is None:
            order.cancel_asked_at = self.now
            order.status = Status.PENDING_CANCEL
            order.updated_at = self.now
            self._after(order, "cancel", _CANCEL_MS)

    def finish_cancel(self, order: Order) -> None:
        """Cancel now what was asked to be cancelled, unless a fill has won."""
        if order.is_open:
            self.close_order(order, Status.CANCELED, "canceled")
        elif order.status is Status.FILLED:
            self.tell(order, "order_cancel_rejected")

    def run_to(self, at: datetime) -> None:
        """Let everything due up to and including `at` happen, each at its own instant."""
        while True:
            due = self._bell_at
            if self._watch_at is not None and self._watch_at < due:
                due = self._watch_at
            if self._steps and self._steps[0][0] < due:
                due = self._steps[0][0]
            if due > at:
                break
            self.now = max(due, self.now)
            if due == self._bell_at:
                self._ring()
            elif due == self._watch_at:
                self._watch()
            else:
                self._step()
        self.now = max(at, self.now)

    def close_order(self, order: Order, status: Status, event: str) -> None:
        """End an order without a fill: canceled, expired, rejected or replaced."""
        order.status = status
        match status:
            case Status.CANCELED:
                order.canceled_at = self.now
            case Status.EXPIRED:
                order.expired_at = self.now
            case Status.REJECTED:
                order.failed_at = self.now
            case _:
                order.replaced_at = self.now
        self._unrest(order)
        self.tell(order, event)

    def tell(
        self,
        order: Order,
        event: str,
        *,
        execution_id: str | None = None,
        price: Decimal | None = None,
        qty: Decimal | None = None,
    ) -> None:
        """Settle an order that has just changed and note the update for the stream."""
        account = self.accounts[order.account_id]
        order.updated_at = self.now
        account.settle(order)
        position_qty = account.existing_qty(order.symbol) if qty is not None else None
        self.updates.append(
            Update(
                order.account_id,
                event,
                order.copy(),
                self.now,
                execution_id or (id_of(self._seed, event, order.seq) if event == "new" else None),
                price,
                qty,
                position_qty,
            )
        )

    def last_price(self, symbol: str) -> Decimal | None:
        """The last trade as traded, or None where the market knows nothing."""
        trade = self.market.trade(symbol, self.now)
        return trade.price if trade else None

    # -- time ------------------------------------------------------------------------------------

    def _next_bell(self) -> datetime:
        if self.session is not None:
            return self.session.closes_at
        return self._calendar.next_open(self.now)

    def _ring(self) -> None:
        if self.session is None:
            self.session = self._calendar.session_at(self.now)
            self._open_session()
        else:
            self._close_session()
            self.session = None
        self._bell_at = self._next_bell()
        self._plan_watch()

    def _open_session(self) -> None:
        day = self.now.astimezone(NEW_YORK).date()
        first = self._closed_on + timedelta(days=1) if self._closed_on else day
        actions = self.market.actions(first, day)
        self.splits = {a.symbol: a.ratio for a in actions if a.ratio is not None}
        for account in self.accounts.values():
            corporate.begin_day(account, actions, self.now, self.pays_dividends)
            for order in list(account.open.values()):
                if order.symbol in self.splits:
                    self.close_order(order, Status.CANCELED, "canceled")
                elif order.status is Status.ACCEPTED:
                    self._after(order, "route", _ROUTE_MS)

    def _close_session(self) -> None:
        for account in self.accounts.values():
            for order in list(account.open.values()):
                if order.tif is TimeInForce.CLS and order.status is Status.NEW:
                    self._try(order, whole=True)
                if order.is_open and order.expires_at <= self.now:
                    self.close_order(order, Status.EXPIRED, "expired")
            corporate.end_day(account, self.market, self.now)
        self._closed_on = self.now.astimezone(NEW_YORK).date()

    def _plan_watch(self) -> None:
        """Set the next look at resting orders on a grid from the open, or none."""
        if self.session is None or not self._resting:
            self._watch_at = None
            return
        if self._watch_at is None or self._watch_at <= self.now:
            passed = (self.now - self.session.opens_at) // self.watch_every
            self._watch_at = self.session.opens_at + (passed + 1) * self.watch_every

    def _watch(self) -> None:
        for symbol in list(self._resting):
            if symbol in self.halted:
                continue
            quote = self.market.quote(symbol, self.now)
            if quote is None:
                continue
            for order in list(self._resting.get(symbol, {}).values()):
                if waits_for_stop(order):
                    last = self.last_price(symbol)
                    if last is not None:
                        watch_stop(order, last)
                if execution_price(order, quote) is not None:
                    self._unrest(order)
                    self._trade(order, quote, whole=False)
        self._plan_watch()

    # -- one order's steps -----------------------------------------------------------------------

    def _after(self, order: Order, step: str, span_ms: tuple[int, int]) -> None:
        self._step_count += 1
        due = self.now + latency(self._draw(order, step), *span_ms)
        heapq.heappush(self._steps, (due, self._step_count, step, order))

    def _step(self) -> None:
        _, _, step, order = heapq.heappop(self._steps)
        if order.account_id not in self.accounts:
            return
        if step == "cancel":
            self.finish_cancel(order)
        elif not order.is_open:
            return
        elif step == "route":
            self._route(order)
        else:
            self._try(order, whole=False)

    def _route(self, order: Order) -> None:
        if order.status not in (Status.PENDING_NEW, Status.ACCEPTED):
            return
        refusals = self.rejecting.get(order.symbol, 0)
        if refusals:
            self.rejecting[order.symbol] = refusals - 1
            self.close_order(order, Status.REJECTED, "rejected")
            return
        order.status = Status.NEW
        self.tell(order, "new")
        last = self.last_price(order.symbol)
        if last is not None:
            watch_stop(order, last)
        if order.tif is TimeInForce.OPG:
            self._try(order, whole=True)
            if order.is_open:
                self.close_order(order, Status.EXPIRED, "expired")
        elif order.tif is not TimeInForce.CLS:
            self._after(order, "try", _FILL_MS)

    def _try(self, order: Order, *, whole: bool) -> None:
        """Execute against this moment's quote, or leave the order resting (ioc, fok: cancel)."""
        quote = None
        if self.session is not None and order.symbol not in self.halted:
            quote = self.market.quote(order.symbol, self.now)
        if quote is not None and execution_price(order, quote) is not None:
            self._trade(order, quote, whole=whole or order.tif is TimeInForce.FOK)
        elif order.tif not in (TimeInForce.IOC, TimeInForce.FOK):
            self._rest(order)
        if order.is_open and order.tif in (TimeInForce.IOC, TimeInForce.FOK):
            self.close_order(order, Status.CANCELED, "canceled")

    def _trade(self, order: Order, quote: MarketQuote, *, whole: bool) -> None:
        price = execution_price(order, quote)
        if price is None:
            return
        if order.notional is not None and order.side is Side.BUY:
            left = max(order.notional - order.filled_value, ZERO)
            order.goal_qty = order.filled_qty + shares_for(left, price)
        wanted = order.remaining_qty
        if wanted <= 0:
            self.close_order(order, Status.CANCELED, "canceled")
            return
        pct = 0.0 if whole else self._partial_fill_pct
        self._execute(order, part_of(wanted, self._draw(order, "part"), pct), price)
        if order.is_open and order.tif not in (TimeInForce.IOC, TimeInForce.FOK):
            self._after(order, "try", _REMAINDER_MS)

    def _execute(self, order: Order, qty: Decimal, price: Decimal) -> None:
        account = self.accounts[order.account_id]
        account.apply_fill(order, qty, price)
        order.filled_qty += qty
        order.filled_value += qty * price
        done = order.remaining_qty <= 0
        order.status = Status.FILLED if done else Status.PARTIALLY_FILLED
        if done:
            order.filled_at = self.now
            self._unrest(order)
        account.activity_count += 1
        execution_id = id_of(self._seed, account.id, "execution", account.activity_count)
        account.activities.append(
            Activity(
                id=corporate.activity_id(self.now, execution_id),
                kind="FILL",
                at=self.now,
                symbol=order.symbol,
                side=order.side,
                qty=qty,
                price=price,
                order_id=order.id,
                order_status=order.status,
                cum_qty=order.filled_qty,
                leaves_qty=max(order.remaining_qty, ZERO),
            )
        )
        event = "fill" if done else "partial_fill"
        self.tell(order, event, execution_id=execution_id, price=price, qty=qty)

    def _rest(self, order: Order) -> None:
        if order.tif is TimeInForce.CLS:
            return
        self._resting.setdefault(order.symbol, {})[order.id] = order
        self._plan_watch()

    def _unrest(self, order: Order) -> None:
        siblings = self._resting.get(order.symbol)
        if siblings is not None:
            siblings.pop(order.id, None)
            if not siblings:
                del self._resting[order.symbol]

    def _draw(self, order: Order, step: str) -> Draw:
        """Chance that depends on the seed, the order and how far it is, not on who asked before."""
        return Draw(self._seed, order.seq, step, order.filled_qty)
