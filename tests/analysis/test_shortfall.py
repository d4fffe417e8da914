"""What trading cost: the worked example, the identity of the parts, and each way an order goes."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.analysis.ledger import Ledger
from atlas_daemon.analysis.shortfall import (
    NO_PRICE,
    Parts,
    Prices,
    average_slippage,
    parts_of,
    shortfall_of,
    sum_of,
)
from atlas_daemon.core import events as e
from atlas_daemon.core.values import OrderId, Side, Symbol
from tests.analysis.tales import DAY, Tale, dec
from tests.historian import journals

PAPER = Path(__file__).parents[2] / "docs" / "report.md"
NEXT_DAY = date(2024, 2, 2)


def told(parts):
    return tuple(str(part.normalize() + 0) for part in parts.each)


def by_symbol(costs):
    return {(row.symbol, row.side.value): row for row in costs.rows}


# The paper's example.


def example():
    """The run that docs/report.md works out."""
    tale = Tale().run().plan(("AAPL", 0, 100, "185.00"), ("XOM", 60, 0, "100.00"))
    tale.bought("XOM", 60, "99.90", "99.85", side="sell")
    order = tale.order("AAPL", "buy", 100, "185.20")
    tale.fill(order, 60, "185.25").fill(order, 20, "185.30")
    tale.step(order, "canceled", "not filled within 300 s").finish("done")
    return tale.activity("FEE", net="-0.17").close(DAY, AAPL="186.50")


def test_the_papers_example_is_what_the_code_says():
    costs = example().costs()
    rows = re.findall(r"^\| (\w+) \|(.+)\|$", PAPER.read_text("utf-8"), re.MULTILINE)
    table = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    for row in costs.rows:
        assert row.parts is not None
        assert table[row.symbol] == [*map(money, row.parts.each), money(row.parts.total)]
    assert table["run"] == [*map(money, costs.parts.each), money(costs.parts.total)]
    bps = costs.parts.bps(costs.notional)
    assert table["bps"] == [*map(str, bps), str(sum(bps))]
    assert money(costs.notional) == "24,500.00"
    assert "$24,500.00" in PAPER.read_text("utf-8")


def money(value):
    return f"{value:,.2f}"


def test_the_parts_of_the_example_one_by_one():
    rows = by_symbol(example().costs())
    buy, sell = rows["AAPL", "buy"], rows["XOM", "sell"]
    # 80 x 0.20; 60 x 0.05 + 20 x 0.10; 20 x 1.50.
    assert told(buy.parts) == ("16", "5", "30", "0")
    # The market fell before the sell, and the fill was below it: both cost. 60 x 0.10, 60 x 0.05.
    assert told(sell.parts) == ("6", "3", "0", "0")
    assert (buy.rest_qty, buy.end.source) == (20, "close")
    assert buy.rest_why == "canceled: not filled within 300 s"
    assert buy.average == Decimal("185.2625")


# Identities.

price = st.decimals(min_value="0.0001", max_value=10_000, places=6)
qty = st.decimals(min_value="0.000001", max_value=100_000, places=9)
fills = st.lists(st.tuples(qty, price), max_size=6)


@given(st.sampled_from(Side), price, price, price, fills, qty | st.just(Decimal(0)))
def test_the_parts_add_up_to_paper_minus_reality_to_the_last_digit(
    side, decision, arrival, end, found, rest
):
    filled = sum((q for q, _ in found), Decimal(0))
    value = sum((q * p for q, p in found), Decimal(0))
    parts = parts_of(side, Prices(decision, arrival, end), filled, value, rest)
    sign, base = side.sign, Fraction(decision)
    every = Fraction(filled) + Fraction(rest)
    paper = sign * every * (Fraction(end) - base)
    paid = sum((Fraction(q) * Fraction(p) for q, p in found), Fraction(0))
    real = sign * (Fraction(filled) * Fraction(end) - paid)
    assert Fraction(parts.total) == paper - real
    assert Fraction(sum_of([parts, parts]).total) == 2 * Fraction(parts.total)
    notional = every * base
    if notional:
        bps = parts.bps(Decimal(1000))
        assert abs(Fraction(sum(bps)) - Fraction(parts.total) * 10) <= Fraction(1, 200)


@given(st.sampled_from(Side), price, fills.filter(bool))
def test_without_delay_and_rest_all_cost_is_trading_value_weighted(side, expected, found):
    filled = sum((q for q, _ in found), Decimal(0))
    value = sum((q * p for q, p in found), Decimal(0))
    parts = parts_of(side, Prices(expected, expected), filled, value, Decimal(0))
    each = sum(Fraction(q) * side.sign * (Fraction(p) - Fraction(expected)) for q, p in found)
    assert parts == Parts(parts.delay, parts.trading, parts.opportunity)
    assert (parts.delay, parts.opportunity) == (0, 0)
    assert Fraction(parts.trading) == each


@settings(max_examples=50)
@given(price | st.none(), price | st.none(), fills.filter(bool))
def test_an_unknown_price_is_never_made_up(decision, arrival, found):
    filled = sum((q for q, _ in found), Decimal(0))
    value = sum((q * p for q, p in found), Decimal(0))
    parts = parts_of(Side.BUY, Prices(decision, arrival), filled, value, Decimal(0))
    if decision is None and arrival is None:
        assert parts is None
    else:
        base = arrival if decision is None else decision
        assert Fraction(parts.total) == Fraction(value) - Fraction(filled) * Fraction(base)
        assert parts.delay == 0 or None not in (decision, arrival)


lines = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.integers(1, 50), st.integers(0, 50), price, price),
    min_size=1,
    max_size=4,
    unique_by=lambda line: line[0],
)


@settings(max_examples=50)
@given(lines, price)
def test_the_rows_of_a_run_add_up_to_its_decisions_whatever_filled(drawn, end):
    tale = Tale().run().plan(*((s, 0, want, p) for s, want, _, p, _ in drawn))
    for symbol, want, got, expected, paid in drawn:
        order = tale.order(symbol, "buy", want, expected)
        if got:
            tale.fill(order, min(got, want), paid)
        if got < want:
            tale.step(order, "canceled")
    tale.finish().close(DAY, **{s: end for s, *_ in drawn})
    costs = tale.costs()
    assert costs.notional == sum(want * p for _, want, _, p, _ in drawn)
    assert costs.parts.total == sum(row.parts.total for row in costs.rows)
    hand = sum(
        Fraction(min(got, want)) * (Fraction(paid) - Fraction(expected))
        + Fraction(max(want - got, 0)) * (Fraction(end) - Fraction(expected))
        for _, want, got, expected, paid in drawn
    )
    assert Fraction(costs.parts.total) == hand


# Each way an order goes.


def test_a_rest_that_is_ordered_again_is_counted_once():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    first = tale.order("AAPL", "buy", 10, "100")
    tale.fill(first, 4, "100").step(first, "canceled", "not filled within 300 s")
    tale.plan(("AAPL", 4, 10, "100"), round_=2)
    tale.bought("AAPL", 6, "101", "102", round_=2)
    costs = tale.finish().costs()
    one, other = costs.rows
    assert (one.filled_qty, one.carried_qty, one.rest_qty) == (4, 6, 0)
    assert (other.filled_qty, other.rest_qty) == (6, 0)
    assert told(other.parts) == ("6", "6", "0", "0"), "delay since the first plan, then trading"
    assert costs.notional == 1000


def test_the_last_order_answers_for_what_is_left_in_the_end():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    first = tale.order("AAPL", "buy", 10, "100")
    tale.fill(first, 4, "100").step(first, "canceled")
    tale.plan(("AAPL", 4, 10, "100"), round_=2)
    second = tale.order("AAPL", "buy", 6, "100", round_=2)
    tale.fill(second, 2, "100").step(second, "canceled", "a stop")
    rows = tale.finish().costs().rows
    assert [row.rest_qty for row in rows] == [0, 4]
    assert rows[1].rest_why == "canceled: a stop"


def test_a_round_that_wants_less_of_a_cut_line_takes_back_no_decision():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"), ("XOM", 5, 0, "100"))
    tale.bought("AAPL", 7, "100", "100")  # the rest was cut, and stays cut in later rounds
    tale.plan(("AAPL", 7, 7, "100"), ("XOM", 5, 0, "100"), round_=2)
    tale.bought("XOM", 5, "100", "100", side="sell", round_=2)
    costs = tale.finish().costs()
    assert costs.notional == 1500
    assert sum(row.rest_qty for row in costs.rows) == 3


def test_what_a_rule_cut_is_a_row_of_its_own():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    draft = tale.draft("AAPL", "buy", 10, "100")
    tale.tell(
        e.OrderTrimmed(draft.order_id, draft.symbol, dec(10), dec(7), "cash_only", "$1", "$0")
    )
    tale.approve(replace(draft, qty=dec(7))).fill(draft.order_id, 7, "100")
    one, cut = tale.finish().close(DAY, AAPL="103").costs().rows
    assert (one.order.wanted_qty, one.order.qty, one.filled_qty, one.rest_qty) == (10, 7, 7, 0)
    assert (cut.order, cut.rest_qty, cut.rest_why) == (None, 3, "cut by cash_only")
    assert told(cut.parts) == ("0", "0", "9", "0")


def test_an_order_that_a_rule_refused_answers_for_all_of_its_decision():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    draft = tale.draft("AAPL", "buy", 10, "100")
    tale.tell(e.OrderRefused(draft, "price_age", "70 s", "60 s", "the price is 70 s old"))
    (row,) = tale.finish("degraded", is_final=False).close(DAY, AAPL="99").costs().rows
    assert (row.rest_qty, row.rest_why) == (10, "refused by a rule: the price is 70 s old")
    assert told(row.parts) == ("0", "0", "-10", "0"), "not buying what fell is a gain"


@pytest.mark.parametrize("status", ["rejected", "refused", "expired", "withheld", "lapsed"])
def test_an_order_that_ends_unfilled_costs_what_it_missed(status):
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.order("AAPL", "buy", 10, "100")
    (row,) = tale.step(order, status, "why").finish().close(DAY, AAPL="101").costs().rows
    assert (row.rest_why, told(row.parts)) == (f"{status}: why", ("0", "0", "10", "0"))


def test_an_unknown_order_says_so_and_its_rest_is_not_given_up():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.order("AAPL", "buy", 10, "100")
    (row,) = tale.step(order, "unknown", "timed out").costs().rows
    assert row.rest_why == "unknown: timed out"
    assert "its answer was lost for a while" in row.notes


def test_an_order_sent_again_under_its_id_is_one_row_at_its_latest_price():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    draft = tale.draft("AAPL", "buy", 10, "100")
    tale.approve(draft).step(draft.order_id, "unknown", "timed out")
    again = tale.draft("AAPL", "buy", 10, "101")
    tale.approve(again, sends=2).fill(again.order_id, 10, "101.5")
    (row,) = tale.finish().costs().rows
    assert told(row.parts) == ("10", "5", "0", "0")
    assert "sent 2 times under one id" in row.notes


def test_a_rest_is_priced_at_the_close_and_before_it_at_the_last_price_on_record():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.order("AAPL", "buy", 10, "100.5")
    tale.step(order, "canceled").see("AAPL", "102").finish()
    tale.wait(minutes=1).see("AAPL", "150")
    (row,) = tale.costs().rows
    assert (row.end.price, row.end.source) == (102, "position"), "not what came after its end"
    (row,) = tale.close(NEXT_DAY, AAPL="500").close(DAY, AAPL="103").costs().rows
    assert (row.end.price, row.end.source) == (103, "close")


def test_a_rest_without_a_later_price_is_said_to_be_unknown_and_not_summed():
    tale = Tale().run().see("AAPL", "90")  # before the decision: no price of what came after it
    tale.plan(("AAPL", 0, 10, "100"), ("MSFT", 0, 2, "400"))
    tale.bought("MSFT", 2, "400", "401")
    costs = tale.finish("aborted", reason="stopped").costs()
    rows = by_symbol(costs)
    missing = rows["AAPL", "buy"]
    assert (missing.unpriced_qty, missing.end) == (10, None)
    assert missing.rest_why == "not ordered before the run ended (aborted: stopped)"
    assert costs.unpriced == (missing,)
    assert costs.parts.total == 2


def test_a_fill_without_any_price_is_unmeasured_and_named():
    tale = Tale().run("stop-20240201-1", trigger="stop").plan(("XOM", 60, 0, None))
    tale.bought("XOM", 60, None, "99", side="sell")
    costs = tale.finish().costs()
    assert [row.symbol for row in costs.unmeasured] == ["XOM"]
    assert NO_PRICE in costs.rows[0].notes
    assert (costs.parts.total, costs.notional, costs.traded) == (0, 0, 5940)


def test_a_line_dropped_after_its_plan_tells_the_rule():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    tale.tell(e.LineDropped(tale.run_id, Symbol("AAPL"), "price_age", "no fresh quote"))
    (row,) = tale.finish().close(DAY, AAPL="101").costs().rows
    assert row.rest_why == "dropped by price_age: no fresh quote"
    assert told(row.parts) == ("0", "0", "10", "0")


def test_a_plan_that_a_gate_refused_decided_nothing():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    no = e.GateAnswer("total_allocation", False, "101 %", "100 %", "too much")
    tale.tell(e.GatesAnswered(tale.run_id, 1, (no,))).finish("refused", reason="too much")
    assert tale.costs().rows == ()
    (run,) = tale.ledger.runs.values()
    assert run.is_refused
    assert run.gates[0].rule == "total_allocation"


def test_a_later_session_sizes_anew_and_is_measured_from_the_first_decision():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.order("AAPL", "buy", 10, "100")
    tale.fill(order, 4, "100").step(order, "canceled").finish("degraded", is_final=False)
    tale.wait(days=1).go_on(NEXT_DAY).plan(("AAPL", 4, 9, "104"), round_=2)
    tale.bought("AAPL", 5, "104", "104", round_=2)
    costs = tale.finish().costs()
    assert sum(row.rest_qty for row in costs.rows) == 0, "ten were wanted, then nine"
    assert told(costs.rows[1].parts) == ("20", "0", "0", "0")


def test_a_split_while_the_run_waits_begins_a_decision_of_its_own():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.order("AAPL", "buy", 10, "100")
    tale.fill(order, 4, "101").step(order, "canceled").finish("degraded", is_final=False)
    tale.activity("SPLIT", symbol=Symbol("AAPL"), qty=dec(4), moves=[("AAPL", 4)])
    tale.wait(days=1).go_on(NEXT_DAY).plan(("AAPL", 8, 20, "51"), round_=2)
    tale.bought("AAPL", 12, "51", "51.5", round_=2)
    before, after = tale.finish().costs().rows
    assert told(before.parts) == ("0", "4", "0", "0")
    assert told(after.parts) == ("0", "6", "0", "0")
    assert any("split" in note for note in before.notes)


def test_an_execution_that_was_taken_back_leaves_the_figures_where_an_activity_says_so():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.bought("AAPL", 10, "100", "101")
    bust = {"broker_order_id": f"b-{order}", "qty": dec(10), "price": dec(101)}
    tale.activity("FILL", is_canceled=True, symbol=Symbol("AAPL"), side="buy", **bust)
    (row,) = tale.finish().close(DAY, AAPL="103").costs().rows
    assert (row.filled_qty, row.rest_qty, row.parts.trading) == (0, 10, 0)
    assert "an execution of 10 was taken back" in row.notes


def test_a_bust_that_only_the_stream_told_is_named_and_told_as_booked():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.bought("AAPL", 10, "100", "101")
    tale.tell(e.FrameUnread(f"trade_bust of order {order}", "trade_bust"))
    (row,) = tale.finish().costs().rows
    assert row.filled_qty == 10
    assert any("trade_bust" in note for note in row.notes)


def test_a_last_fill_found_in_the_activities_is_counted():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.order("AAPL", "buy", 10, "100")
    tale.fill(order, 4, "100").step(order, "canceled").finish()
    late = {"broker_order_id": f"b-{order}", "qty": dec(6), "price": dec(102)}
    tale.activity("FILL", filled=10, symbol=Symbol("AAPL"), side="buy", **late)
    (row,) = tale.costs().rows
    assert (row.filled_qty, row.rest_qty) == (10, 0)
    assert told(row.parts) == ("0", "12", "0", "0")


def test_an_overfill_is_told_and_costs_what_it_paid():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = tale.bought("AAPL", 12, "100", "101")
    tale.tell(e.OrderOverfilled(order, Symbol("AAPL"), dec(10), dec(12)))
    (row,) = tale.finish().costs().rows
    assert (row.rest_qty, told(row.parts)) == (0, ("0", "12", "0", "0"))
    assert "10 ordered, 12 filled" in row.notes


def test_an_adopted_order_has_no_price_to_measure_its_arrival_by():
    tale = Tale().run().plan(("AAPL", 0, 10, "100"))
    order = OrderId("atlas-2024-02-r1-buy-AAPL-1")
    tale.tell(e.OrderAdopted(order, "b-1", tale.run_id, Symbol("AAPL"), Side.BUY, dec(10), "new"))
    tale.tell(e.FillBooked(order, Symbol("AAPL"), Side.BUY, dec(10), dec(101), dec(10), True))
    (row,) = tale.finish().costs().rows
    assert told(row.parts) == ("0", "10", "0", "0")
    assert any("delay and trading are told as one" in note for note in row.notes)


def test_fractions_and_endless_averages_lose_nothing():
    tale = Tale().run().plan(("AAPL", "0", "0.3", "100"))
    third = Decimal("301") / Decimal("3")
    tale.bought("AAPL", "0.3", "100", third)
    (row,) = tale.finish().costs().rows
    assert Fraction(row.parts.total) == Fraction("0.3") * (Fraction(third) - 100)


def test_fees_go_to_the_run_that_alone_traded_on_their_day():
    tale = Tale().run().plan(("XOM", 10, 0, "100"))
    tale.bought("XOM", 10, "100", "100", side="sell")
    tale.finish().activity("FEE", net="-0.31").activity("FEE", net="-5", day=date(2024, 3, 1))
    assert tale.costs().parts == Parts(Decimal(0), Decimal(0), Decimal(0), Decimal("0.31"))
    assert tale.ledger.fees_apart == 5
    tale.run("force-20240201-1").plan(("AAPL", 0, 1, "100"))
    tale.bought("AAPL", 1, "100", "100")
    tale.finish()
    assert tale.costs().parts.fees == 0
    assert tale.ledger.fees_apart == Decimal("5.31"), "nobody says whose they are"


# Averages.


def test_average_slippage_is_weighted_by_value_and_a_plain_mean_beside_it():
    tale = Tale().run().plan(("AAPL", 0, 90, "100"), ("XOM", 10, 0, "100"))
    tale.bought("AAPL", 90, "100", "101")
    tale.bought("XOM", 10, "100", "97", side="sell")
    found = average_slippage(tale.entries)
    assert found.weighted == Decimal("0.012")  # (90 + 30) / 10,000
    assert found.mean == Decimal("0.02")  # (1 % + 3 %) / 2
    assert (found.orders, found.unpriced, found.why) == (2, 0, "")


def test_no_average_is_made_of_nothing():
    assert average_slippage([]).why == "nothing was filled"
    tale = Tale().run().plan(("XOM", 10, 0, None))
    tale.bought("XOM", 10, None, "97", side="sell")
    found = average_slippage(tale.entries)
    assert (found.weighted, found.unpriced) == (None, 1)
    assert found.why == "no filled order had an expected price"


def test_the_raw_sum_of_the_demo_is_its_own_reports():
    ledger = Ledger.of(journals.demo())
    (run,) = ledger.runs.values()
    costs = shortfall_of([run], ledger.tape, ledger.last_at)
    report = run.ended.report
    assert round(costs.raw_sum, 4) == report.total_slippage
    assert round(costs.parts.trading, 2) == report.slippage_cost
