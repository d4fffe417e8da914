"""`atlasd orders` and `atlasd trades`."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.cli.orders import fitting
from atlas_daemon.core import events as e
from atlas_daemon.core.values import (
    Approved,
    BrokerOrderId,
    Draft,
    OrderId,
    OrderType,
    RunId,
    Side,
    Symbol,
)
from tests.control.desk import NOW, Desk, DeskThread

ID = OrderId("atlas-force-20251118-1-r1-buy-AAPL-1")


def with_an_order(desk: Desk) -> None:
    """Journal an order that is half filled."""
    draft = Draft(
        ID,
        RunId("force-20251118-1"),
        Symbol("AAPL"),
        Side.BUY,
        Decimal(4),
        OrderType.MARKET,
        Decimal("190.10"),
    )
    desk.take(
        e.OrderApproved(Approved(draft, NOW, NOW + timedelta(seconds=60))),
        e.OrderFilled(
            ID,
            BrokerOrderId("b1"),
            Symbol("AAPL"),
            Side.BUY,
            Decimal(4),
            "x1",
            Decimal(1),
            Decimal("190.25"),
            Decimal(1),
            Decimal("190.25"),
            "partially_filled",
        ),
    )


@pytest.fixture
def journal(shell):
    desk = Desk(shell.settings, is_mute=True).open()
    with_an_order(desk)
    desk.journal.close()


def test_no_orders_is_said_in_one_line(shell):
    with DeskThread(shell.settings):
        said = shell("orders")

    assert said.output == "[LOCAL] LARGE  no open orders\n"


def test_open_orders_are_listed_from_the_journal_where_no_daemon_runs(shell, journal):
    said = shell("orders")
    view = json.loads(shell("orders", "--json").output)

    assert said.exit_code == 0
    assert "daemon not running; as of 2025-11-18 14:32:05 ET" in said.output
    assert "1 open of 1 orders" in said.output
    assert ID in said.output
    assert view[0]["filled_qty"] == "1"
    assert view[0]["filled_avg_price"] == "190.250000"


def test_trades_are_the_fill_rows_of_the_journal(shell, journal):
    said = shell("trades", "--date", "2025-11-18")
    rows = json.loads(shell("trades", "--json").output)

    assert "1 fills on 2025-11-18" in said.output
    assert rows[0]["action"] == "FILL"
    assert (rows[0]["fill_price"], rows[0]["expected_price"]) == ("190.25", "190.10")
    assert rows[0]["client_order_id"] == ID


def test_trades_of_another_day_are_none(shell, journal):
    assert "0 fills" in shell("trades", "--date", "2025-11-19").output
    assert json.loads(shell("trades", "--date", "2025-11-19", "--json").output) == []


@pytest.mark.parametrize("day", ["yesterday", "2025-02-30", ""])
def test_a_bad_date_is_a_usage_error_in_one_line(shell, day):
    said = shell("trades", "--date", day)

    assert said.exit_code == 2
    assert "--date" in said.output
    assert len(said.output.splitlines()) == 1


def test_orders_of_a_daemon_that_never_ran_are_one_line(shell):
    for command in ("orders", "trades"):
        said = shell(command)
        assert said.exit_code == 1
        assert "has the daemon ever run?" in said.output


def test_a_narrow_terminal_gets_the_fills_without_what_their_order_says_too():
    heads = ("Time (New York)", "Symbol", "Run", "Status", "Order")
    row = ("2026-02-02 09:35:01", "PANW", "2026-02", "filled", "atlas-2026-02-r1-buy-PANW-1")
    shown = {width: fitting(heads, [row], width)[0].split() for width in (None, 85, 70, 60, 9)}
    assert [len(shown[width]) - 2 for width in (None, 85, 70, 60, 9)] == [5, 5, 4, 3, 3]
    assert shown[9] == ["Time", "(New", "York)", "Symbol", "Order"]
