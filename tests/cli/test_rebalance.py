"""`atlasd rebalance`: watched to its end, refused, halted, degraded, planned only."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.cli import plan as planning
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime, RunId
from tests.control.desk import NOW, DeskThread

LIVE = """\
[account]
mode = "live"
number = "123"
[regime]
source = "file:regime.json"
[paths]
state_dir = "state"
"""
SMALL = {"held": (), "cash": "50", "equity": "50", "regime": Regime.TREND_BULL}


def test_a_forced_run_is_shown_until_it_is_done(shell):
    with DeskThread(shell.settings, beats=20, **SMALL):
        said = shell("rebalance", "--force")

    assert said.exit_code == 0
    assert "run force-20251118-1 has begun" in said.output
    assert "[INFO]" in said.output
    assert "run force-20251118-1 done: 0 orders (0 filled, 0 rejected)" in said.output


def test_json_is_the_end_of_the_run_and_nothing_else(shell):
    with DeskThread(shell.settings, beats=20, **SMALL):
        said = shell("rebalance", "--force", "--json")

    ended = json.loads(said.output)
    assert (ended["run_id"], ended["outcome"]) == ("force-20251118-1", "done")
    assert Decimal(ended["report"]["final_equity"]) == 50


def test_what_is_not_due_exits_3_and_says_when_it_is(shell):
    with DeskThread(shell.settings):
        said = shell("rebalance")

    assert said.exit_code == 3
    assert "nothing is due; the next slot is 2026-02-02" in said.output


def test_a_halted_daemon_exits_4(shell):
    with DeskThread(shell.settings):
        shell("stop")
        said = shell("rebalance", "--force")

    assert said.exit_code == 4
    assert "atlasd resume" in said.output


@pytest.mark.parametrize(
    ("outcome", "reason", "code"),
    [
        ("aborted", "stopped by ann; goes on after resume", 4),
        ("refused", "total_allocation: 1.10, limit 1.05", 3),
        ("aborted", "CRASH", 1),
        ("degraded", "AAPL: target 3, actual 0", 1),
        ("done", "", 0),
    ],
)
def test_the_exit_code_says_how_the_run_ended(shell, monkeypatch, outcome, reason, code):
    run = RunId("force-20251118-1")
    ended = e.RunFinished(run, outcome, is_final=True, reason=reason, report=None)
    entry = e.Entry(9, NOW, None, ended)
    monkeypatch.setattr(
        "atlas_daemon.cli.rebalance.ask", lambda path, do, **how: {"run": run, "seq": 9}
    )
    monkeypatch.setattr("atlas_daemon.cli.rebalance.follow", lambda path, run, after: iter([entry]))

    assert shell("rebalance", "--force").exit_code == code


@pytest.mark.parametrize(
    "arguments",
    [("--date", "2024-02-01"), ("--universe", "all"), ("--top-n", "3"), ("--regime", "CRASH")],
)
def test_a_plans_option_without_dry_run_is_a_usage_error(shell, arguments):
    said = shell("rebalance", *arguments)

    assert said.exit_code == 2
    assert f"{arguments[0]} goes with --dry-run" in said.output


def test_a_dry_run_is_the_plan(shell, monkeypatch):
    planned = []
    monkeypatch.setattr(planning, "plan", lambda *options: planned.append(options))

    said = shell("rebalance", "--dry-run", "--date", "2024-02-01", "--top-n", "10")

    assert said.exit_code == 0
    assert planned == [("2024-02-01", None, 10, None, None, None, False, None)]


def test_without_a_daemon_it_runs_here_until_it_is_done(shell, monkeypatch):
    given = {}

    async def run_until_done(settings, wanted, *, hear):
        given.update(state_dir=settings.state_dir, force=wanted.force)
        hear((e.Entry(1, NOW, None, e.AlertRaised("info", "run", "all went well")),))
        return e.RunFinished(RunId("force-20251118-1"), "done", True, "", None)

    monkeypatch.setattr("atlas_daemon.cli.foreground.run_until_done", run_until_done)

    said = shell("rebalance", "--force")

    assert said.exit_code == 0
    assert given == {"state_dir": shell.settings.state_dir, "force": True}
    assert "all went well" in said.output


def test_forcing_a_live_account_needs_its_name(shell):
    Path("atlas.toml").write_text(LIVE)

    said = shell("rebalance", "--force")

    assert said.exit_code == 2
    assert "--account LARGE is needed" in said.output


def test_a_first_trade_is_shown_with_its_notes_until_it_is_done(shell):
    small = SMALL | {"cash": "500", "equity": "500"}
    with DeskThread(shell.settings, beats=20, **small):
        said = shell("rebalance", "--first-trade")

    assert said.exit_code == 0
    assert "run first-20251118-1 done" in said.output
    assert "  first trade: 75.00 dollars at most of each of 3 picks" in said.output
    assert "  AAPL: costs 100.50: no whole share for 75.00 dollars" in said.output


@pytest.mark.parametrize("other", ["--force", "--dry-run"])
def test_a_first_trade_goes_with_nothing_else(shell, other):
    said = shell("rebalance", "--first-trade", other)

    assert said.exit_code == 2
    assert "--first-trade goes with neither" in said.output


def test_a_live_first_trade_needs_the_accounts_name(shell):
    Path("atlas.toml").write_text(LIVE)

    said = shell("rebalance", "--first-trade")

    assert said.exit_code == 2
    assert "--account LARGE is needed to make the first trade" in said.output
