import errno
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.values import OrderId, Regime, RunId, Side, Symbol
from atlas_daemon.journal.codec import EVENT_KINDS
from atlas_daemon.records import Recorder
from atlas_daemon.records.day_files import DayFiles
from atlas_daemon.records.words import LEVELS, words
from tests.journal.catalogue import an_event

from .builders import (
    OPEN,
    HandClock,
    a_day,
    a_draft,
    a_logger,
    approved,
    entries,
    filled,
    stepped,
    submitted,
)

DAY = "2027-02-01"


def recorded(folder, *events, clock=None):
    recorder = Recorder(a_logger(folder, clock))
    recorder.on_turn(entries(*events))
    path = folder / f"execution_{DAY}.log"
    return [line[22:] for line in path.read_text().splitlines()[1:]] if path.exists() else []


def test_a_turn_is_one_write_to_each_file_rows_first(tmp_path, monkeypatch):
    written, append = [], DayFiles.append

    def noted(self, name, text, **more):
        written.append((name, len(text.splitlines())))
        append(self, name, text, **more)

    monkeypatch.setattr(DayFiles, "append", noted)
    draft = a_draft()
    recorder = Recorder(a_logger(tmp_path))
    recorder.on_turn(entries(approved(draft), submitted(draft), filled(draft, "10", "100")))
    assert [name for name, _ in written] == [f"trades_{DAY}.csv", f"execution_{DAY}.log"]
    assert dict(written)[f"trades_{DAY}.csv"] == 2
    lines = (tmp_path / f"execution_{DAY}.log").read_text().splitlines()
    assert dict(written)[f"execution_{DAY}.log"] == len(lines) - 1, "but for the title"


def test_what_a_turn_lost_to_a_full_disk_is_counted_by_the_line(tmp_path, monkeypatch):
    def full(self, name, text, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    draft = a_draft()
    recorder = Recorder(a_logger(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(DayFiles, "append", full)
        recorder.on_turn(entries(approved(draft), submitted(draft)))
    recorder.on_turn(entries(filled(draft, "10", "100"), first=4))
    text = (tmp_path / f"execution_{DAY}.log").read_text()
    assert "again: 2 tries failed, lines lost" in text
    assert len((tmp_path / f"trades_{DAY}.csv").read_text().splitlines()) == 3, "no row is lost"


def trades(folder):
    return {p.name: p.read_text() for p in sorted(folder.glob("trades_*.csv"))}


def test_every_event_of_the_catalogue_has_words():
    from atlas_daemon.records.words import _WORDS

    assert set(_WORDS) == set(EVENT_KINDS.values())


@pytest.mark.parametrize("name", sorted(EVENT_KINDS))
def test_no_event_makes_the_recorder_fall_over(name, tmp_path):
    recorder = Recorder(a_logger(tmp_path))

    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(an_event(EVENT_KINDS[name]))
    def holds(event):
        line = words(event, None)
        assert line is None or line.level in LEVELS
        recorder.on_turn(entries(event))

    holds()


GOING_LIVE = [
    (
        e.EvidenceReported("drill", "kill9", True, "killed 9 times", "c", "d"),
        ("info", "drill kill9 good: killed 9 times"),
    ),
    (
        e.EvidenceReported("alert", "test", False, "nobody answered", "c", "d"),
        ("error", "alert test FAILED: nobody answered"),
    ),
    (
        e.CertificateReported("C1", datetime(2027, 2, 1, 14, 30, tzinfo=UTC), ""),
        ("info", "Certificate C1 counts, expires 2027-02-01 09:30:00 New York"),
    ),
    (
        e.CertificateReported("", None, "missing"),
        ("error", "Certificate (none) does not count: missing"),
    ),
    (e.ScaleRequested("ann", Decimal("0.5")), ("warning", "Scale 50 % requested by ann")),
    (
        e.ScaleChanged("ann", Decimal("0.25"), Decimal("0.5"), 31),
        ("warning", "Scale changed from 25 % to 50 % by ann, after 31 clean sessions"),
    ),
]


@pytest.mark.parametrize(("event", "said"), GOING_LIVE)
def test_what_bears_on_real_money_is_told_in_words(event, said):
    line = words(event, None)
    assert (line.level, line.text) == said


def test_an_event_without_words_is_told_as_it_is():
    class MoonLanded(e.Event):
        pass

    assert words(MoonLanded(), None).level == "debug"


def test_a_buy_is_told_from_submission_to_fill(tmp_path):
    buy = a_draft()
    assert recorded(
        tmp_path,
        approved(buy),
        submitted(buy),
        stepped(buy, "working", broker_id="b-2"),
        filled(buy, "6", "450.30"),
        filled(buy, "4", "450.40", "10", complete=True),
    ) == [
        f"[DEBUG] OrderValidator: Order {buy.order_id} approved",
        f"[INFO] Submitter: Submitted BUY 10 SPY (market): {buy.order_id}",
        f"[INFO] Tracker: Order {buy.order_id} BUY 10 SPY (market) is working",
        f"[WARNING] Tracker: Filled BUY 6 SPY @ 450.30: {buy.order_id}, 6 of 10 so far, "
        "partially filled",
        "[INFO] ExecutionLogger: Position open: 6 SPY @ 450.30",
        f"[INFO] Tracker: Filled BUY 4 SPY @ 450.40: {buy.order_id}, 10 of 10 so far",
        "[INFO] ExecutionLogger: Position adjust: 4 SPY @ 450.40",
    ]


def test_a_sell_of_all_closes_the_position(tmp_path):
    sell = a_draft("AAPL", Side.SELL, "4", expected_price=None)
    held = e.BookAdopted(Decimal(1), ((Symbol("AAPL"), Decimal(4)),), True, "first start")
    said = recorded(tmp_path, held, approved(sell), filled(sell, "4", "187.5", complete=True))
    assert said[-1] == "[INFO] ExecutionLogger: Position close: -4 AAPL @ 187.5"


@pytest.mark.parametrize(
    ("side", "price", "is_told"),
    [
        (Side.BUY, "100.50", False),
        (Side.BUY, "100.51", True),
        (Side.BUY, "90", False),
        (Side.SELL, "99.50", False),
        (Side.SELL, "99.49", True),
        (Side.SELL, "110", False),
    ],
)
def test_slippage_is_told_where_it_costs_more_than_the_threshold(tmp_path, side, price, is_told):
    draft = a_draft(side=side, expected_price=Decimal(100))
    said = recorded(tmp_path, approved(draft), filled(draft, "10", price, complete=True))
    assert any("[WARNING] Tracker: Slippage 0.51%" in line for line in said) is is_told


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (e.TradingHalted("signal", "SIGUSR1"), "CRITICAL"),
        (e.StopRequested("signal", "SIGUSR1"), "CRITICAL"),
        (e.LatchFailed("disk full"), "CRITICAL"),
        (e.SlotMissed("2027-02", "down"), "CRITICAL"),
        (e.AlertRaised("critical", "k", "t"), "CRITICAL"),
        (e.AlertRaised("warning", "k", "t"), "WARNING"),
        (e.AlertRaised("loud", "k", "t"), "ERROR"),
        (e.DriftFound(Symbol("SPY"), Decimal(1), Decimal(2)), "ERROR"),
        (e.OrderRefused(a_draft(), "cap", "1", "2", "d"), "ERROR"),
        (e.SubmitRefused(OrderId("x"), "refused", 403, None, "r"), "ERROR"),
        (stepped(a_draft(), "rejected", "halted"), "ERROR"),
        (stepped(a_draft(), "unknown", "lost"), "WARNING"),
        (stepped(a_draft(), "working"), "INFO"),
        (e.FetchFailed("credentials", "401"), "CRITICAL"),
        (e.FetchFailed("quotes", "timed out"), "WARNING"),
        (e.StreamReported("lost", "reset"), "WARNING"),
        (e.StreamReported("listening"), "INFO"),
        (e.CashRestated(Decimal(1), Decimal(2), True), "INFO"),
        (e.CashRestated(Decimal(1), Decimal(200), False), "WARNING"),
        (e.QuotesReported(OPEN, ()), "DEBUG"),
    ],
)
def test_each_event_has_the_seeds_level(tmp_path, event, level):
    (said,) = recorded(tmp_path, event)
    assert said.startswith(f"[{level}]")


def test_a_tick_says_nothing(tmp_path):
    assert recorded(tmp_path, e.Ticked()) == []


def test_three_orders_turned_down_in_a_row_need_somebody_now(tmp_path):
    drafts = [a_draft(symbol) for symbol in ("A", "B", "C", "D", "E")]
    events = [x for d in drafts for x in (approved(d), stepped(d, "refused", "no"))]
    taken = a_draft("F")
    events[4:4] = [approved(taken), stepped(taken, "working")]
    said = recorded(tmp_path, *events)
    assert [line for line in said if "[CRITICAL]" in line] == [
        "[CRITICAL] Submitter: 3 orders in a row were turned down: no"
    ]
    assert (
        said.index("[CRITICAL] Submitter: 3 orders in a row were turned down: no") == len(said) - 1
    )


def test_a_broker_out_of_reach_is_told_once_and_its_return_too(tmp_path):
    failed = e.FetchFailed("snapshot", "timed out")
    answered = e.SnapshotReported(OPEN, None, (), ())
    said = recorded(tmp_path, *[failed] * 5, answered, answered, failed)
    levels = ["WARNING", "DEBUG", "CRITICAL", "DEBUG", "DEBUG", "INFO", "DEBUG", "DEBUG", "WARNING"]
    assert [line[1:].split("]")[0] for line in said] == levels
    assert sum("Cannot connect to the Alpaca API: timed out" in line for line in said) == 1
    assert sum("Answered again on snapshot after 5 failures" in line for line in said) == 1


def test_refused_credentials_are_told_once_until_they_are_taken(tmp_path):
    failed, answered = e.FetchFailed("credentials", "401"), e.SnapshotReported(OPEN, None, (), ())
    said = recorded(tmp_path, failed, failed, answered, failed)
    levels = ["CRITICAL", "DEBUG", "DEBUG", "CRITICAL"]
    assert [line[1:].split("]")[0] for line in said] == levels


def test_a_finished_run_is_told_with_its_reconciliation(tmp_path):
    spy = e.AchievedLine(Symbol("SPY"), Decimal(10), Decimal(7), Decimal(1), Decimal("0.7"))
    report = e.RunReport(
        total_orders=2,
        filled_orders=1,
        rejected_orders=1,
        total_slippage=Decimal("0.05"),
        slippage_cost=Decimal("0.5"),
        final_equity=Decimal(10000),
        regime=Regime.TREND_BULL,
        allocation_pct=Decimal(1),
        achieved_pct=Decimal("0.7"),
        lines=(spy,),
        discrepancies=("SPY: 3 short",),
    )
    said = recorded(
        tmp_path,
        e.RunFinished(RunId("2027-02"), "degraded", True, "3 short", report),
        e.RunFinished(
            RunId("2027-08"),
            "done",
            True,
            "",
            replace(report, lines=(replace(spy, actual_qty=Decimal(10)),), discrepancies=()),
        ),
        e.RunFinished(RunId("x"), "aborted", False, "halted", None),
    )
    assert said[0].startswith("[ERROR] Planner: Run 2027-02 degraded for good: 3 short; orders 2")
    assert said[1] == "[ERROR] ExecutionLogger: Reconciliation: SPY: 3 short"
    assert said[2].startswith("[INFO] Planner: Run 2027-08 done")
    assert said[3] == "[INFO] ExecutionLogger: Reconciled: 1 positions as targeted"
    assert said[4] == "[ERROR] Planner: Run x aborted: halted"


def test_the_daily_head_is_a_line(tmp_path):
    Recorder(a_logger(tmp_path)).log_head(17, "ab" * 32)
    assert (
        (tmp_path / f"execution_{DAY}.log")
        .read_text()
        .endswith(f"[INFO] Journal: head 17:{'ab' * 32}\n")
    )


# The trades files and the journal.


def test_a_start_rebuilds_the_day_and_goes_on(tmp_path):
    day = a_day()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    Recorder(a_logger(whole)).on_turn(day)
    Recorder(a_logger(cut)).on_turn(day[:9])
    with (cut / f"trades_{DAY}.csv").open("a") as file:
        file.write('2027-02-01 09:35:51,SPY,FILL,"half a')
    recorder = Recorder(a_logger(cut))
    recorder.rebuild(iter(day[:15]))
    recorder.on_turn(day[12:20])  # told again in part: nothing is written twice
    recorder.on_turn(day[20:])
    assert trades(cut) == trades(whole)


def test_a_start_makes_the_days_file_with_its_columns(tmp_path):
    Recorder(a_logger(tmp_path)).rebuild([])
    assert list(trades(tmp_path)) == [f"trades_{DAY}.csv"]
    assert trades(tmp_path)[f"trades_{DAY}.csv"].startswith("timestamp,symbol,action")


def test_rows_belong_to_the_day_of_their_entry(tmp_path):
    late = a_day(at=datetime(2027, 2, 2, 4, 59, 50, tzinfo=UTC))
    Recorder(a_logger(tmp_path, HandClock(late[-1].at))).on_turn(late)
    assert list(trades(tmp_path)) == ["trades_2027-02-01.csv", "trades_2027-02-02.csv"]


def test_a_process_killed_before_midnight_loses_no_row_of_that_day(tmp_path):
    late = a_day(at=datetime(2027, 2, 2, 4, 59, 50, tzinfo=UTC))
    clock = HandClock(late[-1].at)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    Recorder(a_logger(whole, clock)).on_turn(late)
    Recorder(a_logger(cut, clock)).on_turn(late[:3])
    Recorder(a_logger(cut, clock)).rebuild(late)
    assert trades(cut) == trades(whole)


def test_a_day_in_the_archive_is_not_written_again(tmp_path):
    clock = HandClock(OPEN + timedelta(days=91))
    Recorder(a_logger(tmp_path, clock)).rebuild(a_day())
    assert list(trades(tmp_path)) == ["trades_2027-05-03.csv"]
    assert date(2027, 5, 3) == (OPEN + timedelta(days=91)).date()


def test_a_rebuild_that_changes_nothing_writes_nothing(tmp_path):
    day = a_day()
    Recorder(a_logger(tmp_path)).on_turn(day)
    before = (tmp_path / f"trades_{DAY}.csv").stat()
    Recorder(a_logger(tmp_path)).rebuild(day)
    after = (tmp_path / f"trades_{DAY}.csv").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not list(tmp_path.glob(".trades*"))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_interrupted_anywhere_and_rebuilt_the_trades_are_the_same(tmp_path_factory, data):
    start = data.draw(
        st.sampled_from([OPEN, datetime(2027, 2, 2, 4, 59, 45, tzinfo=UTC)]), label="start"
    )
    day = a_day(at=start)
    whole, cut = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    clock = HandClock(day[0].at)
    recorder = Recorder(a_logger(whole, clock))
    recorder.rebuild([])
    for entry in day:
        clock.at = entry.at
        recorder.on_turn([entry])

    # Each life takes up what was committed, tells some of what comes next, and is killed: after
    # the commit and before the row, or in the middle of a row.
    committed, clock = 0, HandClock(day[0].at)
    while committed < len(day):
        recorder = Recorder(a_logger(cut, clock))
        recorder.rebuild(iter(day[:committed]))
        lives = data.draw(st.integers(1, len(day) - committed), label="turns")
        for entry in day[committed : committed + lives]:
            clock.at = entry.at
            recorder.on_turn([entry])
        committed += lives
        if committed < len(day):
            committed += data.draw(st.integers(0, 1), label="committed, not told")
        if data.draw(st.booleans(), label="torn"):
            for path in cut.glob("trades_*.csv"):
                raw = path.read_bytes()
                path.write_bytes(raw[: data.draw(st.integers(0, len(raw)), label="at")])
    Recorder(a_logger(cut, clock)).rebuild(iter(day))
    assert trades(cut) == trades(whole)
