"""The status view: what is unknown says so, and the figures are those of the handbook."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.orders import Order, OrderStatus
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.spelling import dollars, gain, percent, shares, span, whole_dollars
from atlas_daemon.core.state import Halt, RunRecord, State
from atlas_daemon.core.values import (
    Account,
    AccountMode,
    Draft,
    Mode,
    OrderId,
    OrderType,
    Position,
    Regime,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.core.views import market_of, orders_of, status_of, why_not_ready

NOW = datetime(2025, 11, 18, 19, 32, 5, tzinfo=UTC)
POLICY = Policy()


def folded(*events: e.Event, at: datetime = NOW) -> State:
    state = State(now=at)
    for seq, event in enumerate(events, start=1):
        state = evolve(state, e.Entry(seq, at, None, event))
    return state


def started() -> e.DaemonStarted:
    return e.DaemonStarted("0.1.0", "LARGE", AccountMode.PAPER, "PA1", "d", False)


def snapshot(*positions: Position, equity: str = "10000", at: datetime = NOW) -> e.SnapshotReported:
    account = Account("PA1", "ACTIVE", Decimal(equity), Decimal("2000"), Decimal("2000"))
    return e.SnapshotReported(at, account, positions, ())


def view_of(state: State, now: datetime = NOW, **more):
    view = status_of(state, POLICY, now, **more)
    json.dumps(view)  # nothing in it that JSON cannot say
    return view


def test_what_was_never_seen_is_none_and_never_a_zero():
    view = view_of(folded(started()))

    assert view["label"] == "[PAPER]"
    assert view["positions"] is None
    assert view["regime"] is None
    assert set(view["money"].values()) == {None}
    assert view["performance"]["total_return"] is None
    assert view["daemon"]["reconciled_at"] is None


def test_the_first_view_of_an_empty_journal_has_no_account():
    view = view_of(State(now=NOW))

    assert view["label"] == "[UNKNOWN]"
    assert view["account"] == {"name": "", "mode": None, "number": None}


def test_figures_carry_their_age():
    later = NOW + timedelta(seconds=90)

    assert view_of(folded(started(), snapshot()), later)["money"]["age_s"] == 90


def test_a_position_without_a_price_has_no_value_and_no_gain():
    held = Position(Symbol("AAPL"), Decimal(8), Decimal(185), Decimal(8), None)

    line = view_of(folded(started(), snapshot(held)))["positions"][0]

    assert (line["value"], line["gain"], line["portfolio_pct"]) == (None, None, None)
    assert line["cost_basis"] == "1480"


def test_a_position_shows_gain_and_share_of_the_portfolio():
    held = Position(Symbol("AAPL"), Decimal(8), Decimal(185), Decimal(8), Decimal(190))

    line = view_of(folded(started(), snapshot(held)))["positions"][0]

    assert line["gain"] == "40"
    assert line["gain_pct"] == "0.027027"
    assert line["portfolio_pct"] == "0.152000"


def test_the_next_slot_has_its_anchor_and_its_real_session():
    slot = view_of(folded(started()))["next_slot"]

    assert slot["name"] == "2026-02"
    assert slot["anchor"] == "2026-02-01"  # a Sunday
    assert slot["session"] == "2026-02-02"
    assert slot["days_to_anchor"] == 74
    assert not slot["is_due"]


def test_a_slot_that_waits_is_shown_as_due():
    born = datetime(2026, 1, 30, 15, tzinfo=UTC)
    now = datetime(2026, 2, 3, 15, tzinfo=UTC)

    slot = view_of(folded(started(), at=born), now)["next_slot"]

    assert slot["is_due"] and not slot["is_over"]
    assert slot["last_session"] == "2026-02-09"


def test_a_slot_whose_days_are_over_is_not_shown_as_due():
    born = datetime(2026, 1, 30, 15, tzinfo=UTC)
    now = datetime(2026, 2, 9, 21, tzinfo=UTC)  # the close of its last session

    slot = view_of(folded(started(), at=born), now)["next_slot"]

    assert slot["is_over"] and not slot["is_due"]


@pytest.mark.parametrize(
    ("at", "is_open", "seconds"),
    [
        (NOW, True, 5275),
        (datetime(2025, 11, 18, 21, tzinfo=UTC), False, 17 * 3600 + 1800),
        (datetime(2025, 11, 28, 17, 59, tzinfo=UTC), True, 60),  # closes early
        (datetime(2025, 11, 27, 15, tzinfo=UTC), False, 23 * 3600 + 1800),  # Thanksgiving
    ],
)
def test_the_market_says_when_it_opens_or_closes(at, is_open, seconds):
    market = market_of(at)

    assert (market["is_open"], market["changes_in_s"]) == (is_open, seconds)


def test_beyond_the_calendar_nothing_is_guessed():
    far = datetime(2030, 3, 1, 15, tzinfo=UTC)

    view = view_of(folded(started(), at=far), far)

    assert view["market"]["is_open"] is None
    assert view["next_slot"] is None


def test_a_halt_that_is_only_in_memory_is_not_durable():
    state = replace(folded(started()), halt=Halt("ann", "test", NOW))

    assert view_of(state)["halt"]["is_durable"]
    assert not view_of(state, fault="disk full")["halt"]["is_durable"]


def test_ready_means_trading_and_nothing_in_the_way():
    state = replace(folded(started()), mode=Mode.TRADING, mode_reason="all is well")

    assert why_not_ready(state, POLICY, "") == ""
    assert "disk full" in why_not_ready(state, POLICY, "disk full")
    assert "calendars differ" in why_not_ready(replace(state, calendar_dispute="x"), POLICY, "")
    assert why_not_ready(folded(started()), POLICY, "") == "starting: not yet reconciled"


def test_an_order_in_doubt_is_shown_with_its_age():
    draft = Draft(
        OrderId("atlas-r-r1-buy-AAPL-1"),
        RunId("r"),
        Symbol("AAPL"),
        Side.BUY,
        Decimal(3),
        OrderType.MARKET,
        Decimal(190),
    )
    order = Order(draft, OrderStatus.UNKNOWN, NOW, NOW, NOW)
    state = replace(folded(started()), orders={draft.order_id: order})
    looked = {"looked_up": {draft.order_id: NOW}, "not_found": {draft.order_id: (NOW, NOW)}}
    state = replace(state, figures=replace(state.figures, **looked))

    shown = orders_of(state, NOW + timedelta(seconds=7))[0]

    assert shown["is_open"]
    assert shown["is_in_doubt"]
    assert (shown["status"], shown["age_s"]) == ("unknown", 7)
    assert shown["evidence"].startswith("sent 1 time, looked for at ")
    assert shown["evidence"].endswith("New York, not found 2 times")


def test_a_foreign_order_leaves_the_view_with_the_brokers_list():
    found = e.ForeignOrderFound("b1", "mine", Symbol("AAPL"), Side.BUY, None, False)

    assert view_of(folded(started(), found))["foreign"][0]["symbol"] == "AAPL"
    assert view_of(folded(started(), found, snapshot()))["foreign"] == []


def test_the_last_run_without_a_report_invents_no_counts():
    record = RunRecord(RunId("2025-08"), date(2025, 8, 1), NOW, "done", True, "", None)
    state = replace(folded(started()), last_run=record)
    view = view_of(state)["last_run"]

    assert (view["outcome"], view["orders"], view["regime"]) == ("done", None, None)


def test_the_regime_is_shown_with_its_source_and_age():
    heard = e.RegimeReported(Regime.TREND_NEUTRAL, date(2025, 11, 17), "file:regime.json")

    regime = view_of(folded(started(), heard), NOW + timedelta(hours=1))["regime"]

    assert regime == {
        "regime": "TREND_NEUTRAL",
        "allocation": "0.70",
        "as_of": "2025-11-17",
        "source": "file:regime.json",
        "age_s": 3600,
        "raw": None,
        "confirmed": "TREND_NEUTRAL",
        "sessions_old": 0,
        "is_stale": False,
        "follows": "",
    }


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (dollars(Decimal("10245.67")), "$10,245.67"),
        (dollars(Decimal("-5")), "-$5.00"),
        (dollars(None), "unknown"),
        (whole_dollars(Decimal("-0.2")), "$0"),
        (gain(Decimal("39.6")), "+$40"),
        (gain(Decimal("-12")), "-$12"),
        (percent(Decimal("0.027"), signed=True), "+2.7%"),
        (percent(Decimal("-0.00001"), places=2), "0.00%"),  # a drawdown of nothing
        (dollars(Decimal("-0.004")), "$0.00"),
        (shares(Decimal("15.500")), "15.5"),
        (shares(Decimal("100")), "100"),
        (span(5275), "1h 28m"),
        (span(59.6), "1m 0s"),
        (span(86_399), "1d 0h"),
        (span(183_600), "2d 3h"),
        (span(None), "unknown"),
    ],
)
def test_figures_are_spelled_as_people_read_them(said, text):
    assert said == text


def test_a_look_of_nobody_is_no_examination():
    looked = e.DoctorReported((Finding("disk", Level.OK, "12 GB free"),), "rehearsal")
    assert view_of(folded(started(), looked))["examined"]["ok"] == 1
    assert view_of(folded(started(), e.DoctorReported((), "rehearsal")))["examined"] is None
