"""The broker over real sockets: doors, limits, errors, and every endpoint's shape."""

import asyncio
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from atlas_daemon.paper import store
from atlas_daemon.paper.server import RemoteHostError
from tests.paper.sockets import running
from tests.paper.world import EVENING, NOON, an_order

pytestmark = pytest.mark.asyncio

ORDER_KEYS = (
    "asset_class asset_id canceled_at client_order_id created_at expired_at expires_at "
    "extended_hours failed_at filled_at filled_avg_price filled_qty hwm id legs limit_price "
    "notional order_class order_type position_intent qty replaced_at replaced_by replaces "
    "side source status stop_price submitted_at subtag symbol time_in_force trail_percent "
    "trail_price type updated_at"
)
ACCOUNT_KEYS = (
    "account_blocked account_number accrued_fees admin_configurations balance_asof "
    "buying_power cash created_at crypto_status crypto_tier currency effective_buying_power "
    "equity id initial_margin intraday_adjustments last_equity last_maintenance_margin "
    "long_market_value maintenance_margin multiplier non_marginable_buying_power "
    "options_approved_level options_buying_power options_trading_level pending_reg_taf_fees "
    "portfolio_value position_market_value regt_buying_power short_market_value "
    "shorting_enabled sma status trade_suspended_by_user trading_blocked transfers_blocked "
    "user_configurations"
)


async def test_a_missing_key_is_answered_by_the_edge_in_html():
    async with running() as client:
        status, body = await client.ask("GET", "/v2/account", headers={})
        assert status == 401
        assert "nginx" in body


async def test_a_wrong_secret_is_unauthorized_without_a_code():
    async with running() as client:
        headers = client.headers | {"APCA-API-SECRET-KEY": "wrong"}
        answer = await client.ask("GET", "/v2/account", headers=headers)
        assert answer == (401, {"message": "unauthorized."})


async def test_every_reply_carries_its_own_request_id():
    async with running() as client:
        seen = set()
        for path in ("/v2/account", "/v2/clock", "/nowhere", "/_admin/state"):
            async with client.session.get(
                client.broker.url + path, headers=client.headers
            ) as response:
                seen.add(response.headers["X-Request-ID"])
        assert len(seen) == 4


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/nothing"), ("PUT", "/v2/orders"), ("GET", "/v3/orders")]
)
async def test_an_unknown_endpoint_is_not_found(method, path):
    async with running() as client:
        assert await client.ask(method, path) == (
            404,
            {"code": 40410000, "message": "endpoint not found."},
        )


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b"null", b'"x"', b"[]"])
async def test_a_malformed_body_is_a_400(body):
    async with running() as client:
        status, answer = await client.ask("POST", "/v2/orders", data=body)
        assert (status, answer["code"]) == (400, 40010000)


async def test_a_huge_body_is_refused():
    async with running() as client:
        status, _ = await client.ask("POST", "/v2/orders", data=b"x" * 100_000)
        assert status == 413


async def test_the_budget_of_requests_is_counted_in_headers_and_ends_in_429():
    moment = [90.0]
    async with running(rate_limit_per_min=2, monotonic=lambda: moment[0]) as client:
        seen = []
        for _ in range(3):
            async with client.session.get(
                client.broker.url + "/v2/clock", headers=client.headers
            ) as response:
                seen.append((response.status, response.headers["X-RateLimit-Remaining"]))
                reset = int(response.headers["X-RateLimit-Reset"])
                date = parsedate_to_datetime(response.headers["Date"])
        assert seen == [(200, "1"), (200, "0"), (429, "0")]
        assert date == NOON
        assert reset - date.timestamp() == 30
        moment[0] = 120.0
        await client.get("/v2/clock")


async def test_it_listens_on_this_machine_only_unless_allowed():
    with pytest.raises(RemoteHostError, match=r"0\.0\.0\.0"):
        async with running(host="0.0.0.0"):
            pass


async def test_the_account_has_alpacas_keys_and_strings_for_numbers():
    async with running() as client:
        body = await client.get("/v2/account")
        assert " ".join(body) == ACCOUNT_KEYS
        assert body["cash"] == "10000"
        assert body["equity"] == body["portfolio_value"] == "10499.75"
        assert (body["multiplier"], body["status"]) == ("4", "ACTIVE")


async def test_an_order_has_alpacas_keys_and_nulls():
    async with running() as client:
        body = await client.order(qty=2, client_order_id="mine")
        assert " ".join(body) == ORDER_KEYS
        assert body["status"] == "pending_new"
        assert (body["qty"], body["filled_qty"], body["filled_avg_price"]) == ("2", "0", None)
        assert (body["order_class"], body["legs"]) == ("", None)
        assert body["submitted_at"].startswith("2024-02-01T17:00:00.")
        assert body["submitted_at"].endswith("Z")
        assert body["expires_at"] == "2024-02-01T21:00:00Z"
        await client.wait()
        by_client_id = await client.get("/v2/orders:by_client_order_id", client_order_id="mine")
        assert by_client_id == await client.get(f"/v2/orders/{body['id']}")
        assert by_client_id["status"] == "filled"
        assert by_client_id["filled_avg_price"] == "100"


async def test_orders_are_listed_by_status_side_symbol_and_submission():
    async with running() as client:
        first = await client.order()
        await client.wait()
        second = await client.order(type="limit", limit_price="80")
        await client.wait()
        third = await client.order(symbol="CHEAP", type="limit", limit_price="8")

        async def ids(**params: str) -> list[str]:
            return [order["id"] for order in await client.get("/v2/orders", **params)]

        one, two, three = first["id"], second["id"], third["id"]
        assert await ids() == [three, two]
        assert await ids(status="closed") == [one]
        assert await ids(status="all", direction="asc") == [one, two, three]
        assert await ids(status="all", limit="1") == [three]
        assert await ids(status="all", symbols="CHEAP") == [three]
        assert await ids(status="all", side="sell") == []
        assert await ids(status="all", after=first["submitted_at"]) == [three, two]
        assert await ids(status="all", until=second["submitted_at"]) == [one]
        assert await ids(status="all", after_order_id=two) == [three]
        assert await ids(status="all", before_order_id=two) == [one]
        assert await ids(status="all", nested="True") == [three, two, one]


@pytest.mark.parametrize(
    "params",
    [
        {"status": "odd"},
        {"limit": "many"},
        {"limit": "0"},
        {"direction": "up"},
        {"after": "yesterday"},
        {"after_order_id": "7"},
    ],
)
async def test_an_unreadable_query_is_refused(params):
    async with running() as client:
        status, _ = await client.ask("GET", "/v2/orders", params=params)
        assert status == 422


async def test_orders_that_do_not_exist():
    async with running() as client:
        nobody = "00000000-0000-4000-8000-000000000000"
        for method in ("GET", "DELETE", "PATCH"):
            status, body = await client.ask(method, f"/v2/orders/{nobody}", json={})
            assert (status, body["code"]) == (404, 40410000)
        assert (await client.ask("GET", "/v2/orders/seven"))[0] == 422
        status, _ = await client.ask(
            "GET", "/v2/orders:by_client_order_id", params={"client_order_id": "x"}
        )
        assert status == 404


async def test_a_cancel_is_asked_with_204_and_seen_later():
    async with running() as client:
        order = await client.order(type="limit", limit_price="80")
        await client.wait()
        assert await client.ask("DELETE", f"/v2/orders/{order['id']}") == (204, None)
        assert (await client.get(f"/v2/orders/{order['id']}"))["status"] == "pending_cancel"
        await client.wait()
        body = await client.get(f"/v2/orders/{order['id']}")
        assert body["status"] == "canceled"
        assert body["canceled_at"] is not None


async def test_cancel_all_answers_207_with_each_order():
    async with running() as client:
        ids = {(await client.order(type="limit", limit_price=p))["id"] for p in ("80", "81")}
        status, body = await client.ask("DELETE", "/v2/orders")
        assert status == 207
        assert {line["id"] for line in body} == ids
        assert {line["status"] for line in body} == {200}
        await client.wait()
        assert await client.get("/v2/orders") == []


async def test_replace_gives_a_new_order():
    async with running() as client:
        old = await client.order(type="limit", limit_price="80")
        await client.wait()
        status, new = await client.ask("PATCH", f"/v2/orders/{old['id']}", json={"qty": 2})
        assert (status, new["replaces"], new["qty"]) == (200, old["id"], "2")


async def test_positions_show_what_is_held_and_free():
    async with running() as client:
        await client.order(side="sell", qty=2, type="limit", limit_price="120")
        (body,) = await client.get("/v2/positions")
        assert body["qty"] == "5"
        assert body["qty_available"] == "3"
        assert body["avg_entry_price"] == "50"
        assert body["market_value"] == "499.75"
        assert body["unrealized_pl"] == "249.75"
        assert body == await client.get(f"/v2/positions/{body['asset_id']}")
        assert await client.ask("GET", "/v2/positions/CHEAP") == (
            404,
            {"code": 40410000, "message": "position does not exist"},
        )


async def test_closing_a_position_leaves_open_orders_and_is_refused_for_reserved_shares():
    async with running() as client:
        await client.order(side="sell", qty=2, type="limit", limit_price="120")
        status, body = await client.ask("DELETE", "/v2/positions/SPY")
        assert (status, body["code"], body["available"]) == (403, 40310000, "3")
        status, body = await client.ask("DELETE", "/v2/positions/SPY", params={"qty": "3"})
        assert (status, body["qty"], body["side"]) == (200, "3", "sell")


async def test_closing_all_positions_cancels_first_and_answers_207():
    async with running() as client:
        await client.order(side="sell", qty=2, type="limit", limit_price="120")
        status, body = await client.ask("DELETE", "/v2/positions", params={"cancel_orders": "True"})
        assert status == 207
        assert [(line["symbol"], line["status"]) for line in body] == [("SPY", 200)]
        await client.wait()
        assert await client.get("/v2/positions") == []


async def test_suspend_trade_is_set_shown_and_obeyed():
    async with running() as client:
        status, body = await client.ask(
            "PATCH", "/v2/account/configurations", json={"suspend_trade": True}
        )
        assert (status, body["suspend_trade"]) == (200, True)
        assert (await client.get("/v2/account"))["trade_suspended_by_user"] is True
        status, body = await client.ask("POST", "/v2/orders", json=an_order())
        assert body["message"] == "new orders are rejected by user request"
        for wrong in ({"suspend_trade": "yes"}, {"unknown": 1}, {"suspend_trade": 1}):
            answer = await client.ask("PATCH", "/v2/account/configurations", json=wrong)
            assert answer[0] == 422


async def test_activities_are_paged_by_the_last_id_seen():
    async with running() as client:
        for _ in range(3):
            await client.order()
            await client.wait()
        everything = await client.get("/v2/account/activities/FILL", direction="asc")
        assert [line["cum_qty"] for line in everything] == ["1", "1", "1"]
        first = await client.get("/v2/account/activities", page_size="2")
        rest = await client.get("/v2/account/activities", page_size="2", page_token=first[-1]["id"])
        assert first + rest == everything[::-1]
        later = await client.get("/v2/account/activities", after=everything[0]["transaction_time"])
        assert later == everything[:0:-1]
        assert await client.get("/v2/account/activities/FEE") == []
        mine = await client.get("/v2/account/activities", order_id=everything[1]["order_id"])
        assert mine == [everything[1]]


async def test_the_clock_tells_new_york_time_and_its_speed():
    async with running() as client:
        async with client.session.get(
            client.broker.url + "/v2/clock", headers=client.headers
        ) as response:
            assert response.headers["X-Atlas-Clock-Speed"] == "0"
            body = await response.json()
        assert body == {
            "is_open": True,
            "next_close": "2024-02-01T16:00:00-05:00",
            "next_open": "2024-02-02T09:30:00-05:00",
            "timestamp": "2024-02-01T12:00:00-05:00",
        }
        client.go_to(EVENING)
        assert (await client.get("/v2/clock"))["is_open"] is False


async def test_the_calendar_knows_half_days():
    async with running() as client:
        body = await client.get("/v2/calendar", start="2024-11-28", end="2024-11-29")
        assert body == [
            {
                "close": "13:00",
                "date": "2024-11-29",
                "open": "09:30",
                "session_close": "1700",
                "session_open": "0400",
                "settlement_date": "2024-12-02",
            }
        ]


async def test_assets():
    async with running() as client:
        listed = await client.get("/v2/assets", status="active", asset_class="us_equity")
        assert [asset["symbol"] for asset in listed] == ["SPY", "CHEAP"]
        assert await client.get("/v2/assets/SPY") == listed[0]
        assert await client.get(f"/v2/assets/{listed[0]['id']}") == listed[0]
        status, body = await client.ask("GET", "/v2/assets/NOPE")
        assert (status, body["message"]) == (404, "asset not found for NOPE")


async def test_an_account_begins_anew_by_the_side_door():
    async with running() as client:
        before = await client.get("/v2/account")
        await client.order(type="limit", limit_price="80")
        status, _ = await client.ask("POST", "/_admin/accounts/reset", json={"cash": "777"})
        assert status == 200
        after = await client.get("/v2/account")
        assert after["cash"] == "777"
        assert after["account_number"] != before["account_number"]
        assert await client.get("/v2/orders", status="all") == []
        await client.wait()


async def test_money_moves_by_the_side_door_and_leaves_an_activity():
    async with running() as client:
        for kind, amount in (("CSD", "500"), ("FEE", "-0.13")):
            await client.ask("POST", "/_admin/events", json={"kind": kind, "amount": amount})
        assert (await client.get("/v2/account"))["cash"] == "10499.87"
        lines = await client.get("/v2/account/activities", category="non_trade_activity")
        assert [(line["activity_type"], line["net_amount"]) for line in lines] == [
            ("FEE", "-0.13"),
            ("CSD", "500"),
        ]


async def test_the_clock_is_set_forward_by_the_side_door_and_never_back():
    async with running() as client:
        status, body = await client.ask(
            "POST", "/_admin/clock", json={"at": "2024-02-01T18:00:00-05:00", "speed": 0}
        )
        assert (status, body["at"]) == (200, "2024-02-01T23:00:00Z")
        for wrong in ({"at": "2024-02-01T00:00:00Z"}, {"speed": -1}, {"at": "x"}, {"oops": 1}):
            status, _ = await client.ask("POST", "/_admin/clock", json=wrong)
            assert status == 422


async def test_the_side_door_is_closed_to_web_pages():
    async with running() as client:
        status, _ = await client.ask(
            "GET", "/_admin/state", headers={"Origin": "https://example.com"}
        )
        assert status == 403


async def test_a_restart_remembers_accounts_orders_and_time(tmp_path):
    path = tmp_path / "paper.json"
    async with running(state_path=path) as client:
        filled = await client.order(client_order_id="first")
        await client.wait()
        resting = await client.order(type="limit", limit_price="80", client_order_id="second")
        await client.wait()
        before = await client.get("/v2/account")
        fills = await client.get("/v2/account/activities")
    async with running(state_path=path) as client:
        assert await client.get("/v2/account") == before
        assert await client.get("/v2/account/activities") == fills
        assert [order["id"] for order in await client.get("/v2/orders")] == [resting["id"]]
        status, _ = await client.ask("POST", "/v2/orders", json=an_order(client_order_id="first"))
        assert status == 422
        new = await client.order()
        assert new["id"] not in (filled["id"], resting["id"])
        client.market.move("SPY", client.broker.desk.clock.now(), "79", "79.5")
        await client.wait(60)
        assert (await client.get(f"/v2/orders/{resting['id']}"))["status"] == "filled"


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b'{"format": 1, "at": 3}'])
async def test_a_foreign_state_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "paper.json"
    path.write_bytes(content)
    with pytest.raises(store.StateFileError, match=r"paper\.json"):
        async with running(state_path=path):
            pass
    assert path.read_bytes() == content


@pytest.mark.parametrize(("kind", "status"), [("accept_then_504", 504), ("accept_then_html", 200)])
async def test_an_order_may_be_accepted_though_the_answer_says_nothing(kind, status):
    async with running() as client:
        await client.ask("POST", "/_admin/faults", json={"kind": kind, "method": "POST"})
        answered, body = await client.ask(
            "POST", "/v2/orders", json=an_order(client_order_id="mine")
        )
        assert answered == status
        assert "<html>" in body
        assert len(await client.get("/v2/orders", status="all")) == 1
        await client.order()


@pytest.mark.parametrize(("kind", "orders"), [("accept_then_reset", 1), ("drop_before_accept", 0)])
async def test_a_reset_tells_nothing_about_the_order(kind, orders):
    async with running() as client:
        await client.ask("POST", "/_admin/faults", json={"kind": kind, "path": "/v2/orders"})
        with pytest.raises(aiohttp.ClientError):
            await client.ask("POST", "/v2/orders", json=an_order())
        assert len(await client.get("/v2/orders", status="all")) == orders


async def test_a_429_may_come_without_its_headers():
    async with running() as client:
        fault = {"kind": "http_429", "headers": False}
        await client.ask("POST", "/_admin/faults", json=fault)
        async with client.session.get(
            client.broker.url + "/v2/clock", headers=client.headers
        ) as response:
            assert response.status == 429
            assert "X-RateLimit-Reset" not in response.headers


async def test_a_500_has_done_nothing_and_is_html():
    async with running() as client:
        await client.ask("POST", "/_admin/faults", json={"kind": "http_500_html"})
        status, body = await client.ask("POST", "/v2/orders", json=an_order())
        assert (status, "<html>" in body) == (500, True)
        assert await client.get("/v2/orders", status="all") == []


async def test_a_hanging_request_can_be_given_up():
    async with running() as client:
        await client.ask("POST", "/_admin/faults", json={"kind": "hang", "method": "POST"})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.order(), 0.2)
        assert len(await client.get("/v2/orders", status="all")) == 1


async def test_faults_by_probability_follow_their_seed():
    async with running() as client:
        fault = {"kind": "http_500_html", "count": None, "probability": 0.5, "seed": 3}
        await client.ask("POST", "/_admin/faults", json=fault)
        first = [(await client.ask("GET", "/v2/clock"))[0] for _ in range(12)]
        await client.ask("DELETE", "/_admin/faults")
        await client.ask("POST", "/_admin/faults", json=fault)
        assert [(await client.ask("GET", "/v2/clock"))[0] for _ in range(12)] == first
        assert set(first) == {200, 500}


@pytest.mark.parametrize("fault", [{"kind": "gremlin"}, {"kind": "delay", "probability": 2}, {}])
async def test_an_unknown_fault_is_refused(fault):
    async with running() as client:
        assert (await client.ask("POST", "/_admin/faults", json=fault))[0] == 422
