"""The checklists: all in order, then each line's own way of not being so."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.analysis.performance import Performance
from atlas_daemon.analysis.shortfall import Slippage
from atlas_daemon.core import events as e
from atlas_daemon.core.values import OrderId, Side, Symbol
from atlas_daemon.promoter.approvals import WHAT, approved
from atlas_daemon.promoter.check import Status, some
from atlas_daemon.promoter.checklist import checklist, in_the_way, kept, rows_of
from atlas_daemon.promoter.evidence import evidence_of
from atlas_daemon.promoter.facts import DoctorSeen, Facts, Head, LiveAccount
from tests.promoter.journals import (
    CODE,
    NOW,
    SECTIONS,
    STARTED,
    entries,
    mark,
    paper_weeks,
    run,
    started,
    word,
)
from tests.promoter.wallet import NUMBER, SECRET, settings_in

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
LATER = STARTED + 10 * DAY
ORDER = OrderId("atlas-x-r1-buy-AAA-1")
DRILLS = ("kill9", "estop", "restore")
HOOK = "https://ntfy.example.org/secret-topic"
REHEARSALS = [run(f"force-{n}", "force", NOW - (4 - n) * HOUR) for n in range(3)]


def filled(at):
    fill = e.FillBooked(ORDER, Symbol("AAA"), Side.BUY, *[Decimal(1)] * 3, True)
    return [(at, e.OrderApproved(None)), (at, e.OrderSubmitted(ORDER, 1)), (at, fill)]


def approval(what, folder=Path("/nowhere"), **live):
    return word("approval", f"{what}-{NUMBER}", text=f"yes{approved(what, live_in(folder, live))}")


def live_in(folder, more):
    return settings_in(folder, "live", **{"notify.webhook_url": HOOK, **more})


def proof():
    """All that has to happen on paper."""
    told = [
        *run("first-1", "first", STARTED + HOUR),
        *run("2026-08", "slot", STARTED + DAY),
        *(each for rehearsal in REHEARSALS for each in rehearsal),
        *filled(STARTED + DAY),
        (NOW, word("alert", "test")),
        *((NOW, approval(what)) for what in WHAT),
    ]
    return told + [(NOW, word("drill", name)) for name in DRILLS]


def facts_in(folder, *more, without=(), weeks=None, live=None, paper=None, **given):
    """The facts of a story: all that has to happen, `more` besides, and not what is `without`."""
    told = [*(paper_weeks() if weeks is None else weeks), *proof()]
    told = [each for each in told if not any(x is each[1] or x == each[1] for x in without)]
    facts = Facts(
        now=NOW + HOUR,
        version="1.0",
        code=CODE,
        sections=SECTIONS,
        live=live_in(folder, live or {}),
        paper=settings_in(folder, "paper", **{"notify.webhook_url": HOOK, **(paper or {})}),
        paper_number="PA1",
        head=Head(99, "ab" * 32, 99),
        evidence=evidence_of(entries([*told, *more]), SECTIONS),
        performance=Performance(
            first=date(2026, 10, 1), last=NOW.date(), days=50, cagr=0.2, sharpe=1.1
        ),
        slippage=Slippage(Decimal("0.0012"), Decimal("0.0015"), 40, 0),
        trades_files=3,
        page_url="http://127.0.0.1:8787",
        doctor=DoctorSeen(NOW, (), "asked now"),
        keys_source="environment",
        live_account=LiveAccount(NUMBER, Decimal(25_000)),
        drills=DRILLS,
    )
    return replace(facts, **given)


def failed(facts):
    return [check.name for check in in_the_way(checklist(facts))]


def line(facts, name):
    (found,) = [c for part in checklist(facts) for c in part.checks if c.name == name]
    return found


def test_nothing_is_in_the_way_where_all_is_shown(tmp_path):
    facts = facts_in(tmp_path)
    assert failed(facts) == []
    names = [row["check"] for row in rows_of(checklist(facts))]
    assert len(names) == len(set(names)) == 37


def test_every_line_says_what_was_measured_against_what_and_where_it_is_from(tmp_path):
    for facts in (facts_in(tmp_path), empty(tmp_path)):
        for row in rows_of(checklist(facts)):
            for word_ in ("line", "status", "measured", "limit", "source"):
                assert row[word_].strip(), row
            assert "\n" not in "".join(row.values())
            assert bool(row["advice"]) is (row["status"] == Status.FAILED), row


def empty(folder):
    """A paper daemon that has just begun, and nobody to ask."""
    return facts_in(
        folder,
        weeks=(),
        performance=Performance(why={"sharpe": "no equity was marked"}),
        slippage=Slippage(None, None, 0, 0, "nothing was filled"),
        evidence=evidence_of(entries([(NOW, started())]), SECTIONS),
        paper_number="",
        trades_files=0,
        page_url="",
        doctor=None,
        keys_problem="ALPACA_LIVE_KEY is missing",
        live_account=LiveAccount(problem="not asked"),
    )


def test_a_paper_daemon_that_has_just_begun_lacks_everything_it_can_lack(tmp_path):
    lacking = set(failed(empty(tmp_path)))
    every = {row["check"] for row in rows_of(checklist(empty(tmp_path)))}
    assert every - lacking == {
        *("documentation", "unit-tests", "integration-tests", "scheduler", "same-strategy"),
        *("sharpe", "cagr", "backtest", "six-months", "trades"),
        *("no-failures", "orders-explained", "same-sections", "apart", "clock"),
    }


# One thing is wrong.

AAA = Symbol("AAA")
WRONG = {
    "no first trade": ({"without": [run("first-1", "first", STARTED)[0][1]]}, ["first-trade"]),
    "no trades file": ({"trades_files": 0}, ["logger"]),
    "another trades file": ({"trades_fault": "trades.csv, line 3"}, ["logger"]),
    "no page": ({"page_url": ""}, ["dashboard"]),
    "no number of the paper account": ({"paper_number": ""}, ["paper-account"]),
    "no doctor": ({"doctor": None}, ["doctor"]),
    "a red doctor": ({"doctor": DoctorSeen(NOW, ("clock",), "now")}, ["doctor"]),
    "an old doctor": ({"doctor": DoctorSeen(NOW - 8 * DAY, (), "now")}, ["doctor"]),
    "dear fills": ({"slippage": Slippage(Decimal("0.005"), None, 9, 0)}, ["slippage"]),
    "no fills": ({"slippage": Slippage(None, None, 0, 0, "nothing")}, ["slippage"]),
    "no keys": ({"keys_problem": "ALPACA_LIVE_KEY is missing"}, ["live-keys"]),
    "another account": ({"live_account": LiveAccount("1", Decimal(25_000))}, ["live-keys"]),
    "a blocked account": (
        {"live_account": LiveAccount(NUMBER, Decimal(25_000), is_blocked=True)},
        ["live-keys"],
    ),
    "a silent broker": ({"live_account": LiveAccount(problem="x")}, ["live-keys", "capital"]),
    "little money": ({"live_account": LiveAccount(NUMBER, Decimal(9_999))}, ["capital"]),
    "a low cap": ({"live": {"account.capital": 9999}}, ["risk-limits", "capital"]),
    "nobody is told": ({"live": {"notify.webhook_url": ""}}, ["alerts"]),
    "an address nobody tried": ({"live": {"notify.webhook_url": f"{HOOK}x"}}, ["alerts"]),
    "a second address": ({"live": {"notify.apprise_url": "json://127.0.0.1/x"}}, ["alerts"]),
    "another limit": ({"live": {"risk.max_price_age_s": 59}}, ["risk-limits", "same-sections"]),
    "other code": ({"code": "f" * 64}, ["rehearsals", "drills", "restore", "estop"]),
    "a drill that nobody did": ({"drills": (*DRILLS, "429")}, ["drills"]),
    "no drill at all": ({"drills": ()}, ["drills"]),
    "a clock set back": ({"now": NOW - HOUR}, ["clock"]),
    "more days wanted": ({"live": {"promote.days_min": 60}}, ["days"]),
    "more rehearsals wanted": ({"live": {"promote.rehearsals_min": 4}}, ["rehearsals"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_s176_what_is_missing_is_named_and_nothing_else(tmp_path, name):
    given, wrong = WRONG[name]
    assert failed(facts_in(tmp_path, **given)) == wrong


HAPPENED = {
    "crash": (e.DaemonCrashed("x"), "no-failures"),
    "difference": (e.DriftFound(AAA, Decimal(2), Decimal(1)), "reconciliation"),
    "order in doubt": (e.OrderSubmitted(OrderId("z"), 1), "orders-explained"),
    "order disputed": (e.OrderDisputed(ORDER, "x"), "orders-explained"),
    "drill failed": (word("drill", "kill9", is_good=False), "drills"),
    "drill of other sections": (word("drill", "kill9", config_digest="x"), "drills"),
    "stop not drilled": (word("drill", "estop", is_good=False), "estop"),
    "restore failed": (word("restore", "restore", is_good=False), "restore"),
    "approval withdrawn": (word("approval", f"live-{NUMBER}", is_good=False), "user-approval"),
    "limits of other sections": (
        word("approval", f"risk-limits-{NUMBER}", config_digest="x"),
        "risk-limits",
    ),
    "alert lost": (word("alert", "test", is_good=False), "alerts"),
}


@pytest.mark.parametrize("name", HAPPENED)
def test_what_happened_last_counts(tmp_path, name):
    event, check = HAPPENED[name]
    assert check in failed(facts_in(tmp_path, (NOW + timedelta(minutes=1), event)))


def test_s176_every_line_that_can_be_in_the_way_is_in_some_story(tmp_path):
    seen = set(failed(empty(tmp_path)))
    seen |= {name for _, names in WRONG.values() for name in names}
    seen |= {name for _, name in HAPPENED.values()} | {"gaps", "apart"}
    other = facts_in(tmp_path, (NOW, started("07be7" * 12)))
    seen |= {name for name in failed(other) if name == "same-strategy"}
    every = {row["check"] for row in rows_of(checklist(other))}
    shown_only = {"sharpe", "cagr", "backtest", "six-months", "trades"}
    stated = {"documentation", "unit-tests", "integration-tests"}
    assert every - seen == shown_only | stated | {"scheduler"}


@pytest.mark.parametrize(
    ("event", "check"),
    [
        (e.DaemonCrashed("x"), "no-failures"),
        (e.OrderDisputed(ORDER, "x"), "orders-explained"),
    ],
)
def test_a_failure_is_forgiven_after_thirty_days_and_still_told(tmp_path, event, check):
    facts = facts_in(tmp_path, (NOW - 31 * DAY, event))
    assert check not in failed(facts)
    assert line(facts, check).measured.endswith("; 1 before that")
    assert check in failed(facts_in(tmp_path, (NOW - 29 * DAY, event)))
    longer = {"promote.days_min": 32}
    assert check in failed(facts_in(tmp_path, (NOW - 31 * DAY, event), live=longer))


def test_a_difference_that_was_adopted_is_forgiven_after_thirty_days(tmp_path):
    adopted = e.BookAdopted(None, ((AAA, Decimal(1)),), False, "operator")
    at = NOW - 31 * DAY
    facts = facts_in(tmp_path, (at, HAPPENED["difference"][0]), (at + HOUR, adopted))
    assert "reconciliation" not in failed(facts)
    assert "reconciliation" in failed(facts_in(tmp_path, (at, HAPPENED["difference"][0])))


def test_another_accounts_approval_does_not_count(tmp_path):
    facts = facts_in(tmp_path, live={"account.number": "1"}, live_account=LiveAccount("1", 25_000))
    assert failed(facts) == ["risk-limits", "user-approval"]


def test_a_scheduled_rebalance_that_had_nothing_to_do_is_none(tmp_path):
    _, (_, planned), _ = run("2026-08", "slot", STARTED + DAY)
    assert failed(facts_in(tmp_path, without=[planned])) == ["scheduled-rebalance"]


def test_rehearsals_that_trade_nothing_do_not_count_and_are_told(tmp_path):
    idle = run("force-0", "force", NOW - 4 * HOUR, filled=0)
    facts = facts_in(tmp_path, *idle)
    assert failed(facts) == ["rehearsals"]
    assert (
        "2 by this code, 2 in all; 1 more traded too little" in line(facts, "rehearsals").measured
    )


# Days and gaps.


def weeks_without(*days):
    return [each for each in paper_weeks() if getattr(each[1], "day", None) not in days]


def test_a_gap_is_in_the_way_until_it_is_explained_and_its_days_do_not_count(tmp_path):
    lost = date(2026, 10, 14), date(2026, 10, 15)
    whole = line(facts_in(tmp_path), "days").measured
    assert whole == "50 days, 37 sessions with a mark of equity"
    facts = facts_in(tmp_path, weeks=weeks_without(*lost))
    assert failed(facts) == ["gaps"]
    assert line(facts, "gaps").measured == "unexplained: 2026-10-14, 2026-10-15"
    said = (NOW, word("gap", "2026-10-14..2026-10-15", text="moved house"))
    facts = facts_in(tmp_path, said, weeks=weeks_without(*lost))
    assert failed(facts) == []
    assert "explained: 2026-10-14: moved house" in line(facts, "gaps").measured
    assert line(facts, "days").measured.startswith("47 days, 35 sessions")


def test_explanations_do_not_make_the_days_that_are_asked_for(tmp_path):
    days = {each[1].day for each in paper_weeks()[1:] if each[1].day.month == 10}
    said = (NOW, word("gap", "2026-10-01..2026-10-31", text="switched off"))
    facts = facts_in(tmp_path, said, weeks=weeks_without(*days))
    assert failed(facts) == ["days"]


def test_the_weekends_of_an_explained_gap_are_no_days_of_operation(tmp_path):
    first, last = date(2026, 10, 1), date(2026, 11, 20)
    days = {each[1].day for each in paper_weeks()[1:]} - {first, last}
    said = (NOW, word("gap", "2026-10-02..2026-11-19", text="switched off"))
    facts = facts_in(tmp_path, said, weeks=weeks_without(*days))
    assert failed(facts) == ["days"]
    assert line(facts, "days").measured == "0 days, 2 sessions with a mark of equity"


def test_a_mark_of_a_day_to_come_is_no_day_of_operation(tmp_path):
    ahead = (STARTED + 2 * HOUR, mark(date(2027, 6, 1)))
    assert line(facts_in(tmp_path, ahead), "six-months").measured == "50 days"


def test_a_gap_is_not_explained_before_it_is_there(tmp_path):
    lost = date(2026, 11, 12)
    said = (STARTED + 10 * DAY, word("gap", "2026-10-02..2029-12-31", text="in advance"))
    assert failed(facts_in(tmp_path, said, weeks=weeks_without(lost))) == ["gaps"]


def test_a_scheduled_rebalance_that_traded_nothing_is_none(tmp_path):
    slot = run("2026-08", "slot", STARTED + DAY, filled=0)
    traded = [each[1] for each in run("2026-08", "slot", STARTED + DAY)]
    assert failed(facts_in(tmp_path, *slot, without=traded)) == ["scheduled-rebalance"]


def test_a_paper_account_below_ten_thousand_is_refused(tmp_path):
    small = (STARTED + timedelta(hours=7, minutes=30), mark(date(2026, 10, 1), "9999.99"))
    weeks = [*weeks_without(date(2026, 10, 1)), small]
    assert failed(facts_in(tmp_path, weeks=weeks)) == ["paper-account"]


def test_paper_and_live_may_share_no_folder(tmp_path):
    shared = str(tmp_path / "one")
    facts = facts_in(tmp_path, live={"paths.state_dir": shared}, paper={"paths.state_dir": shared})
    assert failed(facts) == ["apart"]


# What the configuration may require.

POOR = Performance(first=STARTED.date(), last=NOW.date(), days=50, cagr=0.05, sharpe=0.79)


@pytest.mark.parametrize("name", ["sharpe", "cagr"])
@pytest.mark.parametrize("found", [POOR, Performance(why={"cagr": "needs 30 days"})])
def test_performance_is_shown_and_waived_unless_it_is_required(tmp_path, name, found):
    facts = facts_in(tmp_path, performance=found)
    assert failed(facts) == []
    assert line(facts, name).status is Status.WAIVED
    assert "promote.require does not name" in line(facts, name).limit
    facts = facts_in(tmp_path, performance=found, live={"promote.require": [name]})
    assert failed(facts) == [name]


def test_marks_that_are_reached_pass_whether_they_are_required_or_not(tmp_path):
    good = Performance(days=200, cagr=0.10, sharpe=0.8)
    for require in ([], ["sharpe", "cagr"]):
        facts = facts_in(tmp_path, performance=good, live={"promote.require": require})
        assert {line(facts, name).status for name in ("sharpe", "cagr")} == {Status.PASSED}


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        ({"report.expected_cagr": "0.25", "report.expected_sharpe": "1.2"}, Status.PASSED),
        ({"report.expected_cagr": "0.30", "report.expected_sharpe": "1.2"}, Status.WAIVED),
        ({"report.expected_cagr": "0.25", "report.expected_sharpe": "1.6"}, Status.WAIVED),
        ({"report.expected_cagr": "0.25"}, Status.WAIVED),
        ({}, Status.WAIVED),
    ],
)
def test_the_backtests_promise_is_kept_within_thirty_percent(tmp_path, expected, status):
    given = {name: Decimal(value) for name, value in expected.items()}
    assert line(facts_in(tmp_path, live=given), "backtest").status is status
    must = {**given, "promote.require": ["backtest"]}
    assert failed(facts_in(tmp_path, live=must)) == ["backtest"] * (status is Status.WAIVED)


def test_a_hundred_trades_and_six_months_are_marks_that_may_be_required(tmp_path):
    facts = facts_in(tmp_path)
    trades, months = line(facts, "trades"), line(facts, "six-months")
    assert (trades.status, months.status) == (Status.WAIVED, Status.WAIVED)
    assert "2 rebalances a year do not reach within months" in trades.limit
    must = {"promote.require": ["trades", "six_months"]}
    assert failed(facts_in(tmp_path, live=must)) == ["six-months", "trades"]


# What is kept.


def test_a_certificate_keeps_figures_journal_and_accounts_and_no_secret(tmp_path):
    facts = facts_in(tmp_path)
    found = kept(facts, checklist(facts))
    assert found["journal"] == {"seq": 99, "hash": "ab" * 32}
    assert found["paper_account"] == {"name": "PAPER", "number": "PA1"}
    assert found["evidence_since"] == "2026-10-01T13:00:00+00:00"
    assert len(found["evidence"]) == 37
    assert "secret-topic" not in str(found)
    assert SECRET not in str(found)


def test_long_lists_are_cut_and_counted():
    assert some(range(3)) == "0, 1, 2"
    assert some(range(9)) == "0, 1, 2, 3 and 5 more"
