"""A disk that is full or read-only: no order that could not be written, and it goes on by itself.

The disk is a real one, of two megabytes, where this process may mount; else a test says so.
"""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atlas_daemon.core import events as e
from tests.e2e.one_process import Scene, a_broker, living
from tests.test_app import settings_at

CHUNK = b"\0" * 65536


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (
            contextlib.suppress(OSError),
            (self.folder / "ballast").open("wb", buffering=0) as file,
        ):
            while True:
                if file.write(CHUNK) < len(CHUNK):
                    continue

    def empty(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(made, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small disk: {error}")
    if done.returncode:
        pytest.skip(f"no small disk: {done.stderr.strip() or 'mount was refused'}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@asynccontextmanager
async def a_scene_on(state: Path, logs: Path, base: Path) -> AsyncIterator[Scene]:
    async with a_broker("10000", {"CCC": 10}) as broker:
        settings = settings_at(
            base, broker.broker.url, paths__state_dir=str(state), paths__log_dir=str(logs)
        )
        async with living(settings, broker) as scene:
            yield scene


async def later(scene: Scene, seconds: int) -> None:
    for _ in range(seconds * 2):
        await scene.broker.wait(0.5)
        await asyncio.sleep(0.005)


async def nothing_is_sent_until(
    scene: Scene, spoil: Callable[[], object], mend: Callable[[], object]
) -> None:
    """The slot falls due while the journal takes nothing, and runs when it does again."""
    await scene.until(lambda: scene.daemon.state.book.is_known)
    spoil()
    await later(scene, 45)
    assert not scene.account.orders, "no order that is not written"
    assert "cannot be written" in scene.daemon.fault
    assert scene.daemon.state.run is None
    mend()
    assert (await scene.is_finished()).outcome == "done"
    assert scene.daemon.fault == ""
    scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_s187_nothing_is_sent_while_the_disk_is_full(tmp_path: Path, disk: Disk) -> None:
    async with a_scene_on(disk.folder / "state", tmp_path / "logs", tmp_path) as scene:
        await nothing_is_sent_until(scene, disk.fill, disk.empty)


@pytest.mark.asyncio
async def test_s187_nothing_is_sent_while_the_journal_is_read_only(tmp_path: Path) -> None:
    async with a_scene_on(tmp_path / "state", tmp_path / "logs", tmp_path) as scene:
        # What SQLite answers on a disk that the kernel has made read-only.
        execute = scene.daemon._journal._connection.execute
        await nothing_is_sent_until(
            scene,
            lambda: execute("PRAGMA query_only = ON"),
            lambda: execute("PRAGMA query_only = OFF"),
        )


@pytest.mark.asyncio
async def test_a_disk_that_fills_up_amid_a_run_stops_it_and_lets_it_go_on(
    tmp_path: Path, disk: Disk
) -> None:
    async with a_scene_on(disk.folder / "state", tmp_path / "logs", tmp_path) as scene:
        scene.trading("CCC", is_halted=True)
        await scene.until(lambda: scene.has_order("sell-CCC"))
        disk.fill()
        scene.trading("CCC", is_halted=False)
        await scene.until(lambda: scene.order("sell-CCC").status == "filled")
        await later(scene, 30)
        assert not scene.has_order("buy")
        disk.empty()
        assert (await scene.is_finished()).outcome == "done"
        scene.nothing_went_wrong()
        fills = [x for x in scene.all(e.FillBooked) if x.symbol == "CCC"]
        assert sum(fill.qty for fill in fills) == 10, "what filled meanwhile is booked once"


@pytest.mark.asyncio
async def test_logs_that_cannot_be_written_stop_no_rebalance(tmp_path: Path, disk: Disk) -> None:
    logs = disk.folder / "logs"
    async with a_scene_on(tmp_path / "state", logs, tmp_path) as scene:
        disk.fill()
        assert (await scene.is_finished()).outcome == "done"
        scene.nothing_went_wrong()
        sent = len(scene.account.orders)
        disk.empty()
        scene.daemon._recorder.log_head(*scene.daemon.journal_head())
        (path,) = logs.glob("trades_*.csv")
        rows = path.read_text().splitlines()
        assert sum(",submitted," in row for row in rows) == sent, "trades are caught up"
