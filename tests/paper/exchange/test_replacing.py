"""Replacing an order: what may change, what is reserved meanwhile, and who wins a race."""

from decimal import Decimal

import pytest

from atlas_daemon.paper.exchange.refusals import RefusedError
from tests.paper.world import CLOSE, EVENING, NOON, SECOND, World, a_bracket


def refused(world: World, order, **change: object) -> tuple[int, dict[str, object]]:
    with pytest.raises(RefusedError) as caught:
        world.replace(order, **change)
    return caught.value.status, caught.value.body


def resting(world: World, **changes: object):
    """A limit buy of 10 at 80 that the market has."""
    order = world.submit(**({"type": "limit", "limit_price": "80", "qty": "10"} | changes))
    world.wait()
    assert order.status == "new"
    return order


def test_a_replacement_takes_a_moment_and_tells_of_both_orders():
    world = World()
    old = resting(world)
    new = world.replace(old, limit_price=85, client_order_id="second")
    assert (old.status, new.status) == ("pending_replace", "pending_new")
    assert (new.replaces, old.replaced_by, new.client_order_id) == (old.id, None, "second")
    assert new.id != old.id
    world.wait()
    assert (old.status, old.replaced_by, new.status) == ("replaced", new.id, "new")
    assert old.replaced_at is not None
    assert (world.events(old), world.events(new)) == (["new", "replaced"], ["new"])
    replaced = next(u for u in world.updates if u.event == "replaced")
    assert replaced.order.id == old.id


@pytest.mark.parametrize(("limit", "held"), [("90", "900"), ("70", "800")])
def test_meanwhile_the_larger_of_the_two_is_reserved(limit, held):
    world = World()
    old = resting(world)
    new = world.replace(old, limit_price=limit)
    assert world.account.held_cash == Decimal(held)
    world.wait()
    assert world.account.held_cash == new.qty * Decimal(limit)


def test_a_sell_that_grows_needs_the_shares_for_it():
    world = World(holdings={"SPY": "10"})
    old = resting(world, side="sell", limit_price="120", qty="6")
    status, body = refused(world, old, qty=11)
    assert (status, body["available"], body["held_for_orders"]) == (403, "10", "0")
    new = world.replace(old, qty=9)
    assert world.account.held_qty("SPY") == 9
    world.wait()
    assert (world.account.held_qty("SPY"), new.qty) == (9, 9)


def test_a_buy_that_grows_needs_the_money_for_it():
    world = World(cash="1000")
    old = resting(world)
    assert refused(world, old, qty=51)[1]["message"] == "insufficient buying power"
    world.replace(old, qty=50)


def test_a_fill_may_win_the_race_against_a_replacement():
    for seed in range(1, 60):
        world = World(seed=seed)
        old = resting(world)
        world.market.move("SPY", world.now + SECOND, "79.00", "79.50")
        world.go_to(world.now + 5 * SECOND - (world.now - NOON) % (5 * SECOND) - SECOND / 20)
        if not old.is_open:
            continue
        new = world.replace(old, limit_price=81, client_order_id="late")
        world.wait()
        if old.status == "filled":
            assert world.events(old) == ["new", "fill", "order_replace_rejected"]
            assert (new.status, world.events(new)) == ("rejected", ["rejected"])
            assert new.failed_at is not None
            assert world.account.existing_qty("SPY") == 10
            assert world.account.held_cash == 0
            return
    pytest.fail("no seed let the fill win")


def test_a_replaced_quantity_is_the_new_total():
    world = World(partial_fill_pct=1.0, seed=2)
    old = world.submit(type="limit", limit_price="100", qty="50")
    while not old.filled_qty:
        world.wait(0.02)
    world.market.move("SPY", world.now, "101.00", "101.10")
    world.wait()
    filled = old.filled_qty
    assert old.status == "partially_filled"
    assert refused(world, old, qty=int(filled))[1]["message"] == (
        "qty must be greater than filled qty"
    )
    new = world.replace(old, qty=60)
    assert (new.qty, new.filled_qty) == (60 - filled, 0)
    world.market.move("SPY", world.now, "99.00", "99.10")
    world.wait(600)
    assert world.account.existing_qty("SPY") == 60 if old.status == "replaced" else 50


def test_shares_that_fill_meanwhile_count_for_the_new_order():
    for seed in range(1, 200):
        world = World(partial_fill_pct=1.0, seed=seed, holdings={"SPY": "50"})
        old = resting(world, side="sell", limit_price="110", qty="50")
        world.market.move("SPY", world.now + SECOND, "111.00", "111.10")
        while not old.filled_qty:
            world.wait(0.02)
        world.wait(0.3)
        before = old.filled_qty
        if not old.is_open:
            continue
        new = world.replace(old, limit_price="110.50")
        world.wait(600)
        assert world.account.existing_qty("SPY") == 0
        if old.status == "replaced" and old.filled_qty > before:
            assert old.filled_qty + new.filled_qty == 50
            assert new.qty == new.filled_qty
            return
    pytest.fail("no seed let the old order fill in part")


@pytest.mark.parametrize("starts_at", [NOON, EVENING])
def test_an_order_that_is_not_at_the_market_cannot_be_replaced(starts_at):
    world = World(starts_at=starts_at)
    order = world.submit(type="limit", limit_price="80")
    assert refused(world, order, qty=2) == (
        422,
        {
            "code": 40010001,
            "message": "unable to replace order, order isn't sent to exchange yet",
        },
    )


@pytest.mark.parametrize("asks", ["cancel", "replace"])
def test_an_order_that_is_being_changed_cannot_be_replaced(asks):
    world = World()
    order = resting(world)
    _ = world.cancel(order) if asks == "cancel" else world.replace(order, qty=3)
    assert refused(world, order, qty=2)[1]["message"].startswith("unable to replace order")


def test_an_order_that_is_being_replaced_cannot_be_cancelled():
    world = World()
    old = resting(world)
    new = world.replace(old, qty=3)
    with pytest.raises(RefusedError) as caught:
        world.cancel(old)
    assert (caught.value.status, caught.value.body) == (
        422,
        {"code": 42210000, "message": 'order is already in "pending_replace" state'},
    )
    answers = world.exchange.cancel_all(world.account, world.now)
    assert [(order.id, refused is None) for order, refused in answers] == [
        (old.id, False),
        (new.id, True),
    ]


def test_a_replacement_that_is_cancelled_at_once_gives_the_old_order_back():
    for seed in range(1, 60):
        world = World(seed=seed)
        old = resting(world)
        new = world.replace(old, qty=3)
        world.cancel(new)
        world.wait()
        assert new.status == "canceled"
        if old.is_open:
            assert old.status == "new"
            assert world.events(old) == ["new", "order_replace_rejected"]
            assert world.account.held_cash == 800
            return
    pytest.fail("no seed let the cancel win")


@pytest.mark.parametrize("ending", ["filled", "canceled"])
def test_an_order_that_has_ended_cannot_be_replaced(ending):
    world = World()
    order = resting(world) if ending == "canceled" else world.submit()
    if ending == "canceled":
        world.cancel(order)
    world.wait()
    assert refused(world, order, qty=2)[1] == {"code": 40010001, "message": "order is not open"}


@pytest.mark.parametrize(
    "change", [{}, {"qty": 10}, {"limit_price": "80.00"}, {"time_in_force": "day"}]
)
def test_a_change_that_changes_nothing_is_refused(change):
    world = World()
    assert refused(world, resting(world), **change) == (
        403,
        {"code": 40310000, "message": "order parameters are not changed"},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stop_price": "70"}, "limit orders require no stop price"),
        ({"trail": "1"}, "trail belongs to trailing stop orders only"),
        ({"time_in_force": "never"}, "invalid time_in_force"),
        ({"qty": "0"}, "qty must be > 0"),
        ({"qty": "1.5"}, "qty of fractional orders cannot be changed"),
        (
            {"limit_price": "81.001"},
            "invalid limit_price 81.001. "
            "sub-penny increment does not fulfill minimum pricing criteria",
        ),
        ({"qty": 3, "client_order_id": "first"}, "client_order_id must be unique"),
    ],
)
def test_a_change_that_breaks_a_rule_is_refused(change, message):
    world = World()
    order = resting(world, client_order_id="first")
    status, body = refused(world, order, **change)
    assert (status, body["message"]) == (422, message)


def test_an_order_by_notional_cannot_be_replaced():
    world = World()
    order = resting(world, qty=None, notional="100")
    assert refused(world, order, limit_price="81") == (
        422,
        {"code": 42210000, "message": "notional orders cannot be replaced"},
    )


def test_a_fractional_order_may_change_its_price():
    world = World()
    new = world.replace(resting(world, qty="1.5"), limit_price="81")
    assert (new.qty, new.limit_price) == (Decimal("1.5"), 81)


def test_a_trailing_stop_changes_its_trail_and_keeps_its_mark():
    world = World(holdings={"SPY": "5"})
    old = world.submit(side="sell", type="trailing_stop", trail_price="5", qty="5")
    world.market.move("SPY", world.now + SECOND, "119.90", "120.10")
    world.wait()
    assert old.hwm == 120
    world.market.move("SPY", world.now + SECOND, "118.90", "119.10")
    world.wait()
    new = world.replace(old, trail="3")
    assert (new.trail_price, new.trail_percent, new.hwm, new.stop_price) == (3, None, 120, 117)


def test_a_day_order_may_become_gtc():
    world = World()
    new = world.replace(resting(world), time_in_force="gtc")
    world.go_to(CLOSE + SECOND)
    assert new.is_open


def test_the_exits_of_a_group_change_their_prices():
    world = World()
    entry = world.submit(**a_bracket())
    world.wait()
    profit, stop = world.legs(entry)
    new_profit = world.replace(profit, limit_price="105")
    new_stop = world.replace(stop, stop_price="95")
    world.wait()
    assert world.legs(entry) == [new_profit, new_stop]
    assert (new_profit.status, new_stop.status) == ("new", "held")
    assert {o.group_id for o in (new_profit, new_stop)} == {entry.group_id}
    assert [o.group_role for o in (new_profit, new_stop)] == ["take_profit", "stop_loss"]
    assert world.account.held_qty("SPY") == 10
    world.market.move("SPY", world.now + SECOND, "94.90", "95.00")
    world.wait()
    assert (new_profit.status, new_stop.status) == ("canceled", "filled")


def test_an_entry_that_is_replaced_keeps_its_exits():
    world = World()
    old = world.submit(**a_bracket(type="limit", limit_price="92"))
    legs = world.legs(old)
    world.wait()
    new = world.replace(old, limit_price="101")
    world.wait()
    assert (old.status, new.status, world.legs(new)) == ("replaced", "filled", legs)
    assert [leg.status for leg in legs] == ["new", "held"]


def test_the_quantity_of_a_group_cannot_be_changed():
    world = World()
    entry = world.submit(**a_bracket(type="limit", limit_price="95"))
    world.wait()
    assert refused(world, entry, qty=5)[0] == 422


def test_a_suspended_account_replaces_nothing():
    world = World()
    order = resting(world)
    world.account.configuration.suspend_trade = True
    assert refused(world, order, qty=2)[1]["message"] == "new orders are rejected by user request"


@pytest.mark.parametrize("which", [0, 1])
def test_a_group_that_ends_meanwhile_ends_the_replacement_too(which):
    world = World()
    entry = world.submit(**a_bracket(), client_order_id="entry")
    world.wait()
    leg = world.legs(entry)[which]
    new = world.replace(leg, **({"limit_price": "105"} if which == 0 else {"stop_price": "95"}))
    other = world.legs(entry)[1 - which]
    world.exchange.engine.finish_cancel(other)
    assert leg.status == "canceled"
    world.wait()
    assert (leg.status, new.status) == ("canceled", "rejected")
    assert world.account.open == {}
    assert world.account.available_qty("SPY") == 10
