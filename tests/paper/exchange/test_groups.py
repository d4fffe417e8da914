"""Bracket, OCO and OTO: what is asked, what is shown, and what one order does to the others."""

from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.paper import wire
from atlas_daemon.paper.exchange.refusals import RefusedError
from tests.paper.world import CLOSE, EVENING, NEXT_OPEN, SECOND, World, a_bracket, an_oco


def refused(world: World, **request: object) -> tuple[int, int, str]:
    with pytest.raises(RefusedError) as caught:
        world.submit(**request)
    body = caught.value.body
    return caught.value.status, body["code"], body["message"]


def bought(**options: object) -> tuple[World, object, object, object]:
    """A bracket whose entry has filled: the world, the entry, its profit and its stop."""
    world = World(**options)
    entry = world.submit(**a_bracket())
    world.wait()
    profit, stop = world.legs(entry)
    return world, entry, profit, stop


@pytest.mark.parametrize(
    ("request_body", "answer"),
    [
        (
            a_bracket(take_profit=None),
            (422, 40010001, "bracket orders require take_profit.limit_price"),
        ),
        (
            a_bracket(stop_loss=None),
            (422, 40010001, "bracket orders require stop_loss.stop_price"),
        ),
        (
            a_bracket(stop_loss={"limit_price": "80"}),
            (422, 40010001, "bracket orders require stop_loss.stop_price"),
        ),
        (
            a_bracket(order_class="oto"),
            (422, 40010001, "oto orders require one of take_profit or stop_loss"),
        ),
        (an_oco() | {"type": "market"}, (422, 40010001, "oco orders must be limit orders")),
        (an_oco() | {"side": "buy"}, (422, 42210000, "oco orders must be exit orders")),
        (an_oco(), (422, 42210000, "oco orders must be exit orders")),
        (
            a_bracket(side="sell", type="limit", limit_price="120"),
            (422, 42210000, "bracket orders must be entry orders"),
        ),
        (
            a_bracket(type="stop", stop_price="105"),
            (422, 40010001, "bracket orders must be market or limit orders"),
        ),
        (
            a_bracket(qty="1.5"),
            (422, 42210000, "fractional orders must be simple orders"),
        ),
        (
            a_bracket(qty=None, notional="100"),
            (422, 42210000, "fractional orders must be simple orders"),
        ),
        (
            a_bracket(time_in_force="ioc"),
            (422, 42210000, "bracket orders must be DAY or GTC orders"),
        ),
        (
            a_bracket(type="limit", limit_price="99", extended_hours=True),
            (422, 42210000, "bracket orders cannot be extended hours orders"),
        ),
        (
            a_bracket(take_profit={"limit_price": "89"}),
            (422, 42210000, "take_profit.limit_price must be > stop_loss.stop_price"),
        ),
        (
            a_bracket(take_profit={"limit_price": "99.95"}),
            (422, 42210000, "take_profit.limit_price must be >= base_price + 0.01"),
        ),
        (
            a_bracket(stop_loss={"stop_price": "99.95"}),
            (422, 42210000, "stop_loss.stop_price must be <= base_price - 0.01"),
        ),
        (
            a_bracket(type="limit", limit_price="89.99"),
            (422, 42210000, "stop_loss.stop_price must be <= base_price - 0.01"),
        ),
        (
            a_bracket(stop_loss={"stop_price": "90.001"}),
            (
                422,
                42210000,
                "invalid stop_loss.stop_price 90.001. "
                "sub-penny increment does not fulfill minimum pricing criteria",
            ),
        ),
        (a_bracket(take_profit="110"), (400, 40010000, "request body format is invalid")),
        (a_bracket(order_class="mleg"), (422, 40010001, "invalid order_class")),
        (
            {"take_profit": {"limit_price": "110"}},
            (422, 40010001, "simple orders require no take_profit or stop_loss"),
        ),
    ],
)
def test_a_group_that_does_not_fit_together_is_refused(request_body, answer):
    assert refused(World(), **request_body) == answer


def test_the_base_price_is_named_in_the_refusal():
    with pytest.raises(RefusedError) as caught:
        World().submit(**a_bracket(take_profit={"limit_price": "95"}))
    assert list(caught.value.body) == ["base_price", "code", "message"]
    assert caught.value.body["base_price"] == "99.95"


def test_simple_is_another_word_for_no_class():
    assert wire.order(World().submit(order_class="simple"))["order_class"] == ""


def test_a_bracket_holds_its_legs_until_the_entry_has_filled():
    world = World()
    entry = world.submit(**a_bracket(time_in_force="gtc"))
    profit, stop = world.legs(entry)
    assert [order.status for order in (entry, profit, stop)] == ["pending_new", "held", "held"]
    assert [order.group_role for order in (entry, profit, stop)] == [
        "entry",
        "take_profit",
        "stop_loss",
    ]
    assert {order.group_id for order in (entry, profit, stop)} == {entry.group_id}
    assert (profit.kind, profit.limit_price, profit.side) == ("limit", 110, "sell")
    assert (stop.kind, stop.stop_price, stop.tif) == ("stop", 90, "gtc")
    assert world.account.held_cash == entry.held
    assert world.account.held_qty("SPY") == 0


def test_an_order_of_a_group_is_shown_with_group_and_legs():
    world = World()
    entry = world.submit(**a_bracket())
    body = wire.order(entry, world.legs(entry))
    assert body["order_class"] == "bracket"
    assert list(body) == sorted(body)
    assert len(body) == 38
    assert [leg["group_role"] for leg in body["legs"]] == ["take_profit", "stop_loss"]
    assert {leg["legs"] for leg in body["legs"]} == {None}
    assert wire.order(entry)["legs"] is None


def test_a_filled_entry_sends_the_profit_and_watches_the_stop():
    world, entry, profit, stop = bought()
    assert [order.status for order in (entry, profit, stop)] == ["filled", "new", "held"]
    assert world.events(entry) == ["new", "fill"]
    assert (world.events(profit), world.events(stop)) == (["new"], [])
    assert world.account.held_qty("SPY") == 10


def test_a_filled_profit_ends_the_stop_without_a_word():
    world, _, profit, stop = bought()
    world.market.move("SPY", world.now + SECOND, "110.00", "110.10")
    world.wait()
    assert (profit.status, stop.status) == ("filled", "canceled")
    assert stop.canceled_at is not None
    assert (world.events(profit), world.events(stop)) == (["new", "fill"], [])
    assert not world.account.open
    assert world.account.existing_qty("SPY") == 0


def test_a_stop_that_is_reached_ends_the_profit_and_sells():
    world, _, profit, stop = bought()
    world.market.move("SPY", world.now + SECOND, "89.90", "90.00")
    world.wait()
    assert (profit.status, stop.status) == ("canceled", "filled")
    assert world.events(profit) == ["new", "canceled"]
    assert world.events(stop) == ["new", "fill"]
    assert stop.filled_avg_price == Decimal("89.90")


def test_a_stop_that_is_reached_ends_the_profit_though_it_cannot_sell_yet():
    world = World()
    entry = world.submit(**a_bracket(stop_loss={"stop_price": "90", "limit_price": "89"}))
    world.wait()
    profit, stop = world.legs(entry)
    world.market.move("SPY", world.now + SECOND, "80.00", "80.10")
    world.wait()
    assert (profit.status, stop.status) == ("canceled", "new")
    assert world.events(stop) == ["new"]
    assert world.account.held_qty("SPY") == 10
    world.market.move("SPY", world.now + SECOND, "89.50", "89.60")
    world.wait()
    assert stop.filled_avg_price == Decimal("89.50")


def test_a_partly_filled_profit_leaves_the_stop_the_rest():
    world = World(partial_fill_pct=1.0, seed=3, cash="100000")
    entry = world.submit(**a_bracket(qty="400"), time_in_force="gtc")
    world.wait(600)
    profit, stop = world.legs(entry)
    assert entry.status == "filled"
    world.market.move("SPY", world.now + SECOND, "110.00", "110.10")
    while not profit.filled_qty:
        world.wait(0.05)
    assert stop.qty == profit.qty - profit.filled_qty
    world.market.move("SPY", world.now, "80.00", "80.10")
    world.wait(600)
    assert profit.filled_qty + stop.filled_qty == 400
    assert (profit.status, stop.status) == ("canceled", "filled")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_cancel_ends_a_whole_group(which):
    world = World()
    entry = world.submit(**a_bracket(type="limit", limit_price="95"))
    world.wait()
    group = [entry, *world.legs(entry)]
    world.cancel(group[which])
    world.wait()
    assert {order.status for order in group} == {"canceled"}
    assert world.events(entry) == ["new", "canceled"]
    assert (world.account.held_cash, world.account.open) == (0, {})


@pytest.mark.parametrize("which", [0, 1])
def test_one_cancelled_exit_ends_the_other(which):
    world, entry, *exits = bought()
    world.cancel(exits[which])
    world.wait()
    assert {order.status for order in exits} == {"canceled"}
    assert entry.status == "filled"
    assert world.account.available_qty("SPY") == 10


def test_an_entry_cancelled_half_filled_leaves_no_exits():
    world = World(partial_fill_pct=1.0, seed=2)
    entry = world.submit(**a_bracket(qty="100"))
    while not entry.filled_qty:
        world.wait(0.02)
    assert entry.is_open
    world.cancel(entry)
    world.wait(5)
    if entry.status == "canceled":
        assert {leg.status for leg in world.legs(entry)} == {"canceled"}
    assert world.account.existing_qty("SPY") == entry.filled_qty


def test_a_day_group_expires_whole_at_the_close():
    world, _, profit, stop = bought()
    world.go_to(CLOSE)
    assert (profit.status, stop.status) == ("expired", "expired")
    assert world.account.held_qty("SPY") == 0


def test_an_oto_has_one_exit():
    world = World()
    entry = world.submit(qty="10", order_class="oto", stop_loss={"stop_price": "90"})
    world.wait()
    (stop,) = world.legs(entry)
    assert (stop.status, stop.group_role) == ("new", "stop_loss")
    assert world.account.held_qty("SPY") == 10
    world.market.move("SPY", world.now + SECOND, "89.00", "89.10")
    world.wait()
    assert stop.filled_avg_price == Decimal("89.00")


def test_the_stop_of_a_group_may_have_a_limit():
    world = World()
    stop_loss = {"stop_price": "90", "limit_price": "89"}
    entry = world.submit(**a_bracket(stop_loss=stop_loss))
    _, stop = world.legs(entry)
    assert (stop.kind, stop.limit_price) == ("stop_limit", 89)


def test_an_oco_reserves_its_shares_once():
    world = World(holdings={"SPY": "10"})
    profit = world.submit(**an_oco())
    world.wait()
    (stop,) = world.legs(profit)
    assert (profit.group_role, profit.limit_price, profit.status) == ("take_profit", 110, "new")
    assert (stop.group_role, stop.status) == ("stop_loss", "held")
    assert world.account.available_qty("SPY") == 0
    world.market.move("SPY", world.now + SECOND, "89.00", "89.10")
    world.wait()
    assert (profit.status, stop.status) == ("canceled", "filled")


def test_an_oco_beyond_the_holding_is_refused():
    world = World(holdings={"SPY": "10"})
    assert refused(world, **an_oco(qty="11"))[:2] == (403, 40310000)


def test_an_oco_of_the_evening_waits_for_the_open():
    world = World(holdings={"SPY": "10"}, starts_at=EVENING)
    profit = world.submit(**an_oco())
    (stop,) = world.legs(profit)
    world.market.move("SPY", EVENING + SECOND, "80.00", "80.10")
    world.go_to(NEXT_OPEN - SECOND)
    assert (profit.status, stop.status) == ("accepted", "held")
    world.go_to(NEXT_OPEN + timedelta(minutes=1))
    assert (profit.status, stop.status) == ("canceled", "filled")


def test_exits_take_what_is_left_of_the_position():
    world = World(partial_fill_pct=1.0, seed=2)
    entry = world.submit(**a_bracket(qty="100"), time_in_force="gtc")
    while not entry.filled_qty:
        world.wait(0.02)
    sold = world.submit(side="sell", qty="1", type="limit", limit_price="150", time_in_force="gtc")
    world.wait(600)
    profit, stop = world.legs(entry)
    assert (entry.status, profit.status) == ("filled", "new")
    assert (profit.qty, stop.qty) == (99, 99)
    assert world.account.held_qty("SPY") == 100 == sold.qty + profit.qty


def test_the_orders_of_a_group_are_no_wash_trades():
    world, *_ = bought()
    world.submit(qty="1")
    world.wait()
    assert world.account.existing_qty("SPY") == 11


def restarted(world: World) -> World:
    """Another broker that takes over the account at the same moment."""
    other = World(starts_at=world.now)
    other.exchange.order_count = world.exchange.order_count
    other.exchange.drop(other.account)
    other.account = world.account
    other.exchange.adopt(other.account)
    return other


def test_a_group_survives_a_restart():
    world, entry, profit, stop = bought()
    other = restarted(world)
    other.market.move("SPY", other.now + SECOND, "89.00", "89.10")
    other.wait()
    assert (entry.status, profit.status, stop.status) == ("filled", "canceled", "filled")


def test_exits_whose_entry_waits_stay_held_over_a_restart():
    world = World()
    entry = world.submit(**a_bracket(type="limit", limit_price="95"))
    world.wait()
    profit, stop = world.legs(entry)
    new = world.replace(stop, stop_price="94")
    other = restarted(world)
    other.market.move("SPY", other.now + SECOND, "80.00", "96.00")
    other.wait()
    assert [order.status for order in (entry, profit, stop, new)] == [
        "new",
        "held",
        "replaced",
        "held",
    ]
    assert other.legs(entry) == [profit, new]
