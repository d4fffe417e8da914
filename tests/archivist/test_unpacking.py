"""A restore: all of it, of this account, on an empty machine, or nothing."""

import hashlib
import io
import json
import random
import shutil
import tarfile

import pytest

from atlas_daemon.archivist import DRAFT, BackupError, put_in_place, unpack
from tests.archivist.conftest import Machine, some_entries
from tests.control.desk import settings_in


def rewritten(source, target, change):
    """Copy an archive, member by member, as `change(name, raw)` wants: None leaves it out."""
    with tarfile.open(source) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            raw = old.extractfile(member).read()
            for name, text in change(member.name, raw):
                info = tarfile.TarInfo(name)
                info.size = len(text)
                new.addfile(info, io.BytesIO(text))


def state_of(machine):
    return {path.name: path.read_bytes() for path in machine.state.iterdir() if path.is_file()}


def test_everything_is_back_on_an_empty_machine(old, new, saved):
    old.pack(saved, has_logs=True)
    unpacked = unpack(new.settings, saved)
    assert unpacked.differing[0] == "strategy.top_n"
    assert {name.partition(".")[0] for name in unpacked.differing[1:]} == {"paths"}
    assert not new.settings.journal_path.exists(), "nothing is in place before all is proven"
    put_in_place(new.settings, unpacked)
    assert state_of(new).keys() == {"journal.db", "HALTED", "regime_labels.json"}
    assert (new.state / "HALTED").read_text() == "halted by ann\n"
    assert (new.settings.log_dir / "execution_2026-11-20.log").read_text() == "a line\n"
    with old.journal() as one, new.journal() as other:
        assert one.head() == other.head() and list(one.read()) == list(other.read())
        assert other.account() == ("local", "LARGE", "PA1")
        other.append(some_entries(1, first=6))


def test_a_folder_that_is_not_empty_is_left_alone(old, new, saved):
    old.pack(saved)
    new.live()
    before = state_of(new)
    with pytest.raises(BackupError, match=r"is not empty \(HALTED, broker.json, half.new\)"):
        new.restore(saved)
    assert state_of(new) == before


def test_what_a_daemon_that_could_not_start_left_is_no_state(old, new, saved):
    old.pack(saved)
    (new.state / "run").mkdir(parents=True)
    (new.state / "lock").write_text("")
    new.restore(saved)
    with new.journal() as journal:
        assert journal.head()[0] == 5


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_restore_that_was_cut_off_is_done_again(old, new, saved, moved):
    old.pack(saved)
    unpack(new.settings, saved)
    for name in ("HALTED", "regime_labels.json")[:moved]:
        (new.state / DRAFT / name).rename(new.state / name)
    new.restore(saved)
    assert state_of(new).keys() == {"journal.db", "HALTED", "regime_labels.json"}
    assert not (new.state / DRAFT).exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"account__name": "OTHER"}, "is of local-LARGE, and the configuration of local-OTHER"),
        ({"account__mode": "paper"}, "is of local-LARGE, and the configuration of paper-LARGE"),
        ({"account__number": "PA2"}, "is of account PA1, and the configuration of PA2"),
    ],
)
def test_s179_the_backup_of_another_account_is_refused(old, saved, tmp_path, given, said):
    old.pack(saved)
    other = tmp_path / "other"
    other.mkdir()
    machine = Machine(settings_in(other, **given))
    with pytest.raises(BackupError, match=said):
        machine.restore(saved)
    assert list(machine.state.iterdir()) == []


def test_any_damage_is_found_or_does_no_harm(old, new, saved):
    old.pack(saved)
    whole = saved.read_bytes()
    new.restore(saved)
    good = state_of(new)
    shutil.rmtree(new.state)
    draw = random.Random(7)
    spoiled = [whole[:cut] for cut in (0, 1, 20, len(whole) // 2, len(whole) - 99)]
    for _ in range(40):
        at = draw.randrange(len(whole))
        spoiled.append(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
    refused = 0
    for raw in spoiled:
        saved.write_bytes(raw)
        try:
            new.restore(saved)
        except BackupError:
            refused += 1
            assert list(new.state.iterdir()) == []
        else:  # the archive's own padding, or a date in it
            assert state_of(new) == good
            shutil.rmtree(new.state)
    assert refused > 35


def swapped(name, text):
    return lambda n, raw: [(n, text if n == name else raw)]


def renamed(manifest_too, name):
    def change(n, raw):
        if n == "HALTED":
            return [(name, raw)]
        if n == "manifest.json" and manifest_too:
            return [(n, raw.replace(b'"HALTED"', json.dumps(name).encode()))]
        return [(n, raw)]

    return change


FORGERIES = {
    "another content": (swapped("HALTED", b"halted by bob\n"), "HALTED in it is damaged"),
    "another length": (swapped("HALTED", b""), "is not as its manifest.json says"),
    "twice": (lambda n, raw: [(n, raw)] * (1 + (n == "HALTED")), "is not as its manifest.json"),
    "left out": (lambda n, raw: [] if n == "HALTED" else [(n, raw)], "cut off: HALTED is missing"),
    "unnamed": (renamed(False, "other"), "'other' in it is not as its manifest.json says"),
    "no manifest": (lambda n, raw: [] if n == "manifest.json" else [(n, raw)], "does not begin"),
    "no journal": (
        swapped("manifest.json", b"{}"),
        "no backup of atlas_daemon: manifest.json cannot be read",
    ),
    "a parent": (renamed(True, "../HALTED"), "a file may not be called '../HALTED'"),
    "the root": (renamed(True, "/etc/HALTED"), "a file may not be called '/etc/HALTED'"),
    "a hidden one": (renamed(True, ".HALTED"), "a file may not be called '.HALTED'"),
    "a folder's": (renamed(True, "logs/../../x"), "a file may not be called"),
    "the lock": (renamed(True, "lock"), "a file may not be called 'lock'"),
    "the journal's log": (renamed(True, "journal.db-wal"), "a file may not be called"),
    "a manifest": (renamed(True, "manifest.json"), "a file may not be called"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_an_archive_that_somebody_made_is_refused(old, new, saved, tmp_path, forgery):
    old.pack(saved)
    change, said = FORGERIES[forgery]
    rewritten(saved, tmp_path / "forged.tar.gz", change)
    with pytest.raises(BackupError) as caught:
        new.restore(tmp_path / "forged.tar.gz")
    assert said in str(caught.value)
    assert list(new.state.iterdir()) == []
    assert not list(tmp_path.glob("HALTED")) and not list(new.state.parent.glob("HALTED"))


def test_a_link_in_an_archive_is_refused(new, tmp_path):
    path = tmp_path / "forged.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("manifest.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(BackupError, match=r"'manifest\.json' in it is no plain file"):
        new.restore(path)


def test_a_journal_that_was_recomputed_does_not_fit_the_manifest_s_head(old, new, saved, tmp_path):
    old.pack(saved)
    with old.journal() as journal:
        journal.append(some_entries(1, first=6))
        journal.copy_to(tmp_path / "longer.db")
    longer = (tmp_path / "longer.db").read_bytes()

    def change(name, raw):
        if name == "manifest.json":
            told = json.loads(raw)
            sha256 = hashlib.sha256(longer).hexdigest()
            told["files"]["journal.db"] = {"size": len(longer), "sha256": sha256}
            return [(name, json.dumps(told).encode())]
        return [(name, longer if name == "journal.db" else raw)]

    rewritten(saved, tmp_path / "forged.tar.gz", change)
    with pytest.raises(BackupError, match="goes on beyond the head"):
        new.restore(tmp_path / "forged.tar.gz")
