"""Does an order cost more the longer the journal behind it is? Whole runs, at growing lengths."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.rebalance import LINES, Desk

LENGTHS = (100, 1_000, 10_000, 100_000)
LENGTHS_QUICK = (100, 400)
RUNS, RUNS_QUICK = 10, 2
"""Measured at each length: buys and sells in turn."""


def figures(is_quick: bool = False) -> Iterator[Figure]:
    """Grow a journal by runs like those measured, and measure at each length."""
    first_s = None
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.drain()
        for length in LENGTHS_QUICK if is_quick else LENGTHS:
            _grow(desk, length)
            order_s = _order_s(desk, RUNS_QUICK if is_quick else RUNS)
            first_s = first_s or order_s
            how = f"{order_s / first_s:.2f} times the first; turns and commits of a run of {LINES}"
            yield Figure(f"an order behind {length:,} entries", how, order_s)
        desk.journal.close()


def _grow(desk: Desk, length: int) -> None:
    """Live through runs until the journal has `length` entries; they need not be durable."""
    desk.journal._connection.execute("PRAGMA synchronous = OFF")
    while desk.journal.head()[0] < length or not desk.is_flat:
        desk.run()
    desk.journal._connection.execute("PRAGMA synchronous = FULL")


def _order_s(desk: Desk, runs: int) -> float:
    spent = []
    for _ in range(runs // 2):  # a pair: all bought, all sold
        begun_s = time.process_time()
        desk.run()
        desk.run()
        spent.append((time.process_time() - begun_s) / (2 * LINES))
    return statistics.median(spent)
