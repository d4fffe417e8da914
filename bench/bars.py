"""The local store of bars at work: 500 symbols over the data API, from nothing and day by day."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from atlas_daemon.core.brain import KEY_VARIABLES, SignalsRequest
from bench import regime
from bench.figure import ROOT, Figure, skipped

WHAT = "bars of the S&P 500 over the data API, signals and the regime"
BROKER = """
import asyncio, json, sys
from datetime import date, datetime
from atlas_daemon.paper import server
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.replay import ReplayMarket
first, last, path = date.fromisoformat(sys.argv[1]), date.fromisoformat(sys.argv[2]), sys.argv[3]
async def main():
    config = server.PaperConfig(
        market=ReplayMarket(path, 1, None, first, last), calendar=Calendar(), speed=0,
        rate_limit_per_min=0, starts_at=datetime.fromisoformat(sys.argv[4]))
    broker = await server.start(config)
    print(json.dumps([broker.url, broker.key, broker.secret]), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        broker.desk.clock.set(at=datetime.fromisoformat(line.strip()))
        broker.desk.settle()
        print(flush=True)
    await broker.stop()
asyncio.run(main())
"""


def figures() -> Iterator[Figure]:
    """Ask a fresh child: with an empty store, a session later, and minutes after that."""
    if not regime.PARQUET.exists():
        yield skipped(WHAT, f"{regime.PARQUET.name} is not here")
        return
    first, second = (
        datetime.combine(day + timedelta(days=1), time(12), UTC)
        for day in (regime.FIRST_DAY, regime.NEXT_DAY)
    )
    with tempfile.TemporaryDirectory() as folder, _broker(first) as (broker, url, keys):
        request = replace(
            regime.request_of(Path(folder)), source="alpaca", data_url=url, asked_at=first
        )
        request = replace(request, bars_dir=str(Path(folder) / "bars"), keeps_bars=True)
        yield _figure("an empty store", request, keys)
        broker.stdin.write(f"{second.isoformat()}\n")
        broker.stdin.flush()
        broker.stdout.readline()
        request = replace(request, signal_day=regime.NEXT_DAY, asked_at=second)
        yield _figure("the next session", request, keys)
        yield _figure(
            "minutes later", replace(request, asked_at=second + timedelta(minutes=5)), keys
        )
        size = sum(path.stat().st_size for path in Path(folder).rglob("bars/**/*.parquet"))
        yield Figure(f"{WHAT}: the store", "on disk", text=f"{size / 1e6:.1f} MB")


def _figure(when: str, request: SignalsRequest, keys: dict[str, str]) -> Figure:
    return regime.figure_of(f"{WHAT}: {when}", request, keys)


@contextmanager
def _broker(at: datetime) -> Iterator[tuple[subprocess.Popen, str, dict[str, str]]]:
    """A local broker with those prices, whose clock is moved by lines of its standard input."""
    words = [regime.FIRST_DAY, regime.NEXT_DAY, regime.PARQUET, at.isoformat()]
    broker = subprocess.Popen(
        [sys.executable, "-c", BROKER, *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url, *keys = json.loads(broker.stdout.readline() or '[""]')
        if not url:
            raise RuntimeError("the local broker did not start")
        yield broker, url, dict(zip(KEY_VARIABLES, keys, strict=True))
    finally:
        broker.stdin.close()
        broker.wait()
        broker.stdout.close()
