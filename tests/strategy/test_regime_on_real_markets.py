"""The golden figures of the regime: S&P 500 and SPY as they were."""

from collections import Counter
from datetime import date
from functools import cache

import pytest

from atlas_daemon.core.values import Regime
from atlas_daemon.strategy.regime import (
    EMPTY,
    confirmed_stretches,
    grow,
    raw_labels,
    read_track,
)
from atlas_daemon.strategy.vix import read_vix, vix_spikes
from tests.strategy.markets import MARKETS, a_model, real_market, real_markets

pytestmark = real_markets
DEFAULT = a_model()


@cache
def index_track(first, lookback, **changes):
    """ATLAS' own window on the index, up to where its figures end."""
    days, closes = real_market("^GSPC", first, date(2020, 4, 30))
    return grow(EMPTY, days, closes, a_model(lookback=lookback, window=None, **changes))


@cache
def spy_track(year):
    return grow(EMPTY, *real_market("SPY", date(year, 1, 1)), DEFAULT)


def in_march_2020(track):
    return Counter(
        str(regime)
        for day, regime in raw_labels(track)
        if date(2020, 3, 1) <= day <= date(2020, 3, 31)
    )


def test_the_index_from_2008_crashes_on_17_of_22_sessions_of_march_2020():
    track = index_track(date(2008, 1, 1), 1500)
    labels = dict(raw_labels(track))
    assert in_march_2020(track) == {"CRASH": 17, "TREND_BEAR": 5}
    crashes = [day for day, regime in labels.items() if regime is Regime.CRASH and day.year == 2020]
    assert (crashes[0], crashes[-1]) == (date(2020, 3, 9), date(2020, 4, 3))
    assert labels[date(2020, 4, 6)] is Regime.TREND_BEAR
    assert labels[date(2020, 2, 21)] is Regime.TREND_BULL
    assert labels[date(2020, 2, 24)] is Regime.TREND_BEAR


def test_an_expanding_window_depends_on_where_the_data_starts():
    assert in_march_2020(index_track(date(2012, 1, 1), 1000)) == {"CRASH": 22}


def test_greedy_with_a_penalty_of_50_finds_no_bear_in_march_2020_and_dp_does():
    found = {}
    for mode in ("greedy", "dp"):
        track = index_track(date(2015, 1, 1), 1000, penalty="50", mode=mode)
        verdicts = [row.verdict for row in track.rows if (row.day.year, row.day.month) == (2020, 3)]
        found[mode] = sum(verdict.is_bear for verdict in verdicts)
    assert found["greedy"] == 0
    assert found["dp"] >= 20  # of 22


@pytest.mark.parametrize(
    ("day", "regime"),
    [
        (date(2020, 3, 13), Regime.CRASH),
        (date(2024, 1, 31), Regime.TREND_BULL),
        (date(2024, 7, 31), Regime.TREND_NEUTRAL),
    ],
    ids=str,
)
@pytest.mark.parametrize("year", [2008, 2010])
def test_the_default_on_the_three_signal_sessions(day, regime, year):
    told = read_track(spy_track(year).until(day), day, DEFAULT)
    assert (told.raw, told.confirmed, told.regime) == (regime, regime, regime)


def test_the_default_crashes_on_all_22_sessions_of_march_2020():
    assert in_march_2020(spy_track(2010)) == {"CRASH": 22}


def test_data_from_2008_and_from_2010_agree_once_the_window_is_full():
    early, late = (dict(raw_labels(spy_track(year))) for year in (2008, 2010))
    days = [day for day in late if day >= date(2020, 7, 1)]
    assert len(days) > 1400
    assert [early[day] for day in days] == [late[day] for day in days]


def test_raw_labels_change_17_to_21_times_a_year_and_confirmed_ones_half_as_often():
    raws = raw_labels(spy_track(2008))
    years = len(raws) / 252
    a_year = {count: (len(confirmed_stretches(raws, count)) - 1) / years for count in (1, 3, 5)}
    assert 17 <= a_year[1] <= 21
    assert 9 <= a_year[3] <= 11
    assert 7 <= a_year[5] <= 8


def test_the_vix_jumped_on_the_days_that_everybody_remembers():
    closes = read_vix(MARKETS)
    assert closes[date(2020, 3, 16)] == 82.69
    days, _ = real_market("SPY", date(2017, 1, 1), date(2024, 12, 31))
    spikes = vix_spikes(closes, days)
    assert spikes[date(2018, 2, 5)]
    assert spikes[date(2024, 8, 5)]
    rise = closes[date(2024, 8, 5)] / closes[date(2024, 8, 2)] - 1
    assert f"{rise:.1%}" == "64.9%"
