from datetime import date

import pytest

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.values import Regime
from atlas_daemon.strategy.regime_file import fixed_regime, read_regime

DAY = date(2027, 1, 29)


@pytest.mark.parametrize("regime", list(Regime))
def test_every_regime_can_be_fixed_and_read_from_a_file(tmp_path, regime):
    path = tmp_path / "regime.json"
    path.write_text(f'{{"regime": "{regime.value}", "as_of": "2027-01-29"}}\n')
    for reading in (fixed_regime(regime.value, DAY), read_regime(path)):
        assert (reading.regime, reading.as_of) == (regime, DAY)


@pytest.mark.parametrize("name", ["", "BULL", "trend_bull", "TREND_BULL "])
def test_an_unknown_fixed_regime_is_refused(name):
    with pytest.raises(SignalsError, match="is none of TREND_BULL, TREND_NEUTRAL") as caught:
        fixed_regime(name, DAY)
    assert caught.value.kind is FailureKind.CONFIG


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read as a regime"),
        (b"", "cannot be read as a regime"),
        (b"\xff", "cannot be read as a regime"),
        (b'{"regime": "CRASH", "as_of": "2027-01-29"', "cannot be read as a regime"),
        (b'{"regime": "CRASH", "regime": "CRASH", "as_of": "2027-01-29"}', "twice"),
        (b'["CRASH", "2027-01-29"]', "and nothing else"),
        (b"null", "and nothing else"),
        (b'{"regime": "CRASH"}', "and nothing else"),
        (b'{"regime": "CRASH", "as_of": "2027-01-29", "why": 1}', "and nothing else"),
        (b'{"regime": "PANIC", "as_of": "2027-01-29"}', "the regime 'PANIC' is none of"),
        (b'{"regime": null, "as_of": "2027-01-29"}', "the regime None is none of"),
        (b'{"regime": ["CRASH"], "as_of": "2027-01-29"}', "is none of"),
        (b'{"regime": "CRASH", "as_of": "29.1.2027"}', "as_of '29.1.2027' is no date"),
        (b'{"regime": "CRASH", "as_of": "20270129"}', "as_of '20270129' is no date"),
        (b'{"regime": "CRASH", "as_of": "2027-02-30"}', "is no date"),
        (b'{"regime": "CRASH", "as_of": 20270129}', "is no date"),
        (b"[" * 60_000, "cannot be read as a regime"),
        (b" " * 70_000, "is larger than"),
    ],
)
def test_a_flawed_file_is_refused_and_named(tmp_path, content, words):
    path = tmp_path / "regime.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SignalsError) as caught:
        read_regime(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.kind is FailureKind.DATA
