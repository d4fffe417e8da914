"""Market data over real sockets: paging, feeds, and nothing of the running session."""

from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon.paper.market.market import CorporateAction
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
    ("params", "message"),
    [
        ({"symbols": "SPY"}, "invalid timeframe: "),
        ({"symbols": "SPY", "timeframe": "30Sec"}, "invalid timeframe: 30Sec"),
        ({"symbols": "SPY", "timeframe": "60Min"}, "invalid timeframe: 60Min"),
        ({"symbols": "SPY", "timeframe": "24Hour"}, "invalid timeframe: 24Hour"),
        ({"symbols": "SPY", "timeframe": "2Day"}, "invalid timeframe: 2Day"),
        ({"symbols": "SPY", "timeframe": "5Month"}, "invalid timeframe: 5Month"),
        (
            {"timeframe": "1Day"},
            "Invalid format for parameter symbols: query parameter 'symbols' is required",
        ),
        ({"symbols": "BRK-B", "timeframe": "1Day"}, "invalid symbol: BRK-B"),
        ({"symbols": "SPY", "timeframe": "1Day", "feed": "pigeon"}, "invalid feed: pigeon"),
        ({"symbols": "SPY", "timeframe": "1Day", "feed": "delayed_sip"}, "invalid feed"),
        ({"symbols": "SPY", "timeframe": "1Day", "adjustment": "odd"}, "invalid adjustment: odd"),
        ({"symbols": "SPY", "timeframe": "1Day", "page_token": "%%%"}, "invalid page_token"),
        ({"symbols": "SPY", "timeframe": "1Day", "page_token": "U1BZfG5vd3w="}, "invalid page_"),
        ({"symbols": "SPY", "timeframe": "1Day", "sort": "up"}, "invalid sort: up"),
        ({"symbols": "SPY", "timeframe": "1Day", "currency": "EUR"}, "invalid currency: EUR"),
        ({"symbols": "SPY", "timeframe": "1Day", "limit": "10001"}, "invalid limit: 10001"),
        ({"symbols": "SPY", "timeframe": "1Day", "limit": "0"}, "invalid limit: 0"),
        (
            {"symbols": "SPY", "timeframe": "1Day", "start": "soon"},
            "Invalid format for parameter start: error parsing 'soon' as RFC3339",
        ),
        (
            {"symbols": "SPY", "timeframe": "1Day", "start": "2024-01-31T10:00:00"},
            "Invalid format for parameter start",
        ),
        (
            {"symbols": "SPY", "timeframe": "1Day", "start": "2024-01-10", "end": "2024-01-09"},
            "end should not be before start",
        ),
    ],
)
async def test_an_unreadable_data_query_is_refused_without_a_code(params, message):
    async with running() as client:
        status, body = await client.ask("GET", "/v2/stocks/bars", params=params)
        assert status == 400
        assert set(body) == {"message"}
        assert body["message"].startswith(message)


async def test_a_malformed_symbol_sinks_the_whole_list_of_latest_data():
    async with running() as client:
        params = {"symbols": "SPY,BRK-B"}
        for path in ("snapshots", "quotes/latest", "trades/latest", "bars/latest"):
            answer = await client.ask("GET", f"/v2/stocks/{path}", params=params)
            assert answer == (400, {"message": "code=400, message=invalid symbol: BRK-B"})


async def test_a_market_of_sessions_only_says_so():
    async with running() as client:
        params = {"symbols": "SPY", "timeframe": "1Min", "start": "2024-01-31", "feed": "iex"}
        status, body = await client.ask("GET", "/v2/stocks/bars", params=params)
        assert (status, body["message"][:17]) == (400, "invalid timeframe")


async def test_young_sip_bars_need_a_subscription_and_the_default_end_is_old_enough():
    async with running() as client:
        params = {"symbols": "SPY", "timeframe": "1Day", "start": "2024-01-31"}
        assert "SPY" in (await client.get("/v2/stocks/bars", **params))["bars"]
        for end in ("2024-02-01", "2024-02-01T16:50:00Z", "2030-01-01"):
            answer = await client.ask("GET", "/v2/stocks/bars", params={**params, "end": end})
            refusal = "subscription does not permit querying recent SIP data"
            assert answer == (403, {"message": refusal})
            old = {**params, "end": end, "feed": "iex"}
            assert (await client.ask("GET", "/v2/stocks/bars", params=old))[0] == 200


async def test_the_data_api_has_a_budget_of_its_own():
    async with running(rate_limit_per_min=2) as client:
        paths = ("/v2/stocks/SPY/snapshot", "/v2/clock") * 3
        answers = [(await client.ask("GET", path))[0] for path in paths]
        assert answers == [200, 200, 200, 200, 429, 429]


async def test_a_range_before_all_history_and_an_unknown_symbol_are_empty_answers():
    async with running() as client:
        nothing = {"bars": {}, "next_page_token": None}
        old = {"timeframe": "1Day", "start": "1990-01-01", "end": "1990-02-01"}
        assert await client.get("/v2/stocks/bars", symbols="SPY", **old) == nothing
        assert await client.get("/v2/stocks/bars", symbols="NOPE", **JANUARY) == nothing


async def test_weeks_and_months_are_put_together_from_sessions():
    async with running() as client:
        span = {"symbols": "SPY", "start": "2024-01-01", "end": "2024-01-31"}
        weeks = await client.get("/v2/stocks/bars", **span, timeframe="1Week")
        stamps = [bar["t"][:10] for bar in weeks["bars"]["SPY"]]
        assert stamps == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29"]
        assert [bar["v"] for bar in weeks["bars"]["SPY"]] == [4000, 5000, 4000, 5000, 3000]
        months = await client.get("/v2/stocks/bars", **span, timeframe="3M")
        assert [bar["t"] for bar in months["bars"]["SPY"]] == ["2024-01-01T05:00:00Z"]


async def test_one_symbols_quote_trade_snapshot_and_bars():
    async with running() as client:
        quote = await client.get("/v2/stocks/SPY/quotes/latest")
        assert (quote["quote"]["bp"], quote["quote"]["ap"]) == (99.9, 100.0)
        assert (await client.get("/v2/stocks/SPY/trades/latest"))["trade"]["p"] == 99.95
        snapshot = await client.get("/v2/stocks/SPY/snapshot")
        many = await client.get("/v2/stocks/snapshots", symbols="SPY,NOPE")
        assert many == {"SPY": {k: v for k, v in snapshot.items() if k != "symbol"}}
        assert len((await client.get("/v2/stocks/SPY/bars", **JANUARY))["bars"]) == 4
        assert (await client.get("/v2/stocks/SPY/bars/latest"))["bar"]["c"] == 99.95
        for path in ("quotes/latest", "trades/latest", "bars/latest", "snapshot"):
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
        backwards = await client.get("/v1/corporate-actions", **span, sort="desc", limit="1")
        assert list(backwards["corporate_actions"]) == ["cash_dividends"]
        found = await client.get("/v1/corporate-actions", ids=split["id"])
        assert found["corporate_actions"] == {"forward_splits": [split]}
        keys = {"cusip", "ex_date", "foreign", "id", "payable_date", "process_date", "rate"}
        (dividend,) = rest["corporate_actions"]["cash_dividends"]
        assert set(dividend) == keys | {"record_date", "special", "symbol"}


@pytest.mark.parametrize(
    "params",
    [
        {"types": "party"},
        {"limit": "1001"},
        {"start": "2024-01-02", "end": "2024-01-01"},
        {"start": "soon"},
        {"page_token": "%%%"},
        {"ids": "x", "symbols": "SPY"},
    ],
)
async def test_an_unreadable_query_of_corporate_actions_is_refused(params):
    async with running() as client:
        status, body = await client.ask("GET", "/v1/corporate-actions", params=params)
        assert (status, set(body)) == (400, {"message"})


async def test_every_kind_of_corporate_action_has_its_keys():
    async with running() as client:
        kinds = {
            "name_change": {"new_symbol", "old_symbol", "new_cusip", "old_cusip"},
            "stock_merger": {"acquirer_symbol", "acquirer_rate", "acquiree_rate"},
            "cash_merger": {"acquiree_symbol", "acquiree_cusip", "rate", "effective_date"},
            "spin_off": {"source_symbol", "source_rate", "new_symbol", "new_rate"},
            "worthless_removal": {"symbol", "cusip"},
            "stock_dividend": {"symbol", "rate", "ex_date"},
        }
        for kind in kinds:
            ratio = Decimal("0.5") if kind not in ("cash_merger", "name_change") else None
            amount = Decimal(5) if kind == "cash_merger" else None
            day = date(2024, 1, 10)
            action = CorporateAction(kind, "SPY", day, ratio, amount, "CHEAP")
            client.market.corporate_actions.append(action)
        body = await client.get("/v1/corporate-actions", start="2024-01-01", end="2024-01-31")
        for kind, keys in kinds.items():
            (shown,) = body["corporate_actions"][f"{kind}s"]
            assert keys <= set(shown)
            assert {"id", "process_date"} <= set(shown)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/stocks/bars?symbols=SPY&timeframe=1Day&start={}&feed=iex",
        "/v2/stocks/bars?symbols=SPY&timeframe=1Day&end={}&feed=iex",
        "/v1/corporate-actions?start={}",
        "/v1/corporate-actions?end={}",
        "/v2/account/portfolio/history?start={}",
        "/v2/account/portfolio/history?end={}",
        "/v2/account/activities?after={}",
        "/v2/account/activities?date={}",
        "/v2/calendar?start={}",
        "/v2/calendar?end={}&date_type=SETTLEMENT",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00", "²³", "٣"],
)
async def test_the_ends_of_time_are_refused_or_answered(path, text):
    async with running() as client:
        status, _ = await client.ask("GET", path.format(text))
        assert status in (200, 400, 403, 422)
