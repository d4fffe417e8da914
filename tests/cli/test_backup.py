"""`atlasd backup` and `atlasd restore` as a person types them; what they do is proven elsewhere."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from atlas_daemon.cli.backup import _catch_up
from atlas_daemon.core import events as e
from atlas_daemon.core.values import AccountMode
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError, Unknown
from atlas_daemon.journal import Journal
from tests.control.desk import Desk


def a_state(shell):
    desk = Desk(shell.settings).open()
    desk.journal.close()
    return desk.journal.path


def test_a_backup_goes_into_the_folder_here_named_after_account_and_moment(shell, tmp_path):
    a_state(shell)
    said = shell("backup", "--json")
    assert said.exit_code == 0
    document = json.loads(said.output)
    (path,) = tmp_path.glob("atlas-local-LARGE-*Z.tar.gz")
    assert document["path"] == str(path)
    assert document["size"] == path.stat().st_size
    assert "journal.db" in document["files"]


def test_a_backup_goes_where_it_is_told_and_replaces_nothing(shell, tmp_path):
    a_state(shell)
    (tmp_path / "saved").mkdir()
    said = shell("backup", "saved")
    (path,) = (tmp_path / "saved").iterdir()
    assert said.exit_code == 0 and str(path) in said.output and "journal head " in said.output
    assert shell("backup", "one.tar.gz").exit_code == 0
    again = shell("backup", "one.tar.gz")
    assert again.exit_code == 1 and "is there already" in again.stderr


def test_without_a_journal_nothing_is_saved(shell, tmp_path):
    said = shell("backup")
    assert said.exit_code == 78 and "does not exist" in said.stderr
    assert not list(tmp_path.glob("*.tar.gz"))


@pytest.mark.parametrize("words", [(), ("x.tar.gz", "--in-place")])
def test_a_restore_takes_a_file_or_what_is_in_place(shell, words):
    said = shell("restore", *words)
    assert said.exit_code == 2 and "restore takes a FILE or --in-place" in said.stderr


def test_a_restore_without_a_broker_to_ask_is_refused(shell, tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"")
    said = shell("restore", "x.tar.gz")
    assert said.exit_code == 78 and said.stderr.startswith("atlasd: broker.trading_url: ")


def test_a_restore_is_undone_where_the_broker_does_not_answer(shell, tmp_path, monkeypatch):
    async def refused(client: AlpacaTradingClient) -> None:
        raise OutcomeUnknownError("clock", Unknown("connection refused", is_transient=True))

    monkeypatch.setattr(AlpacaTradingClient, "get_clock", refused)
    a_state(shell)
    assert shell("backup", "one.tar.gz").exit_code == 0
    state = shell.settings.state_dir
    state.rename(tmp_path / "kept")
    toml = tmp_path / "atlas.toml"
    toml.write_text(f'{toml.read_text()}[broker]\ntrading_url = "http://127.0.0.1:1"\n')
    said = shell("restore", "one.tar.gz")
    assert said.exit_code == 1 and "does not answer" in said.stderr
    assert list(state.iterdir()) == []


def test_a_restore_beside_a_state_is_refused(shell, tmp_path):
    a_state(shell)
    assert shell("backup", "one.tar.gz").exit_code == 0
    toml = tmp_path / "atlas.toml"
    toml.write_text(f'{toml.read_text()}[broker]\ntrading_url = "http://127.0.0.1:1"\n')
    said = shell("restore", "one.tar.gz")
    assert said.exit_code == 1 and "is not empty" in said.stderr


@pytest.mark.asyncio
async def test_a_scale_that_an_older_journal_has_is_not_in_force_again(tmp_path):
    saved = datetime(2027, 5, 3, 15, 0, tzinfo=UTC)
    happened = [
        e.DaemonStarted("1", "LIVE", AccountMode.LIVE, "9", "d", is_latched=False),
        e.BookAdopted(Decimal(50_000), (), is_whole=True, why="the first book"),
        e.ScaleChanged("ann", Decimal("0.25"), Decimal("0.5"), 30),
    ]

    class Client:
        async def get_account(self):
            return SimpleNamespace(number="9")

        async def list_orders(self, status, after):
            return []

    account = {"account_mode": AccountMode.LIVE, "account_name": "LIVE"}
    with Journal.open(tmp_path / "journal.db", **account) as journal:
        journal.append([e.Entry(n, saved, None, x) for n, x in enumerate(happened, 1)])
        later = saved + timedelta(days=90)
        await _catch_up(journal, Client(), later, Decimal("0.25"))
        said = [x.event for x in journal.read() if isinstance(x.event, e.ScaleChanged)]
    assert [(x.by, x.was, x.scale) for x in said[1:]] == [
        ("atlasd restore", Decimal("0.5"), Decimal("0.25"))
    ]
