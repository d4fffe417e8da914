"""An account's state in a folder, and another machine without any."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_daemon.archivist import Packed, pack, put_in_place, unpack
from atlas_daemon.config import Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal
from tests.control.desk import settings_in

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TOKEN = "https://hooks.example/T0/very-secret"


def some_entries(count: int, first: int = 1) -> list[e.Entry]:
    return [
        e.Entry(n, AT, None, e.AlertRaised("info", f"key {n}", "text"))
        for n in range(first, first + count)
    ]


@dataclass
class Machine:
    """A folder with settings, as on one machine."""

    settings: Settings

    @property
    def state(self) -> Path:
        return self.settings.state_dir

    def live(self, entries: int = 5) -> None:
        """Have a state: a journal, and what stands beside it."""
        self.state.mkdir(parents=True)
        with self.journal() as journal:
            journal.append(some_entries(entries))
            journal.claim_number("PA1")
        (self.state / "regime_labels.json").write_text('{"labels": []}')
        (self.state / "HALTED").write_text("halted by ann\n")
        (self.state / "lock").write_text("process 1\n")
        (self.state / "run").mkdir()
        (self.state / "broker.json").write_text("the local broker's own")
        (self.state / "half.new").write_text("a draft")
        self.settings.log_dir.mkdir()
        (self.settings.log_dir / "execution_2026-11-20.log").write_text("a line\n")

    def journal(self) -> Journal:
        return Journal.open(
            self.settings.journal_path,
            account_mode=AccountMode(self.settings.mode),
            account_name=self.settings.account.name,
            now=lambda: AT,
        )

    def pack(self, target: Path, **how: bool) -> Packed:
        return pack(self.settings, target, AT, **how)

    def restore(self, source: Path) -> None:
        put_in_place(self.settings, unpack(self.settings, source))


@pytest.fixture
def old(tmp_path: Path) -> Machine:
    folder = tmp_path / "old"
    folder.mkdir()
    machine = Machine(settings_in(folder, notify__webhook_url=TOKEN, paths__log_dir="logs"))
    machine.live()
    return machine


@pytest.fixture
def new(tmp_path: Path) -> Machine:
    folder = tmp_path / "new"
    folder.mkdir()
    return Machine(settings_in(folder, paths__log_dir="logs", strategy__top_n=7))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "saved.tar.gz"
