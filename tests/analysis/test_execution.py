"""Distributions against numpy's, rejections apart, latencies, and the handbook's own figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.analysis import execution
from atlas_daemon.analysis.document import Past, Wanted
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Side, Symbol
from tests.analysis.tales import Tale

sample = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=60)


@settings(max_examples=40)
@given(sample, st.integers(0, 100))
def test_percentiles_are_numpys(values, percent):
    told = execution.percentile(sorted(values), percent)
    assert told == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)


@settings(max_examples=40)
@given(sample)
def test_a_histogram_holds_every_order_once_in_bars_of_one_width(values):
    bins = execution.histogram(values)
    assert sum(each.count for each in bins) == len(values)
    assert bins[0].low <= min(values)
    assert max(values) < bins[-1].high or max(values) == pytest.approx(bins[-1].high)
    widths = [each.high - each.low for each in bins]
    assert widths == pytest.approx([widths[0]] * len(bins))
    assert len(bins) <= execution.BINS_MAX


def test_an_empty_sample_has_no_figures():
    assert execution.distribution([]).count == 0
    assert execution.histogram([]) == ()


def a_mixed_run():
    """Two fills, one refused by the broker, one rejected, one refused by a rule, one cut."""
    tale = Tale().run().plan(*((s, 0, 10, "100") for s in ("A", "B", "C", "D", "E")))
    tale.bought("A", 10, "100", "100.10")
    tale.step(tale.order("B", "buy", 10, "100"), "refused", "403/40310000: not today")
    tale.step(tale.order("C", "buy", 10, "100"), "rejected", "403/40310000: not today")
    draft = tale.draft("D", "buy", 10, "100")
    tale.tell(e.OrderRefused(draft, "price_age", "70 s", "60 s", "old"))
    tale.tell(e.LineDropped(tale.run_id, Symbol("E"), "untradable", "halted"))
    tale.bought("X", 5, "200", "199", side="sell")
    return tale.finish()


def test_slippage_is_told_for_all_and_for_each_side():
    orders = [o for run in a_mixed_run().ledger.runs.values() for o in run.orders]
    spread = execution.slippage_spread(orders)
    assert spread.every.count == 2
    assert spread.sides[Side.BUY].mean == pytest.approx(10)
    assert spread.sides[Side.SELL].mean == pytest.approx(50)
    assert spread.weighted == pytest.approx((1.0 + 5.0) / 2000 * 10_000)
    assert (spread.every.least, spread.every.most) == pytest.approx((10, 50))
    assert spread.worst.symbol == "X"


def test_the_brokers_no_and_our_own_are_counted_apart():
    found = execution.rejections_of(a_mixed_run().ledger.runs.values())
    assert (found.sent, found.broker, found.drafted, found.ours) == (4, 2, 5, 1)
    assert (found.broker_rate, found.our_rate) == (0.5, 0.2)
    assert found.broker_reasons == {"403/40310000: not today": 2}
    assert found.our_reasons == {"price_age (order)": 1, "untradable (line)": 1}
    assert (found.cut, found.dropped, found.plans) == (0, 1, 0)


def test_an_order_that_never_left_is_none_of_those_sent():
    tale = Tale().run().plan(("A", 0, 10, "100"))
    tale.step(tale.order("A", "buy", 10, "100"), "withheld", "halted")
    found = execution.rejections_of(tale.ledger.runs.values())
    assert (found.sent, found.broker_rate) == (0, None)


def test_latency_counts_from_the_first_request_to_the_first_and_the_last_fill():
    tale = Tale().run().plan(("A", 0, 10, "100"))
    order = tale.order("A", "buy", 10, "100")  # the request, then a second to its answer
    tale.wait(seconds=3).fill(order, 4, "100").wait(seconds=9).fill(order, 6, "100")
    found = execution.latency_of(tale.ledger.orders.values())
    assert found.first_fill.median == 5
    assert found.whole_fill.median == 15


def test_the_handbooks_figures_are_of_the_rows_of_the_trades_files():
    past = Past(a_mixed_run().entries, Wanted())
    # 4 sent, 2 fills, 2 rejected by the broker, 1 refused by a rule.
    assert (past.handbook.rows, past.handbook.rejected) == (9, 3)
    assert past.handbook.rejection_rate == pytest.approx(3 / 9)
    assert past.handbook.mean_slippage == pytest.approx((0.10 - 1) / 2)
    one = Past(a_mixed_run().entries, Wanted(run="2024-03"))
    assert one.handbook.rows == 0
    assert (one.handbook.rejection_rate, one.handbook.mean_slippage) == (None, None)
