"""Alpaca's own Python client walks the local broker: what it can parse and do, others can too."""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from atlas_daemon.paper.calendar import Calendar
from atlas_daemon.paper.server import PaperConfig, RunningBroker, start
from tests.paper.world import NOON, TableMarket

with warnings.catch_warnings():
    # alpaca-py still rests on a deprecated corner of the websockets library.
    warnings.simplefilter("ignore")
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import DataFeed
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.requests import (
        StockBarsRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockSnapshotRequest,
    )
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderStatus, QueryOrderStatus
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetCalendarRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopOrderRequest,
        TrailingStopOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:.*websockets.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextlib.asynccontextmanager
async def broker(**changes: Any) -> AsyncIterator[RunningBroker]:
    """A broker whose clock runs sixty times as fast as ours, with 5 SPY in the account."""
    settings: dict[str, Any] = {
        "market": TableMarket(SPY=("99.90", "100.00"), CHEAP=("9.90", "10.00")),
        "calendar": Calendar(),
        "starts_at": NOON,
        "speed": 60.0,
        "holdings": {"SPY": (Decimal(5), Decimal(50))},
        "rate_limit_per_min": 0,
    }
    running = await start(PaperConfig(**(settings | changes)))
    try:
        yield running
    finally:
        await running.stop()


class Walker:
    """The real client in a thread, the real stream in this loop."""

    def __init__(self, running: RunningBroker) -> None:
        self.client = TradingClient(
            running.key, running.secret, paper=True, url_override=running.url
        )
        self.client._retry = 0
        self.updates: asyncio.Queue[Any] = asyncio.Queue()
        self.stream = TradingStream(running.key, running.secret, url_override=running.stream_url)
        self.stream.subscribe_trade_updates(self._note)
        self._running = running

    async def _note(self, update: Any) -> None:
        await self.updates.put(update)

    async def call(self, method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, method), *arguments)

    async def until(self, event: str, client_order_id: str) -> Any:
        while True:
            update = await asyncio.wait_for(self.updates.get(), 10)
            if update.event == event and update.order.client_order_id == client_order_id:
                return update

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.stream._run_forever())
        board = self._running.desk.publish.__self__
        while not board.listeners():  # noqa: ASYNC110 - the stream tells nobody that it listens
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            while not task.done():  # alpaca-py may take a cancel for a timeout, and go on
                task.cancel()
                await asyncio.wait([task], timeout=0.5)
            await self.stream.close()
            await asyncio.to_thread(self.client._session.close)


async def test_alpacas_client_reads_account_clock_calendar_and_assets():
    async with broker() as running:
        walker = Walker(running)
        account = await walker.call("get_account")
        assert Decimal(account.cash) == 10000
        assert account.status == "ACTIVE"
        clock = await walker.call("get_clock")
        assert clock.is_open
        assert clock.timestamp >= NOON
        days = await walker.call(
            "get_calendar", GetCalendarRequest(start="2024-11-25", end="2024-11-29")
        )
        assert [day.close.hour for day in days] == [16, 16, 16, 13]
        asset = await walker.call("get_asset", "SPY")
        assert (asset.symbol, asset.fractionable) == ("SPY", True)
        assert len(await walker.call("get_all_assets")) == 2
        configuration = await walker.call("get_account_configurations")
        assert configuration.suspend_trade is False
        await walker.call("set_account_configurations", configuration)
        walker.client._session.close()


async def test_alpacas_client_walks_from_order_to_stream_fill_to_cancel():
    async with broker() as running:
        walker = Walker(running)
        async with walker.listening():
            order = await walker.call("submit_order", market_order("x1"))
            assert order.status == OrderStatus.PENDING_NEW
            fill = await walker.until("fill", "x1")
            assert (fill.qty, fill.price, fill.position_qty) == (1.0, 100.0, 6.0)
            found = await walker.call("get_order_by_client_id", "x1")
            assert (found.id, found.filled_avg_price) == (order.id, "100")
            assert (await walker.call("get_order_by_id", order.id)).status == OrderStatus.FILLED

            resting = await walker.call(
                "submit_order",
                LimitOrderRequest(
                    symbol="SPY",
                    qty=2,
                    side="buy",
                    time_in_force="day",
                    limit_price=80.25,
                    client_order_id="x2",
                ),
            )
            await walker.until("new", "x2")
            (listed,) = await walker.call(
                "get_orders", GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True)
            )
            assert listed.id == resting.id
            await walker.call("cancel_order_by_id", resting.id)
            canceled = await walker.until("canceled", "x2")
            assert canceled.order.status == OrderStatus.CANCELED


async def test_alpacas_client_sees_partial_fills_add_up():
    async with broker(partial_fill_pct=0.9) as running:
        walker = Walker(running)
        async with walker.listening():
            await walker.call("submit_order", market_order("x1", qty=20))
            total = 0.0
            while True:
                update = await asyncio.wait_for(walker.updates.get(), 10)
                total += update.qty or 0
                if update.event == "fill":
                    break
            assert total == 20
            assert update.order.filled_qty == "20"


async def test_alpacas_client_replaces_and_closes():
    async with broker() as running:
        walker = Walker(running)
        async with walker.listening():
            old = await walker.call(
                "submit_order",
                LimitOrderRequest(
                    symbol="CHEAP",
                    qty=2,
                    side="buy",
                    time_in_force="gtc",
                    limit_price=8,
                    client_order_id="old",
                ),
            )
            await walker.until("new", "old")
            new = await walker.call(
                "replace_order_by_id", old.id, ReplaceOrderRequest(qty=3, limit_price=8.5)
            )
            assert new.replaces == old.id
            await walker.until("replaced", "old")
            (answer,) = await walker.call("cancel_orders")
            assert (answer.id, answer.status) == (new.id, 200)
            position = await walker.call("get_open_position", "SPY")
            assert (position.qty, position.qty_available) == ("5", "5")
            close = await walker.call("close_position", "SPY", ClosePositionRequest(qty="2"))
            await walker.until("fill", close.client_order_id)
            (rest,) = await walker.call("close_all_positions", True)
            assert (rest.symbol, rest.status) == ("SPY", 200)


async def test_alpacas_client_places_stops():
    async with broker() as running:
        walker = Walker(running)
        plain = {"symbol": "SPY", "qty": 1, "side": "sell", "time_in_force": "gtc"}
        stop = await walker.call("submit_order", StopOrderRequest(stop_price=90, **plain))
        trailing = await walker.call(
            "submit_order", TrailingStopOrderRequest(trail_percent=5, **plain)
        )
        assert (stop.stop_price, trailing.stop_price, trailing.hwm) == ("90", "94.95", "99.95")
        walker.client._session.close()


async def test_alpacas_client_is_refused_in_alpacas_words():
    async with broker() as running:
        walker = Walker(running)
        await walker.call("submit_order", market_order("used", symbol="CHEAP"))
        cases = [
            (market_order("a", qty=1000), 403, 40310000, "insufficient buying power"),
            (market_order("used"), 422, 40010001, "client_order_id must be unique"),
            (market_order("b", side="sell", qty=6), 403, 40310000, "insufficient qty available"),
            (market_order("c", symbol="NOPE"), 422, 40010001, 'could not find asset "NOPE"'),
        ]
        for request, status, code, message in cases:
            with pytest.raises(APIError) as caught:
                await walker.call("submit_order", request)
            assert (caught.value.status_code, caught.value.code) == (status, code)
            assert message in caught.value.message
        for method, argument in (
            ("get_order_by_client_id", "unknown"),
            ("get_open_position", "CHEAPER"),
            ("get_asset", "NOPE"),
        ):
            with pytest.raises(APIError) as caught:
                await walker.call(method, argument)
            assert (caught.value.status_code, caught.value.code) == (404, 40410000)
        walker.client._session.close()
        stranger = TradingClient("PKX", "wrong", paper=True, url_override=running.url)
        with pytest.raises(APIError) as caught:
            await asyncio.to_thread(stranger.get_account)
        assert caught.value.status_code == 401
        stranger._session.close()


async def test_alpacas_historical_client_pages_through_bars():
    async with broker() as running:
        data = StockHistoricalDataClient(running.key, running.secret, url_override=running.url)
        request = StockBarsRequest(
            symbol_or_symbols=["SPY", "CHEAP", "NOPE"],
            timeframe=TimeFrame.Day,
            start=datetime(2024, 1, 2, tzinfo=UTC),
            end=datetime(2024, 2, 1, tzinfo=UTC),
            feed=DataFeed.SIP,
        )
        bars = await asyncio.to_thread(data.get_stock_bars, request)
        assert {symbol: len(rows) for symbol, rows in bars.data.items()} == {"CHEAP": 21, "SPY": 21}
        assert bars.data["SPY"][0].timestamp == datetime(2024, 1, 2, 5, tzinfo=UTC)
        symbols = {"symbol_or_symbols": ["SPY", "CHEAP"], "feed": DataFeed.IEX}
        quotes = await asyncio.to_thread(
            data.get_stock_latest_quote, StockLatestQuoteRequest(**symbols)
        )
        assert (quotes["SPY"].bid_price, quotes["SPY"].ask_price) == (99.9, 100.0)
        trades = await asyncio.to_thread(
            data.get_stock_latest_trade, StockLatestTradeRequest(**symbols)
        )
        assert trades["SPY"].price == 99.95
        snapshots = await asyncio.to_thread(
            data.get_stock_snapshot, StockSnapshotRequest(**symbols)
        )
        assert snapshots["CHEAP"].daily_bar.timestamp == datetime(2024, 1, 31, 5, tzinfo=UTC)
        request.end = None
        with pytest.raises(APIError, match="subscription does not permit"):
            await asyncio.to_thread(data.get_stock_bars, request)
        data._session.close()


def market_order(client_order_id: str, **changes: Any) -> MarketOrderRequest:
    fields = {"symbol": "SPY", "qty": 1, "side": "buy", "time_in_force": "day"} | changes
    return MarketOrderRequest(client_order_id=client_order_id, **fields)
