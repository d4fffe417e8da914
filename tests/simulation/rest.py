"""When all has come to rest, and what must be equal then: journal, book, broker.

Asked from outside, of the state of the daemon that lives; nothing here moves anything.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from atlas_daemon.app import Daemon
from atlas_daemon.core import events as e
from atlas_daemon.core.certificate import LAPSED
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.state import Phase, State
from atlas_daemon.core.values import Mode
from atlas_daemon.journal import Journal
from tests.core.invariants import lasting, recovered
from tests.simulation.broker import Broker
from tests.simulation.disk import Disk
from tests.simulation.scene import DUE


def rest_of(daemon: Daemon, broker: Broker, *, stays_halted: bool) -> str:
    """Return how the story could end now; empty where something is still under way."""
    state = daemon.state
    if daemon._bus._held or not is_quiet(state, broker):
        return ""  # what holds in memory is written first
    if state.frozen or state.cash_dispute is not None:
        return ""  # explained, or adopted
    if state.halt is not None:
        return _rest_halted(daemon, broker) if stays_halted else ""
    if state.mode is not Mode.TRADING or state.figures.matched_at is None:
        return ""
    if state.run is None and state.last_run is None and not _is_due(state):
        return "born after the slot"  # neither due nor missed
    if state.last_run is None or (state.run is not None and state.run.phase is not Phase.PARKED):
        return ""
    if state.last_run.outcome == "aborted" and not state.last_run.is_final:
        return ""  # goes on after the resume
    if not state.last_run.is_final and state.last_run.reason.startswith(LAPSED):
        return ""  # goes on in a few minutes, now that a certificate counts
    if state.last_run.reason == "CRASH" and state.book.positions:
        return ""  # a run to cash follows
    return f"{state.last_run.outcome}{'' if state.last_run.is_final else ', parked'}"


def is_quiet(state: State, broker: Broker) -> bool:
    """True where nothing is open anywhere, and the figures are newer than the last change."""
    if any(state.open_orders()) or any(o.is_open for o in broker.orders.values()):
        return False
    if not state.book.is_known:
        return False
    figures = state.figures
    snapshot, changed_at = figures.snapshot, state.book.changed_at
    changes = [at for at in (changed_at, broker.moved_at) if at is not None]
    if snapshot is None or not all(at <= snapshot.asked_at <= broker.now for at in changes):
        return False
    return figures.drift_at is None and figures.cash_differs_at is None


def _is_due(state: State) -> bool:
    return state.born_at is None or state.born_at <= DUE


def _rest_halted(daemon: Daemon, broker: Broker) -> str:
    """Return how a stop has ended: all cancelled, and all sold where that was asked for."""
    state = daemon.state
    if state.halt is None or not state.halt.is_complete:
        return ""
    if daemon.settings.emergency.action != "flatten" or not state.halt.is_durable:
        return "halted"
    run, last = state.run, state.last_run
    if not broker.held:
        return "halted, flat"
    if last is None or last.run_id != state.halt.flatten:
        return ""
    if run is None or run.phase is Phase.PARKED:
        told = " ".join(last.report.discrepancies) if last.report is not None else ""
        is_told = all(symbol in told for symbol in broker.held)
        return "halted, rest told" if is_told else "halted, parked"
    return ""


def differences(daemon: Daemon, broker: Broker, epoch: datetime) -> Iterator[str]:
    """Yield what is not equal at rest: the journal's fold, our book, the broker's truth."""
    state = daemon.state
    ours = {s: q for s, q in state.book.positions.items() if q}
    if ours != broker.held:
        off = {
            s: (ours.get(s), broker.held.get(s))
            for s in sorted({*ours, *broker.held})
            if ours.get(s) != broker.held.get(s)
        }
        yield f"positions differ (ours, the broker's): {off}"
    if state.frozen:
        yield f"frozen without a reason: {dict(state.frozen)}"
    told = lasting(recovered(daemon.entries(), State(now=epoch)))
    lived = lasting(state)
    for name in State.__dataclass_fields__:
        if getattr(told, name) != getattr(lived, name):
            yield f"the journal's fold has another {name}"
    if abs(state.book.cash - broker.cash) > 1:
        yield f"cash differs: {state.book.cash} and {broker.cash}"


def where(state: State | None) -> str:
    """Say in one line what a daemon that does not come to rest is about."""
    if state is None:
        return "no daemon lives"
    run = f"{state.run.run_id} {state.run.phase} r{state.run.round}" if state.run else "no run"
    last = f"last {state.last_run.outcome}" if state.last_run else "none finished"
    rests = ", ".join(f"{o.draft.order_id} {o.status}" for o in state.open_orders())
    halt = f", halt complete {state.halt.is_complete}" if state.halt else ""
    frozen = f", frozen {sorted(state.frozen)}" if state.frozen else ""
    dispute = ", cash in dispute" if state.cash_dispute is not None else ""
    return (
        f"{state.mode} ({state.mode_reason}), {run}, {last}{halt}{frozen}{dispute}; "
        f"open: {rests or 'none'}"
    )


# What is left on the disk.


def read_back(path: Path, breach: Callable[[str], None]) -> list[e.Entry]:
    """Read the journal, its chain verified; each fault is given to `breach`."""
    try:
        with Journal.open_readonly(path) as journal:
            verdict = journal.verify()
            entries = list(journal.read())
    except AtlasError as error:
        breach(f"journal: {error}")
        return []
    if not verdict.is_intact:
        breach(f"journal: {verdict.fault}")
    return entries


def miscounts(entries: Sequence[e.Entry], broker: Broker, disk: Disk) -> Iterator[str]:
    """Yield what the journal has not, or has twice: orders, fills, activities."""
    booked: defaultdict[str, Decimal] = defaultdict(Decimal)
    names = {order.id: order.client_order_id for order in broker.orders.values()}
    heard: Counter[str] = Counter()
    runs = Counter(x.event.run_id for x in entries if isinstance(x.event, e.RunStarted))
    yield from (f"{run_id} is started {count} times" for run_id, count in runs.items() if count > 1)
    for entry in entries:
        event = entry.event
        if isinstance(event, e.FillBooked):
            booked[event.order_id] += event.qty
        elif isinstance(event, e.ActivityBooked):
            heard[event.activity.activity_id] += 1
            if event.order_filled_qty is not None:
                booked[names[event.activity.broker_order_id]] = event.order_filled_qty
    for activity_id, count in heard.items():
        if count > 1:
            yield f"activity {activity_id} is booked {count} times"
    for order in broker.ours():
        order_id = order.client_order_id
        if order_id not in disk.intents:
            yield f"{order_id} is at the broker and not in the journal"
        if booked[order_id] != order.filled_qty:
            yield f"{order_id}: {booked[order_id]} booked, {order.filled_qty} filled"


REACHED = {
    e.DriftFound: "a symbol frozen",
    e.DriftExplained: "and thawed",
    e.CashUnexplained: "cash in dispute",
    e.CalendarDisputed: "calendars differ",
    e.StreamDoubted: "a mute stream doubted",
    e.RunContinued: "a run continued",
    e.SuspendTradeRequested: "suspend_trade asked for",
    e.ActivityBooked: "activities booked",
    e.AdoptRequested: "adopted",
    e.ForeignOrderFound: "foreign orders seen",
    e.SubmitWithheld: "orders withheld",
    e.OrderNotFound: "not found by id",
}
"""What the journals should show somewhere, for the world to have been as rich as it is meant."""


def reached(entries: Iterable[e.Entry]) -> Counter[str]:
    """Count what a story came to."""
    found: Counter[str] = Counter()
    for entry in entries:
        event = entry.event
        if (words := REACHED.get(type(event))) is not None:
            found[words] += 1
        elif isinstance(event, e.RunStarted):
            found[f"runs by {event.trigger}"] += 1
        elif isinstance(event, e.RunFinished) and event.reason.startswith(LAPSED):
            found["a run waits for a certificate"] += 1
    return found
