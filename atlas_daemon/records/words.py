"""Each event as one line for people: level, who speaks, and the sentence.

Levels are the handbook's: INFO what goes as it should, WARNING what is unusual and recovers,
ERROR what prevented something, CRITICAL what needs somebody now; DEBUG for questions and figures.
The test of this file holds it to the whole catalogue.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.findings import reds
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.scale import spelled
from atlas_daemon.core.values import Draft

from .going_live_words import GOING_LIVE_WORDS
from .lines import Line, stamp
from .trades_csv import OrderSeen

Seen = OrderSeen | None
LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})

_STEP_LEVELS: Mapping[str, str] = {
    OrderStatus.UNKNOWN: "warning",
    OrderStatus.WITHHELD: "warning",
    OrderStatus.LAPSED: "error",
    OrderStatus.REJECTED: "error",
    OrderStatus.REFUSED: "error",
    OrderStatus.EXPIRED: "warning",
    OrderStatus.REPLACED: "warning",
    OrderStatus.SENDING: "debug",
}


def words(event: e.Event, known: Seen) -> Line | None:
    """Return the line of an event, None where it says nothing; `known` is its order before it."""
    say = _WORDS.get(type(event))
    if say is None:  # a line without wording is better than an end for want of words
        return Line("debug", "Core", str(event))
    return say(event, known)


def sentence(draft: Draft) -> str:
    """Return an order in short: `BUY 10 SPY (market)`."""
    return f"{draft.side.upper()} {draft.qty:f} {draft.symbol} ({draft.order_type})"


def slippage_pct(event: e.FillBooked, known: Seen) -> Decimal | None:
    """Return what a fill cost against the expected price, as a fraction; positive is a cost."""
    expected = None if known is None else known.draft.expected_price
    if not expected:
        return None
    return (event.price - expected) / expected * event.side.sign


def _order_submitted(event: e.OrderSubmitted, known: Seen) -> Line:
    what = "order" if known is None else sentence(known.draft)
    again = f", request {event.sends} under this id" if event.sends > 1 else ""
    return Line("info", "Submitter", f"Submitted {what}: {event.order_id}{again}")


def _order_stepped(event: e.OrderStepped, known: Seen) -> Line:
    what = "" if known is None else f" {sentence(known.draft)}"
    filled = ""
    if known is not None and event.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
        filled = f", {known.filled_qty:f} of {known.draft.qty:f} filled"
    why = f": {event.reason}" if event.reason else ""
    level = _STEP_LEVELS.get(event.status, "info")
    return Line(level, "Tracker", f"Order {event.order_id}{what} is {event.status}{filled}{why}")


def _fill_booked(event: e.FillBooked, known: Seen) -> Line:
    of = "" if known is None else f" of {known.draft.qty:f}"
    text = (
        f"Filled {event.side.upper()} {event.qty:f} {event.symbol} @ {event.price:f}: "
        f"{event.order_id}, {event.filled_qty:f}{of} so far"
    )
    if event.is_complete:
        return Line("info", "Tracker", text)
    return Line("warning", "Tracker", f"{text}, partially filled")


def _order_refused(event: e.OrderRefused, known: Seen) -> Line:
    rule = f"{event.rule}: {event.detail} (actual {event.actual}, limit {event.limit})"
    return Line("error", "OrderValidator", f"Refused {sentence(event.draft)}: {rule}")


def _run_planned(event: e.RunPlanned, known: Seen) -> Line:
    scaled = "" if event.scale == 1 else f" x scale {spelled(event.scale)}"
    text = (
        f"Run {event.run_id} planned, round {event.round}: {len(event.lines)} lines, "
        f"{event.regime} {event.allocation:%}{scaled}, deployable {event.deployable:.2f} "
        f"of {event.equity:.2f}, digest {event.digest}"
    )
    return Line("info", "Planner", text)


def _run_finished(event: e.RunFinished, known: Seen) -> Line:
    level = {"done": "info", "aborted": "error"}.get(event.outcome, "error")
    text = f"Run {event.run_id} {event.outcome}{' for good' if event.is_final else ''}"
    text += f": {event.reason}" if event.reason else ""
    report = event.report
    if report is not None:
        text += (
            f"; orders {report.total_orders}, filled {report.filled_orders}, "
            f"rejected {report.rejected_orders}, slippage {report.total_slippage:f}, "
            f"equity {report.final_equity:f}, {report.regime} {report.allocation_pct:f}"
        )
    return Line(level, "Planner", text)


def _alert_raised(event: e.AlertRaised, known: Seen) -> Line:
    level = event.level if event.level in LEVELS else "error"
    return Line(level, "Alert", f"{event.key}: {event.text}")


def _stream_reported(event: e.StreamReported, known: Seen) -> Line:
    level = {"connecting": "debug", "listening": "info"}.get(event.condition, "warning")
    detail = f": {event.detail}" if event.detail else ""
    return Line(level, "Stream", f"trade_updates {event.condition}{detail}")


def _fetch_failed(event: e.FetchFailed, known: Seen) -> Line:
    level = "critical" if event.what == "credentials" else "warning"
    return Line(level, "AlpacaTradingClient", f"No answer on {event.what}: {event.detail}")


def _doctor_reported(event: e.DoctorReported, known: Seen) -> Line:
    found = reds(event.findings)
    said = "; ".join(f"{finding.check}: {finding.text}" for finding in found) or "nothing"
    level = "warning" if found else "info"
    return Line(level, "Doctor", f"{len(event.findings)} findings ({event.reason}), red: {said}")


def _cash_restated(event: e.CashRestated, known: Seen) -> Line:
    level = "info" if event.is_within_tolerance else "warning"
    return Line(level, "Reconciler", f"Cash restated from {event.ours:f} to {event.theirs:f}")


def _activity_booked(event: e.ActivityBooked, known: Seen) -> Line:
    activity = event.activity
    moves = ", ".join(f"{move.symbol} {move.qty:+f}" for move in event.moves)
    about = " ".join(word for word in (activity.kind, activity.symbol, event.note) if word)
    if not event.is_explained:
        return Line("warning", "Reconciler", f"Activity {about}: explains nothing")
    text = f"Activity {about}: cash {event.cash:+f}" + (f", {moves}" if moves else "")
    level = "warning" if activity.kind == "FILL" else "info"
    return Line(level, "Reconciler", text)


def _book_adopted(event: e.BookAdopted, known: Seen) -> Line:
    cash = "" if event.cash is None else f", cash {event.cash:f}"
    what = ", ".join(f"{symbol} {qty:f}" for symbol, qty in event.positions) or "no position"
    return Line("info", "Reconciler", f"Book adopted ({event.why}): {what}{cash}")


def _foreign_order(event: e.ForeignOrderFound, known: Seen) -> Line:
    whose = "with our prefix, but not in the journal" if event.carries_our_prefix else "not ours"
    qty = "" if event.qty is None else f" {event.qty:f}"
    level = "critical" if event.carries_our_prefix else "warning"
    text = f"Open order {whose}: {event.side.upper()}{qty} {event.symbol}"
    return Line(level, "Reconciler", f"{text}, {event.broker_order_id} {event.client_order_id}")


def _durability(event: e.HaltDurabilityChanged, known: Seen) -> Line:
    if event.is_held:
        return Line("warning", "Halter", f"The stop is held by the {event.what} again")
    text = f"NOT DURABLE, the stop holds in memory only: {event.what}: {event.detail}"
    return Line("critical", "Halter", text)


def _says(level: str, component: str, template: str) -> Callable[[Any, Seen], Line]:
    """Return words that fill the event's fields into a sentence."""

    def say(event: Any, known: Seen) -> Line:
        return Line(level, component, template.format(e=event))

    return say


def _counts(component: str, what: str, field: str) -> Callable[[Any, Seen], Line]:
    def say(event: Any, known: Seen) -> Line:
        return Line("debug", component, f"{what}: {len(getattr(event, field))}")

    return say


def _policy_changed(event: e.PolicyChanged, known: Seen) -> Line:
    text = f"Configuration {event.config_digest} in force; changed: {', '.join(event.changed)}"
    return Line("warning", "Daemon", text)


def _job_fired(event: e.JobFired, known: Seen) -> Line:
    missed = f", {event.missed} earlier ones missed" if event.missed else ""
    text = f"{event.job} fired, due at {stamp(event.due_at)} New York{missed}"
    return Line("info", "Schedule", text)


def _regime_changed(event: e.RegimeChanged, known: Seen) -> Line:
    was = "unknown" if event.was is None else event.was
    text = f"Regime confirmed: {was} to {event.regime} as of {event.as_of} ({event.source})"
    return Line("warning", "Forecaster", f"{text}; what follows: {event.reaction}")


def _drift_seen(event: e.DriftSeen, known: Seen) -> Line:
    text = f"Quantities differ, looking again: {', '.join(event.symbols)}"
    return Line("warning", "Reconciler", text)


def _daemon_started(event: e.DaemonStarted, known: Seen) -> Line:
    number = f" {event.account_number}" if event.account_number else ""
    text = (
        f"Started {event.version} on {event.account_mode}-{event.account_name}{number}, "
        f"configuration {event.config_digest}, latched {event.is_latched}"
    )
    return Line("info", "Daemon", text)


def _silent(event: object, known: Seen) -> None:
    return None


_WORDS: Mapping[type[e.Event], Callable[[Any, Seen], Line | None]] = {
    # from ourselves, from time, from the operator
    e.DaemonStarted: _daemon_started,
    e.Ticked: _silent,
    e.ShutdownRequested: _says("info", "Daemon", "Shutdown requested by {e.by}"),
    e.StopRequested: _says("critical", "Halter", "STOP requested by {e.by}: {e.reason}"),
    e.ResumeRequested: _says("warning", "Halter", "Resume requested by {e.by}"),
    e.RebalanceRequested: _says(
        "info", "Scheduler", "Rebalance requested by {e.by}, force {e.force}"
    ),
    e.AdoptRequested: _says("info", "Reconciler", "Adoption requested by {e.by}"),
    e.PolicyChanged: _policy_changed,
    # from the broker
    e.StreamReported: _stream_reported,
    e.FrameUnread: _says("warning", "Stream", "Frame not understood: {e.detail}: {e.excerpt}"),
    e.OrderReported: _says(
        "debug",
        "Tracker",
        "{e.source}: {e.order_id} {e.symbol} {e.status}, {e.filled_qty} filled {e.detail}",
    ),
    e.OrderFilled: _says(
        "debug",
        "Tracker",
        "execution {e.execution_id}: {e.order_id} {e.qty} {e.symbol} @ {e.price}",
    ),
    e.SubmitRefused: _says(
        "error",
        "AlpacaTradingClient",
        "Order {e.order_id} refused by the broker: {e.reason} ({e.kind}, HTTP {e.http_status}, "
        "code {e.code})",
    ),
    e.SubmitWithheld: _says("warning", "Outlet", "Order {e.order_id} withheld: {e.why}"),
    e.SubmitUnconfirmed: _says(
        "warning", "AlpacaTradingClient", "Answer to order {e.order_id} lost: {e.detail}"
    ),
    e.OrderNotFound: _says("debug", "Tracker", "The broker does not know {e.order_id}"),
    e.CancelUnconfirmed: _says(
        "warning", "AlpacaTradingClient", "Cancel of {e.order_id} not confirmed: {e.detail}"
    ),
    e.SnapshotReported: _counts("Reconciler", "positions reported", "positions"),
    e.QuotesReported: _counts("Quotes", "quotes reported", "quotes"),
    e.AssetsReported: _counts("Reconciler", "assets reported", "assets"),
    e.SessionsReported: _counts("Scheduler", "sessions reported", "sessions"),
    e.SignalsReported: _says(
        "info",
        "Strategy",
        "Signals of {e.signal_day} from {e.source}: {e.regime} as of {e.regime_as_of}, "
        "{e.candidates} candidates",
    ),
    e.RegimeReported: _says("info", "Strategy", "Regime {e.regime} as of {e.as_of} ({e.source})"),
    e.JobFired: _job_fired,
    e.DoctorReported: _doctor_reported,
    e.ClockReported: _says("debug", "Timekeeper", "The broker's clock says {e.told_at}"),
    e.FetchFailed: _fetch_failed,
    e.LatchWritten: _says("info", "Halter", "The stop is on disk: {e.what}"),
    e.LatchFailed: _says("critical", "Halter", "The stop's {e.what} failed: {e.detail}"),
    e.SuspendTradeChanged: _says("warning", "Halter", "suspend_trade at the broker: {e.is_on}"),
    e.DaemonCrashed: _says("critical", "Daemon", "Ended by an exception of our own: {e.detail}"),
    # decided
    e.FiguresRequested: _counts("Reconciler", "figures requested, with quotes", "symbols"),
    e.LookUpRequested: _says("debug", "Tracker", "Asking the broker for {e.order_id}"),
    e.SessionsRequested: _says("debug", "Scheduler", "Asking the broker for its calendar"),
    e.RegimeRequested: _says("debug", "Forecaster", "Asking for the regime of {e.signal_day}"),
    e.DoctorRequested: _says("debug", "Housekeeper", "Asking for the doctor: {e.reason}"),
    e.ClockRequested: _says("debug", "Timekeeper", "Asking the broker for its time"),
    e.ClockDisputed: _says(
        "warning", "Timekeeper", "The broker's clock is {e.skew_s} s from ours (positive: ahead)"
    ),
    e.ClockStepped: _says("error", "Timekeeper", "Our clock was set back; it said {e.was}"),
    e.ClockAgreed: _says("info", "Timekeeper", "The clocks agree again"),
    e.RegimeChanged: _regime_changed,
    e.SignalsRequested: _says("debug", "Planner", "Asking for the signals of {e.signal_day}"),
    e.ModeChanged: _says("info", "Daemon", "Mode {e.mode}: {e.reason}"),
    e.BookAdopted: _book_adopted,
    e.BookMatched: _says("debug", "Reconciler", "Book and broker agree"),
    e.DriftSeen: _drift_seen,
    e.DriftFound: _says(
        "error",
        "Reconciler",
        "{e.symbol} frozen: we have {e.ours}, the broker has {e.theirs}",
    ),
    e.CashRestated: _cash_restated,
    e.CashDriftSeen: _says(
        "warning", "Reconciler", "Cash differs, looking again: ours {e.ours}, theirs {e.theirs}"
    ),
    e.CashUnexplained: _says(
        "error",
        "Reconciler",
        "Cash unexplained: ours {e.ours}, theirs {e.theirs}; the lower counts",
    ),
    e.ActivitiesRequested: _says("debug", "Reconciler", "Asking the broker for activities"),
    e.ActivitiesReported: _counts("Reconciler", "activities reported", "activities"),
    e.ActivityBooked: _activity_booked,
    e.ActivitiesNoted: _says("debug", "Reconciler", "Activities read up to {e.asked_at}"),
    e.DriftExplained: _says("info", "Reconciler", "{e.symbol} explained, frozen no more"),
    e.OrderAdopted: _says(
        "warning",
        "Reconciler",
        "Order {e.order_id} adopted: {e.side} {e.qty} {e.symbol}, run {e.run_id}",
    ),
    e.RivalSuspected: _says("critical", "Reconciler", "{e.why}"),
    e.FirstBookSeen: _says("debug", "Reconciler", "First look at the book; a second one follows"),
    e.StreamDoubted: _says("warning", "Stream", "Stream doubted: {e.why}"),
    e.ForeignOrderFound: _foreign_order,
    e.CalendarDisputed: _says("critical", "Scheduler", "Calendars differ: {e.detail}"),
    e.CalendarAgreed: _says("debug", "Scheduler", "Calendars agree from {e.first} to {e.last}"),
    e.SlotMissed: _says("critical", "Scheduler", "Slot {e.slot} missed: {e.why}"),
    e.RunStarted: _says(
        "info",
        "Scheduler",
        "Run {e.run_id} started ({e.trigger}): orders on {e.order_day}, signals of {e.signal_day}",
    ),
    e.RunContinued: _says(
        "info",
        "Scheduler",
        "Run {e.run_id} goes on: orders on {e.order_day}, signals of {e.signal_day}",
    ),
    e.RunPlanned: _run_planned,
    e.LineDropped: _says(
        "warning", "Planner", "Run {e.run_id} drops {e.symbol}: {e.rule}: {e.detail}"
    ),
    e.LinesChecked: _says("debug", "Planner", "Run {e.run_id}: all lines checked"),
    e.PhaseDrafted: _says("debug", "Planner", "Run {e.run_id} {e.phase}: all drafts answered"),
    e.GatesAnswered: _says("info", "OrderValidator", "Run {e.run_id}: gates of round {e.round}"),
    e.PhaseStarted: _says("info", "Planner", "Run {e.run_id} {e.phase}, round {e.round}"),
    e.OrderTrimmed: _says(
        "warning",
        "OrderValidator",
        "Order {e.order_id} cut from {e.wanted_qty} to {e.qty}: {e.rule} (actual {e.actual}, "
        "limit {e.limit})",
    ),
    e.OrderRefused: _order_refused,
    e.OrderDrafted: _says("debug", "Planner", "Order {e.draft.order_id} drafted"),
    e.OrderApproved: _says("debug", "OrderValidator", "Order {e.approved.draft.order_id} approved"),
    e.OrderSubmitted: _order_submitted,
    e.OrderStepped: _order_stepped,
    e.FillBooked: _fill_booked,
    e.OrderDisputed: _says("error", "Tracker", "Order {e.order_id} disputed: {e.detail}"),
    e.ExecutionDisputed: _says(
        "error",
        "Tracker",
        "Execution {e.execution_id} of {e.order_id} disputed: booked {e.qty} @ {e.price}, "
        "told {e.told_qty} @ {e.told_price}",
    ),
    e.OrderOverfilled: _says(
        "error", "Tracker", "{e.symbol} frozen: {e.order_id} of {e.qty} filled {e.filled_qty}"
    ),
    e.CancelRequested: _says("info", "Submitter", "Cancelling {e.order_id}: {e.why}"),
    e.RunFinished: _run_finished,
    e.TradingHalted: _says("critical", "Halter", "HALTED by {e.by}: {e.reason}"),
    e.HaltCompleted: _says("critical", "Halter", "Halt complete: no order of ours can fill"),
    e.CancelsRepeated: _says("debug", "Halter", "Cancelling again: the halt is not complete"),
    e.HaltDurabilityChanged: _durability,
    e.SuspendTradeRequested: _says("warning", "Halter", "Asking for suspend_trade: {e.is_on}"),
    e.TradingResumed: _says("warning", "Halter", "Resumed by {e.by}"),
    e.RequestDenied: _says("error", "Daemon", "{e.what} denied: {e.rule}: {e.detail}"),
    e.AlertRaised: _alert_raised,
    e.EquityMarked: _says("info", "Reconciler", "Equity of {e.day}: {e.equity}, cash {e.cash}"),
    **GOING_LIVE_WORDS,
}
