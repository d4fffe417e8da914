"""All walks of one test run: done once, all at a time, and kept for every test process.

Each walker has a broker of its own behind a tap. What it said (one JSON line a step) and what went
over the wire is what the tests look at.
"""

import asyncio
import fcntl
import json
import pickle
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from atlas_daemon.paper.exchange.charges import LikeLive
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import CorporateAction
from atlas_daemon.paper.server import PaperConfig, RunningBroker, start
from tests.conformance import install, plain_walk
from tests.conformance.asker import Asker
from tests.conformance.tap import Talk, Tap
from tests.paper.world import NOON, TableMarket

WALKERS = Path(__file__).parent / "walkers"
WALK_S = 90.0
NIGHT = datetime(2024, 2, 2, 1, tzinfo=UTC)
"""20:00 in New York: orders for the next opening auction are taken again."""
PLAIN = "plain requests"
EVENTFUL = {
    "like_live": LikeLive.whole(),
    "holdings": {symbol: (Decimal(25), Decimal(50)) for symbol in ("SPY", "CHEAP", "RIGID")},
}
CLIENTS = ("alpaca-py", "@alpacahq/alpaca-trade-api", "alpaca-trade-api")


@dataclass
class Walk:
    """What one walker saw; `missing` says why it did not walk, `failure` why it did not end."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    """What the order stream said, where the walker keeps it."""
    routes: set[str] = field(default_factory=set)
    """Method and path of all that the walked broker serves, where the walker asked."""
    missing: str = ""
    failure: str = ""


def walked(folder: Path) -> dict[str, Walk]:
    """Return all walks; whoever asks first of the test processes of a run does them."""
    with (folder / "conformance.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / "conformance.pickle"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(asyncio.run(_walk_all())))
        return pickle.loads(kept.read_bytes())


async def _walk_all() -> dict[str, Walk]:
    programs = (_alpaca_py, _typescript, _old_client)
    walks = await asyncio.gather(*map(_client_walk, programs), _plain_walk())
    return dict(zip((*CLIENTS, PLAIN), walks, strict=True))


def _alpaca_py() -> list[str]:
    return [sys.executable, str(WALKERS / "with_alpaca_py.py")]


def _typescript() -> list[str]:
    return [
        install.node(),
        str(WALKERS / "with_typescript_client.mjs"),
        str(install.node_modules()),
    ]


def _old_client() -> list[str]:
    return [str(install.old_python()), "-W", "ignore", str(WALKERS / "with_old_client.py")]


async def _client_walk(program: Callable[[], list[str]]) -> Walk:
    try:
        command = await asyncio.to_thread(program)
    except install.NotHereError as error:
        return Walk(missing=str(error))
    async with _tapped() as (running, tap):
        told = [tap.url, tap.stream_url, running.key, running.secret]
        process = await asyncio.create_subprocess_exec(
            *command,
            *told,
            env=install.environ(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, wrong = await asyncio.wait_for(process.communicate(), WALK_S)
        except TimeoutError:
            process.kill()
            said, wrong = await process.communicate()
    failure = "" if process.returncode == 0 else f"{process.returncode}: {wrong.decode()[-2000:]}"
    lines = said.decode().splitlines()
    return Walk([json.loads(line) for line in lines], tap.talks, failure=failure)


async def _plain_walk() -> Walk:
    walk = Walk()
    async with aiohttp.ClientSession() as session:
        for part, settings in (
            (plain_walk.walk_at_noon, {}),
            (plain_walk.walk_the_stream, {}),
            (plain_walk.walk_through_days, EVENTFUL | {"market": eventful_market()}),
            (plain_walk.walk_at_night, {"starts_at": NIGHT}),
            (plain_walk.walk_too_fast, {"rate_limit_per_min": 1, "monotonic": lambda: 60.0}),
        ):
            async with _tapped(**settings) as (running, tap):
                walk.routes |= _routes(running)
                asker = Asker(session, tap.url, running.key, running.secret, running.url)
                try:
                    await part(asker)
                except (AssertionError, LookupError, TypeError, OSError, aiohttp.ClientError):
                    walk.failure += traceback.format_exc()[-2000:]
            walk.talks += tap.talks
            walk.steps += [{"surprise": text} for text in asker.surprises]
            walk.frames += asker.frames
    return walk


def _routes(running: RunningBroker) -> set[str]:
    routes = running._runner.app.router.routes()
    return {f"{route.method} {route.resource.canonical}" for route in routes if route.resource}


@asynccontextmanager
async def _tapped(**changes: Any) -> AsyncIterator[tuple[RunningBroker, Tap]]:
    """A broker behind a tap; its clock runs sixty times as fast as ours."""
    settings: dict[str, Any] = {
        "market": market(),
        "calendar": Calendar(),
        "starts_at": NOON,
        "speed": 60.0,
        "holdings": {"SPY": (Decimal(5), Decimal(50))},
        "rate_limit_per_min": 0,
        "partial_fill_pct": 0.9,
    }
    running = await start(PaperConfig(**(settings | changes)))
    try:
        async with Tap(running.host, running.port).open() as tap:
            yield running, tap
    finally:
        await running.stop()


def eventful_market() -> TableMarket:
    """The same, with something for each holding on the next day."""
    table, day = market(), date(2024, 2, 2)
    table.corporate_actions += [
        CorporateAction("cash_dividend", "SPY", day, None, Decimal("1.5")),
        CorporateAction("forward_split", "CHEAP", day, Decimal(2), None),
        CorporateAction("reverse_split", "RIGID", day, Decimal("0.1"), None),
    ]
    return table


def market() -> TableMarket:
    """Three symbols at fixed prices; RIGID has no fractions."""
    table = TableMarket(SPY=("99.90", "100.00"), CHEAP=("9.90", "10.00"), RIGID=("19.90", "20.00"))
    table.unfractionable.add("RIGID")
    table.corporate_actions += [
        CorporateAction("forward_split", "CHEAP", date(2023, 12, 1), Decimal(2), None),
        CorporateAction("reverse_split", "RIGID", date(2023, 12, 4), Decimal("0.1"), None),
        CorporateAction("cash_dividend", "SPY", date(2024, 1, 15), None, Decimal("1.5")),
    ]
    return table
