"""Each route of the map, once: an event, and what its handlers make of it in the same turn."""

from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.routes import ROUTES
from atlas_daemon.core.state import Phase, RegimeSeen
from atlas_daemon.core.values import AccountMode, Approved, BrokerOrderId, Mode, Regime, Side

from .builders import (
    BORN,
    DAY,
    NOW,
    POLICY,
    RUN,
    SIGNAL_DAY,
    a_draft,
    a_halt,
    a_line,
    a_plan,
    a_position,
    a_quote,
    a_run,
    a_snapshot,
    a_state,
    an_activity,
    an_asset,
    an_open_order,
    an_order,
    filled,
    holding,
    listed,
    reported,
    secs,
    some_signals,
)
from .live_world import LIVE
from .playbook import given

BUY, SELL = an_order(status="working"), an_order(side="sell", status="working")
SENDING, UNKNOWN = an_order(status="sending"), an_order(status="unknown")
BUYING = {"run": a_run(Phase.BUYING)}
DUE = {"run": a_run(Phase.DUE, signals=some_signals())}
OLD = NOW - timedelta(minutes=2)
STARTED = e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", False)
WAITED = {"now": NOW + timedelta(minutes=6)}
APPROVED = Approved(a_draft(), NOW, NOW + secs(60))
CERTIFIED = e.CertificateReported("C1", NOW + timedelta(days=9), "")
SELL_PLAN = a_plan([a_line(current="10", target="0")])
HOLDS = {"snapshot": a_snapshot(positions=[a_position("AAPL", "10")])}

# The event, the state it meets, and what follows (others may follow between).
CASES: dict[type, tuple] = {
    e.DaemonStarted: (STARTED, a_state(orders=[BUY]), (fx.FetchOrder, fx.FetchFigures)),
    e.Ticked: (
        e.Ticked(),
        a_state(orders=[BUY], **WAITED),
        (fx.FetchOrder, e.CancelRequested, fx.CancelOrder),
    ),
    e.StopRequested: (
        e.StopRequested("op", "odd"),
        a_state(orders=[BUY], **BUYING),
        (fx.WriteLatch, e.TradingHalted, fx.SendAlert, e.CancelRequested, fx.CancelAllOrders),
    ),
    e.ResumeRequested: (
        e.ResumeRequested("op"),
        a_state(halt=a_halt(), mode=Mode.HALTED),
        (fx.RemoveLatch, e.TradingResumed, fx.FetchFigures),
    ),
    e.RebalanceRequested: (
        e.RebalanceRequested("op", force=True),
        a_state(),
        (e.RunStarted("force-20240201-1", "force", None, DAY, SIGNAL_DAY), fx.ComputeSignals),
    ),
    e.AdoptRequested: (
        e.AdoptRequested("op", None),
        a_state(seen=HOLDS),
        (e.BookAdopted(None, (("AAPL", Decimal(10)),), False, "adopted by op"), fx.FetchFigures),
    ),
    e.StreamReported: (
        e.StreamReported("refused", "406"),
        a_state(),
        (e.AlertRaised, e.ModeChanged),
    ),
    e.FrameUnread: (
        e.FrameUnread("no json", "x"),
        a_state(orders=[BUY]),
        (e.AlertRaised, e.LookUpRequested, fx.FetchOrder),
    ),
    e.OrderReported: (
        reported(BUY, "canceled", "4", "101"),
        a_state(orders=[BUY]),
        (e.FillBooked, e.OrderStepped),
    ),
    e.OrderFilled: (
        filled(BUY, "10", "10"),
        a_state(orders=[BUY], **BUYING),
        (e.FillBooked, e.OrderStepped, e.PhaseStarted, fx.FetchFigures),
    ),
    e.SubmitRefused: (
        e.SubmitRefused(SENDING.draft.order_id, "other", 403, 1, "no"),
        a_state(orders=[SENDING]),
        (e.OrderStepped(SENDING.draft.order_id, "refused", "", None, "403/1: no"),),
    ),
    e.SubmitWithheld: (
        e.SubmitWithheld(SENDING.draft.order_id, "halted"),
        a_state(orders=[SENDING]),
        (e.OrderStepped(SENDING.draft.order_id, "withheld", "", None, "halted"),),
    ),
    e.SubmitUnconfirmed: (
        e.SubmitUnconfirmed(SENDING.draft.order_id, "timeout"),
        a_state(orders=[SENDING]),
        (e.OrderStepped, e.LookUpRequested, fx.FetchOrder),
    ),
    e.OrderNotFound: (
        e.OrderNotFound(UNKNOWN.draft.order_id, NOW + secs(50)),
        a_state(orders=[UNKNOWN], now=NOW + secs(50), **BUYING),
        (e.OrderDrafted, e.OrderApproved, e.OrderSubmitted, fx.SubmitOrder),
    ),
    e.SnapshotReported: (
        a_snapshot(open_orders=[an_open_order()]),
        a_state(),
        (e.ForeignOrderFound, e.AlertRaised, e.BookMatched),
    ),
    e.SessionsReported: (
        e.SessionsReported(DAY, DAY, ()),
        a_state(),
        (e.CalendarDisputed, e.AlertRaised),
    ),
    e.FetchFailed: (e.FetchFailed("signals", "no bars"), a_state(), (e.AlertRaised,)),
    e.SignalsReported: (
        some_signals(),
        a_state(run=a_run(Phase.DUE), seen={"asked_at": OLD}),
        (e.LinesChecked, e.RunPlanned),
    ),
    e.RegimeReported: (
        e.RegimeReported(Regime.CRASH, DAY, "op"),
        a_state(orders=[BUY], book=holding(MSFT="5"), **BUYING),
        (e.CancelRequested, fx.CancelOrder, e.RunFinished, e.RunStarted),
    ),
    e.LatchWritten: (
        e.LatchWritten(),
        a_state(halt=a_halt(missing=frozenset({"latch"}))),
        (e.HaltDurabilityChanged("latch", is_held=True),),
    ),
    e.LatchFailed: (e.LatchFailed("read-only"), a_state(halt=a_halt()), (e.AlertRaised,)),
    e.BookMatched: (
        e.BookMatched(),
        a_state(mode=Mode.REDUCE_ONLY),
        (e.ModeChanged(Mode.TRADING, "reconciled, stream listening"),),
    ),
    e.DriftSeen: (
        e.DriftSeen(("AAPL",)),
        a_state(now=NOW + secs(3)),
        (e.ModeChanged(Mode.REDUCE_ONLY, "positions differ"), fx.FetchActivities),
    ),
    e.ModeChanged: (e.ModeChanged(Mode.TRADING, "x"), a_state(**DUE), (e.RunPlanned,)),
    e.RunStarted: (
        e.RunStarted(RUN, "slot", "2024-02", DAY, SIGNAL_DAY),
        a_state(),
        (e.SignalsRequested, fx.ComputeSignals),
    ),
    e.RunContinued: (
        e.RunContinued(RUN, DAY, SIGNAL_DAY),
        a_state(run=a_run(Phase.PARKED)),
        (e.SignalsRequested, fx.ComputeSignals),
    ),
    e.LinesChecked: (e.LinesChecked(RUN), a_state(**DUE), (e.RunPlanned,)),
    e.RunPlanned: (
        a_plan(),
        a_state(**DUE),
        (e.GatesAnswered, e.PhaseStarted(RUN, "selling", 1)),
    ),
    e.PhaseStarted: (
        e.PhaseStarted(RUN, "selling", 1),
        a_state(run=a_run(Phase.DUE, plan=SELL_PLAN, round=1), book=holding(AAPL="10"), seen=HOLDS),
        (e.OrderDrafted, e.OrderApproved, fx.SubmitOrder, e.PhaseDrafted),
    ),
    e.OrderDrafted: (
        e.OrderDrafted(a_draft()),
        a_state(**BUYING),
        (e.OrderApproved, e.OrderSubmitted, fx.SubmitOrder),
    ),
    e.OrderRefused: (
        e.OrderRefused(a_draft(), "cash_only", "1", "0", "no cash"),
        a_state(**BUYING),
        (e.AlertRaised, fx.SendAlert),
    ),
    e.OrderApproved: (
        e.OrderApproved(APPROVED),
        a_state(),
        (e.OrderSubmitted(APPROVED.draft.order_id, 1), fx.SubmitOrder(APPROVED)),
    ),
    e.PhaseDrafted: (
        e.PhaseDrafted(RUN, "selling"),
        a_state(run=a_run(Phase.SELLING)),
        (e.PhaseStarted(RUN, "buying", 1),),
    ),
    e.CancelRequested: (
        e.CancelRequested(BUY.draft.order_id, "halted"),
        a_state(orders=[BUY]),
        (e.OrderStepped,),
    ),
    e.OrderStepped: (
        e.OrderStepped(SELL.draft.order_id, "filled", "filled", BrokerOrderId("b")),
        a_state(orders=[SELL], run=a_run(Phase.SELLING)),
        (e.PhaseStarted(RUN, "buying", 1),),
    ),
    e.ActivitiesReported: (
        listed(an_activity("FEE", "-2")),
        a_state(),
        (e.ActivityBooked, e.ActivitiesNoted(NOW, ()), fx.FetchFigures),
    ),
    e.BookAdopted: (
        e.BookAdopted(Decimal(1), (), is_whole=True, why="first start"),
        a_state(),
        (e.ActivitiesRequested, fx.FetchActivities(BORN - timedelta(days=3), NOW)),
    ),
    e.CashDriftSeen: (
        e.CashDriftSeen(Decimal(1), Decimal(100)),
        a_state(now=NOW + secs(3)),
        (e.ModeChanged(Mode.REDUCE_ONLY, "cash differs"), fx.FetchActivities),
    ),
    e.ForeignOrderFound: (
        e.ForeignOrderFound(BrokerOrderId("b1"), "x", "AAPL", Side.BUY, Decimal(5), False),
        a_state(),
        (e.AlertRaised("warning", "foreign", "a foreign order rests: buy 5 AAPL (x)"),),
    ),
    e.RivalSuspected: (
        e.RivalSuspected("another daemon"),
        a_state(),
        (e.ModeChanged(Mode.REDUCE_ONLY, "another daemon"),),
    ),
    e.SuspendTradeChanged: (
        e.SuspendTradeChanged(is_on=False),
        a_state(),
        (fx.FetchFigures,),
    ),
    e.StreamDoubted: (
        e.StreamDoubted("no news of x"),
        a_state(),
        (e.AlertRaised, fx.FetchFigures, e.ModeChanged(Mode.REDUCE_ONLY, "stream doubted")),
    ),
    e.JobFired: (
        e.JobFired("rebalance_check", NOW),
        a_state(born_at=BORN),
        (e.RunStarted(RUN, "slot", "2024-02", DAY, SIGNAL_DAY), fx.ComputeSignals),
    ),
    e.ClockReported: (
        e.ClockReported(NOW, NOW, NOW + secs(61)),
        a_state(),
        (e.ClockDisputed(Decimal("61.000"), is_blocking=True), e.ModeChanged, e.AlertRaised),
    ),
    e.ClockDisputed: (
        e.ClockDisputed(Decimal(-61), is_blocking=True),
        a_state(),
        (e.ModeChanged(Mode.REDUCE_ONLY, "the broker's clock is -61 s from ours"),),
    ),
    e.ClockAgreed: (
        e.ClockAgreed(),
        a_state(mode=Mode.REDUCE_ONLY),
        (e.ModeChanged(Mode.TRADING, "reconciled, stream listening"),),
    ),
    e.CalendarDisputed: (
        e.CalendarDisputed("2024-02-02: ours closed"),
        a_state(),
        (e.ModeChanged(Mode.REDUCE_ONLY, "calendars differ"),),
    ),
    e.CalendarAgreed: (
        e.CalendarAgreed(DAY, DAY),
        a_state(mode=Mode.REDUCE_ONLY, calendar_dispute="x"),
        (e.ModeChanged(Mode.TRADING, "reconciled, stream listening"),),
    ),
    e.RegimeChanged: (
        e.RegimeChanged(Regime.TREND_BULL, Regime.CRASH, SIGNAL_DAY, "op", "cash"),
        a_state(
            regime=RegimeSeen(Regime.CRASH, SIGNAL_DAY, "op", NOW),
            book=holding(MSFT="5"),
            slots={"2024-02": "done"},
        ),
        (e.AlertRaised, e.RunStarted("crash-20240201", "crash", None, DAY, SIGNAL_DAY)),
    ),
    e.DoctorReported: (
        e.DoctorReported((Finding("disk", Level.RED, "full"),), "rehearsal"),
        a_state(),
        (e.AlertRaised, fx.SendAlert),
    ),
    e.CertificateReported: (
        e.CertificateReported("", None, "there is none"),
        a_state(seen={"certificate": CERTIFIED}),
        (e.ModeChanged(Mode.REDUCE_ONLY, "certificate: there is none"),),
    ),
    e.ScaleRequested: (
        e.ScaleRequested("ann", Decimal("0.1")),
        a_state(),
        (e.ScaleChanged("ann", Decimal("0.25"), Decimal("0.1"), 0), e.AlertRaised, fx.SendAlert),
    ),
    e.AlertRaised: (
        e.AlertRaised("info", "key", "text"),
        a_state(),
        (fx.SendAlert("info", "key", "text"),),
    ),
}


def test_every_route_has_its_case() -> None:
    assert set(CASES) == set(ROUTES)


@pytest.mark.parametrize("kind", list(CASES), ids=lambda kind: kind.__name__)
def test_the_route_leads_where_it_says(kind: type) -> None:
    event, state, wanted = CASES[kind]
    policy = LIVE if kind in (e.CertificateReported, e.ScaleRequested) else POLICY
    given(state, policy).when(event).then_some(*wanted)


def test_the_map_names_no_handler_twice_for_one_event() -> None:
    for handlers in ROUTES.values():
        assert len(set(handlers)) == len(handlers)


def test_the_makers_of_the_tests_fit_together() -> None:
    state = a_state(seen={"quotes": {"AAPL": a_quote()}, "assets": {"AAPL": an_asset()}})
    assert state.figures.quotes["AAPL"].ask > state.figures.quotes["AAPL"].bid
    assert SELL.draft.side is Side.SELL
