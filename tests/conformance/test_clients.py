"""Programs that nobody here wrote walk the local broker: what they parse is what it means."""

import pytest

from tests.conformance.conftest import walk_of
from tests.conformance.story import STORY, expected
from tests.conformance.walks import CLIENTS, PLAIN


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_walks_to_the_end_of_the_story(walks, client) -> None:
    walk = walk_of(walks, client)
    assert walk.failure == ""
    assert [step["step"] for step in walk.steps] == [
        step for step in STORY if expected(client, step)
    ]


@pytest.mark.parametrize("step", STORY)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_parses_what_the_broker_means(walks, client, step) -> None:
    walk = walk_of(walks, client)
    told = [each for each in walk.steps if each["step"] == step]
    assert told == expected(client, step), walk.failure


def test_our_own_walk_meets_no_surprise(walks) -> None:
    assert walks[PLAIN].failure == ""
    assert walks[PLAIN].steps == []
