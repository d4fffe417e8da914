"""One run in the foreground: a daemon that lives until the run has ended."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

from atlas_daemon.app import Daemon, World
from atlas_daemon.config import Settings, load_credentials
from atlas_daemon.core import events as e
from atlas_daemon.core.certificate import LAPSED
from atlas_daemon.core.errors import AtlasError, ConfigError, HaltedError, RefusedError
from atlas_daemon.core.values import AccountMode, Mode

READY_S = 180.0
"""How long reconciling may take: polling stands in for a refused stream after two minutes."""


async def run_until_done(
    settings: Settings,
    wanted: e.RebalanceRequested,
    *,
    hear: Callable[[Sequence[e.Entry]], None],
) -> e.RunFinished:
    """Run a daemon for one run, tell its entries to `hear`, and return how the run ended.

    Raises HaltedError where the latch is on, RefusedError where nothing may run now, and what a
    daemon's start raises.
    """
    if settings.mode is AccountMode.LOCAL and not settings.broker.trading_url:
        raise ConfigError("broker.trading_url: no local broker is named; start `atlasd paper`")
    daemon = Daemon(settings, load_credentials(settings, os.environ), World(console=False))
    entries: asyncio.Queue[e.Event] = asyncio.Queue()

    def listen(told: Sequence[e.Entry]) -> None:
        hear(told)
        for entry in told:
            entries.put_nowait(entry.event)

    try:
        await daemon.open()
    except asyncio.CancelledError:
        await daemon.close()
        if not daemon.is_ending:
            raise
        raise AtlasError("ended before it was open; nothing was sent") from None
    except BaseException:
        await daemon.close()
        raise
    daemon.subscribe(listen)
    task = asyncio.create_task(daemon.run(), name="daemon")
    asking = asyncio.create_task(_ask(daemon, entries, wanted), name="asking")
    try:
        await asyncio.wait({task, asking}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        task.result()
        raise AtlasError("ended before the run did; it goes on at the next start")
    finally:
        asking.cancel()
        daemon.stop("the run's end")
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _ask(
    daemon: Daemon, entries: "asyncio.Queue[e.Event]", wanted: e.RebalanceRequested
) -> e.RunFinished:
    try:
        async with asyncio.timeout(READY_S):
            while daemon.state.mode is not Mode.TRADING:
                if daemon.state.halt is not None:
                    raise HaltedError(f"halted by {daemon.state.halt.by}: `atlasd resume` first")
                if daemon.state.mode_reason.startswith(LAPSED):
                    raise RefusedError(daemon.state.mode_reason)
                await entries.get()
    except TimeoutError:
        raise RefusedError(f"not trading: {daemon.state.mode_reason}") from None
    if daemon.state.run is None or wanted.is_first_trade:
        daemon.hear(wanted)
    while True:
        match await entries.get():
            case e.RequestDenied(what="rebalance", rule=rule, detail=detail):
                raise RefusedError(f"{rule}: {detail}")
            case e.RunFinished() as finished:
                return finished
            case _:
                pass
