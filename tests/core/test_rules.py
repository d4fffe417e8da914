"""The rules, each at its edge: the limit itself passes, one cent over does not."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import rules
from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.values import Asset, Regime, Session, Side, Symbol

D = Decimal
NAN, INFINITY = D("NaN"), D("Infinity")
CAP, TOTAL, HEAT = D("0.15"), D("1.05"), D("0.08")


def order(symbol: str, side: Side, qty: str | None) -> SimpleNamespace:
    return SimpleNamespace(symbol=symbol, side=side, qty=None if qty is None else D(qty))


@pytest.mark.parametrize(
    ("verdict", "ok"),
    [
        (rules.buying_power(D("1000"), D("1000")), True),
        (rules.buying_power(D("1000"), D("1000.01")), False),
        (rules.buying_power(D("-1"), D("0")), True),
        (rules.buying_power(D("-1"), D("0.01")), False),
        (rules.buying_power(D("1000"), D("-1")), False),
        (rules.buying_power(D("1000"), NAN), False),
        (rules.buying_power(INFINITY, D("1")), False),
        (rules.cash_only(D("1000"), D("1000")), True),
        (rules.cash_only(D("1000.01"), D("1000")), False),
        (rules.position_size(D("1500"), D("10000"), CAP), True),
        (rules.position_size(D("1500.01"), D("10000"), CAP), False),
        (rules.position_size(D("1500.0000000000001"), D("10000"), CAP), False),
        (rules.position_size(D("-1"), D("10000"), CAP), False),
        (rules.position_size(NAN, D("10000"), CAP), False),
        (rules.position_size(D("1E+40"), D("10000"), CAP), False),
        (rules.total_allocation(D("10500"), D("10000"), TOTAL), True),
        (rules.total_allocation(D("10500.01"), D("10000"), TOTAL), False),
        (rules.sells_within_holding(D("10"), D("10")), True),
        (rules.sells_within_holding(D("0.5"), D("0.5")), True),
        (rules.sells_within_holding(D("10.000000001"), D("10")), False),
        (rules.sells_within_holding(D("1"), D("-10")), False),
        (rules.sells_within_holding(D("0"), D("10")), False),
        (rules.sells_within_holding(D("-1"), D("10")), False),
        (rules.sells_within_holding(NAN, D("10")), False),
        (rules.sells_within_holding(D("1"), NAN), False),
    ],
)
def test_the_limit_itself_passes_and_a_cent_over_does_not(verdict, ok):
    assert verdict.ok is ok
    assert bool(verdict) is ok


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            rules.position_size(D("1500.01"), D("10000"), CAP),
            "position size: 1,500.01 (15.0001 %) is over 1,500.00 (15 %)",
        ),
        (
            rules.position_size(D("1500.0000000000001"), D("10000"), CAP),
            "position size: 1,500.000000001 (15.0001 %) is over 1,500.00 (15 %)",
        ),
        (
            rules.buying_power(D("1000"), D("999.5")),
            "buying power: 999.50 is within 1,000.00",
        ),
        (
            rules.regime_compliance(Regime.TREND_BEAR, D("0.31")),
            "regime compliance: 31 % is over 30 % (TREND_BEAR)",
        ),
        (
            rules.sells_within_holding(D("11"), D("10")),
            "sells within holding: 11 shares is over 10 shares",
        ),
        (
            rules.no_duplicate_order([order("A", Side.BUY, "5")], Symbol("A"), Side.BUY),
            "no duplicate order: 1 pending BUY A, limit 0 pending",
        ),
        (
            rules.tradable(Symbol("ZZZ"), None),
            "tradable: ZZZ is unknown to the broker, must be active and tradable",
        ),
    ],
)
def test_a_verdict_names_the_rule_the_actual_and_the_limit(verdict, text):
    assert verdict.text == text
    assert verdict.rule.replace("_", " ") in text
    assert verdict.actual in text
    assert verdict.limit in text


@pytest.mark.parametrize("portfolio_value", [D(0), D("-100"), NAN, INFINITY])
def test_s025_a_portfolio_worth_nothing_is_refused_with_a_clear_word(portfolio_value):
    for verdict in (
        rules.position_size(D(1), portfolio_value, CAP),
        rules.total_allocation(D(1), portfolio_value, TOTAL),
        rules.portfolio_heat([], portfolio_value, HEAT),
    ):
        assert not verdict.ok
        assert f"portfolio value is {portfolio_value}, must be above 0" in verdict.text


@pytest.mark.parametrize("portfolio_value", [D(0), D("-100"), D("100")])
def test_an_order_that_reduces_risk_passes_where_the_limit_is_already_exceeded(portfolio_value):
    for verdict in (
        rules.position_size(D(5000), portfolio_value, CAP, reduces=True),
        rules.total_allocation(D(5000), portfolio_value, TOTAL, reduces=True),
        rules.portfolio_heat([], portfolio_value, HEAT, reduces=True),
        rules.regime_compliance(Regime.CRASH, D("0.9"), reduces=True),
        rules.regime_compliance("NO_SUCH_REGIME", D("0.9"), reduces=True),
    ):
        assert verdict.ok
        assert verdict.text.endswith("passes because the order reduces risk")
        assert verdict.warning is None


@pytest.mark.parametrize(
    ("deployed", "warning"),
    [
        ("10000", None),
        ("10000.01", "total allocation 100.0001 % is above 100 %"),
        ("10500", "total allocation 105 % is above 100 %"),
        ("10500.01", None),
    ],
)
def test_an_allocation_between_100_and_105_per_cent_warns(deployed, warning):
    assert rules.total_allocation(D(deployed), D(10_000), TOTAL).warning == warning


@pytest.mark.parametrize(
    ("regime", "allocation", "ok"),
    [
        ("TREND_BULL", "1.00", True),
        ("TREND_BULL", "1.000001", False),
        ("TREND_NEUTRAL", "0.7", True),
        ("TREND_NEUTRAL", "0.700001", False),
        (Regime.TREND_BEAR, "0.3", True),
        (Regime.TREND_BEAR, "0.300001", False),
        ("CRASH", "0", True),
        ("CRASH", "0.000001", False),
        ("TREND_BULL", "-0.1", False),
        ("TREND_BULL", "NaN", False),
        ("trend_bull", "0.1", False),
        ("UNKNOWN", "0", False),
        ("", "0", False),
        (None, "0", False),
    ],
)
def test_a_regime_allows_its_allocation_and_an_unknown_one_nothing(regime, allocation, ok):
    assert rules.regime_compliance(regime, D(allocation)).ok is ok


def test_an_unknown_regime_is_told_which_ones_there_are():
    text = rules.regime_compliance("BEAR", D(0)).text
    assert "'BEAR' is unknown" in text
    assert all(regime in text for regime in Regime)


PENDING = [
    order("AAPL", Side.BUY, "10"),
    order("MSFT", Side.SELL, "3"),
    order("BRK.B", Side.BUY, None),
]


@pytest.mark.parametrize(
    ("symbol", "side", "qty", "duplicate", "opposite"),
    [
        ("AAPL", Side.BUY, None, True, False),
        ("AAPL", Side.BUY, "10", True, False),
        ("AAPL", Side.BUY, "11", False, False),
        ("AAPL", Side.SELL, "10", False, True),
        ("MSFT", Side.SELL, None, True, False),
        ("MSFT", Side.BUY, None, False, True),
        ("BRK.B", Side.BUY, "7", True, False),
        ("NVDA", Side.BUY, None, False, False),
    ],
)
def test_one_order_per_symbol_is_pending(symbol, side, qty, duplicate, opposite):
    wanted = None if qty is None else D(qty)
    same = rules.no_duplicate_order(PENDING, Symbol(symbol), side, wanted)
    assert same.ok is not duplicate
    assert rules.no_opposite_order(PENDING, Symbol(symbol), side).ok is not opposite


OPEN = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
HALF_DAY = Session(date(2026, 11, 27), OPEN, datetime(2026, 11, 27, 18, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "ok"),
    [
        (OPEN, True),
        (OPEN - timedelta(microseconds=1), False),
        (HALF_DAY.closes_at - timedelta(microseconds=1), True),
        (HALF_DAY.closes_at, False),
        (OPEN.astimezone(NEW_YORK), True),
    ],
)
def test_the_open_belongs_to_the_session_and_the_close_does_not(at, ok):
    verdict = rules.market_hours(at, HALF_DAY)
    assert verdict.ok is ok
    assert verdict.limit == "2026-11-27 09:30-13:00"


def test_no_session_means_closed():
    verdict = rules.market_hours(datetime(2026, 11, 26, 15, tzinfo=UTC), None)
    assert not verdict.ok
    assert verdict.text == (
        "market hours: 2026-11-26 10:00:00 New York is on no NYSE session, must be within one"
    )


def test_a_naive_moment_is_refused_by_a_usage_error_that_is_a_value_error():
    naive = datetime(2026, 11, 27, 10)  # noqa: DTZ001
    with pytest.raises(rules.NaiveTimeError, match="has no time zone") as caught:
        rules.market_hours(naive, HALF_DAY)
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, ValueError)


def test_new_yorks_day_is_not_utcs():
    assert rules.day_of(datetime(2026, 11, 27, 3, tzinfo=UTC)) == date(2026, 11, 26)


@pytest.mark.parametrize(
    ("given_symbol", "ours"),
    [
        ("A", "A"),
        ("AAPL", "AAPL"),
        ("GOOGL", "GOOGL"),
        ("BRK.B", "BRK.B"),
        ("BRK-B", "BRK.B"),
        ("BAC.PRL", "BAC.PRL"),
        ("XYZ.WS", "XYZ.WS"),
    ],
)
def test_a_symbol_comes_out_in_the_brokers_spelling(given_symbol, ours):
    symbol, verdict = rules.symbol_format(given_symbol)
    assert (symbol, verdict.ok) == (ours, True)


@pytest.mark.parametrize(
    "symbol",
    [
        "", "TOO_LONG", "TOOLONG", "ABC1", "123", "aapl", "BRKb", " AAPL", "AAPL ", "AA PL",
        "AAPL\n", "BRK.", ".B", "BRK..B", "BRK.B.C", "BRK/B", "BTC/USD", "BTCUSD",
        "AAPL261218C00200000", "ÄÖ", "A;B", None, 7, float("nan"),
    ],
)  # fmt: skip
def test_what_is_no_us_stock_symbol_is_refused_as_it_was(symbol):
    refused, verdict = rules.symbol_format(symbol)
    assert not verdict.ok
    assert refused == str(symbol)
    assert repr(str(symbol)) in verdict.text


@pytest.mark.parametrize(
    ("asset", "ok"),
    [
        (Asset(Symbol("A"), tradable=True), True),
        (Asset(Symbol("A"), tradable=False), False),
        (Asset(Symbol("A"), tradable=True, status="inactive"), False),
        (None, False),
    ],
)
def test_only_an_active_tradable_asset_passes(asset, ok):
    assert rules.tradable(Symbol("A"), asset).ok is ok


def held(symbol: str, qty: str, price: str, stop: str | None) -> rules.StoppedPosition:
    return rules.StoppedPosition(
        Symbol(symbol), D(qty), D(price), None if stop is None else D(stop)
    )


@pytest.mark.parametrize(
    ("positions", "ok", "warning"),
    [
        ([], True, None),
        ([held("A", "100", "50", "42")], True, None),
        ([held("A", "100", "50", "41.99")], False, None),
        ([held("A", "100", "50", "46"), held("B", "50", "10", "2")], True, None),
        # A locked gain does not pay for another's risk.
        ([held("A", "100", "50", "41.99"), held("B", "100", "10", "20")], False, None),
        ([held("A", "-100", "50", "58")], True, None),
        ([held("B", "1", "1", None), held("A", "1", "1", None), held("A", "1", "1", None)],
         True, "no stop known for heat: A, B"),
        ([held("A", "100", "50", "41.99"), held("B", "1", "1", None)],
         False, "no stop known for heat: B"),
        ([held("A", "100", "50", "NaN")], False, None),
    ],
)  # fmt: skip
def test_heat_is_what_the_stops_would_lose(positions, ok, warning):
    verdict = rules.portfolio_heat(positions, D(10_000), HEAT)
    assert verdict.ok is ok
    assert verdict.warning == warning


BUY = {
    "available": D(10_000),
    "position_value": D(0),
    "deployed_value": D(0),
    "portfolio_value": D(10_000),
    "max_position_pct": CAP,
    "max_total_allocation": TOTAL,
}


@pytest.mark.parametrize(
    ("wanted", "price", "overrides", "qty"),
    [
        ("10", "100", {}, "10"),
        ("15", "100", {}, "15"),
        ("16", "100", {}, "15"),
        ("16", "100", {"position_value": D(1000)}, "5"),
        ("16", "100", {"position_value": D(1500)}, "0"),
        ("16", "100", {"position_value": D(1600)}, "0"),
        ("16", "100", {"available": D("999.99")}, "9"),
        ("16", "100", {"available": D("-1")}, "0"),
        ("16", "100", {"deployed_value": D(10_000)}, "5"),
        ("16", "100", {"deployed_value": D(7_000), "max_total_allocation": D("0.7")}, "0"),
        ("1", "1500.01", {}, "0"),
        ("16", "100", {"portfolio_value": D(0)}, "0"),
        ("16", "0", {}, "0"),
        ("16", "NaN", {}, "0"),
        ("1.5", "100", {}, "1"),
        ("1.5", "100", {"fractional": True}, "1.5"),
        ("9", "700", {"fractional": True}, "2.142857142"),
    ],
)
def test_an_order_over_a_limit_is_cut_to_the_largest_quantity_that_passes(
    wanted, price, overrides, qty
):
    assert rules.largest_passing_qty(D(wanted), D(price), **(BUY | overrides)) == D(qty)


MONEY = st.decimals("-1000", "100000", places=2)


@given(
    wanted=st.decimals("0", "5000", places=9),
    price=st.decimals("0.01", "3000", places=4),
    available=MONEY,
    position_value=MONEY,
    deployed_value=MONEY,
    portfolio_value=MONEY,
    fractional=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_cut_quantity_passes_and_one_step_more_does_not(
    wanted, price, available, position_value, deployed_value, portfolio_value, fractional
):
    def passes(qty: Decimal) -> bool:
        cost = qty * price
        return bool(
            rules.buying_power(available, cost)
            and rules.cash_only(cost, available)
            and position_value + cost <= portfolio_value * CAP
            and deployed_value + cost <= portfolio_value * TOTAL
        )

    qty = rules.largest_passing_qty(
        wanted,
        price,
        available=available,
        position_value=position_value,
        deployed_value=deployed_value,
        portfolio_value=portfolio_value,
        max_position_pct=CAP,
        max_total_allocation=TOTAL,
        fractional=fractional,
    )
    step = D("0.000000001") if fractional else D(1)
    assert 0 <= qty <= wanted
    assert qty == 0 or passes(qty)
    assert qty % step == 0
    assert portfolio_value <= 0 or qty + step > wanted or not passes(qty + step)


@given(value=st.decimals("0", "1e12", places=6), portfolio=st.decimals("1", "1e12", places=2))
@settings(max_examples=150, deadline=None)
def test_a_sentence_never_shows_a_refused_figure_equal_to_its_limit(value, portfolio):
    verdict = rules.position_size(value, portfolio, CAP)
    assert verdict.ok is (value <= portfolio * CAP)
    shown = [D(part.split(" ")[0].replace(",", "")) for part in (verdict.actual, verdict.limit)]
    if not verdict.ok:
        assert shown[0] > shown[1]
