"""Past trades and quotes: the prints that the latest ones were, in pages."""

from datetime import UTC, date, datetime, timedelta

import pytest

from atlas_daemon.paper.market.synthetic import SyntheticMarket
from tests.paper.sockets import running

pytestmark = pytest.mark.asyncio

DAY = date(2026, 11, 20)
MARKET = SyntheticMarket(7, DAY, DAY, ["AAPL", "SPY"])
OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
SPAN = {"start": "2026-11-20T14:30:00.5Z", "end": "2026-11-20T14:30:04Z", "feed": "iex"}


def a_broker():
    return running(market=MARKET, starts_at=OPEN + timedelta(hours=1), holdings={})


@pytest.mark.parametrize("what", ["trades", "quotes"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
async def test_pages_together_are_the_whole_tape(what, sort):
    async with a_broker() as client:
        found, token = {}, ""
        for _ in range(10):
            page = await client.get(
                f"/v2/stocks/{what}",
                symbols="SPY,AAPL",
                limit="3",
                sort=sort,
                page_token=token,
                **SPAN,
            )
            for symbol, rows in page[what].items():
                found.setdefault(symbol, []).extend(rows)
            token = page["next_page_token"]
            if token is None:
                break
        stamps = [f"2026-11-20T14:30:0{second}Z" for second in (1, 2, 3, 4)]
        for symbol in ("AAPL", "SPY"):
            told = [row["t"] for row in found[symbol]]
            assert told == (stamps if sort == "asc" else stamps[::-1])


async def test_a_past_print_is_what_was_the_latest_then():
    async with a_broker() as client:
        at = client.broker.desk.exchange.now.isoformat()
        for what in ("trade", "quote"):
            latest = await client.get(f"/v2/stocks/SPY/{what}s/latest")
            past = await client.get(f"/v2/stocks/SPY/{what}s", start=at, end=at, feed="iex")
            assert past == {
                f"{what}s": [latest[what]],
                "symbol": "SPY",
                "next_page_token": None,
            }


async def test_nothing_is_told_of_the_night_the_future_or_the_unknown():
    async with a_broker() as client:
        night = {"start": "2026-11-19T21:00:01Z", "end": "2026-11-20T14:29:59Z", "feed": "iex"}
        later = {"start": "2026-11-20T16:00:00Z", "end": "2026-11-20T20:00:00Z", "feed": "iex"}
        nothing = {"trades": {}, "next_page_token": None}
        for span in (night, later):
            assert await client.get("/v2/stocks/trades", symbols="SPY", **span) == nothing
        assert await client.get("/v2/stocks/trades", symbols="NOPE", **SPAN) == nothing
        young = {"symbols": "SPY", "end": "2026-11-20T15:20:00Z"}
        assert (await client.ask("GET", "/v2/stocks/quotes", params=young))[0] == 403
