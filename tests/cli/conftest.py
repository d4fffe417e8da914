"""A working directory with an atlas.toml, and the commands run in it."""

import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.cli import commands
from tests.control.desk import settings_in

TOML = """\
[account]
mode = "local"
[paths]
state_dir = "state"
log_dir = "logs"
[dashboard]
port = 0
"""


class Shell:
    """Runs a command as a person would, without a terminal."""

    def __init__(self, folder) -> None:
        self.settings = settings_in(folder)
        self._app = typer.Typer()
        commands.register(self._app)

    def __call__(self, *arguments: str, keys: str | None = None):
        return CliRunner().invoke(self._app, list(arguments), input=keys)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    (tmp_path / "atlas.toml").write_text(TOML)
    return Shell(tmp_path)
