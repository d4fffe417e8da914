"""Rules of account and market: shorts, wash trades, fractions, switches, and which rule wins."""

from decimal import Decimal

import pytest

from atlas_daemon.paper.exchange.orders import id_of
from atlas_daemon.paper.exchange.refusals import RefusedError
from tests.paper.world import EVENING, NOON, SECOND, World, a_bracket


def refused(world: World, **request: object) -> tuple[int, dict[str, object]]:
    with pytest.raises(RefusedError) as caught:
        world.submit(**request)
    return caught.value.status, caught.value.body


@pytest.mark.parametrize("kind", [{}, {"type": "limit", "limit_price": "120"}])
def test_opening_a_short_is_refused(kind):
    assert refused(World(), side="sell", **kind) == (
        403,
        {"code": 40310000, "message": "account is not allowed to short"},
    )


@pytest.mark.parametrize("amount", [{"qty": "0.5"}, {"qty": None, "notional": "50"}])
def test_opening_a_fractional_short_is_refused_in_other_words(amount):
    assert refused(World(), side="sell", **amount) == (
        422,
        {"code": 42210000, "message": "fractional orders cannot be sold short"},
    )


def test_a_flip_from_long_to_short_is_insufficient_quantity():
    world = World(holdings={"SPY": "5"})
    assert refused(world, side="sell", qty="6")[1]["available"] == "5"


MARKET: dict[str, object] = {"type": "market"}
STOP_BUY = {"type": "stop", "stop_price": "105"}
STOP_SELL = {"type": "stop", "stop_price": "90"}


def limit(price: str) -> dict[str, object]:
    return {"type": "limit", "limit_price": price}


def stop_limit(stop: str, price: str) -> dict[str, object]:
    return {"type": "stop_limit", "stop_price": stop, "limit_price": price}


@pytest.mark.parametrize(
    ("sell", "buy", "reason"),
    [
        (MARKET, MARKET, "market/stop"),
        (MARKET, limit("80"), "market/stop"),
        (STOP_SELL, MARKET, "market/stop"),
        (STOP_SELL, limit("80"), "market/stop"),
        (STOP_SELL, STOP_BUY, "market/stop"),
        (STOP_SELL, stop_limit("105", "106"), "market/stop"),
        (limit("110"), MARKET, "limit"),
        (limit("110"), STOP_BUY, "limit"),
        (limit("110"), limit("110"), "limit"),
        (limit("110"), limit("109.99"), None),
        (limit("110"), stop_limit("105", "110"), "limit"),
        (limit("110"), stop_limit("105", "109.99"), None),
        (stop_limit("90", "89"), MARKET, "limit"),
        (stop_limit("90", "89"), STOP_BUY, "limit"),
        (stop_limit("90", "89"), limit("89"), "limit"),
        (stop_limit("90", "89"), limit("88.99"), None),
    ],
)
@pytest.mark.parametrize("sell_first", [True, False])
def test_orders_that_could_trade_with_each_other_are_wash_trades(sell, buy, reason, sell_first):
    world = World(starts_at=EVENING, holdings={"SPY": "5"})
    pair = [{"side": "sell", **sell}, {"side": "buy", **buy}]
    first, second = pair if sell_first else reversed(pair)
    existing = world.submit(**first)
    if reason is None:
        world.submit(**second)
        return
    kind = "limit" if first["type"] in ("limit", "stop_limit") else "market/stop"
    assert refused(world, **second) == (
        403,
        {
            "code": 40310000,
            "existing_order_id": existing.id,
            "message": "potential wash trade detected. use complex orders",
            "reject_reason": f"opposite side {kind} order exists",
        },
    )


def test_a_trailing_stop_is_no_wash_trade():
    world = World(holdings={"SPY": "5"})
    world.submit(side="sell", type="trailing_stop", trail_percent="5")
    world.submit()


def test_two_equal_orders_are_two_orders():
    world = World()
    assert world.submit().id != world.submit().id


@pytest.mark.parametrize("flag", ["is_blocked", "is_trading_blocked"])
def test_a_blocked_account_is_forbidden_without_a_code(flag):
    world = World(holdings={"SPY": "5"})
    resting = world.submit(**limit("80"))
    setattr(world.account, flag, True)
    for side in ("buy", "sell"):
        assert refused(world, side=side) == (403, {"message": "forbidden."})
    with pytest.raises(RefusedError):
        world.exchange.close_position(world.account, "SPY", world.now)
    world.cancel(resting)
    world.wait()
    assert resting.status == "canceled"


def test_an_inactive_asset_is_not_tradable_and_its_orders_rest():
    world = World(holdings={"SPY": "5"})
    resting = world.submit(**limit("80"))
    world.exchange.engine.untradable.add("SPY")
    assert refused(world) == (422, {"code": 42210000, "message": 'asset "SPY" is not tradable'})
    world.wait()
    assert resting.is_open


def test_an_account_worth_a_sixth_of_its_positions_may_only_close():
    world = World(cash="-4200", holdings={"SPY": "50"})
    assert refused(world)[1]["message"] == "account is restricted to liquidation only"
    world.submit(side="sell", qty="50")


def test_fractions_can_be_switched_off_by_the_user():
    world = World()
    world.account.configuration.fractional_trading = False
    assert refused(world, qty="0.5")[0] == 403
    world.submit()


@pytest.mark.parametrize(
    ("side", "stated", "answer"),
    [
        ("buy", "buy_to_open", None),
        ("sell", "sell_to_close", None),
        (
            "buy",
            "buy_to_close",
            "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
        ),
        (
            "sell",
            "sell_to_open",
            "position intent mismatch, inferred: sell_to_close, specified: sell_to_open",
        ),
        ("buy", "speculation", "invalid position_intent specified"),
    ],
)
def test_a_stated_intent_has_to_fit(side, stated, answer):
    world = World(holdings={"SPY": "5"})
    if answer is None:
        world.submit(side=side, position_intent=stated)
    else:
        assert refused(world, side=side, position_intent=stated)[1]["message"] == answer


def test_an_order_may_name_its_asset_by_id():
    assert World().submit(symbol=id_of("asset", "SPY")).symbol == "SPY"
    assert World().submit(symbol="spy").symbol == "SPY"


SHORT_OF_MONEY = {"qty": "100000"}
RULES: list[tuple[str, dict[str, object], str]] = [
    ("form", {"type": "magic"}, "invalid order type"),
    ("asset", {"symbol": "NOPE"}, 'could not find asset "NOPE"'),
    ("inactive", {"symbol": "CHEAP"}, 'asset "CHEAP" is not tradable'),
    ("client id", {"client_order_id": "used"}, "client_order_id must be unique"),
    ("window", {"time_in_force": "opg"}, "opg orders are accepted"),
    ("wash trade", {"side": "sell"}, "potential wash trade detected"),
    ("funds", SHORT_OF_MONEY, "insufficient buying power"),
]


@pytest.mark.parametrize("index", range(len(RULES) - 1))
def test_the_first_rule_in_this_order_gives_the_refusal(index):
    world = World()
    world.submit(**limit("80"), client_order_id="used", qty="5")
    world.exchange.engine.untradable.add("CHEAP")
    name, breaks, message = RULES[index]
    later: dict[str, object] = {}
    for other, terms, _ in RULES[index + 1 :]:
        if (name, other) != ("asset", "inactive") and other != "wash trade":
            later |= terms
    assert str(refused(world, **(later | breaks))[1]["message"]).startswith(message)


def test_a_suspension_comes_before_everything():
    world = World()
    world.account.configuration.suspend_trade = True
    world.account.is_blocked = True
    assert "user request" in str(refused(world, type="magic")[1]["message"])


@pytest.mark.parametrize(
    ("holding", "percentage", "qty"),
    [("5", "25", "1"), ("5.5", "25", "1.375"), ("5", "100", "5"), ("0.3", "33.3", "0.0999")],
)
def test_a_percentage_of_whole_shares_is_whole_shares(holding, percentage, qty):
    world = World(holdings={"SPY": holding})
    order = world.exchange.close_position(
        world.account, "SPY", world.now, percentage=Decimal(percentage)
    )
    assert order.qty == Decimal(qty)


def test_a_part_that_is_less_than_a_share_is_refused():
    world = World(holdings={"SPY": "5"})
    with pytest.raises(RefusedError) as caught:
        world.exchange.close_position(world.account, "SPY", world.now, percentage=Decimal(10))
    assert caught.value.body["message"] == "qty must be > 0"


def test_reserved_shares_cannot_be_closed():
    world = World(holdings={"SPY": "5"})
    world.submit(side="sell", qty="2", **limit("120"))
    with pytest.raises(RefusedError) as caught:
        world.exchange.close_position(world.account, "SPY", world.now)
    assert (caught.value.status, caught.value.body["available"]) == (403, "3")


def test_a_buy_stop_does_not_chase_beyond_its_collar():
    world = World()
    order = world.submit(type="stop", stop_price="105")
    assert world.account.held_cash == Decimal("107.62")
    world.market.move("SPY", NOON + SECOND, "109.90", "110.00")
    world.wait()
    assert (order.status, order.is_triggered) == ("new", True)
    world.market.move("SPY", world.now + SECOND, "107.50", "107.60")
    world.wait()
    assert order.filled_avg_price == Decimal("107.60")


@pytest.mark.parametrize("tif", ["ioc", "fok", "opg", "cls"])
def test_a_stop_lasts_a_day_at_least(tif):
    world = World(holdings={"SPY": "5"})
    answer = refused(world, side="sell", type="stop", stop_price="90", time_in_force=tif)
    assert answer == (422, {"code": 40010001, "message": "invalid time_in_force"})


@pytest.mark.parametrize("tif", ["gtc", "ioc", "fok", "opg", "cls"])
def test_fractions_are_day_orders(tif):
    for amount in ({"qty": "0.5"}, {"qty": None, "notional": "50"}):
        answer = refused(World(), time_in_force=tif, **amount)
        assert answer == (
            422,
            {"code": 42210000, "message": "fractional orders must be DAY orders"},
        )


def test_the_answer_may_come_after_the_fill():
    world = World()
    world.exchange.engine.instant_fill_pct = 1.0
    order = world.submit()
    assert order.status == "pending_new"
    assert [update.event for update in world.go_to(NOON)] == ["new", "fill"]


def test_a_client_order_id_of_a_rejected_order_is_burnt():
    world = World()
    world.arm("reject_order", symbol="SPY")
    order = world.submit(client_order_id="mine")
    world.wait()
    assert order.status == "rejected"
    assert refused(world, client_order_id="mine")[1]["message"] == "client_order_id must be unique"


@pytest.mark.parametrize(("length", "fits"), [(128, True), (129, False)])
def test_a_client_order_id_has_128_characters_at_most(length, fits):
    world = World()
    if fits:
        world.submit(client_order_id="x" * length)
        return
    answer = refused(world, client_order_id="x" * length)
    assert answer[0] == 422
    assert answer[1]["code"] == 40010001


def test_the_exits_of_a_bracket_need_no_shares():
    world = World()
    world.submit(**a_bracket())
    assert world.account.held_qty("SPY") == 0
