"""Real processes, really killed: nothing is sent twice, nothing is lost, the targets are reached.

`python -m tests.simulation --tier C --kills 100` goes on for longer.
"""

from collections.abc import Callable

import pytest

from tests.simulation.campaign import campaign, lines, story

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KILLS = 18


def test_s142_real_processes_killed_at_any_moment_end_at_their_targets(
    record_property: Callable[[str, object], None],
) -> None:
    stories = campaign(KILLS)
    record_property("said", "\n".join(("tier C", *lines(stories), "")))
    assert not any(told.breaches for told in stories), "\n\n".join(map(story, stories))
    assert sum(told.kills.total() for told in stories) >= KILLS
    assert "done" in {told.outcome for told in stories}
