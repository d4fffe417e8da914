"""The mode and the account's name stand wherever somebody looks: the walk, place by place.

The trades files have the columns that they must have and no others: theirs stands in the file
ACCOUNT beside them.
"""

import csv
import io
import json
import logging
import re
import socket
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_daemon.assembly import World, account_label, make_records
from atlas_daemon.claim import AccountClaim, claim_log_folder
from atlas_daemon.cli import desk
from atlas_daemon.cli.options import label_of
from atlas_daemon.config import Credentials, Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.values import AccountMode
from atlas_daemon.core.views import status_of
from atlas_daemon.dashboard.page import page_of
from atlas_daemon.edges.clock import SystemClock
from atlas_daemon.edges.journald import JournalConsole
from atlas_daemon.edges.notify import Notice, Severity
from atlas_daemon.edges.notify.letters import write
from atlas_daemon.records import Recorder
from tests.cli.journals import write_demo
from tests.house.source import PACKAGE
from tests.promoter.wallet import certified, settings_in
from tests.test_app import settings_at

AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
KEYS = Credentials("PK", "secret", "the test")
MODES = [mode.value for mode in AccountMode]


def settings_of(folder: Path, mode: str) -> Settings:
    settings = settings_at(folder, "http://127.0.0.1:9")
    return replace(settings, account=replace(settings.account, mode=mode, number="X1"))


def started(settings: Settings) -> Entry:
    account = settings.account
    named = account.name, AccountMode(account.mode), account.number
    return Entry(1, AT, None, e.DaemonStarted("1.0", *named, "digest", is_latched=False))


# What every file of the daemon says first, or beside it.


def logs(settings: Settings, kind: str) -> str:
    world = World(console=False, environ={})
    records = make_records(settings, KEYS, world, SystemClock())
    records.log_error("Daemon", "something went wrong")
    records.release()
    (path,) = settings.log_dir.glob(f"{kind}_*.log")
    return path.read_text().splitlines()[0]


def start_line(settings: Settings) -> str:
    """A day has several starts, and one file."""
    world = World(console=False, environ={})
    records = make_records(settings, KEYS, world, SystemClock())
    Recorder(records).on_turn([started(settings)])
    records.release()
    (path,) = settings.log_dir.glob("execution_*.log")
    line = path.read_text().splitlines()[1]
    assert f"{settings.account.mode}-PROOF X1" in line
    return f"[{settings.account.mode.upper()}] PROOF"


def beside_the_trades(settings: Settings) -> str:
    settings.log_dir.mkdir()
    claim_log_folder(settings)
    return (settings.log_dir / "ACCOUNT").read_text()


def lock_and_latch(settings: Settings) -> str:
    claim = AccountClaim(settings)
    claim.take()
    claim.latch.account = f"{settings.account.mode}-PROOF X1"
    assert not claim.latch.write("a test", "x", AT)
    said = settings.lock_path.read_text() + settings.latch_path.read_text()
    claim.release()
    assert said.count(f"{settings.account.mode}-PROOF") == 2
    return f"[{settings.account.mode.upper()}] PROOF"


def page(settings: Settings) -> str:
    state = replace(
        State(now=AT), account_name="PROOF", account_mode=AccountMode(settings.account.mode)
    )
    html = page_of(status_of(state, Policy(), AT))
    mode = settings.account.mode.upper()
    assert html.count(f"[{mode}]") >= 2, "the title and the head"
    assert "PROOF" in html
    return f"[{mode}] PROOF"


def message(settings: Settings) -> str:
    notice = Notice(0, AT, Severity("critical"), "halt", "halted")
    return write([notice], label=account_label(settings), head="1:x", limit=2000).title


def systemd_journal(settings: Settings) -> str:
    path = settings.state_dir.with_name("j")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        console = JournalConsole(account_label(settings), str(path))
        console.write("[2027-02-01 09:35:00] [INFO] Daemon: Started")
        console.close()
        said = journal.recv(10_000).decode()
    return next(row for row in said.splitlines() if row.startswith("ATLAS_ACCOUNT="))


PLACES: dict[str, Callable[[Settings], str]] = {
    "execution log": lambda settings: logs(settings, "execution"),
    "errors log": lambda settings: logs(settings, "errors"),
    "each start": start_line,
    "trades files": beside_the_trades,
    "lock and latch": lock_and_latch,
    "page": page,
    "message": message,
    "systemd's journal": systemd_journal,
    "commands": label_of,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", PLACES)
def test_the_mode_and_the_name_stand_there(tmp_path, place, mode):
    logging.getLogger("Daemon").setLevel(logging.DEBUG)
    assert f"[{mode.upper()}] PROOF" in PLACES[place](settings_of(tmp_path, mode))


# Questions.


@pytest.mark.parametrize("mode", MODES)
def test_every_question_names_mode_and_account(tmp_path, monkeypatch, mode):
    asked = []
    monkeypatch.setattr(desk, "is_terminal", lambda: True)
    monkeypatch.setattr(desk.typer, "prompt", lambda text: asked.append(text) or "PROOF")
    assert desk.confirmed_account(settings_of(tmp_path, mode), None, "do it") == "PROOF"
    assert asked == [f"[{mode.upper()}] PROOF: type the account's name to do it"]


def test_nothing_is_asked_but_there():
    asks = re.compile(r"typer\.(prompt|confirm)\(|\binput\(|Prompt\.ask|Confirm\.ask")
    found = {
        path.relative_to(PACKAGE).as_posix(): len(asks.findall(path.read_text("utf-8")))
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: count for name, count in found.items() if count} == {"cli/desk.py": 1}


# What commands write into files.


def exported(shell, folder: Path) -> str:
    assert shell("audit", "export", "--out", "x.jsonl").exit_code == 0
    lines = [json.loads(row) for row in (folder / "x.jsonl").read_text().splitlines()]
    (account,) = {line["account"] for line in lines}
    return account


def exported_as_csv(shell, folder: Path) -> str:
    assert shell("audit", "export", "--format", "csv", "--out", "x.csv").exit_code == 0
    rows = list(csv.DictReader(io.StringIO((folder / "x.csv").read_text())))
    (account,) = {row["account"] for row in rows}
    return account


def backed_up(shell, folder: Path) -> str:
    assert shell("backup", "b.tgz").exit_code == 0
    with tarfile.open(folder / "b.tgz") as archive:
        manifest = json.loads(archive.extractfile("manifest.json").read())
    return f"{manifest['account_mode']}-{manifest['account_name']}"


def named_by_the_backup(shell, folder: Path) -> str:
    assert shell("backup").exit_code == 0
    (path,) = folder.glob("atlas-*.tar.gz")
    return path.name


def reported(shell, folder: Path) -> str:
    assert shell("report", "--html", "r.html").exit_code == 0
    assert "[LOCAL] LARGE" in (folder / "r.html").read_text()
    return "local-LARGE"


def reported_as_csv(shell, folder: Path) -> str:
    assert shell("report", "--csv", "r.csv").exit_code == 0
    rows = list(csv.DictReader(io.StringIO((folder / "r.csv").read_text())))
    assert {row["account"] for row in rows} == {"[LOCAL] LARGE"}
    return "local-LARGE"


@pytest.mark.parametrize(
    "written",
    [exported, exported_as_csv, backed_up, named_by_the_backup, reported, reported_as_csv],
)
def test_what_a_command_writes_says_whose_it_is(shell, tmp_path, written):
    write_demo(shell.settings)
    assert "local-LARGE" in written(shell, tmp_path)


def test_a_certificate_says_live(tmp_path):
    path = certified(settings_in(tmp_path))
    assert '"mode":"live"' in path.read_text().replace('": "', '":"')
