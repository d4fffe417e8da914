"""The client and the stream against the local broker, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusalKind,
)
from atlas_daemon.edges.alpaca.frames import TradeUpdate
from atlas_daemon.edges.alpaca.stream import LinkStatus, StreamNews, TradeStream
from atlas_daemon.edges.alpaca.transport import open_session
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.paper.faults.faults import Fault
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.synthetic import SyntheticMarket
from atlas_daemon.paper.server import PaperConfig, RunningBroker, start

D = Decimal
OPEN = datetime(2027, 2, 1, 15, 0, tzinfo=UTC)
PATIENCE_S = 30


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return SyntheticMarket(1, date(2027, 2, 1), date(2027, 2, 2), ["SPY", "AAPL", "BRK.B"])


class Room:
    """A broker, a client of its account, and the news of its stream."""

    def __init__(self, broker: RunningBroker) -> None:
        self.broker = broker
        self.client = self.a_client()
        self.news: asyncio.Queue[StreamNews] = asyncio.Queue()

    def a_client(self, **changes: Any) -> AlpacaTradingClient:
        return AlpacaTradingClient(
            **{
                "key_id": self.broker.key,
                "secret": self.broker.secret,
                "trading_url": self.broker.url,
                "data_url": self.broker.url,
            }
            | changes
        )

    def a_stream(self, secret: str = "") -> TradeStream:
        return TradeStream(
            self.broker.stream_url,
            self.broker.key,
            secret or self.broker.secret,
            open_session,
            self.news.put_nowait,
            sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)),
        )

    async def until(self, wanted: Any) -> list[Any]:
        """The news up to an event's name or a link's status."""
        heard: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                news = await self.news.get()
                heard.append(news.event if isinstance(news, TradeUpdate) else news.status)
                if heard[-1] == wanted:
                    return heard


@asynccontextmanager
async def a_room(market: SyntheticMarket, **changes: Any) -> AsyncIterator[Room]:
    config = {"partial_fill_pct": 0.0, "starts_at": OPEN} | changes
    broker = await start(PaperConfig(market=market, calendar=Calendar(), **config))
    room = Room(broker)
    try:
        yield room
    finally:
        await room.client.close()
        await broker.stop()


@asynccontextmanager
async def listening(room: Room) -> AsyncIterator[None]:
    task = asyncio.create_task(room.a_stream().run())
    try:
        await room.until(LinkStatus.LISTENING)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio
@pytest.mark.parametrize("binary_frames", [True, False])
async def test_an_order_is_filled_on_the_stream_and_closed_again(
    market: SyntheticMarket, binary_frames: bool
) -> None:
    async with a_room(market, binary_frames=binary_frames) as room, listening(room):
        client = room.client
        assert await client.connect()
        assert await client.is_market_open()
        bought = await client.submit_market_order("AAPL", 10, "buy", client_order_id="atlas-t-1")
        assert "fill" in await room.until("fill")
        order = await client.get_order_status(bought.id)
        assert (order.status, order.filled_qty) == ("filled", 10)
        (position,) = await client.get_positions()
        assert (position.symbol, position.qty) == ("AAPL", 10)
        fills = await client.activities(types=["FILL"])
        assert [(fill.order_id, fill.cum_qty) for fill in fills] == [(bought.id, 10)]
        assert await client.cancel_order(bought.id) is False
        await client.close_position("AAPL", client_order_id="atlas-t-2")
        await room.until("fill")
        assert await client.get_positions() == ()
        await client.submit_limit_order("SPY", 1, "buy", 1, client_order_id="atlas-t-3")
        orders = await client.list_orders("all", limit=2)
        ids = [order.client_order_id for order in orders]
        assert ids == ["atlas-t-1", "atlas-t-2", "atlas-t-3"]


@pytest.mark.asyncio
async def test_resting_orders_are_listed_and_cancelled_one_by_one_and_at_once(
    market: SyntheticMarket,
) -> None:
    async with a_room(market) as room, listening(room):
        client = room.client
        resting = await client.submit_limit_order("SPY", 1, "buy", 1, client_order_id="atlas-t-1")
        await client.submit_limit_order("BRK-B", 1, "buy", D("0.5"), client_order_id="atlas-t-2")
        listed = [order.open_orders()[0] for order in await client.list_orders()]
        assert [(order.symbol, order.is_ours) for order in listed] == [
            ("SPY", True),
            ("BRK.B", True),
        ]
        assert await client.cancel_order(resting.id) is True
        await room.until("canceled")
        results = await client.cancel_all_orders()
        assert [result.status for result in results] == [200]
        await room.until("canceled")
        assert await client.list_orders() == ()


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["accept_then_reset", "accept_then_504", "accept_then_html"])
async def test_s064_an_order_whose_answer_is_lost_is_found_by_our_id(
    market: SyntheticMarket, fault: str
) -> None:
    async with a_room(market) as room:
        room.broker.desk.faults.arm(Fault(fault, method="POST"))
        with pytest.raises(OutcomeUnknownError):
            await room.client.submit_market_order("SPY", 1, "buy", client_order_id="atlas-t-1")
        found = await room.client.get_order_by_client_id("atlas-t-1")
        assert found is not None
        assert (found.symbol, found.side, found.qty) == ("SPY", "buy", 1)
        assert len(await room.client.list_orders("all")) == 1


@pytest.mark.asyncio
async def test_an_order_that_never_arrived_is_unknown_and_then_not_found(
    market: SyntheticMarket,
) -> None:
    async with a_room(market) as room:
        room.broker.desk.faults.arm(Fault("drop_before_accept", method="POST"))
        with pytest.raises(OutcomeUnknownError):
            await room.client.submit_market_order("SPY", 1, "buy", client_order_id="atlas-t-1")
        assert await room.client.get_order_by_client_id("atlas-t-1") is None
        assert await room.client.list_orders("all") == ()
        room.broker.desk.faults.arm(Fault("http_429", method="POST"))
        with pytest.raises(RateLimitedError):
            await room.client.submit_market_order("SPY", 1, "buy", client_order_id="atlas-t-1")


@pytest.mark.asyncio
async def test_the_brokers_refusals_have_their_kinds(market: SyntheticMarket) -> None:
    async with a_room(market) as room:

        async def refused(symbol: str, qty: int, side: str, order_id: str) -> RefusalKind:
            with pytest.raises(BrokerRefusedError) as caught:
                await room.client.submit_market_order(symbol, qty, side, client_order_id=order_id)
            return caught.value.refused.kind

        await room.client.submit_limit_order("SPY", 1, "buy", 1, client_order_id="atlas-t-1")
        assert await refused("AAPL", 1, "buy", "atlas-t-1") == "duplicate_client_order_id"
        assert await refused("SPY", 10_000_000, "buy", "atlas-t-2") == "insufficient_buying_power"
        assert await refused("NOPE", 1, "buy", "atlas-t-3") == "not_tradable"
        assert (await room.client.set_suspend_trade(True)).suspend_trade
        assert await refused("AAPL", 1, "buy", "atlas-t-4") == "suspended_by_user"
        assert (await room.client.get_account()).suspended_by_user


@pytest.mark.asyncio
async def test_s116_s117_a_wrong_key_and_a_second_listener_have_their_states(
    market: SyntheticMarket,
) -> None:
    async with a_room(market) as room:
        stranger = room.a_client(secret="wrong")
        with pytest.raises(NoVerdictError):
            await stranger.connect()
        await stranger.close()
        refused = asyncio.create_task(room.a_stream("wrong").run())
        await room.until(LinkStatus.REFUSED)
        refused.cancel()
        async with listening(room):
            second = asyncio.create_task(room.a_stream().run())
            await room.until(LinkStatus.BUSY)
            second.cancel()
            await asyncio.gather(refused, second, return_exceptions=True)


@pytest.mark.asyncio
async def test_s096_odd_frames_of_the_broker_are_read(market: SyntheticMarket) -> None:
    async with a_room(market) as room, listening(room):
        for fault in ("unknown_status", "unknown_event", "missing_timestamp", "duplicate_events"):
            room.broker.desk.faults.arm(Fault(fault, count=1))
        await room.client.submit_market_order("SPY", 1, "buy", client_order_id="atlas-t-1")
        heard = [await asyncio.wait_for(room.news.get(), PATIENCE_S) for _ in range(2)]
        assert all(isinstance(news, TradeUpdate) for news in heard)


@pytest.mark.asyncio
async def test_a_dropped_stream_is_lost_and_comes_back(market: SyntheticMarket) -> None:
    async with a_room(market, ghost_s=0.0) as room, listening(room):
        async with aiohttp.ClientSession() as session:
            await session.post(room.broker.url + "/_admin/faults", json={"kind": "stream_drop"})
        heard = await room.until(LinkStatus.LISTENING)
        assert heard == [LinkStatus.LOST, LinkStatus.CONNECTING, LinkStatus.LISTENING]


@pytest.mark.asyncio
async def test_quotes_assets_calendar_and_clock_are_served(market: SyntheticMarket) -> None:
    async with a_room(market, speed=2.0) as room:
        quotes = await LatestQuotes(room.client).get_quotes(["SPY", "BRK-B", "NOPE"])
        assert [quote.symbol for quote in quotes] == ["SPY", "BRK.B"]
        assert all(quote.bid and quote.ask and quote.bid < quote.ask for quote in quotes)
        assert len(await room.client.get_assets()) == 3
        assert await room.client.get_asset("NOPE") is None
        (session,) = await room.client.get_calendar(date(2027, 2, 1), date(2027, 2, 1))
        assert session.is_open_at(OPEN)
        clock = await room.client.get_clock()
        assert clock.speed == 2
        assert session.is_open_at(clock.timestamp)
