"""Terminal, page and report are windows on one account: what they both show is the same figure."""

from datetime import date
from html import unescape

from atlas_daemon.analysis.performance import performance_of_entries
from atlas_daemon.cli.status_text import status_text
from atlas_daemon.dashboard.page import page_of

from .lived import scenes

SAID_ON_BOTH = ("Equity", "Buying Power", "Cash", "Total Return", "SPY Return", "Outperformance")
SAID_ON_BOTH += ("Sharpe Ratio", "Max Drawdown", "Orders")


def test_what_status_says_of_money_and_performance_the_page_says_too():
    view = scenes()["quiet"].view()
    lines = [line.strip().partition(": ") for line in status_text(view).splitlines()]
    said = {name: figure for name, _, figure in lines if name in SAID_ON_BOTH}
    assert set(said) == set(SAID_ON_BOTH)
    page = unescape(page_of(view))
    assert [f"{name} {figure}" for name, figure in said.items() if figure not in page] == []


def test_the_report_of_the_days_since_the_last_rebalance_is_the_performance_that_status_shows():
    # No price of this life moves within a day: else status begins at the rebalance's end, and the
    # report at that day's close.
    scene = scenes()["quiet"]
    made = scene.view()["performance"]
    found = performance_of_entries(scene.entries, date.fromisoformat(made["since"]))
    assert made["flows"] == "10000"  # not counted as return, in either
    figures = {
        "total_return": found.total,
        "benchmark_return": found.benchmark_total,
        "sharpe": found.sharpe,
        "max_drawdown": found.max_drawdown,
    }
    assert {name: f"{float(made[name]):.4f}" for name in figures} == {
        name: f"{figure:.4f}" for name, figure in figures.items()
    }


def test_the_chart_ends_where_the_report_of_all_days_does():
    scene = scenes()["quiet"]
    whole = performance_of_entries(scene.entries)
    page = page_of(scene.view())
    assert f"Account {whole.total:+.1%}" in page
    assert f"SPY {whole.benchmark_total:+.1%}" in page
