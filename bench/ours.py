"""What ours costs: `python -m bench.ours orders|stream URL COUNT` says it as JSON.

Bus, outlet, fence, client, stream and journal are the daemon's own; the clock and the answers that
are no part of what is measured are the bench's.
"""

import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from atlas_daemon.bus import Bus, Committed
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.values import Approved
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.frames import TradeUpdate, frame
from atlas_daemon.edges.alpaca.stream import StreamNews, TradeStream
from atlas_daemon.edges.alpaca.transport import open_session
from atlas_daemon.edges.clock import SystemClock
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.edges.stream_news import events_of
from atlas_daemon.outlet import Fence, Outlet
from atlas_daemon.records import ExecutionLogger, Recorder
from bench.rebalance import LINES, TICKS_MAX, Desk
from bench.seed import open_journal, resting
from bench.words import update_words

PARSES = 2_000
WARM_RUNS = 2
TURNS_SHARE = 5
"""One update in so many is committed as well: disks are slow."""


class _NoBrain:
    async def compute(self, *_: object) -> object:
        raise SignalsError("nobody asks")


class _NoNotice:
    async def send(self, level: str, key: str, text: str) -> None:
        pass


class Submitter:
    """A desk whose orders leave through the outlet and its fence, over a real socket."""

    def __init__(self, url: str, folder: Path) -> None:
        self.client = AlpacaTradingClient(
            "BENCH",
            key_id="key",
            secret="secret",
            trading_url=url,
            data_url=url,
            session=open_session,
            budget=RequestBudget(10**9),
        )
        self.tasks: set[asyncio.Task[None]] = set()
        self.desk = Desk(folder, self._submit)
        bus = self.desk.bus
        self.outlet = Outlet(
            client=self.client,
            quotes=LatestQuotes(self.client),
            brain=_NoBrain(),  # type: ignore[arg-type]
            notice=_NoNotice(),
            clock=SystemClock(),
            fence=Fence(
                is_stopped=lambda: bus.is_stop_heard or bus.state.halt is not None,
                is_crash=lambda: False,
                why_uncertified=lambda: "",
                latch=self.desk.latch,
                now=self.desk.now,
            ),
            hear=bus.hear,
            stop=lambda why: None,
            reopen_stream=lambda why: None,
        )

    def _submit(self, approved: Approved) -> None:
        task = asyncio.create_task(self.outlet.run(fx.SubmitOrder(approved)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self) -> tuple[float, float]:
        """Take a whole run; return the processor's seconds of the steps that submit, and of all."""
        desk, bus = self.desk, self.desk.bus
        submitting_s = all_s = 0.0
        await bus.drained()
        desk.ask_run()
        ticks = 0
        while not desk.is_done():
            if (ticks := ticks + 1) > TICKS_MAX:
                raise RuntimeError(f"no end of the run: {bus.state.run}")
            begun_s, before = time.process_time(), desk.submits
            desk.tick()
            await bus.drained()
            while self.tasks:
                await asyncio.gather(*self.tasks)
                await bus.drained()
            spent_s = time.process_time() - begun_s
            all_s += spent_s
            submitting_s += spent_s if desk.submits > before else 0.0
        return submitting_s, all_s


async def orders(url: str, count: int) -> dict[str, float]:
    """Submit orders, LINES a run, from the turn that drafts them to the turn of each answer."""
    with tempfile.TemporaryDirectory() as folder:
        submitter = Submitter(url, Path(folder))
        bus = asyncio.create_task(submitter.desk.bus.run())
        spent = [await submitter.run() for _ in range(WARM_RUNS + max(count // LINES, 1))]
        bus.cancel()
        await asyncio.gather(bus, return_exceptions=True)
        await submitter.client.close()
        counted = spent[WARM_RUNS:]
        return {
            "order_s": statistics.fmean(submitting_s for submitting_s, _ in counted) / LINES,
            "run_s": statistics.fmean(all_s for _, all_s in counted) / LINES,
            "client_s": await _client_s(url, count),
            "records_s": _records_s(len(counted)),
        }


def _records_s(runs: int) -> float:
    """Lines and trade rows of whole runs, written to a log folder."""
    with tempfile.TemporaryDirectory() as folder:
        desk, turns = Desk(Path(folder)), list[Sequence[e.Entry]]()
        recorder = Recorder(ExecutionLogger(Path(folder) / "logs", console=False, clock=desk.now))
        desk.bus.watch(lambda committed: turns.append(committed.turn.entries))
        desk.drain()
        for _ in range(runs):
            desk.run()
        desk.journal.close()
        begun_s = time.process_time()
        for entries in turns:
            recorder.on_turn(entries)
        return (time.process_time() - begun_s) / (runs * LINES)


async def _client_s(url: str, count: int) -> float:
    """The client alone, one order after the other: what alpaca-py's does."""
    client = AlpacaTradingClient(
        "BENCH", key_id="key", secret="secret", trading_url=url, data_url=url,
        session=open_session, budget=RequestBudget(10**9),
    )  # fmt: skip
    begun_s = 0.0
    for number in range(-LINES, count):
        if number == 0:
            begun_s = time.process_time()
        await client.submit_market_order("AAPL", 10, "buy", client_order_id=f"ours-{number}")
    spent_s = time.process_time() - begun_s
    await client.close()
    return spent_s / count


async def stream(url: str, count: int) -> dict[str, float]:
    """Listen until so many were read, then read frames alone, then commit some as well."""
    seen, begun_s, is_over = 0, 0.0, asyncio.Event()

    def note(news: StreamNews) -> None:
        nonlocal seen, begun_s
        if not isinstance(news, TradeUpdate):
            return
        seen += 1
        if seen == 1:
            begun_s = time.process_time()
        elif seen == count:
            is_over.set()

    await _listen(url, count, note, is_over.wait)
    update_s = (time.process_time() - begun_s) / (count - 1)
    turn_s = await _turn_s(url, max(count // TURNS_SHARE, 1))
    return {"update_s": update_s, "parse_s": _parse_s(), "turn_s": turn_s}


def _parse_s() -> float:
    frames = [json.dumps(words).encode() for words in update_words(PARSES)]
    begun_s = time.process_time()
    for raw in frames:
        frame(raw)
    return (time.process_time() - begun_s) / PARSES


async def _turn_s(url: str, count: int) -> float:
    """Listen, and let each update be a turn of the bus, committed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with open_journal(path / "journal.db") as journal:
            journal.append(list(resting(datetime.now(UTC), count)))
            bus = Bus(
                journal=journal,
                latch=LatchFile(path / "HALTED"),
                clock=SystemClock(),
                policy=Policy(),
                run_effect=lambda effect: None,
            )
            begun_s, booked, is_over = 0.0, 0, asyncio.Event()

            def note(news: StreamNews) -> None:
                nonlocal begun_s
                if isinstance(news, TradeUpdate) and not begun_s:
                    begun_s = time.process_time()
                for event in events_of(news):
                    bus.hear(event)

            def watch(committed: Committed) -> None:
                nonlocal booked
                booked += isinstance(committed.event, e.OrderFilled)
                if booked == count:
                    is_over.set()

            bus.watch(watch)
            taking = asyncio.create_task(bus.run())
            await _listen(url, count, note, is_over.wait)
            spent_s = time.process_time() - begun_s
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            sums = sum(order.filled_qty for order in bus.state.orders.values())
            assert sums == count, f"{sums} shares booked of {count}"
            return spent_s / count


async def _listen(
    url: str,
    count: int,
    note: Callable[[StreamNews], None],
    until: Callable[[], Awaitable[object]],
) -> None:
    address = url.replace("http", "ws", 1) + f"/burst/{count}"
    listener = TradeStream(address, "key", "secret", open_session, note)
    task = asyncio.create_task(listener.run())
    waiting = asyncio.ensure_future(until())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    what = {"orders": orders, "stream": stream}[sys.argv[1]]
    print(json.dumps(asyncio.run(what(sys.argv[2], int(sys.argv[3])))))
