"""A backup: whole, of one moment, and without what must not leave the machine."""

import gzip
import tarfile
import threading
from pathlib import Path

import pytest

from atlas_daemon.archivist import BackupError, pack
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.journal import Journal
from tests.archivist.conftest import AT, TOKEN, some_entries
from tests.control.desk import settings_in


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_a_backup_has_the_journal_and_what_stands_beside_it_and_no_more(old, saved):
    packed = old.pack(saved)
    assert names(saved) == [
        *("manifest.json", "journal.db", "config.json"),
        *("HALTED", "regime_labels.json"),
    ]
    assert saved.stat().st_mode & 0o777 == 0o600
    assert packed.manifest.account == "local-LARGE"
    assert packed.manifest.account_number == "PA1"
    with old.journal() as journal:
        assert (packed.manifest.head_seq, packed.manifest.head_hash) == journal.head()


def test_logs_come_where_they_are_asked_for(old, saved):
    old.pack(saved, has_logs=True)
    assert "logs/execution_2026-11-20.log" in names(saved)


def test_s181_no_token_and_no_key_is_in_it(old, saved):
    old.pack(saved, has_logs=True)
    assert old.settings.notify.webhook_url == TOKEN
    raw = gzip.decompress(saved.read_bytes())
    assert b"very-secret" not in raw and b"notify.webhook_url" not in raw


def test_a_daemon_goes_on_writing_meanwhile(old, saved, tmp_path):
    with old.journal() as journal:
        packed = old.pack(saved)
        journal.append(some_entries(3, first=6))
        again = old.pack(tmp_path / "again.tar.gz")
    assert (packed.manifest.head_seq, again.manifest.head_seq) == (5, 8)


def test_a_backup_amid_many_commits_is_of_one_moment(old, tmp_path):
    is_over = threading.Event()

    def write() -> None:
        with old.journal() as journal:
            journal._connection.execute("PRAGMA synchronous = OFF")
            first = 6
            while not is_over.is_set():
                journal.append(some_entries(3, first=first))
                first += 3

    thread = threading.Thread(target=write)
    thread.start()
    try:
        packed = [old.pack(tmp_path / f"{n}.tar.gz") for n in range(5)]
    finally:
        is_over.set()
        thread.join()
    heads = [each.manifest.head_seq for each in packed]
    assert heads == sorted(heads) and all((head - 5) % 3 == 0 for head in heads), "whole turns"


def test_a_backup_replaces_nothing(old, saved):
    saved.write_text("another")
    with pytest.raises(BackupError, match="is there already"):
        old.pack(saved)
    assert saved.read_text() == "another"


@pytest.mark.parametrize("place", ["state", "state/run", "logs", "linked"])
def test_a_backup_never_lies_among_what_the_next_one_would_take(old, tmp_path, place):
    (tmp_path / "old" / "linked").symlink_to(old.state)
    target = tmp_path / "old" / place / "saved.tar.gz"
    with pytest.raises(BackupError, match=r"saved\.tar\.gz lies in .*: choose another folder"):
        old.pack(target, has_logs=True)
    assert not target.exists()


def test_a_database_beside_the_journal_that_is_none_is_one_line(old, saved):
    (old.state / "other.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(BackupError, match=r"other\.db cannot be copied: "):
        old.pack(saved)
    assert not saved.exists()


def test_the_log_of_a_database_stays_where_it_is(old, saved):
    for name in ("other.db-wal", "other.db-shm", "other.db-journal"):
        (old.state / name).write_bytes(b"of another moment than the copy")
    old.pack(saved)
    assert not [name for name in names(saved) if name.startswith("other")]


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(old, tmp_path):
    with pytest.raises(BackupError, match=r"nowhere.saved\.tar\.gz cannot be written: No such"):
        old.pack(tmp_path / "nowhere" / "saved.tar.gz")
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_journal_is_not_saved_as_a_good_one(old, saved):
    with old.journal() as journal:
        journal._connection.execute("DROP TRIGGER entries_are_never_changed")
        journal._connection.execute("UPDATE entries SET payload = '{}' WHERE seq = 3")
    with pytest.raises(BackupError, match="the journal is damaged: entry 3 was altered"):
        old.pack(saved)
    assert list(saved.parent.glob("*saved*")) == [] and list(saved.parent.glob(".backup*")) == []


def test_without_a_journal_there_is_nothing_to_save(tmp_path, saved):
    settings = settings_in(tmp_path)
    settings.state_dir.mkdir()
    with pytest.raises(ConfigError, match="does not exist"):
        pack(settings, saved, AT)


def test_a_copy_of_the_journal_is_a_journal_by_itself(old, tmp_path):
    with old.journal() as journal:
        journal.copy_to(tmp_path / "copy.db")
        with Journal.open_readonly(tmp_path / "copy.db") as copy:
            assert copy.head() == journal.head()
            assert list(copy.read()) == list(journal.read())
