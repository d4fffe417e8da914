"""docs/operations.md is true: each command in it is typed, in the situation it is written for.

The exit code and the words behind `#` are compared with what the command does.
"""

import re
import shlex
from typing import NamedTuple

import pytest

from atlas_daemon.edges.notify.advice import ADVICE
from tests.house.source import PACKAGE, ROOT
from tests.runbook.situations import SITUATIONS

RUNBOOK = (ROOT / "docs" / "operations.md").read_text("utf-8")
HOST = "host"
LINE = re.compile(r"(?P<command>.+?)\s+# (?P<code>\d+) (?P<words>.+)")


class Typed(NamedTuple):
    """A command, and what its lines say of it."""

    command: str
    codes: set[int]
    words: set[str]


def blocks() -> list[tuple[str, list[str]]]:
    """Every fenced block of shell: its situation, its lines."""
    found = re.findall(r"^ *```sh ?(\w*)\n(.*?)^ *```$", RUNBOOK, re.MULTILINE | re.DOTALL)
    return [(name, [row.strip() for row in text.splitlines()]) for name, text in found]


def typed(situation: str) -> list[Typed]:
    """The lines of a situation's blocks, each once, in the order of the paper."""
    lines: dict[str, Typed] = {}
    for name, rows in blocks():
        for row in rows if name == situation else ():
            match = LINE.fullmatch(row)
            assert match, f"{row}: a command is followed by `# CODE WORDS`"
            one = lines.setdefault(match["command"], Typed(match["command"], set(), set()))
            one.codes.add(int(match["code"]))
            one.words.add(match["words"])
    return list(lines.values())


@pytest.mark.asyncio
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_each_command_does_what_the_runbook_says(situation, tmp_path, monkeypatch):
    wrong = []
    async with SITUATIONS[situation](tmp_path, monkeypatch) as place:
        for command, codes, words in typed(situation):
            program, *arguments = shlex.split(command)
            assert program == "atlasd"
            ended, said = await place.run(*arguments)
            if codes != {ended} or not all(word in said for word in words):
                wrong.append(f"{command}: {ended}, not {codes} {words}:\n{said}")
    assert not wrong, "\n".join(wrong)


def test_every_block_is_of_a_situation_that_is_tried_and_none_is_left_over():
    assert {name for name, _ in blocks()} == {*SITUATIONS, HOST}


def test_the_hosts_own_commands_are_those_that_the_service_was_installed_and_tried_with():
    """tests/systemd types deploy/README.md in a machine of its own; here nothing of it can run."""
    tried = (ROOT / "deploy" / "README.md").read_text("utf-8")
    for name, rows in blocks():
        for row in rows if name == HOST else ():
            program, verb = (*shlex.split(row), "")[:2]
            assert program in {"systemctl", "journalctl", "timedatectl", "df"}, row
            if program == "systemctl":
                assert f"systemctl {verb}" in tried, row
                assert shlex.split(row)[-1] in {"atlas", "--no-pager"}, row


# Nothing is missing.


def headings(level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", RUNBOOK, re.MULTILINE)


def test_every_alert_has_its_section_and_no_section_is_left_over():
    assert sorted(headings(3)) == sorted(f"`{key}`" for key in ADVICE)


def slug(heading: str) -> str:
    """The address that a heading has where Markdown is shown."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def test_every_link_within_leads_to_a_section():
    there = {slug(heading) for level in (1, 2, 3) for heading in headings(level)}
    named = set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK))
    assert named
    assert named <= there


def test_every_paper_it_names_is_there():
    for path in re.findall(r"\]\(([^#)]+)\)", RUNBOOK):
        assert (ROOT / "docs" / path).exists(), path


def test_every_rule_of_prometheus_leads_somewhere():
    rules = re.findall(r"alert: (\w+)", (ROOT / "deploy" / "alerts.yml").read_text("utf-8"))
    assert re.findall(r"^\| `(Atlas\w+)` \| \[", RUNBOOK, re.MULTILINE) == rules


def test_every_command_named_in_passing_is_one():
    register = (PACKAGE / "cli" / "commands.py").read_text("utf-8")
    there = set(re.findall(r"app\.command\([^)]*\)\((\w+)\)", register))
    there |= set(re.findall(r"name=\"(\w+)\"", register))
    named = set(re.findall(r"\batlasd ([a-z]+)", RUNBOOK))
    assert named
    assert named <= there
