"""The VIX: what counts as a jump, and which file is none."""

import gzip
from datetime import date

import pytest

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.strategy.vix import read_vix, vix_spikes
from tests.bars.builders import sessions

DAYS = sessions(6)


def spiked(*closes, days=DAYS):
    told = {day: close for day, close in zip(days, closes, strict=True) if close}
    return [day for day, is_spike in vix_spikes(told, days).items() if is_spike]


@pytest.mark.parametrize(
    ("closes", "wanted"),
    [
        ((10, 10, 10, 10, 10, 12.0), []),
        ((10, 10, 10, 10, 10, 12.01), [DAYS[5]]),
        ((10, 10, 10, 11.5, 13.2, 15.0), []),
        ((10, 10, 10, 11.5, 13.2, 15.1), [DAYS[5]]),
        ((10, 10, 14, 10, 10, 10), [DAYS[2]]),
        ((10, None, 14, 10, 10, 10), []),
    ],
)
def test_more_than_20_per_cent_in_one_session_or_50_in_three_is_a_crash(closes, wanted):
    assert spiked(*closes) == wanted


@pytest.mark.parametrize("missing", [5, 4, 2])
def test_the_newest_session_needs_all_that_it_is_compared_with(missing):
    closes = [10 if at != missing else None for at in range(6)]
    with pytest.raises(SignalsError, match=f"no close of the VIX on {DAYS[missing]}"):
        spiked(*closes)


def test_days_that_are_no_session_are_not_looked_at():
    told = dict.fromkeys(DAYS, 10.0) | {date(2024, 1, 28): 99.0}
    assert not any(vix_spikes(told, DAYS).values())


def test_cboe_files_and_files_of_many_symbols_are_read(tmp_path):
    cboe = tmp_path / "VIX_History.csv"
    cboe.write_text("DATE,OPEN,HIGH,LOW,CLOSE\n02/05/2018,18.44,38.80,16.80,37.32\n")
    many = tmp_path / "markets.csv.gz"
    with gzip.open(many, "wt") as file:
        file.write("date,symbol,close\n2018-02-05,SPY,263.93\n2018-02-05,^VIX,37.32\n")
    assert read_vix(cboe) == read_vix(many) == {date(2018, 2, 5): 37.32}


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("day,close\n", "lacks the columns date and close", "config"),
        ("date,close\n", "has no close of the VIX", "data"),
        ("date,close\n2018-02-05\n", "line 2: has not 2 fields", "data"),
        ("date,close\n2018-02-05,x\n", "line 2: 'x' is no close", "data"),
        ("date,close\n2018-02-05,nan\n", "line 2: 'nan' is no close", "data"),
        ("date,close\n2018-02-05,0\n", "line 2: '0' is no close", "data"),
        ("date,close\n2018-02-05,inf\n", "line 2: 'inf' is no close", "data"),
        ("date,close\n05.02.2018,9\n", "line 2: '05.02.2018' is no date", "data"),
        ("date,close\n13/13/2018,9\n", "line 2: '13/13/2018' is no date", "data"),
        (
            "date,close\n2018-02-05,9\n02/05/2018,9\n",
            "line 3: 2018-02-05 stands there twice",
            "data",
        ),
        ('date,close\n"2018', "cannot be read", "config"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path, text, words, kind):
    path = tmp_path / "vix.csv"
    path.write_text(text)
    with pytest.raises(SignalsError, match=words) as refused:
        read_vix(path)
    assert refused.value.kind is FailureKind(kind)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_a_matter_of_configuration(tmp_path):
    with pytest.raises(SignalsError, match="cannot be read") as refused:
        read_vix(tmp_path / "none.csv")
    assert refused.value.exit_code == 78
