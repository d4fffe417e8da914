"""`atlasd explain`: the journeys as told, compared whole. `TRANSCRIPTS=write` rewrites them."""

import json
import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from tests.cli.journals import write_demo, write_journal
from tests.core import test_transcripts as journeys
from tests.historian import journals

FOLDER = Path(__file__).parent / "golden" / "explain"
ANCHORS = '[rebalance]\nanchors = ["02-01", "07-03", "08-01"]\n'
TOLD = [
    (journeys.rebalance, ("2024-02", "XOM")),
    (journeys.fill, ("AAPL",)),
    (journeys.stop, ("2024-02", "2024-02-r1-buy-AAPL")),
    (journeys.lost_answer, ("2024-02-r1-buy-MSFT",)),
    (journeys.crash_between_waves, ("2024-02", "crash-20240201")),
    (journeys.half_day, ("2024-07",)),
    (journeys.regime_change, ("regime-20240202",)),
    (journeys.certificate_ends, ("2024-02", "MSFT")),
    (journeys.first_trade, ("first-20240201-1", "AAPL")),
    (journals.trimmed, ("2024-02", "AAPL")),
    (journals.frozen, ("XOM",)),
    (journals.missed, ("2024-02",)),
]


def test_every_journey_is_told() -> None:
    assert {journey for journey, _ in TOLD} >= set(journeys.JOURNEYS)


def compare(name: str, told: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("TRANSCRIPTS") == "write":
        path.write_text(told, encoding="utf-8")
    assert told.splitlines() == path.read_text(encoding="utf-8").splitlines()


def told_by(shell, words) -> str:
    parts = []
    for word in words:
        said = shell("explain", word)
        assert said.exit_code == 0, said.output
        parts.append(f"$ atlasd explain {word}\n{said.output}")
    return "\n".join(parts)


@pytest.fixture
def calm(shell):
    """A journal of one rebalance in the shell's state folder."""
    world = journals.calm()
    write_journal(shell.settings, world.journal)
    return world


@pytest.mark.parametrize(("journey", "words"), TOLD, ids=[journey.__name__ for journey, _ in TOLD])
def test_the_journey_is_told_as_on_record(shell, tmp_path, monkeypatch, journey, words) -> None:
    for name in ("World", "a_world"):  # whether these worlds are lawful is asked elsewhere
        monkeypatch.setattr(journeys, name, partial(getattr(journeys, name), is_checked=False))
    with (tmp_path / "atlas.toml").open("a") as file:
        file.write(ANCHORS)
    write_journal(shell.settings, journey().journal)
    compare(journey.__name__, told_by(shell, words))


def test_the_journal_of_a_demo_is_told_as_on_record(shell) -> None:
    write_demo(shell.settings)
    compare("demo", told_by(shell, ("2026-02", "2026-02-r1-buy-AVGO", "CSCO")))


def test_json_tells_the_same_and_is_json(shell, calm) -> None:
    told = json.loads(shell("explain", "aapl", "--json").output)
    assert (told["kind"], told["name"], told["fault"]) == ("symbol", "AAPL", "")
    assert [order["status"] for order in told["orders"]] == ["filled"]
    assert told["holdings"][-1]["after"] == "30"


def test_all_tells_every_entry_of_a_run(shell, calm) -> None:
    some = json.loads(shell("explain", "2024-02", "--json").output)["steps"]
    every = json.loads(shell("explain", "2024-02", "--json", "--all").output)["steps"]
    start = next(x.seq for x in calm.journal if type(x.event).__name__ == "RunStarted")
    assert {step["seq"] for step in some} < {step["seq"] for step in every}
    assert {x.seq for x in calm.journal[start - 1 :]} <= {step["seq"] for step in every}


@pytest.mark.parametrize("word", ["NVDA", "2024-13", "2024-02-30", "atlas-2024-02-r1-buy", "", "7"])
def test_what_is_not_there_is_one_line_and_exit_2(shell, calm, word) -> None:
    said = shell("explain", word)
    assert said.exit_code == 2
    assert len(said.output.splitlines()) == 1
    assert said.output.startswith("atlasd: ")


def test_no_journal_and_an_empty_one_are_said_in_one_line(shell) -> None:
    said = shell("explain", "AAPL")
    assert (said.exit_code, len(said.output.splitlines())) == (1, 1)
    assert "has the daemon ever run?" in said.output
    write_journal(shell.settings, [])
    said = shell("explain", "AAPL")
    assert (said.exit_code, len(said.output.splitlines())) == (2, 1)
    assert "the journal has no entry yet" in said.output


def forge(shell, *statements: str) -> None:
    connection = sqlite3.connect(shell.settings.journal_path)
    for name in ("changed", "deleted", "appended_in_order"):
        text = f"DROP TRIGGER IF EXISTS entries_are_{'never_' * (name[0] != 'a')}{name}"
        connection.execute(text)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_torn_tail_is_named_after_the_story_up_to_it(shell, calm) -> None:
    forge(shell, "UPDATE entries SET payload='{' WHERE seq=50")
    said = shell("explain", "2024-02")
    assert said.exit_code == 78
    assert "Run 2024-02: under way" in said.output
    assert "told without what follows" in said.output.splitlines()[-1]
    assert "entry 50 was altered" in said.output.splitlines()[-1]


def test_a_journal_of_an_older_schema_is_said_in_one_line(shell, calm) -> None:
    forge(shell, "UPDATE meta SET schema_version = 0")
    said = shell("explain", "2024-02")
    assert (said.exit_code, len(said.output.splitlines())) == (78, 1)
    assert "`atlasd run` brings it up to date" in said.output


def test_it_tells_while_the_daemon_appends(shell) -> None:
    entries = journals.calm().journal
    write_journal(shell.settings, entries[:40])
    first = shell("explain", "2024-02").output
    write_journal(shell.settings, entries[40:])
    assert "under way" in first.splitlines()[0]
    assert len(shell("explain", "2024-02").output) > len(first)


def test_a_name_with_an_escape_in_it_is_spelled_out(shell, calm) -> None:
    assert "\x1b" not in shell("explain", "\x1b[31mAAPL").output
