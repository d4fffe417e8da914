"""Our own walk over every endpoint that is served, success and refusal: plain requests, no SDK.

It asks what the clients do not (every parameter, every error), so that the documents are held
against all of it. What comes back with a status that was not expected is a surprise.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.conformance.asker import STEP_S, Asker

NOBODY = "00000000-0000-0000-0000-000000000001"


async def walk_at_noon(asker: Asker) -> None:
    """Everything that goes on in regular hours."""
    await _account(asker)
    await _reference(asker)
    await _orders(asker)
    await _groups(asker)
    await _positions(asker)
    await _refused_orders(asker)
    await _activities(asker)
    await _prices(asker)
    await _strangers(asker)


async def walk_the_stream(asker: Asker) -> None:
    """Both ways to say who one is, and every event that an order can have in regular hours."""
    nested = {"action": "authenticate", "data": {"key_id": asker.key, "secret_key": asker.secret}}
    flat = {"action": "auth", "key": asker.key, "secret": asker.secret}
    for path, words in (("/stream/", flat), ("/stream", nested)):
        async with asker.session.ws_connect(asker.url + path) as socket:

            async def hear(socket=socket) -> Any:
                frame = json.loads((await socket.receive(STEP_S)).data)
                asker.frames.append(frame)
                return frame

            await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
            assert (await hear())["data"] == {"status": "unauthorized", "action": "listen"}
            await socket.send_json(words)
            authorized = {"status": "authorized", "action": words["action"]}
            assert (await hear())["data"] == authorized
            await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
            assert (await hear())["data"] == {"streams": ["trade_updates"]}
            if words is nested:
                await _live(asker, hear)


async def _live(asker: Asker, hear: Callable[[], Awaitable[Any]]) -> None:
    """Let orders fill in parts, be replaced, cancelled and refused late."""
    await asker.order(qty="20", symbol="CHEAP", client_order_id="s-parts")
    while (await hear())["data"]["event"] != "fill":
        pass
    old = await asker.order(type="limit", limit_price="80", client_order_id="s-old")
    while (await hear())["data"]["event"] != "new":
        pass
    new = await asker.ask("PATCH", f"/v2/orders/{old['id']}", 200, {"limit_price": "81"})
    while (await hear())["data"]["event"] != "replaced":
        pass
    await asker.ended(new, "new")
    await asker.command("clock", {"speed": 0.001})
    await asker.ask("PATCH", f"/v2/orders/{new['id']}", 200, {"limit_price": "82"})
    for method, path, status in (
        ("PATCH", f"/v2/orders/{new['id']}", 422),
        ("DELETE", f"/v2/orders/{new['id']}", 422),
        ("DELETE", "/v2/orders", 207),
    ):
        await asker.ask(method, path, status, {"limit_price": "83"} if method == "PATCH" else None)
    await asker.command("clock", {"speed": 60})
    await asker.ask("DELETE", "/v2/orders", 207)
    while (await hear())["data"]["event"] != "canceled":
        pass
    span = {"since": "2024-02-01T00:00:00Z", "until": "2024-02-01T17:00:30Z"}
    await asker.get("/v2/events/trades", **span)
    await asker.get("/v2beta1/events/activities", **span)
    await asker.get("/v2/events/trades", 400, since="then")


async def walk_through_days(asker: Asker) -> None:
    """Nights, with what moves money and shares without an order."""
    for kind, amount in (("CSD", 500), ("CSW", -20), ("DIV", 3), ("FEE", -1), ("INT", 2)):
        await asker.command("events", {"kind": kind, "amount": amount, "symbol": "SPY"})
    await asker.command("clock", {"at": "2024-02-05T17:00:00Z"})
    await asker.get("/v2/account")
    await asker.get("/v2/positions")
    kept = await asker.get("/v2/account/activities")
    assert len({activity["activity_type"] for activity in kept}) >= 5
    for kind in ("DIV", "CSD", "SPLIT"):
        await asker.get(f"/v2/account/activities/{kind}")
    await asker.get("/v2/account/activities", category="non_trade_activity", direction="asc")
    span = {"since": "2024-02-01T00:00:00Z", "until": "2024-02-05T17:00:00Z"}
    await asker.get("/v2beta1/events/activities", **span)
    for timeframe in ("1D", "1H"):
        await asker.get("/v2/account/portfolio/history", period="1W", timeframe=timeframe)
    await asker.get("/v1/corporate-actions", start="2024-01-01", end="2024-02-05")


async def walk_at_night(asker: Asker) -> None:
    """Orders while the market is closed: accepted, and nothing happens to them."""
    order = await asker.order()
    assert order["status"] == "accepted"
    await asker.ask("PATCH", f"/v2/orders/{order['id']}", 422, {"qty": "2"})
    await asker.order(time_in_force="opg", symbol="CHEAP")
    await asker.get("/v2/orders", status="all", nested="true")
    await asker.get("/v2/clock")
    await asker.get("/v2/positions")
    await asker.ask("DELETE", "/v2/positions/SPY", 403)
    await asker.ask("DELETE", "/v2/orders", 207)


async def walk_too_fast(asker: Asker) -> None:
    """More requests than a minute allows."""
    await asker.get("/v2/clock")
    await asker.get("/v2/clock", 429)
    await asker.get("/v2/calendar", 429)
    await asker.ask("POST", "/v2/orders", 429, {})
    await asker.get("/v2/stocks/snapshots", symbols="SPY")  # the data have a budget of their own
    await asker.get("/v2/stocks/snapshots", 429, symbols="SPY")


async def _account(asker: Asker) -> None:
    await asker.get("/v2/account")
    await asker.get("/v2/account/configurations")
    for change in (
        {"no_shorting": True, "fractional_trading": True, "trade_confirm_email": "none"},
        {"max_margin_multiplier": "2", "ptp_no_exception_entry": True},
        {"max_options_trading_level": 1, "disable_overnight_trading": True},
        {"max_margin_multiplier": "4", "no_shorting": False},
    ):
        await asker.ask("PATCH", "/v2/account/configurations", 200, change)
    for wrong in ({"max_margin_multiplier": "3"}, {"suspend_trade": "yes"}):
        await asker.ask("PATCH", "/v2/account/configurations", 422, wrong)
    await asker.ask("PATCH", "/v2/account/configurations", 400, b"{")
    for timeframe in ("1D", "1H", "15Min", "5Min", "1Min"):
        await asker.get("/v2/account/portfolio/history", period="1D", timeframe=timeframe)
    await asker.get("/v2/account/portfolio/history", start="2024-01-02", end="2024-02-01")
    await asker.get("/v2/account/portfolio/history", 422, timeframe="2D")


async def _reference(asker: Asker) -> None:
    await asker.get("/v2/clock")
    await asker.get("/v2/calendar", start="2024-11-25", end="2024-12-31")
    await asker.get("/v2/calendar", start="2024-11-23", end="2024-11-24")
    await asker.get("/v2/calendar", 400, start="2024-11-25", end="2024-11-24")
    (*_, asset) = await asker.get("/v2/assets", status="active", asset_class="us_equity")
    await asker.get("/v2/assets", status="inactive")
    await asker.get("/v2/assets/SPY")
    await asker.get(f"/v2/assets/{asset['id']}")
    await asker.get("/v2/assets/NOPE", 404)


async def _orders(asker: Asker) -> None:
    market = await asker.order(client_order_id="n-market")
    await asker.ended(market, "filled")
    await asker.get(f"/v2/orders/{market['id']}", nested="true")
    await asker.get("/v2/orders:by_client_order_id", client_order_id="n-market")
    resting = await asker.order(type="limit", limit_price="80.25", client_order_id="n-limit")
    later = await asker.order(type="limit", limit_price="81", time_in_force="gtc")
    await asker.ended(later, "new")
    new = await asker.ask("PATCH", f"/v2/orders/{later['id']}", 200, {"limit_price": "82"})
    await asker.ended(later, "replaced")
    await asker.ask("PATCH", f"/v2/orders/{later['id']}", 422, {"limit_price": "83"})
    await asker.ended(new, "new")
    for asked in (
        {},
        {"status": "all", "limit": 2, "direction": "asc"},
        {"status": "closed", "nested": "True", "symbols": "SPY,CHEAP"},
        {"status": "all", "after": "2024-02-01T00:00:00Z", "until": "2024-02-02T00:00:00Z"},
        {"status": "all", "side": "buy", "after_order_id": resting["id"]},
        {"status": "all", "before_order_id": resting["id"]},
    ):
        await asker.get("/v2/orders", **asked)
    await asker.ask("DELETE", f"/v2/orders/{resting['id']}", 204)
    await asker.ended(resting, "canceled")
    await asker.ask("DELETE", f"/v2/orders/{resting['id']}", 204)
    await asker.ask("DELETE", f"/v2/orders/{market['id']}", 422)
    await asker.order(symbol="CHEAP", qty=None, notional="55.50")
    await asker.order(symbol="CHEAP", qty="1.123456789")
    for tif in ("ioc", "fok"):
        await asker.order(symbol="CHEAP", time_in_force=tif, type="limit", limit_price="9")
    await asker.order(time_in_force="cls")
    await asker.order(
        type="limit", limit_price="79", extended_hours=True, client_order_id="n-extended"
    )
    await asker.ask("DELETE", "/v2/orders", 207)

    async def is_quiet() -> bool:
        return await asker.get("/v2/orders") == []

    await asker.until(is_quiet)
    for kind in (
        {"type": "stop", "stop_price": "90"},
        {"type": "stop_limit", "stop_price": "90", "limit_price": "89"},
        {"type": "trailing_stop", "trail_price": "5"},
        {"type": "trailing_stop", "trail_percent": "2.5"},
    ):
        await asker.order(side="sell", time_in_force="gtc", **kind)
    await asker.ask("DELETE", "/v2/orders", 207)
    await asker.until(is_quiet)
    assert await asker.ask("DELETE", "/v2/orders", 207) == []


async def _groups(asker: Asker) -> None:
    """Bracket, OTO and OCO: what belongs together is cancelled together."""
    above, below = {"take_profit": {"limit_price": "150"}}, {"stop_loss": {"stop_price": "70"}}
    entry = {"type": "limit", "limit_price": "80", "time_in_force": "gtc"}
    exit_ = {"side": "sell", "type": "limit", "time_in_force": "gtc"}
    for group in (
        entry | above | below | {"order_class": "bracket"},
        entry | below | {"order_class": "oto"},
        exit_ | above | below | {"order_class": "oco"},
    ):
        parent = await asker.order(**group)
        await asker.get(f"/v2/orders/{parent['id']}", nested="true")
        nested = await asker.get("/v2/orders", status="all", nested="true", limit=3)
        assert [order for order in nested if order["legs"]]
        await asker.get("/v2/orders", status="open", nested="false")
        await asker.ask("DELETE", f"/v2/orders/{parent['id']}", 204)

        async def is_quiet() -> bool:
            return await asker.get("/v2/orders") == []

        await asker.until(is_quiet)
    for wrong in (above | {"order_class": "bracket"}, {"order_class": "bracket"}):
        await asker.order(422, **wrong)


async def _positions(asker: Asker) -> None:
    held = await asker.get("/v2/positions")
    await asker.get("/v2/positions/SPY")
    await asker.get(f"/v2/positions/{held[0]['asset_id']}")
    await asker.get("/v2/positions/NOPE", 404)
    await asker.ask("DELETE", "/v2/positions/NOPE", 404)
    await asker.ask("DELETE", "/v2/positions/SPY", 422, qty="1", percentage="50")
    half = await asker.ask("DELETE", "/v2/positions/SPY", 200, percentage="50")
    await asker.ended(half, "filled")
    await asker.ask("DELETE", "/v2/positions/SPY", 403, qty="1000")
    resting = await asker.order(side="sell", type="limit", limit_price="150")
    await asker.ended(resting, "new")
    answers = await asker.ask("DELETE", "/v2/positions", 207)
    assert {answer["status"] for answer in answers} == {200, 403}
    answers = await asker.ask("DELETE", "/v2/positions", 207, cancel_orders="true")
    assert {answer["status"] for answer in answers} <= {200, 403}

    async def is_flat() -> bool:
        return await asker.get("/v2/positions") == []

    await asker.until(is_flat)
    assert await asker.ask("DELETE", "/v2/positions", 207) == []


async def _refused_orders(asker: Asker) -> None:
    limit = {"type": "limit"}
    for status, changes in (
        (403, {"qty": "100000"}),
        (403, {"side": "sell", "qty": "100000"}),
        (403, {"symbol": "RIGID", "qty": "0.5"}),
        (422, {"symbol": "NOPE"}),
        (422, {"symbol": None}),
        (422, {"client_order_id": "n-market"}),
        (422, {"client_order_id": "x" * 129}),
        (422, {"qty": None}),
        (422, {"notional": "5"}),
        (422, {"qty": None, "notional": "0.5"}),
        (422, {"qty": "-1"}),
        (422, {"qty": "1.1234567891"}),
        (422, {"side": "hold"}),
        (422, {"type": "guess"}),
        (422, {"time_in_force": "whenever"}),
        (422, {"limit_price": "90"}),
        (422, limit),
        (422, limit | {"limit_price": "90.255"}),
        (422, limit | {"qty": "0.5", "time_in_force": "gtc", "limit_price": "90"}),
        (422, {"extended_hours": True}),
        (422, {"time_in_force": "opg"}),
        (422, {"type": "stop", "stop_price": "90"}),
        (422, {"type": "trailing_stop"}),
        (400, {"qty": [1]}),
    ):
        await asker.order(status, **changes)
    await asker.ask("POST", "/v2/orders", 400, b"{")
    await asker.ask("POST", "/v2/orders", 400, [1])
    await asker.get(f"/v2/orders/{NOBODY}", 404)
    await asker.get("/v2/orders/no-uuid", 422)
    await asker.get("/v2/orders:by_client_order_id", 404, client_order_id="never")
    await asker.ask("PATCH", f"/v2/orders/{NOBODY}", 404, {"qty": "1"})
    await asker.ask("DELETE", f"/v2/orders/{NOBODY}", 404)
    await asker.get("/v2/orders", 422, status="odd")
    await asker.get("/v2/orders", 422, after="yesterday")


async def _activities(asker: Asker) -> None:
    await asker.get("/v2/account/activities")
    await asker.get("/v2/account/activities/FILL", page_size=2, direction="asc")
    await asker.get("/v2/account/activities", category="trade_activity", date="2024-02-01")
    await asker.get("/v2/account/activities", category="non_trade_activity")
    await asker.get("/v2/account/activities", after="2024-01-01T00:00:00Z", until="2025-01-01")
    await asker.get("/v2/account/activities", 422, date="2024-02-01", after="2024-01-01")
    await asker.get("/v2/account/activities", 422, activity_types="FILL", category="trade_activity")


async def _prices(asker: Asker) -> None:
    both = {"symbols": "SPY,CHEAP,NOPE"}
    asked = both | {"timeframe": "1Day", "start": "2024-01-02", "end": "2024-01-31"}
    page = await asker.get("/v2/stocks/bars", **asked, limit=30)
    await asker.get("/v2/stocks/bars", **asked, limit=30, page_token=page["next_page_token"])
    await asker.get("/v2/stocks/bars", **asked, sort="desc", adjustment="split", feed="iex")
    await asker.get("/v2/stocks/SPY/bars", timeframe="1Day", start="2024-01-02")
    span = {"start": "2024-02-01T14:30:00Z", "end": "2024-02-01T14:30:20Z"}
    for what in ("quotes", "trades"):
        page = await asker.get(f"/v2/stocks/{what}", **both, **span, limit=7)
        token = page["next_page_token"]
        await asker.get(f"/v2/stocks/{what}", **both, **span, limit=7, page_token=token)
        await asker.get(f"/v2/stocks/SPY/{what}", **span, sort="desc")
        await asker.get(f"/v2/stocks/{what}", 400)
        await asker.get(f"/v2/stocks/SPY/{what}", 400, **span, sort="odd")
    for what in ("bars", "quotes", "trades"):
        await asker.get(f"/v2/stocks/{what}/latest", **both)
    for what in ("bars", "quotes", "trades"):
        await asker.get(f"/v2/stocks/SPY/{what}/latest")
        await asker.get(f"/v2/stocks/NOPE/{what}/latest", 404)
    await asker.get("/v2/stocks/snapshots", **both)
    await asker.get("/v2/stocks/SPY/snapshot")
    await asker.get("/v2/stocks/NOPE/snapshot", 404)
    await asker.get("/v1/corporate-actions", start="2023-12-01", end="2024-02-01")
    await asker.get("/v1/corporate-actions", symbols="SPY", start="2023-12-01", limit=1)
    await asker.get("/v2/stocks/bars", 400, timeframe="1Day")
    await asker.get("/v2/stocks/bars", 400, **both)
    await asker.get("/v2/stocks/bars", 400, **asked, page_token="?")
    await asker.get("/v2/stocks/bars", 403, **(asked | {"end": "2024-02-02", "feed": "sip"}))
    await asker.get("/v2/stocks/snapshots", 400, **both, feed="rumour")
    await asker.get("/v2/stocks/snapshots", 400)


async def _strangers(asker: Asker) -> None:
    """Unknown paths, and callers without a key or with a wrong one."""
    await asker.get("/v2/nowhere", 404)
    await asker.ask("PUT", "/v2/orders", 404, {})
    wrong = Asker(asker.session, asker.url, asker.key, "wrong", asker.surprises)
    for path in ("/v2/account", "/v2/orders", "/v2/clock", "/v2/stocks/bars"):
        await wrong.get(path, 401)
    async with asker.session.get(asker.url + "/v2/account") as answer:
        if answer.status != 401:
            asker.surprises.append(f"no key at all: {answer.status}")
