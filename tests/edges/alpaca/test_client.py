import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from atlas_daemon.core.errors import ConfigError, RefusedError
from atlas_daemon.core.values import Side
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
    RateLimited,
    RateLimitedError,
    RefusalKind,
    Unknown,
)
from atlas_daemon.edges.alpaca.scalars import WireError
from tests.edges.samples import (
    ORDER_ID,
    a_clock,
    a_fill,
    a_position,
    an_account,
    an_asset,
    an_order,
)
from tests.edges.stub import HANG, RESET, HandClock, Stub, running_stub

D = Decimal
OUR_ID = "atlas-2027-02-r1-buy-SPY-1"
SECRET = "s3cr3t-never-shown"


class Bench:
    """A client in front of a stub, on a clock driven by hand."""

    def __init__(self, stub: Stub, **changes: Any) -> None:
        self.stub = stub
        self.clock = HandClock()
        budget = RequestBudget(clock=self.clock, sleep=self.clock.sleep)
        self.budget = changes.pop("budget", budget)
        self.client = AlpacaTradingClient(
            **{
                "key_id": "PKTEST",
                "secret": SECRET,
                "trading_url": stub.url + "/v2/",
                "data_url": stub.url,
                "sleep": self.clock.sleep,
                "budget": self.budget,
                "wall": self.clock,
            }
            | changes
        )


@asynccontextmanager
async def a_bench(**changes: Any) -> AsyncIterator[Bench]:
    async with running_stub() as stub:
        bench = Bench(stub, **changes)
        try:
            yield bench
        finally:
            await bench.client.close()


def refusal(code: int, message: str, **extras: str) -> dict[str, Any]:
    return {"code": code, "message": message, **extras}


Ask = Callable[[AlpacaTradingClient], Any]

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
@pytest.mark.parametrize(("ask", "fields"), [row[1:] for row in SUBMITS], ids=lambda row: str(row))
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


QUESTIONS: list[tuple[str, Any, Ask, str, dict[str, str]]] = [
    ("account", an_account(), lambda c: c.get_account(), "GET /v2/account", {}),
    ("positions", [a_position()], lambda c: c.get_positions(), "GET /v2/positions", {}),
    (
        "order",
        an_order(),
        lambda c: c.get_order_status("a/../b?c"),
        "GET /v2/orders/a%2F..%2Fb%3Fc",
        {},
    ),
    (
        "by client id",
        an_order(),
        lambda c: c.get_order_by_client_id(OUR_ID),
        "GET /v2/orders:by_client_order_id",
        {"client_order_id": OUR_ID},
    ),
    ("clock", a_clock(), lambda c: c.get_clock(), "GET /v2/clock", {}),
    (
        "calendar",
        [],
        lambda c: c.get_calendar(date(2027, 2, 1), date(2027, 2, 5)),
        "GET /v2/calendar",
        {"start": "2027-02-01", "end": "2027-02-05"},
    ),
    (
        "assets",
        [an_asset()],
        lambda c: c.get_assets(),
        "GET /v2/assets",
        {"status": "active", "asset_class": "us_equity"},
    ),
    ("asset", an_asset(), lambda c: c.get_asset("brk-b"), "GET /v2/assets/BRK.B", {}),
    (
        "orders",
        [],
        lambda c: c.list_orders(
            after=datetime(2027, 2, 1, 14, 30, tzinfo=UTC),
            until=datetime(2027, 2, 2, tzinfo=UTC),
            symbols=["SPY", "brk-b"],
        ),
        "GET /v2/orders",
        {
            "status": "open",
            "limit": "500",
            "direction": "asc",
            "nested": "false",
            "after": "2027-02-01T14:30:00Z",
            "until": "2027-02-02T00:00:00Z",
            "symbols": "SPY,BRK.B",
        },
    ),
    (
        "activities",
        [],
        lambda c: c.activities(datetime(2027, 2, 1, tzinfo=UTC), ["FILL", "FEE"]),
        "GET /v2/account/activities",
        {
            "direction": "asc",
            "page_size": "100",
            "after": "2027-02-01T00:00:00Z",
            "activity_types": "FILL,FEE",
        },
    ),
    (
        "configurations",
        {"suspend_trade": False},
        lambda c: c.get_configurations(),
        "GET /v2/account/configurations",
        {},
    ),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "ask", "line", "query"), [row[1:] for row in QUESTIONS], ids=[r[0] for r in QUESTIONS]
)
async def test_each_question_is_asked_like_this(
    body: Any, ask: Ask, line: str, query: dict[str, str]
) -> None:
    async with a_bench() as bench:
        bench.stub.answer(body)
        await ask(bench.client)
        (seen,) = bench.stub.requests
    assert str(seen) == line
    assert seen.query == query
    assert seen.body == b""


@pytest.mark.asyncio
async def test_connect_proves_the_credentials_and_one_session_is_kept() -> None:
    async with a_bench() as bench:
        bench.stub.answer(an_account()).answer(an_account())
        assert await bench.client.connect() is True
        assert (await bench.client.get_account()).equity == D("100023.32")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body"), [(401, {"message": "unauthorized."}), (403, {"message": "forbidden."})]
)
async def test_s116_bad_credentials_are_told_in_one_line_and_never_tried_again(
    status: int, body: dict[str, str]
) -> None:
    async with a_bench() as bench:
        bench.stub.answer(body, status)
        with pytest.raises(NoVerdictError) as caught:
            await bench.client.connect()
        assert len(bench.stub.requests) == 1
    text = str(caught.value)
    assert "ALPACA_LARGE_KEY and ALPACA_LARGE_SECRET" in text
    assert str(status) in text
    assert "\n" not in text
    assert SECRET not in text
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", " "), ("k\n", "s"), ("k", "ключ")])
def test_credentials_that_cannot_be_sent_are_refused_at_once(key: str, secret: str) -> None:
    with pytest.raises(ConfigError, match="ALPACA_SMALL_"):
        AlpacaTradingClient(
            "SMALL", key_id=key, secret=secret, trading_url="http://x", data_url="http://x"
        )


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
async def test_s045_none_only_where_the_broker_itself_says_not_found() -> None:
    async with a_bench() as bench:
        bench.stub.answer(refusal(40410000, "order not found"), 404)
        assert await bench.client.get_order_by_client_id(OUR_ID) is None
        bench.stub.answer(refusal(40410000, "asset not found for X"), 404)
        assert await bench.client.get_asset("X") is None
        bench.stub.answer(b"<html>404</html>", 404)
        with pytest.raises(OutcomeUnknownError):
            await bench.client.get_order_by_client_id(OUR_ID)
        for body in (refusal(40410000, "endpoint not found."), refusal(40499999, "gone")):
            bench.stub.answer(body, 404)
            with pytest.raises(BrokerRefusedError):
                await bench.client.get_order_by_client_id(OUR_ID)
        bench.stub.answer(an_order(client_order_id="other"))
        with pytest.raises(OutcomeUnknownError, match="other"):
            await bench.client.get_order_by_client_id(OUR_ID)
        assert len(bench.stub.requests) == 6


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


def a_page(*numbers: int, at: str = "2027-02-01T14:35:00.000{:03d}999Z") -> list[dict[str, Any]]:
    return [an_order(id=f"o{n}", submitted_at=at.format(n)) for n in numbers]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("direction", "pages", "bound", "values"),
    [
        (
            "asc",
            [a_page(1, 2), a_page(2, 3), a_page(3)],
            "after",
            ["2027-02-01T14:35:00.000001Z", "2027-02-01T14:35:00.000002Z"],
        ),
        (
            "desc",
            [a_page(3, 2), a_page(2, 1), a_page(1)],
            "until",
            ["2027-02-01T14:35:00.000003Z", "2027-02-01T14:35:00.000002Z"],
        ),
    ],
)
async def test_orders_are_paged_to_the_end_and_each_comes_once(
    direction: str, pages: list[Any], bound: str, values: list[str]
) -> None:
    async with a_bench() as bench:
        for page in pages:
            bench.stub.answer(page)
        orders = await bench.client.list_orders("all", limit=2, direction=direction)
        asked = [seen.query.get(bound) for seen in bench.stub.requests]
    ids = ["o1", "o2", "o3"]
    assert [order.id for order in orders] == (ids if direction == "asc" else ids[::-1])
    assert asked == [None, *values]


@pytest.mark.asyncio
async def test_s020_a_list_that_cannot_go_on_is_never_cut_short() -> None:
    async with a_bench() as bench:
        bench.stub.answer(a_page(1, 2)).answer(a_page(1, 2))
        with pytest.raises(OutcomeUnknownError, match="no way past 2 orders"):
            await bench.client.list_orders(limit=2)
        bench.stub.answer([an_order(id="a"), an_order(id="b", submitted_at=None)])
        with pytest.raises(OutcomeUnknownError, match="no way past 2 orders"):
            await bench.client.list_orders(limit=2)
        bench.stub.answer({"orders": []})
        with pytest.raises(OutcomeUnknownError, match="/v2/orders"):
            await bench.client.list_orders()
        with pytest.raises(WireError, match="no time zone"):
            await bench.client.list_orders(after=datetime(2027, 2, 1))  # noqa: DTZ001


@pytest.mark.asyncio
async def test_activities_are_paged_by_the_last_id() -> None:
    async with a_bench() as bench:
        bench.stub.answer([a_fill(1), a_fill(2)]).answer([a_fill(2), a_fill(3)]).answer([])
        found = await bench.client.activities(page_size=2)
        tokens = [seen.query.get("page_token") for seen in bench.stub.requests]
        assert [activity.id for activity in found] == [a_fill(n)["id"] for n in (1, 2, 3)]
        assert tokens == [None, a_fill(2)["id"], a_fill(3)["id"]]
        bench.stub.answer([a_fill(1), a_fill(2)]).answer([a_fill(1), a_fill(2)])
        with pytest.raises(OutcomeUnknownError, match="nothing new"):
            await bench.client.activities(page_size=2)


@pytest.mark.asyncio
async def test_the_clock_says_whether_the_market_is_open_and_how_fast_time_goes() -> None:
    async with a_bench() as bench:
        bench.stub.answer(a_clock(), X_Atlas_Clock_Speed="60").answer(a_clock(is_open=False))
        clock = await bench.client.get_clock()
        assert (clock.is_open, clock.speed) == (True, 60)
        assert await bench.client.is_market_open() is False


@pytest.mark.asyncio
async def test_the_brokers_latch_is_set_and_seen_set() -> None:
    async with a_bench() as bench:
        bench.stub.answer({"suspend_trade": True}).answer({"suspend_trade": False})
        assert (await bench.client.set_suspend_trade(True)).suspend_trade
        with pytest.raises(OutcomeUnknownError, match="still says False"):
            await bench.client.set_suspend_trade(True)
        seen = bench.stub.requests[0]
    assert str(seen) == "PATCH /v2/account/configurations"
    assert seen.json == {"suspend_trade": True}


@pytest.mark.asyncio
async def test_a_given_session_is_its_owners_to_close() -> None:
    async with running_stub() as stub, aiohttp.ClientSession() as session:
        bench = Bench(stub, session=session)
        stub.answer(an_account())
        await bench.client.connect()
        await bench.client.close()
        assert not session.closed


@pytest.mark.asyncio
async def test_a_given_connector_is_used() -> None:
    made = []

    def a_connector() -> aiohttp.BaseConnector:
        made.append(aiohttp.TCPConnector())
        return made[-1]

    async with a_bench(session=a_connector) as bench:
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


def test_an_unknown_outcome_is_a_record_too() -> None:
    error = OutcomeUnknownError("POST x", Unknown("reset"))
    assert error.unknown.may_have_arrived
