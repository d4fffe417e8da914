"""Every command that talks to a broker or a daemon: what does not fit is refused, and named.

Nothing may leave here at all: a socket that is opened fails the test.
"""

import asyncio
import os
import socket

import pytest

from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal
from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET
from tests.cli.journals import write_demo
from tests.control.desk import DeskThread
from tests.doorman import a_doorman
from tests.paper.sockets import running

PAPER_KEYS = {"ALPACA_LARGE_KEY": "PKPAPER", "ALPACA_LARGE_SECRET": "x"}
LIVE_KEYS = {"ALPACA_LARGE_KEY": "AKLIVE", "ALPACA_LARGE_SECRET": "x"}
LIVE = {"ATLAS_ACCOUNT__MODE": "live", "ATLAS_ACCOUNT__NUMBER": "123456789"}
PAPER = {"ATLAS_ACCOUNT__MODE": "paper"}
AT_THE_BROKER = (("transition",), ("plan",), ("panic", "--patience", "1"), ("rebalance",))
AT_THE_DAEMON = (
    *(("status",), ("orders",), ("stop",), ("resume", "--account", "LARGE"), ("adopt", "AAPL")),
    *(("rebalance",), ("reload",), ("regime", "set", "CRASH"), ("explain", "AAPL"), ("doctor",)),
    *(("trades",), ("audit", "verify"), ("backup", "x.tar.gz"), ("transition",)),
)


@pytest.fixture
def no_way_out(monkeypatch):
    """No connection can be made, but to a daemon's socket where there is none."""
    connect = socket.socket.connect

    def refuse(self, address):
        if self.family != socket.AF_UNIX:
            raise AssertionError(f"a connection to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture
def nowhere(shell, tmp_path, monkeypatch):
    """A shell whose configuration says nothing, and an environment without keys."""
    (tmp_path / "atlas.toml").write_text('[paths]\nstate_dir = "state"\nlog_dir = "logs"\n')
    for name in list(os.environ):
        if name.startswith(("ATLAS_", "ALPACA_")):
            monkeypatch.delenv(name)
    return shell


def put(monkeypatch, *variables):
    for each in variables:
        for name, value in each.items():
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize("command", AT_THE_BROKER, ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("given", "gate"),
    [
        ((PAPER, LIVE_KEYS), "begins with AK"),
        ((LIVE, PAPER_KEYS), "begins with PK"),
        ((LIVE | {"ATLAS_ACCOUNT__NUMBER": ""}, LIVE_KEYS), "account.number"),
        (
            (LIVE, LIVE_KEYS, {"ATLAS_BROKER__TRADING_URL": "https://paper-api.alpaca.markets"}),
            "broker.trading_url",
        ),
        (
            (PAPER, PAPER_KEYS, {"ATLAS_BROKER__TRADING_URL": "https://api.alpaca.markets"}),
            "broker.trading_url",
        ),
        (
            (LIVE, LIVE_KEYS, {"ATLAS_BROKER__TRADING_URL": "http://127.0.0.1:1"}),
            "broker.trading_url",
        ),
        (
            (
                {"ATLAS_ACCOUNT__MODE": "local", "ATLAS_BROKER__TRADING_URL": "http://127.0.0.1:1"},
                LIVE_KEYS,
            ),
            "a live key",
        ),
    ],
    ids=("live keys", "paper keys", "no number", "endpoint", "endpoint", "loopback", "local"),
)
def test_s178_what_does_not_agree_ends_with_78_naming_the_gate_and_nothing_is_sent(
    nowhere, no_way_out, monkeypatch, command, given, gate
):
    put(monkeypatch, *given)
    if command[0] == "panic":
        if gate == "account.number":
            return  # for an emergency the keys and where they belong are enough
        command = (*command, "--name", "LARGE", "--mode", os.environ["ATLAS_ACCOUNT__MODE"])
    done = nowhere(*command)
    assert done.exit_code == 78, done.output
    assert gate in done.stderr


@pytest.mark.parametrize("command", AT_THE_DAEMON, ids=lambda c: c[0])
@pytest.mark.parametrize("theirs", [("paper", "LARGE", "PA1"), ("live", "LARGE", "987654321")])
def test_s179_no_command_reads_or_asks_for_an_account_in_anothers_state_folder(
    nowhere, no_way_out, monkeypatch, tmp_path, command, theirs
):
    put(monkeypatch, LIVE, LIVE_KEYS)
    mode, name, number = theirs
    path = tmp_path / "state" / "journal.db"
    with Journal.open(path, account_mode=AccountMode(mode), account_name=name) as journal:
        journal.claim_number(number)
    done = nowhere(*command)
    assert done.exit_code == 78, done.output
    assert f"belongs to account {number} ({mode}-{name})" in done.stderr
    assert not (tmp_path / "state" / "HALTED").exists()


def test_the_daemon_of_another_mode_is_not_resumed_in_our_name(shell, monkeypatch, tmp_path):
    """The same name, the same folder: only the mode tells the paper daemon from the live one."""
    with DeskThread(shell.settings):
        with Journal.open_readonly(shell.settings.journal_path) as journal:
            assert journal.account()[:2] == ("local", "LARGE")
        put(monkeypatch, LIVE, LIVE_KEYS)
        done = shell("resume", "--account", "LARGE")
    assert done.exit_code == 78, done.output
    assert "(local-LARGE)" in done.stderr


@pytest.mark.parametrize(
    ("mode", "keys", "number"),
    [("paper", PAPER_KEYS, ""), ("live", LIVE_KEYS, "123456789"), ("local", {}, "PA0000000000")],
)
def test_a_backup_of_another_account_is_not_restored(
    shell, no_way_out, monkeypatch, tmp_path, mode, keys, number
):
    write_demo(shell.settings)
    with Journal.open(
        shell.settings.journal_path, account_mode=AccountMode.LOCAL, account_name="LARGE"
    ) as journal:
        journal.claim_number("PA1")
    assert shell("backup", "saved.tar.gz").exit_code == 0
    put(monkeypatch, keys)
    monkeypatch.setenv("ATLAS_ACCOUNT__MODE", mode)
    monkeypatch.setenv("ATLAS_ACCOUNT__NUMBER", number)
    monkeypatch.setenv("ATLAS_PATHS__STATE_DIR", str(tmp_path / "elsewhere"))
    if mode == "local":
        monkeypatch.setenv("ATLAS_BROKER__TRADING_URL", "http://127.0.0.1:1")
    done = shell("restore", "saved.tar.gz")
    assert done.exit_code == 78, done.output
    assert "the backup is of " in done.stderr
    assert not (tmp_path / "elsewhere" / "journal.db").exists()


def test_nor_is_one_that_shares_the_runtime_folder_only(shell, monkeypatch, tmp_path):
    with DeskThread(shell.settings):
        put(monkeypatch, LIVE, LIVE_KEYS)
        monkeypatch.setenv("ATLAS_PATHS__STATE_DIR", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("ATLAS_PATHS__RUNTIME_DIR", str(shell.settings.runtime_dir))
        done = shell("resume", "--account", "LARGE")
        assert done.exit_code == 78, done.output
        assert "paths.runtime_dir" in done.stderr
        assert "the daemon of local-LARGE, and the configuration is of live-LARGE" in done.stderr
        monkeypatch.setenv("ATLAS_ACCOUNT__MODE", "local")
        monkeypatch.delenv("ALPACA_LARGE_KEY")
        monkeypatch.delenv("ALPACA_LARGE_SECRET")
        assert shell("status").exit_code == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("command", "code", "gate"),
    [
        (("panic", "--patience", "2"), 3, "account number"),
        (("plan",), 78, "account.number"),
        (("transition",), 78, "account.number"),
        (("doctor",), 1, "number"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
async def test_a_number_that_is_not_the_pinned_one_lets_only_questions_out(
    shell, monkeypatch, command, code, gate
):
    async with running(speed=1.0) as broker, a_doorman(broker.broker.url) as door:
        resting = await broker.order(type="limit", limit_price="1", qty="1")
        monkeypatch.setenv("ATLAS_ACCOUNT__NUMBER", "PA0000000000")
        monkeypatch.setenv("ATLAS_BROKER__TRADING_URL", door.url)
        put(monkeypatch, {"ALPACA_LARGE_KEY": LOCAL_KEY, "ALPACA_LARGE_SECRET": LOCAL_SECRET})
        done = await asyncio.to_thread(shell, *command)
        assert done.exit_code == code, done.output
        assert gate in done.output
        assert "PA0000000000" in done.output
        assert door.changes == 0
        assert (await broker.get(f"/v2/orders/{resting['id']}"))["status"] != "canceled"
