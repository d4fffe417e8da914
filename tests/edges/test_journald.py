"""Lines of the log as entries of systemd's journal."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_daemon.edges.journald import MESSAGE_MAX, JournalConsole, is_journal

LINE = "[2026-02-02 09:35:04] [WARNING] AlpacaTradingClient: Retrying GET: 503"


@contextmanager
def a_journal(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.setblocking(False)
        yield journal


@contextmanager
def a_console(path: Path) -> Iterator[JournalConsole]:
    console = JournalConsole("[PAPER] LARGE", str(path))
    try:
        yield console
    finally:
        console.close()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            LINE,
            [
                b"MESSAGE=AlpacaTradingClient: Retrying GET: 503",
                b"PRIORITY=4",
                b"ATLAS_COMPONENT=AlpacaTradingClient",
                b"ATLAS_AT=2026-02-02 09:35:04",
            ],
        ),
        ("no line of the log", [b"MESSAGE=no line of the log", b"PRIORITY=6"]),
        ("[x] [ODD] A: b", [b"MESSAGE=A: b", b"PRIORITY=6", b"ATLAS_COMPONENT=A", b"ATLAS_AT=x"]),
    ],
)
def test_a_line_becomes_an_entry_with_fields(tmp_path, text, fields):
    with a_journal(tmp_path / "j") as journal, a_console(tmp_path / "j") as console:
        console.write(f"{text}\n")
        named = [b"SYSLOG_IDENTIFIER=atlasd", b"ATLAS_ACCOUNT=[PAPER] LARGE"]
        assert journal.recv(10_000).splitlines() == [*fields, *named]


def test_several_lines_are_one_entry_of_a_stated_length(tmp_path):
    with a_journal(tmp_path / "j") as journal, a_console(tmp_path / "j") as console:
        console.write("[x] [ERROR] Bus: failed\nTraceback\n")
        message = b"Bus: failed\nTraceback"
        begin = b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n"
        assert journal.recv(10_000).startswith(begin)


def test_an_endless_line_is_cut_and_one_with_half_a_letter_is_sent(tmp_path):
    with a_journal(tmp_path / "j") as journal, a_console(tmp_path / "j") as console:
        console.write("x" * 300_000)
        assert journal.recv(300_000).startswith(b"MESSAGE=" + b"x" * MESSAGE_MAX + b"\n")
        console.write("half \ud800")
        assert journal.recv(10_000).startswith(b"MESSAGE=half \\ud800\n")


def test_a_journal_that_is_full_or_gone_holds_nobody_up(tmp_path):
    with a_journal(tmp_path / "j") as journal, a_console(tmp_path / "j") as console:
        assert [console.write(LINE) for _ in range(10_000)][-1] == 0
        journal.recv(10_000)
        assert console.write(LINE) > 0, "one that has room again is told again"
    with a_console(tmp_path / "gone") as console:
        assert console.write(LINE) == 0


def test_it_is_the_journal_where_systemd_says_that_it_is_this_descriptor(tmp_path):
    with (tmp_path / "stream").open("wb") as stream:
        status = os.fstat(stream.fileno())
        right = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(right, stream.fileno())
        assert not is_journal({"JOURNAL_STREAM": "1:1"}, stream.fileno())
        assert not is_journal({}, stream.fileno())
    assert not is_journal(right, 9999)
