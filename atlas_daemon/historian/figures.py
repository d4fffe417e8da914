"""The numbers behind an entry, as lines under its sentence: what a decision was made on.

With a symbol in view, only what concerns it. Text only; the sentence itself is `records.words`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Level
from atlas_daemon.core.scale import spelled
from atlas_daemon.core.spelling import UNKNOWN, dollars, moment_text, percent, shares
from atlas_daemon.core.values import ZERO, Draft, Symbol
from atlas_daemon.records.trades_csv import OrderSeen
from atlas_daemon.records.words import sentence, slippage_pct

TOLD_RULES = frozenset(
    {"buying_power", "cash_only", "total_allocation", "regime_compliance", "scale", "certificate"}
)
"""Rules whose figures are shown also where a whole plan keeps them."""

Seen = OrderSeen | None
Say = Callable[[Any, Symbol | None, Seen], Iterator[str]]


def figures(event: e.Event, focus: Symbol | None, known: Seen) -> Iterator[str]:
    """Yield the lines of an event's numbers; `focus` is the symbol in view, None for all."""
    say = _FIGURES.get(type(event))
    if say is not None:
        yield from say(event, focus, known)


def line_text(line: e.PlanLine, equity: Decimal) -> str:
    """Return a line of a plan: from, to, what for, at which price, and how much of the equity."""
    change = line.target_qty - line.current_qty
    do = f"buy {shares(change)}" if change > 0 else f"sell {shares(-change)}" if change else "keep"
    text = f"{line.symbol}: {shares(line.current_qty)} -> {shares(line.target_qty)}, {do}"
    if line.price is not None:
        text += f" at {price(line.price)}"
    if line.price is not None and line.target_qty:
        value = line.target_qty * line.price
        share = percent(value / equity) if equity > 0 else UNKNOWN
        text += f": {dollars(value)}, {share} of the equity"
    if line.weight:
        text += f" (weight {percent(line.weight)})"
    return f"{text}; {line.note}" if line.note else text


def price(value: Decimal | None) -> str:
    """Return a price with all of its digits, at least two: `$47.395`."""
    if value is None:
        return dollars(None)
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents:<02}" if len(cents) < 2 else f"${text}"


def bps(fraction: Decimal) -> str:
    """Return a fraction in basis points with its sign: `+1.9 bps`; what rounds to none has none."""
    text = f"{fraction * 10_000:+.1f}"
    return f"{'0.0' if text in ('+0.0', '-0.0') else text} bps"


def answers_about(
    answers: Sequence[e.GateAnswer], symbol: Symbol
) -> Iterator[tuple[bool, e.GateAnswer]]:
    """Yield what the gates said of one line, True before each, and of the whole plan, False.

    The answers on a line to be bought stand together, behind the one that names its symbol.
    """
    of: str | None = None
    for answer in answers:
        if answer.rule == "symbol_format":
            of = answer.actual
        if answer.rule in ("no_duplicate_order", "no_opposite_order"):
            of = next((word for word in answer.text.split() if word == f"{symbol},"), "")[:-1]
        if of is None:
            yield False, answer
        elif of == symbol:
            yield True, answer


def _draft(draft: Draft) -> str:
    text = f"{sentence(draft)}, expected at {price(draft.expected_price)}"
    if draft.limit_price is not None:
        text += f", limit {price(draft.limit_price)}"
    if draft.priced_at is not None:
        text += f", a price of {moment_text(draft.priced_at)}"
    return text


def _drafted(event: e.OrderDrafted, focus: Symbol | None, known: Seen) -> Iterator[str]:
    yield _draft(event.draft)


def _approved(event: e.OrderApproved, focus: Symbol | None, known: Seen) -> Iterator[str]:
    approved = event.approved
    yield f"every rule is kept; {_draft(approved.draft)}"
    yield f"may leave until {moment_text(approved.expires_at)}"


def _signals(event: e.SignalsReported, focus: Symbol | None, known: Seen) -> Iterator[str]:
    yield from _labels(event)
    for rank, pick in enumerate(event.picks, 1):
        if focus in (None, pick.symbol):
            text = (
                f"pick {rank} of {len(event.picks)}: {pick.symbol}, weight {percent(pick.weight)}"
            )
            if pick.ratio is not None:
                text += f", at {percent(pick.ratio, places=2)} of its 252-session high"
            yield text if pick.close is None else f"{text}, close {price(pick.close)}"
    if focus is not None and all(pick.symbol != focus for pick in event.picks):
        yield f"{focus} is not among the {len(event.picks)} picks"
    for symbol, why in event.refused:
        if focus in (None, symbol):
            yield f"{symbol} refused by the strategy: {why}"
    yield from (f"note: {note}" for note in event.notes)


def _labels(event: e.SignalsReported | e.RegimeReported) -> Iterator[str]:
    raw = event.regime_raw if isinstance(event, e.SignalsReported) else event.raw
    confirmed = event.regime_confirmed if isinstance(event, e.SignalsReported) else event.confirmed
    if raw is not None or confirmed is not None:
        yield f"the model says {raw} of that session alone, and has confirmed {confirmed}"


def _planned(event: e.RunPlanned, focus: Symbol | None, known: Seen) -> Iterator[str]:
    scaled = "" if event.scale == 1 else f" x scale {spelled(event.scale)}"
    yield (
        f"equity {dollars(event.equity)} x {percent(event.allocation, places=0)} "
        f"({event.regime}){scaled}: {dollars(event.deployable)} deployable; "
        f"cash {dollars(event.cash)}"
    )
    for line in event.lines:
        if focus in (None, line.symbol):
            yield line_text(line, event.equity)
    yield from (f"note: {note}" for note in event.notes)


def _gates(event: e.GatesAnswered, focus: Symbol | None, known: Seen) -> Iterator[str]:
    broken = [answer for answer in event.answers if not answer.ok]
    rules = len({answer.rule for answer in event.answers})
    said = f"{len(broken)} refused" if broken else "all kept"
    yield f"{rules} rules, {len(event.answers)} answers: {said}"
    if focus is not None:
        told = [a for is_own, a in answers_about(event.answers, focus) if is_own or not a.ok]
    else:
        told = broken or [a for a in event.answers if a.rule in TOLD_RULES]
    yield from (answer.text for answer in told)


def _snapshot(event: e.SnapshotReported, focus: Symbol | None, known: Seen) -> Iterator[str]:
    account = event.account
    yield (
        f"equity {dollars(account.equity)}, cash {dollars(account.cash)}, "
        f"buying power {dollars(account.buying_power)}, {len(event.positions)} positions, "
        f"{len(event.open_orders)} open orders"
    )
    for position in event.positions if focus is not None else ():
        if position.symbol == focus:
            yield f"{focus}: {shares(position.qty)} held, at {price(position.price)}"


def _quotes(event: e.QuotesReported, focus: Symbol | None, known: Seen) -> Iterator[str]:
    for quote in event.quotes:
        if quote.symbol == focus:
            yield (
                f"{focus}: bid {price(quote.bid)}, ask {price(quote.ask)}, last {price(quote.last)}"
            )


def _filled(event: e.FillBooked, focus: Symbol | None, known: Seen) -> Iterator[str]:
    slip = slippage_pct(event, known)
    if slip is not None and known is not None and known.draft.expected_price is not None:
        expected = known.draft.expected_price
        cost = (event.price - expected) * event.side.sign * event.qty
        yield (
            f"expected {price(expected)}: cost {dollars(cost)}, {bps(slip)} (positive is a cost)"
        )


def _finished(event: e.RunFinished, focus: Symbol | None, known: Seen) -> Iterator[str]:
    report = event.report
    if report is None:
        return
    for line in report.lines:
        if line.symbol == focus:
            text = f"{focus}: target {shares(line.target_qty)}, held {shares(line.actual_qty)}"
            yield f"{text}; {line.note}" if line.note else text
    if focus is None:
        yield (
            f"deployed {percent(report.achieved_pct)} of {_wanted(report)}, "
            f"slippage cost {dollars(report.slippage_cost)}, "
            f"equity {dollars(report.final_equity)}"
        )
        yield from (f"off target: {text}" for text in report.discrepancies)


def _wanted(report: e.RunReport) -> str:
    """Return what was to be deployed: the regime's allocation, and the scale of it."""
    wanted = percent(report.allocation_pct, places=0)
    return wanted if report.scale == 1 else f"{wanted} x scale {spelled(report.scale)}"


def _examined(event: e.DoctorReported, focus: Symbol | None, known: Seen) -> Iterator[str]:
    for finding in event.findings:
        if finding.level is not Level.OK:
            yield f"{finding.level}: {finding.check}: {finding.text}"


def _equity(event: e.EquityMarked, focus: Symbol | None, known: Seen) -> Iterator[str]:
    if event.benchmark is not None:
        yield f"benchmark at {price(event.benchmark)}"


def _order_heard(event: e.OrderReported, focus: Symbol | None, known: Seen) -> Iterator[str]:
    if event.filled_qty and event.filled_avg_price is not None:
        yield f"{shares(event.filled_qty)} filled, on average at {price(event.filled_avg_price)}"


def _adopted(event: e.BookAdopted, focus: Symbol | None, known: Seen) -> Iterator[str]:
    if focus is not None:
        qty = dict(event.positions).get(focus)
        if qty is not None or event.is_whole:
            yield f"{focus}: {shares(qty if qty is not None else ZERO)}"


_FIGURES: Mapping[type[e.Event], Say] = {
    e.OrderDrafted: _drafted,
    e.OrderApproved: _approved,
    e.SignalsReported: _signals,
    e.RegimeReported: lambda event, focus, known: _labels(event),
    e.RunPlanned: _planned,
    e.GatesAnswered: _gates,
    e.SnapshotReported: _snapshot,
    e.QuotesReported: _quotes,
    e.FillBooked: _filled,
    e.RunFinished: _finished,
    e.DoctorReported: _examined,
    e.EquityMarked: _equity,
    e.OrderReported: _order_heard,
    e.BookAdopted: _adopted,
}
