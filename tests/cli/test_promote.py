"""`atlasd promote` as a person types it: both configurations, approvals, gaps, and each refusal."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.cli import desk, promote_facts
from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import AccountMode
from atlas_daemon.journal import Journal
from atlas_daemon.promoter.approvals import RISKS
from atlas_daemon.promoter.facts import DoctorSeen, LiveAccount
from tests.promoter.journals import CODE, STARTED, closes, entries, mark, started

NOW = STARTED + timedelta(days=9)
NUMBER, SECRET = "847563829", "live-secret-never-shown"
HOOK = "https://ntfy.example.org/secret-topic"
GREEN = Finding("clock", Level.OK, "kept")
BOTH = ("--config", "live.toml", "--paper", "paper.toml")
TOML = """\
[account]
mode = "{mode}"
name = "{name}"
number = "{number}"
[paths]
state_dir = "{mode}"
log_dir = "{mode}-logs"
runtime_dir = "{short}"
[notify]
webhook_url = "{hook}"
"""


@pytest.fixture
def folder(shell, tmp_path, monkeypatch):
    """Both configurations, a paper journal of nine days with a gap, and everybody who is asked."""
    for mode, number in (("paper", ""), ("live", NUMBER)):
        given = {"mode": mode, "name": mode.upper(), "number": number, "short": mode[:2]}
        (tmp_path / f"{mode}.toml").write_text(TOML.format(hook=HOOK, **given))
    monkeypatch.setenv("ALPACA_LIVE_KEY", "AK000000000000000000")
    monkeypatch.setenv("ALPACA_LIVE_SECRET", SECRET)
    answers = {
        "now": lambda: NOW,
        "code": lambda: CODE,
        "ping": lambda settings: {},
        "account": lambda settings, keys: LiveAccount(NUMBER, Decimal(25_000)),
        "doctor": lambda settings, config, now: DoctorSeen(now, (), "asked now"),
        "drills": lambda: ("kill9",),
    }
    monkeypatch.setattr(promote_facts, "SOURCES", promote_facts.Sources(**answers))
    write_journal(tmp_path)
    return tmp_path


def sections():
    from pathlib import Path

    from atlas_daemon.cli.options import settings_for
    from atlas_daemon.config.digests import sections_digest

    return sections_digest(settings_for(Path("live.toml")))


def write_journal(folder, *more):
    told = [(STARTED, started(sections()))]
    told += [(at, mark(day)) for at, day in closes(now=NOW) if day.day != 6]
    (folder / "paper").mkdir(mode=0o700)
    account = {"account_mode": AccountMode.PAPER, "account_name": "PAPER"}
    with Journal.open(folder / "paper/journal.db", **account) as journal:
        journal.append(entries([*told, *more]))
        journal.claim_number("PA1")


def on_record(folder, kind):
    with Journal.open_readonly(folder / "paper/journal.db") as journal:
        events = [entry.event for entry in journal.read()]
    return [x for x in events if isinstance(x, e.EvidenceReported) and x.kind == kind]


def test_what_is_missing_is_told_in_a_line_each_with_what_to_do_and_exit_3(shell, folder):
    done = shell("promote", *BOTH)
    assert done.exit_code == 3
    told = [line for line in done.stdout.splitlines() if "missing: " in line]
    assert all(line.startswith("[LIVE] LIVE  missing: ") for line in told)
    assert all(" -> " in line for line in told)
    assert any("days: 6 days" in line and "24 more days" in line for line in told)
    assert any("gaps: unexplained: 2026-10-06" in line for line in told)
    assert not (folder / "live").exists()


def test_json_has_each_check_with_figure_limit_and_source(shell, folder):
    done = shell("promote", *BOTH, "--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["certificate"]) == (3, None)
    assert document["label"] == "[LIVE] LIVE"
    assert document["paper"] == {"name": "PAPER", "number": "PA1"}
    assert {"rehearsals", "risk-limits", "drills"} <= set(document["missing"])
    assert {each["status"] for each in document["checks"]} >= {"passed", "failed", "stated"}


def test_no_secret_is_in_what_is_said(shell, folder):
    for arguments in ((), ("--json",), ("--check",)):
        done = shell("promote", *BOTH, *arguments)
        assert SECRET not in done.output
        assert "secret-topic" not in done.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--config", "live.toml"), 2, "--paper PATH is needed"),
        (("--config", "paper.toml", "--paper", "paper.toml"), 78, 'account.mode = "paper"'),
        (("--config", "live.toml", "--paper", "live.toml"), 78, 'account.mode = "live"'),
        (("--config", "live.toml", "--paper", "none.toml"), 78, "none.toml"),
    ],
)
def test_a_wrong_pair_of_configurations_is_refused_at_once(shell, folder, arguments, code, said):
    done = shell("promote", *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_paper_daemon_that_never_ran_is_a_wrong_folder(shell, folder):
    (folder / "paper/journal.db").unlink()
    done = shell("promote", *BOTH)
    assert done.exit_code == 78
    assert "has the paper daemon ever run?" in done.stderr


def test_a_journal_without_the_head_its_daemon_names_is_refused(shell, folder, monkeypatch):
    said = {"seq": 3, "hash": "ab" * 32, "url": "http://127.0.0.1:8787"}
    sources = replace(promote_facts.SOURCES, ping=lambda settings: said)
    monkeypatch.setattr(promote_facts, "SOURCES", sources)
    done = shell("promote", *BOTH)
    assert done.exit_code == 3
    assert "is not intact: entry 3" in done.stderr


@pytest.mark.parametrize("whose", [("PAPER2", ""), ("PAPER", "PA2")])
def test_the_journal_of_another_paper_account_is_no_evidence(shell, folder, whose):
    name, number = whose
    toml = folder / "paper.toml"
    given = {"mode": "paper", "name": name, "number": number, "short": "pa"}
    toml.write_text(TOML.format(hook=HOOK, **given))
    done = shell("promote", *BOTH)
    assert done.exit_code == 78
    assert "belongs to account PA1 (paper-PAPER)" in done.stderr


def test_keys_of_the_wrong_world_are_a_line_of_the_list(shell, folder, monkeypatch):
    monkeypatch.setenv("ALPACA_LIVE_KEY", "PK000000000000000000")
    document = json.loads(shell("promote", *BOTH, "--json").stdout)
    (keys,) = [each for each in document["checks"] if each["check"] == "live-keys"]
    assert keys["status"] == "failed"
    assert "begins with PK" in keys["measured"]


# The doctor's word.


def test_the_doctor_is_asked_only_where_nothing_good_and_fresh_is_on_record(folder, monkeypatch):
    from atlas_daemon.promoter.evidence import Evidence, Examined, Word

    def seen(at, code=CODE, findings=(GREEN,), **more):
        evidence = Evidence(examined=Examined(at, code, findings))
        word = e.EvidenceReported("doctor", "x", True, "x", code, "x")
        if more:
            evidence = Evidence(words={("doctor", "x"): Word(at, replace(word, **more))})
        return promote_facts._doctor_on_record(evidence, CODE, NOW)

    assert seen(NOW - timedelta(days=7)).at == NOW - timedelta(days=7)
    assert seen(NOW - timedelta(days=7, seconds=1)) is None
    assert seen(NOW, "other") is None
    assert seen(NOW, findings=()) is None
    assert seen(NOW, findings=(GREEN, replace(GREEN, level=Level.RED))) is None
    assert seen(NOW, text="y").source == "evidence in the paper journal"
    assert seen(NOW, "other", text="y") is None
    assert seen(NOW, is_good=False) is None
    assert seen(NOW + timedelta(seconds=1)) is None


def test_what_the_doctor_found_last_takes_an_older_good_word_away(folder):
    from atlas_daemon.promoter.evidence import Evidence, Examined, Word

    said = Word(NOW - timedelta(days=2), e.EvidenceReported("doctor", "x", True, "x", CODE, "x"))
    for days, is_seen in ((1, False), (3, True)):
        red = Examined(NOW - timedelta(days=days), CODE, (replace(GREEN, level=Level.RED),))
        evidence = Evidence(words={("doctor", "x"): said}, examined=red)
        found = promote_facts._doctor_on_record(evidence, CODE, NOW)
        assert (found is not None) is is_seen


# Approvals.


def test_approving_shows_the_limits_and_puts_them_on_record(shell, folder):
    done = shell("promote", "approve", "risk-limits", *BOTH, "--account", "live")
    assert done.exit_code == 0, done.output
    assert "[LIVE] LIVE  risk.max_position_pct = 0.15" in done.stdout
    (event,) = on_record(folder, "approval")
    assert (event.name, event.is_good) == (f"risk-limits-{NUMBER}", True)
    assert event.text.startswith(f"[LIVE] LIVE {NUMBER}, by ")
    assert "max_position_pct 0.15" in event.text
    missing = json.loads(shell("promote", *BOTH, "--json").stdout)["missing"]
    assert "risk-limits" not in missing
    assert "user-approval" in missing


def test_approving_live_shows_the_risks(shell, folder):
    done = shell("promote", *BOTH, "approve", "live", "--account", "LIVE")
    assert done.exit_code == 0, done.output
    assert all(risk in done.stdout for risk in RISKS)
    assert "user-approval" not in json.loads(shell("promote", *BOTH, "--json").stdout)["missing"]


@pytest.mark.parametrize("account", [("--account", "PAPER"), ()])
def test_an_approval_without_the_accounts_name_is_none(shell, folder, account):
    done = shell("promote", "approve", "live", *BOTH, *account)
    assert done.exit_code == 2
    assert on_record(folder, "approval") == []


def test_an_approval_asks_for_the_name_at_a_terminal(shell, folder, monkeypatch):
    monkeypatch.setattr(desk, "is_terminal", lambda: True)
    assert shell("promote", "approve", "live", *BOTH, keys="paper\n").exit_code == 2
    done = shell("promote", "approve", "live", *BOTH, keys="live\n")
    assert done.exit_code == 0, done.output
    assert "type the account's name to approve live" in done.output


def test_another_limit_takes_the_approval_away(shell, folder):
    shell("promote", "approve", "risk-limits", *BOTH, "--account", "live")
    path = folder / "live.toml"
    path.write_text(path.read_text() + "[risk]\nmax_position_pct = 0.2\n")
    document = json.loads(shell("promote", *BOTH, "--json").stdout)
    assert {"risk-limits", "same-sections", "same-strategy"} <= set(document["missing"])


# Gaps.


@pytest.mark.parametrize("given", [("--paper", "paper.toml"), ("--config", "paper.toml"), BOTH])
def test_a_gap_is_explained_on_record(shell, folder, given):
    done = shell("promote", "explain-gap", "2026-10-06", "the  host\nwas moved", *given)
    assert done.exit_code == 0, done.output
    (event,) = on_record(folder, "gap")
    assert (event.name, event.text) == ("2026-10-06", "the host was moved")
    document = json.loads(shell("promote", *BOTH, "--json").stdout)
    (gaps,) = [each for each in document["checks"] if each["check"] == "gaps"]
    assert gaps["status"] == "passed"
    assert "explained: 2026-10-06: the host was moved" in gaps["measured"]


@pytest.mark.parametrize(
    ("day", "text", "said"),
    [
        ("2026-10-07", "why", "no session of it lacks its mark"),
        ("2026-10-12", "why", "no session of it lacks its mark"),
        ("2026-10-10", "why", "no session of the exchange"),
        ("tomorrow", "why", "a day (2027-03-04) or two"),
        ("2026-10-06", "  ", "one line of up to 300 characters"),
        ("2026-10-06", "x" * 301, "one line of up to 300 characters"),
    ],
)
def test_a_gap_that_is_none_is_not_explained(shell, folder, day, text, said):
    done = shell("promote", "explain-gap", day, text, "--paper", "paper.toml")
    assert done.exit_code == 2
    assert said in done.stderr
    assert on_record(folder, "gap") == []


def test_a_gap_is_a_paper_accounts(shell, folder):
    done = shell("promote", "explain-gap", "2026-10-06", "why", "--config", "live.toml")
    assert done.exit_code == 78
    assert "evidence is a paper account's" in done.stderr


def test_the_drills_that_are_asked_for_are_those_that_there_are():
    wanted = {"kill9", "netcut", "mute-stream", "429", "accept504", "crash-regime", "estop"}
    assert {*promote_facts.SOURCES.drills()} >= wanted | {"restore", "diskfull"}
