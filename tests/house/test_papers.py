"""The papers say what is there: tests, commands, keys, links and the journeys."""

import re

import pytest

from tests.house.source import PACKAGE, ROOT, papers

README = ROOT / "README.md"
MARKDOWN = tuple(path for path in papers() if path.suffix == ".md")


def test_every_guarantee_names_a_test_that_there_is() -> None:
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)", tests))
    named = {name for path in MARKDOWN for name in re.findall(r"`(test_\w+)`", _text(path))}
    assert len(named) > 10
    assert named - there == set()


def test_every_command_named_is_there() -> None:
    register = (PACKAGE / "cli" / "commands.py").read_text("utf-8")
    there = set(re.findall(r"import (.+)", register))
    words = {word for names in there for word in names.split(", ")}
    named = {name for path in MARKDOWN for name in re.findall(r"\batlasd ([a-z]+)", _text(path))}
    assert named - words == set()


def test_every_command_is_in_the_readmes_table() -> None:
    register = (PACKAGE / "cli" / "commands.py").read_text("utf-8")
    commands = set(re.findall(r"app\.command\([^)]*\)\((\w+)\)", register))
    commands |= set(re.findall(r"app\.add_typer\([^)]*name=\"(\w+)\"", register))
    assert commands
    listed = set(re.findall(r"^\| `atlasd (\w+)", _text(README), re.MULTILINE))
    assert {name.rstrip("_") for name in commands} == listed


def test_every_key_named_is_a_key_of_the_configuration() -> None:
    from atlas_daemon.config import KEYS

    sections = {name.split(".")[0] for name in KEYS}
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)", _text(README)))
    wrong = {n for n in named if n.split(".")[0] in sections and n not in KEYS}
    assert wrong == set()


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path) -> None:
    text = _text(path)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    anchors = {_anchor(line) for line in text.splitlines() if line.startswith("#")}
    dead = [
        link
        for link in links
        if not link.startswith("https://")
        and not (link.startswith("#") and link[1:] in anchors)
        and not (not link.startswith("#") and (path.parent / link).exists())
    ]
    assert dead == []


def test_a_journey_tells_what_its_transcript_tells() -> None:
    text = _text(ROOT / "docs" / "architecture.md")
    journeys = re.findall(
        r"^### [^\n]*\(`(\w+\.txt)`\)\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL
    )
    there = {path.name for path in (ROOT / "tests" / "transcripts").glob("*.txt")}
    assert {name for name, _ in journeys} == there
    for name, journey in journeys:
        told = set(re.findall(r"\b([A-Z][a-z]+[A-Z]\w+)\(", journey))
        whole = _text(ROOT / "tests" / "transcripts" / name)
        assert told - set(re.findall(r"(\w+)\(", whole)) == set(), name


def test_every_make_target_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {name for path in MARKDOWN for name in re.findall(r"`make ([a-z]+)", _text(path))}
    assert named - targets == set()


def _text(path) -> str:
    return path.read_text("utf-8")


def _anchor(heading: str) -> str:
    words = heading.lstrip("#").strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
