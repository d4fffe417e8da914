"""`atlasd stop`, `resume`, `adopt`: through the daemon, and what happens where none runs."""

import json
import socket

import pytest

from atlas_daemon.cli import desk as commands
from tests.control.desk import DeskThread


def test_stop_halts_and_exits_0_when_complete(shell):
    with DeskThread(shell.settings) as running:
        said = shell("stop", "--reason", "drill")
        assert running.desk.state.is_halted

    assert said.exit_code == 0
    assert "[LOCAL] LARGE  halted by" in said.output
    assert "drill; no order is open" in said.output
    assert shell.settings.latch_path.exists()


def test_stop_that_is_not_complete_exits_1(shell, monkeypatch):
    monkeypatch.setattr(commands, "STOP_WAIT_S", 1)
    with DeskThread(shell.settings, is_mute=True):
        said = shell("stop")

    assert said.exit_code == 1
    assert "NOT COMPLETE" in said.output


def test_stop_without_a_daemon_writes_the_latch_itself_and_says_so(shell):
    said = shell("stop", "--reason", "line one\nline two")

    assert said.exit_code == 0
    assert "no daemon runs; the latch" in said.output
    assert "line one line two" in shell.settings.latch_path.read_text()


def test_stop_while_the_daemon_is_deaf_still_writes_the_latch(shell, monkeypatch):
    monkeypatch.setattr(commands, "STOP_WAIT_S", -9.95)
    path = shell.settings.control_socket_path
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        said = shell("stop")

    assert said.exit_code == 1
    assert "did not answer" in said.output
    assert shell.settings.latch_path.exists()


def test_a_latch_that_cannot_be_written_is_an_error(shell):
    shell.settings.state_dir.write_text("a file, not a folder")

    said = shell("stop")

    assert said.exit_code == 1
    assert "the latch cannot be written" in said.output


def test_s168_resume_wants_the_accounts_name(shell):
    with DeskThread(shell.settings):
        shell("stop")
        silent = shell("resume")
        wrong = shell("resume", "--account", "SMALL")
        assert shell.settings.latch_path.exists()
        right = shell("resume", "--account", "large", "--json")

    assert (silent.exit_code, wrong.exit_code, right.exit_code) == (2, 2, 0)
    assert "--account LARGE is needed" in silent.output
    assert "'SMALL' is not the account's name" in wrong.output
    assert "mode" in json.loads(right.output)
    assert not shell.settings.latch_path.exists()


def test_s168_resume_asks_a_person_to_type_it(shell, monkeypatch):
    monkeypatch.setattr(commands, "is_terminal", lambda: True)
    with DeskThread(shell.settings):
        shell("stop")
        assert shell("resume", keys="SMALL\n").exit_code == 2
        said = shell("resume", keys="LARGE\n")

    assert said.exit_code == 0
    assert "type the account's name to resume trading" in said.output


def test_resume_without_a_daemon_is_refused_and_the_latch_stays(shell):
    shell("stop")

    said = shell("resume", "--account", "LARGE")

    assert said.exit_code == 1
    assert "start it with `atlasd run`" in said.output
    assert shell.settings.latch_path.exists()


def test_adopt_takes_a_symbol_or_all(shell):
    with DeskThread(shell.settings):
        assert "adopted AAPL 8" in shell("adopt", "aapl").output
        assert "adopted AAPL 8, MSFT 4, NVDA 15" in shell("adopt", "--all").output
        assert shell("adopt", "ZZZ").exit_code == 3


@pytest.mark.parametrize("arguments", [(), ("AAPL", "--all")])
def test_adopt_of_nothing_or_both_is_a_usage_error(shell, arguments):
    said = shell("adopt", *arguments)

    assert said.exit_code == 2
    assert "SYMBOL or --all" in said.output
