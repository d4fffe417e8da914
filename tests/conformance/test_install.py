"""What is foreign is installed once and whole, and where it cannot be had somebody says so."""

import pytest

from tests.conformance import install
from tests.conformance.conftest import not_here


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(install, "FOLDER", tmp_path / "kept")
    return tmp_path / "kept"


def test_what_is_there_is_not_made_again_until_its_needs_change(tmp_path, folder) -> None:
    needs = tmp_path / "needs.txt"
    needs.write_text("a==1")
    made = []

    def make(to) -> None:
        made.append(to)
        (to / "thing").write_text(needs.read_text())

    for text in ("a==1", "a==1", "a==2", "a==2"):
        needs.write_text(text)
        assert (install.made("thing", [needs], make) / "thing").read_text() == text
    assert len(made) == 2
    assert [path for path in made if path.exists()] == []


def test_what_breaks_off_leaves_nothing_that_looks_made(tmp_path, folder) -> None:
    needs = tmp_path / "needs.txt"
    needs.write_text("a==1")

    def breaks(to) -> None:
        (to / "half").touch()
        raise install.NotHereError("no network")

    with pytest.raises(install.NotHereError, match="no network"):
        install.made("thing", [needs], breaks)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    assert install.made("thing", [needs], lambda to: (to / "whole").touch()).is_dir()


def test_a_program_that_is_missing_is_named(monkeypatch) -> None:
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    with pytest.raises(install.NotHereError, match=r"^node is not installed$"):
        install.node()


def test_a_command_that_fails_is_told_in_one_line() -> None:
    with pytest.raises(install.NotHereError, match=r"^python\S* -c .* ended with 3: the reason$"):
        install._run(
            [install.sys.executable, "-c", "import sys;print('the reason');sys.exit(3)"],
            install.ROOT,
        )


def test_what_is_missing_is_skipped_here_and_fails_in_ci(monkeypatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="node is not installed"):
        not_here("node is not installed")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="node is not installed"):
        not_here("node is not installed")
