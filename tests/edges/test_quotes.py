from datetime import UTC, datetime
from decimal import Decimal

import pytest

from atlas_daemon.core.values import Quote
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError
from atlas_daemon.edges.quotes import LatestQuotes
from tests.edges.stub import Stub, running_stub

AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)


def a_client(stub: Stub) -> AlpacaTradingClient:
    return AlpacaTradingClient(
        key_id="key", secret="secret", trading_url="http://127.0.0.1:1", data_url=stub.url
    )


def a_quote(bid: object = 450.1, ask: object = "450.2") -> dict[str, object]:
    return {"t": "2027-02-01T14:35:00Z", "bp": bid, "ap": ask, "bs": 1, "as": 2, "c": ["R"]}


@pytest.mark.asyncio
async def test_a_symbol_nobody_knows_is_absent_and_an_empty_side_has_no_price() -> None:
    async with running_stub() as stub:
        stub.answer({"quotes": {"SPY": a_quote(), "BRK.B": a_quote(0, 0), "ODD": None}})
        stub.answer({"trades": {"SPY": {"t": "2027-02-01T14:35:00Z", "p": 450.15}}})
        client = a_client(stub)
        quotes = await LatestQuotes(client).get_quotes(["SPY", "BRK-B", "ODD", "SPY"])
        await client.close()
    assert quotes == (
        Quote("SPY", Decimal("450.1"), Decimal("450.2"), AT, Decimal("450.15"), AT),
        Quote("BRK.B", None, None, AT, None, None),
    )
    assert [str(seen) for seen in stub.requests] == [
        "GET /v2/stocks/quotes/latest",
        "GET /v2/stocks/trades/latest",
    ]
    assert stub.requests[0].query == {"symbols": "SPY,BRK.B,ODD", "feed": "iex"}
    assert stub.requests[0].headers["APCA-API-KEY-ID"] == "key"


@pytest.mark.asyncio
async def test_many_symbols_go_in_chunks_of_a_hundred() -> None:
    async with running_stub() as stub:
        for _ in range(3):
            stub.answer({"quotes": {}}).answer({"trades": {}})
        client = a_client(stub)
        names = [f"A{number}" for number in range(250)]
        assert await LatestQuotes(client, "sip").get_quotes(names) == ()
        await client.close()
    sizes = [len(seen.query["symbols"].split(",")) for seen in stub.requests]
    assert sizes == [100, 100, 100, 100, 50, 50]
    assert stub.requests[0].query["feed"] == "sip"


@pytest.mark.asyncio
@pytest.mark.parametrize("price", [-1, "NaN", {}])
async def test_s144_a_price_that_is_none_is_refused_whole(price: object) -> None:
    async with running_stub() as stub:
        stub.answer({"quotes": {"SPY": a_quote(bid=price)}}).answer({"trades": {}})
        client = a_client(stub)
        with pytest.raises(OutcomeUnknownError, match="SPY bid"):
            await LatestQuotes(client).get_quotes(["SPY"])
        await client.close()
