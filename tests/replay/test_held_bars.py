"""Bars kept in memory are what the child would have read of the file on that day."""

from dataclasses import fields
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atlas_daemon import worker
from atlas_daemon.bars.files import load_bars
from atlas_daemon.core.brain import RegimeModel, SignalsError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.replay.brain import labels_of
from atlas_daemon.replay.held_bars import HeldBars, span_of
from tests.replay.history import FIRST, LAST, SPLIT, SPLIT_DAY
from tests.worker_requests import a_request


@pytest.mark.parametrize("symbols", [None, {"AAA", "SPY"}, {"AAA", "NONE"}])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2021, 1, 1), date(2021, 12, 31)),
        (date(2021, 4, 9), NYSE.session_before(SPLIT_DAY).day),
        (date(2022, 5, 16), date(2023, 8, 30)),
    ],
)
def test_a_window_is_what_the_file_would_have_given(history, symbols, start, end):
    read = load_bars(history.path, symbols, start, end, NYSE.session_after(end).day)
    held = HeldBars(history.path).window(symbols, start, end)
    for field in fields(read):
        theirs, ours = getattr(read, field.name), getattr(held, field.name)
        if field.name in ("high_total", "close_total"):
            # Dividends scale a whole series: by those of the file here, of the window there.
            ours, theirs = ours / held.close_total[-1], theirs / read.close_total[-1]
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        elif isinstance(theirs, np.ndarray):
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
        else:
            assert ours == theirs, field.name


def test_a_split_of_the_next_session_is_told_with_the_window(history):
    held = HeldBars(history.path)
    before = NYSE.session_before(SPLIT_DAY).day
    assert held.window({"AAA", "BBB"}, FIRST, before).splits_next == {"AAA": SPLIT}
    assert held.window({"BBB"}, FIRST, before).splits_next == {}
    assert held.window({"AAA"}, FIRST, SPLIT_DAY).splits_next == {}


def test_days_without_bars_are_refused_as_the_file_is(history):
    held = HeldBars(history.path)
    for day, words in (
        (date(2023, 9, 1), "ends on 2023-08-31"),
        (date(2021, 1, 1), "starts on 2021-01-04"),
        (date(2022, 7, 4), "no bar of any symbol"),
    ):
        with pytest.raises(SignalsError, match=words):
            held.window(None, FIRST, day)


def test_older_bars_of_the_benchmark_come_from_their_own_file(history, tmp_path):
    days = [s.day for s in NYSE.sessions_between(date(2019, 1, 2), LAST)]
    closes = np.linspace(50, 90, len(days))
    named = {"date": days, "symbol": ["SPY"] * len(days), "adj_close": closes / 2}
    named |= dict.fromkeys(("open", "high", "low", "close"), closes)
    path = tmp_path / "spy.parquet"
    pq.write_table(pa.table(named | {"volume": [1e6] * len(days)}), path)
    held = HeldBars(history.path, benchmark=path)
    load = held.at_hand(a_request(history.path, signal_day=LAST))
    alone = load({"SPY"}, date(1990, 1, 1))
    assert len(alone.sessions) == len(days)
    assert alone.close_total[-1, 0] == pytest.approx(45.0)  # adj_close is the total return
    assert load({"SPY", "AAA"}, FIRST).close_total[-1, 1] != pytest.approx(45.0)


def test_labels_grown_at_once_are_those_that_the_child_gives_day_by_day(history):
    model = RegimeModel(lookback=120, window=250)
    at_hand = HeldBars(history.path).at_hand
    asked = partial(a_request, history.path, regime="jump_model", model=model)
    track, _ = worker.regime_track(asked(signal_day=LAST), {}, at_hand)
    labels = labels_of(track, model.confirm_sessions)
    for day in (date(2022, 3, 1), date(2022, 11, 3), date(2023, 3, 9), date(2023, 3, 28)):
        alone = worker.regime_alone(asked(signal_day=day), {})
        told = labels[day]
        assert (told.regime, told.raw, told.confirmed) == (alone.regime, alone.raw, alone.confirmed)


def test_a_file_that_holds_no_bars_is_named(tmp_path):
    for name, content, words in (
        ("none.parquet", None, "no such file"),
        ("noise.parquet", b"PAR1 is not enough", "cannot be read"),
        ("other.csv", b"a,b\n1,2\n", "cannot be read"),
        ("empty.csv", b"date,symbol\n", "has no rows"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SignalsError, match=words) as caught:
            span_of(path)
        assert name in str(caught.value)
