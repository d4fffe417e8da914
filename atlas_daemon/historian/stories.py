"""The story of an order, a symbol, a slot or a run: a title, facts, what was not done, the steps.

A step is an entry in the words of the log, with the numbers behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from atlas_daemon.core import events as e
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import CASH_RUNS, slots_around
from atlas_daemon.core.scale import spelled
from atlas_daemon.core.spelling import (
    dollars,
    moment_text,
    percent,
    shares,
    weekday_text,
)
from atlas_daemon.core.values import ZERO, OrderId, RunId, Symbol
from atlas_daemon.records.words import words

from . import undone
from .figures import bps, line_text, price
from .finding import Subject, slot_text
from .history import History, Moved, OrderTold, RunTold
from .steps import QUIET, Step, is_told, steps_of
from .subjects import run_of
from .undone import Undone


@dataclass(frozen=True, slots=True)
class Holding:
    """A change of a symbol's quantity, and the entry's words for it."""

    moved: Moved
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole story of a subject."""

    subject: Subject
    title: str
    facts: tuple[tuple[str, str], ...]
    undone: tuple[Undone, ...] = ()
    orders: tuple[OrderTold, ...] = ()
    holdings: tuple[Holding, ...] = ()
    steps: tuple[Step, ...] = ()
    fault: str = ""
    """Why the journal could not be read to its end; empty where it was."""
    notes: tuple[str, ...] = ()


def tell(
    history: History, subject: Subject, policy: Policy, *, is_whole: bool = False
) -> Explanation:
    """Return the story of a subject. `is_whole`: every entry, and of a symbol every run."""
    match subject.kind:
        case "order":
            return _of_order(history, subject, is_whole)
        case "symbol":
            return _of_symbol(history, subject, is_whole)
        case "run":
            return _of_run(history, subject, policy, is_whole)
        case "slot":
            return _of_slot(history, subject, policy, is_whole)


# A run.


def _of_run(history: History, subject: Subject, policy: Policy, is_whole: bool) -> Explanation:
    run = history.runs[RunId(subject.name)]
    chosen = [seq for seq in run.seqs if is_whole or is_told(history, seq)]
    not_done = undone.of_run(history, run)
    if run.first_seq:
        chosen += history.reasons(run)
        late = _lateness(history, run, policy)
        not_done[:0] = [late] if late is not None else []
    return Explanation(
        subject=subject,
        title=f"Run {run.run_id}: {_outcome(history, run)}",
        facts=tuple(_run_facts(history, run)),
        undone=tuple(not_done),
        orders=tuple(history.orders[order_id] for order_id in run.order_ids),
        steps=steps_of(history, chosen, None),
        fault=history.fault,
    )


def _lateness(history: History, run: RunTold, policy: Policy) -> Undone | None:
    """Return why a slot's run began in a later session than its own, as far as it is on record."""
    start = history.entry(run.first_seq)
    slots = {slot.name: slot for slot in slots_around(start.at, policy)}
    slot = slots.get(run.slot or "")
    if slot is None or not isinstance(start.event, e.RunStarted):
        return None
    if start.event.order_day == slot.session.day:
        return None
    told = [
        f"{entry.seq} at {moment_text(entry.at)}: {line.text}"
        for entry in history.entries[: run.first_seq]
        if entry.at >= slot.due_at
        and isinstance(entry.event, _OBSTACLES)
        and (line := words(entry.event, None)) is not None
    ]
    why = "; ".join(told[-3:]) or "no entry of that time says why"
    what = f"slot {slot.name} not begun on {weekday_text(slot.session.day)}, when it was due"
    return Undone(run.first_seq, what, why)


def _outcome(history: History, run: RunTold) -> str:
    if not run.finish_seqs or run.finish_seqs[-1] < _last_start(history, run):
        return "under way"
    entry = history.entry(run.finish_seqs[-1])
    event = entry.event
    assert isinstance(event, e.RunFinished)
    end = "for good" if event.is_final else "for now"
    why = f" ({event.reason})" if event.reason else ""
    return f"{event.outcome} {end} at {moment_text(entry.at)}{why}"


def _last_start(history: History, run: RunTold) -> int:
    started = (e.RunStarted, e.RunContinued)
    return max(
        (seq for seq in run.seqs if isinstance(history.entry(seq).event, started)), default=0
    )


def _run_facts(history: History, run: RunTold) -> Iterator[tuple[str, str]]:
    if run.order_day is not None and run.signal_day is not None:
        yield (
            "Why",
            f"{_TRIGGERS.get(run.trigger, run.trigger)}; orders on {weekday_text(run.order_day)}, "
            f"signals of {weekday_text(run.signal_day)}",
        )
    if run.signals_seq is not None and run.trigger not in CASH_RUNS:
        event = history.entry(run.signals_seq).event
        assert isinstance(event, e.SignalsReported)
        names = " ".join(pick.symbol for pick in event.picks) or "none: all cash"
        of = f" of {event.candidates}" if event.candidates else ""
        yield "Picks", f"{len(event.picks)}{of}: {names}"
    if run.plan_seqs:
        plan = history.entry(run.plan_seqs[0]).event
        assert isinstance(plan, e.RunPlanned)
        yield "Regime", f"{plan.regime}: {percent(plan.allocation, places=0)} may be deployed"
        if plan.scale != 1:
            yield "Scale", f"{spelled(plan.scale)} of normal sizes: real money begins small"
        yield (
            "Money",
            f"equity {dollars(plan.equity)}, deployable {dollars(plan.deployable)}, "
            f"cash {dollars(plan.cash)} when it was planned",
        )
    orders = [history.orders[order_id] for order_id in run.order_ids]
    filled = sum(order.status == "filled" for order in orders)
    yield "Orders", f"{len(orders)}, {filled} filled"
    if run.finish_seqs:
        end = history.entry(run.finish_seqs[-1]).event
        assert isinstance(end, e.RunFinished)
        if end.report is not None:
            yield (
                "Result",
                f"{percent(end.report.achieved_pct)} deployed, slippage cost "
                f"{dollars(end.report.slippage_cost)}, equity {dollars(end.report.final_equity)}",
            )


_TRIGGERS = {
    "slot": "a slot of the schedule was due",
    "force": "a person asked for it",
    "first": "a person asked for a first trade: a few dollars of the best picks",
    "crash": "the regime went to CRASH: to cash",
    "regime": "the regime changed",
    "stop": "the stop sells what is managed",
}


# An order.


def _of_order(history: History, subject: Subject, is_whole: bool) -> Explanation:
    order = history.orders[OrderId(subject.name)]
    own = [*order.seqs, *_frame_of(history, order.run_id, order.symbol, order.seqs[0])]
    causes = [cause for seq in own for cause in history.causes(seq)]
    told = [
        seq for seq in (*own, *causes) if is_whole or type(history.entry(seq).event) not in QUIET
    ]
    why = f": {order.reason}" if order.reason else ""
    return Explanation(
        subject=subject,
        title=f"Order {order.order_id}: {order.status}{why}",
        facts=tuple(_order_facts(history, order)),
        undone=tuple(undone.of_order(history, order)),
        steps=steps_of(history, told, order.symbol),
        fault=history.fault,
    )


def _order_facts(history: History, order: OrderTold) -> Iterator[tuple[str, str]]:
    side = "-" if order.side is None else order.side.value
    yield "What", f"{side} {shares(order.qty)} {order.symbol}, run {order.run_id}"
    if order.broker_order_id:
        yield "Broker's", str(order.broker_order_id)
    run = history.runs.get(order.run_id) if order.run_id is not None else None
    if run is not None:
        seq = max((seq for seq in run.plan_seqs if seq < order.seqs[0]), default=None)
        plan = None if seq is None else history.entry(seq).event
        for line in plan.lines if isinstance(plan, e.RunPlanned) else ():
            if line.symbol == order.symbol and isinstance(plan, e.RunPlanned):
                yield "Plan", line_text(line, plan.equity)
    filled = f"{shares(order.filled_qty)} of {shares(order.qty)}"
    if order.filled_avg_price is None:
        yield "Filled", f"{filled}; expected at {price(order.expected_price)}"
        return
    average = round(order.filled_avg_price, 6).normalize()
    yield "Filled", f"{filled} at {price(average)}; expected at {price(order.expected_price)}"
    if order.expected_price is not None and order.side is not None:
        gap = (order.filled_avg_price - order.expected_price) * order.side.sign
        slip = bps(gap / order.expected_price)
        yield "Cost", f"{dollars(gap * order.filled_qty)} against that, {slip}"


def _frame_of(
    history: History, run_id: RunId | None, symbol: Symbol, until: int | None
) -> Iterator[int]:
    """Yield the entries that led to a symbol's orders in a run: start, signals, plans, gates, end.

    Up to and with the last plan before `until`; where None, of the whole run.
    """
    run = history.runs.get(run_id) if run_id is not None else None
    if run is None:
        return
    yield from history.reasons(run)
    for seq in run.seqs:
        event = history.entry(seq).event
        if until is not None and seq >= until:
            return
        if not isinstance(event, _FRAME) or run_of(event) != run_id:
            continue
        if not isinstance(event, e.LineDropped) or event.symbol == symbol:
            yield seq


_FRAME = (
    e.RunStarted,
    e.RunContinued,
    e.RunPlanned,
    e.GatesAnswered,
    e.LineDropped,
    e.PhaseStarted,
    e.RunFinished,
)


# A symbol.


def _of_symbol(history: History, subject: Subject, is_whole: bool) -> Explanation:
    symbol = Symbol(subject.name)
    runs = sorted(history.runs.values(), key=lambda run: run.first_seq)
    own = [run for run in runs if _concerns(history, run, symbol)]
    shown = own if is_whole else own[-1:]
    since = 0 if is_whole or not shown else shown[0].first_seq
    chosen = [
        seq
        for seq in history.symbols.get(symbol, ())
        if seq >= since and (is_whole or _is_of_interest(history, seq))
    ]
    not_done: list[Undone] = []
    for run in shown:
        chosen.extend(_frame_of(history, run.run_id, symbol, None))
        not_done += [u for u in undone.of_run(history, run) if u.symbol == symbol]
    held = history.state.book.positions.get(symbol, ZERO)
    bought = history.state.book.bought.get(symbol, ZERO)
    facts = [("Held", f"{shares(held)} by our book, {shares(bought)} of them bought by us")]
    if (why := history.state.frozen.get(symbol)) is not None:
        facts.append(("Frozen", why))
    if shown:
        facts.append(("Runs", " ".join(run.run_id for run in shown)))
    elif runs:
        facts.append(("Runs", "none of them concerns it"))
    order_ids = [i for run in shown for i in run.order_ids if history.orders[i].symbol == symbol]
    hidden = len(own) - len(shown)
    return Explanation(
        subject=subject,
        title=f"{symbol}: {shares(held)} held",
        facts=tuple(facts),
        undone=tuple(not_done),
        orders=tuple(history.orders[order_id] for order_id in order_ids),
        holdings=tuple(_holdings(history, symbol)),
        steps=steps_of(history, chosen, symbol),
        fault=history.fault,
        notes=(f"{hidden} earlier runs: --all tells them too",) if hidden else (),
    )


def _concerns(history: History, run: RunTold, symbol: Symbol) -> bool:
    mine = {*run.seqs, *(() if run.signals_seq is None else (run.signals_seq,))}
    telling = (e.SnapshotReported, e.FirstBookSeen)
    return any(
        seq in mine and not isinstance(history.entry(seq).event, telling)
        for seq in history.symbols.get(symbol, ())
    )


def _is_of_interest(history: History, seq: int) -> bool:
    event = history.entry(seq).event
    if isinstance(event, e.SnapshotReported | e.FirstBookSeen):
        return False
    return type(event) not in QUIET


def _holdings(history: History, symbol: Symbol) -> Iterator[Holding]:
    for moved in history.moves.get(symbol, ()):
        entry = history.entry(moved.seq)
        line = words(entry.event, history.known_before(moved.seq))
        yield Holding(moved, entry.at, "" if line is None else line.text)


# A slot without a run.


def _of_slot(history: History, subject: Subject, policy: Policy, is_whole: bool) -> Explanation:
    missed = history.missed.get(subject.name)
    if missed is None:
        text = slot_text(history, subject.name, policy)
        return Explanation(subject, f"Slot {subject.name} {text}", (), fault=history.fault)
    event = history.entry(missed).event
    assert isinstance(event, e.SlotMissed)
    chosen = [
        entry.seq
        for entry in history.entries
        if entry.seq <= missed + 1 and (is_whole or isinstance(entry.event, _OBSTACLES))
    ]
    runs = [run for run in history.runs.values() if run.first_seq < missed]
    since = max((run.seqs[-1] for run in runs), default=0)
    return Explanation(
        subject=subject,
        title=f"Slot {subject.name}: missed, {event.why}",
        facts=(("What now", "it is closed for ever; `atlasd rebalance --force` makes a run"),),
        undone=(Undone(missed, f"no rebalance in slot {subject.name}", event.why),),
        steps=steps_of(history, [seq for seq in chosen if seq > since], None),
        fault=history.fault,
    )


_OBSTACLES = (
    e.SlotMissed,
    e.DaemonStarted,
    e.DaemonCrashed,
    e.ModeChanged,
    e.CertificateReported,
    e.TradingHalted,
    e.TradingResumed,
    e.CalendarDisputed,
    e.ClockDisputed,
    e.ClockStepped,
    e.RequestDenied,
    e.AlertRaised,
    e.ShutdownRequested,
)
"""What may have kept a slot from its run."""
