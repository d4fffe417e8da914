"""What the account made: flows taken out, days that are missing, and what too few marks allow."""

from datetime import date, timedelta
from decimal import Decimal
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.analysis.performance import (
    Marks,
    against_expectation,
    performance_of,
    performance_of_entries,
    within,
)
from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE
from tests.analysis.tales import Tale, dec

FIRST = date(2024, 1, 2)
SESSIONS = [session.day for session in NYSE.sessions_between(FIRST, date(2025, 12, 31))]


def marked(*equities, benchmark=None, skip=()):
    tale = Tale()
    for at, equity in enumerate(equities):
        if at not in skip:
            tale.mark(SESSIONS[at], equity, None if benchmark is None else benchmark[at])
    return tale


def test_without_flows_the_total_is_the_last_over_the_first():
    found = performance_of_entries(marked(100, 110, 99).entries)
    assert found.total == pytest.approx(-0.01)
    assert found.max_drawdown == pytest.approx(-0.10)
    assert (found.marks, found.returns, found.gain) == (3, 2, -1)


def test_a_deposit_is_no_gain_and_a_withdrawal_no_loss():
    tale = Tale().mark(SESSIONS[0], 1000).activity("CSD", net=500, day=SESSIONS[1])
    tale.mark(SESSIONS[1], 1530).activity("CSW", net=-1000, day=SESSIONS[2])
    tale.mark(SESSIONS[2], 530)
    found = performance_of_entries(tale.entries)
    # 1030 / 1000 - 1 = 3 %; (530 + 1000) / 1530 - 1 = 0.
    assert found.total == pytest.approx(0.03)
    assert found.max_drawdown == 0
    assert found.gain == 30
    assert [(flow.kind, flow.amount) for flow in found.flows] == [("CSD", 500), ("CSW", -1000)]


def test_a_flow_of_a_day_without_a_mark_belongs_to_the_next_mark():
    tale = marked(100)
    tale.activity("JNLC", net=50, day=date(2024, 1, 6)).mark(date(2024, 1, 8), 150)  # a Saturday
    assert performance_of_entries(tale.entries).total == pytest.approx(0)


@pytest.mark.parametrize("seconds", [0, 1])
def test_what_came_after_the_day_s_mark_is_in_the_next_one_as_status_counts(seconds):
    tale = marked(100, 100 if seconds else 150, 150)
    at = tale.entries[1].at + timedelta(seconds=seconds)
    tale.activity("CSD", net=50, day=SESSIONS[1], at=at)
    found = performance_of_entries(tale.entries)
    assert (found.total, found.max_drawdown) == (pytest.approx(0), pytest.approx(0))
    assert [point.flow for point in found.points] == ([0, 0, 50] if seconds else [0, 50, 0])


@pytest.mark.parametrize("kind", ["DIV", "INT", "FEE"])
def test_what_the_account_earned_or_paid_is_its_own(kind):
    tale = marked(100).activity(kind, net=5, day=SESSIONS[1]).mark(SESSIONS[1], 105)
    found = performance_of_entries(tale.entries)
    assert found.total == pytest.approx(0.05)
    assert found.flows == ()


def test_a_canceled_deposit_never_came():
    tale = marked(100).activity("CSD", net=5, day=SESSIONS[1], is_canceled=True)
    assert performance_of_entries(tale.mark(SESSIONS[1], 100).entries).total == 0


def test_shares_that_came_without_a_worth_are_named_and_not_guessed():
    tale = marked(100).activity("ACATS", day=SESSIONS[1]).mark(SESSIONS[1], 200)
    found = performance_of_entries(tale.entries)
    assert found.total == pytest.approx(1.0)
    assert any("ACATS" in text and "not taken out" in text for text in found.caution)
    priced = marked(100).activity("ACATS", day=SESSIONS[1], price=dec(50), moves=[("KO", 2)])
    assert performance_of_entries(priced.mark(SESSIONS[1], 200).entries).total == 0


def test_cash_that_moved_without_a_reason_is_a_caution():
    tale = marked(100).tell(e.CashUnexplained(Decimal(1), Decimal(2)))
    tale.mark(date(2024, 2, 2), 101)
    assert any("without a known reason" in x for x in performance_of_entries(tale.entries).caution)


@given(st.lists(st.tuples(st.integers(-50, 80), st.floats(-0.05, 0.05)), min_size=1, max_size=15))
def test_deposits_and_withdrawals_change_no_return(steps):
    """Linked over any flows, the return is what a dollar left alone would have made."""
    tale, equity, grown = marked(1000), Decimal(1000), 1.0
    for at, (flow, gain) in enumerate(steps, start=1):
        if flow:
            tale.activity("CSD" if flow > 0 else "CSW", net=flow, day=SESSIONS[at])
        equity = equity * dec(round(1 + gain, 6)) + flow
        grown *= round(1 + gain, 6)
        tale.mark(SESSIONS[at], equity)
    assert performance_of_entries(tale.entries).total == pytest.approx(grown - 1, abs=1e-9)


def test_sharpe_and_tracking_are_of_returns_from_session_to_session():
    equities, benchmark = [Decimal(1000)], [Decimal(100)]
    for at in range(24):
        equities.append(equities[-1] * (dec("1.02") if at % 2 else dec("0.99")))
        benchmark.append(benchmark[-1] * dec("1.001"))
    found = performance_of_entries(marked(*equities, benchmark=benchmark).entries)
    deviation = sqrt(24 * 0.015**2 / 23)
    assert found.returns == 24
    assert found.sharpe == pytest.approx(0.005 / deviation * sqrt(252))
    assert found.tracking_error == pytest.approx(deviation * sqrt(252))
    assert found.benchmark_total == pytest.approx(1.001**24 - 1)
    assert found.ahead == pytest.approx(found.total - found.benchmark_total)


def test_a_missing_day_is_named_and_makes_no_daily_return():
    found = performance_of_entries(marked(*range(100, 130), skip={5, 6}).entries)
    assert found.missing == (SESSIONS[5], SESSIONS[6])
    assert (found.marks, found.returns) == (28, 26)
    assert any("2 sessions have no mark" in text for text in found.caution)


def test_a_weekend_and_a_holiday_are_no_missing_days():
    found = performance_of_entries(marked(*range(100, 130)).entries)
    assert found.missing == ()


def test_what_too_few_marks_allow_is_none_with_a_reason():
    nothing = performance_of_entries([])
    assert (nothing.total, nothing.why["sharpe"]) == (None, "no equity was marked")
    one = performance_of_entries(marked(100).entries)
    assert (one.marks, one.why["total"]) == (1, "one mark only, of 2024-01-02")
    two = performance_of_entries(marked(100, 101).entries)
    assert two.total == pytest.approx(0.01)
    assert two.why["cagr"] == "needs 30 days, has 1"
    assert two.why["sharpe"] == "needs 20 daily returns, has 1"
    assert two.why["benchmark_total"] == "SPY's price is unknown at one end"
    assert any("less than a year" in text for text in two.caution)


def test_an_account_that_was_empty_has_no_return():
    found = performance_of_entries(marked(100, 0, 50).entries)
    assert found.why["total"] == "an equity of 0 or less was marked"


def test_cagr_is_over_calendar_time_and_a_year_needs_no_caution():
    start, end = SESSIONS[0], date(2025, 1, 2)
    tale = Tale().mark(start, 100, 100).mark(end, 121, 110)
    found = performance_of_entries(tale.entries)
    assert found.cagr == pytest.approx(1.21 ** (365.25 / (end - start).days) - 1)
    assert found.benchmark_cagr == pytest.approx(1.10 ** (365.25 / (end - start).days) - 1)
    assert not any("less than a year" in text for text in found.caution)


def test_only_the_days_that_are_wanted_count():
    marks = Marks.of(marked(100, 110, 121, 50).entries)
    found = performance_of(marks, SESSIONS[1], SESSIONS[2])
    assert (found.first, found.last, found.total) == (*SESSIONS[1:3], pytest.approx(0.1))


def test_the_latest_mark_of_a_day_counts():
    tale = marked(100).mark(SESSIONS[1], 90).mark(SESSIONS[1], 110)
    assert performance_of_entries(tale.entries).total == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("actual", "expected", "verdict"),
    [
        (0.13, 0.10, True),
        (0.1301, 0.10, False),
        (0.07, 0.10, True),
        (0.0699, 0.10, False),
        (-0.13, -0.10, True),
        (None, 0.10, None),
    ],
)
def test_within_thirty_percent_includes_its_edge_on_either_side(actual, expected, verdict):
    assert within(actual, expected) is verdict


def test_the_backtest_stands_beside_the_account_and_a_drawdown_is_a_positive_fraction():
    days = [FIRST + timedelta(days=n) for n in (0, 366)]
    tale = Tale().mark(days[0], 100).mark(date(2024, 6, 3), 90).mark(days[1], 110)
    found = performance_of_entries(tale.entries)
    rows = against_expectation(found, dec("0.1"), dec("1.2"), dec("0.2"))
    told = {row.name: row for row in rows}
    assert told["cagr"].is_within is True
    assert told["max_drawdown"].actual == pytest.approx(0.10)
    assert told["max_drawdown"].difference == pytest.approx(-0.10)
    assert told["max_drawdown"].is_within is False
    assert (told["sharpe"].actual, told["sharpe"].is_within) == (None, None)
    assert told["sharpe"].why.startswith("needs 20 daily returns")
    assert against_expectation(found, None, None, None) == []
