from decimal import Decimal
from typing import Any

import pytest

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.values import Side
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
    RateLimited,
    RateLimitedError,
    RefusalKind,
)
from tests.edges.alpaca.bench import OUR_ID, SECRET, Ask, Bench, a_bench, refusal
from tests.edges.samples import (
    ORDER_ID,
    a_position,
    an_account,
    an_order,
)
from tests.edges.stub import HANG, RESET, HandClock, running_stub

D = Decimal


SUBMITS: list[tuple[str, Ask, dict[str, str]]] = [
    (
        "market",
        lambda c: c.submit_market_order("spy", 10, "BUY", client_order_id=OUR_ID),
        {"symbol": "SPY", "qty": "10", "side": "buy", "type": "market"},
    ),
    (
        "market fractional",
        lambda c: c.submit_market_order("SPY", D("1E+1"), Side.SELL, client_order_id=OUR_ID),
        {"symbol": "SPY", "qty": "10", "side": "sell", "type": "market"},
    ),
    (
        "limit",
        lambda c: c.submit_limit_order(
            "BRK-B", D("1.5"), "buy", D("290.129"), client_order_id=OUR_ID
        ),
        {"symbol": "BRK.B", "qty": "1.5", "side": "buy", "type": "limit", "limit_price": "290.12"},
    ),
    (
        "stop",
        lambda c: c.submit_stop_order("SPY", 3, "sell", D("99.5"), client_order_id=OUR_ID),
        {"symbol": "SPY", "qty": "3", "side": "sell", "type": "stop", "stop_price": "99.5"},
    ),
    (
        "trail price",
        lambda c: c.submit_trailing_stop_order(
            "SPY", 3, "sell", trail_price=D("2.50"), client_order_id=OUR_ID
        ),
        {
            "symbol": "SPY",
            "qty": "3",
            "side": "sell",
            "type": "trailing_stop",
            "trail_price": "2.5",
        },
    ),
    (
        "trail percent",
        lambda c: c.submit_trailing_stop_order(
            "SPY", 3, "sell", trail_percent=5, client_order_id=OUR_ID
        ),
        {
            "symbol": "SPY",
            "qty": "3",
            "side": "sell",
            "type": "trailing_stop",
            "trail_percent": "5",
        },
    ),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ask", "fields"), [row[1:] for row in SUBMITS], ids=[str(row[0]) for row in SUBMITS]
)
async def test_each_order_leaves_as_these_bytes(ask: Ask, fields: dict[str, str]) -> None:
    async with a_bench() as bench:
        bench.stub.answer(an_order())
        order = await ask(bench.client)
        (seen,) = bench.stub.requests
    assert str(seen) == "POST /v2/orders"
    assert seen.json == fields | {"time_in_force": "day", "client_order_id": OUR_ID}
    assert seen.headers["APCA-API-KEY-ID"] == "PKTEST"
    assert seen.headers["APCA-API-SECRET-KEY"] == SECRET
    assert seen.headers["Content-Type"] == "application/json"
    assert (order.id, order.status) == (ORDER_ID, "pending_new")


@pytest.mark.asyncio
@pytest.mark.parametrize("how", [RESET, 500, 502, 504, 302])
async def test_s064_an_unclear_post_is_sent_once_and_its_outcome_is_unknown(how: Any) -> None:
    async with a_bench() as bench:
        if how == RESET:
            bench.stub.fail(RESET)
        else:
            bench.stub.answer(b"<html>", how, Location="/elsewhere")
        with pytest.raises(OutcomeUnknownError) as caught:
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert caught.value.unknown.may_have_arrived
        assert len(bench.stub.requests) == 1
        assert bench.clock.slept == []


@pytest.mark.asyncio
async def test_a_post_on_a_kept_connection_that_breaks_is_sent_once() -> None:
    async with a_bench() as bench:
        bench.stub.answer(an_account()).fail(RESET)
        await bench.client.connect()
        with pytest.raises(OutcomeUnknownError):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert [seen.method for seen in bench.stub.requests] == ["GET", "POST"]


@pytest.mark.asyncio
async def test_a_post_without_an_answer_ends_at_the_deadline_with_unknown() -> None:
    async with a_bench(timeout_s=0.05) as bench:
        bench.stub.fail(HANG)
        with pytest.raises(OutcomeUnknownError, match="Timeout"):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert len(bench.stub.requests) == 1


@pytest.mark.asyncio
async def test_where_no_connection_comes_about_the_order_has_not_left() -> None:
    async with running_stub() as stub:
        url = stub.url
    bench = Bench(stub, trading_url=url)
    with pytest.raises(OutcomeUnknownError) as caught:
        await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
    assert not caught.value.unknown.may_have_arrived
    await bench.client.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [b"<html>ok</html>", b"", b"{}", b'{"id":"x","status":"new","qty":"many"}']
)
async def test_an_accepted_order_that_cannot_be_read_is_unknown_not_refused(body: bytes) -> None:
    async with a_bench() as bench:
        bench.stub.answer(body)
        with pytest.raises(OutcomeUnknownError, match=f"submit {OUR_ID}"):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert len(bench.stub.requests) == 1


@pytest.mark.asyncio
async def test_an_answer_about_another_order_is_unknown() -> None:
    async with a_bench() as bench:
        bench.stub.answer(an_order(client_order_id="somebody-elses"))
        with pytest.raises(OutcomeUnknownError, match="somebody-elses"):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)


@pytest.mark.asyncio
async def test_a_status_nobody_knows_is_no_reason_to_lose_an_order() -> None:
    async with a_bench() as bench:
        bench.stub.answer(an_order(status="a_status_of_2031", submitted_at=None))
        order = await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
    assert order.status == "a_status_of_2031"


@pytest.mark.asyncio
async def test_s061_a_refused_order_says_why() -> None:
    async with a_bench() as bench:
        bench.stub.answer(refusal(40310000, "insufficient buying power", buying_power="5"), 403)
        with pytest.raises(BrokerRefusedError) as caught:
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
    assert caught.value.refused.kind is RefusalKind.INSUFFICIENT_BUYING_POWER
    assert caught.value.refused.extras["buying_power"] == "5"


@pytest.mark.asyncio
async def test_s066_a_duplicate_id_is_told_apart_and_is_not_final() -> None:
    async with a_bench() as bench:
        bench.stub.answer(refusal(40010001, "client_order_id must be unique"), 422)
        with pytest.raises(BrokerRefusedError) as caught:
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
    assert caught.value.refused.kind is RefusalKind.DUPLICATE_CLIENT_ORDER_ID
    assert not caught.value.refused.is_final


@pytest.mark.asyncio
async def test_429_on_a_post_is_the_callers_to_decide() -> None:
    async with a_bench() as bench:
        bench.stub.answer({"message": "too many requests."}, 429, Retry_After="3")
        with pytest.raises(RateLimitedError) as caught:
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert caught.value.limited == RateLimited(3.0)
        with pytest.raises(RateLimitedError) as caught:
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert caught.value.limited == RateLimited(3.0, was_sent=False)
        assert len(bench.stub.requests) == 1


@pytest.mark.asyncio
async def test_an_order_never_waits_for_the_budget_but_a_cancel_goes_out() -> None:
    clock = HandClock()
    budget = RequestBudget(2, 1, clock=clock, sleep=clock.sleep)
    async with a_bench(budget=budget) as bench:
        bench.stub.answer(an_order()).answer(None, 204)
        await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        with pytest.raises(RateLimitedError):
            await bench.client.submit_market_order("SPY", 1, "buy", client_order_id=OUR_ID)
        assert await bench.client.cancel_order(ORDER_ID)
        assert clock.slept == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrong", [{"qty": 0}, {"side": "hold"}, {"symbol": "?"}, {"client_order_id": ""}]
)
async def test_s077_s078_what_makes_no_order_sends_nothing(wrong: dict[str, Any]) -> None:
    order = {"symbol": "SPY", "qty": 1, "side": "buy", "client_order_id": OUR_ID} | wrong
    async with a_bench() as bench:
        with pytest.raises(RefusedError):
            await bench.client.submit_market_order(**order)
        assert bench.stub.requests == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body", "done"),
    [
        (204, None, True),
        (422, refusal(42210000, 'order is already in "filled" state'), False),
        (404, refusal(40410000, "order not found"), False),
    ],
)
async def test_a_cancel_is_asked_for_once(status: int, body: Any, done: bool) -> None:
    async with a_bench() as bench:
        bench.stub.answer(body, status)
        assert await bench.client.cancel_order(ORDER_ID) is done
        (seen,) = bench.stub.requests
    assert str(seen) == f"DELETE /v2/orders/{ORDER_ID}"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, None, OutcomeUnknownError),
        (404, b"<html>", OutcomeUnknownError),
        (403, refusal(40310000, "no"), BrokerRefusedError),
        (429, None, RateLimitedError),
        (401, None, NoVerdictError),
    ],
)
async def test_s101_a_cancel_that_fails_otherwise_is_told(
    status: int, body: Any, error: type[Exception]
) -> None:
    async with a_bench() as bench:
        bench.stub.answer(body, status)
        with pytest.raises(error):
            await bench.client.cancel_order(ORDER_ID)
        assert len(bench.stub.requests) == 1
        with pytest.raises(RefusedError):
            await bench.client.cancel_order("")


@pytest.mark.asyncio
async def test_cancel_all_is_one_request_and_tells_each_order() -> None:
    async with a_bench() as bench:
        bench.stub.answer([{"id": "a", "status": 200}, {"id": "b", "status": 500}], 207)
        bench.stub.answer(None, 207)
        results = await bench.client.cancel_all_orders()
        assert await bench.client.cancel_all_orders() == ()
        assert str(bench.stub.requests[0]) == "DELETE /v2/orders"
    assert [(result.id, result.status) for result in results] == [("a", 200), ("b", 500)]


@pytest.mark.asyncio
async def test_closing_sells_what_is_available_under_our_id() -> None:
    async with a_bench() as bench:
        bench.stub.answer(a_position()).answer(an_order(side="sell", qty="7"))
        await bench.client.close_position("spy", client_order_id=OUR_ID)
        lines = [str(seen) for seen in bench.stub.requests]
        payload = bench.stub.requests[1].json
    assert lines == ["GET /v2/positions/SPY", "POST /v2/orders"]
    assert (payload["qty"], payload["side"], payload["type"]) == ("7", "sell", "market")
    assert payload["client_order_id"] == OUR_ID


@pytest.mark.asyncio
@pytest.mark.parametrize("available", ["0", "-5"])
async def test_closing_what_is_reserved_or_short_sends_nothing(available: str) -> None:
    async with a_bench() as bench:
        bench.stub.answer(a_position(qty_available=available))
        with pytest.raises(RefusedError, match="nothing to sell"):
            await bench.client.close_position("SPY", client_order_id=OUR_ID)
        bench.stub.answer(refusal(40410000, "position does not exist"), 404)
        with pytest.raises(BrokerRefusedError):
            await bench.client.close_position("SPY", client_order_id=OUR_ID)
        assert [seen.method for seen in bench.stub.requests] == ["GET", "GET"]
