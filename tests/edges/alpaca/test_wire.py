import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from atlas_daemon.core.values import Session, Side
from atlas_daemon.edges.alpaca import wire
from atlas_daemon.edges.alpaca.scalars import WireError
from tests.edges.samples import (
    a_clock,
    a_fill,
    a_position,
    an_account,
    an_asset,
    an_order,
)

D = Decimal


def raw(body: object) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "status",
    ["new", "held", "pending_review", "calculated", "a_status_of_2031"],
)
def test_s095_a_status_that_we_do_not_know_stays_text(status: str) -> None:
    assert wire.order(raw(an_order(status=status, future_field={"a": [1]}))).status == status


def test_an_order_without_optional_fields_is_read() -> None:
    order = wire.order(raw({"id": "x", "status": "accepted"}))
    assert (order.qty, order.filled_qty, order.submitted_at) == (None, D(0), None)
    assert order.type == ""


def test_an_older_order_type_key_is_understood() -> None:
    assert wire.order(raw(an_order(type=None, order_type="limit"))).type == "limit"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": ""},
        {"status": None},
        {"status": " "},
        {"status": "filled", "filled_qty": None},
        {"filled_qty": "-1"},
        {"qty": "-1"},
        {"qty": "ten"},
        {"symbol": 5},
        {"updated_at": "yesterday"},
        {"legs": 7},
    ],
)
def test_an_order_that_contradicts_itself_is_refused(changes) -> None:
    with pytest.raises(WireError) as caught:
        wire.order(raw(an_order(**changes)))
    assert "\n" not in str(caught.value)


def test_one_unreadable_order_makes_the_list_unreadable() -> None:
    with pytest.raises(WireError):
        wire.orders(raw([an_order(), an_order(id=None)]))
    assert wire.orders(b"[]") == ()


def test_s018_an_order_becomes_the_cores_open_order() -> None:
    (open_order,) = wire.order(raw(an_order(side="sell_short", status="NEW"))).open_orders()
    assert open_order.side is Side.SELL
    assert open_order.is_ours
    assert open_order.qty == 10
    assert open_order.status == "new"


def test_a_parent_without_a_side_is_listed_by_its_legs_under_its_own_id() -> None:
    legs = [an_order(id="l1", symbol="SPY"), an_order(id="l2", symbol="QQQ", side="sell")]
    parent = wire.order(raw(an_order(id="p", symbol="", side="", legs=legs)))
    found = parent.open_orders()
    assert [(o.broker_order_id, o.symbol, o.side) for o in found] == [
        ("p", "SPY", Side.BUY),
        ("p", "QQQ", Side.SELL),
    ]


def test_an_order_with_no_side_at_all_does_not_vanish() -> None:
    with pytest.raises(WireError, match="neither buy nor sell"):
        wire.order(raw(an_order(side=None))).open_orders()


def test_the_account_is_read() -> None:
    account = wire.account(raw(an_account(equity=0, trade_suspended_by_user=True)))
    assert (account.number, account.status) == ("PA3XYZ", "ACTIVE")
    assert account.equity == 0
    assert account.cash == D("50000.01")
    assert account.suspended_by_user
    assert not account.trading_blocked


@pytest.mark.parametrize("field", ["equity", "cash", "buying_power", "status"])
def test_an_account_without_its_money_is_refused(field: str) -> None:
    with pytest.raises(WireError, match="account"):
        wire.account(raw(an_account(**{field: None})))


def test_positions_are_signed_and_keep_what_is_available() -> None:
    long, short, bare = wire.positions(
        raw(
            [
                a_position(),
                a_position(side="short", qty="5", qty_available="-5", current_price=None),
                a_position(qty_available=None),
            ]
        )
    )
    assert (long.qty, long.qty_available, long.price) == (10, 7, 460)
    assert (short.qty, short.price) == (-5, None)
    assert bare.qty_available == 10


def test_assets_clock_and_calendar_are_read() -> None:
    assert wire.asset(raw(an_asset(tradable=False))).tradable is False
    assert [asset.symbol for asset in wire.assets(raw([an_asset(symbol="BRK.B")]))] == ["BRK.B"]
    clock = wire.clock(raw(a_clock()), "60")
    assert clock.timestamp == datetime(2027, 2, 1, 14, 35, 0, 123456, tzinfo=UTC)
    assert clock.speed == 60
    assert wire.clock(raw(a_clock())).speed is None


def test_s152_s153_calendar_times_are_new_york_wall_times() -> None:
    days = [
        {"date": "2026-11-27", "open": "09:30", "close": "13:00", "session_open": "0400"},
        {"date": "2026-07-01", "open": "09:30", "close": "16:00"},
    ]
    assert wire.calendar(raw(days)) == (
        Session(
            date(2026, 11, 27),
            datetime(2026, 11, 27, 14, 30, tzinfo=UTC),
            datetime(2026, 11, 27, 18, 0, tzinfo=UTC),
        ),
        Session(
            date(2026, 7, 1),
            datetime(2026, 7, 1, 13, 30, tzinfo=UTC),
            datetime(2026, 7, 1, 20, 0, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize(
    "day",
    [
        {"date": "2026-13-01", "open": "09:30", "close": "16:00"},
        {"date": "2026-11-27", "open": "open", "close": "16:00"},
        {"date": "2026-11-27", "open": "16:00", "close": "09:30"},
        {"date": "0001-01-01", "open": "09:30", "close": "9"},
        {"date": None, "open": "09:30", "close": "16:00"},
    ],
)
def test_a_day_that_is_no_session_is_refused(day) -> None:
    with pytest.raises(WireError, match="calendar"):
        wire.calendar(raw([day]))


def test_activities_trades_and_others_are_read() -> None:
    dividend = {"activity_type": "DIV", "id": "d::1", "date": "2026-10-08", "net_amount": "1.02"}
    fill, div = wire.activities(raw([a_fill(), dividend]))
    assert (fill.qty, fill.price, fill.cum_qty, fill.fill_type) == (
        3,
        D("450.25"),
        3,
        "partial_fill",
    )
    assert fill.at == datetime(2026, 10, 8, 15, 10, 18, 97123, tzinfo=UTC)
    assert (div.day, div.net_amount, div.fill_type) == (date(2026, 10, 8), D("1.02"), "")
    with pytest.raises(WireError, match=r"activity\.date"):
        wire.activities(raw([dividend | {"date": "soon"}]))


def test_switches_and_cancel_lines_are_read() -> None:
    assert wire.configurations(b'{"suspend_trade":true,"max_margin_multiplier":4}') == (
        wire.Configurations(True, False, False, "4")
    )
    assert wire.cancel_results(b'[{"id":"a","status":200,"body":null}]') == (
        wire.CancelResult("a", 200),
    )
