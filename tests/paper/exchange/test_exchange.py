"""The rules an order has to pass: refusals with their exact bodies, reservations, replacement."""

from decimal import Decimal

import pytest

from atlas_daemon.paper.exchange.refusals import RefusedError
from tests.paper.world import CLOSE, EVENING, NOON, OPEN, SECOND, World, an_order


def refused(world: World, **request: object) -> tuple[int, dict[str, object]]:
    with pytest.raises(RefusedError) as caught:
        world.submit(**request)
    return caught.value.status, caught.value.body


@pytest.mark.parametrize(
    ("request_body", "status", "code", "message"),
    [
        ({"qty": None}, 422, 40010001, "qty or notional is required"),
        ({"time_in_force": "gtd"}, 422, 40010001, "invalid time_in_force"),
        ({"type": "magic"}, 422, 40010001, "invalid order type"),
        ({"side": "hold"}, 422, 40010001, "invalid side"),
        ({"type": "limit"}, 422, 40010001, "limit orders require a limit price"),
        (
            {"limit_price": "5"},
            422,
            40010001,
            "market orders require no stop or limit price",
        ),
        ({"symbol": "NOPE"}, 422, 40010001, 'could not find asset "NOPE"'),
        (
            {"type": "limit", "limit_price": "290.123"},
            422,
            42210000,
            "invalid limit_price 290.123. "
            "sub-penny increment does not fulfill minimum pricing criteria",
        ),
        (
            {"type": "limit", "limit_price": "0.12345"},
            422,
            42210000,
            "invalid limit_price 0.12345. "
            "sub-penny increment does not fulfill minimum pricing criteria",
        ),
        (
            {"qty": "1.5", "time_in_force": "gtc"},
            422,
            42210000,
            "fractional orders must be DAY orders",
        ),
        (
            {"qty": "1.5", "order_class": "bracket"},
            422,
            42210000,
            "fractional orders must be simple orders",
        ),
        ({"qty": None, "notional": "0.99"}, 422, 42210000, "notional must be >= 1.00"),
        (
            {"extended_hours": True},
            422,
            42210000,
            "extended hours order must be DAY or GTC limit orders",
        ),
        ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "-1"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "NaN"}, 422, 40010001, "invalid qty"),
        ({"qty": "Infinity"}, 422, 40010001, "invalid qty"),
        ({"qty": "many"}, 422, 40010001, "qty is not a number"),
        ({"qty": True}, 400, 40010000, "request body format is invalid"),
        ({"qty": []}, 400, 40010000, "request body format is invalid"),
        ({"symbol": 7}, 400, 40010000, "request body format is invalid"),
        (
            {"qty": "0.05", "symbol": "CHEAP"},
            403,
            40310000,
            "cost basis must be >= minimal amount of order 1",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_gets_the_documented_body(request_body, status, code, message):
    answered, body = refused(World(), **request_body)
    assert (answered, body) == (status, {"code": code, "message": message})


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_malformed(body):
    world = World()
    with pytest.raises(RefusedError) as caught:
        world.exchange.submit(world.account, body, world.now)
    assert caught.value.status == 400


def test_quantity_and_notional_together_are_refused():
    assert refused(World(), notional="10")[0] == 422


def test_a_buy_beyond_the_buying_power_names_both_figures():
    status, body = refused(World(cash="1000"), qty="40")
    assert status == 403
    # 4 x 1000 of buying power; 40 x 100 at the 2.5 % collar of a share of $50 and more
    assert body == {
        "buying_power": "4000",
        "code": 40310000,
        "cost_basis": "4100",
        "message": "insufficient buying power",
    }


@pytest.mark.parametrize(("symbol", "qty", "held"), [("SPY", "2", "205"), ("CHEAP", "10", "104")])
def test_a_market_buy_reserves_its_price_with_the_collar(symbol, qty, held):
    world = World()
    world.submit(symbol=symbol, qty=qty)
    assert world.account.held_cash == Decimal(held)


def test_a_limit_buy_reserves_its_limit_and_releases_it_when_cancelled():
    world = World()
    before = world.exchange.figures(world.account).buying_power
    order = world.submit(type="limit", limit_price="90", qty="3")
    assert world.exchange.figures(world.account).buying_power == before - 270
    world.cancel(order)
    world.wait()
    assert world.exchange.figures(world.account).buying_power == before


def test_a_filled_buy_reserves_nothing_any_more():
    world = World()
    world.submit(qty="3")
    world.wait()
    assert world.account.held_cash == 0


def test_a_sell_beyond_the_holding_is_refused():
    status, body = refused(World(holdings={"SPY": "5"}), side="sell", qty="6")
    assert status == 403
    assert body == {
        "available": "5",
        "code": 40310000,
        "existing_qty": "5",
        "held_for_orders": "0",
        "message": "insufficient qty available for order (requested: 6, available: 5)",
        "symbol": "SPY",
    }


def test_shares_reserved_by_an_open_sell_cannot_be_sold_again():
    world = World(holdings={"SPY": "5"})
    first = world.submit(side="sell", qty="4", type="limit", limit_price="120")
    _, body = refused(world, side="sell", qty="2", type="limit", limit_price="120")
    assert body["available"] == "1"
    assert body["held_for_orders"] == "4"
    assert body["related_orders"] == [first.id]
    assert world.account.available_qty("SPY") == 1


@pytest.mark.parametrize("ending", ["open", "filled", "canceled"])
def test_a_client_order_id_is_burnt_for_ever(ending):
    world = World()
    kind = {"type": "limit", "limit_price": "80"} if ending == "canceled" else {}
    order = world.submit(client_order_id="mine", **kind)
    if ending == "canceled":
        world.cancel(order)
    if ending != "open":
        world.wait()
    status, body = refused(world, client_order_id="mine")
    assert (status, body) == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )


def test_a_refused_order_does_not_burn_its_client_order_id():
    world = World()
    refused(world, client_order_id="mine", qty="100000")
    world.submit(client_order_id="mine")


def test_a_suspended_account_refuses_every_new_order():
    world = World(holdings={"SPY": "5"})
    world.account.configuration.suspend_trade = True
    for side in ("buy", "sell"):
        assert refused(world, side=side) == (
            403,
            {"code": 40310000, "message": "new orders are rejected by user request"},
        )


def test_a_suspended_account_may_still_cancel():
    world = World()
    order = world.submit(type="limit", limit_price="80")
    world.account.configuration.suspend_trade = True
    world.cancel(order)
    world.wait()
    assert order.status == "canceled"


def test_an_asset_that_is_not_fractionable_says_so():
    world = World()
    world.market.unfractionable.add("SPY")
    assert refused(world, qty="0.5")[1]["message"] == 'asset "SPY" is not fractionable'


@pytest.mark.parametrize("asked", [10.0, 10, "10", "10.0", 10.5, "10.123456789"])
def test_quantities_come_as_numbers_or_strings(asked):
    assert World().submit(qty=asked).qty == Decimal(str(asked))


@pytest.mark.parametrize(
    ("side", "stop", "ok"),
    [
        ("sell", "99.94", True),
        ("sell", "99.95", False),
        ("buy", "99.96", True),
        ("buy", "99.95", False),
    ],
)
def test_a_stop_stands_on_its_own_side_of_the_market(side, stop, ok):
    world = World(holdings={"SPY": "5"})
    if ok:
        world.submit(side=side, type="stop", stop_price=stop)
    else:
        assert refused(world, side=side, type="stop", stop_price=stop)[1]["code"] == 42210000


@pytest.mark.parametrize(
    ("tif", "starts_at", "ok"),
    [
        ("opg", OPEN.replace(hour=14, minute=27, second=59), True),
        ("opg", OPEN.replace(hour=14, minute=28), False),
        ("opg", NOON, False),
        ("opg", EVENING, False),
        ("opg", EVENING.replace(hour=23, minute=59), False),
        ("cls", CLOSE.replace(hour=20, minute=49, second=59), True),
        ("cls", CLOSE.replace(hour=20, minute=50), False),
        ("cls", EVENING, False),
    ],
)
def test_auction_orders_have_their_windows(tif, starts_at, ok):
    world = World(starts_at=starts_at)
    if ok:
        world.submit(time_in_force=tif)
    else:
        assert refused(world, time_in_force=tif)[0] == 422


def test_a_cancel_that_comes_too_late_names_the_state():
    world = World()
    order = world.submit()
    world.wait()
    with pytest.raises(RefusedError) as caught:
        world.cancel(order)
    assert caught.value.status == 422
    assert caught.value.body == {
        "code": 42210000,
        "message": 'order is already in "filled" state',
    }


def test_an_unknown_order_cannot_be_cancelled():
    world = World()
    with pytest.raises(RefusedError) as caught:
        world.exchange.cancel(world.account, "no such order", world.now)
    assert caught.value.status == 404


def test_a_replaced_order_lives_on_under_a_new_id():
    world = World()
    old = world.submit(type="limit", limit_price="80", qty="3")
    world.wait()
    new = world.exchange.replace(world.account, old.id, {"limit_price": 85, "qty": 2}, world.now)
    world.wait()
    assert (old.status, old.replaced_by, new.replaces) == ("replaced", new.id, old.id)
    assert (new.status, new.limit_price, new.qty) == ("new", 85, 2)
    assert world.account.held_cash == 170


def test_an_order_not_yet_routed_cannot_be_replaced():
    world = World()
    order = world.submit(type="limit", limit_price="80")
    with pytest.raises(RefusedError) as caught:
        world.exchange.replace(world.account, order.id, {"qty": 2}, world.now)
    assert caught.value.body["message"] == (
        "unable to replace order, order isn't sent to exchange yet"
    )


def test_a_position_is_closed_by_percentage():
    world = World(holdings={"SPY": "8"})
    order = world.exchange.close_position(world.account, "SPY", world.now, percentage=Decimal(25))
    assert (order.qty, order.side, order.kind) == (2, "sell", "market")


def test_a_position_that_is_not_held_cannot_be_closed():
    world = World()
    with pytest.raises(RefusedError) as caught:
        world.exchange.close_position(world.account, "SPY", world.now)
    assert caught.value.body == {"code": 40410000, "message": "position not found: SPY"}


def test_accounts_do_not_see_each_other():
    world = World()
    other = world.exchange.open_account("PKOTHER", "secret", Decimal(500))
    mine = world.submit(client_order_id="same")
    theirs = world.exchange.submit(other, an_order(client_order_id="same"), world.now)
    world.go_to(world.now + 30 * SECOND)
    assert mine.id != theirs.id
    assert set(other.orders) == {theirs.id}
    assert {u.account_id for u in world.updates if u.order.id == theirs.id} == {other.id}


def test_the_same_seed_gives_the_same_story():
    def story() -> list[tuple[object, ...]]:
        world = World(partial_fill_pct=0.5, seed=7)
        for _ in range(5):
            world.submit(qty="10")
            world.wait(0.05)
        world.wait(60)
        return [(u.event, u.at, u.qty, u.execution_id, u.order.id) for u in world.updates]

    assert story() == story()
