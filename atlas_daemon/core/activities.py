"""The account's activities: asked for where the book differs, and booked once each.

Fees, dividends, deposits, splits and manual trades explain what our own fills do not. An activity
that fits nothing, or whose type is unknown, is on record and explains nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from . import events as e
from .asking import ask_activities, ask_figures, may_ask_activities
from .effects import Effect, FetchOrder
from .orders import Order, OrderStatus
from .policy import Policy
from .reckoning import Reckoning, is_cash, is_shares
from .runs import is_at_rest
from .state import State
from .values import Activity, Symbol

EVERY = timedelta(days=1)
NOTED_EVERY = timedelta(days=30)
"""A list in which nothing was new is noted so often: else each is longer than the one before."""
BOOKED_PER_TURN = 200
SETTLE = timedelta(days=2)
"""An activity about shares may be told before or after the shares move; beyond this it is odd."""
KNOWN_AFTER = timedelta(minutes=1)
"""So long after a fill the broker knows its order by id; a not-found before that says nothing."""


def on_book_adopted(
    state: State, event: e.BookAdopted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A book taken whole holds all activities there are: they are noted, not booked."""
    if event.is_whole:
        yield from ask_activities(state)


def on_difference(
    state: State, event: e.DriftSeen | e.CashDriftSeen, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Ask what explains it, before the grace window ends."""
    if may_ask_activities(state, policy):
        yield from ask_activities(state)


def on_stream_reported(
    state: State, event: e.StreamReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """What happened while nobody listened."""
    if event.condition == "listening" and may_ask_activities(state, policy):
        yield from ask_activities(state)


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask until a difference is explained or its list was read; less often ever after."""
    figures, seen_at = state.figures, state.figures.activities_at
    if figures.snapshot is None or figures.snapshot.account.number != state.account_number:
        return
    differs = [at for at in (figures.drift_at, figures.cash_differs_at) if at is not None]
    if differs:  # the later one too: what explained the shares may not have told of the cash yet
        is_due = seen_at is None or seen_at < max(differs)
    elif state.cash_dispute is not None or state.frozen:
        is_due = seen_at is None or state.now - seen_at >= policy.reconcile_idle_every
    else:
        read_at = seen_at or state.activities.read_at
        is_due = read_at is None or state.now - read_at >= EVERY
    if is_due and may_ask_activities(state, policy):
        yield from ask_activities(state)


def on_snapshot_reported(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Thaw what the broker shows as we have it again, and goes on to: its positions had lagged."""
    if state.figures.snapshot is not event or not is_at_rest(state, None):
        return
    for symbol, since in sorted(state.figures.agreed_since.items()):
        is_lasting = event.asked_at - since >= policy.grace
        if is_lasting and symbol in state.frozen.keys() - state.overfilled:
            yield e.DriftExplained(symbol)
            text = f"{symbol}: the broker shows our quantity again; frozen no more"
            yield e.AlertRaised("info", "drift", text)


def on_activities_reported(
    state: State, event: e.ActivitiesReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Book what is new; what moved shares only where it fits what the broker shows."""
    if not state.book.is_known:
        return
    log = state.activities
    news = [a for a in event.activities if a.activity_id not in log.heard]
    yield from _late_fills_asked(state, news, policy)
    news = [a for a in news if not _is_booked(state, a)]
    noted: list[str] = []
    if log.read_at is None:
        noted = [a.activity_id for a in news if _is_in_whole_book(state, a)]
        news = [a for a in news if a.activity_id not in set(noted)]
    reckoning = Reckoning(state)
    booked = list(_bookings(state, reckoning, news))
    now, later = booked[:BOOKED_PER_TURN], booked[BOOKED_PER_TURN:]
    yield from now
    if later:
        yield from ask_activities(state)
        return
    is_stale = log.read_at is not None and event.asked_at - log.read_at >= NOTED_EVERY
    if now or log.read_at is None or is_stale:
        yield e.ActivitiesNoted(event.asked_at, tuple(noted))
    yield from _told(state, now)
    yield from _thawed(state, reckoning, now)
    is_unseen = any(is_shares(a) and not _is_seen(state, a) for a in news)
    if is_unseen or any(x.cash or x.moves for x in now):
        yield from ask_figures(state, {policy.benchmark})


def _bookings(
    state: State, reckoning: Reckoning, news: Iterable[Activity]
) -> Iterator[e.ActivityBooked]:
    """Yield what each activity does to the book; none for one that must wait."""
    shares: dict[Symbol, list[Activity]] = {}
    for activity in news:
        if activity.is_canceled:
            yield reckoning.on_record(activity, "canceled")
        elif activity.kind == "FILL":
            if activity.broker_order_id in state.closed_fills:
                yield reckoning.own_fill(activity, state.closed_fills[activity.broker_order_id])
            elif not _is_perhaps_ours(state, activity):
                yield reckoning.foreign_fill(activity)
        elif is_shares(activity):
            shares.setdefault(activity.symbol, []).append(activity)
        elif is_cash(activity):
            yield reckoning.money(activity)
        else:
            yield reckoning.on_record(activity, "of an unknown type")
    theirs = _theirs(state) if is_at_rest(state, None) else None
    for symbol, group in shares.items():
        found = None if theirs is None else reckoning.fitting(symbol, group, theirs)
        if found is not None:
            yield from found
        else:
            old = [a for a in group if _is_over(a, state)]
            yield from (reckoning.on_record(a, "does not fit the position") for a in old)


def _is_over(activity: Activity, state: State) -> bool:
    """True where shares that should have moved have not, in the time that they are given."""
    return state.now - _moment(activity, state.now) >= SETTLE and _is_seen(state, activity)


def _is_seen(state: State, activity: Activity) -> bool:
    """True where the broker's positions were looked at since; before, they say nothing of it."""
    snapshot = state.figures.snapshot
    return snapshot is not None and snapshot.asked_at >= _moment(activity, state.now)


def _theirs(state: State) -> dict[Symbol, Decimal]:
    snapshot = state.figures.snapshot
    return {} if snapshot is None else {p.symbol: p.qty for p in snapshot.positions if p.qty}


def _moment(activity: Activity, now: datetime) -> datetime:
    """Return when it was; of one dated by day the day's end in New York, or later."""
    if activity.at is not None:
        return activity.at
    if activity.day is None:
        return now
    midnight = datetime.combine(activity.day, datetime.min.time(), now.tzinfo)
    return midnight + timedelta(hours=29)


def _order_of(state: State, broker_order_id: str) -> Order | None:
    for order in state.orders.values():
        if order.broker_order_id is not None and str(order.broker_order_id) == broker_order_id:
            return order
    return None


def _is_booked(state: State, activity: Activity) -> bool:
    """True for a fill of an order of ours that its own figures account for."""
    if activity.kind != "FILL":
        return False
    if _order_of(state, activity.broker_order_id) is not None:
        return True  # its cumulative figures are asked for, not added to
    filled = state.closed_fills.get(activity.broker_order_id)
    return filled is not None and (activity.cum_qty is None or activity.cum_qty <= filled)


def _is_in_whole_book(state: State, activity: Activity) -> bool:
    adopted_at = state.book.adopted_at
    return activity.at is None or adopted_at is None or activity.at <= adopted_at


def _is_perhaps_ours(state: State, activity: Activity) -> bool:
    """True while an order of ours is in doubt that this may be a fill of."""
    known_at = _moment(activity, state.now) + KNOWN_AFTER
    return any(
        order.broker_order_id is None
        and order.draft.symbol == activity.symbol
        and activity.side.startswith(order.draft.side)
        and (order.is_in_doubt or order.status is OrderStatus.LAPSED)
        and not any(at > known_at for at in state.figures.not_found.get(id_, ()))
        for id_, order in state.orders.items()
    )


def _late_fills_asked(
    state: State, news: Iterable[Activity], policy: Policy
) -> Iterator[e.Event | Effect]:
    """Ask by id for orders of ours of which the list tells more than we know."""
    asked: set[str] = set()
    for activity in news:
        if activity.kind != "FILL":
            continue
        order = _order_of(state, activity.broker_order_id)
        if order is not None:
            is_behind = activity.cum_qty is None or activity.cum_qty > order.filled_qty
            behind = [order] if is_behind else []
        else:
            behind = [
                o
                for o in state.orders.values()
                if o.status is OrderStatus.LAPSED
                and o.draft.symbol == activity.symbol
                and _is_perhaps_ours(state, activity)
            ]
        for late in behind:
            order_id = late.draft.order_id
            seen_at = state.figures.looked_up.get(order_id)
            is_recent = seen_at is not None and state.now - seen_at < policy.poll_blind_every
            if order_id not in asked and not is_recent:
                asked.add(order_id)
                yield e.LookUpRequested(order_id)
                yield FetchOrder(order_id)


def _told(state: State, booked: list[e.ActivityBooked]) -> Iterator[e.Event | Effect]:
    """Tell somebody of what nobody of ours did, and of what nobody understands."""
    trades = [x for x in booked if x.activity.kind == "FILL" and x.order_filled_qty is None]
    late = [x for x in booked if x.order_filled_qty is not None]
    odd = [x for x in booked if not x.is_explained and x.activity.kind != "FILL"]
    for level, key, text, which in (
        ("warning", "manual trade", "a trade that is not ours", trades),
        ("error", "order", "a late fill of an order of a closed run", late),
        ("warning", "activity", "an activity that explains nothing", odd),
    ):
        if which:
            words = "; ".join(_words(x.activity) for x in which[:5])
            more = f" and {len(which) - 5} more" if len(which) > 5 else ""
            yield e.AlertRaised(level, key, f"{text}: {words}{more}")


def _words(activity: Activity) -> str:
    figures = (
        activity.side,
        "" if activity.qty is None else f"{activity.qty:f}",
        activity.symbol,
        "" if activity.price is None else f"at {activity.price:f}",
        "" if activity.net_amount is None else f"${activity.net_amount:f}",
    )
    return " ".join(word for word in (activity.kind, *figures) if word)


def _thawed(
    state: State, reckoning: Reckoning, booked: list[e.ActivityBooked]
) -> Iterator[e.Event | Effect]:
    """A frozen symbol whose quantity is explained now is frozen no more."""
    theirs = _theirs(state)
    moved = {move.symbol for x in booked for move in x.moves}
    for symbol in sorted(moved & (state.frozen.keys() - state.overfilled)):
        if reckoning.held_of(symbol) == theirs.get(symbol, 0):
            yield e.DriftExplained(symbol)
            text = f"{symbol} is explained and frozen no more"
            yield e.AlertRaised("info", "drift", text)
