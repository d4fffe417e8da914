"""Our book against the broker's, and what mode follows from it. Figures are compared, not copied.

Compared only at rest: nothing of ours open or in doubt, and no fill since the figures were asked
for. Differences get a grace window; an unexplained quantity then freezes its symbol only.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from . import events as e
from .asking import alert_once, ask_figures, may_ask
from .effects import CancelOrder, Effect, FetchOrder
from .freshness import is_clock_trusted
from .modes import blocks_of, mode_of
from .moments import new_york_day
from .policy import Policy
from .runs import is_at_rest, parse_order_id
from .sessions import NYSE
from .state import Phase, State
from .values import ZERO, Mode, OpenOrder, OrderId, RunId, Symbol

DARK_AFTER = timedelta(minutes=15)
"""A broker that has not answered for so long is told of."""
STREAM_DOWN_AFTER = timedelta(seconds=60)
"""So is a stream that is down for so long amid a run."""


def on_daemon_started(
    state: State, event: e.DaemonStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Ask for the figures at once: start-up is recovery."""
    yield from ask_figures(state, {policy.benchmark})


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask for figures when they are due, and settle the mode as time passes."""
    figures = state.figures
    is_busy = state.run is not None or any(state.open_orders())
    every = policy.reconcile_every if is_busy else policy.reconcile_idle_every
    if figures.matched_at is None or state.mode is Mode.STARTING or figures.differs_at:
        every = policy.poll_blind_every
    if figures.stream != "listening":
        every = min(every, policy.reconcile_every)
    is_due = figures.asked_at is None or state.now - figures.asked_at >= every
    if is_due and may_ask(state, policy):
        yield from ask_figures(state, {policy.benchmark})
    since = figures.stream_at or figures.started_at
    is_amid = is_busy and (state.run is None or state.run.phase is not Phase.PARKED)
    is_down = figures.stream in ("connecting", "lost")  # refused and doubted are told as such
    if is_amid and is_down and since is not None and state.now - since >= STREAM_DOWN_AFTER:
        text = f"the order stream is down since {since:%H:%M:%S} UTC: orders are asked after"
        yield from alert_once(state, "warning", "stream", text)
    yield from settle_mode(state, policy)


def on_snapshot_reported(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Name foreign orders, compare the books where both are at rest."""
    if state.figures.snapshot is not event:
        return  # the answer to an earlier question came later (S099)
    if event.account.number != state.account_number:
        text = f"the keys are of account {event.account.number}, not of {state.account_number}"
        yield from alert_once(state, "critical", "account", text)
        yield from settle_mode(state, policy)
        return
    yield from _name_foreign(state, event)
    if not is_at_rest(state, None):
        return
    theirs = {p.symbol: p.qty for p in event.positions if p.qty}
    if not state.book.is_known:
        yield from _take_first_book(state, event, tuple(sorted(theirs.items())), policy)
        return
    ours = state.book.positions
    differing = tuple(
        symbol
        for symbol in sorted({*ours, *theirs})
        if ours.get(symbol, ZERO) != theirs.get(symbol, ZERO) and symbol not in state.frozen
    )
    if differing:
        yield from _name_drift(state, event, differing, policy)
    else:
        yield from _compare_cash(state, event, policy)


def _take_first_book(
    state: State,
    event: e.SnapshotReported,
    positions: tuple[tuple[Symbol, Decimal], ...],
    policy: Policy,
) -> Iterator[e.Event | Effect]:
    """Adopt what two looks agree on: cash and positions are two answers, of two moments.

    Without a grace one look is enough: it is for figures that do not move.
    """
    cash, first = event.account.cash, state.figures.first_book
    if policy.grace:
        if first is None or (first.cash, first.positions) != (cash, positions):
            yield e.FirstBookSeen(event.asked_at, cash, positions)
            return
        if event.asked_at - first.asked_at < policy.grace:
            return
    yield e.BookAdopted(cash, positions, is_whole=True, why="first start")
    yield e.BookMatched()


def on_book_matched(
    state: State, event: e.BookMatched, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Parity may open trading; after a close it gives the day's mark of equity.

    Not by a clock that runs ahead or was not compared yet: marks count as days that were lived.
    """
    yield from settle_mode(state, policy)
    snapshot = state.figures.snapshot
    assert snapshot is not None
    last = NYSE.last_completed(snapshot.asked_at)
    # A run's own mark of that day is of its end, hours before the close.
    is_new = not state.marks or state.marks[-1].at < last.closes_at
    is_ours = state.born_at is not None and state.born_at < last.closes_at
    is_over = NYSE.session_at(snapshot.asked_at) is None and is_clock_trusted(state)
    if is_new and is_ours and is_over:
        quote = state.figures.quotes.get(policy.benchmark)
        account = snapshot.account
        price = quote.last if quote is not None else None
        yield e.EquityMarked(last.day, account.equity, account.cash, price)


def on_difference(state: State, event: e.Event, policy: Policy) -> Iterator[e.Event | Effect]:
    """While books or clocks differ, or no certificate counts, nothing is bought from now on."""
    yield from settle_mode(state, policy)


def on_foreign_order_found(
    state: State, event: e.ForeignOrderFound, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Tell of it; under our prefix, and not left by a former process, it is another daemon's."""
    whose = "an order with our prefix" if event.carries_our_prefix else "a foreign order"
    qty = "" if event.qty is None else f"{event.qty:f} "
    text = f"{whose} rests: {event.side} {qty}{event.symbol} ({event.client_order_id})"
    level = "critical" if event.carries_our_prefix else "warning"
    yield e.AlertRaised(level, "foreign", text)
    is_new = state.figures.first_matched_at is not None and not state.figures.rival
    if event.carries_our_prefix and is_new:
        yield e.RivalSuspected(f"another daemon trades this account: {event.client_order_id}")


def on_stream_doubted(
    state: State, event: e.StreamDoubted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A mute stream counts as none: polling stands in for it until it speaks or is reopened."""
    yield e.AlertRaised("error", "stream", f"the order stream is mute: {event.why}")
    yield from ask_figures(state, {policy.benchmark})
    yield from settle_mode(state, policy)


def on_stream_reported(
    state: State, event: e.StreamReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A stream that opens or is lost: whatever happened in between is asked for."""
    if event.condition == "refused":
        why = f"the order stream is refused: {event.detail}"
        yield from alert_once(state, "error", "stream", why)
    if event.condition in ("listening", "lost"):
        yield from ask_figures(state, {policy.benchmark})
    yield from settle_mode(state, policy)


def on_fetch_failed(
    state: State, event: e.FetchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """No answer is no news: nothing is concluded, somebody is told."""
    if event.what == "signals":
        yield from alert_once(state, "critical", "signals", f"no signals: {event.detail}")
    elif event.what == "activities" and state.figures.differs_at is not None:
        text = f"what may explain a difference cannot be read: {event.detail}"
        yield from alert_once(state, "error", "activities", text)
    elif event.what == "credentials":
        why = f"the broker refuses our keys: {event.detail}"
        yield from alert_once(state, "critical", "credentials", why)
    elif event.what == "snapshot":
        yield from _tell_dark(state)
    yield from settle_mode(state, policy)


def _tell_dark(state: State) -> Iterator[e.Event | Effect]:
    """A broker that has not answered for long is told of: more urgently amid a run."""
    figures = state.figures
    since = figures.started_at if figures.snapshot is None else figures.snapshot.asked_at
    if since is not None and state.now - since >= DARK_AFTER:
        text = f"the broker has not answered since {since:%Y-%m-%d %H:%M} UTC"
        level = "error" if state.run is None else "critical"
        yield from alert_once(state, level, "broker", text)


def on_adopt_requested(
    state: State, event: e.AdoptRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The operator accepts the broker's figures: of a symbol, or of all."""
    snapshot = state.figures.snapshot
    if snapshot is None or not is_at_rest(state, None):
        yield e.RequestDenied("adopt", "at rest", "orders are open, or no figures yet")
        return
    theirs = {p.symbol: p.qty for p in snapshot.positions}
    symbols = {*theirs, *state.frozen} if event.symbol is None else {event.symbol}
    known = {*theirs, *state.book.positions, *state.frozen}
    if event.symbol is not None and event.symbol not in known:
        yield e.RequestDenied("adopt", "held", f"{event.symbol} is held by nobody")
        return
    cash = snapshot.account.cash if event.symbol is None else state.book.cash
    positions = tuple((symbol, theirs.get(symbol, ZERO)) for symbol in sorted(symbols))
    why = f"adopted by {event.by}"
    restated = cash if cash != state.book.cash else None
    yield e.BookAdopted(restated, positions, is_whole=False, why=why)
    yield from ask_figures(state, {policy.benchmark})


def settle_mode(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    """Yield the mode that follows from what is known, where it is another than now."""
    mode, reason = mode_of(state, policy)
    if mode is not state.mode:
        yield e.ModeChanged(mode, reason)
        snapshot = state.figures.snapshot
        if (
            mode is Mode.REDUCE_ONLY
            and snapshot is not None
            and (why := blocks_of(snapshot.account))
        ):
            yield e.AlertRaised("error", "account", f"the broker lets nobody trade: {why}")


def _name_foreign(state: State, event: e.SnapshotReported) -> Iterator[e.Event | Effect]:
    for order in event.open_orders:
        if order.client_order_id in state.orders:
            continue
        if str(order.broker_order_id) in state.closed_fills:
            continue  # listed before it ended
        if order.is_ours and state.figures.first_matched_at is None:
            named = parse_order_id(order.client_order_id)
            if named is not None and named[1:] == (order.side, order.symbol) and order.qty:
                yield from _adopt(state, order, named[0], order.qty)
                continue
        if str(order.broker_order_id) in state.foreign:
            continue
        yield e.ForeignOrderFound(
            order.broker_order_id,
            order.client_order_id,
            order.symbol,
            order.side,
            order.qty,
            order.is_ours,
        )


def _adopt(
    state: State, order: OpenOrder, run_id: RunId, qty: Decimal
) -> Iterator[e.Event | Effect]:
    """Take an order that the journal lost into the run its id names; an orphan is pulled."""
    order_id = OrderId(order.client_order_id)
    yield e.OrderAdopted(
        order_id, order.broker_order_id, run_id, order.symbol, order.side, qty, order.status
    )
    text = f"an order of ours that the journal lacks: {order_id}"
    yield e.AlertRaised("error", "order", text)
    yield e.LookUpRequested(order_id)
    yield FetchOrder(order_id)
    if state.run is None or state.run.run_id != run_id:
        yield e.CancelRequested(order_id, "its run is not open")
        yield CancelOrder(order_id, order.broker_order_id)


def _is_read_since(state: State, since: datetime) -> bool:
    """True where the activities that may explain a difference were read after it was seen."""
    seen_at = state.figures.activities_at
    return seen_at is not None and seen_at >= since


def _name_drift(
    state: State, event: e.SnapshotReported, symbols: tuple[Symbol, ...], policy: Policy
) -> Iterator[e.Event | Effect]:
    figures = state.figures
    if figures.drift_at is None or figures.drift_symbols != symbols:
        yield e.DriftSeen(symbols)
        return
    if event.asked_at - figures.drift_at < policy.grace:
        return
    if not _is_read_since(state, figures.drift_at):
        return  # nothing is unexplained before its explanation was looked for
    theirs = {p.symbol: p.qty for p in event.positions}
    for symbol in symbols:
        ours, their = state.book.positions.get(symbol, ZERO), theirs.get(symbol, ZERO)
        yield e.DriftFound(symbol, ours, their)
        text = f"{symbol}: we have {ours:f}, the broker has {their:f}; frozen until adopted"
        yield e.AlertRaised("critical", "drift", text)
    yield from _compare_cash(state, event, policy)


def _compare_cash(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Follow the broker's cash within the tolerance; beyond it only what activities explain."""
    ours, theirs = state.book.cash, event.account.cash
    gap, dispute = theirs - ours, state.cash_dispute
    tolerance = _cash_tolerance(state, policy)
    if abs(gap) <= tolerance:
        if gap or dispute is not None:
            yield e.CashRestated(ours, theirs, is_within_tolerance=True)
        yield e.BookMatched()
        return
    if dispute is not None and abs(dispute.theirs - dispute.ours - gap) <= tolerance:
        yield e.BookMatched()  # told already: the lower figure counts
        return
    since = state.figures.cash_differs_at
    if since is None:
        yield e.CashDriftSeen(ours, theirs)
        return
    if event.asked_at - since < policy.grace or not _is_read_since(state, since):
        return
    yield e.CashUnexplained(ours, theirs)
    text = f"cash: we have {ours:.2f}, the broker has {theirs:.2f}; the lower figure counts"
    yield e.AlertRaised("error", "cash", text)
    yield e.BookMatched()


def _cash_tolerance(state: State, policy: Policy) -> Decimal:
    book = state.book
    sold = book.sold if book.sold_on == new_york_day(state.now) else ZERO
    return policy.cash_tolerance + policy.cash_tolerance_pct * sold
