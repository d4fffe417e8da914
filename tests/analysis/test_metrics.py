"""Figures of a series, each against one worked out by hand."""

from datetime import date, timedelta
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.analysis import metrics

MONDAY = date(2024, 1, 1)


def curve(*values: float) -> list[tuple[date, float]]:
    return [(MONDAY + timedelta(days=n), value) for n, value in enumerate(values)]


def test_a_total_return_is_the_last_value_over_the_first():
    assert metrics.total_return(curve(100, 50, 130)) == pytest.approx(0.30)


def test_growth_a_year_is_compounded_over_calendar_time():
    doubled = [(date(2020, 1, 1), 100.0), (date(2022, 1, 1), 400.0)]  # 731 days, four times
    assert metrics.cagr(doubled) == pytest.approx(4 ** (365.25 / 731) - 1)
    assert metrics.cagr(doubled) == pytest.approx(0.99905, abs=1e-5)


def test_volatility_is_the_deviation_of_daily_returns_over_a_year():
    # Returns +10 %, -10 %: mean 0, variance (0.01 + 0.01) / 1.
    assert metrics.volatility(curve(100, 110, 99)) == pytest.approx(sqrt(0.02 * 252))


def test_sharpe_is_mean_over_deviation_annualised():
    # Ten times +2 %, then -1 %: mean 0.5 %, deviations 1.5 % each, n - 1 = 19.
    values = [100.0]
    for _ in range(10):
        values += [values[-1] * 1.02, values[-1] * 1.02 * 0.99]
    deviation = sqrt(20 * 0.015**2 / 19)
    assert metrics.sharpe(curve(*values)) == pytest.approx(0.005 / deviation * sqrt(252))
    daily = 1.03 ** (1 / 252) - 1
    with_riskless = metrics.sharpe(curve(*values), riskless_a_year=0.03)
    assert with_riskless == pytest.approx((0.005 - daily) / deviation * sqrt(252))


def test_too_few_or_unmoved_values_have_no_sharpe():
    assert metrics.sharpe(curve(*range(100, 120))) is None  # 19 returns
    assert metrics.sharpe(curve(*[100.0] * 30)) is None


def test_the_deepest_fall_names_its_days():
    found = metrics.max_drawdown(curve(100, 120, 90, 110, 60, 119, 120, 130))
    assert found.depth == pytest.approx(-0.5)
    assert found.top_day == MONDAY + timedelta(days=1)
    assert found.bottom_day == MONDAY + timedelta(days=4)
    assert found.recovered_day == MONDAY + timedelta(days=6)


def test_a_fall_that_lasts_has_no_recovery_and_a_rise_has_no_fall():
    assert metrics.max_drawdown(curve(100, 80, 90)).recovered_day is None
    assert metrics.max_drawdown(curve(100, 101, 102)).depth == 0


def test_each_value_stands_so_far_below_its_top():
    found = [depth for _, depth in metrics.drawdowns(curve(100, 50, 200, 150))]
    assert found == pytest.approx([0, -0.5, 0, -0.25])


def test_turnover_is_one_way_and_of_the_equity_before():
    assert metrics.turnover(bought=60.0, sold=40.0, equity=100.0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="equity of 0"):
        metrics.turnover(1.0, 1.0, 0)


def test_a_series_of_one_value_has_no_figures():
    for figure in (metrics.total_return, metrics.cagr, metrics.max_drawdown, metrics.volatility):
        with pytest.raises(ValueError, match=r"values|returns"):
            figure(curve(100))
    with pytest.raises(ValueError, match="no time"):
        metrics.cagr([(MONDAY, 1.0), (MONDAY, 2.0)])


def test_a_rebased_series_begins_where_it_is_told():
    assert [v for _, v in metrics.rebased(curve(50, 100), 10.0)] == [10, 20]


values = st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=3, max_size=40)


@given(values, st.floats(min_value=0.1, max_value=1000))
def test_the_unit_of_a_series_changes_none_of_its_figures(drawn, unit):
    one, other = curve(*drawn), curve(*(value * unit for value in drawn))
    assert metrics.total_return(one) == pytest.approx(metrics.total_return(other), rel=1e-6)
    deepest, same = metrics.max_drawdown(one), metrics.max_drawdown(other)
    assert deepest.depth == pytest.approx(same.depth, rel=1e-6, abs=1e-9)
    assert -1 < deepest.depth <= 0
    assert deepest.depth == pytest.approx(min(d for _, d in metrics.drawdowns(one)))
