"""What the market's own series must be like before a regime is read off it."""

from datetime import timedelta

import pytest

from atlas_daemon.core.brain import SignalsError
from atlas_daemon.strategy.benchmark import refuse_unfit
from tests.strategy.markets import a_market

DAYS, CLOSES = a_market(60)


def examined(days=None, closes=None, last=DAYS[-1], known=DAYS):
    days = DAYS if days is None else days
    closes = CLOSES if closes is None else closes
    return refuse_unfit(
        "SPY", days, closes, last, lambda first, last: [d for d in known if first <= d <= last]
    )


def changed(**by_place):
    closes = list(CLOSES)
    for place, close in by_place.items():
        closes[int(place.removeprefix("at"))] = close
    return closes


def without(*places):
    kept = [at for at in range(60) if at not in places]
    return {"days": [DAYS[at] for at in kept], "closes": [CLOSES[at] for at in kept]}


def test_a_sound_series_passes_without_a_word():
    assert examined() == ()


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ({"closes": changed(at30=float("nan"))}, f"the close of {DAYS[30]} is nan"),
        ({"closes": changed(at30=float("inf"))}, f"the close of {DAYS[30]} is inf"),
        ({"closes": changed(at30=0.0)}, f"the close of {DAYS[30]} is 0.0"),
        ({"closes": changed(at30=-5.0)}, f"the close of {DAYS[30]} is -5.0"),
        ({"closes": changed(at30=CLOSES[29] * 1.26)}, rf"\+26% on {DAYS[30]}: a bad row"),
        ({"closes": [*CLOSES[:30], *(c / 2 for c in CLOSES[30:])]}, "a split that is not booked"),
        ({"closes": [*CLOSES[:30], *[CLOSES[30]] * 30]}, f"same close 5 times up to {DAYS[34]}"),
        ({"last": DAYS[-1] + timedelta(days=1)}, f"last bar is {DAYS[-1]}, not the session"),
        ({"days": [], "closes": []}, "no bars, not the session"),
        (without(59), f"last bar is {DAYS[58]}, not the session {DAYS[59]}"),
        (without(20, 21), rf"2 sessions without a bar \(one is {DAYS[21]}\)"),
        (without(10, 13, 16, 20, 23, 26), "6 sessions without a bar"),
        (without(*range(20, 29)), "no bars between"),
    ],
)
def test_what_is_odd_is_refused_in_words(series, words):
    with pytest.raises(SignalsError, match=words):
        examined(**series)


def test_a_single_missing_session_is_named_and_does_no_harm():
    assert examined(**without(20)) == (f"SPY has no bar on {DAYS[20]}",)


def test_where_no_calendar_reaches_only_long_gaps_count():
    assert examined(**without(20, 21), known=[]) == ()
    with pytest.raises(SignalsError, match="no bars between"):
        examined(**without(*range(20, 29)), known=[])


def test_the_worst_day_on_record_passes():
    fallen = [*CLOSES[:30], *(close * 0.795 for close in CLOSES[30:])]
    assert examined(closes=fallen) == ()
