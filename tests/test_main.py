"""`atlasd run` without the machinery of the other commands, and with it: the same daemon."""

import subprocess
import sys
from pathlib import Path

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


def test_a_standard_output_that_takes_no_more_is_one_line_and_no_traceback(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "atlas_daemon", "drill", "--list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
    assert done.returncode == 1
    assert done.stderr == "atlasd: standard output cannot be written: No space left on device\n"


def test_closed_standard_streams_are_no_reason_to_fail(tmp_path):
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m atlas_daemon paper --list-scenarios <&- >&-', sys.executable],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")
