"""`atlasd demo`: the whole story in one terminal, and nobody left behind."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.edges.embedded import embedded_broker
from tests.e2e.processes import ROOT, Place, a_place, children_of, has_ended, until

pytestmark = pytest.mark.e2e

DATA = ROOT.parent / "shared" / "data" / "us_daily_2014_2026.parquet"
TOLD = ("Plan of", "selling", "buying", "reconciling", "Reconciliation", "Summary of", "Logs:")


@pytest.fixture
def place() -> Iterator[Place]:
    with a_place() as made:
        yield made


def demo(place: Place, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start the demo with its output in a file, as a shell would."""
    command = [*place.command("demo")[:-2], "--log-dir", str(place.logs), *arguments]
    with (place.folder / "story.txt").open("wb") as sink:
        return subprocess.Popen(
            command,
            cwd=place.folder,
            env=place.environment() | {"COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )


def story(place: Place) -> str:
    return (place.folder / "story.txt").read_text(errors="replace")


def test_the_demo_tells_the_whole_story_twice(place: Place) -> None:
    for number in (1, 2):
        with demo(place) as process:
            assert process.wait(100) == 0, story(place)
        told = story(place)
        assert [word for word in TOLD if word not in told] == [], told
        assert "Dashboard: http://127.0.0.1:" in told
        assert "it ends with the demo; --keep stays up" in told
        assert told.count(" signals: ") == 1  # the day's refresh says them again
        assert f"Summary of {'2026-02'}: done" in told
        assert list(place.logs.glob("trades_*.csv")), number


@pytest.mark.skipif(not DATA.exists(), reason="needs the daily bars in ../shared/data")
def test_the_demo_on_the_real_prices_of_february_2024_buys_the_ten_leaders(place: Place) -> None:
    with demo(place, "--market", f"replay:{DATA}", "--date", "2024-02-01") as process:
        assert process.wait(100) == 0, story(place)
    (line,) = [line for line in story(place).splitlines() if " signals: " in line]
    leaders = "NFLX CRM ADBE NVDA NOW ACN PANW INTU META MSFT"
    assert line.split(": ", 2)[-1].split() == leaders.split()
    table = story(place).partition("Reconciliation")[2].partition("Summary of")[0]
    held = {
        line.split("│")[1].strip()
        for line in table.splitlines()
        if line.count("│") > 3 and line.split("│")[3].strip() not in ("0", "")
    }
    assert set(leaders.split()) <= held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_cut_off_leaves_no_broker_behind(place: Place, number: int) -> None:
    with demo(place) as process:
        until("the daemon", lambda: "Broker at" in story(place) or process.poll() is not None)
        children = until("a broker", lambda: children_of(process.pid))
        os.kill(process.pid, number)
        code = process.wait(40)
    assert code == (0 if number == signal.SIGINT else -signal.SIGKILL), story(place)
    assert "Traceback" not in story(place)
    until("end of the broker", lambda: all(has_ended(child) for child in children), 20)
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _is_of(path, place)]
    assert left == []


def test_a_brokers_own_words_are_told_where_it_does_not_start() -> None:
    async def start() -> None:
        async with embedded_broker(["--market", "nonsense"]):
            raise AssertionError("it started")

    with pytest.raises(AtlasError, match="--market nonsense: must be"):
        asyncio.run(start())


def test_a_timeout_beside_a_running_broker_is_not_taken_for_its_own() -> None:
    async def work() -> None:
        async with embedded_broker([]):
            raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        asyncio.run(work())


def _is_of(path: Path, place: Place) -> bool:
    try:
        return str(place.folder).encode() in path.read_bytes()
    except OSError:
        return False
