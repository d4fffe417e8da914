import json
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from atlas_daemon.cli.commands import register
from tests.replay.history import History, write_history

UNIVERSE = "AAA,BBB,CCC,DDD,EEE,FFF,GGG,HHH"


@pytest.fixture(scope="session")
def history(tmp_path_factory) -> History:
    return write_history(tmp_path_factory.mktemp("history") / "bars.parquet")


def atlasd(*words: str) -> Result:
    """Run a command line in this process."""
    app = typer.Typer(pretty_exceptions_enable=False)
    register(app)
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def replayed(history: History, out: Path, *more: str, code: int = 0) -> Any:
    """Run the command; return its report."""
    arguments = [
        *("replay", "--json", "--data", f"file:{history.path}", "--universe", UNIVERSE),
        *("--top-n", "4", "--cash", "1000000", "--out", str(out), *more),
    ]
    result = atlasd(*arguments)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def calm(history, tmp_path_factory) -> Any:
    """A replay of half a year, always bull: its report, and its folder."""
    out = tmp_path_factory.mktemp("calm") / "out"
    span = ("--from", "2022-01-24", "--to", "2022-08-12")
    return replayed(history, out, *span, "--regime", "TREND_BULL"), out
