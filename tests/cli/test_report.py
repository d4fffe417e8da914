"""`atlasd report`: the demo's report compared whole, and every question that cannot be answered."""

import io
import json
import os
import sqlite3
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from atlas_daemon.cli.report_view import show
from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal
from tests.analysis.tales import Tale
from tests.analysis.test_page import a_tale
from tests.cli.journals import write_demo, write_journal

FOLDER = Path(__file__).parent / "golden" / "report"
EXPECTED = "[report]\nexpected_cagr = 0.18\nexpected_sharpe = 1.1\nexpected_max_drawdown = 0.2\n"


def compare(name: str, told: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("TRANSCRIPTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(told, encoding="utf-8")
    assert told.splitlines() == path.read_text(encoding="utf-8").splitlines()


def at_width(document, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, markup=False, emoji=False)
    show(console, document)
    return out.getvalue()


@pytest.fixture
def demo(shell):
    write_demo(shell.settings)
    return shell


@pytest.fixture
def mixed(shell, tmp_path):
    """A run with a rest, one that a gate refused, thirty marks, an expectation."""
    with (tmp_path / "atlas.toml").open("a") as file:
        file.write(EXPECTED)
    write_journal(shell.settings, a_tale("not today").entries)
    return shell


def test_the_demo_is_reported_as_on_record(demo) -> None:
    said = demo("report")
    assert said.exit_code == 0, said.output
    compare("demo", said.output)


def test_what_went_wrong_and_what_was_made_is_reported_as_on_record(mixed) -> None:
    said = mixed("report")
    assert said.exit_code == 0, said.output
    compare("mixed", said.output)


def test_eighty_columns_are_enough(mixed) -> None:
    for arguments in (("report",), ("report", "--run", "2024-02")):
        told = at_width(json.loads(mixed(*arguments, "--json").output), 80)
        assert max(map(len, told.splitlines())) <= 80
    compare("mixed-80", told)


def test_every_output_carries_the_label_of_its_account(demo, tmp_path) -> None:
    page, sheet = tmp_path / "r.html", tmp_path / "r.csv"
    said = demo("report", "--html", str(page), "--csv", str(sheet))
    assert said.output.startswith("[LOCAL] LARGE  Report of 1 run\n")
    assert "<h1>[LOCAL] LARGE</h1>" in page.read_text("utf-8")
    assert json.loads(demo("report", "--json").output)["account"] == "[LOCAL] LARGE"
    assert len(sheet.read_text("utf-8").splitlines()) == 16


def test_the_csv_can_be_the_output(demo) -> None:
    told = demo("report", "--csv", "-").output
    assert told.startswith("run,order,symbol,")
    assert len(told.splitlines()) == 16


def test_a_run_and_its_days_choose_the_same_orders(demo) -> None:
    one = json.loads(demo("report", "--run", "2026-02", "--json").output)
    days = json.loads(demo("report", "--from", "2026-02-02", "--to", "2026-02-02", "--json").output)
    assert one["runs"] == days["runs"]
    assert len(one["runs"][0]["rows"]) == 15
    none = json.loads(demo("report", "--to", "2026-02-01", "--json").output)
    assert none["runs"] == []


def test_nothing_traded_is_no_error(shell) -> None:
    write_journal(shell.settings, Tale().mark(date(2024, 2, 1), 100).entries)
    said = shell("report")
    assert said.exit_code == 0
    assert "nothing was traded" in said.output
    assert "one mark only, of 2024-02-01" in said.output


# What cannot be answered: one line, and the exit code that goes with it.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--run", "2030-01"), "--run: there is no run '2030-01'; runs: 2026-02"),
        (("--run", "\x1b[31m"), "--run: there is no run"),
        (("--run", ""), "--run: say which run"),
        (("--from", "yesterday"), "--from: 'yesterday' is not a date (as 2024-02-01)"),
        (("--to", "2026-02-30"), "--to: '2026-02-30' is not a date"),
        (("--from", "20260201"), "--from: '20260201' is not a date"),
        (("--from", "2026-03-01", "--to", "2026-02-01"), "--from 2026-03-01 is after --to"),
        (("--run", "2026-02", "--from", "2026-02-01"), "give one or the other"),
        (("--csv", "-", "--json"), "only one of them can be the output"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_line_and_exit_2(demo, arguments, words) -> None:
    said = demo("report", *arguments)
    assert (said.exit_code, len(said.output.splitlines())) == (2, 1)
    assert words in said.output
    assert "\x1b" not in said.output


def test_no_journal_and_an_empty_one_are_said_in_one_line(shell) -> None:
    said = shell("report")
    assert (said.exit_code, len(said.output.splitlines())) == (1, 1)
    assert "has the daemon ever run?" in said.output
    write_journal(shell.settings, [])
    said = shell("report")
    assert (said.exit_code, len(said.output.splitlines())) == (1, 1)
    assert "has no entry yet" in said.output


@pytest.mark.parametrize("option", ["--html", "--csv"])
def test_a_file_that_cannot_be_written_is_one_line_and_exit_1(demo, option, tmp_path) -> None:
    said = demo("report", option, str(tmp_path / "nowhere" / "file"))
    assert (said.exit_code, len(said.output.splitlines())) == (1, 1)
    assert "cannot be written: No such file" in said.output


def forge(shell, *statements: str) -> None:
    connection = sqlite3.connect(shell.settings.journal_path)
    for name in ("changed", "deleted"):
        connection.execute(f"DROP TRIGGER IF EXISTS entries_are_never_{name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_torn_tail_is_named_after_what_came_before_it(demo, tmp_path) -> None:
    forge(demo, "UPDATE entries SET payload='{' WHERE seq=150")
    page = tmp_path / "r.html"
    said = demo("report", "--html", str(page))
    assert said.exit_code == 78
    assert "Journal of 149 entries" in said.output
    assert "told without what follows" in said.output.splitlines()[-1]
    assert "Told without what follows" in page.read_text("utf-8")


def test_a_journal_of_which_nothing_can_be_read_is_one_line_and_exit_78(demo) -> None:
    forge(demo, "UPDATE entries SET payload='{' WHERE seq=1")
    said = demo("report")
    assert (said.exit_code, len(said.output.splitlines())) == (78, 1)
    assert "entry 1" in said.output


def test_a_journal_of_an_older_schema_is_said_in_one_line(demo) -> None:
    forge(demo, "UPDATE meta SET schema_version = 0")
    said = demo("report")
    assert (said.exit_code, len(said.output.splitlines())) == (78, 1)
    assert "`atlasd run` brings it up to date" in said.output


def test_it_reports_while_the_daemon_appends(shell) -> None:
    entries = a_tale().entries
    write_journal(shell.settings, entries[:10])
    assert "open" in shell("report").output
    with Journal.open(
        shell.settings.journal_path, account_mode=AccountMode.LOCAL, account_name="LARGE"
    ) as journal:
        journal.append(entries[10:20])
        assert shell("report").exit_code == 0
