"""A disk that takes no more: mounted where this user may, else a limit on a running process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from atlas_daemon.drillmaster import disks
from atlas_daemon.drillmaster.scene import CannotRunError

WRITES = """
import errno, sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            file.write(b"x")
        print("written", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that writes a byte at each line, and says what came of it."""
    command = [sys.executable, "-S", "-E", "-c", WRITES, str(tmp_path / "file")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _tries(writer: "subprocess.Popen[str]") -> str:
    assert writer.stdin is not None and writer.stdout is not None
    writer.stdin.write("\n")
    writer.stdin.flush()
    return writer.stdout.readline().strip()


def test_without_a_mount_a_running_process_is_refused_each_write_until_it_is_let(
    writer: "subprocess.Popen[str]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks, "_runs", lambda *command: False)
    scene: Any = SimpleNamespace(daemon=SimpleNamespace(process=writer))
    with disks.small_disk(tmp_path) as disk:
        assert disk.state is None
        assert "RLIMIT_FSIZE" in disk.how, "how it was done is said"
        assert _tries(writer) == "written"
        disk.fill(scene)
        assert _tries(writer) == "EFBIG"
        disk.drain(scene)
        assert _tries(writer) == "written"


def test_where_neither_is_allowed_the_drill_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(disks, "_runs", lambda *command: False)
    monkeypatch.setattr(disks.resource, "prlimit", refuse)
    scene: Any = SimpleNamespace(daemon=SimpleNamespace(process=SimpleNamespace(pid=os.getpid())))
    with (
        disks.small_disk(tmp_path) as disk,
        pytest.raises(CannotRunError, match="no small disk may be mounted, and no limit set"),
    ):
        disk.fill(scene)


def test_a_mounted_disk_is_full_to_the_last_byte_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks, "SIZE_MB", 1)
    scene: Any = None
    with disks.small_disk(tmp_path) as disk:
        if disk.state is None:
            pytest.skip("this user may not mount")
        disk.fill(scene)
        with pytest.raises(OSError, match="No space left"):
            (disk.state.parent / "more").write_bytes(b"x" * 5000)
        disk.drain(scene)
        (disk.state.parent / "more").write_bytes(b"x")
    assert not os.path.ismount(tmp_path / "disk")
