"""Bad bars, universes and settings, through the command: a line and a code, never a default."""

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.cli.plan import plan
from atlas_daemon.config.definitions import KEYS
from tests.bars.builders import a_series, write_bars
from tests.worker_requests import think_here

THEN = ("--date", "2024-02-01")
TOML = """\
[account]
mode = "local"
[paths]
state_dir = "state"
[data]
source = "file:bars.parquet"
[strategy]
universe = ["AAA", "BBB"]
[regime]
source = "fixed:TREND_BULL"
"""


def sound():
    """AAA at its high, BBB 5 % below it, LOW 20 % below, OLD gone a day early, and SPY."""
    return [
        *a_series("AAA", [100.0] * 260),
        *a_series("BBB", [100.0] * 259 + [95.0]),
        *a_series("LOW", [100.0] * 259 + [80.0]),
        *a_series("OLD", [100.0] * 260, last=date(2024, 1, 30)),
        *a_series("SPY", [480.0] * 260),
    ]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with sound bars and settings, and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for key in KEYS.values():
        monkeypatch.delenv(key.variable, raising=False)
    think_here(monkeypatch)
    (tmp_path / "atlas.toml").write_text(TOML)
    write_bars(tmp_path / "bars.parquet", sound())
    return tmp_path


def run(*words):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("plan")(plan)
    return CliRunner().invoke(app, ["plan", *words], catch_exceptions=False)


def refused(*words):
    """The exit code and the one line of a command that prints nothing else."""
    result = run(*words)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("atlasd: ")
    return result.exit_code, line.removeprefix("atlasd: ")


def planned(*words):
    result = run(*THEN, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def without(name):
    return [{key: value for key, value in row.items() if key != name} for row in sound()]


def with_zones(folder):
    """Moments of two zones in one column of text, as two vendors' files laid together have them."""
    table = pa.Table.from_pylist(sound())
    texts = [f"{day}T00:00:00{'-05:00' if at % 2 else 'Z'}" for at, day in enumerate(table["date"])]
    pq.write_table(table.set_column(0, "date", pa.array(texts)), folder / "bars.parquet")


def with_zone(folder):
    new_york = timezone(timedelta(hours=-5))
    rows = [
        row | {"date": datetime(*row["date"].timetuple()[:3], tzinfo=new_york)} for row in sound()
    ]
    write_bars(folder / "bars.parquet", rows)


BAD_BARS = {
    "no file": (
        lambda to: (to / "bars.parquet").unlink(),
        78,
        "bars.parquet: no such file of bars",
    ),
    "no bars at all": (
        lambda to: pq.write_table(pa.Table.from_pylist(sound()).slice(0, 0), to / "bars.parquet"),
        1,
        "bars.parquet: has no rows",
    ),
    "not a file of bars": (
        lambda to: (to / "bars.parquet").write_bytes(b"PAR1 and then nothing"),
        78,
        "bars.parquet: cannot be read as bars",
    ),
    "no volumes": (
        lambda to: write_bars(to / "bars.parquet", without("volume")),
        78,
        "bars.parquet: lacks the column volume",
    ),
    "no days and no symbols": (
        lambda to: pq.write_table(pa.table({"high": [1.0], "close": [1.0]}), to / "bars.parquet"),
        78,
        "bars.parquet: lacks the column date, symbol, volume",
    ),
    "a time zone": (with_zone, 78, "date carries the time zone"),
    "mixed time zones": (with_zones, 78, "bars.parquet: cannot be read as bars"),
    "every series broken": (
        lambda to: write_bars(to / "bars.parquet", [row | {"close": None} for row in sound()]),
        1,
        "2 of 2 symbols of universe of the list fail the checks",
    ),
}


@pytest.mark.parametrize(("make", "code", "said"), BAD_BARS.values(), ids=BAD_BARS)
def test_a_file_that_cannot_be_bars_is_named_with_what_is_wrong(desk, make, code, said):
    make(desk)
    got, line = refused(*THEN)
    assert said in line
    assert got == code


MEMBERS = "ticker,start_date,end_date,data_symbol\n"
BAD_WORDS = {
    "a day to come": (["--date", "2024-02-02"], 1, "bars.parquet ends on 2024-01-31: no bars for"),
    "years to come": (["--date", "2029-02-01"], 1, "bars.parquet ends on 2024-01-31: no bars for"),
    "a day before": (["--date", "2014-02-03"], 1, "bars.parquet starts on 20"),
    "a day too early to rate": (
        ["--date", "2023-06-01"],
        1,
        "no symbol of universe of the list can be rated on 2023-05-31",
    ),
    "a day before the calendar": (["--date", "1900-01-02"], 1, "the session calendar ends"),
    "a day beyond it": (["--date", "2044-02-01"], 1, "the session calendar ends: 2044-02-01 is"),
    "no day": (["--date", "soon"], 2, "--date: 'soon' is not a date"),
    "a day that is none": (["--date", "2024-02-30"], 2, "--date: '2024-02-30' is not a date"),
    "top 0": ([*THEN, "--top-n", "0"], 2, "--top-n: 0 is not between 1 and 1000"),
    "top -1": ([*THEN, "--top-n=-1"], 2, "--top-n: -1 is not between 1 and 1000"),
    "top of a million": ([*THEN, "--top-n", "1000000"], 2, "--top-n: 1000000 is not between"),
    "an unknown universe": ([*THEN, "--universe", "nasdaq"], 78, "must be one of technology"),
    "an empty one": ([*THEN, "--universe", ""], 78, 'strategy.universe = "" (command line): must'),
    "a symbol twice": ([*THEN, "--universe", "AAA,AAA"], 78, "each once"),
    "a symbol twice, spelled twice": (
        [*THEN, "--universe", "BRK.B,BRK-B"],
        78,
        "strategy.universe: BRK.B stands there more than once",
    ),
    "a symbol that is none": ([*THEN, "--universe", "AAA,bbb"], 78, "'bbb' is no ticker symbol"),
    "a ticker that was renamed": ([*THEN, "--universe", "FB"], 1, "(FB: no bars from"),
    "a ticker that ended": (
        [*THEN, "--universe", "OLD"],
        1,
        "(OLD: last bar is 2024-01-30, not the signal session 2024-01-31)",
    ),
    "members without a file": ([*THEN, "--universe", "file:no.csv"], 78, "no.csv: cannot be read"),
    "members of nobody": ([*THEN, "--universe", "file:none.csv"], 1, "none.csv: no member with a"),
    "a list of nothing": ([*THEN, "--universe", "file:empty.csv"], 1, "empty.csv: names no symbol"),
    "members without days": ([*THEN, "--universe", "file:days.csv"], 78, "days.csv: lacks the col"),
    "an unknown regime": ([*THEN, "--regime", "BEAR"], 2, "--regime: 'BEAR' is none of TREND_BULL"),
}


@pytest.mark.parametrize(("words", "code", "said"), BAD_WORDS.values(), ids=BAD_WORDS)
def test_what_a_person_got_wrong_is_one_line_with_its_code(desk, words, code, said):
    (desk / "none.csv").write_text(MEMBERS + "AAA,2000-01-01,2020-01-01,AAA\n")
    (desk / "days.csv").write_text("ticker,start_date\nAAA,2000-01-01\n")
    (desk / "empty.csv").write_text("symbol\n")
    got, line = refused(*words)
    assert said in line
    assert got == code


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ATLAS_STRATEGY__TOP_N", "0", "strategy.top_n"),
        ("ATLAS_STRATEGY__TOP_N", "-5", "strategy.top_n"),
        ("ATLAS_STRATEGY__TOP_N", "1001", "strategy.top_n"),
        ("ATLAS_STRATEGY__TOP_N", "2.5", "strategy.top_n"),
        ("ATLAS_STRATEGY__MIN_HIGH_RATIO", "0", "strategy.min_high_ratio"),
        ("ATLAS_STRATEGY__MIN_HIGH_RATIO", "-0.9", "strategy.min_high_ratio"),
        ("ATLAS_STRATEGY__MIN_HIGH_RATIO", "1.0001", "strategy.min_high_ratio"),
        ("ATLAS_STRATEGY__MIN_HIGH_RATIO", "90 %", "strategy.min_high_ratio"),
        ("ATLAS_STRATEGY__WEIGHTING", "best", "strategy.weighting"),
        ("ATLAS_STRATEGY__VOLUME_FILTER", "-1", "strategy.volume_filter"),
        ("ATLAS_STRATEGY__SOURCE", "momentum", "strategy.source"),
        ("ATLAS_STRATEGY__UNIVERSE", "[]", "strategy.universe"),
        ("ATLAS_DATA__SOURCE", "file:bars.xlsx", "bars.xlsx: no such file of bars"),
        ("ATLAS_REGIME__SOURCE", "fixed:GOOD", "regime.source"),
    ],
)
def test_a_setting_out_of_its_range_is_a_matter_of_configuration(
    desk, monkeypatch, variable, value, said
):
    monkeypatch.setenv(variable, value)
    code, line = refused(*THEN)
    assert said in line
    assert code == 78


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "targets.csv: cannot be read as targets"),
        ("symbol,weight\nAAA,0.5\n", "line 1: the columns must be symbol,weight,as_of"),
        ("symbol,weight,as_of\n", "targets.csv: has no targets"),
        ("symbol,weight,as_of\nAAA,0.5,2024-01-30\n", "line 2: as_of 2024-01-30 is not the signal"),
        ("symbol,weight,as_of\nAAA,1.5,2024-01-31\n", "line 2: the weight '1.5' of AAA is no"),
        ("symbol,weight,as_of\nNEW,0.5,2024-01-31\n", "line 2: NEW is unknown to the source"),
        (
            "symbol,weight,as_of\nAAA,0.5,2024-01-31\nAAA,0.5,2024-01-31\n",
            "line 3: AAA stands in line 2 too",
        ),
    ],
)
def test_targets_of_somebody_else_are_taken_whole_or_not_at_all(desk, monkeypatch, text, said):
    if text is not None:
        (desk / "targets.csv").write_text(text)
    monkeypatch.setenv("ATLAS_STRATEGY__SOURCE", "file:targets.csv")
    code, line = refused(*THEN)
    assert said in line
    assert code == 1


def test_rows_in_any_order_make_the_same_plan(desk):
    before = planned()
    write_bars(desk / "bars.parquet", sound()[::-1])
    assert planned() == before


def test_a_hole_in_one_series_leaves_out_that_one_and_says_so(desk):
    rows = sound()
    rows[100]["close"] = float("nan")
    write_bars(desk / "bars.parquet", rows)
    got = planned()
    assert [pick["symbol"] for pick in got["picks"]] == ["BBB"]
    (why,) = got["refused_symbols"]
    assert why["symbol"] == "AAA"
    assert why["why"].startswith("a price that is empty, zero or negative on 2023-")


def test_a_bar_that_stands_there_twice_leaves_out_its_series(desk):
    rows = sound()
    write_bars(desk / "bars.parquet", [*rows, rows[259]])
    (why,) = planned()["refused_symbols"]
    assert why == {"symbol": "AAA", "why": "more than one bar on 2024-01-31"}


def test_a_member_under_another_name_then_is_picked_and_named(desk):
    (desk / "members.csv").write_text(MEMBERS + "WAS,2000-01-01,,AAA\n")
    got = planned("--universe", "file:members.csv")
    assert [pick["symbol"] for pick in got["picks"]] == ["AAA"]
    assert "AAA was WAS on 2024-01-31" in got["notes"]


def test_fewer_candidates_than_wanted_lines_is_said(desk):
    got = planned("--top-n", "3")
    assert [pick["weight"] for pick in got["picks"]] == ["0.5", "0.5"]
    assert "2 of 3 wanted lines pass the threshold; each is weighted among 2" in got["notes"]


def test_one_candidate_is_capped_and_the_rest_stays_in_cash(desk):
    got = planned("--universe", "AAA", "--top-n", "10")
    ((line,), (pick,)) = got["lines"], got["picks"]
    assert pick["weight"] == "1"
    # 15 % of 10,000 dollars at 100.
    assert (line["target_qty"], line["equity_pct"], line["note"]) == (
        "15",
        "0.15",
        "capped at 15 %",
    )
    assert "the cap leaves 8,400.00 of the deployable 9,900.00 in cash" in got["notes"]
    assert got["cash"]["after_buys"] == "8500"


def test_nothing_above_the_threshold_is_all_cash_and_what_was_held_is_sold(desk):
    got = planned("--universe", "LOW", "--holdings", "LOW=5")
    assert (got["picks"], got["passes"]) == ([], True)
    assert [(order["side"], order["qty"]) for order in got["orders"]] == [("sell", "5")]
    assert "no candidate passes: all cash (1 rated)" in got["notes"]


def test_a_volume_filter_that_nothing_passes_is_all_cash_and_said(desk, monkeypatch):
    monkeypatch.setenv("ATLAS_STRATEGY__VOLUME_FILTER", "1.25")
    got = planned()
    assert got["picks"] == []
    assert "the volume filter left out 2 of 2" in got["notes"]


@pytest.mark.parametrize(
    ("words", "variables", "code", "said"),
    [
        (["--top-n", "0"], {}, 2, "--top-n: 0 is not between 1 and 1000"),
        ([], {"ATLAS_STRATEGY__UNIVERSE": "nasdaq"}, 78, "strategy.universe"),
        ([], {"ATLAS_STRATEGY__UNIVERSE": "OLD"}, 1, "no symbol of universe of the list can be"),
        ([], {"ATLAS_RISK__MAX_TOTAL_ALLOCATION": "0.2"}, 3, ""),
    ],
)
def test_a_process_ends_with_the_code_and_without_a_traceback(desk, words, variables, code, said):
    done = subprocess.run(
        [sys.executable, "-m", "atlas_daemon", "plan", *THEN, *words],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (code, False)
    assert len(done.stderr.splitlines()) == (1 if said else 0)
    assert said in done.stderr
    assert ("A gate refuses the plan. Nothing was sent." in done.stdout) == (code == 3)
