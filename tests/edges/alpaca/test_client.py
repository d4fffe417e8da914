from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from atlas_daemon.core.errors import ConfigError, RefusedError
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
)
from atlas_daemon.edges.alpaca.scalars import WireError
from tests.edges.alpaca.bench import OUR_ID, SECRET, Ask, a_bench, refusal
from tests.edges.samples import (
    a_clock,
    a_fill,
    a_position,
    an_account,
    an_asset,
    an_order,
)

D = Decimal


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
@pytest.mark.parametrize("size", [0, 1, 501])
async def test_a_page_size_that_the_broker_would_cut_is_refused(size: int) -> None:
    async with a_bench() as bench:
        with pytest.raises(RefusedError, match=f"limit {size}"):
            await bench.client.list_orders(limit=size)
        with pytest.raises(RefusedError, match="page_size"):
            await bench.client.activities(page_size=size * 101)
        assert bench.stub.requests == []
