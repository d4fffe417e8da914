"""`atlasd panic` without a broker: what it is aimed at, and that it never guesses."""

import threading

import pytest

from atlas_daemon.cli import panic

KEYS = {"ALPACA_X_KEY": "PKLOCAL0000000000000", "ALPACA_X_SECRET": "secret"}


@pytest.fixture
def broken(shell, tmp_path, monkeypatch):
    """A configuration that does not load, and a clean environment."""
    (tmp_path / "atlas.toml").write_text("this is not toml")
    for name in ("NAME", "MODE"):
        monkeypatch.delenv(f"ATLAS_ACCOUNT__{name}", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return shell


def target(**changes):
    given = {"name": "X", "mode": "local", "trading_url": "http://127.0.0.1:9", "state_dir": None}
    return panic._target(**(given | changes), config=None)


def test_without_configuration_nothing_is_guessed(broken):
    said = broken("panic", "--mode", "paper")
    assert said.exit_code == 2
    assert "the configuration is not used" in said.stderr
    assert "--name NAME and --mode local|paper|live are needed" in said.stderr


def test_cancel_only_and_suspend_exclude_each_other(shell):
    assert shell("panic", "--cancel-only", "--suspend").exit_code == 2


def test_paper_keys_go_to_no_other_address(broken, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    url = ("--trading-url", "https://example.com")
    said = broken("panic", "--name", "X", "--mode", "paper", *url)
    assert said.exit_code == 78
    assert "https://paper-api.alpaca.markets" in said.stderr


def test_a_place_that_was_not_configured_is_not_sure(broken, tmp_path, monkeypatch):
    guessed = target()
    assert guessed.latch_path == tmp_path / ".local/state/atlas/local-X/HALTED"
    assert not guessed.is_place_sure
    assert panic._latch(guessed) is False, "the broker must hold the stop as well"
    given = target(state_dir=tmp_path / "s")
    assert given.is_place_sure
    assert panic._latch(given) is True
    assert "(local-X)" in (tmp_path / "s" / "HALTED").read_text()
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/a:{tmp_path}/b")
    assert target().latch_path == tmp_path / "a" / "HALTED"


def test_the_environment_names_the_account_too(broken, monkeypatch):
    monkeypatch.setenv("ATLAS_ACCOUNT__NAME", "x")
    monkeypatch.setenv("ATLAS_ACCOUNT__MODE", "local")
    made = target(name=None, mode=None)
    assert (made.name, made.mode) == ("X", "local")


def test_a_configuration_that_loads_is_used_with_what_is_said_beside_it(shell, tmp_path):
    made = target(name=None, mode=None)
    assert made.name == "LARGE"
    assert made.latch_path == tmp_path / "state" / "HALTED"
    assert made.is_place_sure


def test_a_disk_that_does_not_answer_holds_nothing_back(monkeypatch):
    monkeypatch.setattr(panic, "LATCH_WAIT_S", 0.01)
    assert "no answer from the disk" in panic._in_time(lambda: str(threading.Event().wait()))
