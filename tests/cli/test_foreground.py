"""A run in the foreground: what keeps it from beginning is said at once, not after minutes."""

import asyncio
from dataclasses import replace

import pytest

from atlas_daemon.cli.foreground import _ask
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Mode
from tests.core.builders import a_run, a_state

FORCED = e.RebalanceRequested("ann", force=True)
FIRST = e.RebalanceRequested("ann", force=False, is_first_trade=True)


class Stub:
    """A daemon that only has a state and hears."""

    def __init__(self, **more: object) -> None:
        self.state, self.heard = replace(a_state(), **more), list[e.Event]()

    def hear(self, event: e.Event) -> None:
        self.heard.append(event)


async def ended(daemon: Stub, wanted: e.RebalanceRequested, *told: e.Event) -> e.RunFinished:
    entries: asyncio.Queue[e.Event] = asyncio.Queue()
    for event in told:
        entries.put_nowait(event)
    return await asyncio.wait_for(_ask(daemon, entries, wanted), 5)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_missing_certificate_is_not_waited_for() -> None:
    daemon = Stub(mode=Mode.REDUCE_ONLY, mode_reason="certificate: missing")
    with pytest.raises(RefusedError, match="certificate: missing"):
        await ended(daemon, FORCED)
    assert daemon.heard == []


@pytest.mark.asyncio
async def test_a_first_trade_never_takes_an_open_run_for_its_own() -> None:
    daemon = Stub(run=a_run(Phase.PARKED))
    denied = e.RequestDenied("rebalance", "one run", "2024-02 is parked")
    with pytest.raises(RefusedError, match="one run: 2024-02 is parked"):
        await ended(daemon, FIRST, denied)
    assert daemon.heard == [FIRST]


@pytest.mark.asyncio
async def test_a_rebalance_sees_an_open_run_to_its_end() -> None:
    daemon = Stub(run=a_run(Phase.BUYING))
    finished = e.RunFinished("2024-02", "done", is_final=True, reason="", report=None)
    assert await ended(daemon, FORCED, finished) == finished
    assert daemon.heard == []
