"""The source `jump_model` as one piece: kept labels, bars, the VIX, one reading or one refusal."""

from dataclasses import replace
from datetime import date

import pytest

from atlas_daemon.core.brain import SignalsError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.strategy.regime_source import HISTORY_FIRST, Series, model_track, read_model
from tests.strategy.markets import SMALL, a_market

SOURCE = "file:bars.parquet"
DAYS, CLOSES = a_market(520)


class Feed:
    """Closes up to a day, and what was asked of them."""

    def __init__(self, closes=CLOSES, days=DAYS):
        self.days, self.closes = days, closes
        self.asked = []

    def ask(self, day, model=SMALL):
        return read_model(model, SOURCE, day, self.until(day), known)

    def until(self, day):
        def look(since):
            self.asked.append(since)
            told = [
                (each, close)
                for each, close in zip(self.days, self.closes, strict=True)
                if since <= each <= day
            ]
            return Series([each for each, _ in told], [close for _, close in told])

        return look


def known(first, last):
    return [session.day for session in NYSE.sessions_between(first, last)]


@pytest.fixture
def keeping(tmp_path):
    return replace(SMALL, state_path=str(tmp_path / "labels.json"), keeps_state=True)


def test_a_reading_has_both_labels_and_says_so():
    told = Feed().ask(DAYS[-1])
    assert told.as_of == DAYS[-1]
    assert {told.raw, told.confirmed} >= {told.regime}
    assert told.notes[0].startswith(f"the model says {told.raw} since ")


def test_a_window_that_is_not_full_is_said():
    told = Feed().ask(DAYS[-1], replace(SMALL, window=2520))
    assert "the model compares 460 of 2520 sessions" in told.notes[-1]


def test_kept_labels_make_the_next_day_ask_for_a_month_of_bars_only(keeping):
    feed = Feed()
    first = feed.ask(DAYS[-2], keeping)
    second = feed.ask(DAYS[-1], keeping)
    assert feed.asked == [HISTORY_FIRST, date(2023, 12, 31)]
    assert second == Feed().ask(DAYS[-1])
    assert first == Feed().ask(DAYS[-2])


def test_a_day_that_was_judged_is_not_judged_again(keeping):
    feed = Feed()
    told = feed.ask(DAYS[-1], keeping)
    assert feed.ask(DAYS[-1], keeping) == told
    assert feed.ask(DAYS[-30], keeping).as_of == DAYS[-30]
    assert feed.asked == [HISTORY_FIRST]


def test_a_day_before_the_first_that_was_kept_is_computed_and_not_kept(keeping, tmp_path):
    late = Feed(CLOSES[200:], DAYS[200:])
    late.ask(DAYS[-1], keeping)
    kept = (tmp_path / "labels.json").read_bytes()
    assert Feed().ask(DAYS[255], keeping).as_of == DAYS[255]
    assert (tmp_path / "labels.json").read_bytes() == kept


def test_who_only_reads_leaves_no_file(keeping, tmp_path):
    Feed().ask(DAYS[-1], replace(keeping, keeps_state=False))
    assert list(tmp_path.iterdir()) == []


def test_labels_stand_when_the_feed_changes_its_past_and_it_is_said(keeping):
    feed = Feed()
    track, _ = model_track(keeping, SOURCE, DAYS[-2], feed.until(DAYS[-2]), known)
    other = Feed([*CLOSES[:510], *(close * 1.1 for close in CLOSES[510:])])
    after, notes = model_track(keeping, SOURCE, DAYS[-1], other.until(DAYS[-1]), known)
    assert after.rows[:-1] == track.rows
    assert f"the bars of SPY on {DAYS[510]} have changed since they were judged" in notes[0]


def test_bars_that_lost_the_last_judged_session_are_refused(keeping):
    Feed().ask(DAYS[-2], keeping)
    gone = Feed([*CLOSES[:-2], CLOSES[-1]], [*DAYS[:-2], DAYS[-1]])
    with pytest.raises(SignalsError, match=f"no bar on {DAYS[-2]}, the last session that was"):
        gone.ask(DAYS[-1], keeping)


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        (Feed([], []), "SPY: no bars, not the session 2024-01-31"),
        (Feed(CLOSES[-150:], DAYS[-150:]), "SPY: too few sessions: 90 of 120"),
        (Feed([100.0] * 520), "SPY: the same close 5 times"),
        (Feed([1.0 + at / 1000 for at in range(520)]), "SPY: not one loss"),
        (Feed([*CLOSES[:-1], float("nan")]), "SPY: the close of 2024-01-31 is nan"),
        (Feed(CLOSES[:-1], DAYS[:-1]), "SPY: its last bar is 2024-01-30, not"),
    ],
    ids=["none", "few", "still", "rising", "nan", "stale"],
)
def test_what_cannot_carry_a_regime_is_refused_in_one_line(feed, words, keeping):
    with pytest.raises(SignalsError) as refused:
        feed.ask(DAYS[-1], keeping)
    assert str(refused.value).startswith(f"regime.source jump_model: {words}")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 1


def test_the_vix_speaks_where_a_file_is_given(tmp_path):
    path = tmp_path / "vix.csv"
    rows = [f"{day},{15 if day < DAYS[-1] else 25}" for day in DAYS]
    path.write_text("\n".join(["date,close", *rows]))
    told = Feed().ask(DAYS[-1], replace(SMALL, vix=f"file:{path}"))
    assert told.regime == told.raw == "CRASH"
    assert told.notes[0].startswith("the VIX jumped: CRASH since ")
    path.write_text("\n".join(["date,close", *rows[:-1]]))
    with pytest.raises(SignalsError, match="jump_model: no close of the VIX on 2024-01-31"):
        Feed().ask(DAYS[-1], replace(SMALL, vix=f"file:{path}"))
