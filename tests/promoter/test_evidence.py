"""What a paper journal proves: since when it counts, what carries over, what is a gap."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import OrderId, Side, Symbol
from atlas_daemon.promoter.evidence import evidence_of
from atlas_daemon.promoter.gaps import days_of_gap, named_gap
from tests.promoter.journals import (
    CODE,
    FIRST,
    NOW,
    SECTIONS,
    STARTED,
    closes,
    entries,
    mark,
    paper_weeks,
    run,
    started,
    word,
)

HOUR = timedelta(hours=1)
LATER = STARTED + timedelta(days=20)


def read(*more, weeks=None):
    return evidence_of(entries([*(paper_weeks() if weeks is None else weeks), *more]), SECTIONS)


def test_it_counts_from_the_start_under_the_present_sections():
    evidence = read()
    assert (evidence.since, evidence.since_seq) == (STARTED, 1)
    assert len(evidence.marks) == len(closes()) == 37
    assert evidence.gaps(NOW) == ()


def test_entries_of_a_version_that_names_no_sections_do_not_count():
    evidence = read((LATER, started(sections="")))
    assert (evidence.since, evidence.is_untold) == (None, True)
    assert not evidence.marks
    assert evidence.gaps(NOW) == ()


@pytest.mark.parametrize(
    "change", [started("0ther" * 12), e.PolicyChanged("x", ("risk.rounds",), "0ther" * 12)]
)
def test_other_sections_begin_all_anew_even_where_they_come_back(change):
    evidence = read((LATER, change), (LATER + HOUR, started()), *run("a", "slot", STARTED + HOUR))
    assert evidence.since == LATER + HOUR
    assert not evidence.runs
    assert min(evidence.marks) == date(2026, 10, 21)


def test_a_restart_and_a_reload_of_the_same_sections_change_nothing():
    again = (LATER, started(code="new" * 20)), (LATER, e.PolicyChanged("y", (), SECTIONS))
    evidence = read(*again)
    assert (evidence.since, evidence.started_code) == (STARTED, "new" * 20)


def test_a_run_is_of_the_code_that_did_it():
    first, second = run("one", "force", STARTED + HOUR), run("two", "force", LATER + HOUR)
    evidence = read(*first, (LATER, started(code="new")), *second)
    assert {name: each.code for name, each in evidence.runs.items()} == {"one": CODE, "two": "new"}


def test_a_run_that_two_codes_did_is_of_neither():
    begun, planned, done = run("one", "force", STARTED + HOUR)
    evidence = read(begun, planned, (LATER, started(code="new")), (LATER + HOUR, done[1]))
    assert evidence.runs["one"].is_done
    assert evidence.runs["one"].code == ""


@pytest.mark.parametrize(
    ("filled", "off", "is_whole"), [(2, (), True), (0, (), False), (2, ("AAA: 1 short",), False)]
)
def test_a_whole_rehearsal_has_traded_and_met_every_line(filled, off, is_whole):
    evidence = read(*run("one", "force", LATER, filled, off))
    (done,) = evidence.done("force")
    assert done.is_whole is is_whole


@pytest.mark.parametrize(("filled", "is_whole"), [(9, False), (10, True)])
def test_a_share_more_of_some_lines_is_no_rehearsal_of_them_all(filled, is_whole):
    begun, (at, planned), done = run("one", "force", LATER, filled)
    planned = replace(planned, lines=planned.lines * 20)
    (seen,) = read(begun, (at, planned), done).done("force")
    assert seen.is_whole is is_whole


# Days.


def test_a_session_without_a_mark_is_a_gap_until_somebody_explains_it():
    lost = {date(2026, 10, 14), date(2026, 10, 15), date(2026, 10, 19)}
    weeks = [each for each in paper_weeks() if getattr(each[1], "day", None) not in lost]
    assert set(read(weeks=weeks).gaps(NOW)) == lost
    said = word("gap", "2026-10-14..2026-10-16", text="the host was moved")
    evidence = read((NOW, said), weeks=weeks)
    assert set(evidence.gaps(NOW)) == lost
    assert evidence.explained() == dict.fromkeys(
        (date(2026, 10, 14), date(2026, 10, 15), date(2026, 10, 16)), "the host was moved"
    )


def test_an_explanation_that_was_taken_back_explains_nothing():
    assert read((NOW, word("gap", "2026-10-14", is_good=False))).explained() == {}


def test_the_day_of_the_start_counts_only_where_it_began_before_the_close():
    assert read().sessions(NOW)[0] == FIRST
    late = closes()[0][0]
    evidence = evidence_of(entries([(late, started())]), SECTIONS)
    assert evidence.sessions(NOW)[0] == date(2026, 10, 2)


def test_a_day_has_an_hour_after_its_close_for_its_mark():
    weeks = [each for each in paper_weeks() if getattr(each[1], "day", None) != NOW.date()]
    evidence = read(weeks=weeks)
    close = NOW - timedelta(minutes=90)
    assert evidence.gaps(close + timedelta(minutes=59)) == ()
    assert evidence.gaps(close + timedelta(minutes=60)) == (NOW.date(),)


@pytest.mark.parametrize(
    ("text", "name", "days"),
    [
        ("2026-10-14", "2026-10-14", 1),
        ("2026-10-14..2026-10-14", "2026-10-14", 1),
        ("2026-10-16..2026-10-19", "2026-10-16..2026-10-19", 2),
    ],
)
def test_a_gap_is_named_by_one_day_or_two(text, name, days):
    assert named_gap(text) == name
    assert len(days_of_gap(name)) == days


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-10-17", "2026-10-19..2026-10-16", "..", "2126-01-04", ""]
)
def test_what_names_no_session_is_refused_by_its_own_words(text):
    with pytest.raises(UsageError) as refused:
        named_gap(text)
    assert str(refused.value).startswith(f"{text}: ")


def test_a_name_on_record_that_is_no_day_explains_nothing():
    assert days_of_gap("the-flood") == ()
    assert days_of_gap("2126-01-04") == ()


# What went wrong.

AAA = Symbol("AAA")
ORDER = OrderId("atlas-x-r1-buy-AAA-1")
DRIFT = e.DriftFound(AAA, Decimal(5), Decimal(4))
CASH = e.CashUnexplained(Decimal(100), Decimal(50))


@pytest.mark.parametrize(
    ("after", "kept", "still"),
    [
        ((), 1, {"AAA"}),
        ((e.DriftExplained(AAA),), 0, set()),
        ((e.BookAdopted(None, ((AAA, Decimal(4)),), False, "operator"),), 1, set()),
        ((e.DriftExplained(Symbol("BBB")),), 1, {"AAA"}),
    ],
)
def test_a_difference_counts_unless_the_brokers_own_word_explains_it(after, kept, still):
    evidence = read((LATER, DRIFT), *((LATER + HOUR, event) for event in after))
    assert len(evidence.differences) == kept
    assert evidence.open_differences == still


def test_an_explanation_takes_back_the_difference_it_explains_and_no_other():
    adopted = e.BookAdopted(None, ((AAA, Decimal(4)),), False, "operator")
    told = (DRIFT, adopted, DRIFT, e.DriftExplained(AAA))
    evidence = read(*((LATER + n * HOUR, event) for n, event in enumerate(told)))
    assert [at for at, _ in evidence.differences] == [LATER]


def test_cash_that_agrees_again_was_explained():
    back = e.CashRestated(Decimal(50), Decimal(50), is_within_tolerance=True)
    evidence = read((LATER, CASH), (LATER + HOUR, back))
    assert (evidence.differences, evidence.open_differences) == ([], set())
    assert read((LATER, CASH)).open_differences == {"cash"}


@pytest.mark.parametrize(
    "event",
    [
        e.DaemonCrashed("a traceback"),
        e.SlotMissed("2026-08", "asleep"),
        e.HaltDurabilityChanged("latch", is_held=False),
        e.ClockDisputed(Decimal(61), is_blocking=True),
        e.ClockStepped(NOW),
        e.CalendarDisputed("a holiday"),
    ],
)
def test_a_failure_of_the_machinery_is_kept(event):
    assert [at for at, _ in read((LATER, event)).failures] == [LATER]


def test_what_is_no_failure_is_none():
    told = (
        e.HaltDurabilityChanged("latch", is_held=True),
        e.ClockDisputed(Decimal(6), is_blocking=False),
        e.AlertRaised("critical", "stop", "halted"),
    )
    assert read(*((LATER, event) for event in told)).failures == []


@pytest.mark.parametrize(
    "event",
    [
        e.OrderDisputed(ORDER, "another symbol"),
        e.OrderOverfilled(ORDER, AAA, Decimal(1), Decimal(2)),
        e.RivalSuspected("an order under our prefix"),
        e.ExecutionDisputed(ORDER, "x", *[Decimal(1)] * 4),
    ],
)
def test_an_order_that_nobody_explains_is_kept(event):
    assert len(read((LATER, event)).strange) == 1


def test_an_order_is_in_doubt_from_its_sending_to_the_first_word_of_it():
    sent = (LATER, e.OrderSubmitted(ORDER, 1))
    unknown = (LATER + HOUR, e.OrderStepped(ORDER, "unknown", "", None))
    filled = (LATER + 2 * HOUR, e.FillBooked(ORDER, AAA, Side.BUY, *[Decimal(1)] * 3, True))
    assert read(sent).doubtful == {ORDER}
    assert read(sent, unknown).doubtful == {ORDER}
    evidence = read(sent, unknown, filled)
    assert (evidence.doubtful, evidence.filled) == (set(), {ORDER})


def test_the_doctors_word_is_of_the_code_that_asked():
    findings = (Finding("clock", Level.OK, "kept"),)
    seen = (LATER + HOUR, e.DoctorReported(findings, "rehearsal"))
    evidence = read((LATER, started(code="new")), seen)
    assert (evidence.examined.code, evidence.examined.at) == ("new", LATER + HOUR)


def test_the_first_mark_that_counts_gives_the_equity():
    assert read().first_equity == 20_000
    weeks = [(STARTED, started()), (LATER, mark(date(2026, 10, 20), "9000"))]
    assert read(weeks=weeks).first_equity == 9000
    assert evidence_of([], SECTIONS).first_equity is None
