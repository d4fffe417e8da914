"""Clock, calendar and assets: sixty years of sessions, and the days on which trades settle."""

from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon.paper.api import reference
from atlas_daemon.paper.exchange.settlement import SettlementDays
from atlas_daemon.paper.market.market import CorporateAction
from tests.paper.sockets import running
from tests.paper.world import NEXT_OPEN

CALENDAR = "/v2/calendar"


@pytest.mark.asyncio
async def test_without_bounds_the_calendar_is_whole():
    async with running() as client:
        days = await client.get(CALENDAR)
        assert (days[0]["date"], days[-1]["date"]) == ("1970-01-02", "2029-12-31")
        assert len(days) == 15_125
        assert await client.get(CALENDAR, start="1969-01-01", end="1970-01-02") == days[:1]
        assert await client.get(CALENDAR, start="2029-12-31", end="2050-01-01") == days[-1:]


@pytest.mark.asyncio
async def test_both_bounds_belong_to_the_span():
    async with running() as client:
        days = await client.get(CALENDAR, start="2024-02-01", end="2024-02-02T23:00:00Z")
        assert [day["date"] for day in days] == ["2024-02-01", "2024-02-02"]
        assert days[0] == {
            "close": "16:00",
            "date": "2024-02-01",
            "open": "09:30",
            "session_close": "2000",
            "session_open": "0400",
            "settlement_date": "2024-02-05",
        }
        assert await client.get(CALENDAR, start="2024-02-03", end="2024-02-04") == []


@pytest.mark.asyncio
async def test_the_bounds_may_be_about_settlement():
    async with running() as client:
        span = {"start": "2024-05-28", "end": "2024-05-29"}
        days = await client.get(CALENDAR, **span, date_type="SETTLEMENT")
        # The change to one session: the last two days of T+2 and the first of T+1.
        assert [(day["date"], day["settlement_date"]) for day in days] == [
            ("2024-05-23", "2024-05-28"),
            ("2024-05-24", "2024-05-29"),
            ("2024-05-28", "2024-05-29"),
        ]
        trading = await client.get(CALENDAR, **span, date_type="TRADING")
        assert [day["date"] for day in trading] == ["2024-05-28", "2024-05-29"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "params",
    [
        {"start": "soon"},
        {"end": "2024-13-01"},
        {"start": "2024-02-02", "end": "2024-02-01"},
        {"date_type": "ODD"},
    ],
)
async def test_a_bad_date_is_a_400(params):
    async with running() as client:
        assert (await client.ask("GET", CALENDAR, params=params))[0] == 400


@pytest.mark.parametrize(
    ("day", "settles"),
    [
        (date(1995, 6, 6), date(1995, 6, 13)),
        (date(1995, 6, 7), date(1995, 6, 12)),
        (date(2017, 9, 1), date(2017, 9, 7)),
        (date(2017, 9, 5), date(2017, 9, 7)),
        (date(2024, 5, 24), date(2024, 5, 29)),
        (date(2024, 5, 28), date(2024, 5, 29)),
        (date(2025, 10, 10), date(2025, 10, 14)),  # Columbus Day: trading, no settlement
        (date(2025, 10, 13), date(2025, 10, 14)),
        (date(2026, 11, 10), date(2026, 11, 12)),  # Veterans Day
        (date(2026, 11, 25), date(2026, 11, 27)),
    ],
)
def test_trades_settle_so_many_sessions_later(day, settles):
    calendar = reference._whole_calendar()
    assert SettlementDays.around(calendar, day, day).of(day) == settles


def test_beyond_the_known_sessions_weekdays_are_counted():
    days = SettlementDays([date(2029, 12, 31)])
    assert days.of(date(2029, 12, 31)) == date(2030, 1, 1)
    assert days.of(date(2029, 12, 28)) == date(2029, 12, 31)


@pytest.mark.asyncio
async def test_assets_are_filtered():
    async with running() as client:
        client.market.unfractionable.add("CHEAP")

        async def symbols(**params):
            return [asset["symbol"] for asset in await client.get("/v2/assets", **params)]

        assert await symbols() == ["SPY", "CHEAP"]
        assert await symbols(status="active") == ["SPY", "CHEAP"]
        assert await symbols(status="inactive") == []
        assert await symbols(asset_class="crypto") == []
        assert await symbols(exchange="ARCA") == ["SPY"]
        assert await symbols(exchange="NYSE") == ["CHEAP"]
        assert await symbols(attributes="fractional_eh_enabled,ipo") == ["SPY"]
        assert await symbols(attributes="has_options") == []
        for bad in ({"status": "odd"}, {"exchange": "MOON"}, {"attributes": "odd"}):
            assert (await client.ask("GET", "/v2/assets", params=bad))[0] == 422


@pytest.mark.asyncio
async def test_an_asset_has_its_keys_and_is_found_by_any_of_its_names():
    async with running() as client:
        shown = await client.get("/v2/assets/SPY")
        assert shown == {
            "attributes": ["fractional_eh_enabled"],
            "borrow_status": "easy_to_borrow",
            "class": "us_equity",
            "easy_to_borrow": True,
            "exchange": "ARCA",
            "fractionable": True,
            "id": shown["id"],
            "maintenance_margin_requirement": 30,
            "margin_requirement_long": "30",
            "margin_requirement_short": "100",
            "marginable": True,
            "name": "SPY Common Stock",
            "shortable": True,
            "status": "active",
            "symbol": "SPY",
            "tradable": True,
        }
        assert list(shown) == sorted(shown)
        for name in ("spy", shown["id"], shown["id"].upper()):
            assert await client.get(f"/v2/assets/{name}") == shown
        status, body = await client.ask("GET", "/v2/assets/NOPE")
        assert (status, body) == (404, {"code": 40410000, "message": "asset not found for NOPE"})


@pytest.mark.asyncio
async def test_a_name_that_was_given_up_is_an_inactive_asset():
    async with running() as client:
        action = CorporateAction("name_change", "SPY", date(2024, 2, 2), None, None, "SPX")
        client.broker.desk.exchange.market.act(action)
        client.broker.desk.exchange.learn("SPX")
        client.go_to(NEXT_OPEN)
        old, new = await client.get("/v2/assets/SPY"), await client.get("/v2/assets/SPX")
        assert (old["status"], old["tradable"]) == ("inactive", False)
        assert (new["status"], new["tradable"]) == ("active", True)
        (position,) = await client.get("/v2/positions")
        assert (position["symbol"], position["current_price"]) == ("SPX", "99.95")
        refusal = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "market"}
        status, body = await client.ask(
            "POST", "/v2/orders", json={**refusal, "time_in_force": "day"}
        )
        assert (status, body["message"]) == (422, 'asset "SPY" is not tradable')
        assert Decimal((await client.get("/v2/account"))["equity"]) == Decimal("10499.75")
