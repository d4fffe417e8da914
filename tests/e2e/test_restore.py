"""A backup and the day it is needed: the journal is older than the orders, and none is sent twice.

The real daemon, the local broker and the real commands, over real sockets.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.cli.commands import register
from atlas_daemon.config import load_settings
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from atlas_daemon.journal import Journal
from tests.e2e.one_process import Scene, a_broker, living
from tests.e2e.test_while_it_runs import TOML, beside
from tests.paper.sockets import Client

SLOT = "2024-02"


class House:
    """A broker, a folder, and daemons that come and go."""

    def __init__(self, folder: Path, broker: Client) -> None:
        self.folder, self.broker = folder, broker
        self.config = folder / "atlas.toml"
        self.config.write_text(TOML.format(url=broker.broker.url))
        self.saved = folder / "saved.tar.gz"
        self.state = folder / "state"

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Scene]:
        environ = {"HOME": str(self.folder)}
        settings = load_settings(self.config, environ=environ, cwd=self.folder)
        async with living(settings, self.broker) as scene:
            yield scene

    async def command(self, scene: Scene | None, *words: str) -> Any:
        """Run a command beside the daemon; return its JSON, or raise with what it said."""
        cli = typer.Typer()
        register(cli)
        line = [*words, "--json", "--config", str(self.config)]
        if scene is not None:
            done = await beside(scene, lambda: CliRunner().invoke(cli, line))
        else:
            done = await asyncio.to_thread(lambda: CliRunner().invoke(cli, line))
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    async def save(self, scene: Scene) -> Any:
        return await self.command(scene, "backup", str(self.saved))

    async def lose_all_and_restore(self) -> Any:
        shutil.rmtree(self.state)
        return await self.command(None, "restore", str(self.saved))

    def orders(self) -> dict[str, str]:
        """Every order that the broker ever saw, by its client's id, and its status."""
        desk = self.broker.broker.desk
        account = desk.account_with(self.broker.broker.key, self.broker.broker.secret)
        return {o.client_order_id: o.status for o in account.orders.values()}

    def journal(self) -> list[e.Event]:
        with Journal.open_readonly(self.state / "journal.db") as journal:
            assert journal.verify().is_intact
            return [entry.event for entry in journal.read()]


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    async with a_broker("10000", {"CCC": 10}) as broker:
        yield House(folder, broker)


async def later(scene: Scene, seconds: int) -> None:
    """Let time pass; whatever thinks that something is due has its chance."""
    end = seconds * 4
    for _ in range(end):
        await scene.broker.wait(0.25)
        await asyncio.sleep(0.001)


async def is_trading(scene: Scene) -> None:
    await scene.until(lambda: scene.daemon.state.mode is Mode.TRADING)


@pytest.mark.asyncio
async def test_a_slot_that_ran_after_the_backup_is_not_run_again(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with house.daemon() as scene:
            await is_trading(scene)
            saved = await house.save(scene)
            assert scene.daemon.state.run is None and not house.orders()
            await scene.is_finished()
            held = scene.held
        before = house.orders()
        assert len(before) == 3 and set(before.values()) == {"filled"}
        done = await house.lose_all_and_restore()
        assert done["head"] == saved["head"]
        assert set(done["orders_since"]) == set(before) and done["runs_since"] == [SLOT]
        async with house.daemon() as scene:
            await is_trading(scene)
            await later(scene, 120)
            assert house.orders() == before, "nothing was sent"
            assert scene.held == held
            state = scene.daemon.state
            assert state.slots == {SLOT: "restored"}
            assert state.book.positions == held and state.book.bought.keys() == {"AAA", "BBB"}
            assert not state.frozen and state.cash_dispute is None
            scene.nothing_went_wrong()
        alerts = [x for x in house.journal() if isinstance(x, e.AlertRaised)]
        assert any(x.key == "restore" and SLOT in x.text for x in alerts)
        assert not any(isinstance(x, e.ActivityBooked) and x.moves for x in house.journal())


@pytest.mark.asyncio
async def test_a_disk_that_was_put_back_learns_of_the_time_since(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with house.daemon() as scene:
            await is_trading(scene)
        shutil.copytree(house.state, tmp_path / "snapshot")
        async with house.daemon() as scene:
            await scene.is_finished()
        before = house.orders()
        shutil.rmtree(house.state)
        shutil.copytree(tmp_path / "snapshot", house.state)
        done = await house.command(None, "restore", "--in-place")
        assert set(done["orders_since"]) == set(before)
        again = await house.command(None, "restore", "--in-place")
        assert again["orders_since"] == [], "once is enough, twice does no harm"
        async with house.daemon() as scene:
            await is_trading(scene)
            await later(scene, 60)
            assert house.orders() == before
            scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_a_run_that_was_under_way_at_the_backup_goes_on_where_it_is(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with house.daemon() as scene:
            scene.trading("CCC", is_halted=True)
            await scene.until(lambda: scene.has_order("sell-CCC"))
            await house.save(scene)
            scene.trading("CCC", is_halted=False)
            scene.trading("BBB", is_halted=True)
            await scene.until(lambda: scene.has_order("buy-BBB"))
            await scene.until(lambda: scene.order("buy-AAA").status == "filled")
        before = house.orders()
        done = await house.lose_all_and_restore()
        assert {name.split("-r1-")[1] for name in done["orders_since"]} == {
            "buy-AAA-1",
            "buy-BBB-1",
        }
        async with house.daemon() as scene:
            assert scene.daemon.state.run is not None
            scene.trading("BBB", is_halted=False)
            finished = await scene.is_finished()
            assert (finished.run_id, finished.outcome) == (SLOT, "done")
            assert house.orders().keys() == before.keys(), "no order more than before"
            scene.nothing_went_wrong()
            assert set(scene.held) == {"AAA", "BBB"}


@pytest.mark.asyncio
async def test_what_a_lost_run_left_open_is_cancelled_and_the_run_closed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with house.daemon() as scene:
            await is_trading(scene)
            await house.save(scene)
            scene.trading("BBB", is_halted=True)
            await scene.until(lambda: scene.has_order("buy-BBB"))
            await scene.until(lambda: scene.order("buy-AAA").status == "filled")
        before = house.orders()
        await house.lose_all_and_restore()
        async with house.daemon() as scene:
            await scene.until(lambda: "canceled" in house.orders().values())
            await is_trading(scene)
            await later(scene, 60)
            assert house.orders().keys() == before.keys()
            assert scene.daemon.state.slots == {SLOT: "restored"}
            scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_a_restore_without_anything_since_sends_what_is_due(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        async with house.daemon() as scene:
            await is_trading(scene)
            await house.save(scene)
        done = await house.lose_all_and_restore()
        assert done["orders_since"] == []
        async with house.daemon() as scene:
            assert (await scene.is_finished()).outcome == "done"
            scene.nothing_went_wrong()
