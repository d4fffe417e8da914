"""Scenarios that need the daemon's loop: what hangs outside never holds it up."""

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from tests.paper.sockets import running
from tests.test_stops import a_trading_daemon, until


@pytest.mark.asyncio
async def test_s056_a_reconciliation_that_hangs_holds_up_no_turn_and_no_stop(tmp_path):
    async with running(speed=1.0) as broker, a_trading_daemon(tmp_path, broker) as daemon:
        await until(lambda: daemon.state.mode is Mode.TRADING)
        for path in ("/v2/account", "/v2/positions", "/v2/orders"):
            fault = {"kind": "hang", "method": "GET", "path": path, "count": None}
            assert (await broker.ask("POST", "/_admin/faults", json=fault))[0] == 200
        daemon.hear(e.StreamReported("listening", "asks for everything"))
        asked_at = daemon.state.figures.asked_at
        await until(lambda: daemon.state.figures.asked_at != asked_at)
        turns = daemon._bus.turns
        await until(lambda: daemon._bus.turns > turns + 20)
        assert daemon.state.figures.snapshot.asked_at < daemon.state.figures.asked_at
        daemon.hear(e.StopRequested("ann", "while it hangs"))
        await until(lambda: daemon.state.halt is not None)
        assert daemon.settings.latch_path.exists()
