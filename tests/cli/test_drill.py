"""`atlasd drill`: what it takes, what it shows, what goes on record, and how it ends."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from atlas_daemon.cli import drill as command
from atlas_daemon.cli import drill_view, evidence
from atlas_daemon.config.digests import code_digest, sections_digest
from atlas_daemon.control import ControlError
from atlas_daemon.core.errors import AtlasError, BugError, ConfigError
from atlas_daemon.core.events import EvidenceReported
from atlas_daemon.core.evidence import why_unfit
from atlas_daemon.drillmaster import ground, master
from atlas_daemon.drillmaster.processes import TooLateError
from atlas_daemon.drillmaster.scene import CannotRunError, Setting
from atlas_daemon.drillmaster.verdicts import Check

GOOD = Check("own", is_good=True, text="killed 4 times of 4")
TWICE = Check("sent twice", is_good=True, text="orders sent twice: 0 of 3 at the broker")
BAD = Check("fills lost", is_good=False, text="fills lost: 1 of 30 shares in 3 orders")
GROUND = SimpleNamespace(notes=("prices: made for 30 symbols", "account: its own"))


def plays(*checks: Check, fails: Exception | None = None) -> Callable[[Setting], Iterator[Check]]:
    def play(setting: Setting) -> Iterator[Check]:
        setting.say("the slot is due")
        yield from checks
        if fails is not None:
            raise fails

    return play


@dataclass
class Told:
    records: list[EvidenceReported] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Drills that are over at once; `estop` fails, `diskfull` cannot run here."""
    seen = Told()

    def find(settings: Any, folder: Path, decide: Any, now: Any) -> Any:
        seen.folders.append(folder.parent)
        return GROUND

    made = {
        "kill9": plays(GOOD, TWICE),
        "estop": plays(GOOD, BAD),
        "restore": plays(GOOD, fails=TooLateError("no latch within 60 s")),
        "diskfull": plays(fails=CannotRunError("no small disk may be mounted")),
        "429": plays(),
    }
    monkeypatch.setattr(ground, "find_ground", find)
    drills = {name: master.Drill(name, f"about {name}", play) for name, play in made.items()}
    monkeypatch.setattr(master, "DRILLS", drills)
    monkeypatch.setattr(
        evidence, "record_evidence", lambda settings, event: seen.records.append(event)
    )
    return seen


def test_a_drill_that_passed_is_shown_and_on_record_with_its_figures(shell, told) -> None:
    done = shell("drill", "kill9")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("[LOCAL] LARGE  drills of the installed package")
    for line in ("prices: made for 30", "about kill9", "the slot is due", "passed in"):
        assert line in done.output
    (event,) = told.records
    assert (event.kind, event.name, event.is_good) == ("drill", "kill9", True)
    assert "killed 4 times of 4; orders sent twice: 0 of 3" in event.text
    assert event.code_digest == code_digest()
    assert event.config_digest == sections_digest(shell.settings)
    assert why_unfit(event) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("estop", "FAILED: fills lost: 1 of 30 shares"),
        ("restore", "FAILED: no latch within 60 s"),
        ("diskfull", "NOT RUN: no small disk may be mounted"),
        ("429", "FAILED: nothing was checked"),
    ],
)
def test_a_drill_that_did_not_pass_says_why_and_is_on_record_as_bad(
    shell, told, name: str, said: str
) -> None:
    done = shell("drill", name)
    assert done.exit_code == 1
    assert f"NOT PASSED in 0.0 s: {said}" in done.output
    (event,) = told.records
    assert not event.is_good
    assert said in event.text
    assert why_unfit(event) == ""


def test_a_bad_verdict_is_on_record_before_anybody_can_turn_away(shell, told, monkeypatch) -> None:
    def gone(screen: Any, verdict: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(drill_view.Screen, "ends", gone)
    shell("drill", "estop")
    (event,) = told.records
    assert not event.is_good


@pytest.mark.parametrize("words", [("--all",), ()])
def test_all_of_them_run_in_their_order_whatever_becomes_of_one(shell, told, words) -> None:
    done = shell("drill", *words)
    assert done.exit_code == 1
    assert [event.name for event in told.records] == [
        "kill9",
        "estop",
        "restore",
        "diskfull",
        "429",
    ]
    assert "5 drills in 0 s, not passed: estop, restore, diskfull, 429; on record" in done.output


def test_a_name_given_twice_runs_once(shell, told) -> None:
    assert shell("drill", "kill9", "kill9").exit_code == 0
    assert len(told.records) == 1


def test_json_is_one_document_and_nothing_else(shell, told) -> None:
    done = shell("drill", "kill9", "estop", "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["label"] == "[LOCAL] LARGE"
    assert document["ground"] == list(GROUND.notes)
    kill9, estop = document["drills"]
    assert (kill9["is_good"], kill9["has_run"], estop["is_good"]) == (True, True, False)
    assert estop["checks"][1] == {"name": "fills lost", "is_good": False, "text": BAD.text}


def test_the_list_names_each_with_what_it_is_about(shell) -> None:
    done = shell("drill", "--list")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == list(master.DRILLS)
    listed = json.loads(shell("drill", "--list", "--json").stdout)
    assert [one["name"] for one in listed] == list(master.DRILLS)
    assert all(one["title"] for one in listed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kill9", "--all"), "atlasd: drill takes names or --all\n"),
        (("kill8",), "atlasd: drill kill8: must be one of kill9, netcut, mute-stream, 429,"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(shell, words, said) -> None:
    done = shell("drill", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_wrong_configuration_is_exit_78(shell, told, monkeypatch) -> None:
    right = Path("atlas.toml").read_text()
    Path("atlas.toml").write_text("no.such = 1\n")
    assert shell("drill", "kill9").exit_code == 78
    Path("atlas.toml").write_text(right)

    def find(*args: object) -> None:
        raise ConfigError("strategy.source: targets.csv: cannot be read as targets")

    monkeypatch.setattr(ground, "find_ground", find)
    done = shell("drill", "kill9")
    assert done.exit_code == 78
    assert "strategy.source" in done.stderr


def test_amid_a_rebalance_of_the_account_itself_it_is_refused_with_exit_3(
    shell, told, monkeypatch
) -> None:
    status = {"run": {"id": "2027-02", "phase": "buying"}}
    monkeypatch.setattr(command, "ask", lambda *args, **more: status)
    done = shell("drill", "kill9")
    assert done.exit_code == 3
    assert "is rebalancing now (run 2027-02)" in done.stderr
    assert told.folders == []
    status["run"]["phase"] = "parked"
    assert shell("drill", "kill9").exit_code == 0


def test_evidence_that_cannot_be_put_on_record_ends_the_command(shell, told, monkeypatch) -> None:
    def refuse(*args: object) -> None:
        raise ControlError("the daemon refused", exit_code=3)

    monkeypatch.setattr(evidence, "record_evidence", refuse)
    done = shell("drill", "--all")
    assert done.exit_code == 3
    assert done.stderr == "atlasd: the daemon refused\n"


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), BugError("ours"), AtlasError("x")])
def test_no_folder_is_left_however_it_ends(shell, told, monkeypatch, ending) -> None:
    def run(*args: object) -> None:
        assert told.folders[-1].exists()
        raise ending

    monkeypatch.setattr(master, "run_drill", run)
    done = shell("drill", "kill9")
    assert done.exit_code == (130 if isinstance(ending, KeyboardInterrupt) else 1)
    assert not told.folders[-1].exists()


def test_a_long_verdict_fits_on_record_in_one_printable_line(shell) -> None:
    verdict = master.Verdict("kill9", (), "a\nb\x1b[0m" * 200, has_run=True, seconds=3.0)
    event = command.evidence_of(shell.settings, verdict)
    assert why_unfit(event) == ""
    assert event.text.endswith("...")


def test_a_terminal_shows_a_table_that_grows(shell) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=100)
    one = master.Drill("kill9", "about kill9", plays(GOOD))
    two = master.Drill("estop", "about estop", plays(BAD))
    with drill_view.screen_for(shell.settings, [one, two], quiet=False, console=console) as screen:
        screen.begins(one)
        screen.says("the slot is due")
        shown = _plain(screen)
        assert "runs" in shown and "the slot is due" in shown and "about estop" in shown
        screen.ends(master.Verdict("kill9", (GOOD,), "", has_run=True, seconds=7.0))
        screen.begins(two)
        screen.ends(master.Verdict("estop", (BAD,), "", has_run=True, seconds=9.0))
        shown = _plain(screen)
    assert "passed" in shown and "NOT PASSED" in shown and "fills lost: 1" in shown


def _plain(screen: drill_view.Screen) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(screen.table())
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()
