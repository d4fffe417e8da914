"""The seed's face of the rules: dicts and records in, (ok, sentence) or a batch verdict out."""

import inspect
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import pytest

from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.order_reader import UnreadableInputError
from atlas_daemon.core.order_validator import BatchVerdict, OrderValidator
from atlas_daemon.core.values import (
    Asset,
    Symbol,
)
from tests.core.order_builders import AT, buy, position, sell, validator

D = Decimal


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("__init__", "max_position_pct max_portfolio_heat max_total_allocation sessions assets"),
        ("validate_buying_power", "account_info order_value"),
        ("validate_position_size", "order_value portfolio_value"),
        ("validate_total_allocation", "positions new_orders portfolio_value"),
        ("validate_no_duplicate_orders", "pending_orders symbol side qty"),
        ("validate_market_hours", "current_time"),
        ("validate_regime_compliance", "regime allocation_pct"),
        ("validate_symbol", "symbol"),
        (
            "validate_order_batch",
            "orders account_info regime positions pending_orders current_time",
        ),
    ],
)
def test_the_seeds_methods_have_the_seeds_parameters(name, parameters):
    signature = inspect.signature(getattr(OrderValidator, name))
    assert list(signature.parameters)[1:] == parameters.split()


def test_the_seeds_defaults_stand():
    plain = validator()
    assert (plain.max_position_pct, plain.max_portfolio_heat) == (D("0.15"), D("0.08"))
    assert plain.max_total_allocation == D("1.05")
    parameters = inspect.signature(OrderValidator.validate_order_batch).parameters
    assert parameters["positions"].default == ()


@pytest.mark.parametrize("limit", [0, -0.1, float("nan"), "a lot", None, True])
def test_a_limit_that_makes_no_sense_is_refused_by_name(limit):
    with pytest.raises(UsageError, match="max_position_pct is"):
        validator(limit)


def test_a_batch_verdict_is_frozen_and_reads_like_the_seeds_dict():
    verdict = BatchVerdict(False, ("bad",), ("odd",))
    assert verdict["valid"] is False
    assert verdict["errors"] == ["bad"]
    assert verdict["warnings"] == ["odd"]
    assert dict(verdict) == {"valid": False, "errors": ["bad"], "warnings": ["odd"]}
    with pytest.raises(KeyError):
        verdict["order"]
    with pytest.raises(FrozenInstanceError):
        verdict.valid = True


@dataclass
class AccountRecord:
    buying_power: float


@pytest.mark.parametrize(
    ("account", "value", "ok"),
    [
        ({"buying_power": "1000.10"}, 1000.1, True),
        ({"buying_power": 1000.1}, "1000.11", False),
        (AccountRecord(1000.1), D("1000.1"), True),
        ({"equity": 5}, 1, False),
        ({"buying_power": None}, 1, False),
        ({"buying_power": "much"}, 1, False),
        ({"buying_power": True}, 1, False),
        ({"buying_power": 10}, float("nan"), False),
        ({"buying_power": "inf"}, 1, False),
        (None, 1, False),
    ],
)
def test_buying_power(account, value, ok):
    answer, text = validator().validate_buying_power(account, value)
    assert answer is ok
    assert "buying" in text or "order_value" in text


@pytest.mark.parametrize(
    ("order_value", "portfolio_value", "ok"),
    [
        (1500.0, 10000.0, True),
        (1500.01, 10000.0, False),
        (0.15 * 10109.39, 10109.39, True),
        (150, 0, False),
        ("x", 10000, False),
    ],
)
def test_exactly_fifteen_per_cent_passes_and_floats_enter_as_they_are_written(
    order_value, portfolio_value, ok
):
    assert validator().validate_position_size(order_value, portfolio_value)[0] is ok


@pytest.mark.parametrize(
    ("positions", "orders", "portfolio_value", "ok"),
    [
        ([position(value=9500)], [buy("MSFT")], 10_000, True),
        ([position(value=9500)], [buy("MSFT", price="100.001")], 10_000, False),
        ([position(value=9500)], [{"symbol": "MSFT", "order_value": 1000}], 10_000, True),
        ([position(value=9500)], [{"symbol": "MSFT", "notional": "1001"}], 10_000, False),
        ([position(value=20_000)], [sell(qty=1)], 10_000, True),
        ([position(value=20_000)], [sell(qty=1)], None, True),
        ([position(value=9000), position("MSFT", 5, 3000)],
         [sell(qty=5), buy("NVDA", 10, 300)], 10_000, True),
        ([position(value=9000), position("MSFT", 5, 3000)],
         [sell(qty=5), buy("NVDA", 10, "300.01")], 10_000, False),
        ([position(value=-9500)], [buy("MSFT", price="100.001")], 10_000, False),
        ([], [], 10_000, True),
        ([], [], None, False),
        ([position()], [buy("MSFT")], None, False),
        ([position()], [buy("MSFT", price=None)], 10_000, False),
        ([position(value=None, qty=None)], [], 10_000, False),
        ([position(), position()], [], 10_000, False),
        ([{"qty": 1}], [], 10_000, False),
    ],
)  # fmt: skip
def test_total_allocation_is_positions_less_sells_plus_buys(positions, orders, portfolio_value, ok):
    answer = validator().validate_total_allocation(
        positions, orders, portfolio_value=portfolio_value
    )
    assert answer[0] is ok


def test_the_warning_of_a_passed_rule_is_in_its_sentence():
    ok, text = validator().validate_total_allocation(
        [position(value=10_200)], [], portfolio_value=10_000
    )
    assert ok
    assert text.endswith("total allocation 102 % is above 100 %")


class WireSide(Enum):
    BUY = "buy"


@pytest.mark.parametrize(
    ("pending", "qty", "ok"),
    [
        ([], None, True),
        ([sell()], None, True),
        ([buy("MSFT")], None, True),
        ([buy()], None, False),
        ([buy()], 10, False),
        ([buy()], "11", True),
        ([buy(side="BUY")], None, False),
        ([buy(side=WireSide.BUY)], None, False),
        ([buy(status="filled")], None, True),
        ([buy(status="CANCELED")], None, True),
        ([buy(status="partially_filled")], None, False),
        ([buy(status="no_such_status")], None, False),
        ([{"symbol": "AAPL", "side": "buy", "notional": "500"}], 10, False),
        ([buy(side="hold")], None, False),
        ([buy(side=None)], None, False),
        ([], "many", False),
    ],
)  # fmt: skip
def test_no_order_is_doubled(pending, qty, ok):
    assert validator().validate_no_duplicate_orders(pending, "AAPL", "buy", qty)[0] is ok


def test_a_duplicate_is_found_under_the_other_spelling_of_a_class_share():
    assert not validator().validate_no_duplicate_orders([buy("BRK.B")], "BRK-B", "BUY")[0]


def test_a_side_that_is_none_is_refused():
    ok, text = validator().validate_no_duplicate_orders([], "AAPL", "short")
    assert (ok, text) == (False, "order of AAPL: side is 'short', must be buy or sell")


@pytest.mark.parametrize(
    ("at", "ok"),
    [
        (AT, True),
        (datetime(2026, 11, 27, 14, 29, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 27, 18, tzinfo=UTC), False),
        (datetime(2026, 11, 26, 15, tzinfo=UTC), False),
        (datetime(2026, 11, 27, 15), False),  # noqa: DTZ001
    ],
)
def test_market_hours(at, ok):
    answer, text = validator().validate_market_hours(at)
    assert answer is ok
    assert text.startswith("market hours: ")


@pytest.mark.parametrize(
    ("at", "ok"),
    [
        (datetime(2026, 11, 27, 17, 59, 59, tzinfo=UTC), True),  # the day after Thanksgiving
        (datetime(2026, 11, 27, 18, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 25, 14, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 25, 20, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 25, 21, 0, tzinfo=UTC), False),
        (datetime(2026, 7, 1, 13, 30, tzinfo=UTC), True),  # New York is an hour nearer in summer
        (datetime(2026, 11, 26, 15, 0, tzinfo=UTC), False),  # Thanksgiving
        (datetime(2025, 1, 9, 15, 0, tzinfo=UTC), False),  # a day of mourning
        (datetime(2026, 11, 22, 15, 0, tzinfo=UTC), False),  # a Sunday
        (datetime(2051, 2, 1, 15, 0, tzinfo=UTC), False),  # beyond what the calendar knows
    ],
)
def test_without_a_calendar_it_is_nyses(at, ok):
    assert OrderValidator().validate_market_hours(at)[0] is ok


def test_regime_compliance():
    assert validator().validate_regime_compliance("TREND_NEUTRAL", 0.7)[0]
    assert not validator().validate_regime_compliance("TREND_NEUTRAL", 0.7001)[0]
    assert not validator().validate_regime_compliance("CRASH", "0.01")[0]
    assert not validator().validate_regime_compliance("", 0)[0]
    assert not validator().validate_regime_compliance("CRASH", None)[0]


ASSETS = {
    "AAPL": Asset(Symbol("AAPL"), tradable=True),
    "BRK.B": {"tradable": True, "status": "active"},
    "DEAD": {"tradable": False},
    "ODD": {"tradable": "yes"},
}


@pytest.mark.parametrize(
    ("symbol", "by_format", "by_asset"),
    [
        ("AAPL", True, True),
        ("BRK-B", True, True),
        ("DEAD", True, False),
        ("ODD", True, False),
        ("NOSUC", True, False),
        ("BTC/USD", False, False),
    ],
)
def test_a_symbol_is_checked_by_format_and_by_asset_where_assets_are_known(
    symbol, by_format, by_asset
):
    assert validator().validate_symbol(symbol)[0] is by_format
    assert validator(assets=ASSETS).validate_symbol(symbol)[0] is by_asset


def test_portfolio_heat():
    stopped = position(qty=100, value=5000, current_price=50, stop_price=42)
    assert validator().validate_portfolio_heat([stopped], 10_000)[0]
    assert not validator().validate_portfolio_heat([stopped | {"stop_price": 41.99}], 10_000)[0]
    ok, text = validator().validate_portfolio_heat([position()], 10_000)
    assert ok
    assert text.endswith("; no stop known for heat: AAPL")


def test_unreadable_input_is_a_usage_error():
    assert issubclass(UnreadableInputError, UsageError)
