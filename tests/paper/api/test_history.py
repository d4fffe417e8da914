"""Portfolio history: past equity worked out from activities, its grids, bases and refusals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.paper.api.history import equity_at
from tests.paper.sockets import running
from tests.paper.world import CLOSE, NEXT_CLOSE, NEXT_OPEN, NOON, World

HISTORY = "/v2/account/portfolio/history"
D = Decimal


def stamp(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


@pytest.mark.asyncio
async def test_daily_points_stand_at_the_end_of_extended_trading():
    async with running() as client:
        client.go_to(NEXT_CLOSE)
        body = await client.get(HISTORY, period="1W")
        assert body["timeframe"] == "15Min"
        body = await client.get(HISTORY, period="1W", timeframe="1D")
        assert body["timestamp"][-2:] == [stamp(2024, 2, 2, 1), stamp(2024, 2, 3, 1)]
        assert body["equity"][-2:] == [10499.75, 10499.75]
        # Before the account was opened it was worth nothing.
        assert body["equity"][:-2] == [0.0] * (len(body["equity"]) - 2)
        assert body["profit_loss"] == [0.0] * len(body["equity"])
        assert body["base_value"] == 10499.75
        assert "base_value_asof" not in body
        assert body["cashflow"] == {}


@pytest.mark.asyncio
async def test_the_base_is_the_close_before_the_first_point():
    async with running() as client:
        client.go_to(NEXT_OPEN)
        client.market.move("SPY", NEXT_OPEN, "109.90", "110.00")
        client.go_to(NEXT_CLOSE)
        start = "2024-02-02T15:00:00Z"
        body = await client.get(HISTORY, start=start, timeframe="1D")
        assert (body["base_value"], body["base_value_asof"]) == (10499.75, "2024-02-01")
        assert body["equity"] == [10549.75]
        assert body["profit_loss"] == [50.0]
        assert body["profit_loss_pct"] == [0.0048]


@pytest.mark.asyncio
async def test_intraday_points_run_from_open_to_close_and_no_further_than_now():
    async with running() as client:
        client.go_to(NOON + timedelta(minutes=7))
        day = {"start": "2024-02-01T14:30:00Z", "timeframe": "5Min"}
        body = await client.get(HISTORY, **day)
        assert body["timestamp"][0] == stamp(2024, 2, 1, 14, 30)
        assert body["timestamp"][-1] == stamp(2024, 2, 1, 17, 5)
        client.go_to(CLOSE + timedelta(hours=6))
        assert len((await client.get(HISTORY, **day))["timestamp"]) == 79
        extended = await client.get(HISTORY, **day, intraday_reporting="extended_hours")
        assert extended["timestamp"][0] == stamp(2024, 2, 1, 14, 30)
        assert extended["timestamp"][-1] == stamp(2024, 2, 2, 1)
        without_end = await client.get(HISTORY, **day, extended_hours="true")
        assert without_end == extended
        all_day = {"start": "2024-02-01T17:00:00Z", "end": "2024-02-01T23:00:00Z"}
        whole = await client.get(
            HISTORY, **all_day, timeframe="1H", intraday_reporting="continuous"
        )
        assert whole["timestamp"] == [stamp(2024, 2, 1, hour) for hour in range(17, 24)]


@pytest.mark.asyncio
async def test_cash_that_came_and_went_is_shown_by_type_and_step():
    async with running() as client:
        deposit = {"kind": "CSD", "amount": "500"}
        await client.ask("POST", "/_admin/events", json=deposit)
        await client.wait(3600)
        await client.ask("POST", "/_admin/events", json={"kind": "FEE", "amount": "-1"})
        await client.wait(3600)
        asked = {"start": "2024-02-01T16:00:00Z", "timeframe": "1H"}
        body = await client.get(HISTORY, **asked)
        assert body["timestamp"] == [stamp(2024, 2, 1, hour, 30) for hour in (15, 16, 17, 18)]
        assert body["cashflow"] == {"CSD": [0.0, 500.0, 0.0, 0.0], "FEE": [0.0, 0.0, -1.0, 0.0]}
        assert body["equity"][-1] == 10998.75
        only = await client.get(HISTORY, **asked, cashflow_types="FEE")
        assert set(only["cashflow"]) == {"FEE"}
        assert (await client.get(HISTORY, **asked, cashflow_types="NONE"))["cashflow"] == {}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "params",
    [
        {"period": "1M", "start": "2024-01-01", "end": "2024-01-31"},
        {"period": "forever"},
        {"period": "0D"},
        {"timeframe": "1W"},
        {"period": "2M", "timeframe": "1H"},
        {"period": "8D", "timeframe": "1Min"},
        {"start": "2024-01-31", "end": "2024-01-30"},
        {"start": "soon"},
        {"intraday_reporting": "sometimes"},
        {"pnl_reset": "never"},
        {"extended_hours": "perhaps"},
    ],
)
async def test_what_cannot_be_shown_is_refused(params):
    async with running() as client:
        status, body = await client.ask("GET", HISTORY, params=params)
        assert (status, body["code"]) == (422, 40010001)


@pytest.mark.asyncio
async def test_two_of_period_start_and_end_make_a_span():
    async with running() as client:
        client.go_to(NEXT_CLOSE)
        forward = await client.get(HISTORY, start="2024-01-30", period="1D", timeframe="1D")
        assert forward["timestamp"] == [stamp(2024, 1, 30, 1), stamp(2024, 1, 31, 1)]
        seconds = str(stamp(2024, 2, 2, 20))
        back = await client.get(HISTORY, end=seconds, period="1D", timeframe="1D")
        assert back["timestamp"] == [stamp(2024, 2, 2, 1), stamp(2024, 2, 3, 1)]
        everything = await client.get(HISTORY, period="all", timeframe="1D")
        assert everything["equity"] == [10499.75] * 2


def test_past_equity_is_found_by_undoing_what_happened_since():
    world = World(holdings={"SPY": "10"}, partial_fill_pct=0.5)
    noted = [(world.now, world.exchange.figures(world.account).equity)]
    for number, side in enumerate(["buy", "sell", "buy", "sell"]):
        world.submit(side=side, qty=str(3 + number))
        world.wait(600)
        world.market.move("SPY", world.now, str(90 + number), str(91 + number))
        noted.append((world.now, world.exchange.figures(world.account).equity))
    moments = [at for at, _ in noted]
    assert equity_at(world.account, world.market, moments) == [equity for _, equity in noted]
