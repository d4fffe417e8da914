"""Each fault of the vocabulary, struck once: what a client sees of it, and what is true."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from atlas_daemon.paper.faults.fault import Fault, FaultError, read_fault
from atlas_daemon.paper.faults.fault_kinds import KINDS, Shape
from tests.house.source import ROOT
from tests.paper.sockets import Client, running
from tests.paper.world import NEXT_OPEN, NOON, an_order

PAPER = ROOT / "docs" / "local-broker.md"
SEVERAL = {
    "seconds": 5,
    "for_s": 60,
    "symbol": "SPY",
    "to_symbol": "NEW",
    "how": "zero",
    "amount": 5,
    "per_share": 1,
    "factor": 2,
    "ratio": 2,
    "qty": 1,
}
"""A good value for each parameter that some kind needs."""


def needed(kind: str) -> dict[str, object]:
    return {"kind": kind} | {name: SEVERAL[name] for name in KINDS[kind].needs}


async def arm(client: Client, **fault: object) -> dict:
    status, body = await client.ask("POST", "/_admin/faults", json=fault)
    assert status == 200, body
    return body


async def orders(client: Client) -> int:
    return len(client.broker.desk.exchange.by_key[client.broker.key].orders)


async def until(is_so: Callable[[], object]) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


# The vocabulary.


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_is_armed_by_what_it_needs_and_refuses_what_it_does_not_know(kind):
    fault = read_fault(needed(kind))
    assert fault.shown()["kind"] == kind
    assert KINDS[kind].text
    for name in KINDS[kind].needs:
        without = {key: value for key, value in needed(kind).items() if key != name}
        with pytest.raises(FaultError, match=f"^{name}: is needed by {kind}"):
            read_fault(without)
    foreign = "headers" if kind != "http_429" else "symbol"
    with pytest.raises(FaultError, match=f"^{foreign}: is no parameter of {kind}"):
        read_fault({**needed(kind), foreign: False if foreign == "headers" else "SPY"})


def test_the_paper_has_the_whole_vocabulary_as_it_is():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", PAPER.read_text(), re.MULTILINE)
    told = {
        name: (shape, set(re.findall(r"\w+", words)), text) for name, shape, words, text in rows
    }
    general = {"count", "probability", "seed", "skip", "for_s", "every_s"}
    for kind in KINDS.values():
        own = {*kind.needs, *(set(kind.parameters) - general)}
        assert told.pop(kind.name) == (kind.shape, own, kind.text)
    assert told == {}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "kind"),
        ({"kind": "gremlin"}, "kind"),
        ({"kind": 3}, "kind"),
        ({"kind": "hang", "sekonds": 3}, "sekonds"),
        ({"kind": "hang", "count": -1}, "count"),
        ({"kind": "hang", "count": 1.5}, "count"),
        ({"kind": "hang", "count": True}, "count"),
        ({"kind": "hang", "count": "for ever"}, "count"),
        ({"kind": "hang", "probability": 1.1}, "probability"),
        ({"kind": "hang", "probability": float("nan")}, "probability"),
        ({"kind": "hang", "probability": "1"}, "probability"),
        ({"kind": "hang", "seed": 1.0}, "seed"),
        ({"kind": "hang", "for_s": 0}, "for_s"),
        ({"kind": "hang", "method": "get"}, "method"),
        ({"kind": "hang", "path": 3}, "path"),
        ({"kind": "delay", "seconds": -1}, "seconds"),
        ({"kind": "delay", "seconds": float("inf")}, "seconds"),
        ({"kind": "http_429", "headers": "no"}, "headers"),
        ({"kind": "refuse_order", "status": 200}, "status"),
        ({"kind": "reject_order", "side": "both"}, "side"),
        ({"kind": "reject_order", "symbol": "spy"}, "symbol"),
        ({"kind": "bad_quotes", "how": "odd"}, "how"),
        ({"kind": "odd_calendar", "day": "2024-02-30"}, "day"),
        ({"kind": "odd_calendar", "close": "24:00"}, "close"),
        ({"kind": "price_jump", "symbol": "SPY", "factor": 0}, "factor"),
        ({"kind": "price_jump", "symbol": "SPY", "factor": "1e-20"}, "factor"),
        ({"kind": "price_jump", "symbol": "SPY", "factor": "NaN"}, "factor"),
        ({"kind": "fee", "amount": "ten"}, "amount"),
        ({"kind": "partial_fill", "share": 1.1}, "share"),
        ({"kind": "stream_drop", "every_s": 0.5}, "every_s"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(table, key):
    with pytest.raises(FaultError) as caught:
        read_fault(table)
    assert caught.value.key == key
    assert "\n" not in str(caught.value)


# Requests.


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("http_429", 429, "too many"),
        ("http_500", 500, None),
        ("http_500_html", 500, "<html>"),
        ("http_502", 502, "Bad Gateway"),
        ("http_503", 503, "<html>"),
        ("http_504", 504, "<html>"),
        ("unauthorized", 401, "unauthorized"),
        ("refuse_order", 403, "insufficient buying power"),
    ],
)
@pytest.mark.asyncio
async def test_a_request_that_is_not_done_leaves_no_order(kind, status, text):
    async with running() as client:
        await arm(client, kind=kind)
        answered, body = await client.ask("POST", "/v2/orders", json=an_order())
        assert answered == status
        assert text in str(body) if text else body is None
        assert await orders(client) == 0
        await client.order()


@pytest.mark.parametrize(
    ("kind", "count"),
    [("drop_before_accept", 0), ("accept_then_reset", 1), ("accept_then_cut", 1)],
)
@pytest.mark.asyncio
async def test_an_answer_that_does_not_come_whole_tells_nothing(kind, count):
    async with running() as client:
        await arm(client, kind=kind, method="POST")
        with pytest.raises(aiohttp.ClientError):
            await client.ask("POST", "/v2/orders", json=an_order())
        assert await orders(client) == count
        await client.get("/v2/orders")


@pytest.mark.parametrize(("kind", "count"), [("hang", 1), ("hang_before_accept", 0)])
@pytest.mark.asyncio
async def test_a_request_may_never_be_answered_done_or_not(kind, count):
    async with running() as client:
        await arm(client, kind=kind, method="POST")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.ask("POST", "/v2/orders", json=an_order())
        assert await orders(client) == count


@pytest.mark.parametrize(("kind", "count"), [("delay", 1), ("late_request", 0)])
@pytest.mark.asyncio
async def test_a_slow_request_waits_after_it_is_done_or_before(kind, count):
    async with running() as client:
        await arm(client, kind=kind, seconds=0.2, method="POST")
        asked = asyncio.create_task(client.ask("POST", "/v2/orders", json=an_order()))
        await until(lambda: client.broker.desk.faults.spent)
        assert await orders(client) == count
        assert (await asked)[0] == 200
        assert await orders(client) == 1


@pytest.mark.asyncio
async def test_a_fault_strikes_only_what_it_is_narrowed_to_and_after_what_it_skips():
    async with running() as client:
        await arm(client, kind="http_503", method="GET", path="/v2/clock", skip=1)
        await client.get("/v2/account")
        await client.get("/v2/clock")
        assert (await client.ask("GET", "/v2/clock"))[0] == 503
        await client.get("/v2/clock")
        await arm(client, kind="refuse_order", symbol="CHEAP", side="buy", code=1, message="no")
        await client.order()
        status, body = await client.ask("POST", "/v2/orders", json=an_order(symbol="CHEAP"))
        assert (status, body) == (403, {"code": 1, "message": "no"})


@pytest.mark.asyncio
async def test_nobody_listens_for_a_while_and_then_somebody_does_again():
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind="connection_refused", for_s=60)
        assert (await listener.frame()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        with pytest.raises(aiohttp.ClientError):
            await client.get("/v2/clock")
        await until(lambda: not _listens(client))
        client.go_to(NOON + timedelta(seconds=61))
        await until(lambda: client.broker.desk.console.is_reachable and _listens(client))
        await client.get("/v2/clock")


def _listens(client: Client) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", client.broker.port)) == 0


# Answers.


@pytest.mark.asyncio
async def test_positions_may_lag_behind_fills():
    async with running() as client:
        await arm(client, kind="positions_lag", seconds=60)
        await client.order(symbol="CHEAP", qty=3)
        await client.order(side="sell", qty=5)
        await client.wait(10)
        shown = {row["symbol"]: row["qty"] for row in await client.get("/v2/positions")}
        assert shown == {"SPY": "5"}
        await client.wait(60)
        shown = {row["symbol"]: row["qty"] for row in await client.get("/v2/positions")}
        assert shown == {"CHEAP": "3"}


@pytest.mark.asyncio
async def test_lists_look_ups_and_activities_may_lag_behind():
    async with running() as client:
        for kind in ("list_lag", "lookup_lag", "activities_lag"):
            await arm(client, kind=kind, seconds=20)
        order = await client.order(client_order_id="mine")
        await client.wait(10)
        path = f"/v2/orders/{order['id']}"
        assert await client.get("/v2/orders", status="all") == []
        assert (await client.ask("GET", path))[0] == 404
        named = "/v2/orders:by_client_order_id?client_order_id=mine"
        assert (await client.ask("GET", named))[0] == 404
        assert await client.get("/v2/account/activities") == []
        await client.wait(21)
        assert len(await client.get("/v2/orders", status="all")) == 1
        assert (await client.get(path))["status"] == "filled"
        assert len(await client.get("/v2/account/activities")) == 1


@pytest.mark.asyncio
async def test_the_clock_and_the_calendar_may_be_wrong():
    async with running() as client:
        await arm(client, kind="clock_skew", seconds=-90, for_s=60)
        await arm(client, kind="odd_calendar", for_s=60)
        async with client.session.get(
            client.broker.url + "/v2/clock", headers=client.headers
        ) as response:
            assert (await response.json())["timestamp"].startswith("2024-02-01T11:58:30")
            assert response.headers["Date"] == "Thu, 01 Feb 2024 16:58:30 GMT"
        days = {"start": "2024-02-01", "end": "2024-02-02"}
        assert [day["date"] for day in await client.get("/v2/calendar", **days)] == ["2024-02-02"]
        await arm(client, kind="odd_calendar", day="2024-02-02", close="13:00")
        await client.wait(61)
        shown = await client.get("/v2/calendar", **days)
        assert [day["close"] for day in shown] == ["16:00", "13:00"]
        assert (await client.get("/v2/clock"))["timestamp"].startswith("2024-02-01T12:01")


@pytest.mark.parametrize(
    ("how", "quote"),
    [
        ("zero", {"ap": 0, "bp": 0}),
        ("crossed", {"ap": 100.0, "bp": 102.0}),
        ("stale", {"ap": 100.0, "t": "2024-02-01T16:00:00Z"}),
        ("missing", None),
    ],
)
@pytest.mark.asyncio
async def test_quotes_may_be_impossible_while_orders_fill_at_the_true_ones(how, quote):
    async with running() as client:
        await arm(client, kind="bad_quotes", how=how, symbol="SPY")
        asked = {"symbols": "SPY,CHEAP"}
        quotes = (await client.get("/v2/stocks/quotes/latest", **asked))["quotes"]
        told = quotes.get("SPY")
        assert (told and {key: told[key] for key in quote}) == quote
        assert quotes["CHEAP"]["ap"] == 10.0
        shown = await client.get("/v2/stocks/snapshots", **asked)
        assert ("latestQuote" in shown["SPY"]) == (how != "missing")
        order = await client.order()
        await client.wait()
        assert (await client.get(f"/v2/orders/{order['id']}"))["filled_avg_price"] == "100"


@pytest.mark.asyncio
async def test_orders_may_be_told_with_a_status_of_the_future():
    async with running() as client:
        await arm(client, kind="unknown_order_status")
        order = await client.order()
        assert order["status"] == "status_of_the_future"
        assert (await client.get("/v2/orders"))[0]["status"] == "status_of_the_future"


@pytest.mark.asyncio
async def test_an_asset_or_the_account_may_be_blocked_for_a_while():
    async with running() as client:
        await arm(client, kind="untradable_asset", symbol="SPY")
        asset = await client.get("/v2/assets/SPY")
        assert (asset["tradable"], asset["status"]) == (False, "inactive")
        assert (await client.ask("POST", "/v2/orders", json=an_order()))[0] == 422
        await client.order(symbol="CHEAP")
        await arm(client, kind="account_blocked", for_s=60)
        assert (await client.get("/v2/account"))["trading_blocked"] is True
        status, _ = await client.ask("POST", "/v2/orders", json=an_order(symbol="CHEAP"))
        assert status == 403
        await client.wait(61)
        assert (await client.get("/v2/account"))["trading_blocked"] is False
        await client.order(symbol="CHEAP")


# The stream.


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ({"kind": "lost_events", "event": "fill"}, ["new", "new"]),
        ({"kind": "delayed_events", "seconds": 5, "event": "new"}, ["fill", "new", "fill", "new"]),
        ({"kind": "out_of_order_events", "event": "new"}, ["fill", "new", "fill", "new"]),
        ({"kind": "out_of_order_events", "event": "fill"}, ["new", "fill", "new", "fill"]),
        ({"kind": "duplicate_events", "symbol": "CHEAP"}, ["new", "fill"]),
    ],
)
@pytest.mark.asyncio
async def test_updates_are_lost_late_or_out_of_order(fault, events):
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, count="always", **fault)
        for _ in range(2):
            await client.order()
            await client.wait()
        heard = [(await listener.next())["data"]["event"] for _ in events]
        assert heard == events


@pytest.mark.asyncio
async def test_an_update_out_of_order_comes_right_after_the_one_that_follows_it():
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind="partial_fill", share=0.5)
        await arm(client, kind="out_of_order_events")
        await client.order(qty=4)
        await client.wait()
        heard = [(await listener.next())["data"]["event"] for _ in range(3)]
        assert heard == ["partial_fill", "new", "fill"]


@pytest.mark.asyncio
async def test_an_execution_may_come_without_its_id_and_a_frame_in_pieces():
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind="garbled_frame")
        await arm(client, kind="missing_execution_id", event="fill")
        await client.order()
        await client.wait()
        with pytest.raises(ValueError, match=r"utf-8|JSON|decode"):
            await listener.next()
        assert "execution_id" not in (await listener.next())["data"]


@pytest.mark.asyncio
async def test_the_handshake_may_be_refused_or_acknowledged_for_nothing():
    async with running() as client:
        await arm(client, kind="stream_refused", status=503)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.session.ws_connect(client.broker.url + "/stream")
        assert caught.value.status == 503
        await arm(client, kind="unauthorized_stream")
        with pytest.raises(AssertionError):
            async with client.listening():
                pass
        await arm(client, kind="empty_listening_ack")
        async with client.listening() as listener:
            assert (await listener.next())["data"] == {"streams": []}


@pytest.mark.parametrize(
    ("kind", "is_answered"), [("mute_stream", True), ("half_open_stream", False)]
)
@pytest.mark.asyncio
async def test_a_mute_stream_answers_pings_and_a_half_open_one_nothing(kind, is_answered):
    async with running() as client, client.listening(autoping=False) as listener:
        await listener.next()
        await arm(client, kind=kind, for_s=60)
        await client.order()
        await client.wait()
        await listener.socket.ping(b"one")
        await listener.socket.send_str("nonsense")
        if is_answered:
            assert (await listener.frame()).data == b"one"
            assert (await listener.next())["action"] == "error"
        for _ in range(3):  # by then the broker has read what was sent
            await client.get("/v2/clock")
        while not client.broker.desk.faults.spent:
            await client.wait(10)
        await client.order(client_order_id="later")
        await client.wait()
        assert (await listener.next())["data"]["order"]["client_order_id"] == "later"


@pytest.mark.asyncio
async def test_a_ghost_keeps_the_place_for_so_long_as_is_asked():
    moment = [0.0]
    async with running(monotonic=lambda: moment[0]) as client:
        async with client.listening() as listener:
            await listener.next()
            await arm(client, kind="ghost_connection", seconds=30)
            await listener.frame()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.session.ws_connect(client.broker.url + "/stream")
        moment[0] = 31.0
        async with client.listening() as listener:
            await listener.next()


# Orders.


async def status_of(client: Client, order: dict) -> str:
    return (await client.get(f"/v2/orders/{order['id']}"))["status"]


@pytest.mark.asyncio
async def test_an_order_may_be_rejected_after_it_was_accepted():
    async with running() as client:
        await arm(client, kind="reject_order", symbol="CHEAP")
        orders = [await client.order(), await client.order(symbol="CHEAP")]
        await client.wait()
        assert [await status_of(client, order) for order in orders] == ["filled", "rejected"]


@pytest.mark.asyncio
async def test_a_stuck_order_does_not_fill_until_it_is_freed():
    async with running() as client:
        await arm(client, kind="stuck_order", side="buy")
        stuck, free = await client.order(), await client.order(symbol="CHEAP")
        await client.wait(3600)
        assert [await status_of(client, order) for order in (stuck, free)] == ["new", "filled"]
        await client.ask("DELETE", "/_admin/faults")
        await client.wait()
        assert await status_of(client, stuck) == "filled"


@pytest.mark.parametrize("kind", ["stuck_order", "slow_fill"])
@pytest.mark.asyncio
async def test_an_order_may_fill_later_than_it_could(kind):
    async with running() as client:
        await arm(client, kind=kind, seconds=120)
        order = await client.order()
        await client.wait(119)
        assert await status_of(client, order) == "new"
        await client.wait(7)
        assert await status_of(client, order) == "filled"


@pytest.mark.asyncio
async def test_an_order_may_fill_in_as_many_parts_as_are_asked_for():
    async with running() as client:
        await arm(client, kind="partial_fill", share=0.5, count=2)
        order = await client.order(qty=8)
        await client.wait()
        fills = await client.get("/v2/account/activities/FILL")
        assert [fill["qty"] for fill in fills] == ["2", "2", "4"]
        assert await status_of(client, order) == "filled"


@pytest.mark.asyncio
async def test_a_cancel_may_be_taken_and_then_rejected():
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind="stuck_order")
        await arm(client, kind="refuse_cancel")
        order = await client.order()
        await client.wait()
        for events in (["new", "order_cancel_rejected"], ["canceled"]):
            assert (await client.ask("DELETE", f"/v2/orders/{order['id']}"))[0] == 204
            await client.wait()
            assert [(await listener.next())["data"]["event"] for _ in events] == events
        assert await status_of(client, order) == "canceled"


@pytest.mark.asyncio
async def test_a_halted_symbol_rests_its_orders_for_so_long():
    async with running() as client:
        await arm(client, kind="halted_symbol", symbol="SPY", for_s=600)
        order = await client.order()
        await client.wait(590)
        assert await status_of(client, order) == "new"
        await client.wait(20)
        assert await status_of(client, order) == "filled"


@pytest.mark.asyncio
async def test_the_broker_may_cancel_by_itself():
    async with running() as client:
        buy = await client.order(type="limit", limit_price="1", symbol="CHEAP")
        sell = await client.order(type="limit", limit_price="500", side="sell")
        await client.wait()
        assert (await arm(client, kind="cancel_by_broker", side="sell"))["note"] == "1 cancelled"
        assert [await status_of(client, order) for order in (buy, sell)] == ["new", "canceled"]


@pytest.mark.asyncio
async def test_a_bust_takes_back_shares_money_and_the_orders_fill():
    async with running() as client, client.listening() as listener:
        await listener.next()
        before = (await client.get("/v2/account"))["cash"]
        order = await client.order(qty=2, symbol="CHEAP")
        await client.wait()
        await arm(client, kind="trade_bust", symbol="CHEAP")
        events = [(await listener.next())["data"] for _ in range(3)]
        assert [data["event"] for data in events] == ["new", "fill", "trade_bust"]
        assert events[2]["execution_id"] == events[1]["execution_id"]
        assert (await client.get("/v2/account"))["cash"] == before
        assert [row["symbol"] for row in await client.get("/v2/positions")] == ["SPY"]
        assert (await client.get(f"/v2/orders/{order['id']}"))["filled_qty"] == "0"


# The account.


@pytest.mark.parametrize(
    ("fault", "kind", "amount"),
    [
        ({"kind": "fee", "amount": 1.5}, "FEE", "-1.5"),
        ({"kind": "interest", "amount": 2}, "INT", "2"),
        ({"kind": "deposit", "amount": 100}, "CSD", "100"),
        ({"kind": "withdrawal", "amount": 100}, "CSW", "-100"),
        ({"kind": "dividend", "symbol": "held", "per_share": 0.2}, "DIV", "1"),
    ],
)
@pytest.mark.asyncio
async def test_money_moves_and_an_activity_tells_of_it(fault, kind, amount):
    async with running() as client:
        await arm(client, **fault)
        (activity,) = await client.get("/v2/account/activities")
        assert (activity["activity_type"], activity["net_amount"]) == (kind, amount)
        cash = Decimal((await client.get("/v2/account"))["cash"])
        assert cash == 10000 + Decimal(amount)


@pytest.mark.asyncio
async def test_what_nobody_explains_has_no_activity():
    async with running() as client:
        await arm(client, kind="unexplained_cash", amount=-7)
        await arm(client, kind="unexplained_shares", symbol="SPY", qty=-1)
        await arm(client, kind="unexplained_shares", symbol="CHEAP", qty=2)
        assert await client.get("/v2/account/activities") == []
        assert (await client.get("/v2/account"))["cash"] == "9993"
        shown = {row["symbol"]: row["qty"] for row in await client.get("/v2/positions")}
        assert shown == {"SPY": "4", "CHEAP": "2"}
        status, body = await client.ask(
            "POST",
            "/_admin/faults",
            json={"kind": "unexplained_shares", "symbol": "SPY", "qty": -5},
        )
        assert (status, body["message"]) == (422, "qty: more than there is")


@pytest.mark.asyncio
async def test_somebody_else_orders_trades_and_suspends():
    async with running() as client:
        await arm(client, kind="foreign_order", symbol="CHEAP")
        await arm(client, kind="manual_trade", symbol="SPY", side="sell", qty=2)
        await client.wait()
        shown = await client.get("/v2/orders", status="all", direction="asc")
        assert [(o["symbol"], o["side"], o["status"]) for o in shown] == [
            ("CHEAP", "buy", "new"),
            ("SPY", "sell", "filled"),
        ]
        await arm(client, kind="suspend_trade")
        assert (await client.get("/v2/account"))["trade_suspended_by_user"] is True
        assert (await client.ask("POST", "/v2/orders", json=an_order()))[0] == 403
        await arm(client, kind="allow_trade")
        await client.order()


@pytest.mark.asyncio
async def test_a_price_jumps_and_what_was_before_it_stays():
    async with running() as client:
        await arm(client, kind="price_jump", symbol="SPY", factor=0.5)
        order = await client.order()
        await client.wait()
        assert (await client.get(f"/v2/orders/{order['id']}"))["filled_avg_price"] == "50"
        market = client.broker.desk.exchange.market
        assert market.quote("SPY", NOON - timedelta(seconds=1)).ask == 100
        assert market.quote("CHEAP", NOON).ask == 10


@pytest.mark.asyncio
async def test_a_split_and_a_new_name_come_with_the_next_session():
    async with running() as client:
        await arm(client, kind="split", symbol="SPY", ratio=2)
        client.go_to(NEXT_OPEN + timedelta(minutes=1))
        (row,) = await client.get("/v2/positions")
        assert (row["symbol"], row["qty"], row["current_price"]) == ("SPY", "10", "49.98")
        await arm(client, kind="rename", symbol="SPY", to_symbol="NEWCO")
        client.go_to(NEXT_OPEN + timedelta(days=3, minutes=1))
        (row,) = await client.get("/v2/positions")
        assert (row["symbol"], row["qty"], row["current_price"]) == ("NEWCO", "10", "49.98")
        kinds = {line["activity_type"] for line in await client.get("/v2/account/activities")}
        assert kinds == {"SPLIT", "NC"}


# Chance, and time.


async def _answered(seed: int, *statuses: int) -> list[int]:
    """What forty requests are answered with."""
    async with running(fault_seed=seed) as client:
        for status in statuses:
            await arm(client, kind=f"http_{status}", count="always", probability=0.3)
        return [(await client.ask("GET", "/v2/clock"))[0] for _ in range(40)]


@pytest.mark.asyncio
async def test_the_same_seed_and_the_same_requests_give_the_same_faults():
    both = await _answered(1, 502, 503)
    assert await _answered(1, 502, 503) == both
    assert await _answered(2, 502, 503) != both
    assert set(both) == {200, 502, 503}
    # One more moves no other: where it does not strike itself, all is as it was without it.
    alone = await _answered(1, 503)
    assert [status for status in both if status != 502] == [
        before for before, status in zip(alone, both, strict=True) if status != 502
    ]


@pytest.mark.asyncio
async def test_what_comes_again_comes_at_its_moments_however_far_the_clock_jumps():
    async with running() as client:
        armed = await arm(client, kind="deposit", amount=1, every_s=60, count=5)
        assert armed["fired"] == 1
        await client.wait(121)
        assert (await client.get("/v2/account"))["cash"] == "10003"
        await client.wait(3600)
        moments = [line["created_at"] for line in await client.get("/v2/account/activities")]
        assert [moment[11:19] for moment in reversed(moments)] == [
            f"17:0{minute}:00" for minute in range(5)
        ]


def test_every_shape_has_its_parameters_of_time_and_chance():
    assert "skip" in KINDS["hang"].parameters
    assert "every_s" in KINDS["fee"].parameters and "key" in KINDS["fee"].parameters
    assert KINDS["mute_stream"].shape is Shape.CONDITION
    assert Fault("hang", count=None).shown() == {"kind": "hang", "count": "always"}
