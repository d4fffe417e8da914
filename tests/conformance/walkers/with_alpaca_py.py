"""Alpaca's own Python client walks the local broker and says, step by step, what it parsed.

A program of its own: `python with_alpaca_py.py URL STREAM_URL KEY SECRET`.
"""

import asyncio
import contextlib
import uuid
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime

from telling import (
    KEY,
    SECRET,
    STEP_S,
    STREAM_URL,
    URL,
    Updates,
    minute,
    number,
    refused,
    tell,
    totals,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import Adjustment, DataFeed
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.data.requests import (
        CorporateActionsRequest,
        StockBarsRequest,
        StockLatestBarRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockSnapshotRequest,
    )
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import AssetClass, QueryOrderStatus
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrdersRequest,
        GetPortfolioHistoryRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopOrderRequest,
        TrailingStopOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

FIELDS = ("qty", "notional", "filled_qty", "filled_avg_price", "limit_price", "stop_price", "hwm")


def seen(order, *fields: str) -> dict:
    """Some of an order's fields as the client parsed them."""
    return {
        field: number(getattr(order, field))
        if field in FIELDS
        else getattr(getattr(order, field), "value", getattr(order, field))
        for field in fields
    }


def market(client_order_id: str, **changes) -> MarketOrderRequest:
    fields = {"symbol": "SPY", "qty": 1, "side": "buy", "time_in_force": "day"} | changes
    fields = {key: value for key, value in fields.items() if value is not None}
    return MarketOrderRequest(client_order_id=client_order_id, **fields)


def limit(client_order_id: str, price: float, **changes) -> LimitOrderRequest:
    fields = {"symbol": "SPY", "qty": 2, "side": "buy", "time_in_force": "day"} | changes
    return LimitOrderRequest(client_order_id=client_order_id, limit_price=price, **fields)


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
        self.client = TradingClient(KEY, SECRET, paper=True, url_override=URL)
        self.client._retry = 0
        self.updates = Updates()
        self.stream = Stream(KEY, SECRET, url_override=STREAM_URL)
        self.stream.subscribe_trade_updates(self.updates.note)

    async def call(self, method: str, *arguments):
        return await asyncio.to_thread(getattr(self.client, method), *arguments)

    async def until(self, event: str, client_order_id: str):
        return await self.updates.until(event, client_order_id, lambda u: u.order.client_order_id)

    async def refuse(self, step: str, method: str, *arguments) -> None:
        await say_refusal(step, getattr(self.client, method), *arguments)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the steps within are walked."""
        task = asyncio.create_task(self.stream._run_forever())
        await asyncio.wait_for(self.stream.is_listening.wait(), STEP_S)
        try:
            yield
        finally:
            while not task.done():  # alpaca-py may take a cancel for a timeout, and go on
                task.cancel()
                await asyncio.wait([task], timeout=0.5)
            await self.stream.close()


async def say_refusal(step: str, call: Callable, *arguments) -> None:
    try:
        await asyncio.to_thread(call, *arguments)
    except APIError as error:
        try:
            code = error.code
        except (KeyError, ValueError):
            code = None
        refused(step, error.status_code, code, error.message)
    else:
        tell(step, was="not refused")


async def look_around(walk: Walk) -> None:
    """Account, clock, calendar, assets and what is held."""
    account = await walk.call("get_account")
    tell(
        "account",
        status=account.status.value,
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
    days = await walk.call("get_calendar", GetCalendarRequest(start="2024-11-25", end="2024-11-29"))
    tell("calendar", days=[f"{day.date} {day.open:%H:%M} {day.close:%H:%M}" for day in days])
    assets = await walk.call("get_all_assets", GetAssetsRequest(asset_class=AssetClass.US_EQUITY))
    tell("assets", symbols=[asset.symbol for asset in assets])
    asset = await walk.call("get_asset", "SPY")
    tell(
        "asset",
        symbol=asset.symbol,
        asset_class=asset.asset_class.value,
        status=asset.status.value,
        tradable=asset.tradable,
        fractionable=asset.fractionable,
    )
    held = await walk.call("get_all_positions")
    tell("positions", symbols=[position.symbol for position in held])
    position = await walk.call("get_open_position", "SPY")
    tell(
        "position",
        side=position.side.value,
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
    settings.suspend_trade = True
    changed = await walk.call("set_account_configurations", settings)
    tell("suspend", suspend_trade=changed.suspend_trade)
    await walk.refuse("suspended", "submit_order", market("suspended"))
    settings.suspend_trade = False
    changed = await walk.call("set_account_configurations", settings)
    tell("resume", suspend_trade=changed.suspend_trade)


async def trade(walk: Walk) -> None:
    """Orders out, fills and cancels back over the stream."""
    order = await walk.call("submit_order", market("market"))
    tell("market_order", **seen(order, "status", "type", "side", "time_in_force", "qty"))
    *_, fill = await walk.until("fill", "market")
    tell(
        "market_fill",
        qty=number(fill.qty),
        price=number(fill.price),
        position_qty=number(fill.position_qty),
        **seen(fill.order, "status", "filled_qty"),
    )
    found = await walk.call("get_order_by_client_id", "market")
    tell("order_by_client_id", is_same=found.id == order.id, **seen(found, "filled_avg_price"))
    found = await walk.call("get_order_by_id", order.id)
    tell("order_by_id", **seen(found, "status", "filled_qty", "client_order_id"))
    await walk.refuse("cancel_late", "cancel_order_by_id", order.id)

    order = await walk.call("submit_order", limit("limit", 80.25))
    tell("limit_order", **seen(order, "status", "type", "limit_price", "qty"))
    await walk.until("new", "limit")
    listed = await walk.call(
        "get_orders", GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True, symbols=["SPY"])
    )
    tell("open_orders", client_order_ids=[each.client_order_id for each in listed])
    await walk.call("cancel_order_by_id", order.id)
    *_, update = await walk.until("canceled", "limit")
    tell("cancel", **seen(update.order, "status", "filled_qty"))

    order = await walk.call("submit_order", market("notional", qty=None, notional=250))
    tell("notional_order", **seen(order, "notional", "qty"))
    *_, fill = await walk.until("fill", "notional")
    tell("notional_fill", position_qty=number(fill.position_qty), **seen(fill.order, "filled_qty"))

    await walk.call("submit_order", market("parts", symbol="CHEAP", qty=20))
    heard = [u for u in await walk.until("fill", "parts") if u.event.endswith("fill")]
    tell(
        "partial_fills",
        events=sorted({getattr(u.event, "value", u.event) for u in heard}),
        sum=number(sum(u.qty for u in heard)),
        **seen(heard[-1].order, "filled_qty", "filled_avg_price"),
    )
    await walk.refuse("too_many_shares", "submit_order", market("many", qty=100, side="sell"))


async def change(walk: Walk) -> None:
    """Replace, wash trade, cancel all, close, stops."""
    resting = limit("old", 8, symbol="CHEAP", time_in_force="gtc")
    old = await walk.call("submit_order", resting)
    await walk.until("new", "old")
    new = await walk.call(
        "replace_order_by_id", old.id, ReplaceOrderRequest(qty=3, limit_price=8.5)
    )
    tell("replace", is_successor=new.replaces == old.id, **seen(new, "qty", "limit_price"))
    *_, update = await walk.until("replaced", "old")
    is_known = update.order.replaced_by == new.id
    tell("replaced", knows_successor=is_known, **seen(update.order, "status"))
    await walk.refuse(
        "wash_trade", "submit_order", market("wash", symbol="CHEAP", side="sell", qty=1)
    )
    answers = await walk.call("cancel_orders")
    tell("cancel_all", statuses=[a.status for a in answers], is_new=answers[0].id == new.id)
    await walk.until("canceled", new.client_order_id)

    order = await walk.call("close_position", "SPY", ClosePositionRequest(qty="2"))
    tell("close_position", **seen(order, "type", "side", "qty"))
    *_, fill = await walk.until("fill", order.client_order_id)
    tell("close_fill", position_qty=number(fill.position_qty))

    plain = {"symbol": "SPY", "qty": 1, "side": "sell", "time_in_force": "gtc"}
    stop = await walk.call(
        "submit_order", StopOrderRequest(stop_price=90, client_order_id="stop", **plain)
    )
    tell("stop_order", **seen(stop, "type", "stop_price"))
    trailing = await walk.call("submit_order", TrailingStopOrderRequest(trail_percent=5, **plain))
    tell("trailing_order", **seen(trailing, "type", "stop_price", "hwm"))
    await walk.refuse("close_reserved", "close_position", "SPY")
    answers = await walk.call("cancel_orders")
    tell("cancel_stops", statuses=[a.status for a in answers])
    await walk.until("canceled", trailing.client_order_id)


async def look_back(walk: Walk) -> None:
    """Activities in pages, portfolio history, and everything sold."""
    rows, token = [], None
    while True:
        asked = {"activity_types": "FILL", "page_size": 3, "direction": "asc"}
        asked |= {"page_token": token} if token else {}
        page = await walk.call("get", "/account/activities", asked)
        rows += page
        if len(page) < 3:
            break
        token = page[-1]["id"]
    tell("activities", total=totals((f"{r['side']} {r['symbol']}", r["qty"]) for r in rows))
    asked = {"page_size": 1, "direction": "asc"}
    (first,) = await walk.call("get", "/account/activities/FILL", asked)
    tell("activities_of_kind", is_same=first["id"] == rows[0]["id"], symbol=first["symbol"])
    history = await walk.call(
        "get_portfolio_history", GetPortfolioHistoryRequest(period="1M", timeframe="1D")
    )
    tell(
        "portfolio_history",
        timeframe=history.timeframe,
        is_even=len(history.timestamp) == len(history.equity) == len(history.profit_loss),
    )
    answers = await walk.call("close_all_positions", True)
    tell(
        "close_all",
        symbols=[answer.symbol for answer in answers],
        statuses=[answer.status for answer in answers],
    )
    while await walk.call("get_all_positions"):  # noqa: ASYNC110 - a question, not a flag
        await asyncio.sleep(0.01)
    account = await walk.call("get_account")
    tell("flat", is_all_cash=account.cash == account.equity)


async def be_refused(walk: Walk) -> None:
    """What Alpaca refuses, in Alpaca's words."""
    for step, request in (
        ("no_buying_power", market("r1", qty=10_000)),
        ("no_shares", market("r2", side="sell", qty=1)),
        ("duplicate", market("market")),
        ("unknown_symbol", market("r3", symbol="NOPE")),
        ("sub_penny", limit("r4", 80.255)),
        ("not_fractionable", market("r5", symbol="RIGID", qty=0.5)),
    ):
        await walk.refuse(step, "submit_order", request)
    await walk.refuse("unknown_order", "get_order_by_id", str(uuid.UUID(int=1)))
    await walk.refuse("unknown_client_id", "get_order_by_client_id", "never-sent")
    await walk.refuse("unknown_position", "get_open_position", "CHEAP")
    await walk.refuse("unknown_asset", "get_asset", "NOPE")
    stranger = TradingClient(KEY, "wrong", paper=True, url_override=URL)
    await say_refusal("bad_key", stranger.get_account)


async def look_at_prices() -> None:
    """Bars, quotes, trades and snapshots."""
    data = StockHistoricalDataClient(KEY, SECRET, url_override=URL)
    request = StockBarsRequest(
        symbol_or_symbols=["SPY", "CHEAP", "NOPE"],
        timeframe=TimeFrame.Day,
        start=datetime(2024, 1, 2, tzinfo=UTC),
        end=datetime(2024, 1, 31, 12, tzinfo=UTC),
        feed=DataFeed.SIP,
        adjustment=Adjustment.ALL,
    )
    bars = (await asyncio.to_thread(data.get_stock_bars, request)).data
    tell(
        "bars",
        counts={symbol: len(rows) for symbol, rows in sorted(bars.items())},
        first=minute(bars["SPY"][0].timestamp),
        close=number(bars["SPY"][0].close),
    )
    request.end = datetime(2024, 2, 1, 20, tzinfo=UTC)
    await say_refusal("recent_sip", data.get_stock_bars, request)
    symbols = {"symbol_or_symbols": ["SPY", "CHEAP"], "feed": DataFeed.IEX}
    quotes = await asyncio.to_thread(
        data.get_stock_latest_quote, StockLatestQuoteRequest(**symbols)
    )
    tell("quotes", bid=number(quotes["SPY"].bid_price), ask=number(quotes["SPY"].ask_price))
    trades = await asyncio.to_thread(
        data.get_stock_latest_trade, StockLatestTradeRequest(**symbols)
    )
    tell("trades", price=number(trades["SPY"].price))
    latest = await asyncio.to_thread(data.get_stock_latest_bar, StockLatestBarRequest(**symbols))
    tell("latest_bars", at=minute(latest["CHEAP"].timestamp))
    snapshots = await asyncio.to_thread(data.get_stock_snapshot, StockSnapshotRequest(**symbols))
    tell(
        "snapshots",
        daily=minute(snapshots["CHEAP"].daily_bar.timestamp),
        before=minute(snapshots["CHEAP"].previous_daily_bar.timestamp),
    )
    events = CorporateActionsClient(KEY, SECRET, url_override=URL)
    span = CorporateActionsRequest(start=date(2023, 12, 1), end=date(2024, 2, 1))
    found = (await asyncio.to_thread(events.get_corporate_actions, span)).data
    (split,), (paid,) = found["forward_splits"], found["cash_dividends"]
    tell(
        "corporate_actions",
        split=[split.symbol, number(split.new_rate), number(split.old_rate)],
        dividend=[paid.symbol, number(paid.rate), str(paid.ex_date)],
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
    await look_at_prices()


asyncio.run(main())
