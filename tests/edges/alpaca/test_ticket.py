from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.values import OrderType, Side
from atlas_daemon.edges.alpaca.ticket import Ticket, plain, symbol_of

D = Decimal


def a_ticket(symbol="SPY", qty=10, side="buy", kind=OrderType.MARKET, id="a-1", **prices) -> Ticket:
    return Ticket.written(symbol, qty, side, kind, id, **prices)


@pytest.mark.parametrize(
    ("given_price", "side", "sent"),
    [
        ("290.123", Side.BUY, "290.12"),
        ("290.123", Side.SELL, "290.13"),
        ("290.12", Side.BUY, "290.12"),
        ("1", Side.BUY, "1"),
        ("0.99999", Side.BUY, "0.9999"),
        ("0.99999", Side.SELL, "1"),
        ("0.12341", Side.SELL, "0.1235"),
        ("1200000", Side.BUY, "1200000"),
    ],
)
def test_s131_a_limit_is_set_on_the_tick_and_never_worse(given_price, side, sent) -> None:
    ticket = a_ticket(side=side, kind=OrderType.LIMIT, limit_price=D(given_price))
    assert ticket.payload()["limit_price"] == sent


def test_a_stop_goes_to_the_nearest_tick_and_a_percentage_stays() -> None:
    stop = a_ticket(kind=OrderType.STOP, stop_price=D("99.996"))
    trail = a_ticket(kind=OrderType.TRAILING_STOP, trail_percent=D("1.125"))
    assert stop.payload()["stop_price"] == "100"
    assert trail.payload()["trail_percent"] == "1.125"


@pytest.mark.parametrize(
    "wrong",
    [
        {"qty": 0},
        {"qty": -1},
        {"qty": D("NaN")},
        {"qty": D("Infinity")},
        {"qty": True},
        {"qty": "ten"},
        {"qty": D("1e20")},
        {"qty": D("0.0000000001")},
        {"side": "hold"},
        {"symbol": "SP Y"},
        {"symbol": ""},
        {"symbol": "../x"},
        {"id": ""},
        {"id": "x" * 129},
        {"id": "a b"},
        {"kind": OrderType.LIMIT, "limit_price": D(0)},
        {"kind": OrderType.LIMIT, "limit_price": D("0.00001")},
        {"kind": OrderType.TRAILING_STOP},
        {"kind": OrderType.TRAILING_STOP, "trail_price": 1, "trail_percent": 1},
    ],
)
def test_s077_what_makes_no_order_is_refused_in_one_line(wrong) -> None:
    with pytest.raises(RefusedError) as caught:
        a_ticket(**wrong)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "name"), [("brk-b", "BRK.B"), ("BRK.B", "BRK.B"), (" spy ", "SPY"), ("BF-A", "BF.A")]
)
def test_symbols_are_written_as_alpaca_writes_them(text, name) -> None:
    assert symbol_of(text) == name


def test_the_log_says_what_is_submitted() -> None:
    assert a_ticket().sentence() == "market order: BUY 10 SPY"
    assert (
        a_ticket(side="SELL", kind=OrderType.TRAILING_STOP, trail_price=2).sentence()
        == "trailing stop order: SELL 10 SPY trail_price 2"
    )


@given(st.decimals(min_value="0.000000001", max_value="1e12", places=9))
def test_a_number_is_written_exactly_and_without_exponent(value: Decimal) -> None:
    text = plain(value)
    assert "e" not in text.lower()
    assert D(text) == value
