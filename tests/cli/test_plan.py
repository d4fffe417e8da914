"""`atlasd plan` from the command line: made-up bars everywhere, real ones where they are."""

import json
from decimal import Decimal

import pytest
import typer
from typer.testing import CliRunner

from atlas_daemon.cli.plan import _uncertified, plan
from atlas_daemon.config import Credentials
from atlas_daemon.config.definitions import KEYS
from tests.bars.builders import SHARED_BARS, a_series, real_data, write_bars
from tests.control.desk import NOW, settings_in
from tests.worker_requests import think_here

THEN = ("--date", "2024-02-01")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working directory with a local account's atlas.toml and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")  # a socket below tmp_path would be too long
    think_here(monkeypatch)
    for key in KEYS.values():
        monkeypatch.delenv(key.variable, raising=False)

    def configure(source, **sections):
        lines = ["[account]", 'mode = "local"', "[data]", f'source = "{source}"']
        for name, body in sections.items():
            lines += [f"[{name}]", body]
        (tmp_path / "atlas.toml").write_text("\n".join(lines))
        return tmp_path

    return configure


@pytest.fixture
def made_up(desk, tmp_path):
    """AAA at its high, BBB 5 % below, CCC 20 % below, NEW with too few bars, SPY."""
    rows = [
        *a_series("AAA", [100.0] * 260),
        *a_series("BBB", [100.0] * 259 + [95.0]),
        *a_series("CCC", [100.0] * 259 + [80.0]),
        *a_series("NEW", [100.0] * 251),
        *a_series("SPY", [480.0] * 260),
    ]
    write_bars(tmp_path / "bars.csv", rows)
    return desk("file:bars.csv", strategy='universe = ["AAA", "BBB", "CCC", "NEW"]')


@pytest.fixture
def real(desk):
    return desk(f"file:{SHARED_BARS}")


def run(*words):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("plan")(plan)
    return CliRunner().invoke(app, ["plan", *words], catch_exceptions=False)


def planned(*words, code=0):
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def failed(*words, code):
    result = run(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("atlasd: ")
    return line.removeprefix("atlasd: ")


def of(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


HELD = ("--holdings", "CCC=50,AAA=5", "--cash", "10000")


def test_a_plan_checked_by_hand(made_up):
    # Equity 10,000 + 500 + 4,000; 70 % of it is 10,150, 5,075 a line, at most 15 % = 2,175 each.
    got = planned(*THEN, "--regime", "TREND_NEUTRAL", *HELD)
    assert (got["order_session"], got["signal_session"]) == ("2024-02-01", "2024-01-31")
    assert (got["regime"], got["allocation"]) == ("TREND_NEUTRAL", "0.7")
    assert got["account"] == {
        "is_hypothetical": True,
        "number": "",
        "equity": "14500",
        "managed_equity": "14500",
        "cash": "10000",
        "buying_power": "10000",
        "positions": 2,
    }
    assert of(got["picks"], "rank", "symbol", "ratio", "close", "weight") == [
        (1, "AAA", "1", "100", "0.5"),
        (2, "BBB", "0.95", "95", "0.5"),
    ]
    columns = ("symbol", "current_qty", "target_qty", "change", "price", "value", "equity_pct")
    assert of(got["lines"], *columns) == [
        ("AAA", "5", "21", "16", "100", "2100", "0.144828"),
        ("BBB", "0", "22", "22", "95", "2090", "0.144138"),
        ("CCC", "50", "0", "-50", "80", "0", "0"),
    ]
    assert of(got["lines"], "note") == [
        ("capped at 15 %",),
        ("capped at 15 %",),
        ("closed: not among the picks",),
    ]
    assert of(got["orders"], "side", "qty", "symbol", "type", "value", "cash_after") == [
        ("sell", "50", "CCC", "market", "4000", "14000"),
        ("buy", "16", "AAA", "market", "1600", "12400"),
        ("buy", "22", "BBB", "market", "2090", "10310"),
    ]
    assert got["cash"] == {
        "before": "10000",
        "after_sells": "14000",
        "after_buys": "10310",
        "deployable": "10150",
        "deployed_pct": "0.289",
    }
    assert got["passes"]
    assert all(gate["ok"] for gate in got["gates"])
    assert got["outcome"] == "done"
    assert got["refused_symbols"] == [{"symbol": "NEW", "why": "251 of 252 sessions of bars"}]
    assert len(got["digest"]) == 64
    assert got["nothing_sent"]


def test_the_terminal_shows_the_whole_diff(made_up):
    result = run(*THEN, "--regime", "TREND_NEUTRAL", *HELD)
    assert result.exit_code == 0
    words = result.stdout.split()
    for said in ("[LOCAL]", "LARGE", "hypothetical:", "-50", "+16", "14,000.00", "28.9", "NEW:"):
        assert said in words
    order = [result.stdout.index(part) for part in ("Picks", "Current ->", "Orders", "Gates")]
    assert order == sorted(order)
    assert result.stdout.rstrip().endswith("The plan passes every gate. Nothing was sent.")


def test_without_cash_the_account_is_made_up_and_said_to_be(made_up):
    got = planned(*THEN, "--regime", "CRASH")
    assert got["account"]["cash"] == "10000"
    assert any("made up: neither --cash nor account.capital" in note for note in got["notes"])
    assert "regime CRASH lets nothing be held: all cash" in got["notes"]
    assert got["orders"] == []


def test_the_configured_capital_is_the_cash_where_none_is_given(made_up, monkeypatch):
    monkeypatch.setenv("ATLAS_ACCOUNT__CAPITAL", "25000")
    assert planned(*THEN, "--regime", "CRASH")["account"]["cash"] == "25000"


def test_a_plan_that_a_gate_refuses_ends_with_3(made_up, monkeypatch):
    monkeypatch.setenv("ATLAS_RISK__MAX_TOTAL_ALLOCATION", "0.2")
    got = planned(*THEN, "--regime", "TREND_BULL", code=3)
    assert of([g for g in got["gates"] if not g["ok"]], "rule") == [("total_allocation",)]
    assert (got["passes"], got["orders"], got["cash"]["deployed_pct"]) == (False, [], None)
    result = run(*THEN, "--regime", "TREND_BULL")
    assert result.exit_code == 3
    assert "Refused  total allocation: 2,925.00 (29.25 %) is over" in result.stdout
    assert result.stdout.rstrip().endswith("A gate refuses the plan. Nothing was sent.")


def test_options_stand_in_for_the_configuration(made_up):
    got = planned(*THEN, "--regime", "TREND_BULL", "--universe", "AAA,BBB", "--top-n", "1")
    assert of(got["picks"], "symbol", "weight") == [("AAA", "1")]


def test_holdings_from_a_file(made_up):
    (made_up / "held.csv").write_text("symbol,qty\nCCC,7\n")
    got = planned(*THEN, "--regime", "CRASH", "--holdings", "held.csv")
    assert of(got["orders"], "side", "qty", "symbol") == [("sell", "7", "CCC")]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--date", "2024-13-01"], 2, "--date: '2024-13-01' is not a date (as 2024-02-01)"),
        (["--date", "20240201"], 2, "--date: '20240201' is not a date (as 2024-02-01)"),
        (["--date", "2031-02-03"], 1, "the session calendar ends: 2031-02-03 is outside"),
        (["--date", "2024-03-01"], 1, "bars.csv ends on 2024-01-31: no bars for 2024-02-29"),
        ([*THEN, "--regime", "BULL"], 2, "--regime: 'BULL' is none of TREND_BULL"),
        ([*THEN, "--top-n", "0"], 2, "--top-n: 0 is not between 1 and 1000"),
        ([*THEN, "--cash", "-1"], 2, "--cash: '-1' is not an amount of dollars"),
        ([*THEN, "--cash", "NaN"], 2, "--cash: 'NaN' is not an amount of dollars"),
        ([*THEN, "--cash", "much"], 2, "--cash: 'much' is not an amount of dollars"),
        ([*THEN, "--holdings", "AAA"], 2, "--holdings: 'AAA' is not of the form SYMBOL=QTY"),
        ([*THEN, "--holdings", "no.csv"], 78, "no.csv: cannot be read as holdings"),
        ([*THEN, "--holdings", "XYZ=1"], 1, "--holdings: no as-traded close on 2024-01-31 of XYZ"),
        ([*THEN, "--universe", "tech"], 78, "must be one of technology, sp500_proxy"),
        ([*THEN, "--universe", "file:no.csv"], 78, "no.csv: cannot be read as members"),
        (["--cash", "5"], 2, "--holdings and --cash make up an account for a --date"),
        ([], 78, "no broker is configured (account.mode = local"),
    ],
)
def test_a_users_mistake_is_one_line_with_its_exit_code(made_up, words, code, said):
    given = [*words] if "--regime" in words else [*words, "--regime", "TREND_BULL"]
    assert said in failed(*given, code=code)


def test_a_regime_that_nobody_knows_says_what_to_give(made_up, monkeypatch):
    monkeypatch.setenv("ATLAS_REGIME__SOURCE", "file:nowhere.json")
    line = failed(*THEN, code=1)
    assert "nowhere.json" in line


def test_a_paper_account_without_keys_is_a_matter_of_configuration(made_up, monkeypatch):
    monkeypatch.setenv("ATLAS_ACCOUNT__MODE", "paper")
    monkeypatch.delenv("ALPACA_LARGE_KEY", raising=False)
    monkeypatch.delenv("ALPACA_LARGE_SECRET", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "no keys for account LARGE" in failed("--regime", "CRASH", code=78)


def test_bars_from_a_broker_that_is_not_there_need_a_file(desk):
    desk("alpaca")
    assert "data.source = alpaca in local mode" in failed(*THEN, "--regime", "CRASH", code=78)


def test_a_dry_run_leaves_no_file_behind(made_up):
    before = sorted(made_up.rglob("*"))
    planned(*THEN, "--regime", "TREND_BULL")
    assert sorted(made_up.rglob("*")) == before


# Real prices: the figures of the strategy's facts.


@real_data
def test_the_picks_of_february_2024_are_sized_on_as_traded_closes(real):
    got = planned(*THEN, "--universe", "technology", "--top-n", "10", "--regime", "TREND_BULL")
    assert [pick["symbol"] for pick in got["picks"]] == (
        ["NFLX", "CRM", "ADBE", "NVDA", "NOW", "ACN", "PANW", "INTU", "META", "MSFT"]
    )
    nvda = next(line for line in got["lines"] if line["symbol"] == "NVDA")
    assert nvda["price"] == "615.27"
    # A tenth of 9,900 is 990: one share and a half, rounded down, then one of the cash left.
    assert nvda["target_qty"] in {"1", "2"}
    assert got["passes"]
    assert Decimal(got["cash"]["deployed_pct"]) <= Decimal("0.99")


@real_data
def test_only_eight_pass_in_august_2024(real):
    got = planned("--date", "2024-08-01", "--regime", "TREND_NEUTRAL")
    assert [pick["symbol"] for pick in got["picks"]] == (
        ["IBM", "TXN", "INTU", "NOW", "ORCL", "AAPL", "KLAC", "NFLX"]
    )
    assert Decimal(got["cash"]["deployed_pct"]) <= Decimal("0.7")


@real_data
def test_a_sunday_in_march_2020_is_all_cash_and_said_whatever_the_regime(real):
    words = ("--date", "2020-03-15", "--regime", "TREND_BULL", "--holdings", "AAPL=10")
    got = planned(*words)
    assert (got["order_session"], got["signal_session"]) == ("2020-03-16", "2020-03-13")
    assert got["picks"] == []
    assert of(got["orders"], "side", "qty", "symbol") == [("sell", "10", "AAPL")]
    assert "2020-03-15 is a Sunday: order session 2020-03-16" in got["notes"]
    assert any(note.startswith("no candidate passes: all cash") for note in got["notes"])


@real_data
def test_a_split_between_signal_and_order_rebases_what_is_held_and_ordered(real):
    # Equity 10,000 + 30 x 120.888 = 13,626.64; 15 % of it buys 16 new shares, not 1 old one.
    words = ("--regime", "TREND_BULL", "--universe", "NVDA", "--holdings", "NVDA=3")
    got = planned("--date", "2024-06-10", *words)
    columns = ("symbol", "current_qty", "target_qty", "price", "value")
    assert of(got["lines"], *columns) == [("NVDA", "30", "16", "120.888", "1934.208")]
    assert of(got["orders"], "side", "qty", "symbol") == [("sell", "14", "NVDA")]
    assert got["account"]["equity"] == "13626.64"
    assert "3 NVDA held are 30 after the split" in got["notes"]


@real_data
def test_every_symbol_of_the_data_may_be_the_universe(real):
    got = planned(*THEN, "--universe", "all", "--regime", "TREND_BULL")
    assert got["candidates"] > 600
    assert len(got["picks"]) == 10
    assert any("survivorship-biased" in note for note in got["notes"])


def test_a_model_without_enough_bars_is_refused_with_the_way_out(made_up):
    line = failed(*THEN, code=1)
    assert line.startswith("regime.source jump_model: SPY: ")
    assert line.endswith("(or give --regime for this dry run)")


def test_a_live_plan_says_what_is_wrong_with_the_certificate(tmp_path):
    live = settings_in(
        tmp_path, account__mode="live", account__number="PA1", regime__source="file:regime.json"
    )
    keys = Credentials("AKTEST", "not-a-secret", "test")
    assert _uncertified(live, keys, NOW).startswith("missing: ")
