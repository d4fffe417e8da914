"""Whatever can be asked is answered while a rebalance runs, and a reload waits for its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.cli.commands import register
from atlas_daemon.config import load_settings
from atlas_daemon.config.digests import sections_digest
from atlas_daemon.control import ControlError, ask, follow
from atlas_daemon.control.requests import ANSWERS
from atlas_daemon.core import events as e
from tests.e2e.one_process import Scene, a_broker, living

TOML = """
[account]
mode = "local"
name = "PROOF"
[broker]
trading_url = "{url}"
[regime]
source = "fixed:TREND_BULL"
[paths]
state_dir = "state"
log_dir = "logs"
[dashboard]
port = 0
"""
MORE = "[risk]\nmax_position_pct = 0.10\n"
READING = (
    ("status",),
    ("status", "--json"),
    ("orders",),
    ("orders", "--json"),
    ("trades",),
    ("trades", "--json"),
    ("config", "show"),
    ("config", "show", "--json"),
)


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[tuple[Scene, Path]]:
    """A daemon with its doors open, whose order for AAA rests: the run is under way."""
    async with a_broker("10000", {"CCC": 10}) as broker:
        path = folder / "atlas.toml"
        path.write_text(TOML.format(url=broker.broker.url))
        environ = {"HOME": str(folder)}
        settings = load_settings(path, environ=environ, cwd=folder)
        async with living(settings, broker, has_doors=True) as scene:
            scene.trading("AAA", is_halted=True)
            await scene.until(lambda: scene.has_order("buy-AAA"))
            yield scene, path


async def beside(scene: Scene, call: Callable[[], Any]) -> Any:
    """Call what blocks, while a little of the broker's time passes."""
    task = asyncio.create_task(asyncio.to_thread(call))
    while not task.done():
        await scene.broker.wait(0.01)
        await asyncio.sleep(0.005)
    return task.result()


def refused(path: Path, do: str, **args: object) -> str:
    with pytest.raises(ControlError) as caught:
        ask(path, do, **args)
    return f"{caught.value.rule}: {caught.value}"


@pytest.mark.asyncio
async def test_everything_can_be_asked_while_a_rebalance_runs(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (scene, config):
        path, run = scene.daemon.settings.control_socket_path, scene.daemon.state.run
        assert run is not None
        answered = {}
        for do in ("ping", "status", "orders", "trades", "reload"):
            answered[do] = await beside(scene, lambda do=do: ask(path, do))
        assert answered["ping"]["account"] == "PROOF"
        assert answered["status"]["run"]["id"] == run.run_id
        assert {order["symbol"] for order in answered["orders"]} == {"AAA", "BBB", "CCC"}
        assert [trade["symbol"] for trade in answered["trades"]]
        assert answered["reload"]["changes"] == []
        told = await beside(scene, lambda: ask(path, "regime", by="ann", regime="TREND_BULL"))
        assert told["run"] is None
        assert "one run" in await beside(scene, lambda: refused(path, "rebalance", force=True))
        assert await beside(scene, lambda: refused(path, "rebalance"))
        assert "mode" in await beside(scene, lambda: refused(path, "scale", scale="0.5"))
        evidence = {"kind": "drill", "name": "kill9", "text": "seen", "is_good": True}
        digests = {"code_digest": "c" * 64, "config_digest": "d" * 64}
        assert (await beside(scene, lambda: ask(path, "record", **evidence, **digests)))["seq"]
        assert "at rest" in await beside(scene, lambda: refused(path, "adopt", all=True))
        assert await beside(scene, lambda: refused(path, "resume", account="PROOF"))
        first = await beside(scene, lambda: next(follow(path, run.run_id, 0)))
        assert isinstance(first.event, e.DaemonStarted)
        runner, cli = CliRunner(), typer.Typer()
        register(cli)
        for words in READING:
            command = [*words, "--config", str(config)]
            said = await beside(scene, lambda c=command: runner.invoke(cli, c))
            assert said.exit_code == 0, (words, said.output)
            assert said.output
        stopped = await beside(scene, lambda: ask(path, "stop", by="ann", reason="drill"))
        assert stopped["is_complete"] and stopped["is_durable"]
        await beside(scene, lambda: ask(path, "resume", by="ann", account="PROOF"))
        asked = {"ping", "status", "orders", "trades", "reload", "regime", "rebalance", "adopt"}
        assert asked | {"scale", "record", "stop", "resume"} == set(ANSWERS)
        scene.trading("AAA", is_halted=False)
        assert (await scene.is_finished()).outcome == "done"
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_a_reload_amid_a_run_waits_for_its_end(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (scene, config):
        daemon = scene.daemon
        path, policy = daemon.settings.control_socket_path, daemon.policy
        config.write_text(config.read_text() + MORE)
        done = await beside(scene, lambda: ask(path, "reload"))
        assert [change["name"] for change in done["changes"]] == ["risk.max_position_pct"]
        assert done["waits_for"] == "until run 2024-02 has ended"
        assert daemon.policy is policy and str(daemon.settings.risk.max_position_pct) == "0.15"
        again = await beside(scene, lambda: ask(path, "reload"))
        assert again == done, "asked again it is still a change, and still waits"
        scene.trading("AAA", is_halted=False)
        finished = await scene.is_finished()
        await scene.until(lambda: scene.all(e.PolicyChanged))
        told = scene.all(e.PolicyChanged)
        bound = sections_digest(daemon.settings)
        assert told == [e.PolicyChanged(done["digest"], ("risk.max_position_pct",), bound)]
        assert scene.events.index(told[0]) > scene.events.index(finished)
        assert str(daemon.policy.max_position_pct) == "0.10"
        assert daemon.settings.digest() == done["digest"]
        planned = scene.all(e.RunPlanned)[-1]
        assert max(line.weight for line in planned.lines) > daemon.policy.max_position_pct
