"""Orders and positions over HTTP: nesting, filters, lists of mixed outcomes."""

import pytest

from tests.paper.sockets import Client, running
from tests.paper.world import a_bracket, an_oco, an_order

pytestmark = pytest.mark.asyncio


async def ids(client: Client, **params: str) -> list[str]:
    return [order["id"] for order in await client.get("/v2/orders", **params)]


async def test_a_bracket_is_answered_with_its_legs():
    async with running() as client:
        body = await client.order(**a_bracket(), time_in_force="gtc")
        profit, stop = body["legs"]
        assert [o["status"] for o in (body, profit, stop)] == ["pending_new", "held", "held"]
        assert (body["order_class"], body["group_role"]) == ("bracket", "entry")
        assert {o["group_id"] for o in (body, profit, stop)} == {body["group_id"]}
        assert (profit["type"], profit["limit_price"]) == ("limit", "110")
        assert (stop["type"], stop["stop_price"], stop["limit_price"]) == ("stop", "90", None)
        assert (profit["legs"], profit["position_intent"]) == (None, "sell_to_close")
        assert len({o["client_order_id"] for o in (body, profit, stop)}) == 3


async def test_legs_are_orders_of_their_own_unless_nested():
    async with running() as client:
        other = (await client.order(type="limit", limit_price="80"))["id"]
        entry = await client.order(**a_bracket(type="limit", limit_price="95"))
        profit, stop = [leg["id"] for leg in entry["legs"]]
        assert await ids(client) == [stop, profit, entry["id"], other]
        assert await ids(client, nested="True") == [entry["id"], other]
        assert await ids(client, nested="true", limit="1") == [entry["id"]]
        listed = (await client.get("/v2/orders", nested="true"))[0]
        assert [leg["id"] for leg in listed["legs"]] == [profit, stop]
        path = f"/v2/orders/{entry['id']}"
        assert (await client.get(path))["legs"] is None
        assert [leg["id"] for leg in (await client.get(path, nested="true"))["legs"]] == [
            profit,
            stop,
        ]
        assert (await client.get(f"/v2/orders/{profit}"))["status"] == "held"


async def test_legs_stand_alone_where_their_parent_is_not_listed():
    async with running() as client:
        entry = await client.order(**a_bracket())
        await client.wait()
        profit, stop = [leg["id"] for leg in entry["legs"]]
        assert await ids(client, nested="true", status="open") == [stop, profit]
        assert await ids(client, nested="true", status="all") == [entry["id"]]


async def test_the_take_profit_of_an_oco_is_the_parent():
    async with running() as client:
        body = await client.order(**an_oco(qty="5"))
        assert (body["group_role"], body["limit_price"]) == ("take_profit", "110")
        assert [leg["group_role"] for leg in body["legs"]] == ["stop_loss"]
        (position,) = await client.get("/v2/positions")
        assert position["qty_available"] == "0"


async def test_orders_are_listed_by_asset_class():
    async with running() as client:
        order = await client.order(type="limit", limit_price="80")
        for known in ("us_equity", "all", "crypto,us_equity"):
            assert await ids(client, asset_class=known) == [order["id"]]
        assert await ids(client, asset_class="crypto") == []


async def test_two_bounds_by_order_id_are_one_too_many():
    async with running() as client:
        order = (await client.order(type="limit", limit_price="80"))["id"]
        for other in ("after_order_id", "after", "until"):
            params = {"before_order_id": order, other: order}
            if other != "after_order_id":
                params[other] = "2024-02-01T00:00:00Z"
            status, body = await client.ask("GET", "/v2/orders", params=params)
            assert (status, body["code"]) == (422, 40010001)


async def test_more_than_500_orders_are_cut_down_to_500():
    async with running(rate_limit_per_min=0) as client:
        await client.order(type="limit", limit_price="80")
        assert len(await client.get("/v2/orders", limit="501")) == 1
        assert (await client.ask("GET", "/v2/orders", params={"limit": "-1"}))[0] == 422


async def test_cancel_all_names_the_order_that_cannot_be_cancelled():
    async with running() as client:
        old = await client.order(type="limit", limit_price="80")
        await client.wait()
        status, new = await client.ask("PATCH", f"/v2/orders/{old['id']}", json={"qty": "2"})
        assert (status, new["status"], new["replaces"]) == (200, "pending_new", old["id"])
        shown = await client.get(f"/v2/orders/{old['id']}")
        assert (shown["status"], shown["replaced_by"]) == ("pending_replace", None)
        status, body = await client.ask("DELETE", "/v2/orders")
        message = 'order is already in "pending_replace" state'
        assert (status, body) == (
            207,
            [
                {
                    "id": old["id"],
                    "status": 422,
                    "body": {"code": 42210000, "message": message},
                },
                {"id": new["id"], "status": 200},
            ],
        )


async def test_cancel_all_of_nothing_is_an_empty_list():
    async with running() as client:
        assert await client.ask("DELETE", "/v2/orders") == (207, [])


async def test_closing_all_names_each_refusal():
    async with running() as client:
        await client.order(symbol="CHEAP", qty=4)
        await client.wait()
        await client.order(side="sell", qty=2, type="limit", limit_price="120")
        status, body = await client.ask("DELETE", "/v2/positions")
        assert status == 207
        assert [(line["symbol"], line["status"]) for line in body] == [("CHEAP", 200), ("SPY", 403)]
        assert (body[0]["body"]["side"], body[0]["body"]["qty"]) == ("sell", "4")
        assert body[1]["body"]["held_for_orders"] == "2"


async def test_a_suspension_refuses_liquidation_and_lets_cancels_through():
    async with running() as client:
        order = await client.order(type="limit", limit_price="80")
        await client.ask("PATCH", "/v2/account/configurations", json={"suspend_trade": True})
        refused = {"code": 40310000, "message": "new orders are rejected by user request"}
        assert await client.ask("DELETE", "/v2/positions/SPY") == (403, refused)
        status, body = await client.ask("DELETE", "/v2/positions")
        assert (status, body) == (207, [{"symbol": "SPY", "status": 403, "body": refused}])
        assert (await client.ask("DELETE", f"/v2/orders/{order['id']}"))[0] == 204


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"qty": "2", "percentage": "10"}, 422),
        ({"percentage": "100.1"}, 422),
        ({"percentage": "0"}, 422),
        ({"qty": "-1"}, 422),
        ({"qty": "many"}, 422),
        ({"qty": "6"}, 403),
        ({"qty": "2.5"}, 200),
        ({"percentage": "40"}, 200),
    ],
)
async def test_a_part_of_a_position_is_closed_by_quantity_or_percentage(params, status):
    async with running() as client:
        assert (await client.ask("DELETE", "/v2/positions/SPY", params=params))[0] == status


async def test_a_position_is_closed_by_its_assets_id():
    async with running() as client:
        (position,) = await client.get("/v2/positions")
        status, body = await client.ask("DELETE", f"/v2/positions/{position['asset_id']}")
        assert (status, body["symbol"], body["qty"]) == (200, "SPY", "5")
        await client.wait()
        order = await client.order(symbol=position["asset_id"])
        assert order["symbol"] == "SPY"


@pytest.mark.parametrize("path", ["/v2/positions/NOPE", "/v2/positions/CHEAP"])
async def test_what_is_not_held_cannot_be_closed(path):
    async with running() as client:
        status, body = await client.ask("DELETE", path)
        symbol = path.rpartition("/")[2]
        assert (status, body) == (
            404,
            {"code": 40410000, "message": f"position not found: {symbol}"},
        )


async def test_a_position_without_a_price_has_nulls():
    async with running() as client:
        client.market._table["SPY"] = []
        (position,) = await client.get("/v2/positions")
        assert (position["current_price"], position["market_value"]) == (None, None)
        assert (position["qty"], position["cost_basis"]) == ("5", "250")
        assert " ".join(position) == (
            "asset_class asset_id asset_marginable avg_entry_price change_today cost_basis "
            "current_price exchange lastday_price market_value qty qty_available side symbol "
            "unrealized_intraday_pl unrealized_intraday_plpc unrealized_pl unrealized_plpc"
        )


async def test_an_order_by_notional_has_no_quantity():
    async with running() as client:
        body = await client.order(qty=None, notional=123.45)
        assert (body["qty"], body["notional"], body["filled_qty"]) == (None, "123.45", "0")
        await client.wait()
        body = await client.get(f"/v2/orders/{body['id']}")
        assert (body["qty"], body["filled_qty"], body["status"]) == (None, "1.2345", "filled")


async def test_a_trailing_stop_shows_its_water_mark():
    async with running() as client:
        body = await client.order(side="sell", type="trailing_stop", trail_percent="10")
        assert (body["hwm"], body["stop_price"]) == ("99.95", "89.96")
        assert (body["trail_percent"], body["trail_price"]) == ("10", None)


async def test_a_refusals_keys_are_in_alphabetical_order():
    async with running() as client:
        body = an_order(side="sell", qty="9", type="limit", limit_price="120")
        _, refused = await client.ask("POST", "/v2/orders", json=body)
        assert " ".join(refused) == "available code existing_qty held_for_orders message symbol"


@pytest.mark.parametrize("kind", ["account_blocked", "trading_blocked"])
async def test_a_blocked_account_says_so_and_takes_no_order(kind):
    async with running() as client:
        assert (await client.ask("POST", "/_admin/faults", json={"kind": kind}))[0] == 200
        account = await client.get("/v2/account")
        assert account["trading_blocked"] is True
        assert account["account_blocked"] is (kind == "account_blocked")
        assert await client.ask("POST", "/v2/orders", json=an_order()) == (
            403,
            {"message": "forbidden."},
        )
        assert (await client.ask("DELETE", "/v2/positions/SPY"))[0] == 403
        await client.ask("DELETE", "/_admin/faults")
        await client.order()


async def test_an_untradable_asset_cannot_be_liquidated_either():
    async with running() as client:
        fault = {"kind": "untradable_asset", "symbol": "SPY"}
        assert (await client.ask("POST", "/_admin/faults", json=fault))[0] == 200
        refused = (422, {"code": 42210000, "message": 'asset "SPY" is not tradable'})
        assert await client.ask("POST", "/v2/orders", json=an_order()) == refused
        assert await client.ask("DELETE", "/v2/positions/SPY") == refused
        asset = await client.get("/v2/assets/SPY")
        assert (asset["status"], asset["tradable"]) == ("inactive", False)
        await client.ask("DELETE", "/_admin/faults")
        await client.order()
