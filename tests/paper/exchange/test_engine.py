"""What time does to orders: routing, fills, races, expiry, auctions, stops, splits."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.paper.market.market import CorporateAction
from tests.paper.world import (
    CLOSE,
    EVENING,
    NEXT_CLOSE,
    NEXT_OPEN,
    NOON,
    OPEN,
    SECOND,
    World,
)


def test_a_market_order_in_regular_hours_goes_pending_new_new_filled():
    world = World()
    order = world.submit()
    assert order.status == "pending_new"
    world.wait()
    assert world.events(order) == ["new", "fill"]
    assert order.status == "filled"
    assert order.filled_avg_price == Decimal("100.00")


def test_a_market_sell_trades_at_the_bid():
    world = World(holdings={"SPY": "5"})
    order = world.submit(side="sell")
    world.wait()
    assert order.filled_avg_price == Decimal("99.90")
    assert world.account.cash == Decimal("10099.90")


def test_off_hours_an_order_is_accepted_and_waits_for_the_open():
    world = World(starts_at=EVENING)
    order = world.submit()
    assert order.status == "accepted"
    assert order.expires_at == NEXT_CLOSE
    world.go_to(NEXT_OPEN - SECOND)
    assert world.events(order) == ["accepted"]
    world.go_to(NEXT_OPEN + 30 * SECOND)
    assert world.events(order) == ["accepted", "new", "fill"]
    assert order.filled_at > NEXT_OPEN


def test_a_day_order_expires_at_the_close():
    world = World()
    order = world.submit(type="limit", limit_price="80")
    world.go_to(CLOSE - SECOND)
    assert order.status == "new"
    world.go_to(CLOSE)
    assert (order.status, order.expired_at) == ("expired", CLOSE)
    assert world.events(order) == ["new", "expired"]
    assert world.account.held_cash == 0


def test_a_gtc_order_outlives_the_close_and_fills_on_another_day():
    world = World()
    order = world.submit(type="limit", limit_price="80", time_in_force="gtc")
    world.market.move("SPY", NEXT_OPEN + timedelta(hours=1), "79.00", "79.50")
    world.go_to(NEXT_OPEN + timedelta(minutes=59))
    assert order.status == "new"
    world.go_to(NEXT_OPEN + timedelta(minutes=61))
    assert order.status == "filled"
    assert order.filled_avg_price == Decimal("79.50")


@pytest.mark.parametrize(("ask", "fills"), [("90.00", True), ("90.01", False)])
def test_a_limit_buy_fills_only_at_or_below_its_limit(ask, fills):
    world = World()
    order = world.submit(type="limit", limit_price="90")
    world.market.move("SPY", NOON + 60 * SECOND, "89.00", ask)
    world.wait(120)
    assert (order.status == "filled") is fills


@pytest.mark.parametrize(("bid", "fills"), [("110.00", True), ("109.99", False)])
def test_a_limit_sell_fills_only_at_or_above_its_limit(bid, fills):
    world = World(holdings={"SPY": "5"})
    order = world.submit(side="sell", type="limit", limit_price="110")
    world.market.move("SPY", NOON + 60 * SECOND, bid, "111.00")
    world.wait(120)
    assert (order.status == "filled") is fills


def test_a_jump_over_days_gives_the_same_story_as_small_steps():
    def story(step: timedelta) -> list[tuple[object, ...]]:
        world = World(partial_fill_pct=0.5)
        for limit in ("80", "85", "100"):
            world.submit(type="limit", limit_price=limit, qty="10", time_in_force="gtc")
        world.market.move("SPY", NEXT_OPEN + timedelta(hours=1), "82.00", "83.00")
        while world.now < NEXT_CLOSE:
            world.go_to(min(world.now + step, NEXT_CLOSE))
        return [(u.event, u.at, u.qty, u.price, u.order.seq) for u in world.updates]

    assert story(timedelta(days=3)) == story(timedelta(minutes=7))


def test_a_cancel_is_asked_first_and_done_later():
    world = World()
    order = world.submit(type="limit", limit_price="80")
    world.wait()
    world.cancel(order)
    assert order.status == "pending_cancel"
    world.wait()
    assert world.events(order) == ["new", "canceled"]
    assert order.canceled_at is not None


def test_a_fill_may_win_the_race_against_a_cancel():
    for seed in range(1, 60):
        world = World(seed=seed)
        order = world.submit()
        world.wait(0.1)
        if not order.is_open:
            continue
        world.cancel(order)
        world.wait()
        if order.status == "filled":
            assert world.events(order) == ["new", "fill", "order_cancel_rejected"]
            assert world.account.existing_qty("SPY") == 1
            return
    pytest.fail("no seed let the fill win")


def test_a_second_cancel_of_a_canceled_order_is_answered_like_the_first():
    world = World()
    order = world.submit(type="limit", limit_price="80")
    for _ in range(2):
        world.cancel(order)
        world.wait()
    assert world.events(order).count("canceled") == 1


def test_partial_fills_add_up_to_the_order():
    world = World(partial_fill_pct=0.9)
    order = world.submit(qty="50")
    world.wait(600)
    fills = [u for u in world.updates if u.event in ("partial_fill", "fill")]
    assert len(fills) > 2
    assert [u.event for u in fills] == ["partial_fill"] * (len(fills) - 1) + ["fill"]
    assert sum(u.qty for u in fills) == 50
    total = Decimal(0)
    for update in fills:
        total += update.qty
        assert update.order.filled_qty == update.position_qty == total
    assert len({u.execution_id for u in fills}) == len(fills)
    cumulative = [a.cum_qty for a in world.account.activities]
    assert cumulative == [u.order.filled_qty for u in fills]
    assert order.status == "filled"


def test_a_tenth_of_the_fills_is_partial():
    world = World(cash="100000000", partial_fill_pct=0.10)
    for _ in range(400):
        world.submit(qty="100")
        world.wait(0.001)
    world.wait(60)
    first = {u.order.id: u.event for u in reversed(world.updates) if u.qty is not None}
    share = sum(event == "partial_fill" for event in first.values()) / 400
    assert 0.05 < share < 0.15


def test_an_order_by_notional_buys_what_the_amount_pays():
    world = World()
    order = world.submit(qty=None, notional="250")
    assert world.account.held_cash == 250
    world.wait()
    assert (order.qty, order.filled_qty) == (None, Decimal("2.5"))
    assert world.account.cash == Decimal(9750)


def test_an_order_by_notional_sells_what_the_amount_is_worth():
    world = World(holdings={"SPY": "5"})
    order = world.submit(qty=None, notional="100", side="sell")
    assert world.account.available_qty("SPY") == 5 - order.remaining_qty
    world.wait()
    assert order.filled_qty == Decimal("1.001001001")
    assert world.account.cash == Decimal("10100.00")


def test_an_ioc_order_is_canceled_where_it_does_not_trade_at_once():
    world = World()
    order = world.submit(type="limit", limit_price="80", time_in_force="ioc")
    world.wait()
    assert world.events(order) == ["new", "canceled"]


def test_a_fok_order_never_fills_in_part():
    world = World(partial_fill_pct=1.0)
    order = world.submit(qty="50", time_in_force="fok")
    world.wait()
    assert world.events(order) == ["new", "fill"]


def test_an_opg_order_trades_at_the_open_or_expires():
    world = World(starts_at=OPEN - timedelta(hours=2))
    hits = world.submit(time_in_force="opg")
    misses = world.submit(time_in_force="opg", type="limit", limit_price="80")
    world.go_to(OPEN + SECOND)
    assert world.events(hits) == ["accepted", "new", "fill"]
    assert world.events(misses) == ["accepted", "new", "expired"]


def test_a_cls_order_trades_at_the_close():
    world = World()
    order = world.submit(time_in_force="cls")
    world.go_to(CLOSE - SECOND)
    assert order.status == "new"
    world.go_to(CLOSE)
    assert (order.status, order.filled_at) == ("filled", CLOSE)


def test_a_stop_sell_sleeps_until_its_price_is_reached():
    world = World(holdings={"SPY": "5"})
    order = world.submit(side="sell", type="stop", stop_price="95", qty="5")
    world.wait(60)
    assert order.status == "new"
    world.market.move("SPY", world.now + SECOND, "94.90", "95.00")
    world.wait(60)
    assert order.filled_avg_price == Decimal("94.90")


def test_a_stop_limit_waits_for_its_limit_after_the_stop():
    world = World(holdings={"SPY": "5"})
    order = world.submit(side="sell", type="stop_limit", stop_price="95", limit_price="94", qty="5")
    world.market.move("SPY", NOON + 60 * SECOND, "90.00", "90.10")
    world.wait(120)
    assert (order.status, order.is_triggered) == ("new", True)
    world.market.move("SPY", world.now + SECOND, "94.50", "94.60")
    world.wait(60)
    assert order.filled_avg_price == Decimal("94.50")


def test_a_trailing_stop_follows_the_price_up_and_never_down():
    world = World(holdings={"SPY": "5"})
    order = world.submit(side="sell", type="trailing_stop", trail_percent="10", qty="5")
    assert (order.hwm, order.stop_price) == (Decimal("99.95"), Decimal("89.96"))
    world.market.move("SPY", NOON + 60 * SECOND, "119.90", "120.10")
    world.market.move("SPY", NOON + 120 * SECOND, "109.90", "110.10")
    world.go_to(NOON + 180 * SECOND)
    assert (order.hwm, order.stop_price, order.status) == (120, 108, "new")
    world.market.move("SPY", world.now + SECOND, "107.50", "107.60")
    world.wait(60)
    assert order.filled_avg_price == Decimal("107.50")


def test_a_rejected_order_tells_so_after_its_acceptance():
    world = World()
    world.arm("reject_order", symbol="SPY")
    order = world.submit()
    world.wait()
    assert world.events(order) == ["rejected"]
    assert order.failed_at is not None
    second = world.submit()
    world.wait()
    assert second.status == "filled"


def test_a_halted_symbol_rests_until_it_resumes():
    world = World()
    world.exchange.engine.halted.add("SPY")
    order = world.submit()
    world.wait(120)
    assert order.status == "new"
    world.exchange.engine.halted.discard("SPY")
    world.wait(60)
    assert order.status == "filled"


@pytest.mark.parametrize(
    ("kind", "ratio", "qty", "average"),
    [("forward_split", "4", "20", "12.5"), ("reverse_split", "0.1", "0.5", "500")],
)
def test_a_split_moves_the_position_overnight(kind, ratio, qty, average):
    world = World(holdings={"SPY": "5", "CHEAP": "1"})
    world.market.corporate_actions.append(
        CorporateAction(kind, "SPY", date(2024, 2, 2), Decimal(ratio), None)
    )
    cost = world.account.positions["SPY"].cost_basis
    world.go_to(CLOSE + SECOND)
    assert world.account.existing_qty("SPY") == 5
    world.go_to(NEXT_OPEN)
    position = world.account.positions["SPY"]
    assert (position.qty, position.avg_entry_price) == (Decimal(qty), Decimal(average))
    assert position.cost_basis == cost
    assert world.account.existing_qty("CHEAP") == 1
    assert [a.kind for a in world.account.activities] == ["SPLIT", "SPLIT"]


def test_a_split_cancels_the_open_orders_of_its_symbol():
    world = World(holdings={"SPY": "5"})
    world.market.corporate_actions.append(
        CorporateAction("forward_split", "SPY", date(2024, 2, 2), Decimal(4), None)
    )
    gtc = world.submit(side="sell", type="limit", limit_price="120", time_in_force="gtc")
    other = world.submit(symbol="CHEAP", type="limit", limit_price="5", time_in_force="gtc")
    world.go_to(NEXT_OPEN + SECOND)
    assert (gtc.status, other.status) == ("canceled", "new")
    assert world.account.available_qty("SPY") == 20


def test_dividends_are_paid_only_where_asked_for():
    for pays, cash in ((False, "10000"), (True, "10002.50")):
        world = World(holdings={"SPY": "5"})
        world.exchange.engine.like_live.dividends = pays
        world.market.corporate_actions.append(
            CorporateAction("cash_dividend", "SPY", date(2024, 2, 2), None, Decimal("0.5"))
        )
        world.go_to(NEXT_OPEN)
        assert world.account.cash == Decimal(cash)


def test_the_close_notes_the_equity_of_the_day():
    world = World(holdings={"SPY": "5"})
    world.go_to(NEXT_CLOSE)
    equity = Decimal(10000) + 5 * Decimal("99.95")
    assert world.account.closing_equity == [
        (date(2024, 2, 1), equity),
        (date(2024, 2, 2), equity),
    ]
    assert world.account.last_equity == equity


def test_activity_ids_begin_with_new_yorks_local_time():
    world = World()
    world.submit()
    world.wait()
    identity = world.account.activities[0].id
    assert identity.startswith("20240201120000")
    assert len(identity.split("::")[0]) == 17
