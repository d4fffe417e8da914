"""The archive of the log folder: compressed, bounded, and never less than what was written."""

import gzip
import os
from datetime import date, timedelta

import pytest

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.records import log_keeper
from atlas_daemon.records.day_files import KEEP_DAYS
from atlas_daemon.records.log_keeper import ARCHIVE_DAYS, LogKeeper

TODAY = date(2026, 11, 23)


def day(age: int) -> date:
    return TODAY - timedelta(days=age)


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def write(folder, *ages):
    for age in ages:
        for kind, ending in (("execution", "log"), ("errors", "log"), ("trades", "csv")):
            (folder / f"{kind}_{day(age)}.{ending}").write_text(f"{kind} {age}\n")


@pytest.mark.asyncio
async def test_old_days_are_archived_and_compressed_and_young_ones_stay(tmp_path):
    write(tmp_path, 0, KEEP_DAYS, KEEP_DAYS + 1)
    await LogKeeper(tmp_path).keep(TODAY)
    old = day(KEEP_DAYS + 1)
    archived = [f"archive/{n}_{old}.{e}.gz" for n, e in (("errors", "log"), ("execution", "log"))]
    assert names(tmp_path)[:3] == [*archived, f"archive/trades_{old}.csv.gz"]
    assert len(names(tmp_path)) == 9
    raw = (tmp_path / archived[1]).read_bytes()
    assert gzip.decompress(raw) == f"execution {KEEP_DAYS + 1}\n".encode()


@pytest.mark.asyncio
async def test_the_archive_is_bounded_but_for_trades(tmp_path):
    write(tmp_path, ARCHIVE_DAYS, ARCHIVE_DAYS + 1, ARCHIVE_DAYS + 400)
    (tmp_path / "notes_2020-01-01.log").write_text("somebody's own")
    keeper = LogKeeper(tmp_path)
    await keeper.keep(TODAY)
    (tmp_path / "archive" / "execution_2020-13-41.log").write_text("no day")
    await keeper.keep(TODAY)
    kept = {name.partition("/")[2] for name in names(tmp_path)}
    edge, older, oldest = (day(ARCHIVE_DAYS + more) for more in (0, 1, 400))
    assert {f"execution_{edge}.log.gz", f"errors_{edge}.log.gz"} <= kept
    assert {f"trades_{each}.csv.gz" for each in (edge, older, oldest)} <= kept
    assert not {f"execution_{each}.log.gz" for each in (older, oldest)} & kept
    assert "execution_2020-13-41.log.gz" in kept
    assert (tmp_path / "notes_2020-01-01.log").exists()


@pytest.mark.asyncio
async def test_a_kill_between_two_steps_loses_nothing(tmp_path, monkeypatch):
    write(tmp_path, 100)

    def killed(self, missing_ok=False):
        if not missing_ok:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log_keeper.Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            await LogKeeper(tmp_path).keep(TODAY)
    await LogKeeper(tmp_path).keep(TODAY)
    assert [n for n in names(tmp_path) if not n.endswith(".gz")] == []
    assert len(names(tmp_path)) == 3


@pytest.mark.asyncio
async def test_a_day_that_comes_again_takes_nothing_s_place(tmp_path):
    keeper = LogKeeper(tmp_path)
    for text in ("first\n", "second\n", "first\n"):
        (tmp_path / "errors_2026-01-02.log").write_text(text)
        await keeper.keep(TODAY)
    told = {p.name: gzip.decompress(p.read_bytes()) for p in (tmp_path / "archive").iterdir()}
    assert told == {
        "errors_2026-01-02.log.gz": b"first\n",
        "errors_2026-01-02.log.1.gz": b"second\n",
    }


@pytest.mark.asyncio
async def test_a_folder_that_is_not_there_needs_no_keeping(tmp_path):
    await LogKeeper(tmp_path / "logs").keep(TODAY)
    assert not (tmp_path / "logs").exists()


@pytest.mark.asyncio
async def test_a_disk_that_does_not_let_it_is_named(tmp_path, monkeypatch):
    write(tmp_path, 100)

    def full(handle):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AtlasError, match="No space left on device"):
        await LogKeeper(tmp_path).keep(TODAY)
    assert (tmp_path / "archive" / f"errors_{day(100)}.log").exists()
    assert not list(tmp_path.rglob("*.new"))
