"""Core, outlet and client against the local broker: what moved the account is explained."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.values import AccountMode, Mode, Symbol
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.paper.exchange.charges import LikeLive
from atlas_daemon.paper.market.market import CorporateAction
from tests.paper.sockets import Client, running
from tests.paper.world import NEXT_OPEN
from tests.test_outlet import Desk

SPLIT = CorporateAction("forward_split", "SPY", date(2024, 2, 2), Decimal(4), None)


class Room:
    """A broker, and a daemon's core with its outlet: turns are taken until nothing is asked."""

    def __init__(self, broker: Client, desk: Desk) -> None:
        self.broker, self.desk = broker, desk
        self.state = State(now=broker.broker.desk.clock.now())
        self.entries: list[e.Event] = []

    async def hear(self, event: e.Event) -> None:
        inbox = [event]
        while inbox:
            self.desk.clock.at = self.broker.broker.desk.clock.now()
            turn = take_turn(self.state, inbox.pop(0), self.desk.clock.at, Policy())
            self.state = turn.state
            self.entries += [entry.event for entry in turn.entries]
            for effect in turn.effects:
                await self.desk.run(effect)
                inbox += self.desk.heard
                self.desk.heard.clear()

    async def look(self, times: int = 6) -> None:
        """Let the metronome beat every 3 seconds, as the broker's time passes."""
        for _ in range(times):
            await self.broker.wait(3)
            await self.hear(e.Ticked())

    def told(self, kind: type) -> list:
        return [event for event in self.entries if isinstance(event, kind)]

    async def befalls(self, **event: str) -> None:
        status, body = await self.broker.ask("POST", "/_admin/events", json=event)
        assert status == 200, body


@asynccontextmanager
async def a_room(tmp_path) -> AsyncIterator[Room]:
    async with running() as broker:
        client = AlpacaTradingClient(
            key_id=broker.broker.key,
            secret=broker.broker.secret,
            trading_url=broker.broker.url,
            data_url=broker.broker.url,
        )
        try:
            room = Room(broker, Desk(client, tmp_path))
            started = e.DaemonStarted("1", "LARGE", AccountMode.LOCAL, "", "d", is_latched=False)
            await room.hear(started)
            await room.hear(e.StreamReported("listening"))
            await room.look()
            assert room.state.mode is Mode.TRADING
            yield room
        finally:
            await client.close()


@pytest.mark.asyncio
async def test_a_split_overnight_on_the_local_broker_is_explained_and_freezes_nothing(tmp_path):
    async with a_room(tmp_path) as room:
        room.broker.market.corporate_actions.append(SPLIT)
        room.broker.go_to(NEXT_OPEN + timedelta(minutes=1))
        await room.look()
        assert room.state.book.positions == {"SPY": 20}
        assert room.state.frozen == {}
        assert room.told(e.DriftFound) == []
        assert [x.activity.kind for x in room.told(e.ActivityBooked)] == ["SPLIT", "SPLIT"]
        assert room.state.mode is Mode.TRADING


@pytest.mark.asyncio
async def test_fees_dividends_interest_and_a_new_name_of_a_live_like_night_are_explained(tmp_path):
    async with a_room(tmp_path) as room:
        exchange = room.broker.broker.desk.exchange
        exchange.engine.like_live = LikeLive.whole()
        for action in (
            CorporateAction("cash_dividend", "SPY", date(2024, 2, 2), None, Decimal("0.5")),
            CorporateAction("name_change", "SPY", date(2024, 3, 1), None, None, "SPX"),
        ):
            exchange.market.act(action)
        exchange.learn("SPX")
        await room.broker.order(side="sell", qty="2", client_order_id="by-hand")
        await room.broker.wait(901)
        await room.look()
        for day in ("2024-02-02", "2024-03-01"):
            room.broker.go_to(datetime.fromisoformat(f"{day}T14:31:00+00:00"))
            await room.look()
        (account,) = exchange.by_key.values()
        assert room.state.book.positions == {"SPX": 3}
        assert room.state.book.cash == account.cash
        kinds = {x.activity.kind for x in room.told(e.ActivityBooked)}
        assert kinds == {"FILL", "FEE", "DIV", "INT", "NC"}
        assert room.told(e.DriftFound) == room.told(e.CashUnexplained) == []
        assert room.state.frozen == {}
        assert room.state.mode is Mode.TRADING


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["CSD", "CSW", "DIV", "FEE", "INT", "JNLC"])
async def test_money_that_the_local_broker_moves_is_named(tmp_path, kind):
    async with a_room(tmp_path) as room:
        before = room.state.book.cash
        await room.befalls(kind=kind, amount="123.45", symbol="SPY")
        await room.broker.wait(901)
        await room.look()
        assert room.state.book.cash == before + Decimal("123.45")
        assert room.told(e.CashUnexplained) == []
        assert [x.activity.kind for x in room.told(e.ActivityBooked)] == [kind]


@pytest.mark.asyncio
async def test_a_manual_trade_on_the_local_broker_is_followed(tmp_path):
    async with a_room(tmp_path) as room:
        await room.broker.order(symbol="CHEAP", qty="3", side="buy", client_order_id="by-hand")
        await room.broker.wait(901)
        await room.look()
        assert room.state.book.positions == {"SPY": 5, "CHEAP": 3}
        assert room.state.book.bought.get(Symbol("CHEAP")) is None
        assert room.told(e.DriftFound) == room.told(e.CashUnexplained) == []
        assert any(x.key == "manual trade" for x in room.told(e.AlertRaised))


@pytest.mark.asyncio
async def test_s020_activities_that_cannot_be_fetched_are_no_empty_list(tmp_path):
    async with a_room(tmp_path) as room:
        fault = {"kind": "http_500_html", "method": "GET", "count": None}
        fault["path"] = "/v2/account/activities"
        room.desk.client._transport._sleep = room.desk.clock.sleep  # its retries wait for nobody
        await room.broker.ask("POST", "/_admin/faults", json=fault)
        (failed,) = await room.desk.run(fx.FetchActivities(NEXT_OPEN, NEXT_OPEN))
        assert isinstance(failed, e.FetchFailed)
        assert failed.what == "activities"
