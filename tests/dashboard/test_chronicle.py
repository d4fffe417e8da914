"""What the chronicle tells of entries: the same whether it lived through them or read them."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.values import (
    Activity,
    Approved,
    Draft,
    OrderId,
    OrderType,
    Regime,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.dashboard.chronicle import TAIL_MAX, TEXT_MAX, Chronicle
from atlas_daemon.dashboard.curve import FLOWS_MAX, POINTS_MAX, Curve
from atlas_daemon.dashboard.page.equity import account_curve, benchmark_curve
from atlas_daemon.dashboard.rebalances import DETAILED, ORDERS_MAX, RUNS_MAX, STEPS_MAX
from atlas_daemon.journal.codec import EVENT_KINDS
from tests.journal.catalogue import an_event

AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
DAY = date(2027, 2, 1)
RUN = RunId("2027-02")
ID = OrderId("atlas-2027-02-r1-buy-AAPL-1")


def told(*events: e.Event, at: datetime = AT, days: int = 0) -> list[e.Entry]:
    """Entries of one moment each, a second apart; with `days`, so many days apart."""
    step = timedelta(days=days) if days else timedelta(seconds=1)
    return [e.Entry(n + 1, at + n * step, None, event) for n, event in enumerate(events)]


def lived(entries: list[e.Entry]) -> Chronicle:
    chronicle = Chronicle()
    for entry in entries:
        chronicle.on_turn([entry])
    return chronicle


def read(entries: list[e.Entry]) -> Chronicle:
    chronicle = Chronicle()
    assert list(chronicle.rebuilding(iter(entries))) == entries
    return chronicle


def views(chronicle: Chronicle) -> dict[str, object]:
    return {
        "equity": chronicle.equity(),
        "rebalances": chronicle.rebalances(),
        "tail": chronicle.tail(),
    }


def a_draft(order_id: str = ID, run: str = RUN, qty: str = "30") -> Draft:
    return Draft(
        *(OrderId(order_id), RunId(run), Symbol("AAPL"), Side.BUY, Decimal(qty)),
        *(OrderType.MARKET, Decimal("185.00")),
    )


def a_fill(qty: str, price: str, total: str, *, is_complete: bool = False) -> e.FillBooked:
    amounts = (Decimal(qty), Decimal(price), Decimal(total))
    return e.FillBooked(ID, Symbol("AAPL"), Side.BUY, *amounts, is_complete, "x1")


def approved(draft: Draft) -> e.OrderApproved:
    return e.OrderApproved(Approved(draft, AT, AT + timedelta(minutes=1)))


def stepped(status: str, reason: str = "", order_id: OrderId = ID) -> e.OrderStepped:
    return e.OrderStepped(order_id, status, status, "b-1", reason)


STARTED = e.RunStarted(RUN, "slot", "2027-02", DAY, date(2027, 1, 29))
PLANNED = e.RunPlanned(
    *(RUN, 1, Regime.TREND_NEUTRAL, Decimal("0.70"), Decimal(10000), Decimal(10000)),
    *(Decimal(7000), Decimal(10000), (), (), "d" * 64),
)
DONE = e.RunFinished(RUN, "done", True, "", None)
JOURNEY = (
    STARTED,
    PLANNED,
    e.PhaseStarted(RUN, "buying", 1),
    e.OrderDrafted(a_draft(qty="40")),
    e.OrderTrimmed(ID, Symbol("AAPL"), Decimal(40), Decimal(30), "max_position", "0.2", "0.15"),
    approved(a_draft()),
    e.OrderSubmitted(ID, 1),
    stepped("working"),
    stepped("working"),
    a_fill("9", "185.00", "9"),
    e.CancelRequested(ID, "fill timeout"),
    stepped("canceling"),
    a_fill("21", "185.10", "30", is_complete=True),
    stepped("filled"),
    e.PhaseStarted(RUN, "reconciling", 1),
    DONE,
)


# A rebalance, as a person follows it.


def test_a_run_is_told_with_its_phases_and_each_order_with_its_steps_and_times():
    chronicle = lived(told(*JOURNEY))
    (run,) = chronicle.rebalances()

    assert (run["run"], run["trigger"], run["outcome"]) == ("2027-02", "slot", "done")
    assert (run["regime"], run["allocation"]) == ("TREND_NEUTRAL", "0.70")
    assert (run["started_at"], run["ended_at"]) == ("2027-02-01T14:35:00Z", "2027-02-01T14:35:15Z")
    assert [(p["phase"], p["round"]) for p in run["phases"]] == [
        ("due", 0),
        ("buying", 1),
        ("reconciling", 1),
    ]
    (order,) = run["orders"]
    assert order["id"] == ID
    assert (order["symbol"], order["side"], order["status"]) == ("AAPL", "buy", "filled")
    assert (order["qty"], order["filled_qty"]) == ("30", "30")
    assert (order["avg_price"], order["expected_price"]) == ("185.070000", "185.00")
    assert [(step["what"], step["text"]) for step in order["events"]] == [
        ("trimmed", "from 40 to 30: max_position, limit 0.15"),
        ("approved", "30 expected at 185.00"),
        ("sent", ""),
        ("working", ""),
        ("partially filled", "9 at 185.00, 9 of 30"),
        ("cancel asked", "fill timeout"),
        ("canceling", ""),
        ("filled", "21 at 185.10, 30 of 30"),
        ("filled", ""),
    ]
    assert order["events"][2]["at"] == "2027-02-01T14:35:06Z"
    assert chronicle.rebalance(RUN) == run
    assert chronicle.rebalance("2031-02") is None
    assert chronicle.order(ID) == order | {"run": RUN}
    assert chronicle.order("nobody's") is None


def test_what_is_not_known_of_an_order_is_none_and_not_zero():
    draft = replace(a_draft(), expected_price=None)
    (run,) = lived(told(STARTED, approved(draft))).rebalances()

    assert (run["ended_at"], run["outcome"], run["regime"]) == (None, None, None)
    assert (run["orders"][0]["avg_price"], run["orders"][0]["expected_price"]) == (None, None)
    assert run["slippage_cost"] is None


def test_an_order_that_a_rule_refused_stands_there_with_the_rule():
    refused = e.OrderRefused(a_draft(), "cash_only", "5550", "2000", "not enough cash")
    (run,) = lived(told(STARTED, e.OrderDrafted(a_draft()), refused)).rebalances()

    assert run["orders"][0]["status"] == "refused"
    assert run["orders"][0]["events"][-1]["text"] == (
        "cash_only: not enough cash (actual 5550, limit 2000)"
    )


def test_a_run_that_was_parked_and_goes_on_has_no_end_until_it_ends():
    parked = e.RunFinished(RUN, "degraded", False, "AAPL -3", None)
    later = date(2027, 2, 2)
    entries = told(STARTED, parked, e.RunContinued(RUN, later, DAY))
    run = lived(entries[:2]).rebalance(RUN)
    assert (run["outcome"], run["is_final"], run["phases"][-1]["phase"]) == (
        *("degraded", False),
        "parked",
    )
    run = lived(entries).rebalance(RUN)
    assert (run["outcome"], run["ended_at"], run["order_day"]) == (None, None, "2027-02-02")

    slots = lived([*entries, *told(DONE)]).equity()["slots"]
    assert [(slot["day"], slot["outcome"]) for slot in slots] == [("2027-02-02", "done")]


def test_a_missed_slot_and_dropped_lines_are_told():
    missed = e.SlotMissed("2027-08", "no session left")
    dropped = e.LineDropped(RUN, Symbol("XYZ"), "no_price", "no quote for 5 minutes")
    chronicle = lived(told(STARTED, dropped, missed))

    assert chronicle.equity()["slots"] == [
        {"day": "2027-02-01", "run": "2027-08", "trigger": "slot", "outcome": "missed"}
    ]
    assert chronicle.rebalance(RUN)["notes"][0]["text"] == "XYZ: no_price: no quote for 5 minutes"


def test_a_late_fill_and_an_adopted_order_change_what_is_told_of_them():
    adopted = e.OrderAdopted(ID, "b-1", RUN, Symbol("AAPL"), Side.BUY, Decimal(30), "new")
    late = an_activity("FILL", qty="4", price="186", broker_order_id="b-1")
    booked = e.ActivityBooked(
        *(late, Decimal(-744), Decimal(0), (), True, "late fill of ours", Decimal(30))
    )
    chronicle = lived(told(STARTED, adopted, a_fill("26", "185", "26"), DONE))
    before = chronicle.ends_version
    chronicle.on_turn([e.Entry(9, AT, None, booked)])

    order = chronicle.order(ID)
    assert (order["filled_qty"], order["avg_price"]) == ("30", "185.133333")
    assert order["events"][0]["what"] == "adopted"
    assert chronicle.ends_version > before


# Equity.


def an_activity(kind: str, amount: str | None = None, **more: object) -> Activity:
    given = {"at": AT, "day": None, "symbol": Symbol(""), "side": "", "qty": None, "price": None}
    for name in ("qty", "price"):
        if isinstance(more.get(name), str):
            more[name] = Decimal(more[name])
    net = None if amount is None else Decimal(amount)
    return Activity(f"id-{kind}", kind, **given | {"net_amount": net} | more)


def booked(kind: str, amount: str | None, day: date | None = None) -> e.ActivityBooked:
    activity = an_activity(kind, amount, day=day)
    return e.ActivityBooked(activity, Decimal(amount or 0), Decimal(0), (), True)


def mark(day: int, equity: str = "100", price: str | None = "480") -> e.EquityMarked:
    benchmark = None if price is None else Decimal(price)
    return e.EquityMarked(date(2027, 2, day), Decimal(equity), Decimal("20.5"), benchmark)


def noted(day: int) -> e.ActivitiesNoted:
    return e.ActivitiesNoted(datetime(2027, 2, day, 12, tzinfo=UTC), ())


def flows(*events: e.Event) -> list[str | None]:
    return [point["flow"] for point in lived(told(*events)).equity()["points"]]


def test_a_day_s_mark_is_there_once_with_the_latest_figures_and_its_unknown_price():
    chronicle = lived(told(mark(2), mark(1, "99.123456"), mark(2, "101.10", None)))

    assert chronicle.equity() == {
        "benchmark": "SPY",
        "points": [
            {
                "day": "2027-02-01",
                "equity": "99.123456",
                "cash": "20.50",
                "benchmark": "480",
                "flow": None,
            },
            {
                "day": "2027-02-02",
                "equity": "101.10",
                "cash": "20.50",
                "benchmark": None,
                "flow": None,
            },
        ],
        "flows": [],
        "regimes": [],
        "slots": [],
    }


def test_deposits_and_withdrawals_are_flows_of_the_mark_that_follows_and_income_is_none():
    deposit = booked("CSD", "1000", date(2027, 2, 6))  # a Saturday
    withdrawal, dividend = booked("CSW", "-300", date(2027, 2, 8)), booked("DIV", "7", DAY)
    marks = mark(1), mark(5), mark(8), mark(9)

    assert flows(noted(1), *marks, deposit, withdrawal, dividend) == [None, "0", "700", "0"]
    canceled = replace(deposit, activity=replace(deposit.activity, is_canceled=True))
    assert flows(noted(1), *marks, canceled) == [None, "0", "0", "0"]
    told_flows = lived(told(deposit)).equity()["flows"]
    assert told_flows == [{"day": "2027-02-06", "kind": "CSD", "amount": "1000"}]


def test_what_came_after_the_day_s_mark_is_in_the_next_one_as_status_counts():
    marked = told(noted(5), mark(5), mark(8), mark(9))
    late = booked("CSD", "1000", date(2027, 2, 8))
    for seconds, seen in ((0, ["1000", "0"]), (1, ["0", "1000"])):
        at = marked[2].at + timedelta(seconds=seconds)
        entries = [*marked, *told(replace(late, activity=replace(late.activity, at=at)))]
        assert [point["flow"] for point in lived(entries).equity()["points"]] == [None, *seen]


def test_before_the_activities_were_read_no_flow_is_known():
    assert flows(mark(1), mark(2), mark(3)) == [None, None, None]
    assert flows(mark(1), mark(2), noted(2), mark(3)) == [None, None, "0"]


def test_a_flow_without_an_amount_or_unexplained_cash_is_unknown_and_not_zero():
    nameless = booked("JNLC", None, date(2027, 2, 2))
    assert flows(noted(1), mark(1), mark(2), mark(3), nameless) == [None, None, "0"]

    gap = e.CashUnexplained(Decimal(100), Decimal(150))
    at_gap = flows(noted(1), gap, mark(1), mark(2))
    assert at_gap == [None, "0"]
    late = replace(booked("CSD", "50", DAY), cash_named=Decimal(50))
    before, after = flows(mark(1), noted(1), mark(2)), flows(mark(1), noted(1), gap, late, mark(2))
    assert before == after


def test_shares_that_came_in_kind_count_at_their_price():
    moved = an_activity("ACATS", qty="10", price="50", day=date(2027, 2, 2))
    event = e.ActivityBooked(
        *(moved, Decimal(0), Decimal(0), (e.Move(Symbol("AAPL"), Decimal(10)),), True)
    )
    assert flows(noted(1), mark(1), mark(2), event) == [None, "500"]


def regime(name: Regime, day: int) -> e.RegimeReported:
    return e.RegimeReported(name, date(2027, 2, day), "jump_model")


def test_regimes_are_bands_as_far_as_somebody_said_so():
    bull, bear = Regime.TREND_BULL, Regime.TREND_BEAR
    words = regime(bull, 1), regime(bull, 2), regime(bear, 3), regime(bear, 5), regime(bear, 26)
    bands = lived(told(*words)).equity()["regimes"]

    assert [(band["from"][-2:], band["to"][-2:], band["regime"]) for band in bands] == [
        ("01", "03", "TREND_BULL"),
        ("03", "05", "TREND_BEAR"),
        ("26", "26", "TREND_BEAR"),
    ]


def test_a_computed_word_of_an_older_day_changes_no_band_and_a_person_s_does():
    bull, bear = Regime.TREND_BULL, Regime.TREND_BEAR
    ahead = replace(regime(bear, 26), signal_day=date(2027, 2, 26))
    before = replace(regime(bull, 1), as_of=date(2027, 1, 30))
    word = replace(before, regime=bear, as_of=date(2027, 1, 29))
    for signal_day, kept in ((date(2027, 1, 29), bull), (None, bear)):
        bands = lived(told(before, replace(word, signal_day=signal_day))).equity()["regimes"]
        assert [band["regime"] for band in bands] == [kept]
    bands = lived(told(ahead, replace(before, signal_day=before.as_of))).equity()["regimes"]
    assert bands[-1]["regime"] == "TREND_BULL"  # a word of a day to come holds nothing back


def test_a_window_holds_its_days_and_no_others():
    entries = told(*(mark(day) for day in range(1, 20)), noted(1))
    chronicle = read(entries)
    window = chronicle.equity("SPY", date(2027, 2, 4), date(2027, 2, 6))

    assert [point["day"][-2:] for point in window["points"]] == ["04", "05", "06"]
    assert [len(some) for some in chronicle.points()] == [19]
    nothing = chronicle.equity("SPY", date(2028, 1, 1), None)
    assert nothing["points"] == []


def test_of_older_years_a_chart_has_the_ends_of_weeks_and_months_and_every_flow():
    first, days = date(2024, 1, 1), 800
    sessions = [d for n in range(days) if (d := first + timedelta(days=n)).weekday() < 5]
    marks = [
        e.EquityMarked(day, Decimal(n + 1), Decimal(0), None) for n, day in enumerate(sessions)
    ]
    deposit = booked("CSD", "1000", date(2024, 6, 19))  # a Wednesday
    early = e.ActivitiesNoted(datetime(2023, 12, 30, tzinfo=UTC), ())
    chronicle = read(told(early, *marks, deposit))
    whole, chart = chronicle.equity()["points"], chronicle.chart("SPY")["points"]
    assert chart[-1]["after"] == whole[-2]["day"]
    for point in chart:
        del point["after"]

    assert chart[0] == whole[0]
    assert chart[-262:] == whole[-262:]  # the last year, whole
    assert all(point in whole for point in chart)
    shown = [date.fromisoformat(point["day"]) for point in chart]
    assert shown == sorted(set(shown))
    june = [day.day for day in shown if (day.year, day.month) == (2024, 6)]
    assert june == [7, 14, 18, 19, 21, 28]  # and what the deposit came between
    assert date(2024, 7, 31) in shown
    assert sum(Decimal(point["flow"] or 0) for point in chart) == 1000
    assert len(chart) < 262 + 300 / 5 + 20

    assert Chronicle().chart("SPY")["points"] == []


def test_the_line_of_ten_years_is_one_and_a_silence_in_it_stays_a_silence():
    first, last = date(2016, 1, 4), date(2025, 12, 31)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    silent = range(date(2018, 5, 17).toordinal(), date(2018, 5, 23).toordinal())  # Thu to Tue
    sessions = [d for d in days if d.weekday() < 5 and d.toordinal() not in silent]
    marks = [e.EquityMarked(day, Decimal(1000), Decimal(0), Decimal(200)) for day in sessions]
    marks[1000] = e.EquityMarked(marks[1000].day, None, None, Decimal(200))
    marks[1500] = e.EquityMarked(marks[1500].day, Decimal(1000), Decimal(0), None)
    early = e.ActivitiesNoted(datetime(2015, 12, 30, tzinfo=UTC), ())
    points = read(told(early, *marks)).chart("SPY")["points"]
    account = account_curve(points)
    begins = [piece[0][0] for piece in account.pieces]
    assert begins == [first, date(2018, 5, 23), marks[1001].day]
    begins = [piece[0][0] for piece in benchmark_curve(points, account).pieces]
    assert begins == [first, date(2018, 5, 23), marks[1501].day]


def test_of_flows_nobody_knows_no_mark_is_left_out():
    first = date(2024, 1, 1)
    marks = [
        e.EquityMarked(first + timedelta(days=n), Decimal(1), Decimal(0), None) for n in range(800)
    ]
    unread = read(told(*marks)).chart("SPY")["points"]
    assert len(unread) == len(marks)  # what is unknown is not passed over


@pytest.mark.parametrize("equity", ["1e12", "0", "-5.5", "99999999999999999999"])
def test_figures_of_any_size_are_told_or_unknown(equity):
    (point,) = lived(told(mark(1, equity))).equity()["points"]
    assert point["equity"] in (None, "1000000000000", "0", "-5.50")
    assert (point["equity"] is None) == (len(equity) > 12)


# The tail.


def test_the_tail_is_the_latest_entries_newest_first_one_line_each():
    alerts = [e.AlertRaised("info", "k", f"line {n}") for n in range(TAIL_MAX + 5)]
    entries = told(*alerts, e.Ticked())
    tail = lived(entries).tail()

    assert len(tail) == TAIL_MAX
    assert tail[0] == {
        "seq": TAIL_MAX + 5,
        "at": "2027-02-01T14:35:54Z",
        "kind": "AlertRaised",
        "level": "info",
        "text": "k: line 54",
    }
    assert read(entries).tail() == tail


def test_an_endless_text_is_cut_in_the_tail():
    (line,) = lived(told(e.AlertRaised("info", "k", "x" * 9000))).tail()
    assert len(line["text"]) == TEXT_MAX + 3


def test_a_fill_is_told_in_the_tail_with_the_order_it_is_of():
    tail = read(told(*JOURNEY)).tail()
    texts = [line["text"] for line in tail if line["kind"] == "FillBooked"]
    assert texts[-1].endswith("9 of 30 so far, partially filled")


# Bounds.


def test_of_older_runs_the_ends_are_kept_and_of_the_oldest_nothing():
    chronicle = Chronicle()
    for n in range(RUNS_MAX + 10):
        run, order = RunId(f"force-{n:03}"), OrderId(f"atlas-force-{n:03}-r1-buy-A-1")
        draft = a_draft(order, run)
        chronicle.on_turn(
            told(replace(STARTED, run_id=run), approved(draft), stepped("filled", "", order))
        )
    runs = chronicle.rebalances()

    assert len(runs) == RUNS_MAX
    assert [run["has_steps"] for run in runs] == [n < DETAILED for n in range(RUNS_MAX)]
    assert [run["run"] for run in chronicle.rebalances(2)] == ["force-089", "force-088"]
    assert runs[-1]["orders"][0]["status"] == "filled"
    assert runs[-1]["orders"][0]["events"] == []
    assert len(chronicle._rebalances._orders) == RUNS_MAX


def test_orders_steps_marks_and_flows_have_an_end():
    chronicle = lived(told(STARTED))
    for n in range(ORDERS_MAX + 5):
        chronicle.on_turn(told(approved(a_draft(f"atlas-2027-02-r{n}-buy-A-1"))))
    for n in range(STEPS_MAX + 5):
        chronicle.on_turn(told(e.CancelRequested("atlas-2027-02-r404-buy-A-1", str(n))))
    run = chronicle.rebalance(RUN)
    assert len(run["orders"]) == len(chronicle._rebalances._orders) == ORDERS_MAX
    assert len(run["orders"][-1]["events"]) == STEPS_MAX
    assert run["orders"][-1]["events"][-1]["text"] == str(STEPS_MAX + 4)

    curve = Curve()
    for n in range(POINTS_MAX + 3):
        day = date(1990, 1, 1) + timedelta(days=n)
        curve.mark(e.EquityMarked(day, *(Decimal(1),) * 3), AT)
    assert sum(len(some) for some in curve.points()) == POINTS_MAX
    for n in range(FLOWS_MAX + 3):
        curve.moved(booked("CSD", str(n)), DAY)
    assert len(curve.flows()) == FLOWS_MAX


# Whatever comes.

RUNS = [RunId(name) for name in ("2027-02", "force-1", "crash-1")]
ORDERS = [OrderId(f"atlas-{run}-r1-buy-A-{n}") for run in RUNS for n in (1, 2)]


def _at_home(event: e.Event, run: RunId, order_id: OrderId) -> e.Event:
    """Give an event one of a few runs and orders, so that it meets others of its kind."""
    named = {"run_id": run, "order_id": order_id}
    event = replace(event, **{k: v for k, v in named.items() if hasattr(event, k)})
    if isinstance(event, e.OrderApproved):
        draft = replace(event.approved.draft, order_id=order_id, run_id=run)
        return replace(event, approved=replace(event.approved, draft=draft))
    if isinstance(event, e.OrderDrafted | e.OrderRefused):
        return replace(event, draft=replace(event.draft, order_id=order_id, run_id=run))
    return event


ANY = st.builds(
    _at_home,
    st.sampled_from(list(EVENT_KINDS.values())).flatmap(an_event),
    st.sampled_from(RUNS),
    st.sampled_from(ORDERS),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=25), st.integers(0, 25))
def test_any_entries_in_any_order_are_taken_and_told_alike_lived_or_read(events, at):
    entries = told(*events)
    whole = views(read(entries))

    json.dumps(whole)
    assert views(lived(entries)) == whole
    resumed = read(entries[:at])
    resumed.on_turn(entries[at:])
    assert views(resumed) == whole
