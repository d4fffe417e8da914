"""`atlasd run` without the machinery of the other commands, and with it: the same daemon."""

import subprocess
import sys

import pytest

from atlas_daemon.__main__ import _plain_run


@pytest.mark.parametrize(
    ("words", "config"),
    [
        (["run"], ""),
        (["run", "--config", "a.toml"], "a.toml"),
        (["--config", "a.toml", "run"], "a.toml"),
        (["run", "--config=a.toml"], None),
        (["run", "--help"], None),
        (["run", "--config", "--help"], None),
        (["run", "--config", ""], None),
        (["run", "now"], None),
        (["status"], None),
        ([], None),
    ],
)
def test_the_plain_spellings_of_run_are_taken_and_no_others(words, config):
    assert _plain_run(words) == config


@pytest.mark.parametrize("spelled", [["--config", "{}"], ["--config={}"]], ids=["plain", "typer"])
def test_however_it_is_spelled_a_wrong_configuration_is_one_line_and_78(tmp_path, spelled):
    path = tmp_path / "atlas.toml"
    path.write_text("no.such = 1\n")
    words = [word.format(path) for word in spelled]
    done = subprocess.run(
        [sys.executable, "-m", "atlas_daemon", "run", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 78, done.stderr
    assert done.stderr.startswith("atlasd: ")
    assert done.stderr.count("\n") == 1
