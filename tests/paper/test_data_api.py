"""Market data over real sockets: paging, feeds, and nothing of the running session."""

from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon.paper.market import CorporateAction
from tests.paper.sockets import running
from tests.paper.world import CLOSE

pytestmark = pytest.mark.asyncio

JANUARY = {"timeframe": "1Day", "start": "2024-01-16", "end": "2024-01-19", "feed": "sip"}


async def test_bars_are_paged_across_symbols():
    async with running() as client:
        token, pages, seen = "", 0, []
        while True:
            params = {"symbols": "SPY,CHEAP", "limit": "3", "page_token": token}
            body = await client.get("/v2/stocks/bars", **JANUARY, **params)
            seen += [(symbol, bar["t"]) for symbol, rows in body["bars"].items() for bar in rows]
            pages += 1
            token = body["next_page_token"]
            if token is None:
                break
        days = [f"2024-01-{day}T05:00:00Z" for day in (16, 17, 18, 19)]
        assert seen == [(symbol, day) for symbol in ("CHEAP", "SPY") for day in days]
        assert pages == 3


async def test_a_bar_of_the_running_session_is_never_served():
    async with running(sip_delay_min=0) as client:
        params = {"symbols": "SPY", "timeframe": "1Day", "start": "2024-01-31"}
        body = await client.get("/v2/stocks/bars", **params)
        assert [bar["t"] for bar in body["bars"]["SPY"]] == ["2024-01-31T05:00:00Z"]
        client.go_to(CLOSE)
        body = await client.get("/v2/stocks/bars", **params)
        assert len(body["bars"]["SPY"]) == 2


async def test_bars_may_come_newest_first():
    async with running() as client:
        params = {"symbols": "SPY", "sort": "desc", "limit": "2"}
        first = await client.get("/v2/stocks/bars", **JANUARY, **params)
        token = first["next_page_token"]
        rest = await client.get("/v2/stocks/bars", **JANUARY, **params, page_token=token)
        days = [bar["t"][8:10] for page in (first, rest) for bar in page["bars"]["SPY"]]
        assert days == ["19", "18", "17", "16"]


@pytest.mark.parametrize("path", ["/v2/stocks/quotes/latest", "/v2/stocks/trades/latest"])
async def test_young_sip_data_needs_a_subscription(path):
    async with running() as client:
        params = {"symbols": "SPY", "feed": "sip"}
        assert await client.ask("GET", path, params=params) == (
            403,
            {"message": "subscription does not permit querying recent SIP data"},
        )
        assert "SPY" in str(await client.get(path, symbols="SPY,NOPE", feed="iex"))


@pytest.mark.parametrize(
    "params",
    [
        {"symbols": "SPY"},
        {"timeframe": "1Day"},
        {"symbols": "SPY", "timeframe": "1Min"},
        {"symbols": "SPY", "timeframe": "1Day", "feed": "pigeon"},
        {"symbols": "SPY", "timeframe": "1Day", "adjustment": "odd"},
        {"symbols": "SPY", "timeframe": "1Day", "page_token": "%%%"},
        {"symbols": "SPY", "timeframe": "1Day", "start": "soon"},
    ],
)
async def test_an_unreadable_data_query_is_refused(params):
    async with running() as client:
        status, _ = await client.ask("GET", "/v2/stocks/bars", params=params)
        assert status in (400, 422)


async def test_one_symbols_quote_trade_snapshot_and_bars():
    async with running() as client:
        quote = await client.get("/v2/stocks/SPY/quotes/latest")
        assert (quote["quote"]["bp"], quote["quote"]["ap"]) == (99.9, 100.0)
        assert (await client.get("/v2/stocks/SPY/trades/latest"))["trade"]["p"] == 99.95
        snapshot = await client.get("/v2/stocks/SPY/snapshot")
        many = await client.get("/v2/stocks/snapshots", symbols="SPY,NOPE")
        assert many == {"SPY": {k: v for k, v in snapshot.items() if k != "symbol"}}
        assert len((await client.get("/v2/stocks/SPY/bars", **JANUARY))["bars"]) == 4
        for path in ("quotes/latest", "trades/latest", "snapshot"):
            assert (await client.ask("GET", f"/v2/stocks/NOPE/{path}"))[0] == 404


async def test_corporate_actions_are_grouped_by_kind():
    async with running() as client:
        client.market.corporate_actions += [
            CorporateAction("forward_split", "SPY", date(2024, 1, 10), Decimal(4), None),
            CorporateAction("reverse_split", "CHEAP", date(2024, 1, 11), Decimal("0.1"), None),
            CorporateAction("cash_dividend", "SPY", date(2024, 1, 12), None, Decimal("0.5")),
        ]
        span = {"start": "2024-01-01", "end": "2024-01-31"}
        body = await client.get("/v1/corporate-actions", **span)
        groups = body["corporate_actions"]
        assert [groups[kind][0]["symbol"] for kind in groups] == ["SPY", "CHEAP", "SPY"]
        split = groups["forward_splits"][0]
        assert (split["new_rate"], split["old_rate"]) == (4, 1)
        reverse = groups["reverse_splits"][0]
        assert (reverse["new_rate"], reverse["old_rate"]) == (1, 10)
        only = await client.get("/v1/corporate-actions", **span, types="cash_dividend")
        assert only["corporate_actions"]["cash_dividends"][0]["rate"] == 0.5
        page = await client.get("/v1/corporate-actions", **span, limit="2")
        rest = await client.get(
            "/v1/corporate-actions", **span, limit="2", page_token=page["next_page_token"]
        )
        assert list(rest["corporate_actions"]) == ["cash_dividends"]
