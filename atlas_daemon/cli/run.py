"""`atlasd run`: the daemon in the foreground, as systemd runs it."""

import asyncio
import contextlib
import os
import signal
import sys

from atlas_daemon.cli.options import ConfigOption, plain_errors, settings_for
from atlas_daemon.config import Settings, load_credentials
from atlas_daemon.core.values import AccountMode


@plain_errors
def run(config: ConfigOption = None) -> None:
    """Run the daemon until SIGTERM. SIGUSR1 stops all trading at once."""
    # Until the handler stands, the emergency stop must wait and not kill.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    settings = settings_for(config)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    from atlas_daemon.app import run_daemon
    from atlas_daemon.cli.embedded import embedded_broker

    async with contextlib.AsyncExitStack() as stack:
        if settings.mode is AccountMode.LOCAL and not settings.broker.trading_url:
            settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = settings.state_dir / "broker.json"
            url = await stack.enter_async_context(embedded_broker(["--state", str(state)]))
            sys.stderr.write(f"atlasd: local broker started at {url}, kept in {state}\n")
            settings = settings.at_local_broker(url)
        await run_daemon(settings, load_credentials(settings, os.environ))
