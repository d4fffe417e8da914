"""`atlasd run` as a process: configuration, a local broker where one is wanted, daemon, end.

Known to `__main__` and to the command line; knows neither. The machinery of the other commands is
a third of the daemon's memory, so none of it is loaded on the way here.
"""

import asyncio
import contextlib
import faulthandler
import os
import sys
from pathlib import Path

from atlas_daemon.config import Settings, load_credentials, load_settings
from atlas_daemon.core.errors import AtlasError, BugError
from atlas_daemon.core.values import AccountMode
from atlas_daemon.late_stop import late_stops_latched


def serve(config: Path | None) -> int:
    """Run the daemon until it is asked to end; return the exit code, an error told in one line."""
    try:
        run_service(config)
    except BugError:
        raise
    except AtlasError as error:
        sys.stderr.write(f"atlasd: {' '.join(str(error).split())}\n")
        return error.exit_code
    return 0


def run_service(config: Path | None) -> None:
    """Run the daemon until it is asked to end. Raises AtlasError where it cannot go on."""
    faulthandler.enable()  # systemd's watchdog ends a hang with SIGABRT: where it hung is told
    with late_stops_latched() as late:
        late.settings = load_settings(config, environ=os.environ, cwd=Path.cwd(), overrides={})
        asyncio.run(_run(late.settings))


async def _run(settings: Settings) -> None:
    from atlas_daemon.app import World, run_daemon
    from atlas_daemon.edges.doctor import ChildDoctor
    from atlas_daemon.edges.embedded import embedded_broker

    async with contextlib.AsyncExitStack() as stack:
        if settings.mode is AccountMode.LOCAL and not settings.broker.trading_url:
            settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = settings.state_dir / "broker.json"
            url = await stack.enter_async_context(embedded_broker(["--state", str(state)]))
            sys.stderr.write(f"atlasd: local broker started at {url}, kept in {state}\n")
            settings = settings.at_local_broker(url)
        # A local broker's address may be known to nobody else: no file names it.
        is_local = settings.mode is AccountMode.LOCAL
        url = settings.broker.trading_url if is_local else ""
        world = World(doctor=ChildDoctor(settings.config_path, url))
        await run_daemon(settings, load_credentials(settings, os.environ), world)
