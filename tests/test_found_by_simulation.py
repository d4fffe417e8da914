"""What the simulation found in the shell, told small: one test for each, without a seed."""

import asyncio
from pathlib import Path

import pytest

from atlas_daemon import bus as bus_module
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import AccountMode
from tests.core.builders import NOW, a_state, secs
from tests.core.playbook import given
from tests.edges.samples import an_order
from tests.test_bus import Desk as BusDesk
from tests.test_outlet import a_desk, approved

START = e.DaemonStarted("0.1", "PROOF", AccountMode.LOCAL, "PA1", "digest", is_latched=False)


@pytest.mark.asyncio
async def test_an_order_that_waits_out_a_limit_is_not_sent_a_second_time_beside_it(tmp_path):
    """Seed 3: the core no longer waited for an answer and said yes again to the same id."""
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer({}, status=429, Retry_After="30").answer(an_order())
        desk.client._budget.pause = lambda seconds: None
        order = fx.SubmitOrder(approved())
        again: list[asyncio.Task[None]] = []
        desk.clock.on_sleep = lambda: again.append(asyncio.create_task(desk.outlet.run(order)))
        await desk.run(order)
        await asyncio.gather(*again)
        second, first = desk.heard
        assert isinstance(second, e.SubmitWithheld)
        assert "still under way" in second.why
        assert isinstance(first, e.OrderReported)
        assert len(stub.requests) == 2


@pytest.mark.asyncio
async def test_a_start_that_the_disk_does_not_take_comes_before_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Seed 22: the start was lost, and the end of the process before went on for ever."""
    monkeypatch.setattr(bus_module, "RETRY_S", 0)
    desk = BusDesk(tmp_path)
    try:
        desk.boot()
        desk.take(e.ShutdownRequested("SIGTERM"))
        desk.bus, desk.journal.is_full = desk.a_bus(), True
        assert desk.state.figures.is_shutting_down
        for event in (START, e.StreamReported("listening"), e.Ticked()):
            desk.bus.hear(event)
        running = asyncio.create_task(desk.bus.run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert desk.state.figures.stream != "listening"
        desk.journal.is_full = False
        await desk.bus.drained()
        running.cancel()
        assert not desk.state.figures.is_shutting_down
        assert desk.state.figures.stream == "listening"
    finally:
        desk.journal.journal.close()


def test_cash_that_differs_after_shares_did_is_asked_after_too():
    """Seed 25: a reverse split was explained, its cash in lieu told later: reduce_only for ever."""
    seen = {
        "drift_at": NOW,
        "drift_symbols": ("QCOM",),
        "activities_at": NOW,
        "activities_asked_at": NOW,
        "cash_differs_at": NOW + secs(1),
    }
    asked = given(a_state(seen=seen)).when(e.Ticked(), at=NOW + secs(4))
    asked.then_some(fx.FetchActivities)
