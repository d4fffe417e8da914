"""What is kept of a rehearsal, and what is said to have changed since the session before."""

from dataclasses import replace

import pytest

from atlas_daemon.doctor.keeping import (
    FILE,
    KEPT_MAX,
    RecordError,
    Rehearsed,
    before,
    changes,
    keep,
    read_kept,
)

OLD = Rehearsed(
    at="2026-11-20T01:00:00+00:00",
    signal_session="2026-11-19",
    regime="TREND_BULL",
    allocation="1",
    equity="10000",
    picks={"AAA": "0.1", "BBB": "0.1"},
    orders=[("sell", "5", "CCC"), ("buy", "10", "AAA"), ("buy", "20", "BBB")],
)
NEW = replace(OLD, at="2026-11-21T01:00:00+00:00", signal_session="2026-11-20")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (NEW, []),
        (
            replace(NEW, regime="TREND_NEUTRAL", allocation="0.7"),
            ["regime TREND_BULL -> TREND_NEUTRAL (100.0 % -> 70.0 %)"],
        ),
        (
            replace(NEW, picks={"AAA": "0.1", "DDD": "0.1"}),
            ["picked anew: DDD", "no longer picked: BBB"],
        ),
        (
            replace(NEW, picks={"AAA": "0.12", "BBB": "0.101"}),
            ["weights: AAA 10.0 % -> 12.0 %"],
        ),
        (
            replace(NEW, orders=[("buy", "12", "AAA"), ("buy", "20", "BBB"), ("buy", "1", "DDD")]),
            ["orders: buy 10 -> 12 AAA, buy 1 DDD (new), no sell of CCC"],
        ),
        (replace(NEW, equity="10100.5"), ["equity 10,000.00 -> 10,100.50"]),
        (
            replace(NEW, picks={f"S{n}": "0.1" for n in range(9)}),
            ["picked anew: S0, S1, S2, S3, S4, S5 and 3 more", "no longer picked: AAA, BBB"],
        ),
    ],
)
def test_what_changed_is_said_in_words(new, said):
    assert list(changes(OLD, new)) == said


def test_a_rehearsal_is_kept_and_found_again(tmp_path):
    assert read_kept(tmp_path) == []
    keep(tmp_path, [], OLD)
    assert read_kept(tmp_path) == [OLD]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_looks_of_a_day_are_compared_with_the_same_day_before(tmp_path):
    keep(tmp_path, [OLD], NEW)
    again = replace(NEW, at="2026-11-21T09:00:00+00:00", equity="9000")
    kept = read_kept(tmp_path)
    assert before(kept, again) == OLD
    keep(tmp_path, kept, again)
    assert read_kept(tmp_path) == [OLD, again]
    assert before(read_kept(tmp_path), OLD) is None


def test_a_few_sessions_are_kept(tmp_path):
    kept = []
    for day in range(10, 20):
        keep(tmp_path, kept, replace(OLD, signal_session=f"2026-11-{day}"))
        kept = read_kept(tmp_path)
    assert [one.signal_session[-2:] for one in kept] == ["15", "16", "17", "18", "19"]
    assert len(kept) == KEPT_MAX


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"at": 1}]', "[" * 5000, '{"a": 1}'])
def test_a_damaged_record_is_said_and_begun_anew(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RecordError, match="begun anew"):
        read_kept(tmp_path)
    keep(tmp_path, [], NEW)
    assert read_kept(tmp_path) == [NEW]


def test_a_folder_that_takes_nothing_is_said(tmp_path):
    with pytest.raises(RecordError, match="cannot be written: No such file"):
        keep(tmp_path / "none", [], NEW)
    (tmp_path / FILE).mkdir()
    with pytest.raises(RecordError, match="cannot be read: Is a directory"):
        read_kept(tmp_path)
