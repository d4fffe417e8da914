"""What systemd is told: datagrams that never hold up the loop."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_daemon.edges.systemd import Notifier


@contextmanager
def a_listener(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        yield listener


@contextmanager
def a_notifier(**environ: str) -> Iterator[Notifier]:
    notifier = Notifier(environ)
    try:
        yield notifier
    finally:
        notifier.close()


def test_without_a_socket_nobody_is_told():
    with a_notifier() as notifier:
        assert notifier.tell("READY=1") is False
        assert notifier.watchdog_s is None


def test_a_path_is_told_in_one_message(tmp_path: Path):
    path = str(tmp_path / "notify")
    with a_listener(path) as listener, a_notifier(NOTIFY_SOCKET=path) as notifier:
        assert notifier.tell("READY=1", "STATUS=trading\nand well")
        assert listener.recv(1000) == b"READY=1\nSTATUS=trading and well"


def test_an_abstract_address_is_told():
    name = f"atlas-test-{os.getpid()}"
    with a_listener(f"\0{name}") as listener, a_notifier(NOTIFY_SOCKET=f"@{name}") as notifier:
        assert notifier.tell("WATCHDOG=1")
        assert listener.recv(1000) == b"WATCHDOG=1"


def test_a_full_queue_never_blocks(tmp_path: Path):
    path = str(tmp_path / "notify")
    with a_listener(path), a_notifier(NOTIFY_SOCKET=path) as notifier:
        answers = [notifier.tell("WATCHDOG=1") for _ in range(100_000)]
        assert answers[0] is True
        assert answers[-1] is False


def test_an_address_where_nobody_listens_is_no_failure(tmp_path: Path):
    with a_notifier(NOTIFY_SOCKET=str(tmp_path / "gone")) as notifier:
        assert notifier.tell("READY=1") is False
    with a_notifier(NOTIFY_SOCKET="x" * 300) as notifier:
        assert notifier.tell("READY=1") is False


def test_after_the_close_nobody_is_told(tmp_path: Path):
    path = str(tmp_path / "notify")
    with a_listener(path):
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.close()
        assert notifier.tell("STOPPING=1") is False
        notifier.close()


@pytest.mark.parametrize(
    ("environ", "patience_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": ""}, None),
    ],
)
def test_the_watchdog_is_for_the_process_it_names(environ, patience_s):
    assert Notifier(environ).watchdog_s == patience_s


def test_a_long_journal_asks_for_more_time_as_it_is_read(tmp_path: Path):
    path = str(tmp_path / "notify")
    with a_listener(path) as listener, a_notifier(NOTIFY_SOCKET=path) as notifier:
        assert sum(notifier.while_reading(range(12_000))) == sum(range(12_000))
        heard = [listener.recv(1000).decode().splitlines() for _ in range(2)]
        assert heard == [
            ["EXTEND_TIMEOUT_USEC=60000000", f"STATUS=starting: {n} entries of the journal read"]
            for n in (5_000, 10_000)
        ]
        with pytest.raises(BlockingIOError):
            listener.recv(1000)
