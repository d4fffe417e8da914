"""Five weeks on paper, a promotion, and what the live daemon does then; on virtual time."""

import json
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import atlas_daemon
from atlas_daemon.cli import commands, promote_facts
from atlas_daemon.config import load_settings
from atlas_daemon.config.digests import digest_of_code
from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.values import Mode
from atlas_daemon.promoter import certificate
from atlas_daemon.promoter.facts import DoctorSeen, LiveAccount
from tests.e2e.one_process import Wish
from tests.promoter.story import (
    BOUND,
    DRILLS,
    HOOK,
    KEYS,
    live_story,
    paper_story,
    performed,
    toml_of,
)
from tests.promoter.wallet import settings_in

NUMBER = "PA4D4BCF076D"
"""Of the stage's only account."""
ISSUED = datetime(2024, 3, 4, 22, 0, tzinfo=UTC)
LIVE_AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("promotion")
    live = live_in(folder)
    return folder, paper_story(folder, live)


def live_in(folder: Path, **more):
    given = {"account.number": NUMBER, "account.manage": "all", "notify.webhook_url": HOOK}
    return settings_in(folder, "live", **{**given, **BOUND, **more})


@pytest.fixture
def desk(told, tmp_path, monkeypatch):
    """The story's folder anew, both configurations in it, and everybody who is asked."""
    folder, paper = told
    shutil.copytree(folder / "paper", tmp_path / "paper")
    shutil.copytree(folder / "paper-logs", tmp_path / "paper-logs")
    paper = settings_in(tmp_path, "paper", **BOUND)
    live = live_in(tmp_path)
    (tmp_path / "paper.toml").write_text(toml_of(paper))
    (tmp_path / "live.toml").write_text(toml_of(live))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALPACA_LIVE_KEY", "AK00000000000000000")
    monkeypatch.setenv("ALPACA_LIVE_SECRET", KEYS.secret)
    answers = {
        "now": lambda: ISSUED,
        "code": promote_facts.code_digest,
        "ping": lambda settings: {"url": "http://127.0.0.1:8787"},
        "account": lambda settings, keys: LiveAccount(NUMBER, Decimal(20_000)),
        "doctor": lambda settings, config, now: DoctorSeen(now, (), "asked now"),
        "drills": lambda: DRILLS,
    }
    monkeypatch.setattr(promote_facts, "SOURCES", promote_facts.Sources(**answers))
    return live


def promoted(*arguments):
    app = typer.Typer()
    commands.register(app)
    both = ("promote", "--config", "live.toml", "--paper", "paper.toml")
    return CliRunner().invoke(app, [*both, *arguments])


def test_five_weeks_on_paper_make_a_certificate_by_which_live_trades_at_a_quarter(desk, tmp_path):
    done = promoted("--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["missing"]) == (0, []), done.output
    path = tmp_path / "live/certificate.json"
    assert document["certificate"]["path"] == str(path)
    assert KEYS.secret not in done.output + path.read_text()
    state = live_story(tmp_path, desk, LIVE_AT)
    assert state.mode is Mode.TRADING, state.mode_reason
    assert state.last_run.outcome == "done"
    worth = sum(q * Decimal({"AAA": 100, "BBB": 50}[s]) for s, q in state.book.positions.items())
    whole = Decimal(20_000) * Decimal("0.30")
    assert abs(worth - whole / 4) <= 75  # half a share of each


def test_a_byte_of_other_code_makes_live_reduce_only(desk, tmp_path, monkeypatch):
    assert promoted().exit_code == 0
    package = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(atlas_daemon.__file__).parent, package, ignore=ignored)
    with (package / "core/sizing.py").open("ab") as file:
        file.write(b"#")
    monkeypatch.setattr(certificate, "code_digest", lambda: digest_of_code(package))
    state = live_story(tmp_path, desk, LIVE_AT)
    assert state.mode is Mode.REDUCE_ONLY
    assert "other code" in state.mode_reason
    assert state.book.positions == {}


def test_live_takes_and_loses_a_certificate_while_it_runs(desk, tmp_path):
    path, toml = tmp_path / "live/certificate.json", tmp_path / "live.toml"
    live = load_settings(toml, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    told = toml.read_text()
    seen = []

    async def play(stage):
        def changed():
            toml.write_text(told + "rebalance.rounds = 2\n")
            stage.player.reload()

        def changed_back():
            toml.write_text(told)
            stage.player.reload()

        acts = (
            *(lambda: None, promoted, lambda: path.write_bytes(b"{}"), promoted),
            *(changed, changed_back, path.unlink),
        )
        for act in acts:
            act()
            await stage.rest(30)
            seen.append((stage.player.state.mode, stage.player.state.mode_reason[:25]))

    performed(live, tmp_path, play, Wish(), starts_at=LIVE_AT)
    gates = ("missing: /tm", None, "damaged: /tm", None, "other sectio", None, "missing: /tm")
    for (mode, reason), gate in zip(seen, gates, strict=True):
        assert mode is (Mode.REDUCE_ONLY if gate else Mode.TRADING)
        assert gate is None or reason.startswith(f"certificate: {gate[:8]}")


def test_a_check_shows_all_and_writes_nothing(desk, tmp_path):
    done = promoted("--check")
    assert done.exit_code == 0, done.output
    assert "nothing is missing; not written (--check)" in done.stdout
    assert not (tmp_path / "live").exists()


def test_a_later_code_asks_for_drills_and_rehearsals_and_keeps_the_calendar(desk, monkeypatch):
    sources = replace(promote_facts.SOURCES, code=lambda: "f" * 64)
    monkeypatch.setattr(promote_facts, "SOURCES", sources)
    done = promoted("--json")
    document = json.loads(done.stdout)
    assert done.exit_code == RefusedError.exit_code
    assert document["missing"] == ["rehearsals", "drills", "restore", "estop"]
    assert document["certificate"] is None


def test_other_sections_on_both_sides_ask_for_everything_anew(desk, tmp_path):
    for name in ("paper.toml", "live.toml"):
        path = tmp_path / name
        path.write_text(path.read_text() + "risk.drift_band_pct = 0.04\n")
    missing = json.loads(promoted("--json").stdout)["missing"]
    assert {"same-strategy", "scheduled-rebalance", "days", "rehearsals", "drills"} <= set(missing)
    assert {"risk-limits", "user-approval", "slippage", "alerts"} <= set(missing)


def test_one_altered_entry_of_the_journal_refuses_it_whole(desk, tmp_path):
    with sqlite3.connect(tmp_path / "paper/journal.db") as file:
        file.execute("DROP TRIGGER entries_are_never_changed")
        file.execute("UPDATE entries SET payload = replace(payload, '20', '21') WHERE seq = 40")
    done = promoted()
    assert done.exit_code == RefusedError.exit_code
    assert "is not intact: entry 40" in done.stderr
    assert not (tmp_path / "live").exists()


def test_a_clock_set_back_before_the_evidence_refuses(desk, monkeypatch):
    early = ISSUED - timedelta(days=2)
    sources = replace(promote_facts.SOURCES, now=lambda: early)
    monkeypatch.setattr(promote_facts, "SOURCES", sources)
    assert "clock" in json.loads(promoted("--json").stdout)["missing"]
