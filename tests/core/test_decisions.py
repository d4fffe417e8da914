"""Pricing, drafts, gates, validator, plan and engine: the rules of one decision, at the edge."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.asking import cancel, may_ask
from atlas_daemon.core.drafts import buy_drafts, pending_buys, sell_drafts
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.errors import BugError, TurnTooLongError
from atlas_daemon.core.plan import make_plan, plan_again
from atlas_daemon.core.pricing import NoPrice, Price, price_of
from atlas_daemon.core.runs import managed_equity, missing_lines
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Mode, OrderType, Regime

from .builders import (
    CLOSE,
    NOW,
    POLICY,
    RUN,
    a_draft,
    a_line,
    a_pick,
    a_plan,
    a_policy,
    a_position,
    a_quote,
    a_run,
    a_snapshot,
    a_state,
    an_asset,
    an_open_order,
    an_order,
    holding,
    secs,
    some_signals,
)
from .playbook import given

# Which price is believed.


def priced(quote, close="100", policy=POLICY):
    return price_of(quote, None if close is None else Decimal(close), NOW, policy)


def test_a_price_is_the_mid_of_a_sane_quote() -> None:
    assert priced(a_quote()) == Price(Decimal(100), Decimal("100.01"), NOW)


@pytest.mark.parametrize(
    "bad",
    [
        {"bid": None},
        {"ask": None},
        {"quoted_at": None},
        {"bid": Decimal(0)},
        {"bid": Decimal("101.01")},
        {"bid": Decimal(99)},
        {"quoted_at": NOW - secs(61)},
    ],
)
def test_a_quote_that_is_not_sane_gives_way_to_the_latest_trade(bad) -> None:
    price = priced(a_quote(price="101", **{"last": Decimal(102)} | bad))
    assert (price.value, price.ask) == (Decimal(102), Decimal(102))


@pytest.mark.parametrize(
    ("quote", "rule"),
    [
        (None, "price"),
        (a_quote(bid=None, last=None), "price_age"),
        (a_quote(bid=None, last_at=None), "price_age"),
        (a_quote(bid=None, last=Decimal(0)), "price_age"),
        (a_quote(at=NOW - secs(61)), "price_age"),
        (a_quote(bid=None, quoted_at=None, last_at=None), "price_age"),
        (a_quote(price="125.02"), "price_band"),
        (a_quote(price="74.98"), "price_band"),
    ],
)
def test_s145_what_cannot_be_believed_is_no_price(quote, rule: str) -> None:
    problem = priced(quote)
    assert isinstance(problem, NoPrice)
    assert problem.rule == rule


def test_the_band_and_the_age_hold_at_the_edge() -> None:
    assert isinstance(priced(a_quote(price="125")), Price)
    assert isinstance(priced(a_quote(price="75")), Price)
    assert isinstance(priced(a_quote(at=NOW - secs(60))), Price)
    assert isinstance(priced(a_quote(price="9"), close=None), Price)


# Drafts.


def selling(line, held="10", policy=POLICY, **more):
    seen = {"snapshot": a_snapshot(positions=[a_position("AAPL", held)])} | more
    state = a_state(book=holding(AAPL=held), seen=seen)
    return sell_drafts(state, a_run(Phase.SELLING, plan=a_plan([line])), policy)


def test_s123_a_close_takes_fractions_along_and_a_reduction_does_not() -> None:
    assert selling(a_line(current="10.5", target="0"), "10.5")[0].qty == Decimal("10.5")
    assert selling(a_line(current="10.5", target="4"), "10.5")[0].qty == 6


def test_s126_less_than_a_share_to_sell_is_no_order() -> None:
    assert selling(a_line(current="10.5", target="10"), "10.5") == []


def test_a_close_needs_no_price() -> None:
    (draft,) = selling(a_line(current="10", target="0", price=None), quotes={})
    assert (draft.order_type, draft.expected_price) == (OrderType.MARKET, None)


def test_s131_a_limit_below_a_dollar_has_four_decimals() -> None:
    policy = a_policy(order_type=OrderType.LIMIT)
    cheap = replace(a_quote(price="0.5"), bid=Decimal("0.4999"), ask=Decimal("0.5001"))
    (draft,) = selling(a_line(current="10", target="0"), policy=policy, quotes={"AAPL": cheap})
    assert draft.limit_price == Decimal("0.4974")


def buying(cash="100000", *lines, **more):
    plan = a_plan(lines or [a_line()])
    state = a_state(
        run=a_run(plan=plan), book=holding(cash), seen={"snapshot": a_snapshot(cash=cash)}, **more
    )
    run = state.run
    return buy_drafts(state, run, pending_buys(state, run, POLICY), POLICY)


def test_s125_buys_are_released_in_the_plans_order_while_cash_lasts() -> None:
    lines = [a_line("AAPL", target="10"), a_line("MSFT", target="10")]
    assert [d.symbol for d in buying("2081", *lines)[0]] == ["AAPL", "MSFT"]
    assert [d.symbol for d in buying("2080", *lines)[0]] == ["AAPL"]


def test_a_run_without_a_plan_has_nothing_to_buy() -> None:
    assert pending_buys(a_state(), a_run(Phase.DUE), POLICY) == []


def test_a_price_that_makes_a_line_whole_already_leaves_nothing_to_buy() -> None:
    line = replace(a_line(current="9", target="10", price="50"), close=None)
    state = a_state(run=a_run(plan=a_plan([line])), book=holding(AAPL="9"))
    drafts, unpriced = buy_drafts(state, state.run, [line], POLICY)
    assert (drafts, unpriced["AAPL"].rule) == ([], "drift")


def test_a_fractional_line_is_sized_again_with_fractions() -> None:
    line = a_line(target="10.5", price="80")
    state = a_state(run=a_run(plan=a_plan([line])))
    (draft,), _ = buy_drafts(state, state.run, [line], POLICY)
    assert draft.qty == Decimal("8.4") - Decimal("1E-9") or draft.qty == Decimal("8.4")


# The validator and its gates.


def drafted(draft, state=None, policy=POLICY):
    return given(state or a_state(run=a_run()), policy).when(e.OrderDrafted(draft))


def refusal(draft, state=None, policy=POLICY) -> str:
    return drafted(draft, state, policy).the(e.OrderRefused).rule


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("mode", a_state(run=a_run(), mode=Mode.REDUCE_ONLY)),
        ("mode", a_state(run=a_run(), mode=Mode.HALTED)),
        ("market_hours", a_state(run=a_run(), now=CLOSE)),
        ("order_id", a_state(run=a_run(), orders=[an_order(status="canceled")])),
        ("no_duplicate_order", a_state(run=a_run(), orders=[an_order(draft=a_draft(round_=2))])),
        ("no_opposite_order", a_state(run=a_run(), orders=[an_order(side="sell")])),
        ("frozen", a_state(run=a_run(), frozen={"AAPL": "odd"})),
        ("tradable", a_state(run=a_run(), seen={"assets": {"AAPL": an_asset(tradable=False)}})),
        ("regime", a_state(run=a_run(), regime=None)),
        ("regime_compliance", a_state()),
        ("cash_only", a_state(run=a_run(), book=holding("0"))),
    ],
)
def test_a_buy_is_refused_by_name(rule: str, state) -> None:
    assert refusal(a_draft(), state) == rule


def test_protected_symbols_are_refused() -> None:
    assert refusal(a_draft(), policy=a_policy(protected=frozenset({"AAPL"}))) == "protected"


def test_s146_a_foreign_order_on_the_symbol_refuses_ours() -> None:
    snapshot = a_snapshot(open_orders=[an_open_order("AAPL")])
    assert refusal(a_draft(), a_state(run=a_run(), seen={"snapshot": snapshot})) == (
        "no_duplicate_order"
    )


def holding_ten(**more):
    snapshot = a_snapshot(positions=[a_position("AAPL", "10")])
    return a_state(run=a_run(), book=holding(AAPL="10"), seen={"snapshot": snapshot}, **more)


def test_s169_reducing_accepts_sells_up_to_the_holding_and_no_buys() -> None:
    state = holding_ten(mode=Mode.REDUCE_ONLY)
    drafted(a_draft(side="sell"), state).then_some(e.OrderApproved)
    assert refusal(a_draft(side="sell", qty="11"), state) == "sells_within_holding"
    assert refusal(a_draft(), state) == "mode"


def test_a_halt_lets_the_sells_of_a_flatten_out_and_nothing_else() -> None:
    from .builders import a_halt

    halted = holding_ten(mode=Mode.HALTED, halt=a_halt(is_complete=True))
    assert refusal(a_draft(side="sell"), halted) == "mode"
    flatten = replace(halted, run=replace(halted.run, trigger="stop"))
    drafted(a_draft(side="sell"), flatten).then_some(e.OrderApproved)


def test_s150_a_buy_over_the_cash_is_cut_to_what_it_pays_and_both_are_on_record() -> None:
    state = a_state(run=a_run(), book=holding("520"))
    played = drafted(a_draft(), state)
    played.then_some(e.OrderTrimmed, e.OrderApproved)
    trimmed = played.the(e.OrderTrimmed)
    assert (trimmed.wanted_qty, trimmed.qty, trimmed.rule) == (10, 5, "cash_only")
    assert played.state.run.agreed == {"AAPL": 5}


def test_s124_not_enough_for_one_share_is_no_order() -> None:
    assert refusal(a_draft(), a_state(run=a_run(), book=holding("103.99"))) == "cash_only"
    played = drafted(a_draft(), a_state(run=a_run(), book=holding("104")))
    assert played.the(e.OrderTrimmed).qty == 1


def test_the_cap_passes_at_exactly_its_edge_and_is_cut_one_share_over() -> None:
    roomy = a_run(plan=a_plan([a_line(target="200")]))
    drafted(a_draft(qty="150"), a_state(run=roomy)).then_none_of(e.OrderTrimmed)
    assert drafted(a_draft(qty="151"), a_state(run=roomy)).the(e.OrderTrimmed).qty == 150


def test_the_regime_cuts_at_its_edge() -> None:
    plan = a_plan([a_line(target="90")], regime=Regime.TREND_BEAR, equity="10000")
    played = drafted(a_draft(qty="31"), a_state(run=a_run(plan=plan)))
    assert played.the(e.OrderTrimmed).qty == 30


def test_a_batch_over_a_limit_aborts_before_any_order() -> None:
    plan = a_plan([a_line(target="151")])
    played = given(a_state(run=a_run(Phase.DUE))).when(plan)
    played.then_none_of(e.OrderDrafted, fx.SubmitOrder)
    finished = played.the(e.RunFinished)
    assert (finished.outcome, finished.is_final) == ("refused", False)


def test_a_batch_of_a_later_round_is_measured_order_by_order() -> None:
    later = a_run(Phase.RECONCILING, session_round=1)
    played = given(a_state(run=later)).when(a_plan([a_line(target="151")], round_=2))
    played.then_some(e.GatesAnswered, e.AlertRaised, e.PhaseStarted)


# Plans.


def due(**more):
    return a_run(Phase.DUE, signals=some_signals(), **more)


def test_s025_an_account_worth_nothing_buys_nothing() -> None:
    state = a_state(
        book=holding("0"), seen={"snapshot": a_snapshot(equity="0", cash="0")}, run=due()
    )
    plan = make_plan(state, state.run, {}, POLICY)
    assert all(line.target_qty == 0 for line in plan.lines)


def test_managed_equity_is_at_most_the_capital_and_at_most_the_accounts_own_figure() -> None:
    state = a_state(seen={"snapshot": a_snapshot(equity="99990")})
    assert managed_equity(state, POLICY) == 99_990
    assert managed_equity(state, a_policy(capital=Decimal(5000))) == 5000
    assert managed_equity(a_state(seen={"snapshot": None}), POLICY) == 0


def test_fractional_shares_are_planned_where_the_asset_allows() -> None:
    assets = {"AAPL": an_asset(fractionable=True)}
    state = a_state(run=due(), seen={"assets": assets})
    prices = {"AAPL": Price(Decimal(300), Decimal(300), NOW)}
    plan = make_plan(state, state.run, prices, a_policy(fractional=True))
    assert plan.lines[0].target_qty == 33


def test_the_same_figures_give_the_same_digest_and_others_another() -> None:
    prices = {"AAPL": Price(Decimal(300), Decimal(300), NOW)}
    state = a_state(run=due())
    first = make_plan(state, state.run, prices, POLICY)
    again = make_plan(replace(state, now=NOW + secs(5)), state.run, prices, POLICY)
    assert first.digest == again.digest
    dearer = {"AAPL": Price(Decimal(301), Decimal(301), NOW)}
    assert make_plan(state, state.run, dearer, POLICY).digest != first.digest


def test_what_an_order_was_cut_to_is_its_lines_target_but_for_cash_still_to_come() -> None:
    lines = [a_line("AAPL", target="10"), a_line("MSFT", current="5", target="0")]
    run = a_run(Phase.RECONCILING, plan=a_plan(lines), agreed={"AAPL": Decimal(4)})
    positions = [a_position("AAPL", "4")]
    state = a_state(run=run, seen={"snapshot": a_snapshot(positions=positions)})
    assert missing_lines(state, run, POLICY) == {}
    unsold = a_snapshot(positions=[*positions, a_position("MSFT", "5")])
    state = a_state(run=run, seen={"snapshot": unsold})
    assert missing_lines(state, run, POLICY) == {"MSFT": -5}
    assert plan_again(state, run, {}, POLICY).lines[0].target_qty == 10


def test_a_later_round_keeps_the_prices_it_was_decided_on() -> None:
    run = a_run(Phase.RECONCILING)
    prices = {"AAPL": Price(Decimal(150), Decimal(150), NOW)}
    assert plan_again(a_state(run=run), run, prices, POLICY).lines[0].price == 100


def test_a_run_that_has_nothing_planned_misses_nothing() -> None:
    assert missing_lines(a_state(), a_run(Phase.DUE), POLICY) == {}


# The engine.


def test_a_turn_of_figures_only_is_not_written_and_takes_no_number() -> None:
    turn = take_turn(a_state(), e.QuotesReported(NOW, (a_quote("TSLA"),)), NOW, POLICY)
    assert turn.entries == ()
    assert turn.state.seq == 100
    assert "TSLA" in turn.state.figures.quotes


def test_a_turn_without_end_is_our_bug(monkeypatch) -> None:
    endless = {e.ModeChanged: (lambda state, event, policy: [event],)}
    monkeypatch.setattr("atlas_daemon.core.engine.ROUTES", endless)
    with pytest.raises(TurnTooLongError, match="over 1000 entries"):
        take_turn(a_state(), e.ModeChanged(Mode.TRADING, "x"), NOW, POLICY)


def test_an_order_that_would_leave_unwritten_is_our_bug(monkeypatch) -> None:
    from .test_routes import APPROVED

    rash = {e.Ticked: (lambda state, event, policy: [fx.SubmitOrder(APPROVED)],)}
    monkeypatch.setattr("atlas_daemon.core.engine.ROUTES", rash)
    with pytest.raises(BugError, match="not written"):
        take_turn(a_state(), e.Ticked(), NOW, POLICY)


def test_the_cause_of_an_entry_is_the_entry_it_answers() -> None:
    turn = take_turn(a_state(orders=[an_order()]), e.StopRequested("op", "x"), NOW, POLICY)
    causes = {type(x.event).__name__: (x.seq, x.cause) for x in turn.entries}
    assert causes["StopRequested"] == (101, None)
    assert causes["OrderStepped"][1] == causes["CancelRequested"][0]


# Asking.


@pytest.mark.parametrize(
    ("seen", "age_s", "may"),
    [
        ({"asked_at": None}, 0, True),
        ({}, 0.5, False),
        ({}, 1, True),
        ({"snapshot": None}, 39, False),
        ({"snapshot": None}, 40, True),
        ({"snapshot": None, "failures": {"snapshot": "reset"}}, 1, False),
        ({"snapshot": None, "failures": {"snapshot": "reset"}}, 2, True),
    ],
)
def test_figures_are_asked_for_not_too_often(seen, age_s: float, may: bool) -> None:
    assert may_ask(a_state(now=NOW + secs(age_s), seen=seen), POLICY) is may


def test_what_is_done_is_not_cancelled() -> None:
    assert list(cancel(an_order(status="filled"), "late")) == []


def test_a_line_problem_that_passes_is_waited_for_and_one_that_does_not_drops_it() -> None:
    signals = some_signals([a_pick("AAPL"), a_pick("MSFT")])
    run = replace(due(), signals=signals)
    young = {"quotes": {"AAPL": a_quote("AAPL")}, "asked_at": NOW - timedelta(minutes=2)}
    state = a_state(run=run, seen=young)
    given(state).when(e.Ticked()).then_some(fx.FetchFigures).then_none_of(e.RunPlanned)
    waited = replace(run, phase_at=NOW - timedelta(minutes=5))
    played = given(a_state(run=waited, seen=young)).when(e.Ticked())
    assert played.the(e.LineDropped).symbol == "MSFT"
    assert played.the(e.RunPlanned).run_id == RUN
