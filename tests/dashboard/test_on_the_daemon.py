"""The page on the whole daemon: its token, its past after a restart, its end."""

import asyncio

import aiohttp
import pytest

from atlas_daemon.app import Daemon, run_daemon
from atlas_daemon.config import load_credentials
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import Mode
from atlas_daemon.edges.lock import AccountLock
from tests.paper.sockets import running
from tests.test_app import PATIENCE_S, QUIET, a_daemon, heard, settings_at

TOKEN = "of-the-whole-daemon-0123456789-abcdef"


@pytest.mark.asyncio
async def test_s182_bound_elsewhere_without_a_token_it_does_not_start(tmp_path):
    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url, dashboard__host="0.0.0.0")
        with pytest.raises(ConfigError, match=r"dashboard\.token is missing") as refused:
            await run_daemon(settings, load_credentials(settings, {}), QUIET)
    assert refused.value.exit_code == 78
    assert not AccountLock(settings.lock_path).is_held()


def _trades(daemon: Daemon) -> bool:
    """True once it serves, and this process has seen for itself that it may trade."""
    state = daemon.state
    return bool(daemon.url and state.figures.matched_at) and state.mode is Mode.TRADING


@pytest.mark.asyncio
async def test_s181_the_daemon_asks_for_its_token_and_writes_it_nowhere(tmp_path):
    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url, dashboard__token=TOKEN)
        for is_again in (False, True):
            daemon = a_daemon(settings)
            await daemon.open()
            task = asyncio.create_task(daemon.run())
            try:
                await heard(daemon, lambda daemon=daemon: _trades(daemon))
                async with aiohttp.ClientSession() as session:
                    async with session.get(f"{daemon.url}/metrics") as answer:
                        assert answer.status == 401
                    async with session.get(f"{daemon.url}/?token={TOKEN}") as answer:
                        page = await answer.text()
                        assert (answer.status, str(answer.url)) == (401, f"{daemon.url}/")
                    bearer = {"Authorization": f"Bearer {TOKEN}"}
                    async with session.get(f"{daemon.url}/", headers=bearer) as answer:
                        page = await answer.text()
                        assert answer.status == 200
                starts = [x for x in daemon.chronicle.tail() if x["kind"] == "DaemonStarted"]
                assert len(starts) == 1 + is_again
                assert TOKEN not in page
            finally:
                daemon.stop("the test")
                async with asyncio.timeout(PATIENCE_S):
                    await task
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 3
    assert not any(TOKEN.encode() in path.read_bytes() for path in written)
