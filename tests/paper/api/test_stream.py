"""The trade_updates websocket: handshake, frames, seats, faults."""

import asyncio

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType

from tests.paper.sockets import Listener, running
from tests.paper.world import a_bracket

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("path", ["/stream", "/stream/"])
@pytest.mark.parametrize("form", ["authenticate", "auth"])
async def test_both_forms_of_authentication_work_on_both_paths(path, form):
    async with running() as client, client.session.ws_connect(client.broker.url + path) as socket:
        key, secret = client.broker.key, client.broker.secret
        nested = {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}
        flat = {"action": "auth", "key": key, "secret": secret}
        await socket.send_json(nested if form == "authenticate" else flat)
        assert await Listener(socket).next() == {
            "stream": "authorization",
            "data": {"action": form, "status": "authorized"},
        }


async def test_a_wrong_key_is_told_so():
    async with (
        running() as client,
        client.session.ws_connect(client.broker.url + "/stream") as socket,
    ):
        await socket.send_json({"action": "auth", "key": "x", "secret": "y"})
        assert (await Listener(socket).next())["data"]["status"] == "unauthorized"


async def test_listening_needs_authentication():
    async with (
        running() as client,
        client.session.ws_connect(client.broker.url + "/stream") as socket,
    ):
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
        assert await Listener(socket).next() == {
            "stream": "authorization",
            "data": {"action": "listen", "status": "unauthorized"},
        }


@pytest.mark.parametrize(
    ("wanted", "granted"),
    [
        (["trade_updates"], ["trade_updates"]),
        (["trade_updates", "account_updates"], ["trade_updates"]),
        (["odd"], []),
        ([], []),
        ("trade_updates", []),
    ],
)
async def test_the_acknowledgement_names_what_was_granted(wanted, granted):
    async with running() as client, client.listening() as listener:
        await listener.next()
        await listener.socket.send_json({"action": "listen", "data": {"streams": wanted}})
        assert await listener.next() == {"stream": "listening", "data": {"streams": granted}}


@pytest.mark.parametrize(("binary", "kind"), [(True, WSMsgType.BINARY), (False, WSMsgType.TEXT)])
async def test_frames_are_binary_json_on_paper_and_text_where_asked(binary, kind):
    async with running(binary_frames=binary) as client, client.listening() as listener:
        assert (await listener.frame()).type is kind


async def test_messagepack_is_spoken_to_those_who_ask_for_it():
    async with running() as client:
        headers = {"Content-Type": "application/msgpack"}
        async with client.session.ws_connect(
            client.broker.url + "/stream", headers=headers
        ) as socket:
            await socket.send_json({"action": "listen", "data": {}})
            frame = await asyncio.wait_for(socket.receive(), 5)
            assert msgspec.msgpack.decode(frame.data)["stream"] == "authorization"


@pytest.mark.parametrize("packed", [True, False])
async def test_whoever_speaks_messagepack_is_understood(packed):
    async with running() as client:
        headers = {"Content-Type": "application/msgpack"}
        async with client.session.ws_connect(
            client.broker.url + "/stream", headers=headers
        ) as socket:
            words = {"action": "auth", "key": client.broker.key, "secret": client.broker.secret}
            encode = msgspec.msgpack.encode if packed else msgspec.json.encode
            await socket.send_bytes(encode(words))
            frame = await asyncio.wait_for(socket.receive(), 5)
            assert msgspec.msgpack.decode(frame.data)["data"]["status"] == "authorized"


@pytest.mark.parametrize("wanted", [[], ["odd"]])
async def test_a_listen_sets_the_whole_list_so_that_nothing_unsubscribes(wanted):
    async with running() as client, client.listening() as listener:
        await listener.next()
        await listener.socket.send_json({"action": "listen", "data": {"streams": wanted}})
        await listener.next()
        await client.order(client_order_id="unheard")
        await client.wait()
        again = {"action": "listen", "data": {"streams": ["trade_updates"]}}
        await listener.socket.send_json(again)
        assert (await listener.next())["stream"] == "listening"
        await client.order(client_order_id="heard")
        await client.wait()
        assert (await listener.next())["data"]["order"]["client_order_id"] == "heard"


async def test_a_silent_listener_is_pinged_and_dropped_when_it_does_not_answer():
    settings = {"ping_every_s": 0.01, "drops_silent_after_s": 0.1}
    async with running(**settings) as client, client.listening(autoping=False) as listener:
        await listener.next()
        assert (await listener.frame()).type is WSMsgType.PING
        while (kind := (await listener.frame()).type) is WSMsgType.PING:
            pass
        assert kind in (WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_a_listener_that_answers_pings_stays():
    settings = {"ping_every_s": 0.01, "drops_silent_after_s": 0.1}
    async with running(**settings) as client, client.listening(autoping=False) as listener:
        await listener.next()
        for _ in range(30):
            frame = await listener.frame()
            assert frame.type is WSMsgType.PING
            await listener.socket.pong(frame.data)


async def test_a_fill_may_be_told_before_the_answer_to_its_order():
    async with running(instant_fill_pct=1.0) as client, client.listening() as listener:
        await listener.next()
        answering = asyncio.create_task(client.order())
        assert (await listener.next())["data"]["event"] == "new"
        assert (await listener.next())["data"]["event"] == "fill"
        assert (await answering)["status"] == "pending_new"


async def test_legs_are_not_told_on_the_stream_but_their_group_is():
    async with running() as client, client.listening() as listener:
        await listener.next()
        entry = await client.order(**a_bracket())
        await client.wait()
        events = [(await listener.next())["data"] for _ in range(3)]
        assert [event["event"] for event in events] == ["new", "fill", "new"]
        assert {event["order"]["group_id"] for event in events} == {entry["group_id"]}
        assert {event["order"]["legs"] for event in events} == {None}
        assert events[2]["order"]["id"] == entry["legs"][0]["id"]


async def test_an_order_is_told_from_new_to_fill():
    async with running() as client, client.listening() as listener:
        assert (await listener.next())["data"]["streams"] == ["trade_updates"]
        order = await client.order(qty=3)
        await client.wait()
        new, fill = [(await listener.next())["data"] for _ in range(2)]
        assert (new["event"], new["order"]["status"]) == ("new", "new")
        assert list(fill) == [
            "event",
            "execution_id",
            "order",
            "position_qty",
            "price",
            "qty",
            "timestamp",
        ]
        assert (fill["qty"], fill["price"], fill["position_qty"]) == ("3", "100", "8")
        assert fill["order"] == await client.get(f"/v2/orders/{order['id']}")


async def test_a_second_connection_is_refused_with_429_until_the_first_leaves():
    async with running() as client:
        async with client.listening():
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.session.ws_connect(client.broker.url + "/stream")
            assert caught.value.status == 429
        async with client.listening() as listener:
            await listener.next()


async def test_a_ghost_keeps_its_seat_for_a_while():
    moment = [0.0]
    async with running(ghost_s=90, monotonic=lambda: moment[0]) as client:
        async with client.listening() as listener:
            await listener.next()
            await client.ask("POST", "/_admin/faults", json={"kind": "stream_drop"})
            assert (await listener.frame()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.session.ws_connect(client.broker.url + "/stream")
        moment[0] = 91.0
        async with client.listening() as listener:
            await listener.next()


async def test_two_accounts_listen_side_by_side_and_hear_only_their_own():
    async with running() as client:
        other = {"key": "PKOTHER", "secret": "s", "cash": "1000"}
        await client.ask("POST", "/_admin/accounts", json=other)
        async with (
            client.listening() as mine,
            client.session.ws_connect(client.broker.url + "/stream") as socket,
        ):
            await mine.next()
            theirs = Listener(socket)
            await socket.send_json({"action": "auth", "key": "PKOTHER", "secret": "s"})
            await theirs.next()
            await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
            await theirs.next()
            await client.order(client_order_id="mine")
            headers = {"APCA-API-KEY-ID": "PKOTHER", "APCA-API-SECRET-KEY": "s"}
            body = {
                "symbol": "CHEAP",
                "qty": 1,
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
            }
            await client.ask("POST", "/v2/orders", json=body, headers=headers)
            await client.wait()
            assert (await mine.next())["data"]["order"]["client_order_id"] == "mine"
            assert (await theirs.next())["data"]["order"]["symbol"] == "CHEAP"


@pytest.mark.parametrize("text", ["{", "[]", '{"action": "dance"}', "\x00"])
async def test_nonsense_is_answered_with_an_error_frame(text):
    async with (
        running() as client,
        client.session.ws_connect(client.broker.url + "/stream") as socket,
    ):
        await socket.send_str(text)
        assert (await Listener(socket).next())["action"] == "error"


async def test_a_plain_get_on_the_stream_is_no_crash():
    async with running() as client:
        assert (await client.ask("GET", "/stream"))[0] == 400


async def arm(client, **fault: object) -> None:
    status, body = await client.ask("POST", "/_admin/faults", json=fault)
    assert status == 200, body


async def test_the_acknowledgement_may_fail_to_come():
    async with running() as client:
        await arm(client, kind="no_listening_ack")
        async with client.listening() as listener:
            await client.order()
            await client.wait()
            assert (await listener.next())["data"]["event"] == "new"


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        ("duplicate_events", ["new", "new", "fill"]),
        ("lost_events", ["fill"]),
        ("unknown_event", ["event_of_the_future", "fill"]),
    ],
)
async def test_events_may_come_twice_never_or_by_an_unknown_name(kind, events):
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind=kind)
        await client.order()
        await client.wait()
        assert [(await listener.next())["data"]["event"] for _ in events] == events


async def test_a_status_of_the_future_and_a_missing_timestamp():
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind="unknown_status")
        await arm(client, kind="missing_timestamp")
        await client.order()
        await client.wait()
        data = (await listener.next())["data"]
        assert data["order"]["status"] == "status_of_the_future"
        assert "timestamp" not in data


async def test_a_mute_stream_swallows_events_while_it_lasts():
    async with running() as client, client.listening() as listener:
        await listener.next()
        await arm(client, kind="mute_stream", count=None)
        await client.order()
        await client.wait()
        await client.ask("DELETE", "/_admin/faults")
        await client.order(client_order_id="later")
        await client.wait()
        data = (await listener.next())["data"]
        assert data["order"]["client_order_id"] == "later"


async def test_pings_are_answered():
    async with running() as client, client.listening(autoping=False) as listener:
        await listener.next()
        await listener.socket.ping(b"are you there")
        frame = await listener.frame()
        assert (frame.type, frame.data) == (WSMsgType.PONG, b"are you there")


async def test_stopping_says_farewell():
    async with running() as client, client.listening() as listener:
        await listener.next()
        stopping = asyncio.create_task(client.broker.stop())
        assert (await listener.frame()).type is WSMsgType.CLOSE
        await stopping
