"""What every market of daily bars does, shown on a series made by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.daily import DailyMarket, DailySeries, as_ticks
from atlas_daemon.paper.market.market import Market, MarketDataError
from atlas_daemon.paper.market.path import DayPath

# Mon 2 to Fri 6 November 2026: a 2:1 split on Wednesday, a $1 dividend on Thursday.
DAYS = [date(2026, 11, day) for day in (2, 3, 4, 5, 6)]
FIRST, LAST = DAYS[0], DAYS[-1]
D = Decimal


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def series(symbol="XYZ", **changes):
    columns = {
        "open": [100.0, 102.0, 52.0, 50.0, 49.0],
        "high": [103.0, 105.0, 53.0, 51.0, 51.0],
        "low": [99.0, 101.0, 50.0, 48.0, 48.5],
        "close": [102.0, 104.0, 51.0, 49.0, 50.0],
        "split": [1.0, 1.0, 2.0, 1.0, 1.0],
        "dividend": [0.0, 0.0, 0.0, 1.0, 0.0],
    } | changes
    volume = columns.pop("volume", [1_000_000] * 5)
    return DailySeries(
        symbol=symbol,
        days=np.array([day.toordinal() for day in DAYS]),
        volume=np.array(volume),
        **{name: np.array(column) for name, column in columns.items()},
    )


def market(*changed, seed=1):
    return DailyMarket(seed, changed or [series()], Calendar())


WEEK_OVER = utc(2026, 11, 7)


def closes(adjustment, at=WEEK_OVER):
    return [bar.close for bar in market().bars("XYZ", FIRST, LAST, adjustment, at)]


def test_raw_bars_are_as_traded():
    assert closes("raw") == [D("102.00"), D("104.00"), D("51.00"), D("49.00"), D("50.00")]


def test_split_adjusted_bars_divide_what_came_before_the_split():
    assert closes("split") == [D(51), D(52), D(51), D(49), D(50)]
    volumes = [bar.volume for bar in market().bars("XYZ", FIRST, LAST, "split", WEEK_OVER)]
    assert volumes == [2_000_000, 2_000_000, 1_000_000, 1_000_000, 1_000_000]


def test_a_dividend_scales_what_came_before_it_by_one_less_its_share_of_the_previous_close():
    # 1 - 1.00/51.00 = 0.980392...; raw: 102 -> 100, 104 -> 101.9608, 51 -> 50
    assert closes("dividend") == [D("100.0000"), D("101.9608"), D("50.0000"), D(49), D(50)]


def test_all_is_splits_and_dividends():
    assert closes("all") == [D("50.0000"), D("50.9804"), D("50.0000"), D(49), D(50)]


def test_a_dividend_on_the_day_of_a_split_is_compared_with_the_price_of_a_new_share():
    both = series(dividend=[0.0, 0.0, 1.3, 0.0, 0.0])
    bars = market(both).bars("XYZ", FIRST, LAST, "all", WEEK_OVER)
    # 1 - 1.30/(104/2) = 0.975
    assert bars[1].close == D("50.7000")


@pytest.mark.parametrize(
    ("at", "adjusted"),
    [
        (utc(2026, 11, 4, 4, 59), [D(102), D(104)]),  # 23:59 New York on the 3rd: unknown yet
        (utc(2026, 11, 4, 5, 0), [D(51), D(52)]),  # midnight: the split is in force
    ],
)
def test_an_action_is_known_from_new_york_midnight_of_its_ex_day(at, adjusted):
    assert closes("all", at) == adjusted


@pytest.mark.parametrize(
    ("at", "served"),
    [
        (utc(2026, 11, 2, 14, 29), 0),
        (utc(2026, 11, 2, 20, 59, 59), 0),
        (utc(2026, 11, 2, 21, 0), 1),
        (utc(2026, 11, 3, 14, 30), 1),
        (utc(2026, 11, 6, 20, 59, 59), 4),
        (utc(2026, 11, 6, 21, 0), 5),
        (utc(2027, 3, 1), 5),
        (utc(2010, 1, 4), 0),
    ],
)
def test_the_bar_of_the_running_session_is_never_served(at, served):
    assert len(closes("raw", at)) == served


def test_bars_keep_to_the_span_asked_for():
    bars = market().bars("XYZ", DAYS[1], DAYS[2], "raw", WEEK_OVER)
    assert [bar.day for bar in bars] == DAYS[1:3]
    assert market().bars("XYZ", LAST, FIRST, "raw", WEEK_OVER) == []


def test_an_unknown_adjustment_is_refused():
    with pytest.raises(MarketDataError, match="'spin' is none of raw, split, dividend, all"):
        market().bars("XYZ", FIRST, LAST, "spin", WEEK_OVER)


def test_actions_are_listed_with_ratio_or_amount():
    split, dividend = market().actions(FIRST, LAST)
    assert (split.kind, split.ex_day, split.ratio, split.amount) == (
        "forward_split",
        date(2026, 11, 4),
        D(2),
        None,
    )
    assert (dividend.kind, dividend.ex_day, dividend.ratio, dividend.amount) == (
        "cash_dividend",
        date(2026, 11, 5),
        None,
        D(1),
    )
    assert market().actions(date(2026, 11, 5), LAST) == [dividend]
    assert market().actions(date(2026, 11, 6), LAST) == []


def test_a_split_below_one_is_a_reverse_split():
    (action,) = market(series(split=[1, 1, 1, 0.1, 1], dividend=[0.0] * 5)).actions(FIRST, LAST)
    assert (action.kind, action.ratio) == ("reverse_split", D("0.1"))


def test_before_the_first_open_nothing_is_known():
    before = utc(2026, 11, 2, 14, 29, 59)
    assert market().quote("XYZ", before) is None
    assert market().trade("XYZ", before) is None
    assert market().trade("XYZ", utc(2010, 1, 4)) is None


def test_an_unknown_symbol_has_nothing():
    at = utc(2026, 11, 3, 15)
    assert market().quote("NOPE", at) is None
    assert market().trade("NOPE", at) is None
    assert market().bars("NOPE", FIRST, LAST, "raw", at) == []
    assert not market().fractionable("NOPE")
    assert market().fractionable("XYZ")


def test_the_session_begins_at_the_open_and_ends_at_the_close():
    assert market().trade("XYZ", utc(2026, 11, 3, 14, 30)).price == D("102.00")
    assert market().trade("XYZ", utc(2026, 11, 3, 21, 0)).price == D("104.00")


@pytest.mark.parametrize("at", [utc(2026, 11, 3, 23), utc(2026, 11, 4, 8, 59, 59)])
def test_off_hours_the_closing_figures_stand_stamped_at_that_close(at):
    close = utc(2026, 11, 3, 21)
    assert market().trade("XYZ", at).price == D("104.00")
    assert market().trade("XYZ", at).at == close
    assert market().quote("XYZ", at) == market().quote("XYZ", close)
    assert market().quote("XYZ", at).at == close


def test_before_the_open_of_a_split_the_price_is_that_of_a_new_share():
    early = utc(2026, 11, 4, 9)  # 04:00 in New York
    assert market().trade("XYZ", early).price == D("52.00")
    assert market().trade("XYZ", early).at == utc(2026, 11, 3, 21)
    assert market().quote("XYZ", early).bid <= D("52.00") <= market().quote("XYZ", early).ask


def test_after_the_last_bar_the_stamp_tells_how_old_the_price_is():
    assert market().quote("XYZ", utc(2026, 12, 1, 15)).at == utc(2026, 11, 6, 21)


def test_a_session_without_volume_leaves_the_quote_of_the_session_before():
    halted = market(series(volume=[1000, 1000, 0, 1000, 1000]))
    assert halted.trade("XYZ", utc(2026, 11, 4, 16)).at == utc(2026, 11, 3, 21)
    nothing = market(series(volume=[0] * 5))
    assert nothing.trade("XYZ", utc(2026, 11, 4, 16)) is None


def test_prices_below_a_dollar_have_four_decimals():
    cheap = {name: [0.5213, 0.5, 0.5, 0.5, 0.5] for name in ("open", "high", "low", "close")}
    penny = market(series(**cheap))
    quote = penny.quote("XYZ", utc(2026, 11, 2, 15))
    assert penny.trade("XYZ", utc(2026, 11, 2, 15)).price == D("0.5213")
    assert quote.ask - quote.bid in {
        D("0.0001"),
        D("0.0002"),
        D("0.0003"),
        D("0.0004"),
        D("0.0005"),
    }
    assert penny.bars("XYZ", FIRST, FIRST, "raw", WEEK_OVER)[0].close.as_tuple().exponent == -4


def test_a_price_of_one_tick_still_has_a_bid_above_zero():
    dust = {name: [0.0001] * 5 for name in ("open", "high", "low", "close")}
    quote = market(series(**dust)).quote("XYZ", utc(2026, 11, 2, 15))
    assert D(0) < quote.bid < quote.ask


def test_rounding_to_ticks_is_cents_and_below_a_dollar_four_decimals():
    assert as_ticks(np.array([1208.87998, 1.006, 0.99996, 0.52134])).tolist() == [
        1208.88,
        1.01,
        1.0,
        0.5213,
    ]


def test_the_same_seed_gives_the_same_day_and_another_seed_another():
    moments = [utc(2026, 11, 3, 15) + timedelta(minutes=n) for n in range(60)]
    one, again, other = market(), market(), market(seed=2)
    assert [one.quote("XYZ", at) for at in moments] == [
        again.quote("XYZ", at) for at in reversed(moments)
    ][::-1]
    assert [one.trade("XYZ", at) for at in moments] != [other.trade("XYZ", at) for at in moments]


def test_the_protocol_is_met():
    met: Market = market()
    assert met.symbols() == ("XYZ",)


SECONDS = st.integers(min_value=0, max_value=5 * 86_400)


@given(seed=st.integers(0, 2**32), second=SECONDS)
def test_trades_stay_in_the_range_of_their_day(seed, second):
    at = utc(2026, 11, 2, 14, 30) + timedelta(seconds=second)
    held = market(seed=seed)
    trade = held.trade("XYZ", at)
    bars = held.bars("XYZ", FIRST, LAST, "raw", WEEK_OVER)
    day = next(bar for bar in reversed(bars) if bar.day <= trade.at.date())
    is_split = day.day == DAYS[1] and at >= utc(2026, 11, 4, 9)
    assert day.low <= trade.price * (2 if is_split else 1) <= day.high
    assert trade.at <= at
    assert trade.size > 0


@given(seed=st.integers(0, 2**32), second=SECONDS)
def test_quotes_stand_around_the_last_trade_one_to_ten_basis_points_wide(seed, second):
    at = utc(2026, 11, 2, 14, 30) + timedelta(seconds=second)
    held = market(seed=seed)
    quote, trade = held.quote("XYZ", at), held.trade("XYZ", at)
    assert D(0) < quote.bid <= trade.price <= quote.ask
    spread = quote.ask - quote.bid
    assert D("0.01") <= spread <= max(D("0.01"), trade.price * D("0.001"))
    assert quote.bid == round(quote.bid, 2)
    assert min(quote.bid_size, quote.ask_size) >= 100
    assert quote.at == trade.at <= at


@given(
    key=st.integers(0, 2**64 - 1),
    four=st.lists(st.floats(0.01, 5000), min_size=4, max_size=4).map(sorted),
    falls=st.booleans(),
    minutes=st.sampled_from([210, 390]),
)
def test_a_path_runs_from_open_to_close_and_touches_high_and_low(key, four, falls, minutes):
    low, inner, outer, high = four
    opened, close = (outer, inner) if falls else (inner, outer)
    path = DayPath(key, opened=opened, high=high, low=low, close=close, length_s=60 * minutes)
    walked = [path.price(60 * minute) for minute in range(minutes + 1)]
    assert walked[0] == pytest.approx(opened)
    assert walked[-1] == pytest.approx(close)
    assert max(walked) == pytest.approx(high)
    assert min(walked) == pytest.approx(low)
    assert all(low <= price <= high for price in walked)
    assert path.price(-5) == walked[0]
    assert path.price(60 * minutes + 5) == walked[-1]
