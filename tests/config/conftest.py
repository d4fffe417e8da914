"""A folder with the files a test writes, and the settings loaded from it."""

from pathlib import Path

import pytest

from atlas_daemon.config import Settings, load_settings

ROOT = Path(__file__).parents[2]


class Desk:
    """A working directory: atlas.toml, .env and an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": "/home/ada"}
        self.overrides: dict[str, object] = {}

    def toml(self, text: str) -> "Desk":
        (self.folder / "atlas.toml").write_text(text, encoding="utf-8")
        return self

    def dotenv(self, text: str) -> "Desk":
        (self.folder / ".env").write_text(text, encoding="utf-8")
        return self

    def env(self, **variables: str) -> "Desk":
        self.environ |= variables
        return self

    def load(self, config_path: Path | None = None) -> Settings:
        return load_settings(
            config_path, environ=self.environ, cwd=self.folder, overrides=self.overrides
        )


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def root():
    return ROOT
