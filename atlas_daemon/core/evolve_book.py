"""The changes of state of our book and of what it was compared with: fills, activities, drifts.

Nothing here decides anything.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

from . import events as e
from .evolve_figures import Change, with_figures
from .frozen import replace
from .moments import new_york_day
from .orders import Order, OrderStatus
from .reckoning import FLOW_KINDS
from .state import ACTIVITIES_MAX, FLOWS_MAX, FOREIGN_MAX, ActivityLog, Flow, State
from .values import ZERO, Draft, OrderType, Side, Symbol

HEARD_FOR = timedelta(days=7)
"""Ids of activities are remembered this long: longer than any list reaches back."""


def _book_adopted(state: State, event: e.BookAdopted) -> State:
    had = state.book
    kept = {} if event.is_whole else dict(had.positions)
    positions = {s: q for s, q in {**kept, **dict(event.positions)}.items() if q}
    restated = dict.fromkeys(symbol for symbol, _ in event.positions)  # in their order
    frozen = (
        {} if event.is_whole else {s: why for s, why in state.frozen.items() if s not in restated}
    )
    bought = {s: min(q, positions[s]) for s, q in had.bought.items() if s in positions}
    if not event.is_whole:  # adopted by the operator: from here on it is managed
        bought |= {s: positions[s] for s in restated if s in positions}
    unnamed, dispute = had.unnamed_cash, state.cash_dispute
    if event.cash is not None:
        unnamed = ZERO if event.is_whole else unnamed + event.cash - had.cash
        dispute = None
    book = replace(
        had,
        cash=had.cash if event.cash is None else event.cash,
        positions=positions,
        bought={s: q for s, q in bought.items() if q > 0},
        changed_at=state.now,
        is_known=True,
        unnamed_cash=unnamed,
        adopted_at=state.now if event.is_whole else had.adopted_at,
        adopted={} if event.is_whole else {**had.adopted, **dict.fromkeys(restated, state.now)},
    )
    figures = replace(state.figures, drift_at=None, drift_symbols=(), cash_differs_at=None)
    return replace(
        state,
        book=book,
        frozen=frozen,
        overfilled=frozenset() if event.is_whole else state.overfilled.difference(restated),
        cash_dispute=dispute,
        figures=figures,
    )


def _first_book_seen(state: State, event: e.FirstBookSeen) -> State:
    return with_figures(state, first_book=event)


def _execution_disputed(state: State, event: e.ExecutionDisputed) -> State:
    order = state.orders[event.order_id]
    order = replace(order, disputed=order.disputed | {event.execution_id})
    return replace(state, orders={**state.orders, event.order_id: order})


def _order_overfilled(state: State, event: e.OrderOverfilled) -> State:
    why = f"{event.order_id} of {event.qty:f} filled {event.filled_qty:f}"
    return replace(
        state,
        frozen={**state.frozen, event.symbol: why},
        overfilled=state.overfilled | {event.symbol},
    )


def _drift_found(state: State, event: e.DriftFound) -> State:
    why = f"we have {event.ours:f}, the broker has {event.theirs:f}"
    return replace(state, frozen={**state.frozen, event.symbol: why})


def _drift_explained(state: State, event: e.DriftExplained) -> State:
    return replace(state, frozen={s: why for s, why in state.frozen.items() if s != event.symbol})


def _cash_restated(state: State, event: e.CashRestated) -> State:
    book = state.book
    unnamed = book.unnamed_cash + event.theirs - book.cash
    book = replace(book, cash=event.theirs, unnamed_cash=unnamed)
    return replace(state, book=book, cash_dispute=None)


def _cash_unexplained(state: State, event: e.CashUnexplained) -> State:
    return replace(state, cash_dispute=event)


def _activity_booked(state: State, event: e.ActivityBooked) -> State:
    book, activity = state.book, event.activity
    log = state.activities
    log = ActivityLog(
        {**log.heard, activity.activity_id: state.now},
        log.read_at,
        (*log.latest, (state.now, event))[-ACTIVITIES_MAX:],
    )
    state = replace(state, activities=log, flows=(*state.flows, *_flows(state, event))[-FLOWS_MAX:])
    if event.order_filled_qty is not None:
        filled = {activity.broker_order_id: event.order_filled_qty}
        state = replace(state, closed_fills={**state.closed_fills, **filled})
    if not (event.cash or event.cash_named or event.moves):
        return state
    positions, bought = book.positions, book.bought
    for move in event.moves:
        positions = _plus(positions, move.symbol, move.qty)
        bought = _plus(bought, move.symbol, move.bought)
    book = replace(
        book,
        cash=book.cash + event.cash,
        unnamed_cash=book.unnamed_cash - event.cash_named,
        positions=positions,
        bought={s: q for s, q in bought.items() if q > 0},
        changed_at=state.now,
    )
    return replace(state, book=book)


def _flows(state: State, event: e.ActivityBooked) -> Iterator[Flow]:
    """Yield what an activity brought from outside or took away: at most one."""
    activity = event.activity
    if activity.kind not in FLOW_KINDS or not event.is_explained:
        return
    amount = activity.net_amount
    if event.moves:  # in kind
        price, qty = activity.price, sum((move.qty for move in event.moves), ZERO)
        amount = None if price is None else (amount or ZERO) + qty * price
    day = activity.day or new_york_day(activity.at or state.now)
    yield Flow(day, activity.at, state.now, amount)


def _activities_noted(state: State, event: e.ActivitiesNoted) -> State:
    log = state.activities
    oldest = event.asked_at - HEARD_FOR
    heard = {i: at for i, at in log.heard.items() if at >= oldest}
    heard |= dict.fromkeys(event.ids, state.now)
    return replace(state, activities=replace(log, heard=heard, read_at=event.asked_at))


def _foreign_order_found(state: State, event: e.ForeignOrderFound) -> State:
    foreign = {**state.foreign, str(event.broker_order_id): event}
    while len(foreign) > FOREIGN_MAX:
        del foreign[next(iter(foreign))]
    return replace(state, foreign=foreign)


def _order_adopted(state: State, event: e.OrderAdopted) -> State:
    draft = Draft(
        event.order_id,
        event.run_id,
        event.symbol,
        event.side,
        event.qty,
        OrderType.MARKET,
        expected_price=None,
    )
    order = Order(
        draft,
        OrderStatus.WORKING,
        state.now,
        state.now,
        state.now,
        broker_order_id=event.broker_order_id,
        broker_status=event.broker_status,
    )
    return replace(state, orders={**state.orders, event.order_id: order})


def _rival_suspected(state: State, event: e.RivalSuspected) -> State:
    return with_figures(state, rival=event.why)


def _fill_booked(state: State, event: e.FillBooked) -> State:
    order = state.orders[event.order_id].with_fill(
        event.qty, event.price, event.execution_id, state.now
    )
    book, signed = state.book, event.qty * event.side.sign
    bought = _plus(book.bought, event.symbol, signed)
    if event.symbol in bought and bought[event.symbol] < 0:
        del bought[event.symbol]
    sold, sold_on = book.sold, book.sold_on
    if event.side is Side.SELL:
        today = new_york_day(state.now)
        sold = event.qty * event.price + (sold if sold_on == today else ZERO)
        sold_on = today
    book = replace(
        book,
        cash=book.cash - signed * event.price,
        positions=_plus(book.positions, event.symbol, signed),
        bought=bought,
        changed_at=state.now,
        sold=sold,
        sold_on=sold_on,
    )
    run = state.run
    if run is not None and not run.has_filled and event.order_id.startswith(run.prefix):
        run = replace(run, has_filled=True)
    return replace(state, orders={**state.orders, event.order_id: order}, book=book, run=run)


def with_closed_orders(state: State) -> State:
    """Return the state without orders that are done; the journal keeps them for ever.

    What they filled stays known, so that the account's activities are not booked once more.
    """
    closed = {
        str(o.broker_order_id): o.filled_qty
        for o in state.orders.values()
        if o.is_done and o.broker_order_id is not None
    }
    orders = {i: o for i, o in state.orders.items() if not o.is_done}
    return replace(state, orders=orders, closed_fills={**state.closed_fills, **closed})


def _plus(held: Mapping[Symbol, Decimal], symbol: Symbol, qty: Decimal) -> dict[Symbol, Decimal]:
    after = {**held, symbol: held.get(symbol, ZERO) + qty}
    if not after[symbol]:
        del after[symbol]
    return after


BOOK_CHANGES: Mapping[type[e.Event], Change] = {
    e.BookAdopted: _book_adopted,
    e.FirstBookSeen: _first_book_seen,
    e.ExecutionDisputed: _execution_disputed,
    e.OrderOverfilled: _order_overfilled,
    e.DriftFound: _drift_found,
    e.DriftExplained: _drift_explained,
    e.CashRestated: _cash_restated,
    e.CashUnexplained: _cash_unexplained,
    e.ActivityBooked: _activity_booked,
    e.ActivitiesNoted: _activities_noted,
    e.ForeignOrderFound: _foreign_order_found,
    e.OrderAdopted: _order_adopted,
    e.RivalSuspected: _rival_suspected,
    e.FillBooked: _fill_booked,
}
"""Looked up by `evolve`, with its own."""
