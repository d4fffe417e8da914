import json
import logging

import aiohttp
import pytest

from atlas_daemon.edges.alpaca.faults import (
    NoVerdictError,
    OutcomeUnknownError,
    RateLimited,
    RateLimitedError,
)
from atlas_daemon.edges.alpaca.transport import open_session
from tests.edges.alpaca.bench import OUR_ID, SECRET, Bench, a_bench
from tests.edges.samples import (
    ORDER_ID,
    a_clock,
    an_account,
    an_order,
)
from tests.edges.stub import RESET, running_stub


@pytest.mark.asyncio
async def test_a_get_is_tried_again_after_1_2_and_4_seconds() -> None:
    async with a_bench() as bench:
        # aiohttp repeats a GET once by itself where the connection breaks.
        bench.stub.fail(RESET).fail(RESET).answer(b"<html>", 502).answer(None, 500)
        bench.stub.answer(an_account())
        account = await bench.client.get_account()
        assert account.number == "PA3XYZ"
        assert bench.clock.slept == [1, 2, 4]


@pytest.mark.asyncio
async def test_s026_a_get_ends_after_three_retries_with_the_last_reason() -> None:
    async with a_bench() as bench:
        for _ in range(4):
            bench.stub.answer(None, 503)
        with pytest.raises(OutcomeUnknownError, match="HTTP 503"):
            await bench.client.get_account()
        assert len(bench.stub.requests) == 4
        assert bench.clock.slept == [1, 2, 4]


@pytest.mark.asyncio
async def test_s121_a_get_waits_as_long_as_the_broker_says() -> None:
    async with a_bench() as bench:
        bench.stub.answer({"message": "too many requests."}, 429, Retry_After="7")
        bench.stub.answer({}, 429, X_RateLimit_Reset="1017", Date="")
        bench.stub.answer({}, 429).answer(an_account())
        await bench.client.get_account()
        assert bench.clock.slept == [7, 10, 4]


@pytest.mark.asyncio
async def test_a_get_does_not_wait_for_ever() -> None:
    async with a_bench() as bench:
        bench.stub.answer({}, 429, Retry_After="600")
        with pytest.raises(RateLimitedError, match=r"wait 600\.0 s") as caught:
            await bench.client.get_account()
        assert caught.value.limited == RateLimited(600.0)
        assert bench.clock.slept == []


@pytest.mark.asyncio
async def test_s121_the_brokers_count_of_what_is_left_is_believed() -> None:
    async with a_bench() as bench:
        bench.stub.answer(
            an_order(),
            X_Ratelimit_Remaining="0",
            X_Ratelimit_Limit="200",
            X_Ratelimit_Reset="1030",
            Date="",
        )
        await bench.client.get_order_status(ORDER_ID)
        with pytest.raises(RateLimitedError) as caught:
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
    assert caught.value.limited == RateLimited(30.0, was_sent=False)


@pytest.mark.asyncio
async def test_a_given_session_is_its_owners_to_close() -> None:
    async with running_stub() as stub, aiohttp.ClientSession() as session:
        bench = Bench(stub, session=session)
        stub.answer(an_account())
        await bench.client.connect()
        await bench.client.close()
        assert not session.closed


@pytest.mark.asyncio
async def test_what_is_given_to_open_a_session_is_asked_once() -> None:
    made = []

    def open_one() -> aiohttp.ClientSession:
        made.append(open_session())
        return made[-1]

    async with a_bench(session=open_one) as bench:
        bench.stub.answer(an_account()).answer(an_account())
        await bench.client.connect()
        await bench.client.get_account()
        assert len(made) == 1
    assert made[0].closed


@pytest.mark.asyncio
async def test_s181_the_log_tells_what_happens_and_never_a_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_bench() as bench:
        bench.stub.answer(an_account(), X_Request_ID="req-1").answer(an_order())
        bench.stub.answer({"message": "unauthorized."}, 401).answer(None, 500).answer(a_clock())
        await bench.client.connect()
        await bench.client.submit_market_order("SPY", 10, "buy", client_order_id=OUR_ID)
        with pytest.raises(NoVerdictError):
            await bench.client.get_positions()
        await bench.client.get_clock()
    said = [(record.levelname, record.name, record.getMessage()) for record in caplog.records]
    told = {(level, text) for level, name, text in said if name == "AlpacaTradingClient"}
    assert ("INFO", "Submitting market order: BUY 10 SPY") in told
    assert any(level == "DEBUG" and "request req-1" in text for level, text in told)
    assert any(level == "DEBUG" and '"qty":"10"' in text for level, text in told)
    assert any(level == "ERROR" and "check the credentials" in text for level, text in told)
    assert any(level == "WARNING" and "in 1.0 s: HTTP 500" in text for level, text in told)
    everything = json.dumps(said)
    assert SECRET not in everything
    assert "PKTEST" not in everything
