"""A journal in the shell's state folder, written from entries."""

from collections.abc import Iterable

from atlas_daemon.config import Settings
from atlas_daemon.core.events import Entry
from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal
from tests.historian.journals import demo


def write_journal(settings: Settings, entries: Iterable[Entry]) -> tuple[int, str]:
    """Write a journal of the account and return its head."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with Journal.open(
        settings.journal_path,
        account_mode=AccountMode(settings.mode),
        account_name=settings.account.name,
    ) as journal:
        journal.append(list(entries))
        return journal.head()


_DEMO: list[tuple[bytes, tuple[int, str]]] = []


def write_demo(settings: Settings) -> tuple[int, str]:
    """Write the demo's journal, chained once for all tests, and return its head."""
    if not _DEMO:
        head = write_journal(settings, demo())
        _DEMO.append((settings.journal_path.read_bytes(), head))
        return head
    raw, head = _DEMO[0]
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    settings.journal_path.write_bytes(raw)
    return head
