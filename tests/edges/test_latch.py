"""The latch file: there is on, whatever is in it; doubt is on as well."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_daemon.edges.latch import LatchFile

AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)


@pytest.fixture
def latch(tmp_path: Path) -> LatchFile:
    return LatchFile(tmp_path / "HALTED")


def test_without_a_file_it_is_off(latch):
    assert latch.is_on() is False


@pytest.mark.parametrize(
    "content", [b"", b"resumed", b"\xff\x00\xfe", b"{}", b"off\n", b"halted " * 100_000]
)
def test_s173_a_file_is_on_whatever_is_in_it(latch, content):
    latch.path.write_bytes(content)
    assert latch.is_on()


def test_a_folder_in_its_place_is_on(latch):
    latch.path.mkdir()
    assert latch.is_on()


def test_a_dangling_link_is_on(latch):
    latch.path.symlink_to(latch.path.parent / "nowhere")
    assert latch.is_on()


def test_a_place_that_cannot_be_looked_at_is_on(tmp_path):
    (tmp_path / "file").touch()
    assert LatchFile(tmp_path / "file" / "HALTED").is_on()  # not a folder
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert LatchFile(tmp_path / "loop" / "HALTED").is_on()  # links in a circle
    assert LatchFile(tmp_path / ("x" * 300)).is_on()  # no such name can be


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_on(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    try:
        assert LatchFile(folder / "HALTED").is_on()
    finally:
        folder.chmod(0o700)


def test_written_it_says_who_why_and_when_and_is_private(latch):
    assert latch.write("SIGUSR1", "signal", AT) == ""
    assert latch.is_on()
    assert latch.path.read_text() == "halted at 2027-02-01T14:35:00+00:00 by SIGUSR1: signal\n"
    assert latch.path.stat().st_mode & 0o777 == 0o600


def test_s165_the_first_stop_stays_on_record(latch):
    latch.write("ann", "first", AT)
    assert latch.write("bob", "second", AT) == ""
    assert "ann" in latch.path.read_text()


def test_it_asks_the_disk_each_time(latch):
    latch.write("ann", "stop", AT)
    latch.path.unlink()
    assert latch.is_on() is False
    latch.path.touch()
    assert latch.is_on()


def test_removed_it_is_off_and_removing_twice_is_no_failure(latch):
    latch.write("ann", "stop", AT)
    assert latch.remove() == ""
    assert latch.is_on() is False
    assert latch.remove() == ""


def test_what_cannot_be_written_or_removed_is_said(tmp_path):
    nowhere = LatchFile(tmp_path / "gone" / "HALTED")
    assert "No such file" in nowhere.write("ann", "stop", AT)
    folder = LatchFile(tmp_path / "HALTED")
    folder.path.mkdir()
    assert str(folder.path) in folder.remove()
    assert folder.is_on()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_on_a_full_disk_the_failure_is_said_and_the_empty_file_is_a_latch(latch, monkeypatch, call):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    assert "No space left" in latch.write("ann", "stop", AT)
    assert latch.is_on()
