"""What a process carries, asked of a real one: the daemon stays lean, also through others."""

import json
import os
import subprocess
import sys

import pytest

from tests.house.source import ROOT

HEAVY = {"alpaca", "exchange_calendars", "numpy", "pandas", "pyarrow", "requests", "scipy"}


def _carried(statements: str) -> set[str]:
    """Return the top names of all modules in a fresh process after `statements`."""
    text = f"{statements}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def _heavy(modules: set[str]) -> set[str]:
    return HEAVY & {name.split(".")[0] for name in modules}


def test_the_daemon_carries_no_data_frames_and_no_sdk() -> None:
    assert _heavy(_carried("import atlas_daemon.app")) == set()


def test_atlasd_run_carries_no_more_than_the_daemon_needs() -> None:
    carried = _carried(
        "import atlas_daemon.__main__, atlas_daemon.service\n"
        "import atlas_daemon.app, atlas_daemon.edges.embedded"
    )
    assert _heavy(carried) == set()
    # For the terminal alone; pydantic is what typer reads options with.
    assert not {"rich", "pygments", "typer", "pydantic", "atlas_daemon.cli"} & carried
    assert not {"prometheus_client", "apprise"} & carried  # until somebody asks, in a child
    ours = {name for name in carried if name.startswith("atlas_daemon.")}
    others = ("atlas_daemon.bars", "atlas_daemon.paper", "atlas_daemon.strategy")
    assert {name for name in ours if name.startswith(others)} == set()
    assert "atlas_daemon.worker" not in ours


@pytest.mark.parametrize("command", ["status", "stop", "run"])
def test_the_help_of_a_command_is_quick_to_come(command: str) -> None:
    """Help loads every command's file; none of them may carry what is heavy at its top."""
    carried = _carried(
        "import sys\n"
        f"sys.argv = ['atlasd', {command!r}, '--help']\n"
        "from atlas_daemon.cli import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass"
    )
    assert _heavy(carried) == set()


def test_the_local_broker_is_a_stranger_to_the_daemon() -> None:
    carried = _carried("import atlas_daemon.paper.server")
    ours = {name for name in carried if name.startswith("atlas_daemon.")}
    assert {n for n in ours if not n.startswith("atlas_daemon.paper")} == set()


def test_the_core_stands_alone() -> None:
    carried = _carried("import atlas_daemon.core.engine")
    ours = {name for name in carried if name.startswith("atlas_daemon.")}
    assert {n for n in ours if not n.startswith("atlas_daemon.core")} == set()
    assert not {"asyncio", "sqlite3", "msgspec", "aiohttp", "structlog"} & carried
