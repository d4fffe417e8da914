"""A replay end to end: the live path over two years of made-up bars, and its report."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from atlas_daemon.cli.replay_view import print_replay
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime
from atlas_daemon.journal import Journal
from tests.replay.conftest import atlasd, replayed
from tests.replay.history import (
    CRASH,
    DIVIDEND,
    DIVIDEND_DAY,
    SPLIT,
    SPLIT_DAY,
    STOCKS,
    History,
)

CAP, RESERVE = 0.15, 0.01
TOLERANCE = 0.004
"""Of the equity, at each close: 09:35 is not the open, a spread is paid, shares are whole."""


def entries_of(out: Path) -> list[e.Entry]:
    with Journal.open_readonly(out / "state" / "journal.db") as journal:
        assert journal.verify().is_intact
        return list(journal.read())


def test_every_slot_is_traded_once_and_every_order_fills(calm):
    report, out = calm
    assert [run["run"] for run in report["runs"]] == ["2022-02", "2022-08"]
    assert {run["outcome"] for run in report["runs"]} == {"done"}
    assert report["missed"] == report["troubles"] == report["restless"] == []
    assert report["trading"]["orders"] == report["trading"]["fills"] >= 8
    assert report["journal"]["is_intact"]
    assert len(entries_of(out)) == report["journal"]["entries"]


def test_orders_go_out_five_minutes_after_the_open_of_the_slots_session(calm):
    _, out = calm
    sent = [x.at for x in entries_of(out) if isinstance(x.event, e.OrderSubmitted)]
    assert {f"{at:%Y-%m-%d}" for at in sent} == {"2022-02-01", "2022-08-01"}
    after_open = [timedelta(hours=at.hour, minutes=at.minute) for at in sent]
    assert {timedelta(hours=14, minutes=35), timedelta(hours=13, minutes=35)} == set(after_open)


def test_what_is_achieved_stands_beside_what_was_meant(calm):
    report, _ = calm
    for run in report["runs"]:
        held = [line for line in run["lines"] if line["target"]]
        assert len(held) == 4
        assert {line["target"] for line in held} == {CAP}
        assert run["achieved_pct"] == pytest.approx(4 * CAP, abs=0.001)
        assert run["gap_max"] < 0.001


def test_the_equity_is_that_of_an_independent_calculation(calm, history):
    """The same rule worked out with arrays: ranks, weights, the open's prices, no costs."""
    report, _ = calm
    told = {row["day"]: row["equity"] for row in report["curve"][1:]}
    own = _worked_out(history, [date.fromisoformat(day) for day in told])
    for day, value in own.items():
        assert told[str(day)] == pytest.approx(value, rel=TOLERANCE), day
    end, days = report["account"], sorted(told)
    assert end["total_return"] == pytest.approx(told[days[-1]] / 1e6 - 1, abs=1e-6)


def _worked_out(history: History, days: list[date]) -> dict[date, float]:
    slots = {date(2022, 2, 1), date(2022, 8, 1)}
    cash, shares = 1e6, np.zeros(len(STOCKS))
    equity = {}
    for day in days:
        row = history.days.index(day)
        if day in slots:
            highs = history.highs[row - 252 : row].max(axis=0)
            ratios = history.closes[row - 1] / highs
            best = sorted(np.flatnonzero(ratios >= 0.9), key=lambda at: -ratios[at])[:4]
            worth = cash + shares @ history.opens[row]
            shares = np.zeros(len(STOCKS))
            shares[best] = worth * min(CAP, (1 - RESERVE) / len(best)) / history.opens[row][best]
            cash = worth - shares @ history.opens[row]
        equity[day] = cash + shares @ history.closes[row]
    return equity


def test_a_split_multiplies_what_is_held_and_alarms_nobody(calm, history):
    _, out = calm
    booked = [
        x.event for x in entries_of(out) if isinstance(x.event, e.ActivityBooked) and x.event.moves
    ]
    (split,) = booked
    assert (split.activity.kind, split.activity.symbol) == ("SPLIT", "AAA")
    assert split.activity.day == SPLIT_DAY
    bought = sum(
        x.event.qty
        for x in entries_of(out)
        if isinstance(x.event, e.FillBooked)
        and x.event.symbol == "AAA"
        and x.at.year == 2022
        and x.at.month == 2
    )
    assert split.moves[0].qty == bought * (Decimal(SPLIT) - 1)


def test_dividends_are_counted_and_not_paid(calm):
    report, out = calm
    held = 0
    for entry in entries_of(out):
        is_before = entry.at.date() < DIVIDEND_DAY
        if isinstance(entry.event, e.FillBooked) and entry.event.symbol == "BBB" and is_before:
            held += entry.event.qty * entry.event.side.sign
    assert held > 0
    assert Decimal(report["trading"]["ignored_dividends"]) == held * Decimal(str(DIVIDEND))
    assert any("Dividends are not paid" in each for each in report["bias"])


def test_the_benchmark_is_the_datas_and_begins_with_the_same_money(calm, history):
    report, _ = calm
    assert report["spy_price"]["start"] == report["account"]["start"] == 1_000_000
    assert report["spy_price"]["total_return"] == report["spy_total_return"]["total_return"]
    assert any("no dividends of SPY" in each for each in report["bias"])


def test_other_commands_read_what_it_leaves(calm):
    _, out = calm
    status = atlasd("status", "--config", str(out / "atlas.toml"))
    assert status.exit_code == 0 and "REPLAY" in status.stdout
    assert "Date: 2022-08-01" in status.stdout
    trades = atlasd("trades", "--config", str(out / "atlas.toml"))
    assert trades.exit_code == 0 and "atlas-2022-08-r1-" in trades.stdout


def test_a_person_reads_first_whose_account_it_is(calm, capsys):
    report, out = calm
    print_replay(report, "[LOCAL] REPLAY", out, out / "report.html", None)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"[LOCAL] REPLAY  replay {report['from']} to {report['to']}"
    assert any(line.startswith("Journal") for line in rest)


def test_the_page_needs_nothing_else_and_says_what_is_biased(calm):
    report, out = calm
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and "src=" not in page and "http" not in page
    for statement in report["bias"]:
        assert statement.split(" ")[0] in page
    assert json.loads((out / "report.json").read_text(encoding="utf-8")) == report


def test_the_same_arguments_give_the_same_journal_bytes(history, tmp_path):
    span = ("--from", "2022-07-25", "--to", "2022-08-05", "--regime", "TREND_NEUTRAL")
    reports = [replayed(history, tmp_path / name, *span) for name in ("one", "two")]
    heads = {report["journal"]["head"] for report in reports}
    assert len(heads) == 1
    rows = [(tmp_path / name / "state" / "journal.db") for name in ("one", "two")]
    first, second = (list(Journal.open_readonly(path).read()) for path in rows)
    assert first == second
    other = replayed(history, tmp_path / "three", *span, "--seed", "2")
    assert other["journal"]["head"] not in heads, "another path through the same days"


def test_a_confirmed_crash_sells_everything_at_the_next_open(history, tmp_path):
    """By the jump model, with windows short enough for two years of bars."""
    config = tmp_path / "short.toml"
    config.write_text("[regime]\nlookback = 120\nwindow = 250\n", encoding="utf-8")
    out = tmp_path / "crash"
    span = ("--from", "2023-01-30", "--to", "2023-04-28")
    report = replayed(history, out, *span, "--config", str(config))
    changes = [change for change in report["regime_changes"] if change["regime"] == "CRASH"]
    assert changes and changes[0]["reaction"] == "cash"
    slot, crash = report["runs"]
    assert (slot["run"], crash["trigger"]) == ("2023-02", "crash")
    heard = date.fromisoformat(changes[0]["as_of"])
    assert heard > CRASH
    following = history.days[history.days.index(heard) + 1]
    assert crash["order_day"] == str(following)
    assert crash["achieved_pct"] == 0
    assert report["regimes"][Regime.CRASH]["sessions"] > 0
    sessions = sum(each["sessions"] for each in report["regimes"].values())
    assert sessions == report["sessions"]
