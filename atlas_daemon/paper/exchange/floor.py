"""The floor: one order's way from acceptance to its end, at the moment that `now` says.

Routing, executions, cancels, replacements, and what a grouped order does to its group. Each step
that takes a while is put on the agenda; when it is due is `engine`'s business. Pure: chance comes
from a seed, prices from the market.
"""

from __future__ import annotations

import heapq
from datetime import datetime
from decimal import Decimal

from atlas_daemon.paper.exchange import corporate, groups, replacing
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.hours import Phase, phase_at
from atlas_daemon.paper.exchange.matching import (
    execution_price,
    latency,
    part_of,
    shares_for,
    watch_stop,
)
from atlas_daemon.paper.exchange.order_faults import OrderFaults
from atlas_daemon.paper.exchange.orders import (
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
from atlas_daemon.paper.exchange.resting import Resting
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import Market, MarketQuote

ROUTE_MS = (3, 25)
_FILL_MS = (30, 250)
_REMAINDER_MS = (100, 900)
_CANCEL_MS = (20, 120)

_UNROUTED = (Status.PENDING_NEW, Status.ACCEPTED)
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class Floor:
    """The open orders of all accounts, and the updates that arise from them."""

    def __init__(
        self, market: Market, calendar: Calendar, seed: int, partial_fill_pct: float, now: datetime
    ) -> None:
        self.market = market
        self.now = now
        self.accounts: dict[str, Account] = {}
        self.updates: list[Update] = []
        self.halted: set[str] = set()
        """Symbols whose trading is halted: their orders are taken, and rest."""
        self.untradable: set[str] = set()
        """Symbols of inactive assets: new orders are refused."""
        self.order_faults = OrderFaults()
        self.instant_fill_pct = 0.0
        """Fraction of the orders whose first fill is told before the request is answered."""
        self.session = calendar.session_at(now)
        self.phase = phase_at(calendar, now)
        self.resting = Resting()
        self._seed = seed
        self._partial_fill_pct = partial_fill_pct
        self._agenda: list[tuple[datetime, int, str, Order]] = []
        self._step_count = 0

    # -- what the exchange asks for --------------------------------------------------------------

    def enter(self, account: Account) -> None:
        """Take over an account with the open orders it may already have."""
        self.accounts[account.id] = account
        for order in list(account.open.values()):
            if order.cancel_asked_at is not None:
                self._after(order, "cancel", _CANCEL_MS)
            if replacing.is_under_way(account, order):
                self._after(order, "replace", _CANCEL_MS)
            elif order.is_dormant:
                if groups.is_watched(account, order):
                    self.rest(order)
            elif order.status not in _UNROUTED:
                resume = self.try_soon if order.tif in _AT_ONCE else self.rest
                resume(order)
            elif self.may_trade(order.extended_hours) and order.tif is not TimeInForce.OPG:
                self._after(order, "route", ROUTE_MS)

    def leave(self, account: Account) -> None:
        """Forget an account; what was scheduled for its orders comes to nothing."""
        del self.accounts[account.id]
        for order in account.open.values():
            self.resting.remove(order)
            order.status = Status.CANCELED

    def may_trade(self, is_extended: bool) -> bool:
        """True while such an order could be executed: in the session, or around it if extended."""
        return self.session is not None or (is_extended and self.phase is not Phase.CLOSED)

    def admit(self, order: Order) -> None:
        """Start the life of an order that the exchange has accepted and entered."""
        self.order_faults.admitted(order)
        if order.status is Status.ACCEPTED:
            self.tell(order, "accepted")
        else:
            self._after(order, "route", ROUTE_MS)

    def ask_cancel(self, order: Order) -> None:
        """Begin to cancel; a fill may still come first."""
        if order.cancel_asked_at is None:
            order.cancel_asked_at = self.now
            order.status = Status.PENDING_CANCEL
            order.updated_at = self.now
            self.accounts[order.account_id].settle(order)
            self._after(order, "cancel", _CANCEL_MS)

    def finish_cancel(self, order: Order) -> None:
        """Cancel now what was asked to be cancelled, unless a fill has won."""
        if order.is_open and self.order_faults.refuses_cancel(order):
            self._refuse_cancel(order)
        elif order.is_open:
            self.close_order(order, Status.CANCELED, "canceled")
        elif order.status is Status.FILLED:
            self.tell(order, "order_cancel_rejected")

    def _refuse_cancel(self, order: Order) -> None:
        """Let an order go on whose cancel was taken."""
        order.cancel_asked_at = None
        if order.is_dormant:
            order.status = Status.HELD
        elif not self.may_trade(order.extended_hours) and not self.resting.has(order):
            order.status = Status.ACCEPTED
        else:
            order.status = Status.PARTIALLY_FILLED if order.filled_qty else Status.NEW
            if not self.resting.has(order):
                self._after(order, "try", _FILL_MS)
        self.tell(order, "order_cancel_rejected")

    def ask_replace(self, old: Order, new: Order) -> None:
        """Begin to put `new` where `old` stands; a fill of the old order may still come first."""
        old.replace_asked_at = self.now
        old.status = Status.PENDING_REPLACE
        old.updated_at = self.now
        self.accounts[old.account_id].settle(old)
        self._after(new, "replace", _CANCEL_MS)

    def close_order(self, order: Order, status: Status, event: str, *, alone: bool = False) -> None:
        """End an order without a fill; its group follows, unless it ends `alone`.

        A leg that was still held ends without a word on the stream.
        """
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
        self.resting.remove(order)
        if order.is_dormant and status is not Status.REPLACED:
            order.updated_at = self.now
            self.accounts[order.account_id].settle(order)
        else:
            self.tell(order, event)
        if order.group_id is not None and not alone:
            groups.follow(self, self.accounts[order.account_id], order)

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

    # -- the agenda ------------------------------------------------------------------------------

    def _after(self, order: Order, step: str, span_ms: tuple[int, int]) -> None:
        self._step_count += 1
        due = self.now
        if not (step in ("route", "try") and self._is_instant(order)):
            due += latency(self._draw(order, step), *span_ms)
        heapq.heappush(self._agenda, (due, self._step_count, step, order))

    def _is_instant(self, order: Order) -> bool:
        pct = self.instant_fill_pct
        return bool(pct) and self._draw(order, "instant").fraction() < pct

    def _do_next(self) -> None:
        """Do what is first on the agenda."""
        _, _, step, order = heapq.heappop(self._agenda)
        if order.account_id not in self.accounts:
            return
        if step == "cancel":
            self.finish_cancel(order)
        elif step == "replace":
            replacing.finish(self, self.accounts[order.account_id], order)
        elif not order.is_open:
            return
        elif step == "route":
            self._route(order)
        else:
            self._try(order, whole=False)

    def _draw(self, order: Order, step: str) -> Draw:
        """Chance that depends on the seed, the order and how far it is, not on who asked before."""
        return Draw(self._seed, order.seq, step, order.filled_qty)

    # -- one order's steps -----------------------------------------------------------------------

    def _route(self, order: Order) -> None:
        if order.status not in _UNROUTED:
            return
        if self.order_faults.rejects(order):
            self.close_order(order, Status.REJECTED, "rejected")
            return
        self.begin_work(order)
        for leg_id in order.leg_ids:
            leg = self.accounts[order.account_id].orders[leg_id]
            if groups.is_watched(self.accounts[order.account_id], leg):
                self.rest(leg)
        if order.tif is TimeInForce.OPG:
            self._try(order, whole=True)
            if order.is_open:
                self.close_order(order, Status.EXPIRED, "expired")
        else:
            self.try_soon(order)

    def begin_work(self, order: Order) -> None:
        """The market has the order: `new`."""
        order.status = Status.NEW
        self.tell(order, "new")
        last = self.last_price(order.symbol)
        if last is not None:
            watch_stop(order, last)

    def _trade_at_the_close(self, order: Order) -> None:
        """The closing auction: the session is over, its last quote counts."""
        quote = self.market.quote(order.symbol, self.now)
        if quote is not None and order.symbol not in self.halted:
            self._trade(order, quote, whole=True)

    def _try(self, order: Order, *, whole: bool) -> None:
        """Execute against this moment's quote, or leave the order resting (ioc, fok: cancel)."""
        quote = None
        is_held = order.symbol in self.halted or self.order_faults.holds(order, self.now)
        if self.may_trade(order.extended_hours) and not is_held:
            quote = self.market.quote(order.symbol, self.now)
        if quote is not None and execution_price(order, quote) is not None:
            self._trade(order, quote, whole=whole or order.tif is TimeInForce.FOK)
        elif order.tif not in _AT_ONCE:
            self.rest(order)
        if order.is_open and order.tif in _AT_ONCE:
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
        part = self.order_faults.part(order, wanted)
        if part is None:
            part = part_of(wanted, self._draw(order, "part"), pct)
        self._execute(order, part, price)
        if order.is_open and order.tif not in _AT_ONCE:
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
            self.resting.remove(order)
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
        if not done and order.cancel_asked_at is not None:
            order.status = Status.PENDING_CANCEL
        elif not done and order.replace_asked_at is not None:
            order.status = Status.PENDING_REPLACE
        if order.group_id is not None:
            groups.follow(self, self.accounts[order.account_id], order)

    def try_soon(self, order: Order) -> None:
        """See in a moment whether the order trades; one for the closing auction waits for it."""
        if order.tif is not TimeInForce.CLS:
            self._after(order, "try", _FILL_MS)

    def rest(self, order: Order) -> None:
        """Compare the order with the market from now on."""
        if order.tif is not TimeInForce.CLS:
            self.resting.add(order)
