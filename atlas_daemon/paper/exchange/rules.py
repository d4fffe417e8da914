"""The rules that an order has to pass: asset, hours, prices, wash trades, shares and money.

Judged is a draft that is well-formed already (`intake`). The first rule that fails gives the
refusal; the order of the rules is part of what clients see. Nothing is changed in here.
"""

from __future__ import annotations

from decimal import Decimal

from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.accounts import Account, Figures, figures_of
from atlas_daemon.paper.exchange.corporate import long_market_value
from atlas_daemon.paper.exchange.engine import Engine
from atlas_daemon.paper.exchange.intake import Draft, check_exits
from atlas_daemon.paper.exchange.matching import refused_window, shares_for, unit_hold
from atlas_daemon.paper.exchange.orders import (
    CENT,
    ZERO,
    Kind,
    Order,
    OrderClass,
    Side,
    TimeInForce,
)
from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar
from atlas_daemon.paper.market.market import MarketQuote

_EQUITY_MULTIPLE_MAX = 6
_LIMITS = (Kind.LIMIT, Kind.STOP_LIMIT)


class Rules:
    """Asks of an account and of the market at the engine's present moment."""

    def __init__(self, engine: Engine, calendar: Calendar) -> None:
        self._engine = engine
        self._calendar = calendar

    def figures(self, account: Account) -> Figures:
        """The account's money at this moment."""
        engine = self._engine
        return figures_of(account, long_market_value(account, engine.market, engine.now))

    def check(self, account: Account, draft: Draft) -> MarketQuote:
        """The quote that the order was judged by. Raises RefusedError."""
        if draft.is_fractional:
            self._check_fractional(account, draft)
        self._check_window(draft)
        quote = self.quote(draft)
        self._check_stop(draft)
        self._check_wash_trade(account, draft)
        self.check_funds(account, draft, quote)
        return quote

    def check_asset(self, symbol: str) -> None:
        """Whether the asset may be traded. Raises RefusedError."""
        if symbol in self._engine.untradable:
            raise refusals.not_tradable(symbol)

    def quote(self, draft: Draft) -> MarketQuote:
        """The symbol's present quote. Raises RefusedError where there is none."""
        quote = self._engine.market.quote(draft.symbol, self._engine.now)
        if quote is None:
            raise refusals.not_tradable(draft.symbol)
        return quote

    def goal(self, draft: Draft, quote: MarketQuote) -> Decimal | None:
        """Shares wanted in all; of a buy by notional only its first fill will tell."""
        if draft.notional is None:
            return draft.qty
        if draft.side is Side.BUY or quote.bid <= 0:
            return None
        return shares_for(draft.notional, quote.bid)

    def check_funds(
        self, account: Account, draft: Draft, quote: MarketQuote, replacing: Order | None = None
    ) -> None:
        """Shares for a sell, buying power for a buy; what a replaced order holds counts as free.

        Raises RefusedError.
        """
        freed = replacing.held if replacing else ZERO
        if draft.side is Side.SELL:
            self._check_shares(account, draft, quote, freed)
            return
        cost = draft.notional
        if cost is None:
            unit = unit_hold(draft.kind, draft.limit_price, draft.stop_price, quote.ask)
            cost = ((draft.qty or ZERO) * unit).quantize(CENT)
        if draft.is_fractional and cost < 1:
            raise refusals.forbidden("cost basis must be >= minimal amount of order 1")
        figures = self.figures(account)
        if figures.long_market_value > _EQUITY_MULTIPLE_MAX * figures.equity:
            raise refusals.forbidden("account is restricted to liquidation only")
        available = figures.buying_power + freed
        if cost > available:
            raise refusals.insufficient_buying_power(available, cost)

    def _check_shares(
        self, account: Account, draft: Draft, quote: MarketQuote, freed: Decimal
    ) -> None:
        existing = account.existing_qty(draft.symbol)
        if not existing:
            if draft.order_class is OrderClass.OCO:
                raise refusals.breaks_rule("oco orders must be exit orders")
            if draft.is_fractional:
                raise refusals.breaks_rule("fractional orders cannot be sold short")
            raise refusals.forbidden("account is not allowed to short")
        wanted = self.goal(draft, quote) or ZERO
        held = account.held_qty(draft.symbol) - freed
        if wanted > existing - held:
            sells = account.open_of(draft.symbol, Side.SELL)
            related = [order.id for order in sells if order.held]
            raise refusals.insufficient_qty(draft.symbol, wanted, existing, held, related)

    def _check_fractional(self, account: Account, draft: Draft) -> None:
        if not self._engine.market.fractionable(draft.symbol):
            raise refusals.forbidden(f'asset "{draft.symbol}" is not fractionable')
        if not account.configuration.fractional_trading:
            raise refusals.forbidden("account is not eligible to trade fractional orders")

    def _check_window(self, draft: Draft) -> None:
        if draft.tif not in (TimeInForce.OPG, TimeInForce.CLS):
            return
        now = self._engine.now
        day = now.astimezone(NEW_YORK).date()
        today = self._calendar.sessions(day, day)
        opens_at, closes_at = (today[0].opens_at, today[0].closes_at) if today else (None, None)
        missed = refused_window(draft.tif, now, opens_at, closes_at)
        if missed:
            raise refusals.breaks_rule(missed)

    def _check_stop(self, draft: Draft) -> None:
        """A stop, a group's exits included, stands on its own side of the last trade."""
        stop = draft.stop_price
        if stop is None and draft.order_class is OrderClass.SIMPLE:
            return
        last = self._engine.last_price(draft.symbol)
        if last is None:
            return
        if draft.order_class is not OrderClass.SIMPLE:
            check_exits(draft, last)
        if stop is None:
            return
        is_sell = draft.side is Side.SELL
        if is_sell and stop >= last:
            text = "stop price must be less than current price"
        elif not is_sell and stop <= last:
            text = "stop price must be greater than current price"
        else:
            return
        raise refusals.breaks_rule(
            text, market_price=refusals.plain(last), stop_price=refusals.plain(stop)
        )

    def _check_wash_trade(self, account: Account, draft: Draft) -> None:
        """Whether an open order of the other side could trade with this one.

        Trailing stops and the orders of groups are let pass, on either side.
        """
        if draft.kind is Kind.TRAILING_STOP or draft.order_class is not OrderClass.SIMPLE:
            return
        opposite = Side.SELL if draft.side is Side.BUY else Side.BUY
        for other in account.open_of(draft.symbol, opposite):
            if other.kind is Kind.TRAILING_STOP or other.group_id is not None:
                continue
            if other.kind not in _LIMITS:
                raise refusals.wash_trade(other.id, "market/stop")
            if draft.kind not in _LIMITS or draft.limit_price is None or other.limit_price is None:
                raise refusals.wash_trade(other.id, "limit")
            buy, sell = draft.limit_price, other.limit_price
            if draft.side is Side.SELL:
                buy, sell = sell, buy
            if buy >= sell:
                raise refusals.wash_trade(other.id, "limit")
