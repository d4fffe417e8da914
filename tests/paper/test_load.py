"""The bench of the local broker runs. What it measures is never a test: it differs by the day."""

import pytest

from bench import paper_load


@pytest.mark.e2e
def test_the_bench_of_the_local_broker_runs():
    found = list(paper_load.figures(is_quick=True))
    assert len([figure for figure in found if figure.what == "local broker: an order"]) == 3
    assert any("stream event" in figure.what for figure in found)
    assert all(figure.shown() for figure in found)
