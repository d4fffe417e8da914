"""From weights to shares."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.sizing import Sizing, shares_for, size_lines
from atlas_daemon.core.values import ALLOCATION, Pick, Regime, Symbol

D = Decimal
SEED_PRICES = {
    Symbol("CSCO"): D("78.39"),
    Symbol("AMAT"): D("235.13"),
    Symbol("AAPL"): D("268.56"),
}


def picks(*symbols: str, weight: D | None = None) -> list[Pick]:
    share = D(1) / len(symbols) if weight is None else weight
    return [Pick(Symbol(symbol), share, close=None) for symbol in symbols]


def sized(chosen: list[Pick], prices: dict, **overrides) -> Sizing:
    figures = {
        "equity": D(10_000),
        "allocation": D(1),
        "cash_reserve_pct": D(0),
        "max_position_pct": D(1),
    }
    return size_lines(chosen, prices, **(figures | overrides))


def quantities(sizing: Sizing) -> dict[str, D]:
    return {line.symbol: line.qty for line in sizing.lines}


def line(sizing: Sizing, symbol: str):
    return next(line for line in sizing.lines if line.symbol == symbol)


@pytest.mark.parametrize("cash_reserve_pct", [D(0), D("0.01")])
@pytest.mark.parametrize(
    ("regime", "target", "orders", "deployed_pct"),
    [
        (Regime.TREND_NEUTRAL, (30, 10, 8), (30, 10, -32), D("67.8")),
        (Regime.TREND_BULL, (42, 14, 12), (42, 14, -28), D("97.0")),
        (Regime.TREND_BEAR, (12, 4, 3), (12, 4, -37), D("26.6")),
        (Regime.CRASH, (0, 0, 0), (0, 0, -40), D("0.0")),
    ],
)
def test_golden_order_sizes(regime, target, orders, deployed_pct, cash_reserve_pct):
    equity = D("10109.39")
    sizing = sized(
        picks("CSCO", "AMAT", "AAPL"),
        SEED_PRICES,
        equity=equity,
        allocation=ALLOCATION[regime],
        cash_reserve_pct=cash_reserve_pct,
        respread=False,
    )
    assert tuple(line.qty for line in sizing.lines) == target
    held = {"CSCO": 0, "AMAT": 0, "AAPL": 40}
    assert tuple(line.qty - held[line.symbol] for line in sizing.lines) == orders
    assert round(sizing.deployed_value / equity * 100, 1) == deployed_pct
    assert sizing.deployed_value + sizing.cash_left == equity


def test_a_crash_leaves_all_in_cash_and_needs_no_note():
    sizing = sized(picks("A", "B"), {"A": D(10), "B": D(20)}, allocation=D(0))
    assert (sizing.deployable, sizing.deployed_value, sizing.cash_left) == (0, 0, 10_000)
    assert sizing.notes == ()


def test_the_reserve_binds_only_above_what_the_regime_leaves_anyway():
    whole = sized(picks("A"), {"A": D(1)}, cash_reserve_pct=D("0.01"))
    part = sized(picks("A"), {"A": D(1)}, cash_reserve_pct=D("0.01"), allocation=D("0.7"))
    assert (whole.deployable, part.deployable) == (9_900, 7_000)


def test_five_names_at_fifteen_per_cent_leave_a_quarter_in_cash_and_say_so():
    symbols = ("A", "B", "C", "D", "E")
    sizing = sized(picks(*symbols), dict.fromkeys(symbols, D(10)), max_position_pct=D("0.15"))
    assert quantities(sizing) == dict.fromkeys(symbols, D(150))
    assert {line.note for line in sizing.lines} == {"capped at 15 %"}
    assert sizing.cash_left == 2_500
    assert sizing.notes[-1] == "the cap leaves 2,500.00 of the deployable 10,000.00 in cash"


def test_a_slice_exactly_at_the_cap_is_not_called_capped():
    sizing = sized(picks("A", weight=D("0.15")), {"A": D(10)}, max_position_pct=D("0.15"))
    assert line(sizing, "A").qty == 150
    assert sizing.notes == ()


def test_a_share_dearer_than_its_slice_is_accounted_for():
    symbols = [f"{letter}" for letter in "ABCDEFGHI"] + ["DEAR"]
    prices = {Symbol(symbol): D(100) for symbol in symbols} | {Symbol("DEAR"): D(1250)}
    sizing = sized(picks(*symbols), prices, max_position_pct=D("0.15"))
    assert line(sizing, "DEAR").qty == 0
    assert line(sizing, "DEAR").target_value == 1_000
    assert line(sizing, "DEAR").note == (
        "one share at 1,250.00 is dearer than its slice of 1,000.00"
    )
    assert sizing.notes == ("DEAR: one share at 1,250.00 is dearer than its slice of 1,000.00",)


def test_cash_left_by_rounding_buys_the_dear_share_first_and_then_no_note_is_needed():
    prices = {"A": D(400), "B": D(400), "DEAR": D(3500)}
    sizing = sized(picks("A", "B", "DEAR"), prices)
    assert quantities(sizing) == {"A": 8, "B": 8, "DEAR": 1}
    assert sizing.notes == ()
    floor = sized(picks("A", "B", "DEAR"), prices, respread=False)
    assert quantities(floor) == {"A": 8, "B": 8, "DEAR": 0}


def test_respreading_never_lifts_a_line_over_the_cap():
    prices = {"A": D(400), "B": D(400), "DEAR": D(3500)}
    sizing = sized(picks("A", "B", "DEAR"), prices, max_position_pct=D("0.34"))
    assert line(sizing, "DEAR").qty == 0
    assert quantities(sizing) == {"A": 8, "B": 8, "DEAR": 0}


def test_the_largest_shortfall_gets_the_next_share_and_ties_go_by_symbol():
    prices = {"B": D(300), "A": D(300), "C": D(350)}
    # Slices of 1,000: A and B lack 100, C lacks 300; 500 of cash buy C's share and no other.
    sizing = sized(picks("B", "A", "C"), prices, equity=D(3_000))
    assert quantities(sizing) == {"B": 3, "A": 3, "C": 3}
    tied = sized(picks("B", "A"), prices, equity=D(1_100))
    assert quantities(tied) == {"B": 1, "A": 2}


def test_a_line_at_its_slice_gets_no_share_of_what_another_could_not_use():
    sizing = sized(picks("A", "DEAR"), {"A": D(10), "DEAR": D(6_000)})
    assert quantities(sizing) == {"A": 500, "DEAR": 0}
    assert sizing.cash_left == 5_000


def test_a_third_of_three_thousand_is_a_thousand():
    sizing = sized(
        picks("A", "B", "C"), dict.fromkeys("ABC", D(100)), equity=D(3_000), respread=False
    )
    assert set(quantities(sizing).values()) == {D(10)}


@pytest.mark.parametrize("count", [3, 6, 7, 9, 11, 13])
def test_equal_weights_that_add_up_to_a_hair_over_one_never_deploy_more_than_there_is(count):
    symbols = [f"S{chr(65 + number)}" for number in range(count)]
    sizing = sized(
        picks(*symbols),
        dict.fromkeys(symbols, D("0.01")),
        fractional=frozenset(map(Symbol, symbols)),
    )
    assert sizing.deployed_value <= sizing.deployable
    assert sum(line.target_value for line in sizing.lines) <= sizing.deployable


def test_fractional_lines_have_nine_decimals_rounded_down_and_no_respreading():
    sizing = sized(
        picks("A", "B"),
        {"A": D("268.56"), "B": D("2000")},
        fractional=frozenset({Symbol("A")}),
        equity=D(1_000),
    )
    assert line(sizing, "A").qty == D("1.861781352")
    assert line(sizing, "A").value <= 500
    assert line(sizing, "B").qty == 0


@pytest.mark.parametrize(
    ("price", "note"),
    [
        (None, "no price"),
        (D(0), "no price: 0 is not one"),
        (D(-3), "no price: -3 is not one"),
        (D("NaN"), "no price: NaN is not one"),
    ],
)
def test_a_pick_without_a_usable_price_is_a_line_of_zero_with_the_reason(price, note):
    prices = {"A": D(100)} | ({} if price is None else {"B": price})
    sizing = sized(picks("A", "B"), prices)
    assert line(sizing, "B").qty == 0
    assert line(sizing, "B").price is None
    assert line(sizing, "B").note == note
    assert line(sizing, "A").qty == 50


@pytest.mark.parametrize("equity", [D(0), D(-1), D("NaN"), D("Infinity")])
def test_s025_an_account_worth_nothing_is_refused(equity):
    with pytest.raises(RefusedError, match=r"^cannot size: equity is"):
        sized(picks("A"), {"A": D(1)}, equity=equity)


def test_going_to_cash_needs_no_equity():
    sizing = sized(picks("A"), {"A": D(1)}, equity=D(-5), allocation=D(0))
    assert (sizing.deployable, quantities(sizing)) == (0, {"A": 0})


@pytest.mark.parametrize("name", ["allocation", "cash_reserve_pct", "max_position_pct", "scale"])
@pytest.mark.parametrize("value", [D("-0.01"), D("1.01"), D("NaN")])
def test_fractions_outside_zero_to_one_are_refused_by_name(name, value):
    with pytest.raises(RefusedError, match=f"cannot size: {name} is"):
        sized(picks("A"), {"A": D(1)}, **{name: value})


@pytest.mark.parametrize("weight", [D(0), D("-0.1"), D("NaN")])
def test_s144_a_weight_that_is_not_positive_is_refused(weight):
    with pytest.raises(RefusedError, match="weight of A is"):
        sized(picks("A", weight=weight), {"A": D(1)})


def test_s144_weights_over_one_and_symbols_twice_are_refused():
    with pytest.raises(RefusedError, match=r"weights add up to 1\.02"):
        sized(picks("A", "B", weight=D("0.51")), {"A": D(1), "B": D(1)})
    with pytest.raises(RefusedError, match="A is picked twice"):
        sized(picks("A", "A"), {"A": D(1)})


def test_s129_weights_under_one_keep_the_rest_in_cash():
    sizing = sized(picks("A", "B", weight=D("0.4")), {"A": D(10), "B": D(10)})
    assert sizing.cash_left == 2_000


def test_s124_not_enough_for_a_single_share_orders_nothing_and_reports_the_rest():
    sizing = sized(picks("A"), {"A": D("10000.01")})
    assert (line(sizing, "A").qty, sizing.cash_left) == (0, 10_000)
    assert line(sizing, "A").note


def test_nothing_picked_is_all_cash():
    assert sized([], {}).cash_left == 10_000


@pytest.mark.parametrize(
    ("value", "price", "fractional", "shares"),
    [
        ("1000", "100", False, "10"),
        ("999.999999999", "100", False, "9"),
        ("0", "100", False, "0"),
        ("-5", "100", True, "0"),
        ("1", "3", True, "0.333333333"),
        ("20", "2", True, "10"),
        ("0.0000000009", "1", True, "0"),
        # 28 digits would round this quotient up to 3.
        ("2.99999999999999999999999999999", "1", False, "2"),
    ],
)
def test_shares_are_rounded_down_exactly(value, price, fractional, shares):
    qty = shares_for(D(value), D(price), fractional=fractional)
    assert qty == D(shares)
    assert "E" not in str(qty)


MONEY = st.decimals("0.01", "5000", places=2)
SYMBOLS = st.lists(
    st.text("ABCDEFGH", min_size=1, max_size=4), min_size=1, max_size=12, unique=True
)


@st.composite
def cases(draw):
    symbols = draw(SYMBOLS)
    parts = [draw(st.integers(1, 100)) for _ in symbols]
    slack = draw(st.integers(0, 50))
    chosen = [
        Pick(Symbol(symbol), D(part) / (sum(parts) + slack), close=None)
        for symbol, part in zip(symbols, parts, strict=True)
    ]
    prices = {pick.symbol: draw(MONEY) for pick in chosen if draw(st.integers(0, 9))}
    figures = {
        "equity": draw(st.decimals("1", "2000000", places=2)),
        "allocation": draw(st.sampled_from([*ALLOCATION.values(), D("0.55")])),
        "cash_reserve_pct": draw(st.sampled_from([D(0), D("0.01"), D("0.2")])),
        "max_position_pct": draw(st.sampled_from([D("0.05"), D("0.15"), D("0.3333"), D(1)])),
        "fractional": frozenset(pick.symbol for pick in chosen if draw(st.booleans())),
        "respread": draw(st.booleans()),
    }
    return chosen, prices, figures


@given(cases())
@settings(max_examples=150, deadline=None)
def test_sizing_keeps_every_limit_and_accounts_for_every_pick(case):
    chosen, prices, figures = case
    sizing = size_lines(chosen, prices, **figures)
    equity, cap = figures["equity"], figures["equity"] * figures["max_position_pct"]
    assert sizing.deployable <= equity * figures["allocation"]
    assert sizing.deployable <= equity * (1 - figures["cash_reserve_pct"])
    assert sizing.deployed_value <= sizing.deployable
    assert sizing.cash_left == equity - sizing.deployed_value >= 0
    assert [line.symbol for line in sizing.lines] == [pick.symbol for pick in chosen]
    assert sizing.deployed_value == sum(line.value for line in sizing.lines)
    for each in sizing.lines:
        assert each.qty >= 0
        assert each.value <= cap
        assert each.value == each.qty * (each.price or 0)
        assert each.qty or each.note or not each.target_value
        if each.price is not None and each.symbol not in figures["fractional"]:
            assert each.qty == each.qty.to_integral_value()
            assert abs(each.value - each.target_value) < each.price


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=75, deadline=None)
def test_the_order_of_picks_and_prices_changes_no_quantity(case, random):
    chosen, prices, figures = case
    mixed, mixed_prices = list(chosen), list(prices.items())
    random.shuffle(mixed)
    random.shuffle(mixed_prices)
    one = size_lines(chosen, prices, **figures)
    other = size_lines(mixed, dict(mixed_prices), **figures)
    assert {line.symbol: line for line in one.lines} == {line.symbol: line for line in other.lines}


@given(cases())
@settings(max_examples=75, deadline=None)
def test_respreading_leaves_no_share_that_would_still_fit(case):
    chosen, prices, figures = case
    sizing = size_lines(chosen, prices, **(figures | {"respread": True}))
    cap = figures["equity"] * figures["max_position_pct"]
    spare = sizing.deployable - sizing.deployed_value
    floor = size_lines(chosen, prices, **(figures | {"respread": False}))
    for each, plain in itertools.zip_longest(sizing.lines, floor.lines):
        assert 0 <= each.qty - plain.qty <= 1
        if each.price is None or each.symbol in figures["fractional"]:
            assert each.qty == plain.qty
        elif each.value < each.target_value:
            assert each.price > spare or each.value + each.price > cap
