"""The bench of the local broker runs. What it measures is never a test: it differs by the day."""

import pytest

from bench import paper_load


@pytest.mark.e2e
def test_the_bench_of_the_local_broker_runs():
    found = list(paper_load.figures(is_quick=True))
    names = [figure.what for figure in found]
    assert "local broker: an order" in names
    assert "local broker: a stream event" in names
    assert all(figure.shown() and figure.how for figure in found)
