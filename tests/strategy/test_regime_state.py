"""The file of labels: read whole or not at all, of one owner, replaced whole."""

import pytest

from atlas_daemon.strategy.regime import EMPTY, grow
from atlas_daemon.strategy.regime_state import owner_of, read_state, write_state
from tests.strategy.markets import SMALL, a_market, a_model

OWNER = owner_of("file:bars.parquet", SMALL)


@pytest.fixture(scope="module")
def track():
    return grow(EMPTY, *a_market(400), SMALL)


@pytest.fixture
def kept(tmp_path, track):
    path = tmp_path / "labels.json"
    assert write_state(path, OWNER, track) == ()
    return path


def test_what_was_kept_is_read_again(kept, track):
    assert read_state(kept, OWNER) == (track, ())
    assert list(kept.parent.iterdir()) == [kept]
    assert kept.stat().st_mode & 0o777 == 0o600


def test_no_file_is_an_empty_track_without_a_word(tmp_path):
    assert read_state(tmp_path / "none.json", OWNER) == (EMPTY, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"lookback": 121},
        {"penalty": "1.6"},
        {"mode": "dp"},
        {"window": None},
        {"vix": "file:vix.csv"},
    ],
)
def test_labels_of_other_parameters_are_not_taken_over(kept, changes):
    other = owner_of("file:bars.parquet", a_model(**({"lookback": 120, "window": 200} | changes)))
    track, (note,) = read_state(kept, other)
    assert track == EMPTY
    assert "of other bars or parameters" in note


def test_labels_of_another_source_are_not_taken_over(kept):
    assert read_state(kept, owner_of("alpaca", SMALL))[0] == EMPTY


def test_what_changes_no_raw_label_keeps_its_owner():
    same = a_model(lookback=120, window=200, penalty="1.50", confirm_sessions=5)
    assert owner_of("file:bars.parquet", same) == OWNER


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"",
        lambda raw: b"[]",
        lambda raw: raw.replace(b'"TREND_BULL"', b'"TREND_BEAR"', 1),
        lambda raw: b"[" * 100_000,
    ],
    ids=["cut", "empty", "list", "edited", "deep"],
)
def test_a_damaged_file_is_computed_anew_and_said(kept, spoil):
    kept.write_bytes(spoil(kept.read_bytes()))
    track, (note,) = read_state(kept, OWNER)
    assert track == EMPTY
    assert "cannot be used, all labels are computed anew" in note


def test_a_folder_that_is_not_there_is_a_note(tmp_path, track):
    (note,) = write_state(tmp_path / "gone" / "labels.json", OWNER, track)
    assert "the labels cannot be kept" in note
    (note,) = read_state(tmp_path, OWNER)[1]
    assert "cannot be read" in note
