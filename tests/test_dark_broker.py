"""A broker that is dark for days, in virtual time: what systemd and the logs hear of it."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from atlas_daemon import app
from atlas_daemon.app import World
from atlas_daemon.core.brain import SignalsError
from atlas_daemon.core.values import Mode
from tests.simulation.loop import Timeline, VirtualLoop
from tests.test_app import a_daemon, settings_at

BEGIN = datetime(2027, 1, 29, 13, 0, tzinfo=UTC)
"""The Friday before a slot, which falls into the dark."""
DAYS_S = 3 * 86_400
TICK_S = 300.0
"""Beats and links so far apart, and systemd as patient, tell three days in seconds."""
LINES_MAX = 150
"""Of the whole log: one an hour on the broker, two a night, and the alerts."""
PATIENCE_S = 6 * TICK_S


class LoopTime:
    """The loop's time is everybody's."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Systemd:
    """What systemd is told, and when."""

    is_heard = True
    watchdog_s = PATIENCE_S

    def __init__(self) -> None:
        self.told: list[tuple[float, tuple[str, ...]]] = []

    def tell(self, *lines: str) -> bool:
        self.told.append((asyncio.get_running_loop().time(), lines))
        return True

    def while_reading(self, entries: Iterable[Any]) -> Iterable[Any]:
        return entries

    def close(self) -> None:
        pass


class Dark:
    """A session that reaches nobody."""

    def _refuse(self, *args: object, **more: object) -> Any:
        raise aiohttp.ClientConnectionError("no route to host")

    request = ws_connect = get = _refuse
    closed = False

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> "Dark":
        return self

    async def __aexit__(self, *error: object) -> None:
        pass


class NoBrain:
    """The child process, whose bars are in the dark as well."""

    async def compute(self, *asked: object) -> Any:
        raise SignalsError("no bars")

    regime = compute


def test_s184_a_broker_dark_for_three_days_is_no_reason_to_be_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd = Systemd()
    monkeypatch.setattr(app, "Notifier", lambda environ: systemd)
    monkeypatch.setattr("atlas_daemon.edges.alpaca.transport.RETRY_S", ())
    monkeypatch.setattr("atlas_daemon.edges.alpaca.stream.BACKOFF_MAX_S", 4 * TICK_S)

    async def live() -> Mode:
        world = World(
            console=False,
            environ={},
            clock=LoopTime(),
            open_session=lambda: Dark(),
            brain=NoBrain(),
            has_doors=False,
            tick_s=TICK_S,
        )
        daemon = a_daemon(settings_at(tmp_path, "http://127.0.0.1:9"), world)
        await daemon.open()
        task = asyncio.create_task(daemon.run())
        await asyncio.sleep(DAYS_S)
        mode = daemon.state.mode
        daemon.stop("the test")
        await task
        return mode

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(Timeline(BEGIN))) as runner:
        assert runner.run(live()) is Mode.STARTING
    fed = [at_s for at_s, lines in systemd.told if lines[0] in ("READY=1", "WATCHDOG=1")]
    assert max(later - before for before, later in pairwise([*fed, float(DAYS_S)])) < PATIENCE_S
    said = [lines for _, lines in systemd.told if lines[0] == "WATCHDOG=1"]
    assert all("STATUS=starting; local PROOF; not reconciled" in lines[-1] for lines in said)
    for kind in ("execution", "errors"):
        files = sorted((tmp_path / "logs").glob(f"{kind}_*.log"))
        lines = [line for file in files for line in file.read_text().splitlines()]
        assert len(lines) < LINES_MAX
        (first,) = (line for line in lines if " failed: ClientConnectionError" in line)
        hours = [line for line in lines if " leaves questions unanswered since " in line]
        assert len(hours) == DAYS_S // 3600
        assert first.startswith("[2027-01-29 08:00:00] [ERROR] ")
        assert "since 2027-01-29 08:00:00 New York (3 d): " in hours[-1]
