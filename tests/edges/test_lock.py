"""One daemon for an account, by a lock that dies with its process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_daemon.core.errors import AccountBusyError, ConfigError
from atlas_daemon.edges.lock import AccountLock

HOLDER = """
import sys
from pathlib import Path
from atlas_daemon.edges.lock import AccountLock
AccountLock(Path(sys.argv[1])).take("paper-LARGE")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_taker_is_told_who_holds_it(tmp_path: Path) -> None:
    first, second = AccountLock(tmp_path / "lock"), AccountLock(tmp_path / "lock")
    first.take("paper-LARGE")
    with pytest.raises(AccountBusyError, match=f"paper-LARGE: process {os.getpid()}") as caught:
        second.take("paper-LARGE")
    assert caught.value.exit_code == 5
    first.release()
    second.take("paper-LARGE")
    second.release()


def test_releasing_twice_or_untaken_does_no_harm(tmp_path: Path) -> None:
    lock = AccountLock(tmp_path / "lock")
    lock.release()
    lock.take("paper-LARGE")
    lock.release()
    lock.release()


def test_it_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    lock = AccountLock(tmp_path / "lock")
    assert lock.is_held() is False
    lock.take("paper-LARGE")
    assert AccountLock(tmp_path / "lock").is_held()
    lock.release()
    assert lock.is_held() is False


def test_a_place_where_it_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone/lock: cannot be opened: No such file"):
        AccountLock(tmp_path / "gone" / "lock").take("paper-LARGE")


def test_a_longer_word_of_a_former_holder_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("process 123456789, account live-SOMETHING_LONG\n")
    lock = AccountLock(path)
    lock.take("paper-A")
    assert path.read_text() == f"process {os.getpid()}, account paper-A\n"
    lock.release()


@pytest.mark.e2e
def test_s180_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lock = AccountLock(path)
        with pytest.raises(AccountBusyError, match=f"process {holder.pid}"):
            lock.take("paper-LARGE")
        holder.kill()
        holder.wait()
        lock.take("paper-LARGE")
        lock.release()


def test_one_that_root_takes_can_be_taken_by_the_folders_owner_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda descriptor, *owner: given.append(owner))
    lock = AccountLock(tmp_path / "lock")
    lock.take("live-LARGE")
    lock.release()
    owner = tmp_path.stat()
    assert given == [(owner.st_uid, owner.st_gid)]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not ours")
    (tmp_path / "lock").symlink_to(other)
    with pytest.raises(ConfigError, match="cannot be opened"):
        AccountLock(tmp_path / "lock").take("live-LARGE")
    assert other.read_text() == "not ours"
