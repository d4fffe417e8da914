"""`python -m bench.page_daemon CONFIG`: the daemon over a journal that notes COMMITs of orders.

The real daemon but for the journal's connection, which notes when the COMMIT of each order's
OrderSubmitted returned, for the session, which notes when its request had left, and for the
strategy: it buys one symbol, and sells it in the next run. The budget of requests has no end: most
of the time would be spent waiting for it. At SIGTERM it says on standard output, by our id of the
order, both in seconds of the loop's own processor time and of the clock.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from atlas_daemon.app import Daemon
from atlas_daemon.assembly import World
from atlas_daemon.cli.options import settings_for
from atlas_daemon.config import load_credentials
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import RegimeAnswer, SignalsAnswer
from atlas_daemon.core.values import Pick, Regime, Symbol
from atlas_daemon.edges.alpaca import client
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.transport import open_session
from bench.words import PRICE, symbol_of

LINES = 1
"""One order at a time: beside others its way is mostly theirs."""
STIR_S = 0.05
committed: dict[str, tuple[float, float]] = {}
left: dict[str, tuple[float, float]] = {}
"""Seconds of the loop's processor time, and of the clock, by our id of the order."""


def now() -> tuple[float, float]:
    """Return the moment by both."""
    return time.thread_time(), time.monotonic()


class NotingConnection(sqlite3.Connection):
    """Notes the orders of a transaction with the moment its COMMIT returned."""

    _pending: tuple[str, ...] = ()

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """Remember which orders are about to be written as sent."""
        rows = list(rows)
        sent = [json.loads(row[4]) for row in rows if row[3] == "OrderSubmitted"]
        self._pending = tuple(each["order_id"] for each in sent)
        return super().executemany(sql, rows)

    def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
        """Note the moment after a COMMIT: WAL and synchronous=FULL have fsynced by then."""
        cursor = super().execute(sql, *more)
        if sql == "COMMIT":
            committed.update(dict.fromkeys(self._pending, now()))
            self._pending = ()
        return cursor


class Swapping:
    """A strategy that wants a symbol where nothing is held, and nothing where it is."""

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        """Answer at once."""
        names = [Symbol(symbol_of(number)) for number in range(LINES)]
        weight, price = Decimal(1) / LINES, Decimal(PRICE)
        picks = () if held else tuple(Pick(name, weight, price) for name in names)
        closes: dict[str, Decimal] = dict.fromkeys((*names, "SPY"), price)
        regime = Regime.TREND_BULL
        return SignalsAnswer(signal_day, picks, closes, (), LINES, (), regime, signal_day)

    async def regime(self, signal_day: date, asked_at: datetime) -> RegimeAnswer:
        """Answer at once."""
        return RegimeAnswer(signal_day, Regime.TREND_BULL, signal_day)


def connect(*words: Any, **more: Any) -> sqlite3.Connection:
    """Open as sqlite3 does, with a connection that notes."""
    return sqlite3.connect(*words, **more, factory=NotingConnection)


def noting_session(*words: Any) -> aiohttp.ClientSession:
    """Open the daemon's own session, and note when an order's body was written to its socket."""
    session = open_session(*words)
    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(_note)
    trace.freeze()
    session.trace_configs.append(trace)
    return session


async def _note(session: Any, context: Any, sent: aiohttp.TraceRequestChunkSentParams) -> None:
    if sent.method == "POST" and sent.chunk:
        left[json.loads(sent.chunk)["client_order_id"]] = now()


async def _run(daemon: Daemon) -> None:
    """Run it, and let something change all the while: open pages are told at every moment."""
    await daemon.open()
    stirring = asyncio.create_task(_stir(daemon))
    await daemon.run()
    stirring.cancel()


async def _stir(daemon: Daemon) -> None:
    for number in count():
        await asyncio.sleep(STIR_S)
        daemon.hear(e.FetchFailed("nothing", str(number)))


def main(config: Path) -> None:
    """Run until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    vars(client)["RequestBudget"] = partial(RequestBudget, 10**9)
    settings = settings_for(config)
    world = World(
        connect=connect,
        open_session=noting_session,
        brain=Swapping(),
        console=False,
        tick_s=0.1,
    )
    asyncio.run(_run(Daemon(settings, load_credentials(settings, os.environ), world)))
    print(json.dumps({name: [*committed[name], *at] for name, at in left.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
