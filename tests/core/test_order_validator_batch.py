"""A whole batch of orders, judged on what it leads to."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core.order_validator import BatchVerdict, OrderValidator
from atlas_daemon.core.sizing import size_lines
from atlas_daemon.core.values import (
    ALLOCATION,
    BrokerOrderId,
    Draft,
    OpenOrder,
    OrderId,
    OrderType,
    Pick,
    Position,
    Regime,
    RunId,
    Side,
    Symbol,
)
from tests.core.order_builders import ACCOUNT, AT, buy, position, sell, validator

D = Decimal


def batch(
    orders,
    *,
    account=ACCOUNT,
    regime="TREND_BULL",
    positions=(),
    pending_orders=(),
    current_time: datetime | None = AT,
    with_validator: OrderValidator | None = None,
) -> BatchVerdict:
    return (with_validator or validator()).validate_order_batch(
        orders,
        account,
        regime,
        positions=list(positions),
        pending_orders=pending_orders,
        current_time=current_time,
    )


def ten_lines(value: int = 995) -> list[dict]:
    return [buy(f"S{letter}", 1, value) for letter in "ABCDEFGHIJ"]


def test_a_sound_batch_is_valid():
    verdict = batch(ten_lines())
    assert verdict.errors == ()
    assert verdict.valid
    assert verdict.warnings == ("no stop known for heat: SA, SB, SC, SD, SE, SF, SG, SH, SI, SJ",)


def test_an_empty_batch_is_valid():
    assert batch([]).valid


@pytest.mark.parametrize(
    ("orders", "more", "error"),
    [
        ([buy(qty=16)], {}, "AAPL: position size: 1,600.00 (16 %) is over 1,500.00 (15 %)"),
        ([buy(qty=6)], {"positions": [position()]},
         "AAPL: position size: 1,600.00 (16 %) is over 1,500.00 (15 %)"),
        ([buy()], {"account": ACCOUNT | {"buying_power": "999.99"}},
         "buying power: 1,000.00 is over 999.99"),
        ([buy()], {"account": ACCOUNT | {"cash": "999.99"}},
         "cash only: 1,000.00 is over 999.99"),
        ([buy("BTC/USD")], {}, "BUY 10 BTC/USD: symbol format: 'BTC/USD' is no US stock symbol, "
         "must be 1-5 capitals, then at most a dot and 1-3 more"),
        ([buy(qty=1), buy(qty=2)], {},
         "BUY 2 AAPL: no duplicate order: 1 pending BUY AAPL, limit 0 pending"),
        ([buy()], {"pending_orders": [buy(qty=3)]},
         "BUY 10 AAPL: no duplicate order: 1 pending BUY AAPL, limit 0 pending"),
        ([buy()], {"pending_orders": [sell()]},
         "BUY 10 AAPL: no opposite order: 1 pending SELL AAPL, limit 0 pending"),
        ([sell(qty=1), buy(qty=1)], {"positions": [position()]},
         "BUY 1 AAPL: no opposite order: 1 pending SELL AAPL, limit 0 pending"),
        ([buy()], {"regime": "CRASH"}, "regime compliance: 10 % is over 0 % (CRASH)"),
        ([buy()], {"regime": "TREND_BEAR", "positions": [position("MSFT", 1, "2000.01")]},
         "regime compliance: 30.0001 % is over 30 % (TREND_BEAR)"),
        ([sell(qty=11)], {"positions": [position()]},
         "SELL 11 AAPL: sells within holding: 11 shares is over 10 shares"),
        ([sell(qty=6)], {"positions": [position(qty_available=5)]},
         "SELL 6 AAPL: sells within holding: 6 shares is over 5 shares"),
        ([sell()], {}, "SELL 10 AAPL: sells within holding: 10 shares is over 0 shares"),
        ([buy()], {"current_time": datetime(2026, 11, 26, 15, tzinfo=UTC)},
         "market hours: 2026-11-26 10:00:00 New York is on no NYSE session, must be within one"),
        ([buy()], {"current_time": datetime(2026, 11, 27, 15)},  # noqa: DTZ001
         "market hours: 2026-11-27T15:00:00 has no time zone"),
        ([buy(stop=19.99)], {},
         "portfolio heat: 800.10 (8.001 %) is over 800.00 (8 %)"),
    ],
)  # fmt: skip
def test_a_batch_that_breaks_one_rule_names_it(orders, more, error):
    verdict = batch(orders, **more)
    assert verdict.errors == (error,)
    assert not verdict.valid


def test_every_broken_rule_is_named():
    verdict = batch(
        [buy(qty=200), sell("MSFT", 5)], account=ACCOUNT | {"buying_power": 5}, regime="CRASH"
    )
    named = [error.split(": ")[-2] for error in verdict.errors]
    assert named == [
        "sells within holding",
        "buying power",
        "cash only",
        "position size",
        "total allocation",
        "regime compliance",
    ]


@pytest.mark.parametrize("equity", [0, "-5"])
def test_s025_a_buy_in_an_account_worth_nothing_is_refused(equity):
    verdict = batch([buy()], account=ACCOUNT | {"equity": equity})
    assert f"AAPL: position size: portfolio value is {equity}, must be above 0" in verdict.errors


def test_sells_that_reduce_risk_pass_where_every_limit_is_exceeded():
    positions = [position(qty=100, value=20_000, current_price=200, stop_price=1)]
    account = {"equity": 0, "cash": -10_000, "buying_power": -1}
    verdict = batch([sell(qty=50)], account=account, regime="NO_SUCH", positions=positions)
    assert verdict.errors == ()
    assert batch([sell(qty=50)], account={}, regime="CRASH", positions=positions).valid


def test_buys_may_spend_what_the_sells_of_the_batch_bring():
    account = {"equity": 10_000, "cash": 0, "buying_power": 0}
    positions = [position("OLD", 100, 1400), position("BIG", 10, 1400)]
    orders = [sell("OLD", 100), buy("NEW", 14, 100)]
    assert batch(orders, account=account, positions=positions).valid
    dearer = [sell("OLD", 100), buy("NEW", 14, "100.01")]
    assert batch(dearer, account=account, positions=positions).errors == (
        "buying power: 1,400.14 is over 1,400.00",
        "cash only: 1,400.14 is over 1,400.00",
    )


def test_selling_all_of_a_position_leaves_nothing_of_it():
    positions = [position("OLD", 3, "7000"), position("TOP", 1, "3000")]
    verdict = batch(
        [sell("OLD", 3, price=1), buy("NEW", 1, 1500)], positions=positions, regime="TREND_NEUTRAL"
    )
    assert verdict.errors == ()


def test_open_buys_count_as_deployed_and_as_spent():
    pending = [buy("MSFT", 20, 100, filled_qty="10"), sell("OLD", 1)]
    account = ACCOUNT | {"cash": "1999.99"}
    verdict = batch([buy()], account=account, regime="TREND_BEAR", pending_orders=pending)
    assert verdict.errors == ("cash only: 1,000.00 is over 999.99",)
    positions = [position("OLD", 1, "1000.01")]
    verdict = batch([buy()], regime="TREND_BEAR", pending_orders=pending, positions=positions)
    assert verdict.errors == ("regime compliance: 30.0001 % is over 30 % (TREND_BEAR)",)


def test_an_open_buy_of_unknown_value_lets_no_buy_pass_but_sells():
    pending = [{"symbol": "MSFT", "side": "buy", "qty": 5}]
    assert batch([buy()], pending_orders=pending).errors == (
        "BUY 5 MSFT: order has no price and no order_value",
    )
    assert batch([sell(qty=1)], pending_orders=pending, positions=[position()]).valid


@pytest.mark.parametrize(
    ("orders", "error"),
    [
        ([{"side": "buy", "qty": 1}], "order has no symbol: {'side': 'buy', 'qty': 1}"),
        ([buy(price=None)], "BUY 10 AAPL: order has no price and no order_value"),
        ([buy(price=0)], "BUY AAPL: price is 0, must be > 0"),
        ([buy(price=-5)], "BUY AAPL: price is -5, must be > 0"),
        ([buy(qty=-5)], "BUY AAPL: qty is -5, must be > 0"),
        ([buy(qty="ten")], "qty is 'ten', must be a number"),
        ([buy(qty=None, price=None, order_value=0)], "BUY AAPL: order_value is 0, must be > 0"),
        ([buy(side="hold")], "order of AAPL: side is 'hold', must be buy or sell"),
        ([{"symbol": "AAPL", "side": "sell", "notional": 5}],
         "SELL AAPL: a sell needs its qty"),
        ([7], "order has no symbol: 7"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_name(orders, error):
    verdict = batch(orders, positions=[position()])
    assert verdict == BatchVerdict(False, (error,), ())


def test_the_dearest_of_what_an_order_says_counts():
    assert not batch([buy(qty=10, price=100, order_value=1500.01)]).valid
    assert not batch([buy(qty=10, price=100, limit_price="150.01")]).valid
    assert not batch([buy(qty=10, price="150.01", order_value=1)]).valid


def test_an_account_without_equity_is_refused_by_name():
    verdict = batch([buy()], account={"cash": 1, "buying_power": 1})
    assert verdict.errors == ("account has no portfolio_value or equity",)


# --- warnings -------------------------------------------------------------------------------


def test_a_dry_run_without_a_time_warns_that_hours_were_not_checked():
    verdict = batch([], current_time=None)
    assert verdict.valid
    assert "market hours not checked: no current_time given" in verdict.warnings


def test_without_positions_sells_are_not_checked_and_the_warning_says_so():
    verdict = validator().validate_order_batch(
        orders=[sell("OLD", 5, price=100), sell("GONE", 5), buy(qty=15)],
        account_info={"equity": 10_000, "buying_power": 1000, "cash": 1000},
        regime="TREND_BULL",
        current_time=AT,
    )
    assert verdict.valid
    assert "holdings not checked: no positions given" in verdict.warnings
    assert "holdings not checked: no positions given" not in batch([]).warnings


def test_without_cash_buying_power_alone_decides_and_the_warning_says_so():
    account = {"equity": 10_000, "buying_power": 1000}
    verdict = batch([buy()], account=account)
    assert verdict.valid
    assert "cash not given: buys checked against buying power only" in verdict.warnings
    assert not batch([buy(price="100.01")], account=account).valid


def test_an_allocation_over_100_per_cent_warns():
    positions = [position("OLD", 1, 9001)]
    verdict = batch([buy()], positions=positions)
    assert "total allocation 100.01 % is above 100 %" in verdict.warnings


def test_a_line_of_no_shares_is_a_warning_and_no_order():
    verdict = batch([buy(qty=0, price=None), buy("MSFT", 0, 0)])
    assert verdict.valid
    assert verdict.warnings == ("AAPL: a line of 0 shares", "MSFT: a line of 0 shares")


@pytest.mark.parametrize(("regime", "warns"), [("TREND_BULL", True), ("TREND_BEAR", False)])
def test_caps_that_cannot_reach_the_regimes_allocation_warn(regime, warns):
    verdict = batch([buy("A", 1, 999), buy("B", 1, 999), buy("C", 1, 999)], regime=regime)
    text = (
        "caps below the regime's allocation: 3 lines of at most 15 % reach 45 %, "
        "TREND_BULL allows 100 %"
    )
    assert verdict.valid
    assert (text in verdict.warnings) is warns


def test_heat_follows_the_batch():
    positions = [
        position("KEPT", 100, None, price=10, stop=6),
        position("LESS", 100, 1000, price=10, stop=4),
        position("GONE", 100, 1000, price=10, stop=1),
        position("BARE", None, 100),
    ]
    orders = [sell("LESS", 50), sell("GONE", 100), buy("NEW", 10, 100, stop_loss=90)]
    assert batch(orders, positions=positions).errors == ()
    verdict = batch([*orders[:2], buy("NEW", 10, 100, stop_loss="89.99")], positions=positions)
    assert verdict.errors == ("portfolio heat: 800.10 (8.001 %) is over 800.00 (8 %)",)
    assert "no stop known for heat: BARE" in verdict.warnings


# --- the core's own records -----------------------------------------------------------------


def test_the_cores_records_are_read_too():
    draft = Draft(
        OrderId("atlas-x"), RunId("x"), Symbol("AAPL"), Side.BUY, D(5), OrderType.MARKET, D(100)
    )
    holding = Position(Symbol("AAPL"), D(10), D(90), D(10), price=D(100))
    at_cost = Position(Symbol("MSFT"), D(1), D(100), D(1))
    open_order = OpenOrder(
        BrokerOrderId("b"), "atlas-y", Symbol("MSFT"), Side.SELL, D(1), D(0), "new"
    )
    verdict = batch([draft], positions=[holding, at_cost], pending_orders=[open_order])
    assert verdict.errors == ()
    bigger = batch(
        [draft],
        positions=[holding],
        pending_orders=[open_order],
        account=ACCOUNT | {"equity": 9999},
    )
    assert bigger.errors == ("AAPL: position size: 1,500.00 (15.0016 %) is over 1,499.85 (15 %)",)


SYMBOLS = st.sampled_from(["A", "B", "C", "BRK-B"])
ORDERS = st.lists(
    st.builds(
        lambda symbol, side, qty, price: {
            "symbol": symbol, "side": side, "qty": qty, "price": price
        },
        SYMBOLS,
        st.sampled_from(["buy", "sell"]),
        st.integers(0, 60),
        st.decimals("0.01", "300", places=2),
    ),
    max_size=4,
)  # fmt: skip
HOLDINGS = st.dictionaries(SYMBOLS, st.integers(1, 50), max_size=4)


@given(
    orders=ORDERS,
    holdings=HOLDINGS,
    cash=st.decimals("0", "9000", places=2),
    regime=st.sampled_from(["TREND_BULL", "TREND_NEUTRAL", "TREND_BEAR", "CRASH"]),
)
@settings(max_examples=200, deadline=None)
def test_a_valid_batch_keeps_every_limit(orders, holdings, cash, regime):
    positions = [position(symbol, qty, qty * 100) for symbol, qty in holdings.items()]
    equity = cash + 100 * sum(holdings.values())
    account = {"equity": equity, "cash": cash, "buying_power": 4 * cash}
    verdict = batch(orders, account=account, regime=regime, positions=positions)
    if not verdict.valid:
        assert verdict.errors
        return
    values = {symbol: D(qty * 100) for symbol, qty in holdings.items()}
    bought, sold, changed = D(0), D(0), set()
    for order in orders:
        if order["qty"] == 0:
            continue
        assert order["symbol"] not in changed
        changed.add(order["symbol"])
        if order["side"] == "sell":
            assert order["qty"] <= holdings[order["symbol"]]
            values[order["symbol"]] -= order["qty"] * 100
            sold += order["qty"] * 100
        else:
            cost = order["qty"] * order["price"]
            values[order["symbol"]] = values.get(order["symbol"], D(0)) + cost
            bought += cost
            assert values[order["symbol"]] <= equity * D("0.15")
    if bought:
        share = {"TREND_BULL": "1", "TREND_NEUTRAL": "0.7", "TREND_BEAR": "0.3", "CRASH": "0"}
        assert bought <= cash + sold
        assert sum(values.values()) <= equity * D(share[regime])


@st.composite
def sizings(draw):
    symbols = draw(st.lists(st.text("ABCDEFGH", min_size=1, max_size=4), max_size=12, unique=True))
    picks = [Pick(Symbol(symbol), D(1) / len(symbols), close=None) for symbol in symbols]
    return picks, {pick.symbol: draw(st.decimals("0.01", "5000", places=2)) for pick in picks}


@given(
    chosen=sizings(),
    equity=st.decimals("100", "2000000", places=2),
    regime=st.sampled_from(list(Regime)),
    fractional=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_what_the_planner_sizes_the_gates_let_pass(chosen, equity, regime, fractional):
    picks, prices = chosen
    sizing = size_lines(
        picks,
        prices,
        equity=equity,
        allocation=ALLOCATION[regime],
        cash_reserve_pct=D("0.01"),
        max_position_pct=D("0.15"),
        fractional=frozenset(prices) if fractional else frozenset(),
    )
    orders = [buy(line.symbol, line.qty, line.price) for line in sizing.lines]
    account = {"equity": equity, "cash": equity, "buying_power": equity}
    assert batch(orders, account=account, regime=regime).errors == ()
