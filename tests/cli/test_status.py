"""`atlasd status`: the handbook's layout, live, as JSON, and without a daemon."""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from atlas_daemon.cli.reading import ask_or_read
from atlas_daemon.cli.status_text import status_text
from atlas_daemon.core import events as e
from atlas_daemon.core.state import Figures
from atlas_daemon.core.values import Regime, Side
from atlas_daemon.core.views import status_of
from atlas_daemon.journal.schema import chained_hash
from tests.cli.journals import write_journal
from tests.control.desk import NOW, SIGNAL_DAY, Desk, DeskThread, settings_in

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
    desk.clock.at += timedelta(minutes=5)
    desk.take(e.AlertRaised("info", "test", "five minutes later"))
    desk.journal.close()

    said = shell("status")

    assert said.exit_code == 0
    first = said.output.splitlines()[0]
    assert first == "[LOCAL] LARGE  daemon not running; as of 2025-11-18 14:37:05 ET"
    assert "  Figures are 5m 0s old (2025-11-18 14:32:05 ET)" in said.output
    assert not json.loads(shell("status", "--json").output)["is_running"]


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(minutes=-5), ""),
        (timedelta(minutes=5), ""),
        (timedelta(days=3), ", 3d 0h ahead of this machine's clock: ages are not known"),
    ],
    ids=str,
)
def test_a_journal_ahead_of_this_machines_clock_says_so(tmp_path, ahead, said):
    settings = settings_in(tmp_path, account__mode="paper")
    Desk(settings).open().journal.close()

    answer = ask_or_read(settings, "status", status_of, now=lambda: NOW - ahead)

    assert answer.note == f"daemon not running; as of 2025-11-18 14:32:05 ET{said}"
    assert answer.view["at"] == "2025-11-18T19:37:05Z" if ahead < timedelta(0) else True
    assert answer.view["money"]["age_s"] == (300 if ahead < timedelta(0) else 0)


def test_in_local_mode_time_stands_still_without_the_daemon(shell):
    Desk(shell.settings).open().journal.close()

    answer = ask_or_read(shell.settings, "status", status_of, now=lambda: NOW.replace(year=2030))

    assert answer.view["at"] == "2025-11-18T19:32:05Z"


def test_an_empty_journal_says_so(shell):
    write_journal(shell.settings, [])

    said = shell("status")

    assert said.exit_code == 0
    assert said.output.startswith(
        "[LOCAL] LARGE  daemon not running; as of never: the journal is empty"
    )


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


def cut(path: Path, share: float) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_torn_journal_is_told_or_refused_in_one_line(shell, tmp_path, name, share):
    """What the write-ahead log has lost was never committed as far as anybody can tell."""
    desk = Desk(shell.settings).open()
    for n in range(60):
        desk.take(e.AlertRaised("info", "test", f"alert {n}"))
    kept = tmp_path / "kept"
    copytree(shell.settings.state_dir, kept)  # as a power cut leaves it: nobody closed it
    desk.journal.close()
    rmtree(shell.settings.state_dir)
    copytree(kept, shell.settings.state_dir)
    cut(shell.settings.state_dir / name, share)

    said = shell("status")

    assert said.exception is None or isinstance(said.exception, SystemExit)
    if said.exit_code == 0:
        assert said.output.startswith("[LOCAL] LARGE  daemon not running; as of ")
    else:
        assert said.exit_code == 78
        assert len(said.output.splitlines()) == 1
    if name == "journal.db-wal":
        assert said.exit_code == 0


def test_a_journal_of_an_older_version_says_what_to_do(shell):
    Desk(shell.settings).open().journal.close()
    with closing(sqlite3.connect(shell.settings.journal_path)) as file:
        file.execute("UPDATE meta SET schema_version = 0")
        file.commit()

    said = shell("status")

    assert said.exit_code == 78
    assert "schema version 0, older than 1: `atlasd run` brings it up to date" in said.output
    assert len(said.output.splitlines()) == 1


def test_a_journal_with_a_word_of_a_later_version_is_one_line(shell):
    Desk(shell.settings).open().journal.close()
    with closing(sqlite3.connect(shell.settings.journal_path)) as file:
        seq, prev = file.execute("SELECT max(seq), hash FROM entries").fetchone()
        at = "2025-11-18T19:32:05.000000Z"
        row = (seq + 1, at, None, "MoonRisen", "{}")
        digest = chained_hash(prev, row[0], at, None, row[3], row[4])
        file.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", (*row, digest))
        file.commit()

    said = shell("status")

    assert said.exit_code == 78
    assert "MoonRisen" in said.output
    assert len(said.output.splitlines()) == 1


def test_a_journal_that_is_being_written_is_read_as_of_its_last_commit(shell):
    desk = Desk(shell.settings).open()
    with closing(sqlite3.connect(shell.settings.journal_path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE meta SET account_number = 'PA9'")
        said = shell("status")
        writer.execute("ROLLBACK")
    desk.journal.close()

    assert said.exit_code == 0
    assert "Equity: $10,245.67" in said.output


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
    why = "n/a (no equity was seen since)"
    assert f"PERFORMANCE SINCE LAST REBALANCE (Nov 18, 2025)\n  Total Return: {why}" in said
    assert f"  Sharpe Ratio: {why}\n  Max Drawdown: {why}\n" in said


def test_a_run_under_way_shows_its_lines(shell):
    desk = Desk(shell.settings, is_mute=True).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    view = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()

    assert "REBALANCE force-20251118-1 (due, round 0)" in status_text(view)


def test_watch_into_a_pipe_prints_it_again_until_it_is_interrupted(shell, monkeypatch):
    naps = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    with DeskThread(shell.settings):
        said = shell("status", "--watch")

    assert said.exit_code == 0
    assert said.output.count("[LOCAL] LARGE  trading") == 3
    assert "\x1b" not in said.output


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


LIVE_RAMP = {
    "scale": "0.25",
    "since": "2026-01-05T15:00:00Z",
    "clean_days": 12,
    "clean_days_needed": 30,
    "clean_since": "2026-01-10T15:00:00Z",
    "clean_since_what": "an overfill",
    "certificate": {"id": "c-1", "expires_at": "2026-02-01T22:00:00Z", "problem": ""},
}


@pytest.mark.parametrize(
    ("ramp", "lines"),
    [
        (None, []),
        (
            LIVE_RAMP,
            [
                "GOING LIVE",
                "  Scale: 25% of normal sizes, since Jan 5, 2026",
                "  Clean days: 12 of 30 before it may be raised",
                "  Counted since: Jan 10, 2026 (an overfill)",
                "  Certificate: c-1, valid until 2026-02-01 17:00:00 ET",
            ],
        ),
        (
            LIVE_RAMP
            | {
                "since": None,
                "clean_since": None,
                "clean_days": None,
                "certificate": {"id": "", "expires_at": None, "problem": "certificate: missing"},
            },
            [
                "GOING LIVE",
                "  Scale: 25% of normal sizes",
                "  Clean days: unknown of 30 before it may be raised",
                "  Certificate: NOT VALID: certificate: missing: nothing is bought",
            ],
        ),
        (
            LIVE_RAMP | {"certificate": None},
            ["  Certificate: unknown: nothing is bought"],
        ),
    ],
    ids=["not live", "certified", "without", "not heard of"],
)
def test_the_ramp_shows_scale_clean_days_and_certificate(shell, ramp, lines):
    desk = Desk(shell.settings).open()
    view = status_of(desk.state, desk.policy, NOW) | {"ramp": ramp}
    desk.journal.close()

    shown = status_text(view).splitlines()

    assert ("GOING LIVE" in shown) is (ramp is not None)
    assert set(lines) <= set(shown)


def test_a_configuration_that_waits_is_said_above(shell):
    with DeskThread(shell.settings) as running:
        running.desk.config_waits = "risk.max_position_pct: until run 2026-02 has ended"
        said = shell("status").output

    second = said.splitlines()[1]
    assert second == (
        "A NEW CONFIGURATION WAITS: risk.max_position_pct: until run 2026-02 has ended"
    )


def test_performance_tells_flows_gaps_and_doubts_beside_its_figures(shell):
    desk = Desk(shell.settings).open()
    view = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()
    made = view["performance"] | {
        "since": "2025-08-01",
        "total_return": "0.0246",
        "flows": "-250",
        "sessions_unmarked": 2,
        "doubt": "$9.00 of cash that nothing explains is counted as made",
    }

    text = status_text(view | {"performance": made})

    assert "  Total Return: +2.46%\n" in text
    assert "  Paid in and out since: -$250.00, not counted as return\n" in text
    assert "  Sessions whose close was not seen: 2\n" in text
    assert "  In doubt: $9.00 of cash that nothing explains is counted as made\n" in text


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (74, "Symbol    Qty    Value     Cost Basis    P&L        P/L %    % Portfolio"),
        (73, "Symbol  Qty  Value   Cost Basis  P&L   P/L %  % Portfolio"),
        (59, "Symbol  Qty  Value   Cost Basis  P&L   P/L %  % Portfolio"),
        (58, "Symbol  Qty  Value   P&L   P/L %  % Portfolio"),
        (20, "Symbol  Qty  Value   P/L %  % Portfolio"),
    ],
)
def test_positions_lose_columns_where_the_screen_is_narrow(shell, width, heads):
    desk = Desk(shell.settings).open()
    view = status_of(desk.state, desk.policy, NOW)
    desk.journal.close()

    lines = [line.strip() for line in status_text(view, width=width).splitlines()]

    assert heads in lines


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
