"""The map of the house: which event goes to which handlers, in which order. Nothing else is wiring.

Read it as the story of a rebalance: a tick finds a slot due, signals and figures are asked for,
the plan passes the gates, sells are drafted, approved, sent; their fills settle the phase; buys
follow from realised cash; the books are compared; the run is reported.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import (
    activities,
    asking,
    forecaster,
    halter,
    housekeeper,
    planner,
    ramp,
    reconciler,
    scheduler,
    submitter,
    timekeeper,
    tracker,
    validator,
)
from . import events as e
from .effects import Effect
from .policy import Policy
from .state import State

Handler = Callable[[State, Any, Policy], Iterable[e.Event | Effect]]

ROUTES: Mapping[type[e.Event], tuple[Handler, ...]] = {
    # ourselves, time, the operator
    e.DaemonStarted: (
        tracker.on_daemon_started,
        reconciler.on_daemon_started,
        timekeeper.on_daemon_started,
        halter.on_daemon_started,
    ),
    e.Ticked: (
        tracker.on_ticked,
        submitter.on_ticked,
        timekeeper.on_ticked,
        reconciler.on_ticked,
        activities.on_ticked,
        halter.on_ticked,
        scheduler.on_ticked,
        planner.on_anything,
        forecaster.on_ticked,
        housekeeper.on_ticked,
        ramp.on_ticked,
    ),
    e.JobFired: (scheduler.on_job_fired, timekeeper.on_job_fired, housekeeper.on_job_fired),
    e.StopRequested: (halter.on_stop_requested,),
    e.SuspendTradeChanged: (halter.on_suspend_trade_changed,),
    e.ResumeRequested: (halter.on_resume_requested,),
    e.RebalanceRequested: (scheduler.on_rebalance_requested,),
    e.ScaleRequested: (ramp.on_scale_requested,),
    e.CertificateReported: (reconciler.on_difference,),
    e.AdoptRequested: (reconciler.on_adopt_requested,),
    # the broker
    e.StreamReported: (reconciler.on_stream_reported, activities.on_stream_reported),
    e.FrameUnread: (tracker.on_frame_unread,),
    e.OrderReported: (tracker.on_order_reported,),
    e.OrderFilled: (tracker.on_order_filled,),
    e.SubmitRefused: (tracker.on_submit_refused,),
    e.SubmitWithheld: (tracker.on_submit_withheld,),
    e.SubmitUnconfirmed: (tracker.on_submit_unconfirmed,),
    e.OrderNotFound: (tracker.on_order_not_found, submitter.on_order_not_found),
    e.SnapshotReported: (
        halter.on_account_seen,
        activities.on_snapshot_reported,
        reconciler.on_snapshot_reported,
        halter.on_snapshot_reported,
        planner.on_anything,
    ),
    e.ActivitiesReported: (activities.on_activities_reported,),
    e.SessionsReported: (timekeeper.on_sessions_reported,),
    e.ClockReported: (timekeeper.on_clock_reported,),
    e.FetchFailed: (
        reconciler.on_fetch_failed,
        forecaster.on_fetch_failed,
        timekeeper.on_fetch_failed,
        housekeeper.on_fetch_failed,
    ),
    # the strategy
    e.SignalsReported: (
        planner.on_regime_reported,
        forecaster.on_regime_heard,
        planner.on_anything,
    ),
    e.RegimeReported: (
        planner.on_regime_reported,
        forecaster.on_regime_heard,
        scheduler.on_regime_heard,
    ),
    # the doctor
    e.DoctorReported: (housekeeper.on_doctor_reported,),
    # decided
    e.LatchWritten: (halter.on_latch_written,),
    e.LatchFailed: (halter.on_latch_failed,),
    e.RegimeChanged: (forecaster.on_regime_changed, scheduler.on_regime_heard),
    e.CalendarDisputed: (reconciler.on_difference,),
    e.CalendarAgreed: (reconciler.on_difference,),
    e.ClockDisputed: (reconciler.on_difference,),
    e.ClockAgreed: (reconciler.on_difference,),
    e.BookAdopted: (activities.on_book_adopted,),
    e.DriftSeen: (reconciler.on_difference, activities.on_difference),
    e.CashDriftSeen: (reconciler.on_difference, activities.on_difference),
    e.ForeignOrderFound: (reconciler.on_foreign_order_found,),
    e.RivalSuspected: (reconciler.on_difference,),
    e.StreamDoubted: (reconciler.on_stream_doubted,),
    e.BookMatched: (reconciler.on_book_matched,),
    e.ModeChanged: (planner.on_anything,),
    e.RunStarted: (planner.on_anything,),
    e.RunContinued: (planner.on_anything,),
    e.LinesChecked: (planner.on_lines_checked,),
    e.RunPlanned: (validator.on_run_planned,),
    e.PhaseStarted: (planner.on_phase_started,),
    e.OrderDrafted: (validator.on_order_drafted,),
    e.OrderRefused: (submitter.on_order_refused,),
    e.OrderApproved: (submitter.on_order_approved,),
    e.PhaseDrafted: (planner.on_anything,),
    e.CancelRequested: (tracker.on_cancel_requested,),
    e.OrderStepped: (planner.on_anything,),
    e.AlertRaised: (asking.on_alert_raised,),
}
