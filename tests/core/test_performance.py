"""What was made since the last rebalance: marks, flows from outside, and what is not known."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.performance import Performance, performance_of
from atlas_daemon.core.performance_view import performance_view
from atlas_daemon.core.policy import BENCHMARK, Policy
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import FLOWS_MAX, MARKS_MAX, RunRecord, State
from atlas_daemon.core.values import Account, Activity, Quote, RunId

from .builders import CLOSE
from .builders import DAY as ORDER_DAY
from .world import a_world, is_done

DAY = date(2025, 8, 1)
FIRST = NYSE.next_session(DAY)
ENDED_AT = FIRST.opens_at + timedelta(minutes=10)
SESSIONS = NYSE.sessions_between(DAY, date(2025, 12, 31))


class Story:
    """Entries one after another, folded."""

    def __init__(self, equity: str | None = "10000", spy: str | None = "100") -> None:
        self.state = State(now=ENDED_AT)
        if equity is not None:
            self.mark(DAY, ENDED_AT, equity, spy)
        record = RunRecord(RunId("2025-08"), DAY, ENDED_AT, "done", True, "", None)
        self.state = replace(self.state, last_run=record)

    def hear(self, at: datetime, event: e.Event) -> "Story":
        self.state = evolve(self.state, e.Entry(self.state.seq + 1, at, None, event))
        return self

    def mark(self, day: date, at: datetime, equity: str, spy: str | None = "100") -> "Story":
        price = None if spy is None else Decimal(spy)
        return self.hear(at, e.EquityMarked(day, Decimal(equity), Decimal(0), price))

    def closes(self, *equities: str, spy: str | None = "100", skip: int = 0) -> "Story":
        """The first sessions' closes, five minutes after each."""
        for session, equity in zip(SESSIONS[skip:], equities, strict=False):
            self.mark(session.day, session.closes_at + timedelta(minutes=5), equity, spy)
        return self

    def flow(self, kind: str, amount: str | None, heard_at: datetime, **more: object) -> "Story":
        net = None if amount is None else Decimal(amount)
        told = {"at": None, "day": heard_at.date(), "symbol": "", "side": ""}
        activity = Activity("a1", kind, qty=None, price=None, net_amount=net, **{**told, **more})
        booked = e.ActivityBooked(activity, net or Decimal(0), Decimal(0), (), True)
        return self.hear(heard_at, booked)

    def seen(self, at: datetime, equity: str, spy: str | None = None) -> "Story":
        account = Account("PA1", "ACTIVE", Decimal(equity), Decimal(0), Decimal(0))
        self.hear(at, e.SnapshotReported(at, account, (), ()))
        if spy is not None:
            quote = Quote(BENCHMARK, None, None, None, Decimal(spy), at)
            self.hear(at, e.QuotesReported(at, (quote,)))
        return self

    def made(self) -> Performance:
        return performance_of(self.state, BENCHMARK)


def close_of(n: int) -> datetime:
    return SESSIONS[n].closes_at + timedelta(minutes=5)


def noon_of(n: int) -> datetime:
    return SESSIONS[n].opens_at + timedelta(hours=2)


def test_without_a_rebalance_or_its_mark_nothing_is_shown():
    assert performance_of(State(now=ENDED_AT), BENCHMARK).why == "no rebalance yet"
    assert Story(None).made().why == "no equity was marked on 2025-08-01"
    assert Story(None).closes("10000").made().why == "no equity was marked on 2025-08-01"
    assert Story().made().why == "no equity was seen since"


def test_now_is_compared_with_the_rebalances_end():
    made = Story().closes("9679").seen(noon_of(1), "10246", "101.82").made()

    assert made.total == Decimal("0.0246")
    assert made.benchmark == Decimal("0.0182")
    assert made.ahead == Decimal("0.0064")
    assert made.drawdown == Decimal("-0.0321")
    assert made.sharpe is None
    assert made.why_no_sharpe == "needs 20 daily returns, has 0"
    assert (made.doubt, made.unmarked, made.flows) == ("", 0, 0)


def test_a_second_run_of_a_day_is_measured_from_its_own_end():
    story = Story().mark(DAY, ENDED_AT + timedelta(hours=1), "12000")
    later = replace(story.state.last_run, finished_at=ENDED_AT + timedelta(hours=1))
    story.state = replace(story.state, last_run=later)

    assert story.closes("12600").made().total == Decimal("0.05")


def test_a_look_older_than_the_last_mark_is_not_now():
    story = Story().seen(noon_of(0), "5000").closes("11000")

    assert story.made().total == Decimal("0.1")


def test_without_a_benchmark_price_it_says_so():
    made = Story(spy=None).closes("10100", spy=None).made()

    assert made.total == Decimal("0.01")
    assert (made.benchmark, made.ahead) == (None, None)
    assert "benchmark" in made.why_no_benchmark


@pytest.mark.parametrize(
    ("kind", "amount", "after"),
    [
        ("CSD", "5000", "15000"),
        ("CSW", "-4000", "6000"),
        ("JNLC", "-4000", "6000"),
        ("ACATC", "90000", "100000"),
        ("TRANS", "1", "10001"),
    ],
)
def test_deposits_and_withdrawals_are_no_return(kind, amount, after):
    made = Story().closes("10000").flow(kind, amount, noon_of(1)).seen(noon_of(1), after).made()

    assert (made.total, made.drawdown) == (0, 0)
    assert made.flows == Decimal(amount)


@pytest.mark.parametrize("kind", ["DIV", "INT", "FEE", "DIVNRA"])
def test_dividends_interest_and_fees_are_return(kind):
    made = Story().closes("10000").flow(kind, "100", noon_of(1)).seen(noon_of(1), "10100").made()

    assert made.total == Decimal("0.01")
    assert made.flows == 0


def test_a_deposit_of_the_rebalances_own_day_counts_from_its_moment():
    early = Story().flow("CSD", "5000", noon_of(0), at=ENDED_AT - timedelta(hours=3))
    late = Story().flow("CSD", "5000", noon_of(0), at=ENDED_AT + timedelta(minutes=1))

    assert early.closes("10000").made().total == 0
    assert late.closes("15000").made().total == 0


def test_a_deposit_heard_of_days_later_counts_on_its_own_day():
    story = Story().closes("10000", "15000", "15000")
    story.flow("CSD", "5000", noon_of(3), day=SESSIONS[1].day)

    assert story.made().total == 0
    assert story.made().drawdown == 0


def test_a_deposit_of_a_weekend_is_in_fridays_mark_where_that_was_made_on_sunday():
    """DAY is a Friday; its close was marked by a daemon that started two days later."""
    sunday = datetime(2025, 8, 3, 15, tzinfo=UTC)
    story = Story().flow("CSD", "5000", sunday, day=date(2025, 8, 2)).mark(DAY, sunday, "15000")

    assert story.made().total == 0


def test_shares_that_came_in_kind_are_worth_their_price_or_nobody_knows():
    move = e.Move("AAPL", Decimal(10), Decimal(0))

    def with_shares(price: str | None) -> Performance:
        told = None if price is None else Decimal(price)
        activity = Activity("a", "JNLS", None, SESSIONS[1].day, "AAPL", "", Decimal(10), told, None)
        booked = e.ActivityBooked(activity, Decimal(0), Decimal(0), (move,), True)
        story = Story().closes("10000").hear(noon_of(1), booked)
        return story.seen(noon_of(1), "12000").made()

    assert with_shares("200").total == 0
    unknown = with_shares(None)
    assert unknown.total is None
    assert unknown.why == "what moved from or to outside on 2025-08-04 has no known value"


def test_a_deposit_that_is_taken_back_leaves_nothing_behind():
    activity = Activity("a", "CSD", None, DAY, "", "", None, None, Decimal(9), is_canceled=True)
    booked = e.ActivityBooked(activity, Decimal(0), Decimal(0), (), False, "canceled")

    assert Story().hear(noon_of(0), booked).state.flows == ()


@given(
    st.lists(st.tuples(st.integers(-40, 60), st.integers(-9_000, 20_000)), min_size=1, max_size=30)
)
def test_the_return_is_that_of_the_same_days_without_any_flow(days):
    """Growth by day and a flow after it, against growth alone."""
    value, plain, story = Decimal(20_000), Decimal(20_000), Story("20000")
    for n, (percent, flow) in enumerate(days, start=1):
        value, plain = value * (100 + percent) / 100, plain * (100 + percent) / 100
        flow = max(Decimal(flow), 1 - value)
        story.flow("CSD" if flow > 0 else "CSW", str(flow), noon_of(n))
        value += flow
        story.mark(SESSIONS[n].day, close_of(n), str(value))

    made = story.made()
    assert made.total is not None
    assert abs(made.total - (plain / 20_000 - 1)) < Decimal("1e-9")


def test_sharpe_is_annualised_from_daily_closes():
    equities, value = ["10000"], Decimal(10000)
    for n in range(20):
        value *= Decimal("1.02") if n % 2 else Decimal("0.99")
        equities.append(str(value))

    made = Story().closes(*equities).made()

    assert made.sharpe is not None
    # mean 0.005, sample deviation 0.015 * sqrt(20/19): 5.1575
    assert round(made.sharpe, 3) == Decimal("5.158")
    assert Story().closes(*["10000"] * 21).made().why_no_sharpe == "the equity did not move"
    assert "has 19" in Story().closes(*equities[:20]).made().why_no_sharpe


def test_the_hours_of_today_are_no_daily_return():
    story = Story().closes(*["10000", "10100"] * 10).seen(noon_of(20), "5000")

    assert story.made().why_no_sharpe == "needs 20 daily returns, has 19"


def test_what_lies_over_a_gap_is_no_daily_return_and_is_counted():
    story = Story().closes("10000", "10100").closes("20000", skip=5)

    made = story.made()
    assert made.why_no_sharpe == "needs 20 daily returns, has 1"
    assert made.unmarked == 3
    assert made.total == 1


def test_a_session_that_has_just_ended_is_not_yet_unmarked():
    story = Story().closes("10000")
    now = SESSIONS[1].closes_at + timedelta(minutes=50)

    assert performance_of(replace(story.state, now=now), BENCHMARK).unmarked == 0
    later = now + timedelta(minutes=11)
    assert performance_of(replace(story.state, now=later), BENCHMARK).unmarked == 1


@pytest.mark.parametrize("equities", [("0", "10000"), ("10000", "-1")])
def test_an_equity_at_or_below_zero_has_no_return(equities):
    assert Story().closes(*equities).made().why == "the equity was not above zero all along"


def test_a_mark_of_a_clock_that_ran_ahead_is_left_out():
    story = Story().closes("11000").mark(date(2027, 1, 4), close_of(0), "1")

    assert story.made().total == Decimal("0.1")


def test_no_moment_of_marks_and_flows_stays_in_the_future():
    ahead = close_of(0) + timedelta(days=400)
    story = Story().mark(DAY, ahead, "1").flow("CSD", "1", ahead)

    story.hear(noon_of(1), e.ClockStepped(ahead))

    assert max(mark.at for mark in story.state.marks) <= noon_of(1)
    assert max(flow.heard_at for flow in story.state.flows) <= noon_of(1)


def test_cash_that_nothing_explains_is_told_beside_the_figures():
    story = Story().closes("11000")
    story.hear(noon_of(1), e.CashUnexplained(Decimal(0), Decimal("1000")))

    assert story.made().doubt == "$1,000.00 of cash that nothing explains is counted as made"


def test_what_is_kept_is_bounded_and_a_lost_flow_is_not_guessed():
    story = Story()
    for n in range(MARKS_MAX + 5):
        story.mark(DAY, ENDED_AT + timedelta(seconds=n), "10000")
    assert len(story.state.marks) == MARKS_MAX

    story = Story().closes("10000")
    for _ in range(FLOWS_MAX + 5):
        story.flow("CSD", "1", noon_of(1))
    assert len(story.state.flows) == FLOWS_MAX
    assert story.made().why == "more than 200 deposits and withdrawals since"


def test_the_view_says_what_is_not_known_and_why():
    story = Story(spy=None).closes("10100", spy=None)

    assert performance_view(story.state, Policy()) == {
        "since": "2025-08-01",
        "benchmark": "SPY",
        "total_return": "0.010000",
        "benchmark_return": None,
        "outperformance": None,
        "sharpe": None,
        "max_drawdown": "0.000000",
        "flows": "0",
        "sessions_unmarked": 0,
        "why_no_return": "",
        "why_no_benchmark": "the benchmark's price is unknown at one end",
        "why_no_sharpe": "needs 20 daily returns, has 0",
        "doubt": "",
    }


def test_the_rebalances_own_session_is_marked_at_its_end_and_once_more_after_the_close():
    world = a_world(is_checked=False)
    world.run(is_done())
    world.run(CLOSE + timedelta(hours=1))

    marks = [entry for entry in world.journal if isinstance(entry.event, e.EquityMarked)]
    assert [mark.event.day for mark in marks] == [ORDER_DAY, ORDER_DAY]
    assert marks[0].at < CLOSE <= marks[1].at
    assert performance_of(world.state, BENCHMARK).unmarked == 0
