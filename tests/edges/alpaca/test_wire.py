import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core.values import Session, Side
from atlas_daemon.edges import quotes
from atlas_daemon.edges.alpaca import frames, wire
from atlas_daemon.edges.alpaca.scalars import WireError, excerpt, moment, number, stamp
from tests.edges.samples import (
    ORDER_ID,
    a_clock,
    a_fill,
    a_position,
    a_trade_update,
    an_account,
    an_asset,
    an_order,
)

D = Decimal


def raw(body: object) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-02-01T14:35:00Z", datetime(2027, 2, 1, 14, 35, tzinfo=UTC)),
        ("2027-02-01T14:35:00.1Z", datetime(2027, 2, 1, 14, 35, 0, 100000, tzinfo=UTC)),
        ("2027-02-01T14:35:00.123456789Z", datetime(2027, 2, 1, 14, 35, 0, 123456, tzinfo=UTC)),
        ("2027-02-01T09:35:00-05:00", datetime(2027, 2, 1, 14, 35, tzinfo=UTC)),
        ("2027-02-01T20:05:00.000+0530", datetime(2027, 2, 1, 14, 35, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_moments_of_any_rfc_3339_form_become_utc(text, at) -> None:
    assert moment(text, "at") == at


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-01",
        "2027-02-01T14:35:00",
        "2027-02-30T14:35:00Z",
        "now",
        5,
        True,
        [],
        "２027",
        "2027-02-01T14:35:00.1234567890Z",
        "2027-02-01T14:35:00+99:99",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_a_moment_without_zone_or_that_cannot_be_is_refused(text) -> None:
    with pytest.raises(WireError, match="at: "):
        moment(text, "at")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_stamped_moment_reads_back_as_itself(at: datetime) -> None:
    assert moment(stamp(at), "at") == at


def test_a_naive_moment_is_never_stamped() -> None:
    with pytest.raises(WireError, match="no time zone"):
        stamp(datetime(2027, 2, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", D("1.5")),
        (3, D(3)),
        (D("0.1"), D("0.1")),
        ("-2", D(-2)),
        ("", None),
        (None, None),
        ("1e3", D(1000)),
        ("123456789.123456789", D("123456789.123456789")),
    ],
)
def test_s075_numbers_come_as_text_or_as_numbers(text, value) -> None:
    assert number(text, "qty") == value


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-inf",
        "1_0",
        " 1",
        "1,5",
        "٣",
        "1e999",
        "1e17",
        True,
        [],
        {},
        10**400,
        "0x10",
        "--1",
        D("NaN"),
    ],
)
def test_s144_what_is_no_number_is_refused(text) -> None:
    with pytest.raises(WireError, match="qty: "):
        number(text, "qty")


def test_an_order_is_read_with_exact_numbers() -> None:
    order = wire.order(
        raw(an_order(qty="1.123456789", filled_qty="0.5", filled_avg_price=290.12, status="New "))
    )
    assert order.id == ORDER_ID
    assert order.qty == D("1.123456789")
    assert order.filled_qty == D("0.5")
    assert order.filled_avg_price == D("290.12")
    assert (order.status, order.raw_status) == ("new", "New ")
    assert order.submitted_at == datetime(2027, 2, 1, 14, 35, 0, 100000, tzinfo=UTC)
    assert (order.type, order.order_class, order.side) == ("market", "", "buy")


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


def test_a_trade_update_is_read_with_its_execution() -> None:
    update = frames.frame(raw(a_trade_update()))
    assert isinstance(update, frames.TradeUpdate)
    assert (update.event, update.price, update.qty, update.position_qty) == (
        "fill",
        D("450.25"),
        10,
        10,
    )
    assert update.order.status == "filled"
    assert update.timestamp == datetime(2027, 2, 1, 14, 35, 0, 500000, tzinfo=UTC)


def test_s096_s106_an_unknown_event_and_absent_fields_are_read() -> None:
    sparse = {"stream": "trade_updates", "data": {"event": "trade_bust", "order": an_order()}}
    update = frames.frame(raw(sparse))
    assert isinstance(update, frames.TradeUpdate)
    assert update.event == "trade_bust"
    assert (update.price, update.timestamp, update.execution_id) == (None, None, None)


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (
            {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
            frames.Authorization(True, "authorized authenticate"),
        ),
        (
            {"stream": "authorization", "data": {"status": "unauthorized", "message": "why"}},
            frames.Authorization(False, "unauthorized why"),
        ),
        ({"stream": "listening", "data": {"streams": []}}, frames.Listening(())),
        (
            {"stream": "listening", "data": {"streams": ["trade_updates"]}},
            frames.Listening(("trade_updates",)),
        ),
        (
            {"action": "error", "data": {"error_message": "bad", "code": 406}},
            frames.Complaint(406, "bad"),
        ),
        ({"stream": "account_updates", "data": {}}, frames.Stranger("account_updates")),
    ],
)
def test_frames_of_every_kind_are_told_apart(told, heard) -> None:
    assert frames.frame(raw(told)) == heard
    assert frames.frame(json.dumps(told)) == heard


@pytest.mark.parametrize("garbage", [b"{", b"[]", b"{}", b"5", b'[{"T":"success"}]', "\ud800"])
def test_s097_a_frame_that_cannot_be_read_is_a_wire_error(garbage) -> None:
    with pytest.raises(WireError):
        frames.frame(garbage)


DECODERS = [
    wire.order,
    wire.orders,
    wire.account,
    wire.positions,
    wire.position,
    wire.asset,
    wire.assets,
    wire.clock,
    wire.calendar,
    wire.activities,
    wire.cancel_results,
    wire.configurations,
    frames.frame,
    quotes.latest_quotes,
    quotes.latest_trades,
]
SAMPLES = [
    an_order(),
    [an_order()],
    an_account(),
    [a_position()],
    a_position(),
    an_asset(),
    [an_asset()],
    a_clock(),
    [{"date": "2026-11-27", "open": "09:30", "close": "13:00"}],
    [a_fill()],
    [{"id": "a", "status": 200}],
    {"suspend_trade": True},
    a_trade_update(),
    {"quotes": {"SPY": {"t": "2027-02-01T14:35:00Z", "bp": 1, "ap": 2}}},
    {"trades": {"SPY": {"t": "2027-02-01T14:35:00Z", "p": 1}}},
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["NaN", "1e999999", "-5", "2027-02-01", "0000-00-00T00:00:00Z", ""])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[int, bytes]:
    """A decoder's number and a body of its own kind with one leaf replaced, cut, or made up."""
    index = draw(st.integers(0, len(DECODERS) - 1))
    how = draw(st.sampled_from(["leaf", "cut", "any", "bytes"]))
    if how == "any":
        return index, json.dumps(draw(JSON)).encode()
    if how == "bytes":
        return index, draw(st.binary(max_size=40))
    body = json.loads(json.dumps(SAMPLES[index]))
    if how == "cut":
        whole = json.dumps(body).encode()
        return index, whole[: draw(st.integers(0, len(whole)))]
    place = body
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else sorted(place)
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(JSON)
        return index, json.dumps(body).encode()


@given(damaged())
def test_damage_is_read_or_is_a_wire_error_of_one_line_and_nothing_else(case) -> None:
    index, body = case
    try:
        DECODERS[index](body)
    except WireError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("index", range(len(DECODERS)))
def test_every_sample_is_read_whole(index: int) -> None:
    assert DECODERS[index](raw(SAMPLES[index])) is not None


def test_deep_nesting_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        wire.order(b'{"id":"x","status":"new","qty":' + b"[" * 100_000)


def test_an_excerpt_is_one_short_printable_line() -> None:
    line = excerpt(b"a\nb\x00" + b"c" * 1000 + b"\xff")
    assert line.startswith("a b c")
    assert line.endswith("...")
    assert len(line) < 200
