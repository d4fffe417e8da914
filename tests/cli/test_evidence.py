"""Evidence goes on record through the running daemon, or by the same turn where none runs."""

from dataclasses import replace

import pytest

from atlas_daemon.claim import AccountClaim
from atlas_daemon.cli import evidence as recording
from atlas_daemon.cli.evidence import record_evidence
from atlas_daemon.cli.reading import entries_of
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AccountBusyError, AtlasError, UsageError
from atlas_daemon.journal import Journal, JournalFullError
from tests.control.desk import NOW, DeskThread, settings_in

DIGEST = "ab" * 32
WORD = e.EvidenceReported("drill", "kill9", True, "killed 9 times", DIGEST, DIGEST)


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path, account__mode="paper", regime__source="file:regime.json")


def test_a_running_daemon_writes_it(settings):
    with DeskThread(settings) as running:
        record_evidence(settings, WORD)
        assert running.desk.state.evidence["drill", "kill9"].word == WORD


def test_where_none_runs_it_is_the_next_entry_and_the_chain_holds(settings):
    record_evidence(settings, WORD)
    with DeskThread(settings):
        pass
    record_evidence(settings, replace(WORD, is_good=False))
    entries = list(entries_of(settings))
    assert entries[0].event == WORD
    assert entries[-1].event == replace(WORD, is_good=False)
    with Journal.open_readonly(settings.journal_path) as journal:
        assert journal.account()[:2] == ("paper", "LARGE")


def test_in_local_mode_time_is_the_journals(tmp_path):
    local = settings_in(tmp_path)
    with DeskThread(local):
        pass
    record_evidence(local, WORD)
    *_, before, entry = entries_of(local)
    assert entry.event == WORD
    assert entry.at == before.at == NOW


def test_an_account_that_a_daemon_is_taking_is_left_to_it(settings):
    claim = AccountClaim(settings)
    claim.take()
    with pytest.raises(AccountBusyError):
        record_evidence(settings, WORD)
    claim.release()
    record_evidence(settings, WORD)


def test_what_is_no_evidence_never_reaches_a_journal(settings):
    with pytest.raises(UsageError, match="evidence: kind 'profit'"):
        record_evidence(settings, replace(WORD, kind="profit"))
    assert not settings.journal_path.exists()


def test_a_full_disk_is_said_and_the_account_let_go(settings, monkeypatch):
    def full(self, entries):
        raise JournalFullError("disk full")

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(AtlasError, match="the evidence is not on record: disk full"):
        record_evidence(settings, WORD)
    monkeypatch.undo()
    record_evidence(settings, WORD)


def test_no_daemon_is_started_for_it(settings, monkeypatch):
    monkeypatch.setattr(recording, "ask", lambda *a, **k: {"seq": 1})
    record_evidence(settings, WORD)
    assert not settings.journal_path.exists()
