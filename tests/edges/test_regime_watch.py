"""The watched regime file: a word is told once, and what is odd is told as a failure."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from atlas_daemon.core.events import FetchFailed, RegimeReported
from atlas_daemon.core.values import Regime
from atlas_daemon.edges.regime_watch import RegimeWatch

NOW = datetime(2027, 2, 1, 17, tzinfo=UTC)
LATER = timedelta(seconds=5)


def write(path: Path, regime: str, as_of: str = "2027-01-29") -> None:
    path.write_text(f'{{"regime": "{regime}", "as_of": "{as_of}"}}', "utf-8")
    # A clock tick of the file system may be longer than this test.
    stamp = path.stat().st_mtime_ns + write.count * 1_000_000
    os.utime(path, ns=(stamp, stamp))
    write.count += 1


write.count = 0


class Looks:
    def __init__(self, path: Path) -> None:
        self.watch, self.source = RegimeWatch(f"file:{path}"), f"file:{path}"
        self.now, self.known = NOW, None

    def look(self) -> list:
        self.now += LATER
        told = list(self.watch.look(self.now, self.known))
        for word in told:
            if isinstance(word, RegimeReported):
                self.known = word
        return told


def test_a_word_is_told_once_and_again_when_it_changes(tmp_path) -> None:
    path = tmp_path / "regime.json"
    write(path, "TREND_BULL")
    looks = Looks(path)
    assert looks.look() == [RegimeReported(Regime.TREND_BULL, date(2027, 1, 29), looks.source)]
    assert looks.look() == []
    write(path, "CRASH")
    (word,) = looks.look()
    assert word.regime is Regime.CRASH


def test_a_word_that_is_on_record_is_not_told_again_by_a_new_process(tmp_path) -> None:
    path = tmp_path / "regime.json"
    write(path, "TREND_BULL")
    looks = Looks(path)
    looks.look()
    looks.watch = RegimeWatch(looks.source)
    assert looks.look() == []


def test_it_is_looked_at_every_five_seconds(tmp_path) -> None:
    path = tmp_path / "regime.json"
    write(path, "TREND_BULL")
    watch = RegimeWatch(f"file:{path}")
    assert len(list(watch.look(NOW, None))) == 1
    write(path, "CRASH")
    assert list(watch.look(NOW + timedelta(seconds=4), None)) == []
    assert len(list(watch.look(NOW + timedelta(seconds=5), None))) == 1


def test_what_is_odd_is_a_failure_told_once(tmp_path) -> None:
    path = tmp_path / "regime.json"
    write(path, "PANIC")
    looks = Looks(path)
    (failed,) = looks.look()
    assert isinstance(failed, FetchFailed) and "PANIC" in failed.detail
    assert looks.look() == []


def test_a_file_that_is_gone_is_a_failure_and_one_that_never_was_is_the_childs_to_tell(
    tmp_path,
) -> None:
    path = tmp_path / "regime.json"
    looks = Looks(path)
    assert looks.look() == []
    write(path, "TREND_BULL")
    looks.look()
    path.unlink()
    (failed,) = looks.look()
    assert isinstance(failed, FetchFailed) and failed.what == "regime"
    assert looks.look() == []


def test_a_day_to_come_is_no_word(tmp_path) -> None:
    path = tmp_path / "regime.json"
    write(path, "TREND_BULL", "2027-02-02")
    (failed,) = Looks(path).look()
    assert isinstance(failed, FetchFailed) and "a day to come" in failed.detail


def test_a_file_that_goes_back_to_an_older_day_is_told_of_and_not_believed(tmp_path) -> None:
    path = tmp_path / "regime.json"
    write(path, "CRASH")
    looks = Looks(path)
    looks.look()
    write(path, "TREND_BULL", "2027-01-28")
    (failed,) = looks.look()
    assert isinstance(failed, FetchFailed)
    assert failed.detail.endswith("as_of 2027-01-28 is older than 2027-01-29, which it said before")
    assert looks.look() == []
    write(path, "TREND_BULL")
    (word,) = looks.look()
    assert word.regime is Regime.TREND_BULL


def test_nothing_is_watched_where_no_file_speaks(tmp_path) -> None:
    assert list(RegimeWatch("jump_model").look(NOW, None)) == []
