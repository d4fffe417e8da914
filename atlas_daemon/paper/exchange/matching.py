"""When an order fills, at which price, and how much of it: pure functions of order and quote.

As Alpaca's paper engine: only when marketable, at the quote, whatever its size; a seeded tenth of
the fills is partial. Nothing here changes an account.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from atlas_daemon.paper.exchange.orders import (
    CENT,
    SHARE_STEP,
    Draw,
    Kind,
    Order,
    Side,
    TimeInForce,
)
from atlas_daemon.paper.market.market import MarketQuote

NEW_YORK = ZoneInfo("America/New_York")

COLLAR_CHEAP = Decimal("1.04")
COLLAR = Decimal("1.025")
COLLAR_CHEAP_BELOW = Decimal(50)

OPG_CLOSES_BEFORE_OPEN = timedelta(minutes=2)
CLS_CLOSES_BEFORE_CLOSE = timedelta(minutes=10)
AUCTION_REOPENS_AT = time(19)

_STOPS = frozenset({Kind.STOP, Kind.STOP_LIMIT, Kind.TRAILING_STOP})


def execution_price(order: Order, quote: MarketQuote) -> Decimal | None:
    """The price at which the order would trade now: ask for a buy, bid for a sell; None if not."""
    price = quote.ask if order.side is Side.BUY else quote.bid
    if price <= 0:
        return None
    if waits_for_stop(order):
        return None
    if order.kind is Kind.STOP and order.side is Side.BUY and price > order.unit_hold:
        # Alpaca sends a buy stop as a stop limit that far above its stop.
        return None
    if order.kind in (Kind.LIMIT, Kind.STOP_LIMIT) and order.limit_price is not None:
        within = (
            price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price
        )
        if not within:
            return None
    return price


def waits_for_stop(order: Order) -> bool:
    """True for a stop order whose price has not been reached yet."""
    return not order.is_triggered and order.kind in _STOPS


def watch_stop(order: Order, last: Decimal) -> None:
    """Trail and trigger a stop by the last trade's price; changes the order."""
    if not waits_for_stop(order):
        return
    sells = order.side is Side.SELL
    if order.kind is Kind.TRAILING_STOP:
        better = order.hwm is None or (last > order.hwm if sells else last < order.hwm)
        if better:
            order.hwm = last
        order.stop_price = trailing_stop_price(order, last)
    if order.stop_price is not None:
        order.is_triggered = last <= order.stop_price if sells else last >= order.stop_price


def trailing_stop_price(order: Order, last: Decimal) -> Decimal:
    """Where a trailing stop stands, from its water mark, in cents."""
    mark = order.hwm if order.hwm is not None else last
    if order.trail_percent is not None:
        trail = mark * order.trail_percent / 100
    else:
        trail = order.trail_price or Decimal(0)
    stop = mark - trail if order.side is Side.SELL else mark + trail
    return stop.quantize(CENT, ROUND_HALF_UP)


def unit_hold(kind: Kind, limit: Decimal | None, stop: Decimal | None, ask: Decimal) -> Decimal:
    """What one share of a buy reserves: its limit, or the price it may reach plus the collar."""
    if limit is not None:
        return limit
    price = stop if kind is Kind.STOP and stop is not None else ask
    return price * (COLLAR_CHEAP if price < COLLAR_CHEAP_BELOW else COLLAR)


def shares_for(notional: Decimal, price: Decimal) -> Decimal:
    """Shares that an amount buys, to nine decimals."""
    return (notional / price).quantize(SHARE_STEP, ROUND_DOWN)


def part_of(wanted: Decimal, draw: Draw, partial_pct: float) -> Decimal:
    """All that is wanted, or (with a chance of `partial_pct`) a random part of it."""
    if draw.fraction() >= partial_pct:
        return wanted
    if wanted % 1 == 0:
        return Decimal(1 + draw.below(int(wanted) - 1)) if wanted > 1 else wanted
    part = (wanted * (1 + draw.below(999)) / 1000).quantize(SHARE_STEP, ROUND_DOWN)
    return part or wanted


def refused_window(
    tif: TimeInForce, at: datetime, opens_at: datetime | None, closes_at: datetime | None
) -> str | None:
    """The auction window that `at` misses, in words; None where the order may be sent.

    `opens_at` and `closes_at` are those of the day's session, None on a day without one.
    """
    if opens_at is None or closes_at is None:
        return None
    if at.astimezone(NEW_YORK).time() >= AUCTION_REOPENS_AT:
        return None
    if tif is TimeInForce.OPG and at >= opens_at - OPG_CLOSES_BEFORE_OPEN:
        return "opg orders are accepted between 7:00pm and 9:28am New York time only"
    if tif is TimeInForce.CLS and at >= closes_at - CLS_CLOSES_BEFORE_CLOSE:
        return "cls orders are accepted until 10 minutes before the close and after 7:00pm only"
    return None


def latency(draw: Draw, low_ms: int, high_ms: int) -> timedelta:
    """A delay of the broker's own time, seeded; to the microsecond."""
    return timedelta(microseconds=1000 * low_ms + draw.below(1000 * (high_ms - low_ms)))
