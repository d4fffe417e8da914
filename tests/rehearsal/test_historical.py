"""The seed's three days, end to end on real prices: what the command prints, figure by figure."""

import pytest

from tests.bars.builders import SHARED_BARS
from tests.conformance.conftest import not_here
from tests.conformance.install import NotHereError
from tests.rehearsal.historical import GOLDEN, RUNS, figures_by_pandas, rows_between, told
from tests.thirty_years import bars_file

ITS_LINES = {
    "2024-02-01": (
        "Sessions asked for 2024-02-01, order session 2024-02-01, signal session 2024-01-31",
        "Regime   TREND_BULL (as of 2024-01-31): up to 100.0 % deployed",
        "Note     the model says TREND_BULL since 2023-11-14, confirmed is TREND_BULL",
    ),
    "2024-08-01": (
        "Sessions asked for 2024-08-01, order session 2024-08-01, signal session 2024-07-31",
        "Regime   TREND_NEUTRAL (as of 2024-07-31): up to 70.0 % deployed",
        "Note     MRSH was MMC on 2024-07-31",
    ),
    "2020-03-15": (
        "Sessions asked for 2020-03-15, order session 2020-03-16, signal session 2020-03-13",
        "Regime   CRASH (as of 2020-03-13): up to 0.0 % deployed",
        "Note     regime CRASH lets nothing be held: all cash, all 3 held are closed",
    ),
    "2020-03-15-skfolio": (
        "Sessions asked for 2020-03-15, order session 2020-03-16, signal session 2020-03-13",
        "Regime   CRASH (as of 2020-03-13): up to 0.0 % deployed",
        "Note     regime CRASH lets nothing be held: all cash, all 2 held are closed",
    ),
}


@pytest.fixture(params=RUNS.values(), ids=lambda run: run.name)
def run(request):
    """Each run whose prices are on this machine."""
    if request.param.is_shipped:
        try:
            bars_file()
        except NotHereError as error:
            not_here(f"skfolio's prices: {error}")
    elif not SHARED_BARS.exists():
        pytest.skip(f"the real bars are not on this machine ({SHARED_BARS})")
    return request.param


def test_the_command_prints_what_the_golden_file_says(run, tmp_path):
    assert told(run, tmp_path) == (GOLDEN / f"{run.name}.txt").read_text("utf-8")


def test_every_figure_of_the_golden_file_is_what_pandas_finds_in_the_prices(run):
    text = (GOLDEN / f"{run.name}.txt").read_text("utf-8")
    picks, lines, orders, cash = figures_by_pandas(run)
    assert rows_between(text, "Picks", "Current ->") == picks
    shown = rows_between(text, "Current ->", "Orders, as")
    assert [row[: len(lines[0])] for row in shown] == lines
    assert rows_between(text, "Orders, as", "Gates") == orders
    assert f"\nCash     {cash}\n" in text


@pytest.mark.parametrize("name", RUNS)
def test_a_golden_file_says_its_sessions_regime_and_why(name):
    text = (GOLDEN / f"{name}.txt").read_text("utf-8")
    for line in ITS_LINES[name]:
        assert f"\n{line}\n" in text
    assert text.endswith("\nThe plan passes every gate. Nothing was sent.\n")
    assert {path.stem for path in GOLDEN.iterdir()} == set(RUNS)
