"""`atlasd paper`: which scenarios there are, and a mistake in one."""

import json

import pytest

from atlas_daemon.paper.faults import scenario


def test_the_scenarios_are_listed_for_people_and_as_json(shell):
    said = shell("paper", "--list-scenarios")
    assert said.exit_code == 0
    assert all(name in said.stdout for name in scenario.names())
    assert "The stream is connected and says nothing" in said.stdout
    listed = json.loads(shell("paper", "--list-scenarios", "--json").stdout)
    assert [one["name"] for one in listed] == scenario.names()
    assert set(listed[0]) == {"name", "title", "story", "steps", "expect"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "scenario mine.toml: No such file or directory"),
        ('title = "x"\nstory = "x"\nsteps = 3\n', "scenario mine.toml: steps: is unknown"),
        (
            'title = "x"\nstory = "x"\n[[step]]\nfault = "hang"\ncount = 0.5\n',
            "scenario mine.toml: step 1: count: must be a whole number",
        ),
    ],
)
def test_a_mistake_in_a_file_is_one_line_and_exit_2(shell, content, said, tmp_path):
    if content is not None:
        (tmp_path / "mine.toml").write_text(content)
    result = shell("paper", "--scenario", "mine.toml", "--port", "0")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"atlasd: {said}")
    assert result.stderr.count("\n") == 1
