"""Alpaca's retired Python client walks the local broker and says, step by step, what it parsed.

A program of its own, in the old client's virtual environment:
`python with_old_client.py URL STREAM_URL KEY SECRET`.
"""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable

from telling import KEY, SECRET, STEP_S, URL, Updates, minute, number, refused, tell, totals

os.environ |= {"APCA_RETRY_MAX": "0", "APCA_API_DATA_URL": URL}

from alpaca_trade_api.rest import REST, APIError, TimeFrame
from alpaca_trade_api.stream import TradingStream

NUMBERS = ("qty", "notional", "filled_qty", "filled_avg_price", "limit_price", "stop_price", "hwm")


def seen(order, *fields: str) -> dict:
    """Some of an order's fields as the client parsed them."""
    return {
        field: number(getattr(order, field)) if field in NUMBERS else getattr(order, field)
        for field in fields
    }


class Stream(TradingStream):
    """The client's stream, which sees the broker's acknowledgement and tells nobody."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.is_listening = asyncio.Event()

    async def _dispatch(self, message) -> None:
        if message.get("stream") == "listening":
            self.is_listening.set()
        await super()._dispatch(message)


class Walk:
    """The real client in a thread, the real stream in this loop."""

    def __init__(self) -> None:
        self.client = REST(KEY, SECRET, URL)
        self.updates = Updates()
        self.stream = Stream(KEY, SECRET, URL)
        self.stream.subscribe_trade_updates(self.updates.note)

    async def call(self, method: str, *arguments, **options):
        return await asyncio.to_thread(getattr(self.client, method), *arguments, **options)

    async def until(self, event: str, client_order_id: str):
        return await self.updates.until(
            event, client_order_id, lambda u: u.order["client_order_id"]
        )

    async def refuse(self, step: str, method: str, *arguments, **options) -> None:
        await say_refusal(step, getattr(self.client, method), *arguments, **options)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the steps within are walked."""
        task = asyncio.create_task(self.stream._run_forever())
        await asyncio.wait_for(self.stream.is_listening.wait(), STEP_S)
        try:
            yield
        finally:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.5)
            await self.stream.close()


async def say_refusal(step: str, call: Callable, *arguments, **options) -> None:
    try:
        await asyncio.to_thread(call, *arguments, **options)
    except APIError as error:
        refused(step, error.status_code, error._error.get("code"), str(error))
    else:
        tell(step, was="not refused")


def order(client_order_id: str, **changes) -> dict:
    fields = {"symbol": "SPY", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
    return fields | {"client_order_id": client_order_id} | changes


def limit(client_order_id: str, price: str, **changes) -> dict:
    return order(client_order_id, type="limit", limit_price=price, qty=2) | changes


async def look_around(walk: Walk) -> None:
    """Account, clock, calendar, assets and what is held."""
    account = await walk.call("get_account")
    tell(
        "account",
        status=account.status,
        cash=number(account.cash),
        equity=number(account.equity),
        buying_power=number(account.buying_power),
        multiplier=account.multiplier,
        trading_blocked=account.trading_blocked,
    )
    clock = await walk.call("get_clock")
    tell(
        "clock",
        is_open=clock.is_open,
        next_open=minute(clock.next_open),
        next_close=minute(clock.next_close),
    )
    days = await walk.call("get_calendar", "2024-11-25", "2024-11-29")
    tell("calendar", days=[f"{d.date:%Y-%m-%d} {d.open:%H:%M} {d.close:%H:%M}" for d in days])
    assets = await walk.call("list_assets", asset_class="us_equity")
    tell("assets", symbols=[asset.symbol for asset in assets])
    asset = await walk.call("get_asset", "SPY")
    tell(
        "asset",
        symbol=asset.symbol,
        asset_class=getattr(asset, "class"),
        status=asset.status,
        tradable=asset.tradable,
        fractionable=asset.fractionable,
    )
    held = await walk.call("list_positions")
    tell("positions", symbols=[position.symbol for position in held])
    position = await walk.call("get_position", "SPY")
    tell(
        "position",
        side=position.side,
        **{
            field: number(getattr(position, field))
            for field in ("qty", "qty_available", "avg_entry_price", "market_value", "cost_basis")
        },
    )


async def latch(walk: Walk) -> None:
    """The account's own switches, and an order while they forbid it."""
    settings = await walk.call("get_account_configurations")
    tell(
        "configurations",
        suspend_trade=settings.suspend_trade,
        max_margin_multiplier=settings.max_margin_multiplier,
    )
    changed = await walk.call("update_account_configurations", suspend_trade=True)
    tell("suspend", suspend_trade=changed.suspend_trade)
    await walk.refuse("suspended", "submit_order", **order("suspended"))
    changed = await walk.call("update_account_configurations", suspend_trade=False)
    tell("resume", suspend_trade=changed.suspend_trade)


async def trade(walk: Walk) -> None:
    """Orders out, fills and cancels back over the stream."""
    sent = await walk.call("submit_order", **order("market"))
    tell("market_order", **seen(sent, "status", "type", "side", "time_in_force", "qty"))
    *_, fill = await walk.until("fill", "market")
    tell(
        "market_fill",
        qty=number(fill.qty),
        price=number(fill.price),
        position_qty=number(fill.position_qty),
        status=fill.order["status"],
        filled_qty=fill.order["filled_qty"],
    )
    found = await walk.call("get_order_by_client_order_id", "market")
    tell("order_by_client_id", is_same=found.id == sent.id, **seen(found, "filled_avg_price"))
    found = await walk.call("get_order", sent.id)
    tell("order_by_id", **seen(found, "status", "filled_qty", "client_order_id"))
    await walk.refuse("cancel_late", "cancel_order", sent.id)

    sent = await walk.call("submit_order", **limit("limit", "80.25"))
    tell("limit_order", **seen(sent, "status", "type", "limit_price", "qty"))
    await walk.until("new", "limit")
    listed = await walk.call("list_orders", status="open", nested=True, symbols=["SPY"])
    tell("open_orders", client_order_ids=[each.client_order_id for each in listed])
    await walk.call("cancel_order", sent.id)
    *_, update = await walk.until("canceled", "limit")
    tell("cancel", status=update.order["status"], filled_qty=update.order["filled_qty"])

    sent = await walk.call("submit_order", **order("notional", qty=None, notional=250))
    tell("notional_order", **seen(sent, "notional", "qty"))
    *_, fill = await walk.until("fill", "notional")
    tell(
        "notional_fill",
        position_qty=number(fill.position_qty),
        filled_qty=fill.order["filled_qty"],
    )

    await walk.call("submit_order", **order("parts", symbol="CHEAP", qty=20))
    heard = [u for u in await walk.until("fill", "parts") if u.event.endswith("fill")]
    tell(
        "partial_fills",
        events=sorted({u.event for u in heard}),
        sum=totals(("all", u.qty) for u in heard)["all"],
        filled_qty=heard[-1].order["filled_qty"],
        filled_avg_price=heard[-1].order["filled_avg_price"],
    )
    await walk.refuse("too_many_shares", "submit_order", **order("many", qty=100, side="sell"))


async def change(walk: Walk) -> None:
    """Replace, wash trade, cancel all, close, stops."""
    old = await walk.call("submit_order", **limit("old", "8", symbol="CHEAP", time_in_force="gtc"))
    await walk.until("new", "old")
    new = await walk.call("replace_order", old.id, qty="3", limit_price="8.5")
    tell("replace", is_successor=new.replaces == old.id, **seen(new, "qty", "limit_price"))
    *_, update = await walk.until("replaced", "old")
    is_known = update.order["replaced_by"] == new.id
    tell("replaced", knows_successor=is_known, status=update.order["status"])
    await walk.refuse("wash_trade", "submit_order", **order("wash", symbol="CHEAP", side="sell"))
    tell("cancel_all", told=await walk.call("cancel_all_orders"))
    await walk.until("canceled", new.client_order_id)

    sent = await walk.call("close_position", "SPY", qty=2)
    tell("close_position", **seen(sent, "type", "side", "qty"))
    *_, fill = await walk.until("fill", sent.client_order_id)
    tell("close_fill", position_qty=number(fill.position_qty))

    plain = {"side": "sell", "time_in_force": "gtc"}
    stop = await walk.call("submit_order", **order("stop", type="stop", stop_price="90", **plain))
    tell("stop_order", **seen(stop, "type", "stop_price"))
    trailing = await walk.call(
        "submit_order", **order("trailing", type="trailing_stop", trail_percent="5", **plain)
    )
    tell("trailing_order", **seen(trailing, "type", "stop_price", "hwm"))
    await walk.refuse("close_reserved", "close_position", "SPY")
    tell("cancel_stops", told=await walk.call("cancel_all_orders"))
    await walk.until("canceled", "trailing")


async def look_back(walk: Walk) -> None:
    """Activities in pages, portfolio history, and everything sold."""
    rows, token = [], None
    while True:
        page = await walk.call(
            "get_activities", ["FILL"], page_size=3, direction="asc", page_token=token
        )
        rows += page
        if len(page) < 3:
            break
        token = page[-1].id
    tell("activities", total=totals((f"{r.side} {r.symbol}", r._raw["qty"]) for r in rows))
    (first,) = await walk.call("get_activities", "FILL", page_size=1, direction="asc")
    tell("activities_of_kind", is_same=first.id == rows[0].id, symbol=first.symbol)
    history = await walk.call("get_portfolio_history", period="1M", timeframe="1D")
    tell(
        "portfolio_history",
        timeframe=history.timeframe,
        is_even=len(history.timestamp) == len(history.equity) == len(history.profit_loss),
    )
    answers = await walk.call("close_all_positions")
    tell(
        "close_all",
        symbols=[answer.symbol for answer in answers],
        statuses=[answer.status for answer in answers],
    )
    while await walk.call("list_positions"):  # noqa: ASYNC110 - a question, not a flag
        await asyncio.sleep(0.01)
    account = await walk.call("get_account")
    tell("flat", is_all_cash=account.cash == account.equity)


async def be_refused(walk: Walk) -> None:
    """What Alpaca refuses, in Alpaca's words."""
    for step, request in (
        ("no_buying_power", order("r1", qty=10_000)),
        ("no_shares", order("r2", side="sell")),
        ("duplicate", order("market")),
        ("unknown_symbol", order("r3", symbol="NOPE")),
        ("sub_penny", limit("r4", "80.255")),
        ("not_fractionable", order("r5", symbol="RIGID", qty=0.5)),
    ):
        await walk.refuse(step, "submit_order", **request)
    await walk.refuse("unknown_order", "get_order", str(uuid.UUID(int=1)))
    await walk.refuse("unknown_client_id", "get_order_by_client_order_id", "never-sent")
    await walk.refuse("unknown_position", "get_position", "CHEAP")
    await walk.refuse("unknown_asset", "get_asset", "NOPE")
    stranger = REST(KEY, "wrong", URL)
    await say_refusal("bad_key", stranger.get_account)


async def look_at_prices(walk: Walk) -> None:
    """Bars, quotes, trades and snapshots."""
    asked = {"start": "2024-01-02", "end": "2024-01-31", "adjustment": "all"}
    rows = await walk.call("get_bars", ["SPY", "CHEAP", "NOPE"], TimeFrame.Day, **asked, feed="sip")
    symbols = [row.S for row in rows]
    first = next(row for row in rows if row.S == "SPY")
    tell(
        "bars",
        counts={symbol: symbols.count(symbol) for symbol in sorted(set(symbols))},
        first=minute(first.t),
        close=number(first.c),
    )
    await walk.refuse(
        "recent_sip", "get_bars", ["SPY"], TimeFrame.Day, end="2024-02-01T20:00:00Z", feed="sip"
    )
    quotes = await walk.call("get_latest_quotes", ["SPY", "CHEAP"], feed="iex")
    tell("quotes", bid=number(quotes["SPY"].bp), ask=number(quotes["SPY"].ap))
    trades = await walk.call("get_latest_trades", ["SPY", "CHEAP"], feed="iex")
    tell("trades", price=number(trades["SPY"].p))
    latest = await walk.call("get_latest_bars", ["SPY", "CHEAP"], feed="iex")
    tell("latest_bars", at=minute(latest["CHEAP"].t))
    snapshots = await walk.call("get_snapshots", ["SPY", "CHEAP"], feed="iex")
    tell(
        "snapshots",
        daily=minute(snapshots["CHEAP"].daily_bar.t),
        before=minute(snapshots["CHEAP"].prev_daily_bar.t),
    )


async def main() -> None:
    walk = Walk()
    await look_around(walk)
    await latch(walk)
    async with walk.listening():
        await trade(walk)
        await change(walk)
        await look_back(walk)
    await be_refused(walk)
    await look_at_prices(walk)


asyncio.run(main())
