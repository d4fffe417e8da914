"""The regime of each session: refits, mapping, confirmation, and that nothing is ever rewritten."""

from dataclasses import replace
from datetime import date
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core.values import Regime
from atlas_daemon.strategy.jump_model import ModelError
from atlas_daemon.strategy.regime import (
    EMPTY,
    Track,
    changed_since,
    confirmed_labels,
    confirmed_stretches,
    grow,
    growth,
    raw_labels,
    read_track,
    regime_for,
    stretches,
)
from tests.strategy.markets import SMALL, SMALL_EXPANDING, a_market, a_model

MODELS = {
    "greedy": SMALL,
    "dp": replace(SMALL, mode="dp"),
    "expanding": SMALL_EXPANDING,
}
BULL, NEUTRAL, BEAR, CRASH = Regime
COUNT = 520


@cache
def market():
    return a_market(COUNT, crash_at=430)


@cache
def whole(name):
    return grow(EMPTY, *market(), MODELS[name])


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(MODELS)), st.integers(2, COUNT), st.integers(0, 9))
def test_cutting_the_data_at_any_day_leaves_the_past_unchanged(name, count, seed):
    """No look-ahead: whatever comes after a day, every bit of what was said up to it stands."""
    days, closes = market()
    cut = grow(EMPTY, days[:count], closes[:count], MODELS[name])
    assert cut.rows == whole(name).rows[: len(cut.rows)]
    assert cut.refits == whole(name).refits[: len(cut.refits)]
    other = closes[:count] + [close * (1 + seed / 10) for close in closes[count:][::-1]]
    assert grow(EMPTY, days, other, MODELS[name]).rows[: len(cut.rows)] == cut.rows


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(sorted(MODELS)),
    st.lists(st.integers(2, COUNT), min_size=1, max_size=3).map(sorted),
    st.integers(1, 30),
)
def test_a_track_grown_in_steps_and_kept_between_them_is_the_track_grown_at_once(
    name, counts, overlap
):
    days, closes = market()
    track, before = EMPTY, 0
    for count in [*counts, COUNT]:
        # Of the days before, a daily update reads only the last few again.
        start = max(0, before - overlap) if track.rows else 0
        grown = grow(track, days[start:count], closes[start:count], MODELS[name])
        track, before = msgspec.json.decode(msgspec.json.encode(grown), type=Track), count
    assert track.rows == whole(name).rows
    assert track.refits == whole(name).refits
    assert track.averages == whole(name).averages


def test_labels_that_were_given_stand_when_the_bars_behind_them_change():
    days, closes = market()
    kept = grow(EMPTY, days[:500], closes[:500], SMALL)
    other = [close * (1.03 if at < 495 else 1.0) for at, close in enumerate(closes)]
    grown = grow(kept, days[480:], other[480:], SMALL)
    assert grown.rows[: len(kept.rows)] == kept.rows
    assert len(grown.rows) == len(kept.rows) + 20
    assert changed_since(kept, days[480:], other[480:]) == (days[495],)
    assert changed_since(kept, days[480:], closes[480:]) == ()


def test_a_day_before_the_last_reads_as_it_was_told_then():
    days, closes = market()
    then = grow(EMPTY, days[:450], closes[:450], SMALL)
    assert read_track(whole("greedy").until(days[449]), days[449], SMALL) == read_track(
        then, days[449], SMALL
    )


def test_refits_are_made_on_the_first_session_of_january_and_july():
    days = [refit.day for refit in whole("greedy").refits]
    assert days == [date(2023, 1, 3), date(2023, 7, 3), date(2024, 1, 2)]


def test_refits_of_an_expanding_window_come_every_126_rows():
    rows = [row.day for row in whole("expanding").rows]
    places = [rows.index(refit.day) for refit in whole("expanding").refits]
    assert places == [119, 245, 371]


def test_each_row_is_judged_by_the_last_fit_before_it():
    track = whole("greedy")
    first = track.refits[0].day
    assert all((row.verdict is None) == (row.day < first) for row in track.rows)


def test_the_answer_does_not_depend_on_where_the_data_starts():
    """With calendar refits, once the window is full and the half-lives of 60 have forgotten."""
    days, closes = a_market(1200, seed=5)
    early = dict(raw_labels(grow(EMPTY, days, closes, SMALL)))
    for start in (100, 233):
        late = grow(EMPTY, days[start:], closes[start:], SMALL)
        full = days[900:]
        labels = dict(raw_labels(late))
        assert {day: labels[day] for day in full} == {day: early[day] for day in full}


def test_the_z_scores_are_those_of_the_window_with_today_in_it():
    rows = whole("greedy").rows
    at = 400
    values = [row.sortino_20 for row in rows[at - 199 : at + 1]]
    mean = sum(values) / 200
    deviation = (sum((value - mean) ** 2 for value in values) / 199) ** 0.5
    assert rows[at].verdict.sortino_z == pytest.approx((values[-1] - mean) / deviation)


@pytest.mark.parametrize(
    ("is_bear", "downside_z", "sortino_z", "wanted"),
    [
        (True, 2.51, -0.91, CRASH),
        (True, 2.5, -0.91, BEAR),
        (True, 2.51, -0.9, BEAR),
        (True, -1.0, 1.0, BEAR),
        (False, 9.0, -9.0, NEUTRAL),
        (False, 0.0, 0.0, NEUTRAL),
        (False, 0.0, 0.01, BULL),
    ],
)
def test_states_map_to_regimes_by_how_unusual_they_are(is_bear, downside_z, sortino_z, wanted):
    assert regime_for(is_bear, downside_z, sortino_z) is wanted


def labelled(*regimes):
    return [(date(2024, 1, 1 + at), regime) for at, regime in enumerate(regimes)]


def test_a_label_is_confirmed_once_it_stood_for_the_sessions_asked():
    told = labelled(BULL, BEAR, BULL, BEAR, BEAR, BEAR, CRASH, CRASH, BULL, CRASH)
    names = [regime for _, regime in confirmed_labels(told, 3)]
    assert names == [BULL] * 5 + [BEAR] * 5
    assert confirmed_labels(told, 1) == told


def test_s171_a_crash_that_flaps_is_one_confirmed_change():
    told = labelled(BULL, CRASH, BULL, CRASH, CRASH, BULL, CRASH, CRASH, CRASH, BULL, CRASH)
    found = confirmed_stretches(told, 3)
    assert [(each.regime, each.sessions) for each in found] == [(BULL, 8), (CRASH, 3)]


@given(st.lists(st.sampled_from(list(Regime)), max_size=28), st.integers(1, 5))
def test_a_confirmed_change_is_to_what_the_last_sessions_all_said(regimes, sessions):
    told = labelled(*regimes)
    confirmed = confirmed_labels(told, sessions)
    for at in range(1, len(told)):
        if confirmed[at][1] is not confirmed[at - 1][1]:
            last = {regime for _, regime in told[at + 1 - sessions : at + 1]}
            assert last == {confirmed[at][1]}
    assert sum(each.sessions for each in stretches(confirmed)) == len(told)


def test_a_reading_tells_both_labels_since_when_and_takes_the_lower():
    raws = raw_labels(whole("greedy"))
    confirmed = dict(confirmed_labels(raws, 3))
    differing = next(day for day, raw in raws[50:] if raw is CRASH and confirmed[day] is not CRASH)
    told = read_track(whole("greedy").until(differing), differing, SMALL)
    assert (told.raw, told.confirmed) == (CRASH, confirmed[differing])
    assert told.regime is CRASH
    assert (
        told.confirmed_sessions
        == confirmed_stretches([each for each in raws if each[0] <= differing], 3)[-1].sessions
    )
    assert 0 <= told.rank <= 1
    assert told.window_sessions == min(200, len(whole("greedy").until(differing).rows))


def test_a_bull_day_in_a_confirmed_bear_market_is_still_held_to_bear():
    raws = raw_labels(whole("greedy"))
    confirmed = dict(confirmed_labels(raws, 3))
    day = next(day for day, raw in raws if raw is BULL and confirmed[day] is BEAR)
    assert read_track(whole("greedy").until(day), day, SMALL).regime is BEAR


@pytest.mark.parametrize("count", [2, 61, 179])
def test_too_few_sessions_have_no_regime(count):
    days, closes = a_market(count)
    track = grow(EMPTY, days, closes, SMALL)
    with pytest.raises(ModelError, match=f"too few sessions: {max(0, count - 60)} of 120"):
        read_track(track, days[-1], SMALL)


def test_the_first_label_waits_for_the_first_calendar_refit():
    days, closes = a_market(190, last=date(2024, 6, 28))
    with pytest.raises(ModelError, match=r"130 of 120 .* the first fit is made in January or July"):
        read_track(grow(EMPTY, days, closes, SMALL), days[-1], SMALL)
    days, closes = a_market(191, last=date(2024, 7, 1))
    assert read_track(grow(EMPTY, days, closes, SMALL), days[-1], SMALL).raw_sessions == 1


def test_a_market_that_stands_still_has_no_regime():
    days, _ = a_market(400)
    with pytest.raises(ModelError, match="does not vary"):
        grow(EMPTY, days, [100.0] * 400, SMALL)


def test_the_vix_makes_a_crash_of_its_day_and_changes_no_state():
    days, closes = market()
    day = days[450]
    spiked = grow(EMPTY, days, closes, SMALL, {day: True})
    plain = whole("greedy")
    at = [row.day for row in plain.rows].index(day)
    assert spiked.rows[at].verdict.regime is CRASH
    assert spiked.rows[at].verdict.by_vix
    assert spiked.rows[at].verdict.is_bear == plain.rows[at].verdict.is_bear
    assert spiked.rows[:at] + spiked.rows[at + 1 :] == plain.rows[:at] + plain.rows[at + 1 :]


def test_a_large_penalty_keeps_greedy_where_it_began_and_dp_moves():
    days, closes = market()
    greedy = grow(EMPTY, days, closes, a_model(lookback=120, window=200, penalty="50"))
    dp = grow(EMPTY, days, closes, a_model(lookback=120, window=200, penalty="50", mode="dp"))
    states = [{row.verdict.is_bear for row in track.rows if row.verdict} for track in (greedy, dp)]
    assert states == [{states[0].copy().pop()}, {True, False}]


def test_growth_is_the_closes_again():
    days, closes = market()
    index = growth(whole("greedy"))
    assert index[days[-1]] / index[days[100]] == pytest.approx(closes[-1] / closes[100])
