"""`atlasd demo`: the whole story of one rebalance, on the local broker, in one terminal.

The broker runs as a process of its own and is spoken to over TCP; the daemon is the real one,
watched here through the entries that it commits. Only the screen is the demo's.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_daemon.cli.options import plain_errors
from atlas_daemon.config import Settings, load_credentials, load_settings
from atlas_daemon.core.errors import AtlasError, UsageError
from atlas_daemon.core.sessions import NYSE, CalendarRangeError

if TYPE_CHECKING:
    from atlas_daemon.app import Daemon
    from atlas_daemon.cli.story import Story

SYNTHETIC_DAY = "2026-02-01"
REPLAY = "replay:"
LEAD = timedelta(seconds=8)
"""Broker time between its start and the moment the slot falls due: enough for a look around."""
PATIENCE_S = 120.0
HOLDINGS = "INTC=300,IBM=60,CSCO=200,MSFT=20,AAPL=30"
"""Old holdings of the demo account: some are sold, what stays is adjusted."""


@plain_errors
def demo(
    market: Annotated[
        str, typer.Option(help="synthetic, or replay:FILE (parquet or csv of daily bars).")
    ] = "synthetic",
    day: Annotated[
        str, typer.Option("--date", help="The anchor date; the first session on or after it.")
    ] = SYNTHETIC_DAY,
    universe: Annotated[str, typer.Option(help="What may be bought.")] = "technology",
    top_n: Annotated[int, typer.Option(help="How many names.", min=1)] = 10,
    regime: Annotated[str, typer.Option(help="The regime of the day.")] = "TREND_BULL",
    cash: Annotated[str, typer.Option(help="Cash before, in dollars.")] = "60000",
    holdings: Annotated[str, typer.Option(help="Holdings before: SYMBOL=SHARES, ...")] = HOLDINGS,
    seed: Annotated[int, typer.Option(help="Seed of prices, paths and partial fills.")] = 1,
    log_dir: Annotated[Path, typer.Option(help="Where the logs go.")] = Path("logs/demo"),
    port: Annotated[int, typer.Option(help="The dashboard's port; 0 takes any.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards.")] = False,
) -> None:
    """Show a whole rebalance on the local broker: plan, sells, buys, reconciliation, report."""
    anchor = _anchor(day)
    state_dir = Path(tempfile.mkdtemp(prefix="atlas-demo-"))
    try:
        settings = _settings(
            anchor, market, universe, top_n, regime, state_dir, log_dir.absolute(), port
        )
        opens_at = NYSE.next_session(anchor).opens_at
        starts_at = opens_at + settings.policy().open_delay - LEAD
        arguments = [
            *("--market", market, "--at", starts_at.isoformat(), "--seed", str(seed)),
            *("--cash", cash, "--holdings", holdings),
        ]
        asyncio.run(_show(settings, arguments, keep))
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def _anchor(text: str) -> date:
    try:
        anchor = date.fromisoformat(text)
        NYSE.session_before(NYSE.next_session(anchor).day)
    except (ValueError, CalendarRangeError) as error:
        raise UsageError(f"--date {text}: {error}") from None
    return anchor


def _settings(
    anchor: date,
    market: str,
    universe: str,
    top_n: int,
    regime: str,
    state_dir: Path,
    log_dir: Path,
    port: int,
) -> Settings:
    """Return the demo's settings: a slot on the anchor, signals as the market has them."""
    source = "alpaca"
    if market.startswith(REPLAY):
        source = f"file:{Path(market.removeprefix(REPLAY)).absolute()}"
    overrides: dict[str, object] = {
        "account.mode": "local",
        "account.name": "DEMO",
        "strategy.universe": universe,
        "strategy.top_n": top_n,
        "regime.source": f"fixed:{regime}",
        "data.source": source,
        "rebalance.anchors": [f"{anchor:%m-%d}"],
        "paths.state_dir": str(state_dir),
        "paths.log_dir": str(log_dir),
        "dashboard.port": port,
    }
    # A file of the user's is for the user's account; the demo must not depend on it.
    return load_settings(
        None, environ={"HOME": os.environ.get("HOME", "/")}, cwd=state_dir, overrides=overrides
    )


async def _show(settings: Settings, arguments: list[str], keep: bool) -> None:
    from atlas_daemon.app import Daemon, World
    from atlas_daemon.cli.story import Story
    from atlas_daemon.edges.embedded import embedded_broker

    story = Story(stays=keep)
    story.title(settings)
    async with embedded_broker(arguments) as url:
        settings = settings.at_local_broker(url)
        credentials = load_credentials(settings, {})
        daemon = Daemon(settings, credentials, World(console=False))
        try:
            await daemon.open()
        except BaseException:
            await daemon.close()
            raise
        daemon.subscribe(story.hear)
        task = asyncio.create_task(daemon.run(), name="daemon")
        try:
            await _tell(daemon, task, story, url)
            if keep:
                story.note(f"Staying up; dashboard at {daemon.url}. Ctrl-C ends it.")
                await task
        finally:
            daemon.stop("the demo's end")
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _tell(daemon: "Daemon", task: "asyncio.Task[None]", story: "Story", url: str) -> None:
    """Tell the story until its run is finished, or say that it is not."""
    telling = asyncio.create_task(story.tell(daemon, url), name="story")
    done, _ = await asyncio.wait(
        {telling, task}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
    )
    if telling in done:
        telling.result()
        return
    telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await telling
    if task in done:
        task.result()
        return  # Ctrl-C
    raise AtlasError(f"the rebalance did not finish within {PATIENCE_S:.0f} s")
