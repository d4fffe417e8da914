"""What was not done, and why: each with the rule, what there was and what was allowed.

Read from decisions that are on record; what no entry explains is said to be unexplained.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.runs import CASH_RUNS, FIRST_PICKS, FIRST_TRADE
from atlas_daemon.core.spelling import percent, shares
from atlas_daemon.core.values import ZERO, OrderId, Pick, Regime, Side, Symbol

from .history import History, OrderTold, RunTold


@dataclass(frozen=True, slots=True)
class Undone:
    """One thing that was not done, and the entry that says why."""

    seq: int
    what: str
    why: str
    symbol: Symbol | None = None
    rule: str = ""
    actual: str = ""
    limit: str = ""

    @property
    def text(self) -> str:
        """The whole as a sentence: what, rule, why, figures."""
        rule = f"{self.rule}: " if self.rule and not self.why.startswith(self.rule) else ""
        figures = f" (actual {self.actual}, limit {self.limit})" if self.actual else ""
        return f"{self.what}: {rule}{self.why}{figures}"


def of_run(history: History, run: RunTold) -> list[Undone]:
    """Return everything that a run did not do, in the order of the entries that say so."""
    found = [
        *_of_regime(history, run),
        *_of_plan(history, run),
        *_of_entries(history, run.seqs),
        *(
            undone
            for order_id in run.order_ids
            for undone in of_order(history, history.orders[order_id])
        ),
        *_of_frozen(history, run),
    ]
    found += _unexplained(history, run, found)
    found += _of_ends(history, run)
    unique = {(undone.seq, undone.what, undone.why): undone for undone in found}
    return sorted(unique.values(), key=lambda undone: undone.seq)


def of_order(history: History, order: OrderTold) -> Iterator[Undone]:
    """Yield what was cut off an order before it left, and what of it was not filled."""
    refused = None
    for seq in order.seqs:
        event = history.entry(seq).event
        match event:
            case e.OrderTrimmed():
                what = f"{order.symbol} cut from {shares(event.wanted_qty)} to {shares(event.qty)}"
                yield Undone(
                    *(seq, what, "the largest quantity that passes", event.symbol),
                    *(event.rule, event.actual, event.limit),
                )
            case e.OrderRefused():
                refused = Undone(
                    *(seq, f"{_ordered(order)} refused", event.detail, order.symbol),
                    *(event.rule, event.actual, event.limit),
                )
    if refused is not None and not order.filled_qty:
        yield refused
        return
    yield from _of_end(history, order)


def _ordered(order: OrderTold) -> str:
    side = "order" if order.side is None else order.side.value
    return f"{side} {shares(order.qty)} {order.symbol}"


def _of_end(history: History, order: OrderTold) -> Iterator[Undone]:
    left = (order.qty or ZERO) - order.filled_qty
    if order.status == OrderStatus.FILLED or left <= 0 or not order.sends:
        return
    of = f" of {shares(order.qty)}" if order.filled_qty else ""
    seq, why = _why_it_ended(history, order)
    again = [
        later
        for later in history.orders.values()
        if (later.run_id, later.symbol, later.side) == (order.run_id, order.symbol, order.side)
        and later.seqs[0] > order.seqs[-1]
    ]
    if again:
        why += f"; ordered again as {again[0].order_id}, {again[0].status}"
    what = f"{shares(left)}{of} {order.symbol} not {_DONE.get(order.side, 'filled')}"
    yield Undone(seq, what, why, order.symbol)


_DONE: Mapping[Side | None, str] = {Side.BUY: "bought", Side.SELL: "sold"}


def _why_it_ended(history: History, order: OrderTold) -> tuple[int, str]:
    """Return the entry that says best why an order is not filled, and its words."""
    for seq in reversed(order.seqs):
        match history.entry(seq).event:
            case e.SubmitWithheld(why=why):
                return seq, f"withheld by the fence: {why}"
            case e.SubmitRefused() as no:
                code = "" if no.code is None else f", code {no.code}"
                return seq, f"refused by the broker: {no.reason} (HTTP {no.http_status}{code})"
            case e.CancelRequested(why=why):
                now = "" if order.status == OrderStatus.CANCELED else f"; it is {order.status}"
                return seq, f"cancelled by us: {why}{now}"
            case e.OrderSubmitted():
                break
    why = f"the order is {order.status}"
    return order.seqs[-1], f"{why}, {order.reason}" if order.reason else why


def _of_plan(history: History, run: RunTold) -> Iterator[Undone]:
    """Yield picks that the plan gives no share, and what it leaves in cash."""
    if not run.plan_seqs:
        return
    seq = run.plan_seqs[0]
    plan = history.entry(seq).event
    assert isinstance(plan, e.RunPlanned)
    by_symbol = {line.symbol: line for line in plan.lines}
    for pick in _picks(history, run):
        line = by_symbol.get(pick.symbol)
        if line is None:
            why = f"{plan.regime}: {percent(plan.allocation, places=0)} may be deployed"
            yield Undone(seq, f"pick {pick.symbol} not bought", why, pick.symbol)
        elif line.target_qty == 0 and not line.note.startswith("dropped"):
            why = line.note or f"{plan.regime} deploys {percent(plan.allocation, places=0)}"
            yield Undone(seq, f"pick {pick.symbol} not bought", why, pick.symbol)
        elif line.note and not line.note.startswith("dropped"):
            what = f"{line.symbol} not bought in full: target {shares(line.target_qty)}"
            yield Undone(seq, what, line.note, line.symbol)
    if ZERO < plan.allocation < 1:
        kept = percent(1 - plan.allocation, places=0)
        what = f"{kept} of the equity not deployed"
        yield Undone(seq, what, f"{plan.regime} deploys {percent(plan.allocation, places=0)}")
    for note in plan.notes:
        yield Undone(seq, "not as the strategy wanted", note)


def _picks(history: History, run: RunTold) -> tuple[Pick, ...]:
    if run.signals_seq is None:
        return ()
    event = history.entry(run.signals_seq).event
    if run.trigger in CASH_RUNS:
        return ()
    picks = event.picks if isinstance(event, e.SignalsReported) else ()
    return picks[:FIRST_PICKS] if run.trigger == FIRST_TRADE else picks


def _of_entries(history: History, seqs: list[int]) -> Iterator[Undone]:
    """Yield what single entries say was not done."""
    for seq in seqs:
        match history.entry(seq).event:
            case e.SignalsReported() as event:
                for symbol, why in event.refused:
                    yield Undone(seq, f"{symbol} not looked at", why, Symbol(symbol))
            case e.LineDropped() as event:
                what = f"{event.symbol} dropped from the run"
                yield Undone(seq, what, event.detail, event.symbol, event.rule)
            case e.GatesAnswered() as event:
                for answer in event.answers:
                    if not answer.ok:
                        yield Undone(
                            *(seq, "the plan refused", answer.text, None),
                            *(answer.rule, answer.actual, answer.limit),
                        )
            case e.RequestDenied() as event:
                yield Undone(seq, f"{event.what} denied", event.detail, rule=event.rule)


def _of_frozen(history: History, run: RunTold) -> Iterator[Undone]:
    for symbol, why in run.frozen.items():
        at = [
            seq
            for seq in history.symbols.get(symbol, ())
            if isinstance(history.entry(seq).event, e.DriftFound | e.OrderOverfilled)
        ]
        seq = max((s for s in at if s <= run.seqs[-1]), default=run.first_seq)
        what = f"{symbol} frozen: neither bought nor sold until it is adopted"
        yield Undone(seq, what, why, symbol)


def _unexplained(history: History, run: RunTold, found: list[Undone]) -> Iterator[Undone]:
    """Yield the lines whose target was not reached and of which nothing else says why."""
    if not run.plan_seqs:
        return
    plan = history.entry(run.plan_seqs[-1]).event
    assert isinstance(plan, e.RunPlanned)
    told = {undone.symbol for undone in found}
    filled = _filled_since(history, run, run.plan_seqs[-1])
    for line in plan.lines:
        gap = line.target_qty - line.current_qty - filled.get(line.symbol, ZERO)
        if gap == 0 or line.symbol in told:
            continue
        side = Side.BUY if gap > 0 else Side.SELL
        ordered = any(history.orders[i].symbol == line.symbol for i in run.order_ids)
        why = _end_reason(history, run)
        if not ordered:
            why = f"no order was drafted for it; {why}"
        seq = run.finish_seqs[-1] if run.finish_seqs else run.seqs[-1]
        what = f"{side} {shares(abs(gap))} {line.symbol} not done"
        yield Undone(seq, what, why, line.symbol)


def _filled_since(history: History, run: RunTold, since: int) -> Mapping[Symbol, Decimal]:
    filled: dict[Symbol, Decimal] = {}
    mine = set(run.order_ids)
    for seq in run.seqs:
        event = history.entry(seq).event
        if seq > since and isinstance(event, e.FillBooked) and OrderId(event.order_id) in mine:
            had = filled.get(event.symbol, ZERO)
            filled[event.symbol] = had + event.qty * event.side.sign
    return filled


def _end_reason(history: History, run: RunTold) -> str:
    if not run.finish_seqs:
        return "the run is not finished"
    event = history.entry(run.finish_seqs[-1]).event
    assert isinstance(event, e.RunFinished)
    return f"the run ended {event.outcome}" + (f": {event.reason}" if event.reason else "")


def _of_ends(history: History, run: RunTold) -> Iterator[Undone]:
    for seq in run.finish_seqs:
        event = history.entry(seq).event
        if isinstance(event, e.RunFinished) and event.outcome != "done":
            when = "for good" if event.is_final else "for now"
            what = f"{run.run_id} not finished, {event.outcome} {when}"
            yield Undone(seq, what, event.reason or "no reason is on record")


def _of_regime(history: History, run: RunTold) -> Iterator[Undone]:
    """Yield the changes of regime since the run before, up to this one's end, that led nowhere."""
    before = history.run_before(run)
    since = before.seqs[-1] if before is not None else 0
    raw: Regime | None = None
    for entry in history.entries:
        if not since < entry.seq <= run.seqs[-1]:
            continue
        event = entry.event
        match event:
            case e.RegimeChanged(was=was, regime=regime, reaction="none") if was is not None:
                what = f"no trade upon the regime's change from {was} to {regime}"
                yield Undone(entry.seq, what, "the policy reacts to none such between slots")
            case e.RegimeReported(raw=Regime() as now) if now is not raw:
                raw = now
                if event.confirmed is not None and event.confirmed is not now:
                    what = f"no trade upon {now} as of {event.as_of}"
                    why = f"the model has confirmed {event.confirmed} only"
                    yield Undone(entry.seq, what, why)
