"""The invented market: one world per seed, believable enough to rebalance on."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import MarketDataError
from atlas_daemon.paper.market.synthetic import SECTORS, SyntheticMarket

FIRST, LAST = date(2026, 2, 2), date(2027, 3, 1)
AT = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
SEEDS = [1, 2, 3, 7]
TECHNOLOGY = SECTORS["technology"].split()

# The smallest fingerprint of a world: raw closes of two names, hashed.
FINGERPRINT = """
import hashlib
from datetime import UTC, date, datetime
from atlas_daemon.paper.market.synthetic import SyntheticMarket
market = SyntheticMarket(7, date(2026, 2, 2), date(2026, 12, 31), ["AAPL", "BRK.B", "SPY"])
at = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
told = [market.bars(s, date(2024, 1, 1), date(2026, 12, 31), "raw", at) for s in market.symbols()]
told.append([market.quote(s, at) for s in market.symbols()])
told.append(market.actions(date(2024, 1, 1), date(2026, 12, 31)))
print(hashlib.sha256(repr(told).encode()).hexdigest())
"""


@pytest.fixture(scope="module", params=SEEDS)
def market(request):
    return SyntheticMarket(request.param, FIRST, LAST)


def closes(market, symbol, adjustment="all", at=AT):
    bars = market.bars(symbol, date(2024, 1, 1), LAST, adjustment, at)
    return np.array([float(bar.close) for bar in bars])


def test_every_name_of_the_built_in_universes_and_spy_is_there(market):
    held = set(market.symbols())
    assert {"SPY", "BRK.B", "AAPL", "JPM", "UNH", "XOM", "HUM", "ALL"} <= held
    assert len(TECHNOLOGY) == 30
    assert len(held) == 85
    assert all(market.fractionable(symbol) for symbol in held)


def test_at_least_400_sessions_precede_the_first_usable_day(market):
    before = datetime(2026, 2, 2, 14, 30, tzinfo=UTC)
    for symbol in market.symbols():
        assert len(market.bars(symbol, date.min, LAST, "raw", before)) >= 400


def test_the_same_seed_gives_the_same_world_in_a_process_with_another_hash_seed():
    told = set()
    for hash_seed in ("0", "12345"):
        answer = subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        told.add(answer.stdout)
    assert len(told) == 1
    assert len(told.pop().strip()) == hashlib.sha256().digest_size * 2


def test_another_seed_gives_another_world():
    one, other = (SyntheticMarket(seed, FIRST, LAST, ["AAPL"]) for seed in (1, 2))
    assert one.trade("AAPL", AT) != other.trade("AAPL", AT)


def test_a_longer_span_begins_like_a_shorter_one():
    short = SyntheticMarket(7, FIRST, date(2026, 6, 30))
    long = SyntheticMarket(7, date(2026, 11, 2), LAST)
    at = datetime(2026, 7, 1, tzinfo=UTC)
    for symbol in short.symbols():
        span = (date(2024, 1, 1), date(2026, 6, 30))
        assert short.bars(symbol, *span, "all", at) == long.bars(symbol, *span, "all", at)
    assert short.actions(*span) == long.actions(*span)


def test_starting_prices_lie_between_15_and_900(market):
    for symbol in market.symbols():
        start = market.bars(symbol, date(2024, 1, 2), date(2024, 1, 2), "raw", AT)[0]
        assert Decimal(13) < start.open < Decimal(1000), symbol


def test_bars_are_possible_sessions(market):
    for symbol in market.symbols():
        for bar in market.bars(symbol, date.min, date.max, "raw", AT):
            assert Decimal(0) < bar.low <= min(bar.open, bar.close)
            assert max(bar.open, bar.close) <= bar.high
            assert bar.volume > 0


def test_returns_of_the_technology_names_go_together_and_have_fat_tails(market):
    returns = np.array([np.diff(np.log(closes(market, symbol))) for symbol in TECHNOLOGY])
    together = np.corrcoef(returns)[np.triu_indices(len(TECHNOLOGY), 1)].mean()
    assert 0.25 < together < 0.75
    centred = returns - returns.mean(axis=1, keepdims=True)
    assert (centred**4).mean() / (centred**2).mean() ** 2 > 4
    assert 0.15 < returns.std() * np.sqrt(252) < 0.40


def test_several_technology_names_are_near_their_52_week_high_on_most_days(market):
    near = []
    for symbol in TECHNOLOGY:
        bars = market.bars(symbol, date(2024, 1, 1), LAST, "all", AT)
        high = np.array([float(bar.high) for bar in bars])
        close = np.array([float(bar.close) for bar in bars])
        best = np.lib.stride_tricks.sliding_window_view(high, 252).max(axis=1)
        near.append(close[251:] / best >= 0.90)
    count = np.sum(near, axis=0)
    assert np.quantile(count, 0.10) >= 4


def test_the_index_moves_with_its_names(market):
    spy = np.diff(np.log(closes(market, "SPY")))
    names = np.mean(
        [np.diff(np.log(closes(market, s))) for s in market.symbols() if s != "SPY"], axis=0
    )
    assert np.corrcoef(spy, names)[0, 1] > 0.9


def test_names_split_and_pay_dividends_and_the_adjusted_series_is_continuous(market):
    actions = market.actions(date(2024, 1, 1), AT.date())
    splits = [action for action in actions if action.kind == "forward_split"]
    assert splits
    assert sum(action.kind == "cash_dividend" for action in actions) > 100
    assert all(action.symbol != "SPY" for action in splits)
    for action in splits:
        steps = np.abs(np.diff(np.log(closes(market, action.symbol))))
        assert steps.max() < 0.35, action
        raw = np.abs(np.diff(np.log(closes(market, action.symbol, "raw"))))
        assert raw.max() > 0.5, action


def test_a_session_runs_inside_its_later_bar(market):
    opens_at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    for symbol in ("AAPL", "SPY", "BRK.B"):
        (bar,) = market.bars(
            symbol, AT.date(), AT.date(), "raw", datetime(2026, 11, 21, tzinfo=UTC)
        )
        assert market.bars(symbol, AT.date(), AT.date(), "raw", AT) == []
        prices = [
            market.trade(symbol, opens_at + timedelta(minutes=minute)).price
            for minute in range(391)
        ]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (
            bar.open,
            bar.high,
            bar.low,
            bar.close,
        )


def test_custom_symbols_need_not_be_known_names():
    market = SyntheticMarket(1, FIRST, FIRST, ["ZZZ", "SPY"])
    assert market.symbols() == ("SPY", "ZZZ")
    assert market.trade("ZZZ", datetime(2026, 2, 2, 15, tzinfo=UTC)).price > 0


@pytest.mark.parametrize(
    ("span", "symbols"), [((LAST, FIRST), None), ((FIRST, LAST), [])], ids=["backwards", "nobody"]
)
def test_an_empty_market_is_refused(span, symbols):
    with pytest.raises(MarketDataError, match="market: "):
        SyntheticMarket(1, *span, symbols)


def test_years_before_2015_work_too():
    market = SyntheticMarket(1, date(2012, 2, 1), date(2012, 3, 1), ["SPY"])
    assert market.trade("SPY", datetime(2012, 2, 1, 16, tzinfo=UTC)).at.year == 2012


def test_a_calendar_of_the_callers_own_is_used():
    calendar = Calendar()
    assert SyntheticMarket(1, FIRST, LAST, ["SPY"], calendar=calendar).calendar is calendar
