"""News that waits together is written together; a burst of frames is read no faster than that."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.bus import CROWD, NEWS_AT_ONCE, Committed
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import BrokerOrderId, OrderId, Side, Symbol
from tests.test_bus import MORNING, Desk, run_until_drained

D = Decimal


class CountedDesk(Desk):
    """A desk whose orders are sent and rest, and whose commits are counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.commits: list[tuple[str, ...]] = []
        self.told: list[Committed] = []
        append = self.journal.append

        def counted(entries: Sequence[e.Entry]) -> object:
            told = append(entries)
            self.commits.append(tuple(type(entry.event).__name__ for entry in entries))
            return told

        self.journal.append = counted

    def rest_orders(self) -> list[e.OrderFilled]:
        """Trade until the orders have left; return a fill of one share of each."""
        self.on_effect = lambda x: None if isinstance(x, fx.SubmitOrder) else self._answer(x)
        self.boot()
        self.settle()
        self.clock.at = MORNING + timedelta(minutes=4, seconds=50)
        self.until(self.sent)
        self.commits.clear()
        self.effects.clear()
        self.bus.watch(self.told.append)
        return [self.fill(number) for number in range(len(self.state.orders))]

    def fill(self, number: int, nth: int = 1) -> e.OrderFilled:
        draft = list(self.state.orders.values())[number].draft
        return e.OrderFilled(
            *(draft.order_id, BrokerOrderId(f"b-{draft.symbol}"), draft.symbol, draft.side),
            *(D(1), f"x-{draft.symbol}-{nth}", D(nth), D(100), D(nth), D(100), "partially_filled"),
        )

    def booked(self) -> list[str]:
        return [
            entry.event.execution_id
            for entry in self.on_disk()
            if isinstance(entry.event, e.FillBooked)
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CountedDesk]:
    made = CountedDesk(tmp_path)
    yield made
    made.journal.journal.close()


@pytest.mark.asyncio
async def test_fills_that_wait_together_are_one_commit_and_a_turn_each(desk: CountedDesk) -> None:
    fills = desk.rest_orders()
    for fill in fills:
        desk.bus.hear(fill)
    await run_until_drained(desk.bus)
    assert len(desk.commits) == 1
    assert [committed.event for committed in desk.told] == fills
    assert all(a.turn.state is b.before for a, b in zip(desk.told, desk.told[1:], strict=False))
    assert desk.booked() == [fill.execution_id for fill in fills]
    assert desk.a_bus().state.orders == desk.state.orders


@pytest.mark.asyncio
async def test_news_that_the_same_pass_of_the_loop_brings_shares_a_commit(
    desk: CountedDesk,
) -> None:
    """Answers are heard one after the other, each by a task of its own: the first one waits."""
    first, second, third = desk.rest_orders()
    taking = asyncio.create_task(desk.bus.run())
    await asyncio.sleep(0)
    desk.bus.hear(first)
    for later in (second, third):
        asyncio.get_running_loop().call_soon(desk.bus.hear, later)
    async with asyncio.timeout(5):
        await desk.bus.drained()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    assert [commit.count("FillBooked") for commit in desk.commits] == [3]


@pytest.mark.asyncio
async def test_a_stop_heard_while_news_waits_for_more_is_taken_first(desk: CountedDesk) -> None:
    first, *_ = desk.rest_orders()
    taking = asyncio.create_task(desk.bus.run())
    await asyncio.sleep(0)
    desk.bus.hear(first)
    asyncio.get_running_loop().call_soon(desk.bus.hear, e.StopRequested("ann", "drill"))
    async with asyncio.timeout(5):
        await desk.bus.drained()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    assert isinstance(desk.told[0].event, e.StopRequested)
    assert desk.booked() == [first.execution_id]


@pytest.mark.asyncio
async def test_a_commit_takes_no_more_than_its_measure(desk: CountedDesk) -> None:
    desk.rest_orders()
    for nth in range(1, NEWS_AT_ONCE + 2):
        desk.bus.hear(desk.fill(0, nth))
    await run_until_drained(desk.bus)
    assert len(desk.commits) == 2
    assert len(desk.booked()) == NEWS_AT_ONCE + 1


@pytest.mark.asyncio
async def test_anything_else_between_two_fills_parts_them(desk: CountedDesk) -> None:
    first, second, third = desk.rest_orders()
    for event in (first, e.FrameUnread("a frame", "why"), second, third):
        desk.bus.hear(event)
    await run_until_drained(desk.bus)
    assert [commit.count("FillBooked") for commit in desk.commits] == [1, 0, 2]
    assert desk.told[1].event == e.FrameUnread("a frame", "why")


@pytest.mark.asyncio
async def test_a_turn_that_asks_something_ends_the_commit(desk: CountedDesk) -> None:
    fills = desk.rest_orders()
    seen: list[list[str]] = []
    desk.on_effect = lambda effect: seen.append(desk.booked())
    foreign = (OrderId("by-hand"), BrokerOrderId("b-9"), Symbol("XOM"), Side.BUY, D(1))
    stranger = e.OrderReported(*foreign, "new", D(0), None, "stream")
    for event in (fills[0], stranger, *fills[1:]):
        desk.bus.hear(event)
    await run_until_drained(desk.bus)
    asking = [committed for committed in desk.told if committed.turn.effects]
    assert [committed.event for committed in asking] == [stranger]
    assert seen
    assert all(booked == [fills[0].execution_id] for booked in seen), "none waits for a later turn"
    assert [commit.count("FillBooked") for commit in desk.commits] == [1, 2]


@pytest.mark.asyncio
async def test_s187_a_disk_that_takes_no_fills_loses_none(desk: CountedDesk) -> None:
    fills = desk.rest_orders()
    lived = desk.state
    desk.journal.is_full = True
    for fill in fills:
        desk.bus.hear(fill)
    await run_until_drained(desk.bus)
    assert desk.bus.fault
    assert desk.state.orders == lived.orders, "what cannot be written has not happened"
    assert (desk.told, desk.booked()) == ([], [])
    desk.journal.is_full = False
    for fill in fills:  # the next look at the orders brings them again
        desk.bus.hear(fill)
    await run_until_drained(desk.bus)
    assert desk.booked() == [fill.execution_id for fill in fills]


@pytest.mark.asyncio
async def test_a_crowded_inbox_holds_the_reader_until_it_is_empty(desk: CountedDesk) -> None:
    desk.boot()
    for _ in range(CROWD - 1):
        desk.bus.hear(e.Ticked())
    await asyncio.wait_for(desk.bus.room(), 1)
    desk.bus.hear(e.Ticked())
    reader = asyncio.create_task(desk.bus.room())
    await asyncio.sleep(0)
    assert not reader.done()
    await run_until_drained(desk.bus)
    await asyncio.wait_for(reader, 1)
