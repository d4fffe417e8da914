"""Processes of a drill: waited for with a deadline, tied to their parent, strangers to accounts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_daemon.drillmaster.processes import (
    TIED,
    TooLateError,
    has_ended,
    kill_stray,
    scratch_environment,
    scratch_folder,
    until,
)

STARTS_AND_DIES = """
import os, subprocess, sys
command = [sys.executable, "-S", "-E", "-c", sys.argv[1], str(os.getpid()), "/bin/sleep", "60"]
child = subprocess.Popen(command)
while b"sleep" not in open(f"/proc/{child.pid}/cmdline", "rb").read().split(b"\\0")[0]:
    pass
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_drill_starts_dies_with_it_even_by_sigkill() -> None:
    command = [sys.executable, "-S", "-E", "-c", STARTS_AND_DIES, TIED]
    started = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert started.returncode == -9, started.stderr
    child = int(started.stdout)
    until("end of the child", lambda: has_ended(child), 10)


def test_a_program_whose_parent_is_gone_already_does_not_begin() -> None:
    command = [sys.executable, "-S", "-E", "-c", TIED, "1", "/bin/echo", "begun"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_what_does_not_come_is_told_by_its_name() -> None:
    with pytest.raises(TooLateError, match="no latch within 0 s"):
        until("latch", lambda: False, 0.0)


def test_an_environment_knows_no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ALPACA_LARGE_KEY", "ATLAS_ACCOUNT__MODE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.setenv(name, "real")
    environ = scratch_environment(tmp_path)
    assert "real" not in environ.values()
    assert environ["HOME"] == str(tmp_path)


def test_a_scratch_folder_goes_with_its_block_whatever_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt), scratch_folder() as folder:
        (folder / "file").write_text("x")
        raise KeyboardInterrupt
    assert not folder.exists()


def test_a_number_that_was_given_to_another_program_is_left_alone() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as other:
        kill_stray(other.pid)
        assert other.poll() is None
        os.kill(other.pid, 9)
