"""Who says what to hold: the port, and what both of its tenants have in common."""

from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon import scanners
from atlas_daemon.core.brain import FailureKind
from atlas_daemon.core.values import Pick, Symbol
from atlas_daemon.scanners import Decision
from tests.bars.builders import a_series, write_bars
from tests.worker_requests import DAY, answered, refused

NEXT, LATER = date(2024, 2, 1), date(2024, 2, 2)
"""The order session, and the one after it."""


@pytest.fixture
def bars(tmp_path):
    rows = [bar for name in ("AAA", "SPY", "^VIX") for bar in a_series(name, [100.0] * 260)]
    return write_bars(tmp_path / "bars.parquet", rows)


def test_whatever_keeps_to_the_port_decides(bars, monkeypatch):
    asked = []

    def coin(argument, request, load):
        asked.append((argument, request.signal_day))
        pick = Pick(Symbol("AAA"), Decimal("0.5"), None)
        return load(["AAA"], request.signal_day), Decision((pick,), (), 1, ("heads",))

    monkeypatch.setattr(scanners, "SCANNERS", {"file": coin})
    got = answered(bars, strategy="file:of/somebody's")
    assert asked == [("of/somebody's", DAY)]
    assert [(pick.symbol, pick.weight) for pick in got.picks] == [("AAA", Decimal("0.5"))]
    assert (got.candidates, got.notes) == (1, ("heads",))
    assert got.closes == {"AAA": 100, "SPY": 100}


@pytest.mark.parametrize("strategy", ["momentum_52w:x", "file:", "file", "", "momentum"])
def test_a_scanner_that_nobody_knows_is_refused_by_its_key(bars, strategy):
    kind, error = refused(bars, strategy=strategy)
    assert error == f"strategy.source: {strategy!r} is neither momentum_52w nor file:PATH"
    assert kind is FailureKind.CONFIG


def test_all_is_every_share_of_the_data_and_not_the_market_itself(bars):
    got = answered(bars, universe="all")
    assert [pick.symbol for pick in got.picks] == ["AAA"]
    assert got.candidates == 1
    assert any("without SPY" in note for note in got.notes)


def test_data_that_begin_too_late_are_said_to_be_too_few(tmp_path):
    rows = [bar for name in ("AAA", "SPY") for bar in a_series(name, [100.0] * 100)]
    path = write_bars(tmp_path / "bars.parquet", rows)
    kind, error = refused(path, universe="GONE,AAA")
    assert error.endswith("(AAA: 100 of 252 sessions of bars)")
    assert kind is FailureKind.EMPTY


@pytest.mark.parametrize(
    ("ratio", "close", "said"),
    [(4.0, "25", "4:1"), (1.5, "66.666667", "1.5:1"), (0.1, "1000", "0.1:1")],
)
def test_a_split_of_the_order_session_is_in_every_close(tmp_path, ratio, close, said):
    # The file of the evening after: all prices are those of new shares already.
    days = a_series("AAA", [100.0 / ratio] * 261, last=NEXT, split=0.0)
    days[-1]["split"] = ratio
    rows = [*days, *a_series("SPY", [480.0] * 261, last=NEXT, split=0.0)]
    path = write_bars(tmp_path / "bars.parquet", rows)
    got = answered(path, universe="AAA")
    assert (got.picks[0].close, got.picks[0].ratio) == (Decimal(close), 1)
    assert got.closes == {"AAA": Decimal(close), "SPY": 480}
    assert got.splits == {"AAA": Decimal(str(ratio))}
    assert any(note.startswith(f"AAA splits {said} after 2024-01-31") for note in got.notes)


def test_a_split_after_the_order_session_is_not_in_the_closes(tmp_path):
    days = a_series("AAA", [25.0] * 262, last=LATER, split=0.0)
    days[-1]["split"] = 4.0
    path = write_bars(tmp_path / "bars.parquet", days)
    got = answered(path, universe="AAA")
    assert (got.closes["AAA"], got.splits) == (100, {})
