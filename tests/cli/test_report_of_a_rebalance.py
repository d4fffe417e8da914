"""A real rebalance on the local broker, over real sockets, with partial fills and rejections.

The handbook's example analysis runs on its log as written, and the report says the same.
"""

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.analysis.document import Past, Promised, Wanted, document_of
from atlas_daemon.cli import commands
from atlas_daemon.config import Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from atlas_daemon.journal import Journal
from tests.e2e.one_process import a_broker, a_desk

HANDBOOK = """\
import pandas as pd

trades = pd.read_csv('logs/trades_2025-11-18.csv')

# Calculate slippage
trades['slippage'] = trades['fill_price'] - trades['expected_price']
avg_slippage = trades['slippage'].mean()

# Analyze rejections
rejections = trades[trades['status'] == 'rejected']
print(f"Rejection rate: {len(rejections) / len(trades):.1%}")
print(f"Rejection reasons: {rejections['error'].value_counts()}")
"""
"""The handbook's words; only the day is another here."""


@dataclass
class Done:
    settings: Settings
    folder: Path
    report: e.RunReport
    document: dict[str, Any]
    submitted: int


async def rebalance(folder: Path) -> tuple[Settings, e.RunReport]:
    """CCC is sold for AAA and BBB; orders fill in parts, one buy is rejected, one refused."""
    async with (
        a_broker("10000", {"CCC": 40}, partial_fill_pct=0.6) as broker,
        a_desk(folder, broker) as scene,
    ):
        await scene.until(lambda: scene.daemon.state.mode is Mode.TRADING)
        await scene.fault(kind="reject_order", symbol="BBB", count=1)
        await scene.fault(kind="refuse_order", symbol="AAA", count=1)
        ended = await scene.is_finished()
        assert ended.report is not None
        return scene.daemon.settings, ended.report


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Done:
    folder = tmp_path_factory.mktemp("rebalance")
    settings, report = asyncio.run(rebalance(folder))
    with Journal.open_readonly(settings.journal_path) as journal:
        entries = list(journal.read())
    document = document_of(Past(entries, Wanted()), Promised())
    submitted = sum(isinstance(entry.event, e.OrderSubmitted) for entry in entries)
    return Done(settings, folder, report, dict(document), submitted)


@pytest.fixture(scope="module")
def analysed(done) -> dict[str, Any]:
    """What the handbook's example leaves in its variables, and what it prints."""
    (path,) = done.settings.log_dir.glob("trades_*.csv")
    assert path.name == "trades_2024-02-01.csv"
    words: dict[str, Any] = {}
    out = io.StringIO()
    with contextlib.chdir(done.folder), contextlib.redirect_stdout(out):
        exec(HANDBOOK.replace("2025-11-18", "2024-02-01"), words)
    return words | {"printed": out.getvalue()}


def test_the_handbooks_slippage_is_the_reports(done, analysed) -> None:
    handbook = done.document["handbook"]
    assert analysed["avg_slippage"] == pytest.approx(handbook["mean_slippage"], abs=1e-12)
    assert int(analysed["trades"]["slippage"].notna().sum()) == handbook["fills"] > 3


def test_the_handbooks_rejections_are_the_reports(done, analysed) -> None:
    handbook, trades = done.document["handbook"], analysed["trades"]
    assert (len(trades), len(analysed["rejections"])) == (handbook["rows"], handbook["rejected"])
    assert handbook["rejected"] == 2
    reasons = analysed["rejections"]["error"].fillna("").value_counts().to_dict()
    assert reasons == handbook["reasons"]
    rate = f"{handbook['rejection_rate']:.1%}"
    assert analysed["printed"].startswith(f"Rejection rate: {rate}\nRejection reasons: error\n")


def test_the_cost_of_the_fills_is_what_the_trades_file_says_value_weighted(done, analysed) -> None:
    fills = analysed["trades"][analysed["trades"]["action"] == "FILL"]
    sides = fills["client_order_id"].str.contains("-buy-").map({True: 1, False: -1})
    cost = (sides * fills["fill_qty"] * fills["slippage"]).sum()
    shortfall = done.document["shortfall"]
    assert float(shortfall["trading"]) == pytest.approx(cost, abs=1e-9)
    assert round(Decimal(shortfall["trading"]), 2) == done.report.slippage_cost
    assert round(Decimal(shortfall["raw_sum"]), 4) == done.report.total_slippage


def test_a_rejected_buy_is_bought_in_the_next_round_and_counted_once(done) -> None:
    (run,) = done.document["runs"]
    rows = {(row["symbol"], row["status"]): row for row in run["rows"]}
    assert rows["BBB", "rejected"]["carried_qty"] == rows["BBB", "rejected"]["qty"]
    assert rows["AAA", "refused"]["filled_qty"] == "0"
    assert rows["BBB", "filled"]["rest_qty"] == rows["AAA", "filled"]["rest_qty"] == "0"
    assert run["rounds"] == 2
    wanted = Decimal(run["shortfall"]["notional"])
    assert wanted == sum(Decimal(row["notional"]) for row in run["rows"])


def test_latency_rejections_and_weights_are_those_of_the_run(done) -> None:
    found, (run,) = done.document["rejections"], done.document["runs"]
    assert (found["sent"], found["broker"], found["ours"]) == (done.submitted, 2, 0)
    assert done.document["latency"]["whole_fill"]["count"] == 3
    assert 0 < done.document["latency"]["first_fill"]["median"] < 60
    lines = {line["symbol"]: line for line in run["lines"]}
    for line in done.report.lines:
        if line.target_qty:
            assert Decimal(lines[line.symbol]["actual_weight"]) == line.actual_weight


def test_the_command_says_the_same_in_every_form(done, monkeypatch) -> None:
    monkeypatch.chdir(done.folder)
    monkeypatch.setenv("HOME", str(done.folder))
    toml = '[account]\nmode = "local"\nname = "PROOF"\n[paths]\nstate_dir = "state"\n'
    Path("atlas.toml").write_text(toml + 'log_dir = "logs"\n')
    app = typer.Typer()
    commands.register(app)

    def asked(*arguments: str):
        said = CliRunner().invoke(app, ["report", *arguments])
        assert said.exit_code == 0, said.output
        return said.output

    assert asked().startswith("[LOCAL] PROOF  Report of 1 run\n")
    told = json.loads(asked("--json"))
    assert told["shortfall"] == done.document["shortfall"]
    frame = pd.read_csv(io.StringIO(asked("--csv", "-")))
    assert len(frame) == len(done.document["runs"][0]["rows"])
    asked("--html", "report.html")
    assert "<svg" in Path("report.html").read_text("utf-8")
