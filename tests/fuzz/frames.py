"""A flood of frames, good and bad, through the real reader, bus, core and journal.

    python -m tests.fuzz.frames --frames 1000000

Prints what the daemon wrote and what it still holds at tenths of the way; exits 1 where anything
that it holds goes on growing with the garbage. The clock is turned by hand: a million frames are
about three hours of a very talkative broker.
"""

import argparse
import asyncio
import dataclasses
import gc
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime
from atlas_daemon.edges.alpaca.stream import StreamNews, TradeStream
from atlas_daemon.edges.stream_news import events_of
from atlas_daemon.records import ExecutionLogger, Recorder
from tests.control.desk import Desk, settings_in
from tests.edges import samples
from tests.fuzz.mutator import Mutator
from tests.fuzz.rooms import BODIES, trade_updates

EVERY = timedelta(milliseconds=10)
"""Between two frames."""
HELD_MAX = 400
"""Things that any one part of the state may hold, whatever comes in."""
DAMAGED = 4_000
"""Different damaged bodies, each used many times."""
STRANGERS = 100
RSS_GROWTH_MAX_MB = 64.0
"""Over the second half of the way; the first half fills caches and the interpreter's own pools."""


class Flood:
    """Frames by a seed. `orders` are ours that rest: some frames are about them.

    `strangers` is how many orders of others there are; bodies are damaged once and used again.
    """

    def __init__(self, seed: int, orders: list[Any], strangers: int) -> None:
        self.chance = random.Random(seed)
        self.kinds: Counter[str] = Counter()
        mutator, good = Mutator(self.chance, BODIES), trade_updates()
        self._bad = [mutator.body(self.chance.choice(good)) for _ in range(DAMAGED)]
        self._noises = [mutator.bytes_of(_raw(good[0])) for _ in range(DAMAGED)]
        self._orders = orders
        self._strangers = strangers
        self._count = 0

    def frame(self) -> bytes:
        self._count += 1
        kind, weight = zip(*KINDS.items(), strict=True)
        (name,) = self.chance.choices(kind, weight)
        self.kinds[name] += 1
        return getattr(self, f"_{name}")()

    def _damaged(self) -> bytes:
        return self.chance.choice(self._bad)

    def _noise(self) -> bytes:
        return self.chance.choice(self._noises)

    def _heartbeat(self) -> bytes:
        return b""

    def _foreign(self) -> bytes:
        """An order of somebody else's."""
        number = self.chance.randrange(self._strangers)
        word = self.chance.choice(("new", "canceled", "accepted", "fill", "never_heard_of"))
        order = samples.an_order(
            id=f"foreign-{number}", client_order_id=f"web-{number}", status="new"
        )
        return _raw(samples.a_trade_update(word, order=order))

    def _of_our_name(self) -> bytes:
        """An order with our prefix that we never sent."""
        number = self.chance.randrange(self._strangers)
        name = f"atlas-2027-02-r1-buy-X{number}-1"
        order = samples.an_order(id=f"odd-{number}", client_order_id=name, status="new")
        return _raw(samples.a_trade_update("new", order=order))

    def _told_again(self) -> bytes:
        """News of an order of ours: late, twice, out of order, in words that nobody knows."""
        ours = self.chance.choice(self._orders)
        status = self.chance.choice(("new", "accepted", "partially_filled", f"odd-{self._count}"))
        filled = self.chance.choice(("0", "1"))
        order = samples.an_order(
            id=f"ours-{ours.draft.symbol}",
            client_order_id=ours.draft.order_id,
            symbol=ours.draft.symbol,
            side=str(ours.draft.side),
            qty=str(ours.draft.qty),
            status=status,
            filled_qty=filled,
            filled_avg_price="100" if filled == "1" else None,
        )
        word = "partial_fill" if filled == "1" else "new"
        execution = f"exec-{self.chance.randrange(3)}"
        return _raw(
            samples.a_trade_update(
                word, order=order, execution_id=execution, qty="1", price="100", position_qty=None
            )
        )

    def _complaint(self) -> bytes:
        return _raw({"stream": "error", "data": {"error_message": f"odd {self._count}"}})

    def _large(self) -> bytes:
        return b'{"stream":"trade_updates","data":{"event":"' + b"x" * 100_000 + b'"}}'


KINDS = {
    "damaged": 40,
    "noise": 10,
    "heartbeat": 10,
    "foreign": 14,
    "of_our_name": 4,
    "told_again": 16,
    "complaint": 5,
    "large": 1,
}


def _raw(body: object) -> bytes:
    return json.dumps(body).encode()


class Socket:
    """A websocket that is fed by hand. What the stream says is answered as a broker answers."""

    close_code = 1000

    def __init__(self, plant: "Plant") -> None:
        self._plant = plant
        self._answers = [
            {"stream": "authorization", "data": {"status": "authorized"}},
            {"stream": "listening", "data": {"streams": ["trade_updates"]}},
        ]

    async def send_str(self, text: str) -> None:
        pass

    async def receive(self) -> aiohttp.WSMessage:
        if self._answers:
            raw = _raw(self._answers.pop(0))
        else:
            raw = await self._plant.next_frame()
        kind = aiohttp.WSMsgType.BINARY
        return aiohttp.WSMessage(kind, raw, None)

    async def close(self) -> None:
        pass

    def exception(self) -> None:
        return None


class Plant:
    """Everything from the socket to the journal's file, and the log beside it."""

    def __init__(self, folder: Path, seed: int, strangers: int, *, has_log: bool) -> None:
        settings = settings_in(folder, paths__log_dir=str(folder / "logs"))
        self.desk = Desk(settings, held=(), cash="100000", regime=Regime.TREND_BULL).open()
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        self.logger = ExecutionLogger(
            settings.log_dir, account_label="[LOCAL]", clock=self.desk.now, console=False
        )
        self.effects: Counter[str] = Counter()
        self.desk.take(e.RebalanceRequested("ann", force=True))
        self.desk.settle()
        for _ in range(20):
            self.desk.beat()
        orders = list(self.desk.state.open_orders())
        assert orders, "the flood needs an order of ours that rests"
        self.desk.bus._run_effect = self._count_effect
        if has_log:
            recorder = Recorder(self.logger)
            self.desk.bus.watch(lambda committed: recorder.on_turn(committed.turn.entries))
        self.flood = Flood(seed, orders, strangers)
        self.left = 0
        self.inbox_peak = 0
        self._ended = asyncio.Event()

    def _count_effect(self, effect: fx.Effect) -> None:
        self.effects[type(effect).__name__] += 1

    async def next_frame(self) -> bytes:
        await asyncio.sleep(0)  # as a socket would: the bus gets its turn
        if len(self.desk.bus._inbox) > 64:
            await self.desk.bus.drained()
        self.inbox_peak = max(self.inbox_peak, len(self.desk.bus._inbox))
        if not self.left:
            self._ended.set()
            await asyncio.Event().wait()
        self.left -= 1
        self.desk.clock.at += EVERY
        return self.flood.frame()

    def _hear(self, news: StreamNews) -> None:
        for event in events_of(news):
            self.desk.hear(event)

    async def run(self) -> None:
        """Feed every frame. What the reader or a turn raises comes out here."""

        class Session:
            async def __aenter__(session) -> "Session":  # noqa: N805
                return session

            async def __aexit__(session, *error: object) -> None:  # noqa: N805
                pass

            async def ws_connect(session, url: str, **how: object) -> Socket:  # noqa: N805
                return Socket(self)

        async def no_wait(seconds: float) -> None:
            await asyncio.sleep(0)

        stream = TradeStream(
            *("ws://127.0.0.1:1/stream", "PKTEST", "never-shown", Session, self._hear),
            sleep=no_wait,
            jitter=lambda: 0.5,
        )
        tasks = [asyncio.create_task(stream.run()), asyncio.create_task(self.desk.bus.run())]
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await self.desk.bus.drained()
        for task in (*tasks, ended):
            task.cancel()
        for result in await asyncio.gather(*tasks, ended, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def close(self) -> None:
        self.logger.release()
        self.desk.journal.close()


def holdings(value: object, name: str = "state") -> Iterator[tuple[str, int]]:
    """Yield each container of a record, however deep, with how much it holds."""
    if isinstance(value, Mapping | tuple | frozenset | list | set):
        yield name, len(value)
        inner = value.values() if isinstance(value, Mapping) else value
        for each in inner:
            yield from holdings(each, f"{name}[]")
    elif isinstance(value, str):
        yield f"{name} (text)", len(value) // 1024
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from holdings(getattr(value, field.name), f"{name}.{field.name}")


def largest(value: object) -> dict[str, int]:
    """Return the largest of each container of the state, by its place."""
    found: dict[str, int] = {}
    for name, size in holdings(value):
        found[name] = max(found.get(name, 0), size)
    return found


def rss_mb() -> float:
    text = Path("/proc/self/statm").read_text().split()
    return int(text[1]) * resource.getpagesize() / 2**20


async def flood(
    folder: Path,
    frames: int,
    seed: int = 1,
    *,
    steps: int = 10,
    strangers: int = STRANGERS,
    has_log: bool = False,
    on_step: Any = None,
) -> SimpleNamespace:
    """Feed `frames` frames in `steps`; return what was seen after each and at the end."""
    plant = Plant(folder, seed, strangers, has_log=has_log)
    seen = []
    try:
        for step in range(steps):
            plant.left, plant._ended = frames // steps, asyncio.Event()
            began_s = time.process_time()
            await plant.run()
            gc.collect()
            look = SimpleNamespace(
                frames=(step + 1) * (frames // steps),
                rss_mb=rss_mb(),
                objects=len(gc.get_objects()),
                holds=largest(plant.desk.state),
                seq=plant.desk.journal.head()[0],
                cpu_us=(time.process_time() - began_s) / (frames // steps) * 1e6,
            )
            seen.append(look)
            if on_step is not None:
                on_step(look)
        state, kinds = plant.desk.state, plant.flood.kinds
        verdict = plant.desk.journal.verify(plant.desk.journal.head())
        query = "SELECT type, count(*) FROM entries GROUP BY type"
        entries = Counter(dict(plant.desk.journal._connection.execute(query).fetchall()))
        size = sum(p.stat().st_size for p in plant.desk.settings.state_dir.iterdir())
        logs = sum(p.stat().st_size for p in plant.desk.settings.log_dir.iterdir() if p.is_file())
    finally:
        plant.close()
    return SimpleNamespace(
        seen=seen,
        state=state,
        kinds=kinds,
        verdict=verdict,
        entries=entries,
        effects=plant.effects,
        journal_mb=size / 2**20,
        logs_mb=logs / 2**20,
        inbox_peak=plant.inbox_peak,
    )


def growing(seen: list[SimpleNamespace]) -> dict[str, tuple[int, int]]:
    """Return what the state holds too much of, or ever more: at the half and at the end."""
    half, end = seen[len(seen) // 2 - 1].holds, seen[-1].holds
    return {
        name: (half.get(name, 0), size)
        for name, size in end.items()
        if size > HELD_MAX or (size > 50 and size > 1.2 * half.get(name, 0))
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.frames", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strangers", type=int, default=STRANGERS, help="others' orders")
    parser.add_argument("--log", action="store_true", help="write the log files too")
    asked = parser.parse_args()

    def tell(look: SimpleNamespace) -> None:
        print(
            f"frames: {look.frames:>9,}  rss {look.rss_mb:6.1f} MB  objects {look.objects:>8,}  "
            f"entries {look.seq:>9,}  {look.cpu_us:6.1f} us a frame",
            flush=True,
        )

    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        given = {"strangers": asked.strangers, "has_log": asked.log, "on_step": tell}
        done = asyncio.run(flood(Path(folder), asked.frames, asked.seed, **given))
    print(f"frames: fed {dict(done.kinds)}")
    print(f"frames: wrote {dict(done.entries.most_common())}")
    print(f"frames: asked for {dict(done.effects)}")
    print(f"frames: journal {done.journal_mb:.1f} MB, logs {done.logs_mb:.1f} MB")
    print(f"frames: most events waiting at once {done.inbox_peak}")
    bad = growing(done.seen)
    for name, (half, end) in bad.items():
        print(f"frames: GROWS: {name}: {half:,} at the half, {end:,} at the end")
    grown_mb = done.seen[-1].rss_mb - done.seen[len(done.seen) // 2 - 1].rss_mb
    print(f"frames: memory grew by {grown_mb:.1f} MB over the second half")
    if not done.verdict.is_intact:
        print(f"frames: {done.verdict.fault}")
    is_good = done.verdict.is_intact and not bad and grown_mb <= RSS_GROWTH_MAX_MB
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
