"""`atlasd status`: the handbook's layout, live, as JSON, and without a daemon."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.cli.status import show_live
from atlas_daemon.cli.status_text import status_text
from atlas_daemon.core import events as e
from atlas_daemon.core.state import Figures
from atlas_daemon.core.values import Regime, Side
from atlas_daemon.core.views import status_of
from tests.control.desk import NOW, SIGNAL_DAY, Desk, DeskThread

HANDBOOK = """\
[LOCAL] LARGE  trading: reconciled, stream listening
ATLAS Trading System - Portfolio Status
========================================
Date: 2025-11-18 14:32:05 ET
Market: OPEN (closes in 1h 28m)

ACCOUNT (LARGE - $10,246)
  Equity: $10,245.67
  Buying Power: $2,150.23
  Cash: $2,150.23

CURRENT REGIME
  TREND_BULL (100% allocation)
  Days until next rebalance: 74 (Feb 1, 2026)
  Session: Mon, Feb 2, 2026
  As of: 2025-11-17 (file:regime.json)

POSITIONS (3 holdings)
  Symbol    Qty    Value     Cost Basis    P&L        P/L %    % Portfolio
  ------    ---    -----     ----------    ---        -----    -----------
  AAPL      8      $1,520    $1,480       +$40       +2.7%     14.8%
  MSFT      4      $1,680    $1,640       +$40       +2.4%     16.4%
  NVDA      15     $1,650    $1,600       +$50       +3.1%     16.1%

PERFORMANCE SINCE LAST REBALANCE
  n/a (no rebalance yet)

LAST REBALANCE
  none yet
"""


def test_the_layout_is_the_handbooks(shell):
    desk = Desk(shell.settings).open()
    desk.take(e.RegimeReported(Regime.TREND_BULL, SIGNAL_DAY, "file:regime.json"))
    view = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()

    assert status_text(view) == HANDBOOK


def test_alerts_that_reach_nobody_are_said_at_the_end(shell):
    desk = Desk(shell.settings).open()
    view = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()
    well = {"channel": "apprise", "why": "", "waiting": 0}
    ill = {"channel": "webhook", "why": "HTTP 404", "waiting": 2}

    said = status_text(view | {"deliveries": [well, ill]})

    assert said.splitlines()[-1] == "Alerts do not reach webhook: HTTP 404; 2 wait"


def test_the_running_daemon_is_asked(shell):
    with DeskThread(shell.settings):
        said = shell("status")
        as_json = shell("status", "--json")

    assert said.exit_code == 0
    assert said.output.startswith("[LOCAL] LARGE  trading")
    view = json.loads(as_json.output)
    assert view["is_running"]
    assert view["money"]["equity"] == "10245.67"


def test_without_a_daemon_the_journal_speaks_and_says_so(shell):
    desk = Desk(shell.settings).open()
    desk.journal.close()

    said = shell("status")

    assert said.exit_code == 0
    first = said.output.splitlines()[0]
    assert first == "[LOCAL] LARGE  daemon not running; as of 2025-11-18 14:32:05 ET"
    assert "Figures are" in said.output
    assert not json.loads(shell("status", "--json").output)["is_running"]


def test_without_a_daemon_a_latch_is_still_a_halt(shell):
    Desk(shell.settings).open().journal.close()
    shell.settings.latch_path.touch()

    assert "HALTED by latch file" in shell("status").output


def test_a_daemon_that_never_ran_is_one_line(shell):
    said = shell("status")

    assert said.exit_code == 1
    assert "no state at" in said.output
    assert "has the daemon ever run?" in said.output
    assert len(said.output.splitlines()) == 1


def test_a_file_that_is_no_journal_is_one_line(shell):
    shell.settings.state_dir.mkdir()
    shell.settings.journal_path.write_text("not a database at all")

    said = shell("status")

    assert said.exit_code == 78
    assert "is not a journal" in said.output
    assert len(said.output.splitlines()) == 1


def test_a_halt_stands_above_everything(shell):
    with DeskThread(shell.settings):
        shell("stop", "--reason", "fire\x1b[2J drill")
        said = shell("status").output

    second = said.splitlines()[1]
    assert second.startswith("HALTED by ")
    assert "complete, 0 open orders" in second
    assert "\x1b" not in said


def test_a_rebalance_shows_in_the_next_status(shell):
    small = {"held": (), "cash": "50", "equity": "50", "regime": Regime.TREND_BULL}
    with DeskThread(shell.settings, beats=20, **small):
        assert shell("rebalance", "--force").exit_code == 0
        said = shell("status").output

    assert "LAST REBALANCE\n  Date: 2025-11-18\n  Orders: 0 (0 filled, 0 rejected)" in said
    assert "  Regime: TREND_BULL (100% allocation)" in said
    assert "PERFORMANCE SINCE LAST REBALANCE (Nov 18, 2025)\n  Total Return: +0.00%" in said
    assert "Sharpe Ratio: n/a (needs 20 daily returns, has 1)" in said


def test_a_run_under_way_shows_its_lines(shell):
    desk = Desk(shell.settings, is_mute=True).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    view = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()

    assert "REBALANCE force-20251118-1 (due, round 0)" in status_text(view)


def test_watch_shows_it_again_until_it_is_interrupted(capsys):
    shown = []

    def text() -> str:
        shown.append(1)
        return f"look {len(shown)}"

    def sleep(seconds: float) -> None:
        if len(shown) == 3:
            raise KeyboardInterrupt

    show_live(text, sleep)

    assert len(shown) == 3
    assert "look 3" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("--watch", "--json"), ("--no-such",)])
def test_contradicting_options_are_a_usage_error(shell, arguments):
    assert shell("status", *arguments).exit_code == 2


def test_an_unknown_key_in_the_configuration_is_one_line(shell):
    Path("atlas.toml").write_text("[dashboard]\ncolour = 1\n")

    said = shell("status")

    assert said.exit_code == 78
    assert "dashboard.colour" in said.output


def test_a_run_with_open_orders_shows_plan_orders_and_alerts(shell):
    whole = {"held": (), "cash": "10000", "equity": "10000", "regime": Regime.TREND_BULL}
    desk = Desk(shell.settings, **whole).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    desk.beat()
    found = e.ForeignOrderFound("b1", "by-hand-1", "TSLA", Side.SELL, Decimal(2), False)
    desk.take(e.CalendarDisputed("27 Nov"), e.DriftFound("AAPL", Decimal(1), Decimal(2)))
    state = replace(desk.state, foreign={"b1": found}, figures=Figures())
    text = status_text(status_of(state, desk.policy, desk.now(), fault="disk full"))
    desk.journal.close()

    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "REBALANCE force-20251118-1 (buying, round 1)" in lines
    assert "AAPL 0 14 0 sending capped at 15 %" in lines
    assert "OPEN ORDERS (1)" in lines
    assert "AAPL BUY 14 0 - sending 0s atlas-force-20251118-1-r1-buy-AAPL-1" in lines
    assert "SELL 2 TSLA (by-hand-1)" in lines
    assert "THE JOURNAL CANNOT BE WRITTEN: disk full" in lines
    assert "CALENDARS DIFFER, no slot is due: 27 Nov" in lines
    assert "POSITIONS (unknown)" in lines
    assert "The broker has not been heard since the daemon's start." in lines


def test_a_slot_that_is_due_and_an_aborted_run_are_called_so(shell):
    desk = Desk(shell.settings, is_mute=True).open()
    desk.take(e.RebalanceRequested("ann", force=True), e.StopRequested("ann", "drill"))
    desk.clock.at = NOW.replace(year=2026, month=2, day=3)
    text = status_text(status_of(desk.state, desk.policy, desk.now()))
    later = status_text(status_of(desk.state, desk.policy, NOW.replace(year=2026, month=3, day=1)))
    desk.journal.close()

    assert "  Next rebalance: 2026-02 is due now (until Feb 9, 2026)" in text
    assert "  Next rebalance: 2026-02 was not done by Feb 9, 2026: it is missed" in later
    assert "  Orders: unknown\n  Outcome: aborted, not final" in text
    assert "  Reason: stopped by ann; goes on after resume" in text
