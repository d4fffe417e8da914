"""Server-sent events: history then live without a gap, ends at `until`, ids that sort by time."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import events
from atlas_daemon.paper.api.ulid import moment_of, ulid
from atlas_daemon.paper.exchange.orders import Activity
from tests.paper.sockets import running
from tests.paper.world import NOON

TRADES = "/v2/events/trades"
ACTIVITIES = "/v2beta1/events/activities"
NOON_TEXT = "2024-02-01T17:00:00Z"


class Reader:
    """What a client sees of one event stream."""

    def __init__(self, response):
        self.response = response

    async def line(self):
        while True:
            raw = await asyncio.wait_for(self.response.content.readline(), 5)
            if raw.strip():
                return raw.decode().rstrip("\n")

    async def next(self):
        """The next event's body; comments are passed over."""
        while (line := await self.line()).startswith(":"):
            pass
        assert line.startswith("data: ")
        return json.loads(line.removeprefix("data: "))

    async def rest(self):
        """Every event until the stream ends."""
        text = (await asyncio.wait_for(self.response.read(), 5)).decode()
        lines = [line for line in text.splitlines() if line.startswith("data: ")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]


@contextlib.asynccontextmanager
async def reading(client, path, **params):
    url = client.broker.url + path
    async with client.session.get(url, params=params, headers=client.headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["X-Request-ID"]
        yield Reader(response)


@pytest.mark.asyncio
async def test_without_since_only_what_happens_from_now_on_is_told():
    async with running() as client:
        await client.order()
        await client.wait()
        async with reading(client, TRADES) as reader:
            assert (await reader.line()).startswith(":")
            placed = await client.order(client_order_id="second")
            await client.wait()
            told = await reader.next()
            assert (told["event"], told["order"]["id"]) == ("new", placed["id"])
            fill = await reader.next()
            assert (fill["event"], fill["qty"], fill["position_qty"]) == ("fill", "1", "7")
            assert fill["account_id"] and fill["execution_id"] and fill["timestamp"]
            assert fill["order"]["client_order_id"] == "second"


@pytest.mark.asyncio
async def test_history_comes_first_and_the_news_follow_without_gap_or_repeat():
    async with running() as client:
        await client.order()
        await client.wait()
        async with reading(client, TRADES, since=NOON_TEXT) as reader:
            past = [await reader.next() for _ in range(2)]
            await client.order()
            await client.wait()
            news = [await reader.next() for _ in range(2)]
        told = past + news
        assert [one["event"] for one in told] == ["new", "fill"] * 2
        ids = [one["event_id"] for one in told]
        assert ids == sorted(ids) and len(set(ids)) == 4


@pytest.mark.asyncio
async def test_the_stream_ends_with_until_by_time_and_by_id():
    async with running() as client:
        await client.order()
        await client.wait()
        until = (NOON + timedelta(seconds=20)).isoformat()
        async with reading(client, TRADES, since="2024-02-01", until=until) as reader:
            everything = await reader.rest()
        assert [one["event"] for one in everything] == ["new", "fill"]
        first = everything[0]["event_id"]
        async with reading(client, TRADES, since_id=first, until_id=first) as reader:
            assert await reader.rest() == everything[:1]
        last = everything[-1]["event_id"]
        async with reading(client, TRADES, since_id=last, until_id=last) as reader:
            assert await reader.rest() == everything[-1:]


@pytest.mark.asyncio
async def test_an_end_that_is_to_come_is_waited_for():
    async with running() as client:
        until = (NOON + timedelta(seconds=60)).isoformat()
        async with reading(client, ACTIVITIES, since=NOON_TEXT, until=until) as reader:
            await client.order()
            await client.wait(30)
            assert (await reader.next())["activity_type"] == "TRD"
            await client.wait(30)
            assert await reader.rest() == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "params",
    [
        {"until": NOON_TEXT},
        {"until_id": "01J9RQ5HNZQK7M3RDVJ8XBPCT1"},
        {"since": NOON_TEXT, "since_id": "01J9RQ5HNZQK7M3RDVJ8XBPCT1"},
        {"since": NOON_TEXT, "until_id": "01J9RQ5HNZQK7M3RDVJ8XBPCT1"},
        {"since_id": "12345"},
        {"since_id": "01J9RQ5HNZQK7M3RDVJ8XBPCTI"},
        {"since": "yesterday"},
    ],
)
@pytest.mark.parametrize("path", [TRADES, ACTIVITIES])
async def test_bounds_that_contradict_themselves_are_refused(path, params):
    async with running() as client:
        status, body = await client.ask("GET", path, params=params)
        assert status == 400
        assert body["message"]


@pytest.mark.asyncio
async def test_activities_tell_trades_and_money_with_their_details():
    async with running() as client:
        order = await client.order(side="sell", qty="2")
        await client.wait()
        deposit = {"kind": "CSD", "amount": "100"}
        await client.ask("POST", "/_admin/events", json=deposit)
        async with reading(client, ACTIVITIES, since="2024-02-01") as reader:
            trade, money = await reader.next(), await reader.next()
        rows = await client.get("/v2/account/activities", direction="asc")
        assert trade["ref_id"] == rows[0]["id"].partition("::")[2]
        assert (trade["activity_type"], trade["status"]) == ("TRD", "executed")
        assert (trade["qty"], trade["price"], trade["net_amount"]) == ("2", "99.9", "199.8")
        assert trade["settle_date"] == "2024-02-05"  # two sessions later, before 28 May 2024
        details = trade["details"]
        assert details["order_id"] == order["id"]
        assert details["client_order_id"] == order["client_order_id"]
        assert (details["execution_type"], details["leaves_qty"]) == ("fill", "0")
        assert (money["activity_type"], money["net_amount"], money["qty"]) == ("CSD", "100", "0")
        assert money["details"] == {"system_date": "2024-02-01"}


@pytest.mark.asyncio
async def test_the_stop_of_the_broker_ends_the_streams():
    async with running() as client, reading(client, TRADES) as reader:
        await reader.line()
        await asyncio.wait_for(client.broker.stop(), 5)
        assert await reader.rest() == []


@pytest.mark.asyncio
async def test_a_client_that_hangs_up_is_forgotten():
    async with running() as client:
        book = client.broker._runner.app[events.EVENTS]
        async with reading(client, TRADES) as reader:
            await reader.line()
            assert len(book._waiting) == 1
        for _ in range(100):
            for bell in book._waiting:
                bell.set()
            if not book._waiting:
                break
            await client.get("/v2/clock")
        assert book._waiting == set()


@pytest.mark.asyncio
async def test_an_event_stream_has_no_head_without_a_body():
    async with running() as client:
        for path in (TRADES, ACTIVITIES):
            assert (await client.ask("HEAD", path))[0] == 404


def test_a_reader_that_fell_behind_is_told_what_it_lost():
    class Short:
        def next_number(self):
            return 12

        def first_number(self):
            return 10

        def event(self, number):
            return NOON, ulid(NOON, number)

        def body(self, number):
            return {"n": number}

    lines, number = events._lines(Short(), 4, events.Span())
    assert lines[0] == b": you are reading too slowly, dropped 6 messages\n\n"
    assert lines[1:] == [b'data: {"n":10}\n\n', b'data: {"n":11}\n\n']
    assert number == 12


moments = st.timedeltas(timedelta(), timedelta(days=50_000)).map(
    lambda passed: datetime(1970, 1, 1, tzinfo=UTC) + passed
)


@given(one=moments, other=moments, numbers=st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)))
def test_ids_sort_by_moment_and_number(one, other, numbers):
    ids = [ulid(one, numbers[0]), ulid(other, numbers[1])]
    keys = [(moment_of(ids[0]), numbers[0]), (moment_of(ids[1]), numbers[1])]
    assert (ids[0] < ids[1]) == (keys[0] < keys[1])
    assert timedelta() <= one - moment_of(ids[0]) < timedelta(milliseconds=1)


def test_what_an_activity_was_paid_on_is_no_quantity():
    kept = {"entitled_qty": "5"}
    line = Activity("x::y", "DIV", NOON, symbol="SPY", details=kept, group_id="g")
    assert not events._moves_shares(line)
    assert events._details(line) == {
        "cusip": wire.cusip("SPY"),
        "entitled_qty": "5",
        "group_id": "g",
        "symbol": "SPY",
        "system_date": "2024-02-01",
    }
