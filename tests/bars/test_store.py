"""The store on disk: what a kill, damage, another process or a full disk leaves of it."""

import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import msgspec
import pytest

from atlas_daemon.bars import store as store_room
from atlas_daemon.bars.access import DataAccess
from atlas_daemon.bars.alpaca import AlpacaVendor
from atlas_daemon.bars.store import MANIFEST, Folder
from atlas_daemon.bars.stored import StoredBars, folder_of
from atlas_daemon.core.sessions import NYSE
from tests.bars.builders import sessions
from tests.bars.vendors import MadeUpVendor, a_dividend, a_split

DAYS = sessions(30)
FIRST, END = DAYS[0], DAYS[-1]
NOW = datetime.combine(END + timedelta(days=1), time(13, 30), UTC)
WHOLE = [(("AAA", "SPY"), FIRST)]
CLOSES = [100.0 + n for n in range(30)]


@pytest.fixture
def vendor():
    vendor = MadeUpVendor()
    vendor.gives("AAA", CLOSES)
    vendor.gives("SPY", [480.0] * 30)
    vendor.told = [a_split("AAA", DAYS[3], 2.0), a_dividend("SPY", DAYS[8], 1.5)]
    return vendor


@pytest.fixture
def folder(tmp_path, vendor):
    load(vendor, tmp_path / "sip")
    vendor.took()
    return tmp_path / "sip"


def load(vendor, folder, end=END, now=NOW, **changes):
    source = StoredBars(vendor, folder, now, lock_wait_s=0, **changes)
    return source.load(["AAA", "SPY"], FIRST, end, NYSE.session_after(end).day)


def closes(bars):
    return bars.close_traded[:, 0].tolist()


def later(vendor, folder, **changes):
    return load(vendor, folder, now=NOW + timedelta(hours=1), **changes)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rewrite_manifest(folder, **changes):
    path = folder / MANIFEST
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | changes))


def flip(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def one_file(folder):
    return sorted(folder.glob("*.parquet"))[0]


DAMAGE = {
    "a flipped bit in the bars": lambda f: flip(one_file(f), 100),
    "bars cut short": lambda f: one_file(f).write_bytes(one_file(f).read_bytes()[:-10]),
    "empty bars": lambda f: one_file(f).write_bytes(b""),
    "bars gone": lambda f: one_file(f).unlink(),
    "bars that are a folder": lambda f: (one_file(f).unlink(), one_file_named(f).mkdir()),
    "a flipped bit in the manifest": lambda f: flip(f / MANIFEST, 60),
    "a manifest cut short": lambda f: (f / MANIFEST).write_bytes(b'{"format":1,'),
    "a manifest of nothing": lambda f: (f / MANIFEST).write_bytes(b""),
    "a manifest of zeros": lambda f: (f / MANIFEST).write_bytes(bytes(500)),
    "a manifest of another kind": lambda f: (f / MANIFEST).write_bytes(b"[7]"),
    "a manifest that was edited": lambda f: rewrite_manifest(f, generation=7),
    "a deep manifest": lambda f: (f / MANIFEST).write_bytes(b"[" * 100_000),
    "a newer release's": lambda f: rewrite_manifest(f, format=2, more="of everything"),
}


def one_file_named(folder):
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    return folder / next(iter(manifest["years"].values()))["name"]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_or_foreign_is_fetched_anew_and_said(vendor, folder, damage):
    damage(folder)
    bars = later(vendor, folder)
    assert closes(bars) == CLOSES
    assert vendor.took()[-1:] == WHOLE
    assert len([note for note in bars.notes if "all bars are fetched anew" in note]) == 1


def test_the_next_load_after_damage_trusts_the_store_again(vendor, folder):
    flip(one_file(folder), 100)
    later(vendor, folder)
    vendor.took()
    bars = load(vendor, folder, now=NOW + timedelta(hours=2))
    assert bars.notes == ()
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-5])]


def test_a_newer_release_is_named_by_its_format(vendor, folder):
    rewrite_manifest(folder, format=2)
    note = later(vendor, folder).notes[0]
    assert (
        note == f"{folder}: the store has the format 2, this release 1: all bars are fetched anew"
    )


def test_another_feeds_bars_are_never_taken_for_ours(vendor, folder):
    other = MadeUpVendor("another feed")
    other.series, other.told = dict(vendor.series), vendor.told
    bars = later(other, folder)
    assert bars.notes == (
        f"{folder}: the store is of made up, not of another feed: all bars are fetched anew",
    )
    assert other.took() == WHOLE


def test_actions_come_back_as_they_were(vendor, folder):
    kept, notes = Folder(folder, vendor.identity).load()
    assert list(kept.actions) == vendor.told
    assert notes == ()


def test_two_feeds_have_two_folders(tmp_path):
    access = {"key_id": "k", "secret": "s", "url": "https://data.alpaca.markets"}
    folders = [
        folder_of(str(tmp_path / "bars"), AlpacaVendor(DataAccess(**access, feed=feed), NOW)).name
        for feed in ("sip", "iex")
    ]
    assert folders == ["sip-data.alpaca.markets", "iex-data.alpaca.markets"]


@pytest.mark.parametrize("bars_dir", ["", "/nowhere/bars"])
def test_where_there_is_no_state_folder_nothing_is_kept(bars_dir):
    assert folder_of(bars_dir, MadeUpVendor()) is None


def test_a_dry_run_uses_the_store_and_leaves_no_trace(vendor, folder):
    vendor.series["AAA"][END] = 7.0
    before = contents(folder)
    bars = later(vendor, folder, keeps=False)
    assert closes(bars)[-1] == 7.0
    assert vendor.took()[0] == (("AAA", "SPY"), DAYS[-5])
    assert contents(folder) == before


def test_a_dry_run_without_a_store_makes_none(vendor, tmp_path):
    bars = load(vendor, tmp_path / "sip", keeps=False)
    assert closes(bars) == CLOSES
    assert list(tmp_path.iterdir()) == []


# --- writing ---


class KilledError(BaseException):
    pass


def steps_of(monkeypatch, stop_at=None):
    """Count every step of the writer that touches the disk; die before number `stop_at`."""
    taken = []

    def step(name, real):
        def instead(*words, **more):
            if stop_at is not None and len(taken) == stop_at:
                raise KilledError(name)
            taken.append(name)
            return real(*words, **more)

        return instead

    monkeypatch.setattr(store_room, "_write", step("write", store_room._write))
    monkeypatch.setattr(Folder, "_sync", step("sync", Folder._sync))
    monkeypatch.setattr(Path, "replace", step("replace", Path.replace))
    monkeypatch.setattr(Path, "unlink", step("unlink", Path.unlink))
    return taken


def test_a_kill_before_any_step_of_a_write_leaves_the_old_store_or_the_new(
    vendor, folder, monkeypatch
):
    # The year before is touched too: AAA is fetched whole.
    vendor.series["AAA"][END] = 1.0
    vendor.told.append(a_split("AAA", END, 100.0))
    with monkeypatch.context() as patch:
        taken = steps_of(patch)
        later(vendor, copied(folder, "counted"))
    assert [taken.count(one) for one in ("write", "sync", "replace")] == [3, 2, 1]
    for stop_at in range(len(taken)):
        there = copied(folder, f"killed-{stop_at}")
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            steps_of(patch, stop_at)
            later(vendor, there)
        vendor.took()
        bars = load(vendor, there, now=NOW + timedelta(hours=2))
        assert not any("fetched anew" in note for note in bars.notes)
        assert closes(bars) == [*CLOSES[:-1], 1.0]
        is_new = taken[:stop_at].count("replace") == 1
        assert ((("AAA",), FIRST) not in vendor.took()) is is_new
        # What the killed writer left behind is gone with the next write.
        named = {path.name for path in there.glob("*.parquet")}
        assert len(named) == 2


def copied(folder, name):
    there = folder.with_name(name)
    there.mkdir()
    for path in folder.iterdir():
        (there / path.name).write_bytes(path.read_bytes())
    return there


WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from atlas_daemon.bars import store
from tests.bars.test_store import NOW, CLOSES, MadeUpVendor, load
written = store._write
def half(path, raw):
    path.write_bytes(raw[:len(raw) // 2])
    print("half", flush=True)
    sys.stdin.read()
store._write = half
vendor = MadeUpVendor()
vendor.gives("AAA", [close + 1 for close in CLOSES])
vendor.gives("SPY", [480.0] * 30)
load(vendor, Path(sys.argv[1]), now=NOW + timedelta(hours=1))
"""


def test_a_process_killed_within_a_file_leaves_the_store_and_its_lock_free(vendor, folder):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert writer.stdout.readline() == b"half\n"
        busy = load(vendor, folder, now=NOW + timedelta(hours=1))
        assert busy.notes == (
            f"{folder}: the bars cannot be kept: another process is fetching bars",
        )
        assert closes(busy) == CLOSES
        writer.send_signal(signal.SIGKILL)
    finally:
        writer.kill()
        writer.wait()
        writer.stdin.close()
        writer.stdout.close()
    after = later(vendor, folder)
    assert after.notes == ()
    assert closes(after) == CLOSES


def test_a_process_that_waited_for_another_one_finds_its_bars(vendor, folder):
    other = Folder(folder, vendor.identity)
    with other.held() as hindrance:
        assert hindrance == ""
        with Folder(folder, vendor.identity).held(wait_s=0.01) as refused:
            assert refused == "another process is fetching bars"
    with Folder(folder, vendor.identity).held(wait_s=0) as hindrance:
        assert hindrance == ""


@pytest.mark.parametrize("failing", ["_write", "_sync"])
def test_a_full_disk_keeps_the_old_store_and_the_answer(vendor, folder, monkeypatch, failing):
    before = contents(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    owner = store_room if failing == "_write" else Folder
    vendor.series["AAA"][END] = 7.0
    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, full)
        bars = later(vendor, folder)
    assert closes(bars)[-1] == 7.0
    assert bars.notes[-1] == f"{folder}: the bars cannot be kept: No space left on device"
    assert {name: raw for name, raw in contents(folder).items() if name in before} == before
    assert closes(load(vendor, folder, now=NOW + timedelta(hours=2)))[-1] == 7.0


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_still_answers_and_says_so(vendor, folder, monkeypatch, code):
    opened = os.open

    def refusing(path, flags, *mode):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code))
        return opened(path, flags, *mode)

    monkeypatch.setattr(store_room.os, "open", refusing)
    bars = later(vendor, folder)
    assert closes(bars) == CLOSES
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-5])]
    assert bars.notes == (f"{folder}: the bars cannot be kept: {os.strerror(code)}",)


def test_a_file_where_the_folder_should_be_is_said(vendor, tmp_path):
    (tmp_path / "sip").write_text("no folder")
    bars = load(vendor, tmp_path / "sip")
    assert closes(bars) == CLOSES
    assert "the bars cannot be kept: File exists" in bars.notes[-1]


def test_only_the_owner_can_read_the_store(folder):
    assert folder.stat().st_mode & 0o77 == 0
    assert {path.stat().st_mode & 0o77 for path in folder.iterdir()} == {0}


def test_a_day_of_one_year_rewrites_that_year_alone(vendor, folder):
    names = {path.name for path in folder.glob("*.parquet")}
    assert {name[:4] for name in names} == {"2023", "2024"}
    vendor.gives("AAA", [*CLOSES, 130.0], date(2024, 2, 1))
    vendor.gives("SPY", [480.0] * 31, date(2024, 2, 1))
    load(vendor, folder, date(2024, 2, 1), now=NOW + timedelta(days=1))
    after = {path.name for path in folder.glob("*.parquet")}
    assert {name[:4] for name in after - names} == {"2024"}
    assert len(after) == 2
