"""The claim to an account: one process, one number, in the lock, the journal and the latch."""

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_daemon.claim import AccountClaim
from atlas_daemon.config import Settings
from atlas_daemon.core.errors import AccountBusyError, ConfigError
from atlas_daemon.journal import JournalError, JournalFullError
from tests.test_app import settings_at

AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
OURS, OTHER = "PA1", "PA2"


def settings(folder: Path, **changes: object) -> Settings:
    return settings_at(folder, "http://127.0.0.1:9", **changes)


def opened(settings: Settings) -> AccountClaim:
    claim = AccountClaim(settings)
    claim.take()
    claim.open_journal(sqlite3.connect, lambda: AT)
    return claim


@pytest.fixture
def claim(tmp_path: Path) -> Iterator[AccountClaim]:
    claim = opened(settings(tmp_path))
    yield claim
    claim.journal.close()
    claim.release()


def test_a_second_process_is_told_who_holds_the_account(
    tmp_path: Path, claim: AccountClaim
) -> None:
    claim.name(OURS)
    with pytest.raises(AccountBusyError) as refused:
        AccountClaim(settings(tmp_path)).take()
    assert refused.value.exit_code == 5
    assert f"another instance holds local-PROOF: process {os.getpid()}, " in str(refused.value)
    assert f"local-PROOF {OURS}" in str(refused.value)


def test_who_lets_go_lets_another_in(tmp_path: Path) -> None:
    first, second = AccountClaim(settings(tmp_path)), AccountClaim(settings(tmp_path))
    first.take()
    first.release()
    second.take()
    second.release()


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ConfigError, match="state"):
        AccountClaim(settings(tmp_path)).take()


def test_a_fresh_account_has_no_number_until_somebody_names_it(claim: AccountClaim) -> None:
    assert claim.number == ""
    claim.name("")
    assert (claim.number, claim.latch.account) == ("", "")
    claim.name(OURS)
    assert claim.number == claim.journal.account()[2] == OURS


def test_the_configured_number_is_claimed_as_the_journal_is_opened(tmp_path: Path) -> None:
    claim = opened(settings(tmp_path, account__number=OURS))
    assert claim.journal.account() == ("local", "PROOF", OURS)
    claim.journal.close()
    claim.release()


def test_another_number_is_refused_and_changes_none_of_the_three(
    tmp_path: Path, claim: AccountClaim
) -> None:
    claim.name(OURS)
    with pytest.raises(JournalError, match=f"belongs to account {OURS} .*not {OTHER}"):
        claim.name(OTHER)
    assert claim.journal.account()[2] == OURS
    assert claim.latch.account == f"local-PROOF {OURS}"
    assert f"local-PROOF {OURS}\n" in (tmp_path / "state" / "lock").read_text()


def test_a_configuration_for_another_number_does_not_open_the_journal(tmp_path: Path) -> None:
    first = opened(settings(tmp_path, account__number=OURS))
    first.journal.close()
    first.release()
    second = AccountClaim(settings(tmp_path, account__number=OTHER))
    second.take()
    with pytest.raises(JournalError, match=f"belongs to account {OURS}"):
        second.open_journal(sqlite3.connect, lambda: AT)
    second.journal.close()
    second.release()


def test_the_latch_says_which_account_stands_still(tmp_path: Path, claim: AccountClaim) -> None:
    claim.name(OURS)
    assert claim.latch.write("SIGUSR1", "a test", AT) == ""
    assert (tmp_path / "state" / "HALTED").read_text() == (
        f"halted at 2027-02-01T14:35:00+00:00 by SIGUSR1: a test (local-PROOF {OURS})\n"
    )


def test_a_full_disk_leaves_the_name_to_the_next_look(
    claim: AccountClaim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: str) -> None:
        raise JournalFullError("no space")

    with monkeypatch.context() as disk:
        disk.setattr(claim.journal, "claim_number", full)
        claim.name(OURS)
    assert (claim.journal.account()[2], claim.latch.account) == ("", f"local-PROOF {OURS}")
    claim.name(OURS)
    assert claim.journal.account()[2] == OURS
