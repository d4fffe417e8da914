import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AccountBusyError, BugError
from atlas_daemon.core.values import AccountMode, Mode
from atlas_daemon.journal import Journal, JournalError, JournalFullError
from atlas_daemon.journal.codec import encode, moment_text
from atlas_daemon.journal.schema import FIRST_HASH, chained_hash

AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)


def opened(path, mode=AccountMode.PAPER, name="LARGE", **kw):
    return Journal.open(path, account_mode=mode, account_name=name, now=lambda: AT, **kw)


def entry(seq, cause=None, event=None):
    event = event or e.AlertRaised("info", f"key {seq}", f"text | of {seq}")
    return e.Entry(seq, AT + timedelta(seconds=seq), cause, event)


def some(first, last):
    return [entry(seq, seq - 1 or None) for seq in range(first, last + 1)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def filled(path):
    with opened(path) as journal:
        journal.append(some(1, 3))
        journal.append(some(4, 6))
    return path


def forge(path, *statements):
    connection = sqlite3.connect(path)
    for (trigger,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def traces(path):
    """All of the folder, byte for byte; what readers share in memory is no part of it."""
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in path.parent.iterdir()
        if not p.name.endswith("-shm") and p.stat().st_size
    }


# Written and read.


def test_entries_come_back_as_they_were_after_a_restart(filled):
    with opened(filled) as journal:
        assert list(journal.read()) == some(1, 6)
        assert list(journal.read(after=4)) == some(5, 6)
        assert list(journal.read(after=6)) == []


def test_a_long_journal_is_read_in_order(path):
    with opened(path) as journal:
        journal.append(some(1, 2500))
        assert [x.seq for x in journal.read(after=7)] == list(range(8, 2501))
        assert journal.verify().entries == 2500


def test_an_append_while_reading_does_no_harm(path):
    with opened(path) as journal:
        journal.append(some(1, 3))
        reader = journal.read()
        assert next(reader) == entry(1)
        journal.append(some(4, 5))
        assert [x.seq for x in reader] == [2, 3, 4, 5]
        assert list(journal.read()) == some(1, 5)


def test_a_new_journal_is_empty_and_its_head_is_zero(path):
    with opened(path) as journal:
        assert journal.head() == (0, "0" * 64)
        assert list(journal.read()) == []
        assert journal.append([]) == (0, "0" * 64)
        assert journal.verify().is_intact


def test_the_hash_can_be_computed_by_hand(path):
    with opened(path) as journal:
        head = journal.append([entry(1), entry(2, cause=1)])
    first = hashlib.sha256(
        ("0" * 64 + "|1|2027-02-01T14:35:01.000000Z||AlertRaised|"
         '{"level":"info","key":"key 1","text":"text | of 1"}').encode()
    ).hexdigest()  # fmt: skip
    second = hashlib.sha256(
        (first + "|2|2027-02-01T14:35:02.000000Z|1|AlertRaised|"
         '{"level":"info","key":"key 2","text":"text | of 2"}').encode()
    ).hexdigest()  # fmt: skip
    assert head == (2, second)


def test_the_head_survives_a_restart(filled):
    with opened(filled) as journal:
        head = journal.head()
        assert head[0] == 6
        assert journal.append([entry(7)])[0] == 7
    with opened(filled) as journal:
        assert journal.head()[0] == 7
        assert journal.verify(head).is_intact


@pytest.mark.parametrize("seqs", [[2], [1, 3], [1, 1], [0], [2, 1]])
def test_a_gap_in_the_sequence_is_our_bug_and_nothing_is_written(path, seqs):
    with opened(path) as journal:
        with pytest.raises(BugError, match="cannot follow"):
            journal.append([entry(seq) for seq in seqs])
        assert journal.head() == (0, FIRST_HASH)
        assert list(journal.read()) == []


def test_a_turn_is_written_whole_or_not_at_all(path):
    with opened(path) as journal:
        with pytest.raises(BugError):
            journal.append([entry(1), e.Entry(2, AT.replace(tzinfo=None), 1, e.LatchWritten())])
        assert list(journal.read()) == []
        journal.append([entry(1)])


def test_file_and_log_are_the_owners_alone(path):
    with opened(path) as journal:
        journal.append(some(1, 2))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_a_file_that_others_may_read_is_made_private(filled):
    filled.chmod(0o644)
    opened(filled).close()
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600


def test_a_commit_is_synced_and_logged_ahead(path):
    with opened(path) as journal:
        ask = journal._connection.execute
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA synchronous").fetchone() == (2,)


def test_meta_says_whose_journal_it_is(path):
    with opened(path) as journal:
        assert journal.account() == ("paper", "LARGE", "")
    connection = sqlite3.connect(path)
    meta = connection.execute("SELECT * FROM meta").fetchall()
    connection.close()
    assert meta == [(1, "atlas_daemon", "paper", "LARGE", "", "2027-02-01T14:35:00.000000Z")]


def test_the_account_number_is_claimed_once(path):
    with opened(path) as journal:
        journal.claim_number("PA123")
        journal.claim_number("PA123")
    with opened(path) as journal:
        with pytest.raises(JournalError, match=r"belongs to account PA123 .*, not PA999"):
            journal.claim_number("PA999")
        assert journal.account()[2] == "PA123"


# Only ever appended to.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET payload = '{}' WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 6",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries WHERE seq = 3",
        "REPLACE INTO entries VALUES (6, 'a', NULL, 'b', 'c', 'd')",
        "INSERT INTO entries VALUES (9, 'a', NULL, 'b', 'c', 'd')",
    ],
)
def test_the_file_itself_refuses_any_change_of_an_entry(filled, statement):
    connection = sqlite3.connect(filled)
    with pytest.raises(sqlite3.IntegrityError, match="journal entries are"):
        connection.execute(statement)
    connection.close()
    with opened(filled) as journal:
        assert list(journal.read()) == some(1, 6)


def test_a_second_writer_is_noticed_before_anything_is_written(filled):
    with opened(filled) as one, opened(filled) as two:
        two.append([entry(7)])
        with pytest.raises(AccountBusyError, match="its head is entry 7, ours 6"):
            one.append([entry(7), entry(8)])
        assert list(two.read(after=6)) == [entry(7)]


def test_a_writer_in_the_middle_of_its_transaction_is_named(filled):
    def impatient(*args, **kw):
        return sqlite3.connect(*args, **(kw | {"timeout": 0}))

    other = sqlite3.connect(filled, isolation_level=None)
    with opened(filled, connect=impatient) as journal:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AccountBusyError, match="another process"):
            journal.append([entry(7)])
        other.execute("ROLLBACK")
        journal.append([entry(7)])
    other.close()


# Verified.


def verdict(path, head=None):
    with Journal.open_readonly(path) as journal:
        return journal.verify(head)


def test_an_untouched_journal_is_intact(filled):
    found = verdict(filled)
    assert (found.is_intact, found.entries, found.head_seq) == (True, 6, 6)


@pytest.mark.parametrize(
    ("forgery", "seq", "word"),
    [
        ("UPDATE entries SET payload = replace(payload, 'text', 'tExt') WHERE seq = 4", 4, "alt"),
        ("UPDATE entries SET at = '2027-02-01T14:35:03.000000Z' WHERE seq = 4", 4, "altered"),
        ("UPDATE entries SET cause = NULL WHERE seq = 2", 2, "altered"),
        ("UPDATE entries SET type = 'ModeChanged' WHERE seq = 6", 6, "altered"),
        ("UPDATE entries SET hash = hash || '0' WHERE seq = 1", 1, "altered"),
        ("UPDATE entries SET payload = x'ff' WHERE seq = 3", 3, "altered"),
        ("UPDATE entries SET payload = cast(x'ff' AS TEXT) WHERE seq = 3", 1, "UTF-8"),
        ("DELETE FROM entries WHERE seq = 3", 3, "entry 3 is missing"),
        ("DELETE FROM entries WHERE seq = 1", 1, "entry 1 is missing"),
    ],
)
def test_the_first_altered_or_missing_entry_is_named(filled, forgery, seq, word):
    forge(filled, forgery)
    found = verdict(filled)
    assert not found.is_intact
    assert found.fault_seq == seq
    assert word in found.fault


def test_two_entries_that_changed_places_are_named(filled):
    forge(
        filled,
        "UPDATE entries SET seq = -2 WHERE seq = 2",
        "UPDATE entries SET seq = 2 WHERE seq = 4",
        "UPDATE entries SET seq = 4 WHERE seq = -2",
    )
    found = verdict(filled)
    assert (found.entries, found.fault_seq) == (1, 2)
    assert "altered or moved" in found.fault


def test_a_cut_is_seen_against_a_head_kept_elsewhere(filled):
    head = verdict(filled)
    head = (head.head_seq, head.head_hash)
    forge(filled, "DELETE FROM entries WHERE seq > 4")
    assert verdict(filled).is_intact  # nothing in the file itself can tell
    found = verdict(filled, head)
    assert found.fault_seq == 6
    assert found.fault == "entry 6 is missing: the journal ends at 4"


def test_a_chain_recomputed_whole_is_seen_against_a_head_kept_elsewhere(filled):
    with opened(filled) as journal:
        head = journal.head()
    prev, rows = FIRST_HASH, []
    for x in some(1, 6):
        text = encode(e.AlertRaised("info", "forged", "forged"))
        prev = chained_hash(prev, x.seq, moment_text(x.at), x.cause, *text)
        rows.append(f"UPDATE entries SET payload = '{text[1]}', hash = '{prev}' WHERE seq={x.seq}")
    forge(filled, *rows)
    assert verdict(filled).is_intact
    assert "not the one the given head names" in verdict(filled, head).fault


def test_an_earlier_head_is_found_in_a_grown_journal(filled):
    with opened(filled) as journal:
        head = journal.head()
        journal.append(some(7, 9))
        assert journal.verify(head).is_intact
        assert journal.verify((0, FIRST_HASH)).is_intact


def test_an_altered_journal_is_not_recovered_from(filled):
    forge(filled, "UPDATE entries SET payload = '{}' WHERE seq = 4")
    with opened(filled) as journal:
        reader = journal.read()
        assert [next(reader).seq for _ in range(3)] == [1, 2, 3]
        with pytest.raises(JournalError, match="entry 4 was altered"):
            next(reader)
        with pytest.raises(JournalError, match="entry 9 is missing"):
            list(journal.read(after=9))


def test_an_event_of_a_later_release_is_named(path):
    with opened(path) as journal:
        journal.append(some(1, 1))
        prev = journal.head()[1]
    at = moment_text(AT)
    digest = chained_hash(prev, 2, at, None, "MoonLanded", "{}")
    forge(path, f"INSERT INTO entries VALUES (2, '{at}', NULL, 'MoonLanded', '{{}}', '{digest}')")
    with opened(path) as journal, pytest.raises(JournalError, match=r"2: unknown .* 'MoonLanded'"):
        list(journal.read())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_single_changed_character_is_found(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("chain") / "journal.db"
    with opened(path) as journal:
        journal.append(some(1, 5))
    seq = data.draw(st.integers(1, 5))
    column = data.draw(st.sampled_from(["at", "type", "payload", "hash"]))
    connection = sqlite3.connect(path)
    (text,) = connection.execute(f"SELECT {column} FROM entries WHERE seq={seq}").fetchone()
    connection.close()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in "aZ0|" if c != text[place]]))
    forge(path, f"UPDATE entries SET {column}='{text[:place]}{other}{text[place + 1 :]}'"
                f" WHERE seq={seq}")  # fmt: skip
    assert verdict(path).fault_seq == seq


# Not ours to use: untouched.


def spoil_foreign(path):
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE meta (schema_version, application, account_mode, account_name)"
    )
    connection.execute("INSERT INTO meta VALUES (1, 'somebody', 'paper', 'LARGE')")
    connection.commit()
    connection.close()


def spoil_tables(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (name)")
    connection.commit()
    connection.close()


def spoil_newer(path):
    opened(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET schema_version = 2")
    connection.commit()
    connection.close()


def spoil_two_metas(path):
    opened(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO meta SELECT * FROM meta")
    connection.commit()
    connection.close()


def spoil_torn(path):
    with opened(path) as journal:
        journal.append(some(1, 400))
    os.truncate(path, 9000)


def spoil_scrambled(path):
    with opened(path) as journal:
        journal.append(some(1, 400))
    raw = bytearray(path.read_bytes())
    raw[100:4096] = b"\xa5" * 3996
    path.write_bytes(raw)


SPOILS = {
    "text": (lambda path: path.write_text("seq,at\n1,2027\n"), "no SQLite file"),
    "empty": (lambda path: path.touch(), "is empty"),
    "folder": (lambda path: path.mkdir(), "cannot be read|no SQLite file"),
    "foreign": (spoil_foreign, "not a journal of atlas_daemon"),
    "other tables": (spoil_tables, "not a journal of atlas_daemon"),
    "newer": (spoil_newer, "schema version 2, newer than 1"),
    "two metas": (spoil_two_metas, "not a journal of atlas_daemon"),
    "torn": (spoil_torn, "cannot be read"),
    "scrambled": (spoil_scrambled, "cannot be read"),
    "log alone": (
        lambda path: path.with_name("journal.db-wal").write_bytes(b"x"),
        "missing, and journal.db-wal is not",
    ),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_s033_a_journal_that_cannot_be_read_is_left_untouched(path, spoil):
    make, words = SPOILS[spoil]
    path.parent.mkdir()
    make(path)
    before = {} if path.is_dir() else traces(path)
    with pytest.raises(JournalError, match=f"(?i){words}") as failed, opened(path) as journal:
        list(journal.read())
    assert failed.value.exit_code == 78
    assert "\n" not in str(failed.value)
    assert str(path) in str(failed.value)
    if not path.is_dir():
        assert traces(path) == before


def test_s179_the_journal_of_another_account_is_refused_untouched(filled):
    before = traces(filled)
    with pytest.raises(JournalError, match="belongs to paper-LARGE, not live-LARGE"):
        opened(filled, AccountMode.LIVE)
    with pytest.raises(JournalError, match="belongs to paper-LARGE, not paper-SMALL"):
        opened(filled, name="SMALL")
    assert traces(filled) == before


def test_s179_also_where_a_killed_process_left_its_log(filled, tmp_path):
    with opened(filled) as journal:
        journal.append([entry(7)])
        left = tmp_path / "left"
        left.mkdir()
        for file in filled.parent.iterdir():
            (left / file.name).write_bytes(file.read_bytes())
    before = traces(left / "journal.db")
    assert "journal.db-wal" in before
    with pytest.raises(JournalError, match="not live-LARGE"):
        opened(left / "journal.db", AccountMode.LIVE)
    assert traces(left / "journal.db") == before
    with opened(left / "journal.db") as journal:
        assert list(journal.read()) == [*some(1, 6), entry(7)]


def test_a_torn_log_ends_at_the_last_whole_turn(filled, tmp_path):
    with opened(filled) as journal:
        journal.append([entry(7)])
        size = filled.with_name("journal.db-wal").stat().st_size
        journal.append([entry(8), entry(9)])
        left = tmp_path / "left"
        left.mkdir()
        for file in filled.parent.iterdir():
            (left / file.name).write_bytes(file.read_bytes())
    os.truncate(left / "journal.db-wal", size + 50)
    (left / "journal.db-shm").unlink()
    with opened(left / "journal.db") as journal:
        assert list(journal.read(after=6)) == [entry(7)]
        journal.append([entry(8)])


def test_a_first_start_that_was_cut_off_leaves_no_half_journal(path):
    path.parent.mkdir()
    path.with_name("journal.db.new").write_bytes(b"SQLite format 3\0 and no more")
    with opened(path) as journal:
        journal.append(some(1, 1))
    assert not path.with_name("journal.db.new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(filled):
    filled.chmod(0)
    with pytest.raises(JournalError, match="Permission denied"):
        opened(filled)


# Versions.


def version_0(path):
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE entries (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, cause INTEGER,"
        " type TEXT NOT NULL, payload TEXT NOT NULL, hash TEXT NOT NULL)"
    )
    connection.execute(
        "CREATE TABLE meta (schema_version INTEGER NOT NULL, application TEXT NOT NULL,"
        " account_mode TEXT NOT NULL, account_name TEXT NOT NULL, created_at TEXT NOT NULL)"
    )
    connection.execute("INSERT INTO meta VALUES (0, 'atlas_daemon', 'paper', 'LARGE', '2026')")
    prev = FIRST_HASH
    for x in some(1, 3):
        text = encode(x.event)
        prev = chained_hash(prev, x.seq, moment_text(x.at), x.cause, *text)
        row = (x.seq, moment_text(x.at), x.cause, *text, prev)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


def test_an_older_file_is_brought_up_to_date_with_its_entries(path):
    version_0(path)
    with opened(path) as journal:
        assert list(journal.read()) == some(1, 3)
        journal.claim_number("PA123")
        journal.append(some(4, 4))
    with opened(path) as journal:
        assert journal.account() == ("paper", "LARGE", "PA123")
        assert journal.verify().entries == 4
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
        connection.execute("DELETE FROM entries WHERE seq = 1")
    connection.close()


def test_a_migration_that_fails_changes_nothing_and_is_done_next_time(path):
    version_0(path)

    def failing(*args, **kw):
        return sqlite3.connect(*args, factory=Failing, **kw).at("CREATE TRIGGER", "disk is full")

    with pytest.raises(JournalFullError):
        opened(path, connect=failing)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM meta").fetchall() == [
        (0, "atlas_daemon", "paper", "LARGE", "2026")
    ]
    connection.close()
    with opened(path) as journal:
        assert journal.account()[2] == ""


def test_a_reader_asks_for_the_daemon_where_the_file_is_older(path):
    version_0(path)
    before = traces(path)
    with pytest.raises(JournalError, match=r"version 0, older than 1: `atlasd run`"):
        Journal.open_readonly(path)
    assert traces(path) == before


# Disk full, disk read-only.


class Failing(sqlite3.Connection):
    """A connection that fails at statements with a given beginning."""

    prefix = None
    words = ""

    def at(self, prefix, words):
        self.prefix, self.words = prefix, words
        return self

    def _check(self, statement):
        if self.prefix is not None and statement.strip().startswith(self.prefix):
            raise sqlite3.OperationalError(self.words)

    def execute(self, statement, *args):
        self._check(statement)
        return super().execute(statement, *args)

    def executemany(self, statement, *args):
        self._check(statement)
        return super().executemany(statement, *args)


def failing_connect(*args, **kw):
    return sqlite3.connect(*args, factory=Failing, **kw)


@pytest.mark.parametrize("prefix", ["BEGIN", "INSERT", "COMMIT"])
@pytest.mark.parametrize(
    "words",
    [
        "database or disk is full",
        "attempt to write a readonly database",
        "disk I/O error",
        "unable to open database file",
    ],
)
def test_s187_a_disk_that_takes_nothing_loses_nothing(filled, prefix, words):
    with opened(filled, connect=failing_connect) as journal:
        head = journal.head()
        journal._connection.at(prefix, words)
        for _ in range(2):
            with pytest.raises(JournalFullError, match=f"(?i){words}") as failed:
                journal.append(some(7, 9))
            assert failed.value.exit_code == 1
        assert journal.head() == head
        assert list(journal.read(after=6)) == []
        journal._connection.at(None, "")
        journal.append(some(7, 9))
        assert list(journal.read(after=6)) == some(7, 9)
    assert verdict(filled).entries == 9


def test_s187_a_probe_tells_whether_the_disk_takes_anything_and_writes_nothing(filled):
    with opened(filled, connect=failing_connect) as journal:
        head = journal.head()
        journal.probe()
        journal._connection.at("UPDATE", "database or disk is full")
        with pytest.raises(JournalFullError, match="full"):
            journal.probe()
        journal._connection.at(None, "")
        journal.probe()
        assert journal.head() == head
        assert journal.verify().is_intact
        assert list(journal.read()) == some(1, 6)
    with Journal.open_readonly(filled) as journal, pytest.raises(BugError, match="reading only"):
        journal.probe()


def test_s187_a_really_full_file_takes_entries_again_when_there_is_space(path):
    with opened(path) as journal:
        journal.append(some(1, 2))
        (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
        journal._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        big = [entry(seq, event=e.FrameUnread("d", "x" * 5000)) for seq in range(3, 9)]
        with pytest.raises(JournalFullError, match="full"):
            journal.append(big)
        assert journal.head()[0] == 2
        assert list(journal.read()) == some(1, 2)
        journal._connection.execute("PRAGMA max_page_count = 100000")
        journal.append(big)
        assert journal.verify().entries == 8


def test_a_damaged_file_is_not_called_full(filled):
    with opened(filled, connect=failing_connect) as journal:
        journal._connection.at("INSERT", "database disk image is malformed")
        with pytest.raises(JournalError, match="malformed"):
            journal.append([entry(7)])


def test_s187_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "state").write_text("in the way")
    with pytest.raises((JournalError, JournalFullError), match="state"):
        opened(tmp_path / "state" / "journal.db")


def test_a_file_system_without_a_log_is_refused(path):
    class Deaf(sqlite3.Connection):
        def execute(self, statement, *args):
            if "journal_mode" in statement:
                return super().execute("SELECT 'delete'")
            return super().execute(statement, *args)

    with pytest.raises(JournalError, match="write-ahead"):
        opened(path, connect=lambda *args, **kw: sqlite3.connect(*args, factory=Deaf, **kw))


# Read beside the daemon.


def test_a_reader_sees_what_the_daemon_writes_and_writes_nothing(path):
    with opened(path) as journal:
        journal.append(some(1, 3))
        with Journal.open_readonly(path) as reader:
            assert reader.head() == journal.head()
            journal.append(some(4, 4))
            assert reader.head() == journal.head()
            assert list(reader.read()) == some(1, 4)
            assert reader.account() == ("paper", "LARGE", "")
            with pytest.raises(BugError, match="reading only"):
                reader.append(some(5, 5))


def test_a_reader_needs_no_daemon(filled):
    with Journal.open_readonly(filled) as reader:
        assert list(reader.read()) == some(1, 6)


class Barred(sqlite3.Connection):
    """What SQLite says where the reader may make no shared memory beside the file."""

    is_barred = False

    def execute(self, statement, *args):
        if self.is_barred and "count(*) FROM meta" in statement:
            raise sqlite3.OperationalError("unable to open database file")
        return super().execute(statement, *args)


def barred(address, **kw):
    connection = sqlite3.connect(address, factory=Barred, **kw)
    connection.is_barred = "immutable" not in address
    return connection


def test_a_reader_needs_no_right_to_write(filled):
    before = traces(filled)
    with Journal.open_readonly(filled, connect=barred) as reader:
        assert list(reader.read()) == some(1, 6)
    assert traces(filled) == before


def test_a_reader_without_the_right_to_write_is_not_shown_half_of_it(filled):
    with opened(filled) as journal:
        journal.append([entry(7)])
        with pytest.raises(JournalError, match="unable to open"):
            Journal.open_readonly(filled, connect=barred)


def test_a_reader_of_nothing_is_told_so(path):
    with pytest.raises(JournalError, match="does not exist"):
        Journal.open_readonly(path)


def test_every_kind_of_value_survives_the_file(path):
    event = e.BookAdopted(Decimal("1E+3"), (("BRK.B", Decimal("2.50")),), True, 'commas, "quotes"')
    with opened(path) as journal:
        journal.append([entry(1, event=event), entry(2, 1, e.ModeChanged(Mode.TRADING, "é\n✓"))])
    with opened(path) as journal:
        assert [x.event for x in journal.read()] == [event, e.ModeChanged(Mode.TRADING, "é\n✓")]


# Killed.

WRITER = """
import sys
from pathlib import Path
from tests.journal.test_journal import opened, some
with opened(Path(sys.argv[1])) as journal:
    for first in range(1, 100_000, 6):
        seq, digest = journal.append(some(first, first + 5))
        print(seq, digest, flush=True)
"""


@pytest.mark.parametrize("turns", [1, 2, 40])
def test_s033_what_was_committed_survives_a_kill(path, turns):
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        for _ in range(turns):
            seq, digest = child.stdout.readline().split()
    finally:
        child.kill()
        child.communicate()
    with opened(path) as journal:
        assert journal.verify((int(seq), digest)).is_intact
        assert journal.head()[0] % 6 == 0  # whole turns only
        assert list(journal.read())[: 6 * turns] == some(1, 6 * turns)
