"""The exchange: accounts, the rules an order has to pass, and the orders' way through time.

Pure: no clock, no chance but the seed's, no I/O. Every call says when it happens (`at`); time never
goes back. A refusal is a `RefusedError` with the HTTP status and body that Alpaca would send.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from atlas_daemon.paper import refusals
from atlas_daemon.paper.accounts import Account, Figures, Position, figures_of
from atlas_daemon.paper.calendar import Calendar
from atlas_daemon.paper.corporate import long_market_value
from atlas_daemon.paper.engine import Engine
from atlas_daemon.paper.intake import Draft, check_price, number, read_draft
from atlas_daemon.paper.market import Market, MarketQuote
from atlas_daemon.paper.matching import (
    NEW_YORK,
    refused_window,
    shares_for,
    trailing_stop_price,
    unit_hold,
)
from atlas_daemon.paper.orders import (
    CENT,
    SHARE_STEP,
    ZERO,
    Kind,
    Order,
    Side,
    Status,
    TimeInForce,
    Update,
    id_of,
)

GTC_LIVES = timedelta(days=90)


class Exchange:
    """Several accounts trading on one market. `partial_fill_pct` is a fraction (0.10 = a tenth)."""

    def __init__(
        self,
        market: Market,
        calendar: Calendar,
        seed: int = 1,
        partial_fill_pct: float = 0.10,
        *,
        starts_at: datetime,
    ) -> None:
        self.market = market
        self.calendar = calendar
        self.engine = Engine(market, calendar, seed, partial_fill_pct, starts_at)
        self.by_key: dict[str, Account] = {}
        self.seed = seed
        self.order_count = 0
        self.account_count = 0
        self._symbols = frozenset(market.symbols())

    @property
    def now(self) -> datetime:
        """The latest instant this exchange has lived through."""
        return self.engine.now

    # -- accounts --------------------------------------------------------------------------------

    def open_account(
        self,
        key: str,
        secret: str,
        cash: Decimal,
        holdings: Mapping[str, tuple[Decimal, Decimal]] | None = None,
    ) -> Account:
        """A new account with `cash` dollars and holdings as symbol -> (shares, average entry)."""
        self.account_count += 1
        identity = id_of(self.seed, "account", self.account_count)
        account = Account(
            id=identity,
            number=f"PA{UUID(identity).int % 36**9:09X}"[:12],
            key=key,
            secret=secret,
            cash=cash,
            created_at=self.now,
        )
        for symbol, (qty, avg_entry) in (holdings or {}).items():
            account.positions[symbol] = Position(symbol, qty, avg_entry)
        account.last_equity = cash + long_market_value(account, self.market, self.now)
        self.adopt(account)
        return account

    def adopt(self, account: Account) -> None:
        """Take in an account as it is, with its open orders."""
        self.by_key[account.key] = account
        self.engine.enter(account)

    def drop(self, account: Account) -> None:
        """Close an account; its key is worth nothing any more."""
        del self.by_key[account.key]
        self.engine.leave(account)

    def figures(self, account: Account) -> Figures:
        """The account's money at this moment."""
        return figures_of(account, long_market_value(account, self.market, self.now))

    def knows(self, symbol: str) -> bool:
        """True where the market has that symbol."""
        return symbol in self._symbols

    # -- time ------------------------------------------------------------------------------------

    def advance(self, at: datetime) -> list[Update]:
        """Live on to `at`; returns every update since the last call, in order."""
        self.engine.run_to(at)
        updates, self.engine.updates = self.engine.updates, []
        return updates

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, account: Account, request: object, at: datetime) -> Order:
        """Place an order from a request body (POST /v2/orders). Raises RefusedError."""
        self.engine.run_to(at)
        if account.configuration.suspend_trade:
            raise refusals.suspended()
        if account.is_blocked:
            raise refusals.RefusedError(403, {"message": "forbidden."})
        draft = read_draft(request)
        if not self.knows(draft.symbol):
            raise refusals.invalid(f'could not find asset "{draft.symbol}"')
        if draft.client_order_id is not None and draft.client_order_id in account.by_client_id:
            raise refusals.invalid("client_order_id must be unique")
        return self._place(account, draft, self._checked(account, draft))

    def cancel(self, account: Account, order_id: str, at: datetime) -> Order:
        """Ask for a cancel; it takes a moment and a fill may win. Raises RefusedError."""
        self.engine.run_to(at)
        order = self.order(account, order_id)
        if order.is_open:
            self.engine.ask_cancel(order)
        elif order.status is not Status.CANCELED:
            # A second cancel of a canceled order is answered like the first.
            raise refusals.already_in(order.status)
        return order

    def cancel_all(self, account: Account, at: datetime) -> list[Order]:
        """Ask for the cancel of every open order; returns them."""
        self.engine.run_to(at)
        orders = list(account.open.values())
        for order in orders:
            self.engine.ask_cancel(order)
        return orders

    def replace(
        self, account: Account, order_id: str, change: Mapping[str, object], at: datetime
    ) -> Order:
        """Replace an open order by a new one with a new id (PATCH). Raises RefusedError."""
        self.engine.run_to(at)
        old = self.order(account, order_id)
        if not old.is_open:
            raise refusals.invalid("order is not open")
        if old.status not in (Status.NEW, Status.PARTIALLY_FILLED):
            raise refusals.invalid("unable to replace order, order isn't sent to exchange yet")
        draft = self._changed(old, change)
        if draft.client_order_id is not None and draft.client_order_id in account.by_client_id:
            raise refusals.invalid("client_order_id must be unique")
        self._check_funds(account, draft, self._quote(draft), replacing=old)
        new = self._place(account, draft, self._quote(draft), replaces=old)
        old.replaced_by = new.id
        self.engine.close_order(old, Status.REPLACED, "replaced")
        return new

    def close_position(
        self,
        account: Account,
        symbol: str,
        at: datetime,
        *,
        qty: Decimal | None = None,
        percentage: Decimal | None = None,
    ) -> Order:
        """Sell a position at the market: all, a quantity, or a percentage. Raises RefusedError."""
        self.engine.run_to(at)
        position = account.positions.get(symbol)
        if position is None:
            raise refusals.not_found(f"position not found: {symbol}")
        wanted = qty if qty is not None else position.qty
        if percentage is not None:
            wanted = (position.qty * percentage / 100).quantize(SHARE_STEP, ROUND_DOWN)
        request = {
            "symbol": symbol,
            "qty": refusals.plain(wanted),
            "side": "sell",
            "type": "market",
            "time_in_force": "day",
        }
        return self.submit(account, request, at)

    def order(self, account: Account, order_id: str) -> Order:
        """One of the account's orders by id. Raises RefusedError (404)."""
        order = account.orders.get(order_id)
        if order is None:
            raise refusals.not_found(f"order not found for {order_id}")
        return order

    # -- rules -----------------------------------------------------------------------------------

    def _checked(self, account: Account, draft: Draft) -> MarketQuote:
        """The quote that the order was judged by. Raises RefusedError."""
        if draft.is_fractional and not self.market.fractionable(draft.symbol):
            raise refusals.forbidden(f'asset "{draft.symbol}" is not fractionable')
        self._check_window(draft)
        quote = self._quote(draft)
        self._check_stop(draft)
        self._check_wash_trade(account, draft)
        self._check_funds(account, draft, quote)
        return quote

    def _quote(self, draft: Draft) -> MarketQuote:
        quote = self.market.quote(draft.symbol, self.now)
        if quote is None:
            raise refusals.breaks_rule(f'asset "{draft.symbol}" is not tradable')
        return quote

    def _check_window(self, draft: Draft) -> None:
        if draft.tif not in (TimeInForce.OPG, TimeInForce.CLS):
            return
        day = self.now.astimezone(NEW_YORK).date()
        today = self.calendar.sessions(day, day)
        opens_at, closes_at = (today[0].opens_at, today[0].closes_at) if today else (None, None)
        missed = refused_window(draft.tif, self.now, opens_at, closes_at)
        if missed:
            raise refusals.breaks_rule(missed)

    def _check_stop(self, draft: Draft) -> None:
        last = self.engine.last_price(draft.symbol)
        if draft.stop_price is None or last is None:
            return
        is_sell = draft.side is Side.SELL
        if is_sell and draft.stop_price >= last:
            text = "stop price must be less than current price"
        elif not is_sell and draft.stop_price <= last:
            text = "stop price must be greater than current price"
        else:
            return
        raise refusals.breaks_rule(
            text,
            market_price=refusals.plain(last),
            stop_price=refusals.plain(draft.stop_price),
        )

    def _check_wash_trade(self, account: Account, draft: Draft) -> None:
        opposite = Side.SELL if draft.side is Side.BUY else Side.BUY
        for other in account.open_of(draft.symbol, opposite):
            if other.kind is not Kind.LIMIT:
                raise refusals.wash_trade(other.id, "market/stop")
            if draft.limit_price is None or other.limit_price is None:
                raise refusals.wash_trade(other.id, "limit")
            buy, sell = draft.limit_price, other.limit_price
            if draft.side is Side.SELL:
                buy, sell = sell, buy
            if buy >= sell:
                raise refusals.wash_trade(other.id, "limit")

    def _check_funds(
        self, account: Account, draft: Draft, quote: MarketQuote, replacing: Order | None = None
    ) -> None:
        """Shares for a sell, buying power for a buy; what a replaced order holds is free again."""
        freed = replacing.held if replacing else ZERO
        if draft.side is Side.SELL:
            wanted = self._goal(draft, quote) or ZERO
            existing = account.existing_qty(draft.symbol)
            held = account.held_qty(draft.symbol) - freed
            if wanted > existing - held:
                related = [order.id for order in account.open_of(draft.symbol, Side.SELL)]
                raise refusals.insufficient_qty(draft.symbol, wanted, existing, held, related)
            return
        cost = draft.notional
        if cost is None:
            unit = unit_hold(draft.kind, draft.limit_price, draft.stop_price, quote.ask)
            cost = ((draft.qty or ZERO) * unit).quantize(CENT)
        if draft.is_fractional and cost < 1:
            raise refusals.forbidden("cost basis must be >= minimal amount of order 1")
        available = self.figures(account).buying_power + freed
        if cost > available:
            raise refusals.insufficient_buying_power(available, cost)

    # -- making orders ---------------------------------------------------------------------------

    def _goal(self, draft: Draft, quote: MarketQuote) -> Decimal | None:
        """Shares wanted in all; of a buy by notional only its first fill will tell."""
        if draft.notional is None:
            return draft.qty
        if draft.side is Side.BUY or quote.bid <= 0:
            return None
        return shares_for(draft.notional, quote.bid)

    def _place(
        self, account: Account, draft: Draft, quote: MarketQuote, replaces: Order | None = None
    ) -> Order:
        self.order_count += 1
        seq = self.order_count
        waits = self.engine.session is None or draft.tif is TimeInForce.OPG
        order = Order(
            id=id_of(self.seed, "order", seq),
            account_id=account.id,
            client_order_id=draft.client_order_id or id_of(self.seed, "client", seq),
            symbol=draft.symbol,
            side=draft.side,
            kind=draft.kind,
            tif=draft.tif,
            qty=draft.qty,
            notional=draft.notional,
            limit_price=draft.limit_price,
            stop_price=draft.stop_price,
            trail_price=draft.trail_price,
            trail_percent=draft.trail_percent,
            extended_hours=draft.extended_hours,
            status=Status.ACCEPTED if waits else Status.PENDING_NEW,
            seq=seq,
            created_at=self.now,
            submitted_at=self.now,
            updated_at=self.now,
            expires_at=self._expires_at(draft.tif),
            goal_qty=self._goal(draft, quote),
            unit_hold=unit_hold(draft.kind, draft.limit_price, draft.stop_price, quote.ask),
            replaces=replaces.id if replaces else None,
        )
        if order.kind is Kind.TRAILING_STOP:
            order.hwm = self.engine.last_price(order.symbol)
            if order.hwm is not None:
                order.stop_price = trailing_stop_price(order, order.hwm)
        account.add(order)
        self.engine.admit(order)
        return order

    def _expires_at(self, tif: TimeInForce) -> datetime:
        if tif is TimeInForce.GTC:
            return self.now + GTC_LIVES
        if tif is TimeInForce.OPG and self.engine.session is not None:
            return self.calendar.next_close(self.engine.session.closes_at)
        if self.engine.session is not None:
            return self.engine.session.closes_at
        return self.calendar.next_close(self.now)

    def _changed(self, old: Order, change: Mapping[str, object]) -> Draft:
        """The draft of an order's replacement: what is not named stays. Raises RefusedError."""
        if old.notional is not None:
            raise refusals.breaks_rule("notional orders cannot be replaced")
        qty = number(change, "qty")
        if qty is not None and old.qty is not None and (qty % 1 or old.qty % 1) and qty != old.qty:
            raise refusals.breaks_rule("qty of fractional orders cannot be changed")
        remaining = (qty or old.qty or ZERO) - old.filled_qty
        if remaining <= 0:
            raise refusals.invalid("qty must be greater than filled qty")
        trail = number(change, "trail")
        limit = number(change, "limit_price") or old.limit_price
        stop = number(change, "stop_price") or old.stop_price
        request = {
            "symbol": old.symbol,
            "side": old.side.value,
            "type": old.kind.value,
            "time_in_force": change.get("time_in_force") or old.tif.value,
            "qty": remaining,
            "limit_price": limit,
            "stop_price": None if old.kind is Kind.TRAILING_STOP else stop,
            "trail_price": trail if trail and old.trail_price else old.trail_price,
            "trail_percent": trail if trail and old.trail_percent else old.trail_percent,
            "client_order_id": change.get("client_order_id"),
            "extended_hours": old.extended_hours,
        }
        check_price("limit_price", limit)
        return read_draft(request)
