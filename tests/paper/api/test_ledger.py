"""The account's figures, its settings and its activities, as a client asks for them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.paper.sockets import running
from tests.paper.world import CLOSE, NEXT_OPEN

pytestmark = pytest.mark.asyncio

ACTIVITIES = "/v2/account/activities"
CONFIGURATIONS = "/v2/account/configurations"
NAMES = """
account_blocked account_number accrued_fees admin_configurations balance_asof buying_power cash
created_at crypto_status crypto_tier currency effective_buying_power equity id initial_margin
intraday_adjustments last_equity last_maintenance_margin long_market_value maintenance_margin
multiplier non_marginable_buying_power options_approved_level options_buying_power
options_trading_level pending_reg_taf_fees portfolio_value position_market_value
regt_buying_power short_market_value shorting_enabled sma status trade_suspended_by_user
trading_blocked transfers_blocked user_configurations
"""
ACCOUNT_KEYS = NAMES.split()


async def test_the_account_has_exactly_the_keys_of_a_real_one_in_order():
    async with running() as client:
        shown = await client.get("/v2/account")
        assert list(shown) == ACCOUNT_KEYS
        strings = {key for key, value in shown.items() if isinstance(value, str)}
        assert {"cash", "equity", "multiplier", "sma", "balance_asof"} <= strings
        assert shown["user_configurations"] is None
        assert shown["admin_configurations"] == {}


@pytest.mark.parametrize(
    ("multiplier", "buying_power", "regt"),
    [("4", "41499.25", "20499.75"), ("2", "20499.75", "20499.75"), ("1", "10000", "10000")],
)
async def test_the_multiplier_decides_what_can_be_bought(multiplier, buying_power, regt):
    async with running(holdings={"SPY": (5, 50)}) as client:
        change = {"max_margin_multiplier": multiplier}
        status, body = await client.ask("PATCH", CONFIGURATIONS, json=change)
        assert (status, body["max_margin_multiplier"]) == (200, multiplier)
        shown = await client.get("/v2/account")
        assert shown["multiplier"] == multiplier
        assert shown["buying_power"] == shown["effective_buying_power"] == buying_power
        assert shown["regt_buying_power"] == regt
        assert shown["non_marginable_buying_power"] == "10000"
        assert (shown["initial_margin"], shown["maintenance_margin"]) == ("249.88", "149.92")


async def test_figures_of_the_day_before_stay_until_the_next_close():
    async with running() as client:
        before = await client.get("/v2/account")
        assert (before["last_maintenance_margin"], before["balance_asof"]) == ("0", "2024-01-31")
        client.go_to(CLOSE)
        closed = await client.get("/v2/account")
        assert closed["last_maintenance_margin"] == "149.92"
        assert (closed["last_equity"], closed["balance_asof"]) == ("10499.75", "2024-02-01")
        client.go_to(NEXT_OPEN)
        client.market.move("SPY", NEXT_OPEN, "199.90", "200.00")
        later = await client.get("/v2/account")
        assert (later["last_equity"], later["last_maintenance_margin"]) == ("10499.75", "149.92")
        assert later["equity"] == "10999.75"


async def test_todays_transfers_are_adjustments():
    async with running() as client:
        for kind, amount in (("CSD", "500"), ("CSW", "-120"), ("FEE", "-1")):
            await client.ask("POST", "/_admin/events", json={"kind": kind, "amount": amount})
        assert (await client.get("/v2/account"))["intraday_adjustments"] == "380"
        client.go_to(NEXT_OPEN)
        assert (await client.get("/v2/account"))["intraday_adjustments"] == "0"


async def test_settings_change_one_by_one():
    async with running() as client:
        first = await client.get(CONFIGURATIONS)
        changes = {
            "suspend_trade": True,
            "no_shorting": True,
            "fractional_trading": False,
            "trade_confirm_email": "none",
            "ptp_no_exception_entry": True,
            "max_options_trading_level": 2,
            "disable_overnight_trading": True,
            "max_margin_multiplier": "2",
        }
        assert set(first) == set(changes)
        expected = dict(first)
        for key, value in changes.items():
            expected[key] = value
            status, body = await client.ask("PATCH", CONFIGURATIONS, json={key: value})
            assert (status, body) == (200, expected)
        nothing = await client.ask("PATCH", CONFIGURATIONS, json={"dtbp_check": None})
        assert nothing == (200, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"max_margin_multiplier": "3"},
        {"max_margin_multiplier": 2},
        {"trade_confirm_email": "some"},
        {"no_shorting": "true"},
        {"max_options_trading_level": 4},
        {"suspend_trade": True, "fractional_trading": "no"},
    ],
)
async def test_a_bad_setting_is_refused_and_changes_nothing(change):
    async with running() as client:
        before = await client.get(CONFIGURATIONS)
        status, body = await client.ask("PATCH", CONFIGURATIONS, json=change)
        assert (status, body["code"]) == (422, 40010001)
        assert await client.get(CONFIGURATIONS) == before


async def test_fractions_are_refused_to_an_account_that_wants_none():
    async with running() as client:
        await client.ask("PATCH", CONFIGURATIONS, json={"fractional_trading": False})
        order = {"symbol": "SPY", "side": "buy", "type": "market", "time_in_force": "day"}
        for amount in ({"qty": "0.5"}, {"notional": "10"}):
            status, body = await client.ask("POST", "/v2/orders", json={**order, **amount})
            assert (status, body["code"]) == (403, 40310000)
        assert (await client.ask("POST", "/v2/orders", json={**order, "qty": "1"}))[0] == 200


async def history(client):
    """Two fills, a deposit and a fee, an hour apart; the rows in ascending order."""
    await client.order()
    await client.wait(3600)
    await client.ask("POST", "/_admin/events", json={"kind": "CSD", "amount": "5"})
    await client.wait(3600)
    await client.ask("POST", "/_admin/events", json={"kind": "FEE", "amount": "-1"})
    await client.order(side="sell")
    await client.wait(3600)
    return await client.get(ACTIVITIES, direction="asc")


def kinds(rows):
    return [row["activity_type"] for row in rows]


async def test_a_fill_has_its_own_keys():
    async with running() as client:
        rows = await history(client)
        keys = (
            "activity_type cum_qty id leaves_qty order_id order_status price qty side symbol "
            "transaction_time type"
        )
        assert list(rows[0]) == keys.split()
        assert rows[0]["id"].startswith("20240201120000")
        assert rows[1]["id"].startswith("20240201000000000::")
        assert "symbol" not in rows[1] and "qty" not in rows[1]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["FILL", "CSD", "FEE", "FILL"]),
        ({"activity_types": "FEE,CSD"}, ["CSD", "FEE"]),
        ({"activity_types": "fill"}, ["FILL", "FILL"]),
        ({"activity_types": "TRANS"}, ["CSD"]),
        ({"activity_types": "MISC"}, ["FEE"]),
        ({"category": "trade_activity"}, ["FILL", "FILL"]),
        ({"category": "non_trade_activity"}, ["CSD", "FEE"]),
        ({"date": "2024-02-01"}, ["FILL", "CSD", "FEE", "FILL"]),
        ({"date": "2024-02-02T00:00:00Z"}, []),
        ({"after": "2024-02-01T17:30:00Z"}, ["CSD", "FEE", "FILL"]),
        ({"until": "2024-02-01T18:30:00Z"}, ["FILL", "CSD"]),
        ({"after": "2024-02-01T18:00:00Z", "until": "2024-02-01T19:00:00Z"}, []),
        ({"after": "2024-02-02"}, []),
    ],
)
async def test_activities_are_chosen_by_type_and_time(params, found):
    async with running() as client:
        await history(client)
        rows = await client.get(ACTIVITIES, direction="asc", **params)
        assert kinds(rows) == found
        newest = await client.get(ACTIVITIES, **params)
        assert newest == rows[::-1]


async def test_types_may_be_repeated_or_stand_in_the_path():
    async with running() as client:
        await history(client)
        query = [("activity_types", "FEE"), ("activity_types", "CSD")]
        _, rows = await client.ask("GET", ACTIVITIES, params=query)
        assert kinds(rows) == ["FEE", "CSD"]
        assert kinds(await client.get(f"{ACTIVITIES}/CSD")) == ["CSD"]


async def test_pages_follow_each_other_in_both_directions():
    async with running() as client:
        whole = await history(client)
        for direction, rows in (("asc", whole), ("desc", whole[::-1])):
            found, token = [], ""
            while True:
                page = await client.get(
                    ACTIVITIES, direction=direction, page_size="1", page_token=token
                )
                if not page:
                    break
                found += page
                token = page[-1]["id"]
            assert found == rows


@pytest.mark.parametrize(
    "params",
    [
        {"page_size": "101"},
        {"page_size": "0"},
        {"page_size": "many"},
        {"direction": "up"},
        {"activity_types": "PARTY"},
        {"category": "everything"},
        {"category": "trade_activity", "activity_types": "FILL"},
        {"date": "2024-02-01", "after": "2024-01-01"},
        {"date": "soon"},
        {"after": "soon"},
        {"order_id": "not-a-uuid"},
    ],
)
async def test_an_unreadable_query_of_activities_is_refused(params):
    async with running() as client:
        status, body = await client.ask("GET", ACTIVITIES, params=params)
        assert (status, body["code"]) == (422, 40010001)


async def test_an_unknown_type_in_the_path_is_refused():
    async with running() as client:
        assert (await client.ask("GET", f"{ACTIVITIES}/PARTY"))[0] == 422


async def test_a_line_of_the_evening_belongs_to_the_next_day_of_utc():
    async with running() as client:
        client.go_to(datetime(2024, 2, 2, 0, 30, tzinfo=UTC))
        await client.ask("POST", "/_admin/events", json={"kind": "FEE", "amount": "-1"})
        (row,) = await client.get(ACTIVITIES, date="2024-02-02")
        assert (row["date"], row["created_at"]) == ("2024-02-01", "2024-02-02T00:30:00Z")
        assert await client.get(ACTIVITIES, date="2024-02-01") == []
        later = datetime(2024, 2, 2, 0, 30, tzinfo=UTC) - timedelta(microseconds=1)
        assert len(await client.get(ACTIVITIES, after=later.isoformat())) == 1
        assert await client.get(ACTIVITIES, after=row["created_at"]) == []
