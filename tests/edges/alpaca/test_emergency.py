"""Cancels go out at once, whatever orders and questions have used up of the budget."""

import pytest

from atlas_daemon.edges.alpaca.faults import RateLimitedError
from tests.edges.alpaca.bench import OUR_ID, a_bench
from tests.edges.samples import an_order


@pytest.mark.asyncio
async def test_with_the_order_budget_spent_a_cancel_all_still_goes_out_at_once() -> None:
    async with a_bench() as bench:
        while bench.budget.try_acquire() == 0.0:
            pass
        with pytest.raises(RateLimitedError):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        bench.stub.answer([], status=207)
        assert await bench.client.cancel_all_orders() == ()
        assert [request.method for request in bench.stub.requests] == ["DELETE"]
        assert bench.clock.slept == []


@pytest.mark.asyncio
async def test_after_a_429_a_cancel_waits_for_nothing() -> None:
    async with a_bench() as bench:
        bench.stub.answer({"message": "too many requests."}, status=429, Retry_After="30")
        with pytest.raises(RateLimitedError):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        bench.stub.answer(b"", status=204)
        assert await bench.client.cancel_order(an_order()["id"]) is True
        assert [request.method for request in bench.stub.requests] == ["POST", "DELETE"]
        assert bench.clock.slept == []
