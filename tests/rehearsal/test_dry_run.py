"""The core driven end to end over the stand-in account: what a run would decide, and no more."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from atlas_daemon.cli.plan_view import show
from atlas_daemon.core.effects import FetchFigures
from atlas_daemon.core.errors import AtlasError, RefusedError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.values import (
    Asset,
    BrokerOrderId,
    OpenOrder,
    OrderType,
    Position,
    Quote,
    Regime,
    Side,
)
from atlas_daemon.rehearsal.document import document
from atlas_daemon.rehearsal.stand_in import StandIn
from tests.rehearsal.builders import (
    CLOSES,
    SIGNAL_DAY,
    a_dry_run,
    a_scene,
    an_answer,
    orders_of,
    targets_of,
)

HELD = {"AAA": "5", "CCC": "50"}


def an_open_order(symbol, our_id="mine", side=Side.BUY):
    return OpenOrder(BrokerOrderId("b1"), our_id, symbol, side, Decimal(1), Decimal(0), "new")


def test_a_plan_checked_by_hand():
    # Equity 10,000 + 5 x 100 + 50 x 80 = 14,500; of that 70 % = 10,150 may be deployed: 5,075 each,
    # cut at 15 % = 2,175. AAA 21 (2,100; one more is over the cap), BBB 22 (2,090). CCC goes.
    got = a_dry_run(held=HELD)
    assert (got.plan.equity, got.plan.deployable) == (14_500, 10_150)
    assert targets_of(got) == {"AAA": 21, "BBB": 22, "CCC": 0}
    assert orders_of(got) == [("sell", "CCC", 50), ("buy", "AAA", 16), ("buy", "BBB", 22)]
    assert [fill.price for fill in got.fills] == [80, 100, 95]
    assert (got.cash_before, got.cash_after_sells, got.cash_after_buys) == (10_000, 14_000, 10_310)
    assert got.passes
    assert got.finished.outcome == "done"
    # (2,100 + 2,090) / 14,500
    assert got.finished.report.achieved_pct == Decimal("0.2890")


def test_the_gates_are_those_of_the_plan_with_its_figures():
    gates = {verdict.rule: verdict for verdict in a_dry_run(held=HELD).verdicts}
    assert gates["total_allocation"].actual.startswith("4,190.00 (28.89")
    assert gates["cash_only"].actual == "3,690.00"
    assert gates["cash_only"].limit == "14,000.00"
    assert gates["market_hours"].ok


@pytest.mark.parametrize("regime", list(Regime))
def test_nothing_is_deployed_beyond_the_regime(regime):
    answer = an_answer("AAA", "BBB", "CCC", regime=regime)
    policy = Policy(max_position_pct=Decimal(1))
    got = a_dry_run(answer, policy)
    limit = {"TREND_BULL": "0.99", "TREND_NEUTRAL": "0.7", "TREND_BEAR": "0.3", "CRASH": "0"}
    deployed = sum(fill.value for fill in got.fills)
    assert deployed <= 10_000 * Decimal(limit[regime])
    # What is left is less than the dearest share.
    assert regime is Regime.CRASH or deployed > 10_000 * Decimal(limit[regime]) - 100


def test_crash_sells_everything_and_buys_nothing():
    got = a_dry_run(an_answer(regime=Regime.CRASH), held=HELD)
    assert orders_of(got) == [("sell", "AAA", 5), ("sell", "CCC", 50)]
    assert got.cash_after_buys == got.cash_after_sells == 14_500


def test_no_candidate_is_all_cash_and_said():
    got = a_dry_run(an_answer(picks=()), held=HELD)
    assert orders_of(got) == [("sell", "AAA", 5), ("sell", "CCC", 50)]
    assert "no candidate passes: all cash" in got.plan.notes


def test_buys_follow_sells_and_use_what_those_brought_in():
    got = a_dry_run(an_answer(regime=Regime.TREND_BULL), cash="0", held={"CCC": "100"})
    # 8,000 of equity, 15 % each: 12 x 100 and 12 x 95, from the 8,000 that CCC brings.
    assert orders_of(got) == [("sell", "CCC", 100), ("buy", "AAA", 12), ("buy", "BBB", 12)]
    assert got.cash_after_buys == 8000 - 1200 - 1140


def test_a_gate_that_refuses_leaves_no_order():
    policy = Policy(max_total_allocation=Decimal("0.2"))
    got = a_dry_run(an_answer("AAA", "BBB", "CCC", regime=Regime.TREND_BULL), policy)
    assert not got.passes
    assert got.fills == ()
    assert [v.rule for v in got.verdicts if not v.ok] == ["total_allocation"]
    assert got.finished.outcome == "refused"
    assert got.cash_after_buys == got.cash_before


def test_a_line_without_a_price_is_dropped_after_the_core_waited_for_it():
    scene = a_scene()
    quotes = {symbol: quote for symbol, quote in scene.quotes.items() if symbol != "BBB"}
    got = a_dry_run(scene=replace(scene, quotes=quotes))
    assert [(line.symbol, line.rule) for line in got.dropped] == [("BBB", "price")]
    assert orders_of(got) == [("buy", "AAA", 15)]


def test_a_quote_keeps_the_age_it_was_read_with():
    scene = a_scene()
    old = {
        symbol: replace(quote, last_at=quote.last_at - timedelta(seconds=61))
        for symbol, quote in scene.quotes.items()
    }
    got = a_dry_run(scene=replace(scene, quotes=old))
    assert {line.rule for line in got.dropped} == {"price_age"}
    young = {
        symbol: replace(quote, last_at=quote.last_at - timedelta(seconds=30))
        for symbol, quote in scene.quotes.items()
    }
    assert len(a_dry_run(scene=replace(scene, quotes=young)).fills) == 2


def test_market_quotes_are_bought_at_their_middle():
    at = a_scene().at
    quotes = {
        symbol: Quote(symbol, close - Decimal("0.10"), close + Decimal("0.20"), at)
        for symbol, close in CLOSES.items()
    }
    got = a_dry_run(scene=a_scene(quotes=quotes))
    assert [fill.price for fill in got.fills] == [Decimal("100.05"), Decimal("95.05")]


def test_limit_orders_show_their_limit_and_fill_at_the_expected_price():
    got = a_dry_run(policy=Policy(order_type=OrderType.LIMIT))
    assert [(f.draft.limit_price, f.price) for f in got.fills] == [
        (Decimal("100.50"), 100),
        (Decimal("95.48"), 95),
    ]


def test_what_the_broker_does_not_trade_is_dropped():
    assets = {**a_scene().assets, "BBB": Asset("BBB", tradable=False)}
    got = a_dry_run(scene=a_scene(assets=assets))
    assert [(line.symbol, line.rule) for line in got.dropped] == [("BBB", "untradable")]


def test_a_foreign_order_on_a_line_drops_the_line():
    got = a_dry_run(scene=a_scene(open_orders=(an_open_order("BBB"),)))
    assert [(line.symbol, line.rule) for line in got.dropped] == [("BBB", "foreign_order")]


def test_an_order_of_ours_that_is_open_refuses_the_dry_run():
    scene = a_scene(open_orders=(an_open_order("BBB", "atlas-2024-02-r1-buy-BBB-1"),))
    with pytest.raises(RefusedError, match="would not start: an order with our prefix rests"):
        a_dry_run(scene=scene)


def test_a_blocked_account_refuses_the_dry_run():
    scene = a_scene()
    blocked = replace(scene.account, trading_blocked=True)
    with pytest.raises(RefusedError, match="reduce_only: trading blocked"):
        a_dry_run(scene=replace(scene, account=blocked))


def test_a_regime_of_another_day_is_not_planned_on():
    answer = an_answer(regime_as_of=SIGNAL_DAY - timedelta(days=1))
    with pytest.raises(AtlasError, match="the regime is of 2024-01-30, needed is 2024-01-31"):
        a_dry_run(answer)


def test_no_regime_is_no_plan():
    with pytest.raises(AtlasError, match="the regime source gave no regime"):
        a_dry_run(an_answer(regime=None, regime_as_of=None))


def test_protected_positions_are_never_sold():
    got = a_dry_run(held=HELD, policy=Policy(protected=frozenset({"CCC"})))
    assert all(fill.draft.symbol != "CCC" for fill in got.fills)
    assert got.plan.equity == 10_500


def test_only_what_the_journal_bought_is_managed_where_the_policy_says_so():
    scene = a_scene(held=HELD, bought={"CCC": Decimal(10)})
    got = a_dry_run(scene=scene, policy=Policy(manages_all=False))
    assert orders_of(got)[0] == ("sell", "CCC", 10)
    assert got.plan.equity == 10_800


def test_an_option_is_neither_asked_after_nor_touched(monkeypatch):
    option = Position(
        "AAA240621C00100000", Decimal(1), Decimal(5), Decimal(1), Decimal(5), "us_option"
    )
    asked, answers = [], StandIn.answers

    def overheard(self, effect, now):
        if isinstance(effect, FetchFigures):
            asked.extend((*effect.quotes, *effect.assets))
        return answers(self, effect, now)

    monkeypatch.setattr(StandIn, "answers", overheard)
    scene = a_scene(held=HELD)
    got = a_dry_run(scene=replace(scene, positions=(*scene.positions, option)))
    assert set(asked) == {"AAA", "BBB", "CCC", "SPY"}
    assert orders_of(got) == orders_of(a_dry_run(held=HELD))
    assert got.finished.outcome == "done"


def test_s025_no_equity_is_no_order():
    got = a_dry_run(cash="0")
    assert [(line.target_qty, line.note) for line in got.plan.lines] == [
        (0, "no equity to size with")
    ] * 2
    assert got.fills == ()
    assert got.finished.outcome == "done"


def test_fractions_are_planned_where_wanted():
    policy = Policy(fractional=True)
    got = a_dry_run(policy=policy)
    assert orders_of(got) == [("buy", "AAA", 15), ("buy", "BBB", Decimal("15.789473684"))]


def test_capital_limits_what_is_managed():
    got = a_dry_run(policy=Policy(capital=Decimal(5000)))
    assert got.plan.equity == 5000


def test_s189_equal_figures_give_one_digest_however_they_are_spelled():
    scene = a_scene(held=HELD)
    spelled = replace(
        scene.account,
        cash=Decimal("10000.00"),
        equity=Decimal("14500.0"),
        buying_power=Decimal("1E4"),
    )
    assert a_dry_run(scene=replace(scene, account=spelled)).plan.digest == (
        a_dry_run(scene=scene).plan.digest
    )


def test_s189_another_figure_gives_another_digest():
    digests = {
        a_dry_run().plan.digest,
        a_dry_run(cash="10001").plan.digest,
        a_dry_run(held=HELD).plan.digest,
        a_dry_run(an_answer(regime=Regime.TREND_BULL)).plan.digest,
        a_dry_run(an_answer("BBB", "AAA")).plan.digest,
    }
    assert len(digests) == 5


@settings(max_examples=60, deadline=None)
@given(
    cash=st.decimals(0, 200_000, places=2),
    held=st.dictionaries(st.sampled_from(["AAA", "BBB", "CCC"]), st.integers(1, 2000)),
    regime=st.sampled_from(list(Regime)),
    picked=st.sets(st.sampled_from(["AAA", "BBB", "CCC"]), min_size=1),
    fractional=st.booleans(),
)
def test_cash_never_turns_negative_and_sells_never_exceed_holdings(
    cash, held, regime, picked, fractional
):
    answer = an_answer(*sorted(picked), regime=regime)
    policy = Policy(fractional=fractional)
    got = a_dry_run(answer, policy, cash=str(cash), held=held)
    assert got.passes
    assert got.cash_after_buys >= 0
    left = {symbol: Decimal(qty) for symbol, qty in held.items()}
    for fill in got.fills:
        assert fill.cash_after >= 0
        symbol = fill.draft.symbol
        left[symbol] = left.get(symbol, Decimal(0)) + fill.draft.qty * fill.draft.side.sign
        assert left[symbol] >= 0
    assert {s: q for s, q in left.items() if q} == {s: q for s, q in targets_of(got).items() if q}
    assert {*held, *picked} == {line.symbol for line in got.plan.lines}


def test_s190_what_a_dry_run_would_hold_is_not_bought_again_by_the_next_one():
    first = a_dry_run(held=HELD)
    assert first.fills
    held = {symbol: qty for symbol, qty in targets_of(first).items() if qty}
    again = a_dry_run(held=held, cash=str(first.cash_after_buys))
    assert orders_of(again) == []
    assert targets_of(again) == {**held}


def test_s190_a_dry_run_repeated_on_the_same_account_is_the_same_and_no_more():
    assert [orders_of(a_dry_run(held=HELD)) for _ in range(3)] == [
        orders_of(a_dry_run(held=HELD))
    ] * 3


def test_a_live_plan_shows_its_scale_and_needs_no_certificate_to_be_shown():
    live = Policy(needs_certificate=True, scale=Decimal("0.25"), max_position_pct=Decimal("0.5"))
    calm = Regime.TREND_BULL
    whole = a_dry_run(an_answer(regime=calm), Policy(max_position_pct=Decimal("0.5")))
    dry_run = a_dry_run(an_answer(regime=calm), live)
    assert dry_run.plan.deployable == whole.plan.deployable / 4
    assert dry_run.passes
    rules = {verdict.rule for verdict in dry_run.verdicts}
    assert "scale" in rules
    assert "certificate" not in rules
    told = document(dry_run, "[LIVE] LARGE", None)
    assert told["scale"] == "0.25"
    assert any("scale 25 %: " in note for note in told["notes"])
    screen = StringIO()
    show(Console(file=screen, width=120), told)
    assert "TREND_BULL (as of 2024-01-31): up to 100.0 % x scale 25 % deployed" in screen.getvalue()
    assert "% of 100.0 % x scale 25 %" in screen.getvalue()


def test_the_scale_that_the_journal_has_counts_and_not_the_configurations():
    live = Policy(needs_certificate=True, scale=Decimal("0.25"))
    answer = an_answer(regime=Regime.TREND_BULL)
    dry_run = a_dry_run(answer, live, a_scene(answer, scale=Decimal("0.5")))
    assert dry_run.plan.scale == Decimal("0.5")
