"""The exchange: accounts, the rules an order has to pass, and the orders' way through time.

Pure: no clock, no chance but the seed's, no I/O. Every call says when it happens (`at`); time never
goes back. A refusal is a `RefusedError` with the HTTP status and body that Alpaca would send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from atlas_daemon.paper.exchange import hours, refusals, replacing
from atlas_daemon.paper.exchange.accounts import Account, Figures, Position
from atlas_daemon.paper.exchange.corporate import long_market_value
from atlas_daemon.paper.exchange.engine import Engine
from atlas_daemon.paper.exchange.intake import Draft, read_draft
from atlas_daemon.paper.exchange.matching import trailing_stop_price, unit_hold
from atlas_daemon.paper.exchange.orders import (
    SHARE_STEP,
    Kind,
    Order,
    OrderClass,
    Role,
    Side,
    Status,
    TimeInForce,
    Update,
    id_of,
)
from atlas_daemon.paper.exchange.rules import Rules
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import Market, MarketQuote

_ASSET_ID_LENGTH = 36


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
        self.rules = Rules(self.engine, calendar)
        self.by_key: dict[str, Account] = {}
        self.seed = seed
        self.order_count = 0
        self.account_count = 0
        self._symbols = frozenset(market.symbols())
        self._by_asset_id: dict[str, str] = {}

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
        return self.rules.figures(account)

    def knows(self, symbol: str) -> bool:
        """True where the market has that symbol."""
        return symbol in self._symbols

    def symbol_named(self, text: str) -> str | None:
        """The symbol that a request names, by itself or by asset id; None for neither."""
        if text in self._symbols:
            return text
        if len(text) != _ASSET_ID_LENGTH:
            return None
        if len(self._by_asset_id) != len(self._symbols):
            self._by_asset_id = {id_of("asset", symbol): symbol for symbol in self._symbols}
        return self._by_asset_id.get(text.lower())

    def learn(self, symbol: str) -> None:
        """Take in a symbol that the market has got since."""
        self._symbols |= {symbol}

    # -- time ------------------------------------------------------------------------------------

    def advance(self, at: datetime, *, until_news: bool = False) -> list[Update]:
        """Live on to `at`, or to the first news; returns every update since the last call."""
        self.engine.run_to(at, until_news=until_news)
        updates, self.engine.updates = self.engine.updates, []
        return updates

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, account: Account, request: object, at: datetime) -> Order:
        """Place an order from a request body (POST /v2/orders). Raises RefusedError.

        Where several rules are broken the first counts: the account's own switches, the request's
        form, the asset, the client id, then `Rules`.
        """
        self.engine.run_to(at)
        if account.configuration.suspend_trade:
            raise refusals.suspended()
        if account.is_blocked or account.is_trading_blocked:
            raise refusals.blocked()
        draft = read_draft(request)
        symbol = self.symbol_named(draft.symbol)
        if symbol is None:
            raise refusals.invalid(f'could not find asset "{draft.symbol}"')
        if symbol != draft.symbol:
            draft = replace(draft, symbol=symbol)
        self.rules.check_asset(symbol)
        self._check_client_id(account, draft)
        return self._place(account, draft, self.rules.check(account, draft))

    def cancel(self, account: Account, order_id: str, at: datetime) -> Order:
        """Ask for a cancel; it takes a moment and a fill may win. Raises RefusedError."""
        self.engine.run_to(at)
        order = self.order(account, order_id)
        self._ask_cancel(order)
        return order

    def cancel_all(
        self, account: Account, at: datetime
    ) -> list[tuple[Order, refusals.RefusedError | None]]:
        """Ask for the cancel of every open order; each with its refusal, or None."""
        self.engine.run_to(at)
        answers: list[tuple[Order, refusals.RefusedError | None]] = []
        for order in list(account.open.values()):
            try:
                self._ask_cancel(order)
            except refusals.RefusedError as refused:
                answers.append((order, refused))
            else:
                answers.append((order, None))
        return answers

    def _ask_cancel(self, order: Order) -> None:
        # A second cancel of a canceled order is answered like the first.
        if order.replace_asked_at is not None and order.is_open:
            raise refusals.already_in(Status.PENDING_REPLACE)
        if order.is_open:
            self.engine.ask_cancel(order)
        elif order.status is not Status.CANCELED:
            raise refusals.already_in(order.status)

    def replace(
        self, account: Account, order_id: str, change: Mapping[str, object], at: datetime
    ) -> Order:
        """Ask for a new order, with a new id, in an open one's place (PATCH). Raises RefusedError.

        Until the old order has given way it may still fill, which ends the new one instead.
        """
        self.engine.run_to(at)
        old = self.order(account, order_id)
        if account.configuration.suspend_trade:
            raise refusals.suspended()
        if account.is_blocked or account.is_trading_blocked:
            raise refusals.blocked()
        draft = replacing.draft_of(old, change)
        self._check_client_id(account, draft)
        quote = self.rules.quote(draft)
        if not old.is_dormant:
            self.rules.check_funds(account, draft, quote, replacing=old)
        new = self._new_order(account, draft, quote)
        replacing.inherit(old, new)
        account.add(new)
        self.engine.ask_replace(old, new)
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
        """Sell a position at the market: all, a quantity, or a percentage. Raises RefusedError.

        A part of whole shares is whole shares, rounded down.
        """
        self.engine.run_to(at)
        position = account.positions.get(symbol)
        if position is None:
            raise refusals.not_found(f"position not found: {symbol}")
        wanted = qty if qty is not None else position.qty
        if percentage is not None:
            step = SHARE_STEP if position.qty % 1 else Decimal(1)
            wanted = (position.qty * percentage / 100).quantize(step, ROUND_DOWN)
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

    # -- making orders ---------------------------------------------------------------------------

    def _check_client_id(self, account: Account, draft: Draft) -> None:
        if draft.client_order_id is not None and draft.client_order_id in account.by_client_id:
            raise refusals.invalid("client_order_id must be unique")

    def _place(self, account: Account, draft: Draft, quote: MarketQuote) -> Order:
        order = self._new_order(account, draft, quote)
        account.add(order)
        if draft.order_class is not OrderClass.SIMPLE:
            self._place_legs(account, order, draft, quote)
        self.engine.admit(order)
        return order

    def _place_legs(
        self, account: Account, parent: Order, draft: Draft, quote: MarketQuote
    ) -> None:
        """The exits of a group, held until their turn comes; of an oco the parent is one."""
        is_oco = draft.order_class is OrderClass.OCO
        parent.group_id = id_of(self.seed, "group", parent.seq)
        parent.group_role = Role.TAKE_PROFIT if is_oco else Role.ENTRY
        exits: list[tuple[Role, Draft]] = []
        exit_draft = replace(draft, side=Side.SELL, client_order_id=None, stop_price=None)
        if draft.take_profit_limit is not None and not is_oco:
            profit = replace(exit_draft, kind=Kind.LIMIT, limit_price=draft.take_profit_limit)
            exits.append((Role.TAKE_PROFIT, profit))
        if draft.stop_loss_stop is not None:
            stop = replace(
                exit_draft,
                kind=Kind.STOP if draft.stop_loss_limit is None else Kind.STOP_LIMIT,
                limit_price=draft.stop_loss_limit,
                stop_price=draft.stop_loss_stop,
            )
            exits.append((Role.STOP_LOSS, stop))
        for role, leg_draft in exits:
            leg = self._new_order(account, leg_draft, quote)
            leg.status, leg.is_dormant = Status.HELD, True
            leg.group_id, leg.group_role, leg.parent_id = parent.group_id, role, parent.id
            parent.leg_ids += (leg.id,)
            account.add(leg)

    def _new_order(self, account: Account, draft: Draft, quote: MarketQuote) -> Order:
        self.order_count += 1
        seq = self.order_count
        may_trade = self.engine.may_trade(draft.extended_hours)
        waits = not may_trade or draft.tif is TimeInForce.OPG
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
            expires_at=self._expires_at(draft),
            order_class=draft.order_class,
            goal_qty=self.rules.goal(draft, quote),
            unit_hold=unit_hold(draft.kind, draft.limit_price, draft.stop_price, quote.ask),
        )
        if order.kind is Kind.TRAILING_STOP:
            order.hwm = self.engine.last_price(order.symbol)
            if order.hwm is not None:
                order.stop_price = trailing_stop_price(order, order.hwm)
        return order

    def _expires_at(self, draft: Draft) -> datetime:
        if draft.tif is TimeInForce.GTC:
            return hours.aged_at(self.now)
        if draft.extended_hours:
            return hours.next_late_close(self.calendar, self.now)
        session = self.engine.session
        if session is None:
            return self.calendar.next_close(self.now)
        if draft.tif is TimeInForce.OPG:
            return self.calendar.next_close(session.closes_at)
        return session.closes_at
