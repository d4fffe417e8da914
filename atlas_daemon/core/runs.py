"""Runs and slots: their names, what is managed, which lines are missing, the report at the end.

Questions only, asked by the handlers; nothing here yields an event.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from . import events as e
from .moments import new_york_day
from .orders import Order, OrderStatus
from .policy import Policy
from .sessions import NYSE, CalendarRangeError
from .state import Run, State
from .values import (
    ALLOCATION,
    ORDER_ID_PREFIX,
    ZERO,
    Draft,
    OrderId,
    Pick,
    Regime,
    RunId,
    Session,
    Side,
    Symbol,
)

CASH_RUNS = frozenset({"crash", "stop"})
"""Triggers of runs whose target is cash."""
FIRST_TRADE = "first"
"""Trigger of the run that buys for a few dollars only."""
FIRST_PICKS = 3
"""The handbook's first trade."""
CRASH_REASON = "CRASH"
"""Why a run ended that a CRASH closed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A date of the schedule: the first session on or after an anchor."""

    name: str
    session: Session
    due_at: datetime
    last: Session
    """The session in which catching up ends."""


def slots_around(now: datetime, policy: Policy) -> Iterator[Slot]:
    """Yield the slots of last year, this year and the next, oldest first.

    The calendar ends where nobody knows it further: there are no slots beyond.
    """
    year = new_york_day(now).year
    for y in (year - 1, year, year + 1):
        yield from _slots_of(y, policy.anchors, policy.open_delay, policy.catch_up_sessions)


@lru_cache(maxsize=16)
def _slots_of(
    year: int, anchors: tuple[tuple[int, int], ...], open_delay: timedelta, catch_up: int
) -> tuple[Slot, ...]:
    """Return a year's slots. The same at every tick, so they are worked out once."""
    slots = []
    for month, day in sorted(anchors):
        try:
            session = last = NYSE.next_session(date(year, month, day))
            for _ in range(catch_up):
                last = NYSE.session_after(last.day)
        except CalendarRangeError:
            break
        name = f"{year}-{month:02d}"
        slots.append(Slot(name, session, session.opens_at + open_delay, last))
    return tuple(slots)


def open_slots(state: State, policy: Policy) -> Iterator[Slot]:
    """Yield the slots that are due or to come and not closed for ever, oldest first.

    A slot that was due before the journal's first entry is neither due nor missed: a fresh
    install never trades by surprise.
    """
    born_at = state.born_at or state.now
    for slot in slots_around(state.now, policy):
        if slot.due_at >= born_at and slot.name not in state.slots:
            yield slot


def next_slot(state: State, policy: Policy) -> Slot | None:
    """Return the slot that is due, or else the next one to come."""
    return next(open_slots(state, policy), None)


def run_id_for(state: State, trigger: str, day: date) -> RunId:
    """Return the id of a run outside the slots: `crash-20270315`, `force-20270310-1` ..."""
    stem = f"{trigger}-{day:%Y%m%d}"
    if trigger in {"crash", "regime"} and RunId(stem) not in state.run_ids:
        return RunId(stem)
    number = 1
    while RunId(f"{stem}-{number}") in state.run_ids:
        number += 1
    return RunId(f"{stem}-{number}")


def order_id_for(state: State, run: Run, round_: int, side: Side, symbol: Symbol) -> OrderId:
    """Return `atlas-{run}-r{round}-{side}-{symbol}-{attempt}` with the next unused attempt."""
    stem = f"{ORDER_ID_PREFIX}{run.run_id}-r{round_}-{side}-{symbol}"
    attempt = 1
    while OrderId(f"{stem}-{attempt}") in state.orders:
        attempt += 1
    return OrderId(f"{stem}-{attempt}")


_ORDER_ID = re.compile(rf"{ORDER_ID_PREFIX}(.+)-r\d+-(buy|sell)-([A-Z][A-Z0-9.]*)-\d+")


def parse_order_id(order_id: str) -> tuple[RunId, Side, Symbol] | None:
    """Return run, side and symbol that an id of ours names; None where it is not of our making."""
    found = _ORDER_ID.fullmatch(order_id)
    if found is None:
        return None
    return RunId(found[1]), Side(found[2]), Symbol(found[3])


def orders_of_run(state: State, run: Run) -> list[Order]:
    """Return the run's orders, oldest first."""
    return [o for i, o in state.orders.items() if i.startswith(run.prefix)]


def orders_of_round(state: State, run: Run, side: Side) -> dict[Symbol, Order]:
    """Return the orders of the run's present round by symbol; the latest attempt where several."""
    stem = f"{run.prefix}r{run.round}-{side}-"
    return {o.draft.symbol: o for i, o in state.orders.items() if i.startswith(stem)}


def picks_of(run: Run) -> tuple[Pick, ...]:
    """Return what the run wants to hold; nothing for a run to cash."""
    if run.signals is None or run.trigger in CASH_RUNS:
        return ()
    picks = run.signals.picks
    return picks[:FIRST_PICKS] if run.trigger == FIRST_TRADE else picks


def symbols_of(state: State, run: Run, policy: Policy) -> frozenset[Symbol]:
    """Return every symbol that the run has a line of: picks, and what is managed besides.

    A first trade touches nothing but its picks.
    """
    picked = frozenset(pick.symbol for pick in picks_of(run))
    if run.trigger == FIRST_TRADE:
        return picked
    return picked | managed_positions(state, policy).keys()


def goes_to_cash(state: State, run: Run) -> bool:
    """True where all that the run can do is sell: it needs nothing that a buy would need."""
    seen = state.regime
    return run.trigger in CASH_RUNS or (seen is not None and seen.acted_on is Regime.CRASH)


def is_manageable(symbol: Symbol, policy: Policy) -> bool:
    """True where the policy lets the symbol be touched at all."""
    return symbol not in policy.protected


def managed_positions(state: State, policy: Policy) -> dict[Symbol, Decimal]:
    """Return the quantities that a run may sell: long US stocks, not protected.

    From the broker's latest snapshot, so that a position the book does not know is seen; with
    `manage = "bought"` at most what the journal bought.
    """
    snapshot = state.figures.snapshot
    if snapshot is None:
        return {}
    held: dict[Symbol, Decimal] = {}
    for position in snapshot.positions:
        symbol = position.symbol
        if position.asset_class != "us_equity" or position.qty <= 0:
            continue
        if not is_manageable(symbol, policy):
            continue
        qty = position.qty
        if not policy.manages_all:
            qty = min(qty, state.book.bought.get(symbol, ZERO))
        if qty > 0:
            held[symbol] = qty
    return held


def managed_in_book(state: State, policy: Policy) -> dict[Symbol, Decimal]:
    """Return the same from our own book, which fills move at once."""
    held = {s: q for s, q in state.book.positions.items() if q > 0 and is_manageable(s, policy)}
    if policy.manages_all:
        return held
    bought = state.book.bought
    return {s: min(q, bought[s]) for s, q in held.items() if s in bought}


def is_flattening(state: State) -> bool:
    """True while the open run sells what is held because of a stop, all cancels seen."""
    run, halt = state.run, state.halt
    return run is not None and run.trigger == "stop" and halt is not None and halt.is_complete


def is_flatten_sell(state: State, draft: Draft) -> bool:
    """True for a sell of that run: the only order that a halt lets through."""
    run = state.run
    return (
        is_flattening(state)
        and draft.side is Side.SELL
        and run is not None
        and draft.run_id == run.run_id
    )


def position_prices(state: State) -> Mapping[Symbol, Decimal]:
    """Return the broker's price of each position, at cost where it has none."""
    snapshot = state.figures.snapshot
    if snapshot is None:
        return {}
    return {
        p.symbol: p.price if p.price is not None else p.avg_entry_price for p in snapshot.positions
    }


def managed_equity(state: State, policy: Policy) -> Decimal:
    """Return cash plus managed positions in dollars, at most `account.capital` where set."""
    snapshot = state.figures.snapshot
    if snapshot is None:
        return ZERO
    prices = position_prices(state)
    held = managed_positions(state, policy)
    cash = min(snapshot.account.cash, state.book.cash)
    total = cash + sum((q * prices[s] for s, q in held.items()), ZERO)
    # Account and positions are told a moment apart: the lower figure is safe for every limit.
    total = min(total, snapshot.account.equity)
    return min(total, policy.capital) if policy.capital > 0 else total


def is_at_rest(state: State, since: datetime | None) -> bool:
    """True where the latest snapshot was asked for at or after `since`, and nothing of ours moved.

    A report is only compared with a book that no order can still be changing.
    """
    snapshot = state.figures.snapshot
    if snapshot is None or (since is not None and snapshot.asked_at < since):
        return False
    if any(state.open_orders()) or any(order.is_ours for order in snapshot.open_orders):
        return False
    changed_at = state.book.changed_at
    return changed_at is None or snapshot.asked_at >= changed_at


def time_left(state: State, run: Run) -> timedelta:
    """Return how long the run's session still lasts; zero or less where it is over."""
    session = NYSE.session_of(run.order_day)
    return timedelta(0) if session is None else session.closes_at - state.now


def missing_lines(state: State, run: Run, policy: Policy) -> dict[Symbol, Decimal]:
    """Return target minus actual (shares) of each line that is off by more than the tolerance.

    Not missing: a line dropped by policy, one frozen, and what a cap, cash or a drifted price cut
    off an order.
    """
    if run.plan is None:
        return {}
    held = managed_positions(state, policy)
    missing: dict[Symbol, Decimal] = {}
    for line in run.plan.lines:
        if line.symbol in run.dropped or line.symbol in state.frozen:
            continue
        target = run.agreed.get(line.symbol, line.target_qty)
        gap = target - held.get(line.symbol, ZERO)
        if abs(gap) > _tolerance(run, line, policy):
            missing[line.symbol] = gap
    return missing


def _tolerance(run: Run, line: e.PlanLine, policy: Policy) -> Decimal:
    """Return the shares that a line may be off: a first trade may want less than one in all."""
    return policy.qty_tolerance if line.target_qty and run.trigger != FIRST_TRADE else ZERO


def report_of(state: State, run: Run, policy: Policy, regime: Regime) -> e.RunReport:
    """Return the summary report of a run as it stands, from fills and the broker's positions."""
    orders = orders_of_run(state, run)
    filled = [o for o in orders if o.filled_qty]
    rejected = [o for o in orders if o.status in (OrderStatus.REJECTED, OrderStatus.REFUSED)]
    slippage = cost = ZERO
    for order in filled:
        expected, price = order.draft.expected_price, order.filled_avg_price
        if expected is not None and price is not None:
            slippage += price - expected
            cost += (price - expected) * order.draft.side.sign * order.filled_qty
    snapshot = state.figures.snapshot
    equity = managed_equity(state, policy)
    held, prices = managed_positions(state, policy), position_prices(state)
    lines, off = [], []
    for line in run.plan.lines if run.plan else ():
        actual = held.get(line.symbol, ZERO)
        note = run.dropped.get(line.symbol) or run.trimmed.get(line.symbol) or line.note
        price = prices.get(line.symbol) or line.price or ZERO
        lines.append(
            e.AchievedLine(
                line.symbol,
                line.target_qty,
                actual,
                target_weight=_share(line.target_qty * price, equity),
                actual_weight=_share(actual * price, equity),
                note=note,
            )
        )
        if abs(actual - line.target_qty) > _tolerance(run, line, policy):
            off.append(f"{line.symbol}: target {line.target_qty:f}, actual {actual:f}")
    if run.trigger == "stop":  # what is left is left, dropped by policy or a single share
        why = {**run.dropped, **state.frozen}
        off = [f"{s}: {q:f} left" + (f" ({why[s]})" if s in why else "") for s, q in held.items()]
    value = sum((q * prices[s] for s, q in held.items()), ZERO)
    return e.RunReport(
        total_orders=len(orders),
        filled_orders=sum(o.status is OrderStatus.FILLED for o in orders),
        rejected_orders=len(rejected),
        total_slippage=round(slippage, 4),
        slippage_cost=round(cost, 2),
        final_equity=snapshot.account.equity if snapshot else ZERO,
        regime=regime,
        allocation_pct=ALLOCATION[regime],
        achieved_pct=_share(value, equity),
        lines=tuple(lines),
        discrepancies=tuple(off),
        scale=run.plan.scale if run.plan is not None else Decimal(1),
    )


def _share(value: Decimal, equity: Decimal) -> Decimal:
    return round(value / equity, 4) if equity > 0 else ZERO
