"""What the operator has decided: limits, schedule, manners. Made by config, never changed here."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from .values import OrderType, Symbol

BENCHMARK = Symbol("SPY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every figure the core decides by. Percentages are fractions (0.15 is 15 %)."""

    # account
    capital: Decimal = Decimal(0)
    """Most of the account's value that is managed, in dollars; 0 manages all of it."""
    manages_all: bool = True
    """False manages only what the journal bought."""
    protected: frozenset[Symbol] = frozenset()

    # rebalance
    anchors: tuple[tuple[int, int], ...] = ((2, 1), (8, 1))
    """(month, day) pairs; a slot is the first session on or after one."""
    open_delay: timedelta = timedelta(minutes=5)
    catch_up_sessions: int = 5
    min_session_left: timedelta = timedelta(seconds=2700)
    fill_timeout: timedelta = timedelta(seconds=300)
    rounds: int = 3
    crash_reacts: bool = True
    """A confirmed CRASH between slots makes a run that goes to cash."""
    regime_reacts: bool = False
    """Any other confirmed change between slots makes a run to the new allocation."""
    regime_age_max: int = 2
    """Sessions: nothing is bought under a regime that is older."""
    doctor_days: int = 7
    """So many days before a slot what the doctor finds red is told each night."""

    # execution
    order_type: OrderType = OrderType.MARKET
    limit_band_pct: Decimal = Decimal("0.005")
    fractional: bool = False

    # risk
    max_position_pct: Decimal = Decimal("0.15")
    max_total_allocation: Decimal = Decimal("1.05")
    max_portfolio_heat: Decimal = Decimal("0.08")
    cash_reserve_pct: Decimal = Decimal("0.01")
    price_band_pct: Decimal = Decimal("0.25")
    drift_band_pct: Decimal = Decimal("0.05")
    max_price_age: timedelta = timedelta(seconds=60)
    max_spread_pct: Decimal = Decimal("0.01")
    collar_pct: Decimal = Decimal("0.04")
    """What Alpaca may add to a market buy's price when it reserves buying power."""

    # reconcile
    reconcile_every: timedelta = timedelta(seconds=60)
    reconcile_idle_every: timedelta = timedelta(seconds=900)
    qty_tolerance: Decimal = Decimal(1)
    cash_tolerance: Decimal = Decimal(1)
    cash_tolerance_pct: Decimal = Decimal("0.0001")
    """Of the day's sells, on top of `cash_tolerance` dollars."""
    grace: timedelta = timedelta(seconds=5)
    """Positions and orders may disagree this long before it is called a drift."""

    # emergency, foreign
    flatten_on_stop: bool = False
    stop_scope_account: bool = True
    foreign_waits: bool = True

    # going live
    needs_certificate: bool = False
    """True with real money: nothing is bought without a certificate that counts."""
    scale: Decimal = Decimal(1)
    """Part of normal sizes that the first live rebalance deploys; the journal has it from then."""
    clean_days_min: int = 30
    """Sessions without anything unclean before the scale may be raised."""

    # patience
    answer_wait: timedelta = timedelta(seconds=40)
    """Longer than any request's own deadline (30 s) and its travel."""
    poll_every: timedelta = timedelta(seconds=10)
    """The handbook's poll of open orders, behind the stream."""
    poll_blind_every: timedelta = timedelta(seconds=2)
    """The same while the stream is down."""
    blind_wait: timedelta = timedelta(seconds=120)
    """Clean polling for this long stands in for a listening stream."""
    line_wait: timedelta = timedelta(minutes=5)
    """A line without a usable price, or with a foreign order on it, is dropped after this long."""
    lapse_gap: timedelta = timedelta(seconds=60)
    """Two not-founds this far apart make an unknown order lapsed."""
    stream_grace: timedelta = timedelta(seconds=5)
    """A listening stream may bring news this much later than a look-up tells it."""
    stream_patience: timedelta = timedelta(seconds=30)
    """A stream that is doubted is given so long to speak before it is opened anew."""
    rival_wait: timedelta = timedelta(seconds=180)
    """A stream refused for this long is held by another daemon: a ghost lives 90 s."""
    signals_wait: timedelta = timedelta(minutes=3)
    refresh_gap: timedelta = timedelta(minutes=5)
    """A refresh that failed is tried again so late, then twice as late each time ..."""
    refresh_gap_max: timedelta = timedelta(hours=1)
    """... up to here."""
    clock_warn: timedelta = timedelta(seconds=5)
    """Our clock and the broker's may differ so much; beyond it somebody is told."""
    clock_max: timedelta = timedelta(seconds=60)
    """Beyond this nothing is bought."""
    benchmark: Symbol = BENCHMARK

    def __post_init__(self) -> None:
        assert self.answer_wait > timedelta(seconds=30), "an answer may take as long as its request"
        assert self.lapse_gap > self.answer_wait, "a late request must not overtake its lapse"
