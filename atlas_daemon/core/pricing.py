"""Which price may be believed: the design's rule on quotes, pure.

A price is the mid of a sane quote, or else the latest trade, young enough and near enough to the
last as-traded close. Closing a position needs no price, so nothing here stands in its way.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .policy import Policy
from .values import Quote


@dataclass(frozen=True, slots=True)
class Price:
    """A price to decide on, in dollars per share, and when it was true."""

    value: Decimal
    ask: Decimal
    """What a buyer pays: the ask, or the same as `value` where only a trade is known."""
    at: datetime


@dataclass(frozen=True, slots=True)
class NoPrice:
    """Why there is no price to decide on."""

    rule: str
    detail: str


def price_of(
    quote: Quote | None, close: Decimal | None, now: datetime, policy: Policy
) -> Price | NoPrice:
    """Return the price of a quote as of `now`, or why it is not to be believed.

    `close` is the as-traded close of the signal session; None leaves the band unchecked.
    """
    if quote is None:
        return NoPrice("price", "no quote")
    price = _mid(quote, now, policy) or _last(quote, now, policy)
    if price is None:
        return NoPrice("price_age", _why_unusable(quote, now, policy))
    if close is not None and abs(price.value / close - 1) > policy.price_band_pct:
        return NoPrice(
            "price_band",
            f"{price.value} is more than {policy.price_band_pct:%} from the close {close}",
        )
    return price


def _mid(quote: Quote, now: datetime, policy: Policy) -> Price | None:
    bid, ask, at = quote.bid, quote.ask, quote.quoted_at
    if bid is None or ask is None or at is None or bid <= 0 or ask <= bid:
        return None
    mid = (bid + ask) / 2
    if (ask - bid) / mid > policy.max_spread_pct or not _is_young(at, now, policy):
        return None
    return Price(mid, ask, at)


def _last(quote: Quote, now: datetime, policy: Policy) -> Price | None:
    if quote.last is None or quote.last_at is None or quote.last <= 0:
        return None
    if not _is_young(quote.last_at, now, policy):
        return None
    return Price(quote.last, quote.last, quote.last_at)


def _is_young(at: datetime, now: datetime, policy: Policy) -> bool:
    # A broker's clock a little ahead of ours makes ages negative: young, within reason.
    return abs(now - at) <= policy.max_price_age


def _why_unusable(quote: Quote, now: datetime, policy: Policy) -> str:
    moments = [at for at in (quote.quoted_at, quote.last_at) if at is not None]
    if not moments:
        return "neither a quote nor a trade"
    age_s = (now - max(moments)).total_seconds()
    if age_s > policy.max_price_age.total_seconds():
        return f"{age_s:.0f} s old, limit {policy.max_price_age.total_seconds():.0f} s"
    return f"bid {quote.bid}, ask {quote.ask}, last {quote.last}: not sane or not young"
